"""Paired comparison of two encoders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from babelrank.analysis.bootstrap import question_scores
from babelrank.analysis.comparison import compare, holm, permutation_test
from babelrank.reporting.formatting import show_change


def test_p_values_are_scipys():
    generator = np.random.default_rng(0)
    columns = generator.normal([0.0, 0.15, 0.6], 1.0, size=(50, 3)) / 50
    found = permutation_test(columns, flips=20_000)
    for column, p_value in zip(columns.T, found, strict=True):
        scipys = stats.permutation_test(
            (column,), np.sum, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(1)
        ).pvalue
        assert p_value == pytest.approx(scipys, abs=0.01)


def test_differences_of_pairs_are_tested_like_columns_of_their_own():
    columns = np.random.default_rng(0).normal([0.0, 0.1, 0.5], 1.0, size=(50, 3)) / 50
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    np.testing.assert_array_equal(
        permutation_test(columns, pairs), permutation_test(columns[:, pairs[:, 0]] - columns[:, pairs[:, 1]])
    )


def test_flips_suffice_for_holms_correction_over_hundreds_of_tests():
    assert (holm(permutation_test(np.ones((40, 600)))) < 0.02).all()


def test_few_questions_give_the_exact_test():
    """All of three questions prefer the first: two of the eight sign patterns are as far from 0."""
    assert permutation_test(np.array([[1.0], [2.0], [4.0]]), flips=40_000)[0] == pytest.approx(0.25, abs=0.01)


def test_no_difference_is_never_significant():
    assert permutation_test(np.zeros((30, 2))).tolist() == [1.0, 1.0]


def test_holm_by_hand():
    # Holm's steps: 0.01 · 4, 0.02 · 3, 0.03 · 2 (no less than the step before), 0.5 · 1.
    assert holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert np.isnan(holm([np.nan, 0.2])).tolist() == [True, False]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_no_correction_and_bonferronis(p_values):
    corrected = holm(p_values)
    assert (corrected >= np.array(p_values)).all()
    assert (corrected <= np.minimum(np.array(p_values) * len(p_values), 1) + 1e-12).all()


def test_differences_of_fewer_than_30_questions_have_no_interval(ranks_of):
    def scores(count, shift):
        rows = [("en", f"q{i}", "en", f"p{i}", 1, 1.0 + i % shift, 1.0 + i % shift) for i in range(count)]
        return question_scores(ranks_of(rows, ("en",)))

    for count in (29, 30):
        found = compare([scores(count, 2), scores(count, 3)], ["monolingual"])[0, 1]
        interval = found.macro["monolingual"].interval
        assert interval.is_known == (found.warning is None) == (count == 30)
        assert ("(" in show_change("monolingual", interval)) == (count == 30)


@pytest.fixture
def make_pair(ranks_of):
    """Two encoders for 30 questions in two languages; the first ranks English passages `gain` places better."""
    return lambda gain: pair(gain, ranks_of)


def pair(gain, ranks_of):
    generator = np.random.default_rng(5)
    tables = ([], [])
    for i in range(30):
        for query in ("de", "en"):
            for passage in ("de", "en"):
                rank = float(8 + generator.integers(0, 6))
                better = rank - (gain if passage == "en" else 0)
                for rows, value in zip(tables, (better, rank), strict=True):
                    rows.append((query, f"q{i}", passage, f"{passage}/{i}", 1, value, value))
    return tuple(question_scores(ranks_of(rows)) for rows in tables)


def test_the_better_encoder_wins_where_it_is_better(make_pair):
    comparison = compare(make_pair(6.0))[0, 1]
    assert comparison.macro["monolingual"].interval.value > 0
    assert comparison.macro["monolingual"].p_holm < 0.01
    assert comparison.macro["monolingual"].effect > 1
    wins = comparison.tallies["monolingual"]
    assert (wins.wins, wins.ties, wins.losses) == (1, 1, 0)  # en→en, not de→de
    assert comparison.gains["monolingual"][0] == 0
    assert comparison.gains["monolingual"][1] > 0


def test_of_too_many_settings_the_query_languages_are_tested(make_pair, monkeypatch):
    monkeypatch.setattr("babelrank.analysis.comparison._MOST_SETTINGS", 5)
    comparison = compare(make_pair(6.0))[0, 1]
    assert comparison.tallied == "query languages"
    wins = comparison.tallies["monolingual"]
    assert (wins.wins, wins.ties, wins.losses) == (1, 1, 0)  # en, not de
    wins = comparison.tallies["multilingual"]
    assert (wins.wins, wins.ties, wins.losses) == (2, 0, 0)


def test_a_larger_rank_distance_is_a_loss(make_pair):
    """The first ranks English far before German: better in mAP, worse in bias."""
    comparison = compare(make_pair(7.0))[0, 1]
    assert comparison.macro["rank_distance"].interval.value > 0
    assert comparison.tallies["rank_distance"].losses == 2
    assert comparison.tallies["multilingual"].wins == 2


def test_differences_are_those_of_the_analysis(make_pair):
    first, second = make_pair(3.0)
    comparison = compare([first, second])[0, 1]
    reverse = compare([second, first])[0, 1]
    for figure, difference in comparison.macro.items():
        assert difference.interval.value == pytest.approx(-reverse.macro[figure].interval.value)
        assert difference.p == reverse.macro[figure].p
        assert comparison.gains[figure].mean() == pytest.approx(difference.interval.value)


def test_what_is_compared_with_itself_is_equal(make_pair):
    first, _ = make_pair(3.0)
    comparison = compare([first, first])[0, 1]
    assert all(difference.p == 1 for difference in comparison.macro.values())
    assert all(np.isnan(difference.effect) for difference in comparison.macro.values())


def test_a_constant_difference_has_no_effect_size(ranks_of):
    """Sums of the same thirds differ in their last bits; a standard deviation of that is none."""
    better, worse = (
        question_scores(ranks_of([("de", f"q{i}", "de", f"p{i}", 1, rank, rank) for i in range(12)]))
        for rank in (1.0, 3.0)
    )
    difference = compare([better, worse], ["monolingual"])[0, 1].macro["monolingual"]
    assert np.isnan(difference.effect)
    assert difference.p < 0.01


def test_p_values_are_corrected_over_all_pairs(make_pair):
    first, second = make_pair(1.0)
    two, three = compare([first, second])[0, 1], compare([first, second, second])
    for figure, difference in two.macro.items():
        assert three[0, 1].macro[figure].p == difference.p
        assert three[0, 1].macro[figure].p_holm >= difference.p_holm
    assert max(three[0, 1].macro.values(), key=lambda each: each.p_holm).p_holm > max(
        difference.p_holm for difference in two.macro.values()
    )


def test_a_language_without_queries_has_no_gain_rather_than_one_of_0(ranks_of):
    figures = question_scores(ranks_of([("de", "q", "en", "p", 1, 2.0, 2.0)]))
    gains = compare([figures, figures], ["cross_lingual", "multilingual"])[0, 1].gains
    np.testing.assert_array_equal(gains["cross_lingual"], [0.0, np.nan])
    np.testing.assert_array_equal(gains["multilingual"], [0.0, np.nan])
