"""Read the queries, qrels and passages of a collection, and report all errors at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from babelrank.data.passages import PassageSource
from babelrank.data.survey import survey
from babelrank.errors import DataError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Parts:
    """Tables from `read_queries` and `read_qrels`, and the source of the passages. The qrels may be None."""

    queries: pd.DataFrame
    qrels: pd.DataFrame | None
    passages: PassageSource


def read_parts(
    queries: Callable[[], pd.DataFrame],
    qrels: Callable[[], pd.DataFrame] | None,
    passages: Callable[[], PassageSource],
    *,
    thorough: bool = False,
) -> Parts:
    """Read the parts of a collection.

    Parameters
    ----------
    queries, qrels, passages
        Functions that read or find one part each. Without `qrels`, the collection has none.
    thorough
        Whether to read all passages even if another part is wrong.

    Raises
    ------
    DataError
        A part is wrong. The message has one line for each such part.
    """
    problems: list[str] = []

    def attempt(read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except DataError as error:
            problems.append(str(error))
            return None

    asked, judged, source = attempt(queries), attempt(qrels) if qrels else None, attempt(passages)
    if source is not None and problems and thorough:
        attempt(lambda: survey(source))
    if asked is None or source is None or problems:
        raise DataError("\n".join(problems))
    return Parts(asked, judged, source)
