"""Ranking every setting of XQuAD-R against the bare matrix product that it cannot do without."""

from collections.abc import Iterator

import numpy as np

import babelrank
from bench.material import DIMENSION, made_up_representations, xquad
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROUNDS = 8  # the first compiles the counting loop
_BLOCK = 1024  # queries
_TARGET = 1.5


def measure() -> Iterator[Row]:
    """Compare `babelrank.rank` with NumPy's product in blocks and at once, whichever is faster."""
    collection = xquad()
    vectors = made_up_representations(collection)
    queries, pool = vectors.queries, vectors.passages.T
    block = np.empty((_BLOCK, pool.shape[1]), dtype=np.float32)
    whole = np.empty((len(queries), pool.shape[1]), dtype=np.float32)

    def in_blocks() -> None:
        for start in range(0, len(queries), _BLOCK):
            rows = queries[start : start + _BLOCK]
            np.matmul(rows, pool, out=block[: len(rows)])

    products = {"in blocks of 1,024": in_blocks, "at once": lambda: np.matmul(queries, pool, out=whole)}
    seconds = best_seconds({"ours": lambda: babelrank.rank(collection, vectors).ranks, **products}, rounds=_ROUNDS)
    form = min(products, key=seconds.__getitem__)
    yield duration_row(
        f"rank all 132 settings of XQuAD-R from {len(queries):,} × {pool.shape[1]:,} vectors of {DIMENSION}, "
        f"against the bare float32 product ({form})",
        seconds["ours"],
        seconds[form],
        target=_TARGET,
    )
