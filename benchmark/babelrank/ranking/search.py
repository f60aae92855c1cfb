"""Queries and shards of passages in, each query's best passages out: exact, whatever the size of the corpus.

FAISS searches block after block; what it finds is scored again by the exact score (`ranking.exact_scores`) and merged.
The result is a function of the vectors alone: **passages are ordered by exact score, then by position in the corpus**.
It depends neither on the cut into shards, nor on blocks, threads or the device.

Why that holds: the value that FAISS computes in single precision differs from the exact one by at most a margin, which
follows from the vectors' lengths (Higham 2002, *Accuracy and Stability of Numerical Algorithms*, §3.1: a sum of n
products is off by at most γₙ Σ|aᵢ bᵢ|, in whatever order it is added up). Of each block a few more passages than k are
taken. If not even the best of those left out, raised by the margin, reaches the k-th exact score, nothing is missing.
Otherwise, as when hundreds of passages tie at the boundary, the query goes over the corpus once more, and every passage
within the margin is scored exactly.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import VectorBlock
from babelrank.environment import available_cores
from babelrank.errors import SearchError
from babelrank.ranking.exact_scores import NO_POSITION, lowest_values, offer
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

_QUERIES_AT_A_TIME = 4096  # FAISS's own block
_GPU_MAX_K = 2048  # FAISS's limit
_ALL_ROWS = np.empty((0, 0), dtype=np.int64)


@dataclass(frozen=True)
class Top:
    """The best passages of each query, best first; equal scores in the order of positions.

    Attributes
    ----------
    scores
        float32, shape (queries, k): product, cosine, or negative distance.
    positions
        int64, shape (queries, k): places in the corpus.
    """

    scores: np.ndarray
    positions: np.ndarray


def search(
    queries: np.ndarray,
    shards: Sequence[VectorBlock],
    k: int,
    similarity: Similarity,
    *,
    memory_limit: int = MEMORY_LIMIT,
    threads: int | None = None,
) -> Top:
    """Return each query's `k` best passages, exactly; on a GPU where FAISS has one.

    Parameters
    ----------
    queries
        Floating point, shape (queries, dimension).
    shards
        The corpus, or a part of it, as `open_shards` or `array_block` return them.
    k
        At most; all passages if there are fewer.
    memory_limit
        Bytes that the search may take beside what the process holds already; the result is part of it.
    threads
        By default one per available core.

    Raises
    ------
    SearchError
        No shards, or shards that overlap; another dimension; queries that are not finite; vectors too long for single
        precision; a `k` below 1; a limit that is too low, with what would do.
    """
    corpus = Corpus(shards, similarity)
    side = Queries(queries, corpus)
    if k < 1:
        raise SearchError(f"k is {k}, expected at least 1.")
    k = min(k, corpus.rows)
    wanted = min(k + max(16, k // 8), corpus.rows)  # a few more than k, so that hardly any query is left in doubt
    part = min(len(side), _QUERIES_AT_A_TIME, max(1, memory_limit // (8 * 24 * wanted)))
    rows = corpus.block_rows(memory_limit, held=side.nbytes + len(side) * (12 * k + 32) + part * 24 * wanted)
    top = Top(np.full((len(side), k), -np.inf, dtype=np.float32), np.full((len(side), k), NO_POSITION, dtype=np.int64))
    workers = threads or available_cores()
    with ThreadPoolExecutor(workers) as executor:
        with threadpool_limits(workers):
            unresolved = _search_blocks(corpus, side, rows, part, wanted, top, executor, workers)
        if len(unresolved):
            with threadpool_limits(1, user_api="blas"):
                _search_plainly(corpus, side, rows, unresolved, top, executor)
    return top


def _search_blocks(
    corpus: Corpus,
    side: Queries,
    rows: int,
    part: int,
    wanted: int,
    top: Top,
    executor: ThreadPoolExecutor,
    workers: int,
) -> np.ndarray:
    """Fill `top` from the `wanted` best passages of each block; return the queries for which that may not be enough."""
    # The best approximate value that was left out, and whether one was off by more than the margin.
    left_out, doubtful = np.full(len(side), -np.inf), np.zeros(len(side), dtype=np.bool_)

    def keep(window: slice, block: Block, values: np.ndarray, candidates: np.ndarray) -> None:
        offer(
            side.exact[window],
            side.lengths[window],
            block.exact,
            block.first,
            corpus.code,
            values,
            candidates,
            side.margins[window],
            top.scores[window],
            top.positions[window],
            doubtful[window],
        )

    for block in corpus.blocks(rows):
        for window in slices(len(side), part):
            count = min(wanted, len(block.fed))
            values, candidates = _nearest(side.fed[window], block.fed, count, corpus.similarity)
            pieces = slices(len(values), -(-len(values) // workers))
            kept = [
                executor.submit(keep, shift(piece, window.start), block, values[piece], candidates[piece])
                for piece in pieces
            ]
            for future in kept:
                future.result()
            if count < len(block.fed):
                left_out[window] = np.maximum(left_out[window], values[:, -1])
        del block
    return np.flatnonzero(doubtful | (left_out >= lowest_values(top.scores[:, -1], side.margins, corpus.code)))


def _search_plainly(
    corpus: Corpus, side: Queries, rows: int, unresolved: np.ndarray, top: Top, executor: ThreadPoolExecutor
) -> None:
    """Offer every passage within the margin to the queries `unresolved`, and change their rows of `top`."""

    def scan(block: Block, chosen: np.ndarray) -> None:
        scores, positions = top.scores[chosen], top.positions[chosen]
        for tile in slices(len(block.fed), TILE_PASSAGES):
            offer(
                side.exact[chosen],
                side.lengths[chosen],
                block.exact[tile],
                block.first + tile.start,
                corpus.code,
                side.values(chosen, block, tile, corpus.similarity),
                _ALL_ROWS,
                side.margins[chosen],
                scores,
                positions,
                np.zeros(len(chosen), dtype=np.bool_),
            )
        top.scores[chosen], top.positions[chosen] = scores, positions

    for block in corpus.blocks(rows):
        parts = [unresolved[window] for window in slices(len(unresolved), TILE_QUERIES)]
        for future in [executor.submit(scan, block, chosen) for chosen in parts]:
            future.result()
        del block


def _nearest(
    queries: np.ndarray, passages: np.ndarray, k: int, similarity: Similarity
) -> tuple[np.ndarray, np.ndarray]:
    """Return FAISS's `k` best approximate values, best first, and the rows that have them."""
    metric = faiss.METRIC_L2 if similarity is Similarity.EUCLIDEAN else faiss.METRIC_INNER_PRODUCT
    if k <= _GPU_MAX_K and faiss.get_num_gpus() > 0:
        values, rows = faiss.knn_gpu(_gpu_resources(), queries, passages, k, metric=metric)
    else:
        values, rows = faiss.knn(queries, passages, k, metric=metric)
    return (-values if similarity is Similarity.EUCLIDEAN else values), rows


@cache
def _gpu_resources() -> Any:
    return faiss.StandardGpuResources()
