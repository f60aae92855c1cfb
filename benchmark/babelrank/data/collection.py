"""What every loader makes and every later step reads: queries, passages and judgements by language."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from babelrank.errors import DataError, unknown_choice


@dataclass(frozen=True)
class Collection:
    """A retrieval test collection in one or more languages.

    Rows of one language stand together, in the order of `languages`, in `queries` as in `passages`; the ranking relies
    on it. No text is deduplicated.

    Attributes
    ----------
    name
        The specification that loads it again, such as ``xquad-r`` or ``xquad-r:paragraph:de,en``.
    languages
        ISO 639-1 codes, sorted.
    queries
        Columns ``lang``, ``id``, ``text``; one row per query.
    passages
        Columns ``lang``, ``id``, ``text``; one row per candidate; ids are unique in the pool.
    qrels
        Columns ``query`` and ``passage`` (row positions in the two tables above) and ``grade`` (int, > 0); sorted by
        query, then passage.
    candidates
        What a passage is: ``sentence``, ``sentence+context``, ``paragraph``, or ``passage``: what the collection
        itself takes for one.
    sha256
        Digest of the files it was read from.
    notes
        What of the files takes no part in it, in sentences.
    own_passages
        By query, the row of the passage that has its id and is left out when it is ranked, −1 where there is none:
        int64, shape (queries,); None if nothing is left out.
    """

    name: str
    languages: tuple[str, ...]
    queries: pd.DataFrame
    passages: pd.DataFrame
    qrels: pd.DataFrame
    candidates: str
    sha256: str
    notes: tuple[str, ...] = ()
    own_passages: np.ndarray | None = None

    @cached_property
    def pool_bounds(self) -> np.ndarray:
        """Row at which each language's passages begin, and the end: int64, shape (languages + 1,)."""
        counts = self.passages["lang"].value_counts()
        return np.concatenate([[0], np.cumsum([counts.get(lang, 0) for lang in self.languages])]).astype(np.int64)

    @property
    def lang_codes(self) -> np.ndarray:
        """Place in `languages` of each passage's language: uint16, shape (passages,)."""
        return np.repeat(np.arange(len(self.languages), dtype=np.uint16), np.diff(self.pool_bounds))

    @property
    def pool_sizes(self) -> dict[str, int]:
        """Number of passages by language."""
        return dict(zip(self.languages, np.diff(self.pool_bounds).tolist(), strict=True))

    @property
    def query_counts(self) -> dict[str, int]:
        """Number of queries by language."""
        counts = self.queries["lang"].value_counts()
        return {lang: int(counts.get(lang, 0)) for lang in self.languages}


def choose_languages(wanted: Sequence[str], available: Sequence[str], collection: str) -> tuple[str, ...]:
    """Return `wanted` sorted and without repeats, or everything available if nothing in particular is wanted."""
    for lang in wanted:
        if lang not in available:
            raise DataError(f"{collection}: " + unknown_choice("language", lang, available))
    return tuple(sorted(set(wanted or available)))
