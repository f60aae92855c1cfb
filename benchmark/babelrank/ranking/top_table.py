"""Representations -> the best ranked passages of each query, kept beside the ranks of the relevant ones.

The rank table tells how far down an answer stands; this table tells what stands above it. One row per query and passage
that is among the best of the pool or among the best of its language, with its rank where it is listed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection
from babelrank.encoding.representations import Representations
from babelrank.ranking.counting import keep_best
from babelrank.ranking.ranks import (
    Consumer,
    counters,
    for_each_block,
    language_order,
    make_collection_scorer,
    relevant_ranks,
)
from babelrank.ranking.table import RelevantRanks
from babelrank.ranking.table_file import RANK_TYPES, TEXT_TYPES, TableFormat

POOL_DEPTH = 10
LANGUAGE_DEPTH = 1  # at 3 the table of XQuAD-R takes twice the space, more than the ranks themselves
_FORMAT = TableFormat("table of top passages", b"babelrank-top", 1, TEXT_TYPES | RANK_TYPES)
COLUMNS = tuple(_FORMAT.types)


@dataclass(frozen=True)
class TopRanks:
    """The best ranked passages of each query, relevant or not.

    Attributes
    ----------
    table
        Columns `COLUMNS`, by query and then in the pool's order. Ranks start at 1 and are float64, halves under ties,
        as in `RelevantRanks`; NaN where the passage is not among the best of that list. Of equal scores at the end of a
        list, those that come first in the pool are kept.
    languages
        ISO 639-1 codes, sorted.
    pool_sizes
        Passages by language.
    pool_depth, language_depth
        How many passages are kept for each query, of the pool and of each language.
    """

    table: pd.DataFrame
    languages: tuple[str, ...]
    pool_sizes: dict[str, int]
    pool_depth: int
    language_depth: int

    def write(self, path: Path) -> None:
        """Write the table as Parquet, without the index; the rest goes into the file's metadata.

        Raises
        ------
        OSError
            The folder cannot be written or the disk is full; `path` is then as it was.
        """
        metadata = {
            "languages": list(self.languages),
            "pool_sizes": self.pool_sizes,
            "pool_depth": self.pool_depth,
            "language_depth": self.language_depth,
        }
        _FORMAT.write(path, self.table, metadata)


def read_top(path: Path) -> TopRanks:
    """Read a table that `TopRanks.write` wrote.

    Raises
    ------
    ReportError
        The file is missing, damaged, or of another format.
    """
    return _FORMAT.read(path, _restore)


def _restore(table: pd.DataFrame, metadata: Mapping[str, Any]) -> TopRanks:
    return TopRanks(
        table,
        tuple(metadata["languages"]),
        dict(metadata["pool_sizes"]),
        int(metadata["pool_depth"]),
        int(metadata["language_depth"]),
    )


def rank_with_top(
    collection: Collection,
    representations: Representations,
    *,
    pool_depth: int = POOL_DEPTH,
    language_depth: int = LANGUAGE_DEPTH,
    threads: int | None = None,
) -> tuple[RelevantRanks, TopRanks]:
    """Rank as `ranks.rank` does, and find the best passages of the pool and of each language on the way.

    Each block of scores is made once.

    Parameters
    ----------
    pool_depth, language_depth
        Passages kept for each query; all there are if there are fewer.
    threads
        By default one per available core.

    Raises
    ------
    ValueError
        The representations are of another collection, or a depth is below 1.
    """
    if min(pool_depth, language_depth) < 1:
        raise ValueError(f"depths of {pool_depth} and {language_depth}, where at least 1 passage has to be kept.")
    (bounds, order), queries = language_order(collection), len(collection.queries)
    best, best_in_language = _Best(queries, bounds[[0, -1]], pool_depth), _Best(queries, bounds, language_depth)
    in_pool, in_language = counters(collection, representations)
    passes: list[tuple[bool, list[Consumer]]]
    if in_language is in_pool:
        passes = [(False, [in_pool, best, best_in_language])]
    else:
        passes = [(False, [in_pool, best]), (True, [in_language, best_in_language])]
    for weighs_in_language, consumers in passes:
        scorer = make_collection_scorer(collection, representations, in_language=weighs_in_language)
        for_each_block(scorer, _all_of(consumers), threads)
    top = TopRanks(
        _as_table(collection, order, best, best_in_language),
        collection.languages,
        collection.pool_sizes,
        int(pool_depth),
        int(language_depth),
    )
    return relevant_ranks(collection, in_pool, in_language), top


class _Best:
    """Keeps the best passages of each part of the pool, block by block."""

    def __init__(self, queries: int, bounds: np.ndarray, depth: int) -> None:
        self._starts, self._stops = bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64)
        self._columns = np.concatenate([[0], np.cumsum(np.minimum(self._stops - self._starts, depth))])
        shape = (queries, int(self._columns[-1]))
        self.passages, self.ranks = np.empty(shape, dtype=np.int64), np.empty(shape)

    def __call__(self, begin: int, end: int, scores: np.ndarray) -> None:
        passages, ranks = self.passages[begin:end], self.ranks[begin:end]
        keep_best(scores, self._starts, self._stops, self._columns, passages, ranks)

    def as_frame(self, rank: str) -> pd.DataFrame:
        """Return columns ``query``, ``passage`` (positions) and `rank`."""
        query = np.repeat(np.arange(len(self.passages)), self.passages.shape[1])
        return pd.DataFrame({"query": query, "passage": self.passages.ravel(), rank: self.ranks.ravel()})


def _all_of(consumers: Sequence[Consumer]) -> Consumer:
    """Hand each block to all, while it is in the cache."""

    def consume(begin: int, end: int, scores: np.ndarray) -> None:
        for consumer in consumers:
            consumer(begin, end, scores)

    return consume


def _as_table(collection: Collection, order: np.ndarray, best: _Best, best_in_language: _Best) -> pd.DataFrame:
    in_language, in_pool = best_in_language.as_frame("rank_in_language"), best.as_frame("rank_in_pool")
    table = in_language.merge(in_pool, how="outer", on=["query", "passage"])
    table = table.sort_values(["query", "passage"], ignore_index=True)
    query, passage = table["query"].to_numpy(), order[table["passage"].to_numpy()]
    frame = collection.passages.frame
    columns = {
        "query_lang": collection.queries["lang"].array.take(query),
        "query_id": collection.queries["question"].array.take(query),
        "passage_lang": frame["lang"].array.take(passage),
        "passage_id": frame["id"].array.take(passage),
    }
    return pd.DataFrame(columns | {name: table[name].to_numpy(np.float64) for name in RANK_TYPES})
