"""What an approximation costs, by language: hand-worked lists, and nDCG against pytrec_eval."""

import numpy as np
import pytest
import pytrec_eval

from babelrank.analysis.approximation import measure_cost
from babelrank.ranking.best import TopPassages

LANGUAGES = ("de", "en", "th")


def top(*rows):
    positions = np.array(rows)
    return TopPassages(positions, np.tile(np.arange(positions.shape[1], 0, -1, dtype=np.float32), (len(rows), 1)))


# Query 0 is German, 1 English; 2 is Thai and has no judgement but one of grade 0. Passage 0 is German, 1 English.
JUDGEMENTS = {
    "query_rows": np.array([0, 0, 1, 2]),
    "positions": np.array([0, 1, 1, 3]),
    "grades": np.array([1, 1, 2, 0]),
    "query_langs": np.array([0, 0, 1, 2]),
    "passage_langs": np.array([0, 1, 1, 2]),
    "languages": LANGUAGES,
}
EXACT = top([0, 1, 2, 3], [3, 1, 2, 0], [3, 2, 1, 0])


def test_lists_that_lose_a_language_cost_accuracy_and_evenness():
    cost = measure_cost(EXACT, top([0, 2, 3, -1], [3, 2, 1, 0], [3, 2, 1, 0]), **JUDGEMENTS)
    assert (cost.queries, cost.pairs, cost.k) == ([1, 1, 0], [1, 0, 0], 4)
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    assert cost.exact.ndcg == [1, pytest.approx(second), None]
    assert cost.approximate.ndcg == [pytest.approx(1 / (1 + second)), pytest.approx(third), None]
    assert cost.exact.rank_distance == [1, None, None]
    assert cost.approximate.rank_distance == [4, None, None]  # rank 1, and 5 for what is not listed
    assert cost.exact.listed == [1, 1, None]
    assert cost.approximate.listed == [1, 0.5, None]
    assert cost.difference.rank_distance == [3, None, None]
    assert cost.difference.listed == [0, -0.5, None]
    assert cost.difference.ndcg[0] == pytest.approx(1 / (1 + second) - 1)
    assert cost.exact.macro["nDCG@10"] == pytest.approx((1 + second) / 2)


def test_the_same_lists_cost_nothing():
    difference = measure_cost(EXACT, EXACT, **JUDGEMENTS).difference
    assert (difference.ndcg, difference.rank_distance) == ([0, 0, None], [0, None, None])


def test_ndcg_is_that_of_pytrec_eval():
    rng = np.random.default_rng(0)
    queries, passages, k = 40, 60, 25
    lists = top(*(rng.permutation(passages)[:k] for _ in range(queries)))
    judged = rng.random((queries, passages)) < 0.15
    query_rows, positions = np.nonzero(judged)
    grades = rng.integers(0, 4, len(positions))
    judgements = {
        "query_rows": query_rows,
        "positions": positions,
        "grades": grades,
        "query_langs": query_rows % 3,
        "passage_langs": positions % 3,
        "languages": LANGUAGES,
    }
    qrels: dict = {}
    for query, passage, grade in zip(query_rows, positions, grades.tolist(), strict=True):
        qrels.setdefault(f"q{query}", {})[f"p{passage}"] = grade
    run = {
        f"q{i}": {f"p{p}": float(s) for p, s in zip(lists.positions[i], lists.scores[i], strict=True)}
        for i in range(queries)
    }
    values = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    by_lang = [[], [], []]
    for query in np.unique(query_rows[grades > 0]):
        by_lang[query % 3].append(values[f"q{query}"]["ndcg_cut_10"])
    assert measure_cost(lists, lists, **judgements).exact.ndcg == pytest.approx([np.mean(part) for part in by_lang])


def test_lists_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(3, 4\) and \(3, 2\)"):
        measure_cost(EXACT, TopPassages(EXACT.positions[:, :2], EXACT.scores[:, :2]), **JUDGEMENTS)
