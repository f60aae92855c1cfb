"""Dense vectors, in memory or in shards, in; the rank table out, from exact scores.

The table is a function of the vectors alone: a collection that is ranked in memory and one whose passages stay on disk
have the same, to the bit, however the corpus is cut and whoever counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import VectorBlock, array_block
from babelrank.ranking.own_passages import counts_without_own
from babelrank.ranking.pool_ranks import Counts, count_above, pair_scores
from babelrank.ranking.table import RelevantRanks


@dataclass(frozen=True)
class Thresholds:
    """Exact scores whose ranks are sought.

    Attributes
    ----------
    queries
        float32, shape (queries, dimension).
    similarity
        Of queries and passages.
    query_rows, scores
        Integers and float32, shape (scores,): row of the query, and the score of a relevant passage.
    groups
        uint16, by position: the language of each passage; None if the corpus has one.
    group_count
        Number of languages.
    """

    queries: np.ndarray
    similarity: Similarity
    query_rows: np.ndarray
    scores: np.ndarray
    groups: np.ndarray | None
    group_count: int

    def count(
        self, shards: Sequence[VectorBlock], *, memory_limit: int | None = None, threads: int | None = None
    ) -> Counts:
        """Count the passages of some shards above and at the scores; counts of several parts of a corpus add up."""
        limits = {} if memory_limit is None else {"memory_limit": memory_limit}
        return count_above(
            self.queries,
            shards,
            self.similarity,
            self.query_rows,
            self.scores,
            groups=self.groups,
            group_count=self.group_count if self.groups is not None else 1,
            threads=threads,
            **limits,
        )


class Count(Protocol):
    """Whatever counts the passages of a whole corpus."""

    def __call__(self, thresholds: Thresholds, shards: Sequence[VectorBlock], /) -> Counts:
        """Return what `Thresholds.count` does."""


def rank_exactly(
    collection: Collection,
    queries: np.ndarray,
    passages: np.ndarray,
    similarity: Similarity,
    *,
    threads: int | None = None,
) -> RelevantRanks:
    """Rank a collection that is in memory by exact scores of dense vectors.

    Parameters
    ----------
    queries, passages
        Row by row, shape (rows, dimension); float32.

    Returns
    -------
    RelevantRanks
        As `ranks.rank` returns it; where single precision cannot tell two scores apart that differ, ranks may differ
        from its.
    """
    shards = [array_block(np.ascontiguousarray(passages, dtype=np.float32))]
    return rank_streamed(
        collection, queries, shards, similarity, lambda wanted, blocks: wanted.count(blocks, threads=threads)
    )


def rank_streamed(
    collection: Collection,
    queries: np.ndarray,
    shards: Sequence[VectorBlock],
    similarity: Similarity,
    count: Count = Thresholds.count,
) -> RelevantRanks:
    """Rank the relevant passages of a collection whose passages stay on disk.

    Parameters
    ----------
    queries
        float32, shape (queries, dimension), in the order of `collection.queries`.
    shards
        Of all passages, in the order of the stream.
    count
        Counts the passages above and at some scores; by default in this process.

    Returns
    -------
    RelevantRanks
        The same as `rank_exactly` returns of the collection in memory, to the bit.
    """
    relevant = collection.qrels
    query_rows, positions = (relevant[name].to_numpy() for name in ("query", "passage"))
    groups = collection.passages.lang_codes if len(collection.languages) > 1 else None
    scores = pair_scores(queries, shards, similarity, query_rows, positions)
    counts = count(Thresholds(queries, similarity, query_rows, scores, groups, len(collection.languages)), shards)
    if collection.self_matches is not None:
        own = collection.self_matches[query_rows]
        has = own >= 0
        own_scores = np.full(len(own), np.nan, dtype=np.float32)
        own_scores[has] = pair_scores(queries, shards, similarity, query_rows[has], own[has])
        own_groups = np.zeros(len(own), dtype=np.int64) if groups is None else groups[np.maximum(own, 0)]
        sizes = np.array(list(collection.pool_sizes.values()))
        sizes = sizes if groups is not None else sizes.sum(keepdims=True)
        counts = counts_without_own(counts, scores, own_scores, positions == own, own_groups, sizes)
    table = pd.DataFrame(
        {
            "query_lang": collection.queries["lang"].array.take(query_rows),
            "query_id": collection.queries["question"].array.take(query_rows),
            "passage_lang": relevant["passage_lang"].array,
            "passage_id": relevant["passage_id"].array,
            "grade": relevant["grade"].to_numpy(np.int32),
            "rank_in_language": counts.ranks(None if groups is None else groups[positions]),
            "rank_in_pool": counts.ranks(),
        }
    )
    tied = int((counts.equal.sum(axis=1) > 1).sum())
    return RelevantRanks(table, languages=collection.languages, pool_sizes=collection.pool_sizes, tied=tied)
