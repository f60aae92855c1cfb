"""Measure ranking of every setting of XQuAD-R and NTREX, against the bare matrix product that it needs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

import babelrank
from babelrank.encoding.vector_block import array_block
from bench.material import DIMENSION, made_up_representations, ntrex, sized, xquad
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROUNDS = sized(5, 1)  # the first compiles the counting loop
_BLOCK = 1024  # queries
_SHARD = 4096  # passages
_TARGETS = {"in memory": 1.3, "in shards, as streamed": 1.5}
_LARGE_TARGETS = {"in memory": 1.3}


def measure() -> Iterator[Row]:
    """Compare `babelrank.rank` with NumPy's product in blocks and at once, whichever is faster."""
    for name, collection, targets in (("XQuAD-R", xquad(), _TARGETS), ("ntrex:lead", ntrex(), _LARGE_TARGETS)):
        yield from _measure(name, collection, targets)


def _measure(name: str, collection: babelrank.Collection, targets: Mapping[str, float]) -> Iterator[Row]:
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
    rankings = {where: lambda each=ours[where]: babelrank.rank(collection, each) for where in targets}
    seconds = best_seconds({**rankings, **products}, rounds=_ROUNDS, clock=time.process_time)
    form, languages = min(products, key=seconds.__getitem__), len(collection.languages)
    for where, target in targets.items():
        yield duration_row(
            f"rank all {languages * (languages + 1):,} settings of {name} from {len(queries):,} × {pool.shape[1]:,} "
            f"vectors of {DIMENSION} {where} (with top passages), against the bare float32 product ({form}; CPU time)",
            seconds[where],
            seconds[form],
            target=target,
        )
