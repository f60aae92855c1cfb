"""Fusion of runs: worked out by hand, by the definitions, and the same whatever the order of lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.errors import SearchError
from babelrank.ranking.fusion import METHODS, RRF_K, fuse
from babelrank.ranking.trec import Run


def run_of(scores):
    """Return a run of query -> passage -> score."""
    rows = [(query, passage, score) for query, each in scores.items() for passage, score in each.items()]
    queries, passages, values = zip(*rows, strict=True)
    return Run(np.array(queries, object), np.array(passages, object), np.array(values, np.float32))


def as_dict(run):
    fused = {}
    for query, passage, score in zip(run.queries, run.passages, run.scores.tolist(), strict=True):
        fused.setdefault(query, {})[passage] = score
    return fused


A = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
B = {"q": {"c": 9.0, "d": 5.0}, "r": {"a": 1.0}}


def test_reciprocal_ranks_add_up():
    fused = as_dict(fuse([run_of(A), run_of(B)], "rrf"))
    expected = {"c": 1 / 63 + 1 / 61, "a": 1 / 61, "d": 1 / 62, "b": 1 / 62}
    assert list(fused["q"]) == list(expected)  # of equal scores the last id first, as trec_eval has it
    assert fused["q"] == pytest.approx(expected)
    assert fused["r"] == pytest.approx({"a": 1 / 61})
    assert RRF_K == 60


def test_weighted_scores_are_brought_to_one_scale():
    fused = as_dict(fuse([run_of(A), run_of(B)], "weighted", [1, 3]))
    assert list(fused["q"]) == ["c", "a", "b", "d"]
    assert fused["q"] == pytest.approx({"c": 3, "a": 1, "b": 0.5, "d": 0})
    assert fused["r"] == pytest.approx({"a": 3})  # all its scores are equal


def test_a_depth_keeps_the_best():
    assert list(as_dict(fuse([run_of(A), run_of(B)], "rrf", depth=2))["q"]) == ["c", "a"]


@pytest.mark.parametrize(
    ("count", "method", "weights", "problem"),
    [
        (1, "rrf", None, "at least two runs"),
        (2, "rff", None, r"Did you mean 'rrf'\?"),
        (2, "rrf", [1.0], "--weights must be 2 positive numbers"),
        (2, "weighted", [1.0, 0.0], "positive"),
        (2, "weighted", [1.0, float("nan")], "positive"),
    ],
)
def test_what_cannot_be_fused_is_refused(count, method, weights, problem):
    with pytest.raises(SearchError, match=problem):
        fuse([run_of(A)] * count, method, weights)


scores = st.dictionaries(
    st.sampled_from("qrs"),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-4, 4).map(float), min_size=1),
    min_size=1,
)


@given(st.lists(scores, min_size=2, max_size=3), st.sampled_from(sorted(METHODS)), st.randoms(use_true_random=False))
def test_the_order_of_lines_makes_no_difference(tables, method, random):
    runs = [run_of(table) for table in tables]
    shuffled = []
    for run in runs:
        order = list(range(len(run)))
        random.shuffle(order)
        shuffled.append(Run(run.queries[order], run.passages[order], run.scores[order]))
    first, second = fuse(runs, method), fuse(shuffled, method)
    assert (first.queries.tolist(), first.passages.tolist()) == (second.queries.tolist(), second.passages.tolist())
    assert first.scores.tobytes() == second.scores.tobytes()


def plainly_fused(tables, method, weights):
    """Fuse by the definitions, one passage at a time."""
    fused = {}
    for table, weight in zip(tables, weights, strict=True):
        for query, scores in table.items():
            order = sorted(scores, key=lambda passage: (scores[passage], passage), reverse=True)
            low, high = min(scores.values()), max(scores.values())
            for place, passage in enumerate(order, start=1):
                scaled = (scores[passage] - low) / (high - low) if high > low else 1
                worth = 1 / (60 + place) if method == "rrf" else scaled
                fused.setdefault(query, {}).setdefault(passage, 0)
                fused[query][passage] += weight * worth
    return fused


@given(st.lists(scores, min_size=2, max_size=3), st.sampled_from(sorted(METHODS)))
def test_the_worth_of_every_passage_is_that_of_the_definitions(tables, method):
    weights = [0.3, 0.7, 1.5][: len(tables)]
    fused = as_dict(fuse([run_of(table) for table in tables], method, weights))
    expected = plainly_fused(tables, method, weights)
    assert fused.keys() == expected.keys()
    for query, found in fused.items():
        assert found == pytest.approx(expected[query], rel=1e-6)
        assert list(found.values()) == sorted(found.values(), reverse=True)
