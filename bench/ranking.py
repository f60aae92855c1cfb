"""Ranking every setting of XQuAD-R against the bare matrix product that it cannot do without."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import babelrank
from babelrank.encoding.vector_block import array_block
from bench.material import DIMENSION, made_up_representations, sized, xquad
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROUNDS = sized(8, 1)  # the first compiles the counting loop
_BLOCK = 1024  # queries
_SHARD = 4096  # passages
_TARGETS = {"in memory": 1.3, "in shards, as streamed": 1.5}


def measure() -> Iterator[Row]:
    """Compare `babelrank.rank` with NumPy's product in blocks and at once, whichever is faster."""
    collection = xquad()
    vectors = made_up_representations(collection)
    queries, passages = np.asarray(vectors.queries), np.asarray(vectors.passages)
    pool = passages.T
    block = np.empty((_BLOCK, pool.shape[1]), dtype=np.float32)
    complete = np.empty((len(queries), pool.shape[1]), dtype=np.float32)
    shards = [array_block(passages[start : start + _SHARD], start) for start in range(0, len(passages), _SHARD)]
    ours = {"in memory": vectors, "in shards, as streamed": replace(vectors, passages=shards)}

    def in_blocks() -> None:
        for start in range(0, len(queries), _BLOCK):
            rows = queries[start : start + _BLOCK]
            np.matmul(rows, pool, out=block[: len(rows)])

    products = {"in blocks of 1,024": in_blocks, "at once": lambda: np.matmul(queries, pool, out=complete)}
    rankings = {name: lambda each=each: babelrank.rank(collection, each) for name, each in ours.items()}
    seconds = best_seconds({**rankings, **products}, rounds=_ROUNDS)
    form = min(products, key=seconds.__getitem__)
    for name, target in _TARGETS.items():
        yield duration_row(
            f"rank all 132 settings of XQuAD-R from {len(queries):,} × {pool.shape[1]:,} vectors of {DIMENSION} {name} "
            f"(with top passages), against the bare float32 product ({form})",
            seconds[name],
            seconds[form],
            target=target,
        )
