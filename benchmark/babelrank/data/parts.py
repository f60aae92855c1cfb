"""Queries, judgements and passages of one collection, read together: all that is wrong is said at once."""

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
    """Tables as `read_queries` and `read_qrels` return them, and where the passages are; qrels may be None."""

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
        Read or find one part each; without `qrels`, the collection has none.
    thorough
        Read all passages, too, if another part is wrong.

    Raises
    ------
    DataError
        A part is wrong; says it of all parts that are, a line each.
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
