"""Measure the CPU time of analysing XQuAD-R, against the bare matrix product of ranking it."""

import time
from collections.abc import Iterator

import numpy as np

from babelrank.analysis.clusters import clusters
from babelrank.analysis.detail import analyse_in_detail
from babelrank.analysis.errors import find_errors
from babelrank.analysis.language_bias import measure_language_bias
from babelrank.analysis.space import measure_space
from babelrank.ranking.rank import Ranking, rank
from babelrank.ranking.table import RankTable
from bench.material import made_up_representations, sized, xquad
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROUNDS = sized(3, 1)  # the first compiles the counting loop
_SPACE_TARGET = 1.6
_TABLES_TARGET = 2.0


def measure() -> Iterator[Row]:
    """Compare the measures of the embedding space, and those from the tables, with one product."""
    collection = xquad()
    vectors = made_up_representations(collection)
    ranking = rank(collection, vectors)
    queries, passages = np.asarray(vectors.queries), np.asarray(vectors.passages)
    product = np.empty((len(queries), len(passages)), dtype=np.float32)
    seconds = best_seconds(
        {
            "product": lambda: np.matmul(queries, passages.T, out=product),
            "space": lambda: measure_space(collection, vectors, top=ranking.top),
            "tables": lambda: _analyse(ranking),
        },
        rounds=_ROUNDS,
        clock=time.process_time,
    )
    for name, subject, target in (
        ("space", "measure the embedding space", _SPACE_TARGET),
        ("tables", "analyse both tables, with all intervals and tests,", _TABLES_TARGET),
    ):
        yield duration_row(
            f"{subject} of XQuAD-R, against the bare float32 product of ranking it (CPU time)",
            seconds[name],
            seconds["product"],
            target=target,
        )


def _analyse(ranking: Ranking) -> None:
    """Run all analyses of a report, on a new table without cached values."""
    known = ranking.ranks
    ranks = RankTable(known.table, known.languages, known.pool_sizes, known.tied)
    articles = clusters(ranks)
    analyse_in_detail(ranks, clusters=articles)
    measure_language_bias(ranks, ranking.top, clusters=articles)
    find_errors(ranks, ranking.top)
