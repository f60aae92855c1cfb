"""Measures from ranks: hand-worked lists, and any tie-free list against pytrec_eval and ir-measures."""

import hypothesis.strategies as st
import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from ir_measures import AP, RR, R, nDCG
from numpy.testing import assert_allclose

from babelrank.analysis.measures import (
    MEASURES,
    average_precision,
    ndcg_at,
    recall_at,
    reciprocal_rank_at,
)
from babelrank.ranking.rank_lists import RankLists

# Our names, ir-measures' measures, pytrec_eval's names. Both take a passage's grade itself as its gain, as we do:
# trec_eval's ndcg_cut, and ir-measures' nDCG, whose default dcg="log2" calls trec_eval. The other convention, a gain of
# 2^grade − 1, is ir-measures' nDCG(dcg="exp-log2"). pytrec_eval's reciprocal rank is not cut.
ORACLES = {
    "mAP": (AP, "map"),
    "R@1": (R @ 1, "recall_1"),
    "R@10": (R @ 10, "recall_10"),
    "R@100": (R @ 100, "recall_100"),
    "MRR@10": (RR @ 10, "recip_rank"),
    "nDCG@10": (nDCG @ 10, "ndcg_cut_10"),
}


def one_list(ranks, grades=None) -> RankLists:
    grades = [1] * len(ranks) if grades is None else grades
    return RankLists.group(np.array(ranks, dtype=float), np.array(grades), np.zeros(len(ranks), dtype=np.int64))


def value_of(measure, *arguments, **options):
    values = measure(*arguments, **options)
    assert values.shape == (1,)
    return values[0]


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        ([1], 1),
        ([4], 1 / 4),
        ([2000], 1 / 2000),  # uncut
        ([1, 2, 3], 1),
        ([1, 3, 6], (1 / 1 + 2 / 3 + 3 / 6) / 3),
        ([6, 1, 3], (1 / 1 + 2 / 3 + 3 / 6) / 3),
        ([2.5], 1 / 2.5),
        ([1.5, 1.5], (1 / 1.5 + 2 / 1.5) / 2),  # two relevant passages that tie for the first place lose nothing
    ],
)
def test_average_precision_is_the_mean_of_i_by_the_rank_of_the_ith(ranks, expected):
    assert value_of(average_precision, one_list(ranks)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ranks", "k", "expected"),
    [
        ([1], 1, 1),
        ([1.5], 1, 0),
        ([10], 10, 1),
        ([10.5], 10, 0),
        ([3, 10, 11, 50], 10, 2 / 4),
        ([1, 2, 3, 4], 1, 1 / 4),  # by |R|, not by min(|R|, k)
    ],
)
def test_recall_is_the_share_of_the_relevant_passages_that_rank_at_most_k(ranks, k, expected):
    assert value_of(recall_at, one_list(ranks), k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [([1], 1), ([10], 1 / 10), ([10.5], 0), ([11], 0), ([7, 2, 4], 1 / 2), ([12, 4], 1 / 4), ([2.5, 2.5], 1 / 2.5)],
)
def test_reciprocal_rank_is_that_of_the_best_relevant_passage_or_0_beyond_the_cut(ranks, expected):
    assert value_of(reciprocal_rank_at, one_list(ranks), 10) == pytest.approx(expected)


def discount(rank):
    return 1 / np.log2(rank + 1)


@pytest.mark.parametrize(
    ("ranks", "grades", "expected"),
    [
        ([1], [1], 1),
        ([1], [7], 1),  # only the proportions of grades matter
        ([3], [1], discount(3)),
        ([11], [1], 0),
        ([10], [2], discount(10)),
        ([1, 2], [3, 1], 1),
        ([1, 2], [1, 3], (1 + 3 * discount(2)) / (3 + 1 * discount(2))),
        # The ideal order counts the passage that was ranked beyond the cut.
        ([2, 11, 1], [3, 2, 1], (1 + 3 * discount(2)) / (3 + 2 * discount(2) + 1 * discount(3))),
        ([3.5], [1], discount(3.5)),
    ],
)
def test_ndcg_gains_the_grade_itself_discounted_by_the_logarithm_of_the_rank(ranks, grades, expected):
    assert value_of(ndcg_at, one_list(ranks, grades), 10) == pytest.approx(expected)


def test_the_ideal_order_is_cut_too():
    assert value_of(ndcg_at, one_list(range(1, 13)), 10) == pytest.approx(1)
    assert value_of(ndcg_at, one_list(range(1, 13), [1] * 10 + [3, 3]), 3) == pytest.approx(
        (1 + discount(2) + discount(3)) / (3 + 3 * discount(2) + discount(3))
    )


def test_judgements_of_several_lists_may_come_mixed():
    lists = RankLists.group(np.array([5.0, 2.0, 1.0, 4.0, 1.0]), np.array([1, 3, 1, 1, 2]), np.array([2, 0, 2, 0, 1]))
    assert (lists.count, lists.sizes.tolist()) == (3, [2, 1, 2])
    assert lists.ranks.tolist() == [2, 4, 1, 1, 5]
    assert lists.grades.tolist() == [3, 1, 2, 1, 1]
    assert lists.positions.tolist() == [1, 2, 1, 1, 2]
    assert_allclose(average_precision(lists), [(1 / 2 + 2 / 4) / 2, 1, (1 + 2 / 5) / 2])
    assert_allclose(recall_at(lists, 4), [1, 1, 1 / 2])
    assert_allclose(reciprocal_rank_at(lists, 10), [1 / 2, 1, 1])


def test_no_lists_have_no_values():
    for measure in MEASURES.values():
        assert measure(RankLists.group(np.array([]), np.array([]), np.array([], dtype=np.int64))).tolist() == []


def test_the_measures_of_a_report_are_those_of_the_oracles():
    assert list(MEASURES) == list(ORACLES)


# A query: the ranks of its relevant passages among 120 and their grades. The ranks lie around the cut-offs.
graded_ranks = st.dictionaries(st.integers(1, 120) | st.integers(1, 12), st.integers(1, 4), min_size=1, max_size=15)


@settings(max_examples=100, deadline=None)
@given(st.lists(graded_ranks, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_measures_agree_with_pytrec_eval_and_ir_measures(queries, random):
    rows = [(rank, grade, i) for i, query in enumerate(queries) for rank, grade in query.items()]
    random.shuffle(rows)
    ranks, grades, lists = (np.array(column) for column in zip(*rows, strict=True))
    grouped = RankLists.group(ranks.astype(float), grades, lists)

    qrels = {str(i): {f"p{rank}": grade for rank, grade in query.items()} for i, query in enumerate(queries)}
    run = {query: {f"p{rank}": float(-rank) for rank in range(1, 121)} for query in qrels}
    trec = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recall.1,10,100", "recip_rank", "ndcg_cut.10"}).evaluate(run)
    metrics = ir_measures.iter_calc([measure for measure, _ in ORACLES.values()], qrels, run)
    by_ir_measures = {(metric.query_id, metric.measure): metric.value for metric in metrics}
    for name, (measure, trec_name) in ORACLES.items():
        ours = MEASURES[name](grouped)
        theirs = np.array([trec[query][trec_name] for query in qrels])
        if name == "MRR@10":
            theirs[theirs < 1 / 10.5] = 0
        assert_allclose(ours, theirs, rtol=0, atol=1e-6, err_msg=f"{name} by pytrec_eval")
        theirs = [by_ir_measures[query, measure] for query in qrels]
        assert_allclose(ours, theirs, rtol=0, atol=1e-6, err_msg=f"{name} by ir-measures")
