"""Relevant passages in, their ranks in a pool that does not fit in memory out: exact and uncut, by counting."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import VectorBlock
from babelrank.environment import available_cores
from babelrank.errors import SearchError
from babelrank.ranking.exact_scores import count_tile, score_rows
from babelrank.ranking.search import Top
from babelrank.ranking.search_blocks import (
    MEMORY_LIMIT,
    TILE_PASSAGES,
    TILE_QUERIES,
    Block,
    Corpus,
    Queries,
    shift,
    slices,
)


@dataclass(frozen=True)
class Counts:
    """What stands above, and beside, each of some scores.

    Attributes
    ----------
    above
        int64, shape (scores, groups): passages with a higher score.
    equal
        int64, shape (scores, groups): passages with the same score; a passage's own score counts it too.
    """

    above: np.ndarray
    equal: np.ndarray

    def ranks(self, groups: np.ndarray | None = None) -> np.ndarray:
        """Return mid-ranks, ``1 + #{higher} + ½ · #{others with the same score}``, of the scores' own passages.

        Parameters
        ----------
        groups
            int64, shape (scores,): the group in which each is ranked; by default among all.
        """
        rows = np.arange(len(self.above))
        above, equal = (
            counts.sum(axis=1) if groups is None else counts[rows, groups] for counts in (self.above, self.equal)
        )
        ranks: np.ndarray = above + (equal + 1) / 2
        return ranks


def pair_scores(
    queries: np.ndarray,
    shards: Sequence[VectorBlock],
    similarity: Similarity,
    query_rows: np.ndarray,
    positions: np.ndarray,
) -> np.ndarray:
    """Return the exact scores of single pairs, such as queries and their relevant passages.

    Parameters
    ----------
    query_rows, positions
        Integers, shape (pairs,): row of the query, position of the passage.

    Returns
    -------
    numpy.ndarray
        float32, shape (pairs,).

    Raises
    ------
    SearchError
        As `search`; or a position is in no shard.
    """
    corpus = Corpus(shards, similarity)
    side = Queries(queries, corpus)
    scores = np.full(len(positions), np.nan, dtype=np.float32)
    order = np.argsort(positions, kind="stable")
    for shard in corpus.shards:
        inside = np.searchsorted(positions[order], [shard.start, shard.start + len(shard)])
        for window in slices(int(inside[1] - inside[0]), TILE_PASSAGES):
            pairs = order[shift(window, int(inside[0]))]
            passages = shard.read(0, len(shard))[positions[pairs] - shard.start].astype(np.float32, copy=False)
            chosen, out = query_rows[pairs], np.empty(len(pairs), dtype=np.float32)
            score_rows(side.exact[chosen], np.ascontiguousarray(passages), side.lengths[chosen], corpus.code, out)
            scores[pairs] = out
    if np.isnan(scores).any():
        raise SearchError(f"position {positions[np.isnan(scores)][0]} is in no shard.")
    return scores


def count_above(
    queries: np.ndarray,
    shards: Sequence[VectorBlock],
    similarity: Similarity,
    query_rows: np.ndarray,
    scores: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    group_count: int = 1,
    memory_limit: int = MEMORY_LIMIT,
    threads: int | None = None,
) -> Counts:
    """Count, for each of some exact scores, the passages that score higher for that query, and as high.

    With the scores of the relevant passages these are their ranks, uncut, in a pool of any size.

    Parameters
    ----------
    query_rows, scores
        Integers and float32, shape (scores,): row of the query, and a score as `pair_scores` returns it.
    groups
        Unsigned integers, shape (corpus,): by position, the group of each passage, such as its language, from 0; by
        default all passages are one group.
    group_count
        Number of groups.
    memory_limit, threads
        As `search` takes them.

    Raises
    ------
    SearchError
        As `search`.
    """
    corpus = Corpus(shards, similarity)
    chosen, query_of_score = np.unique(query_rows, return_inverse=True)
    side = Queries(queries[chosen], corpus)
    order = np.argsort(query_of_score, kind="stable")
    starts = np.searchsorted(query_of_score[order], np.arange(len(side) + 1)).astype(np.int64)
    thresholds = np.ascontiguousarray(scores[order], dtype=np.float32)
    above, equal = (np.zeros((len(scores), group_count), dtype=np.int64) for _ in range(2))
    workers = threads or available_cores()
    tiles = workers * TILE_QUERIES * TILE_PASSAGES * 4
    rows = corpus.block_rows(memory_limit, held=side.nbytes + 3 * above.nbytes + tiles, sorts=groups is not None)

    def count(block: Block, edges: np.ndarray, window: slice) -> None:
        judged = slice(starts[window.start], starts[window.stop])
        for tile in slices(len(block.fed), TILE_PASSAGES):
            passages = block.exact[tile]
            count_tile(
                side.exact[window],
                side.lengths[window],
                passages,
                corpus.code,
                side.values(window, block, tile, similarity),
                np.clip(edges - tile.start, 0, len(passages)),
                starts[window.start : window.stop + 1] - starts[window.start],
                thresholds[judged],
                side.margins[window],
                above[judged],
                equal[judged],
            )

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        for read in corpus.blocks(rows):
            block, edges = _by_group(read, groups, group_count)
            windows = slices(len(side), TILE_QUERIES)
            for future in [executor.submit(count, block, edges, window) for window in windows]:
                future.result()
            del read, block
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return Counts(above[back], equal[back])


def _by_group(block: Block, groups: np.ndarray | None, group_count: int) -> tuple[Block, np.ndarray]:
    """Return the block with passages of one group together, and the rows where each group begins and the last ends."""
    if groups is None:
        return block, np.array([0, len(block.exact)], dtype=np.int64)
    own = groups[block.first : block.first + len(block.exact)]
    if (own[1:] < own[:-1]).any():
        order = np.argsort(own, kind="stable")
        exact = block.exact[order]
        # What is counted does not depend on the order, so positions need not be kept.
        block, own = Block(block.first, exact, exact if block.fed is block.exact else block.fed[order]), own[order]
    return block, np.searchsorted(own, np.arange(group_count + 1)).astype(np.int64)


def listed_ranks(top: Top, query_rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of some passages in their queries' lists; infinite where they are not listed.

    Parameters
    ----------
    query_rows, positions
        Integers, shape (pairs,): row of the query, position of the passage.

    Returns
    -------
    numpy.ndarray
        float64, shape (pairs,). Passages that tie with one at the end of a list, but are not listed, do not count.
    """
    scores = top.scores[query_rows]
    found = top.positions[query_rows] == positions[:, None]
    own = np.where(found, scores, -np.inf).max(axis=1, initial=-np.inf)[:, None]
    ranks = ((scores > own).sum(axis=1) + (scores >= own).sum(axis=1) + 1) / 2
    return np.where(found.any(axis=1), ranks, np.inf)
