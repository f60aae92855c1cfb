"""Recall in the pool against its ceiling, and success."""

import ir_measures
import numpy as np
import pytest
from ir_measures import R, Success

from babelrank.analysis.pool_recall import measure_pool_recall
from babelrank.analysis.settings import score_pool
from babelrank.ranking.table import read_ranks
from made_ranks import pool_ranks
from paths import REPORTS


def test_recall_and_success_are_those_of_ir_measures():
    rng = np.random.default_rng(0)
    found = {f"q{i}": rng.permutation(30)[: rng.integers(1, 15)] + 1 for i in range(20)}
    queries = {("en", name): [("de", rank) for rank in ranks] for name, ranks in found.items()}
    one, ten, _ = measure_pool_recall(pool_ranks(queries, {"de": 30, "en": 5}))
    qrels = [ir_measures.Qrel(name, str(rank), 1) for name, ranks in found.items() for rank in ranks]
    run = [ir_measures.ScoredDoc(name, str(rank), -rank) for name in found for rank in range(1, 31)]
    expected = ir_measures.calc_aggregate([R @ 1, R @ 10, Success @ 1, Success @ 10], qrels, run)
    assert one.recall == [None, pytest.approx(expected[R @ 1])]
    assert ten.recall == [None, pytest.approx(expected[R @ 10])]
    assert one.success == [None, pytest.approx(expected[Success @ 1])]
    assert ten.success == [None, pytest.approx(expected[Success @ 10])]


def test_a_perfect_ranking_reaches_the_ceiling():
    queries = {("de", "q"): [("de", rank) for rank in range(1, 12)], ("de", "r"): [("de", 1)]}
    one, ten, hundred = measure_pool_recall(pool_ranks(queries, {"de": 30}))
    assert one.ceiling == one.recall == [pytest.approx((1 / 11 + 1) / 2)]
    assert ten.ceiling == ten.recall == [pytest.approx((10 / 11 + 1) / 2)]
    assert one.of_ceiling == ten.of_ceiling == hundred.of_ceiling == hundred.ceiling == [1]


def test_a_real_report_has_the_ceilings_of_a_parallel_collection():
    ranks = read_ranks(REPORTS / "use-multilingual-v3" / "xquad-r.ranks.parquet")
    one, ten, _ = measure_pool_recall(ranks)
    assert one.macro["R@1_ceiling"] == pytest.approx(1 / 11)
    assert ten.macro["R@10_ceiling"] == pytest.approx(10 / 11)
    assert one.macro["R@1"] == pytest.approx(np.mean(score_pool(ranks).scores["R@1"]))
    assert one.macro["R@1_of_ceiling"] == pytest.approx(one.macro["Success@1"], abs=0.01)  # but for ties
