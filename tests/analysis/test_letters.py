"""Which encoders share a letter."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.analysis.bootstrap import question_scores
from babelrank.analysis.letters import display, find_letters, places, significantly_best
from babelrank.errors import ReportError


def apart_of(size: int, *pairs: tuple[int, int]) -> np.ndarray:
    apart = np.zeros((size, size), dtype=bool)
    for i, j in pairs:
        apart[i, j] = apart[j, i] = True
    return apart


def test_encoders_that_are_all_apart_have_a_letter_each():
    assert display(apart_of(3, (0, 1), (0, 2), (1, 2))) == ["a", "b", "c"]


def test_encoders_of_which_none_is_apart_share_one():
    assert display(apart_of(3)) == ["a", "a", "a"]


def test_neighbours_that_do_not_differ_overlap():
    # The first and the last differ; the one between differs from neither.
    assert display(apart_of(3, (0, 2))) == ["a", "ab", "b"]


def test_piephos_case_of_a_group_that_is_not_in_order():
    # 0 differs from 1 and 3, though not from 2, which is as far from 3.
    assert display(apart_of(4, (0, 1), (0, 3), (2, 3))) == ["a", "bc", "ab", "c"]


def test_a_place_counts_only_those_that_are_significantly_better():
    """Also below an encoder that differs from more, as runs of one recipe share their letters."""
    assert places(["a", "b", "b", "c", "bd"]) == [1, 2, 2, 4, 3]
    assert places(["", ""]) == [1, 2]


def test_nothing_to_compare():
    assert display(apart_of(0)) == []
    assert display(apart_of(1)) == ["a"]


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(range(n * n))))))
def test_two_share_a_letter_exactly_if_they_are_not_apart(case):
    size, marked = case
    apart = apart_of(size, *[(m // size, m % size) for m in marked if m // size != m % size])
    letters = display(apart)
    assert all(letters)
    for i, j in combinations(range(size), 2):
        assert bool(set(letters[i]) & set(letters[j])) != apart[i, j]


def figures_with(gain: float, ranks_of):
    generator = np.random.default_rng(3)
    rows = [
        (query, f"q{i}", passage, f"{passage}/{i}", 1, 1.0, float(30 + generator.integers(0, 9)) - gain)
        for i in range(60)
        for query in ("de", "en")
        for passage in ("de", "en")
    ]
    return question_scores(ranks_of(rows))


def test_a_clearly_better_encoder_has_its_own_letter_and_twins_share_theirs(ranks_of):
    best, good, twin = (figures_with(gain, ranks_of) for gain in (25.0, 0.0, 0.0))
    assert find_letters([best, good, twin], "multilingual") == ["a", "b", "b"]


def test_runs_of_one_recipe_share_their_letters(ranks_of):
    seeds = [figures_with(gain, ranks_of) for gain in (25.0, 0.0, 12.0)]
    assert find_letters(seeds, "multilingual") == ["a", "b", "c"]
    first, second, other = find_letters(seeds, "multilingual", recipes=["new", "new", "other"])
    assert first == second
    assert not set(other) & set(first)


def test_the_best_is_one_that_is_better_than_all_others(ranks_of):
    best, good, twin = (figures_with(gain, ranks_of) for gain in (25.0, 0.0, 0.0))
    figures = [("multilingual", ()), ("multilingual", ["de"]), ("rank_distance", ())]
    assert significantly_best([good, best, twin], figures) == [1, 1, None]
    assert significantly_best([good, twin], figures) == [None, None, None]
    assert significantly_best([best], figures) == [None, None, None]


def test_encoders_of_other_questions_are_refused(ranks_of):
    other = question_scores(ranks_of([("de", "x", "de", "p", 1, 1.0, 1.0), ("en", "x", "en", "r", 1, 1.0, 2.0)]))
    with pytest.raises(ReportError, match="different questions"):
        find_letters([figures_with(0.0, ranks_of), other], "multilingual")
