"""Differences between training recipes: variance between questions and between seeds."""

import numpy as np
import pytest
from scipy import stats

from babelrank.analysis.bootstrap import find_interval, question_scores
from babelrank.analysis.influence import influence_on_mean
from babelrank.analysis.seeds import SeedSpread, contrast_recipes, pool_seeds
from babelrank.errors import ReportError


@pytest.fixture
def scores(ranks_of):
    """Scores of a checkpoint with these ranks of the answers to q000, q001, …"""

    def make(ranks):
        rows = [("de", f"q{i:03}", "de", f"de/{i}", 1, float(rank), float(rank)) for i, rank in enumerate(ranks)]
        return question_scores(ranks_of(rows, ("de",)))

    return make


@pytest.fixture
def run(scores):
    """Monolingual mAP of such a checkpoint."""
    return lambda ranks: influence_on_mean(scores(ranks), "monolingual")


def test_the_spread_is_pooled_over_recipes(run):
    recipes = [[run([1, 2]), run([1, 4])], [run([2, 2]), run([2, 4]), run([4, 4])], [run([1, 1])]]
    values = [[0.75, 0.625], [0.5, 0.375, 0.25]]
    found = pool_seeds(recipes)
    assert found.freedom == 3
    assert found.deviation**2 == pytest.approx((np.var(values[0], ddof=1) + 2 * np.var(values[1], ddof=1)) / 3)
    assert pool_seeds([[run([1, 1])], [run([1, 2])]]) is None


def test_without_seeds_a_difference_is_a_paired_t_test(run, scores):
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 6, 80), rng.integers(1, 9, 80)
    found = contrast_recipes([[run(first)], [run(second)]], (1, -1), None)
    test = stats.ttest_rel(1 / first, 1 / second)
    interval = test.confidence_interval()
    assert (found.interval.value, found.interval.low, found.interval.high) == pytest.approx(
        ((1 / first - 1 / second).mean(), interval.low, interval.high)
    )
    assert found.p == pytest.approx(test.pvalue)
    assert not found.with_seeds
    boot = find_interval(scores(first), "monolingual", against=scores(second))
    assert (found.interval.low, found.interval.high) == pytest.approx((boot.low, boot.high), abs=0.02)


def test_seeds_widen_an_interval_less_the_more_there_are(run):
    rng = np.random.default_rng(0)
    first, second = run(rng.integers(1, 6, 80)), run(rng.integers(1, 9, 80))
    spread = SeedSpread(0.05, 4)
    widths = {}
    for seeds in (1, 3):
        found = contrast_recipes([[first] * seeds, [second] * seeds], (1, -1), spread)
        assert found.seeds == (seeds, seeds)
        assert found.with_seeds
        widths[seeds] = found.interval.high - found.interval.low
    alone = contrast_recipes([[first], [second]], (1, -1), None).interval
    assert widths[1] > widths[3] > alone.high - alone.low
    # Where questions say nothing, it is the two-sample t-test of the seeds.
    found = contrast_recipes([[run([1] * 30)] * 3, [run([2] * 30)] * 3], (1, -1), spread)
    assert found.interval.high - found.interval.value == pytest.approx(stats.t.ppf(0.975, 4) * 0.05 * np.sqrt(2 / 3))


def test_differences_are_tested_against_a_margin_and_a_multiple(run):
    first, second = run([1, 2, 4, 4]), run([2, 4, 2, 8])
    found = contrast_recipes([[first], [second]], (1, -0.5), None)
    assert found.interval.value == pytest.approx((1 + 0.5 + 0.25 + 0.25) / 4 - 0.5 * (0.5 + 0.25 + 0.5 + 0.125) / 4)
    at_margin = contrast_recipes([[first], [second]], (1, -0.5), None, margin=found.interval.value)
    assert at_margin.p == pytest.approx(1)


def test_equal_recipes_do_not_differ(run):
    same = [run([1, 2, 3])]
    found = contrast_recipes([same, same], (1, -1), None)
    assert (found.interval.low, found.interval.high, found.p) == (0, 0, 1)
    assert contrast_recipes([same, same], (1, -1), None, margin=0.1).p == 0


def test_checkpoints_of_other_questions_are_refused(run):
    with pytest.raises(ReportError, match="different questions"):
        contrast_recipes([[run([1, 2])], [run([1, 2, 3])]], (1, -1), None)


def test_the_gain_of_one_change_is_compared_with_that_of_another(run):
    rng = np.random.default_rng(1)
    ranks = [rng.integers(1, 9, 80) for _ in range(4)]
    recipes = [[run(each)] for each in ranks]
    found = contrast_recipes(recipes, (1, -1, -1, 1), None)
    first, second, third, fourth = (1 / each for each in ranks)
    test = stats.ttest_1samp((first - second) - (third - fourth), 0)
    assert (found.p, found.seeds) == (pytest.approx(test.pvalue), (1, 1, 1, 1))
    spread = SeedSpread(0.05, 4)
    with_seeds = contrast_recipes([[each] * 2 for (each,) in recipes], (1, -1, -1, 1), spread)
    variances = [(each.interval.high - each.interval.value) for each in (with_seeds, found)]
    assert variances[0] > variances[1]
    # A model that is not trained has no seeds.
    fixed = contrast_recipes([[each] for (each,) in recipes], (1, -1, -1, 1), spread, fixed=(0, 1, 2, 3))
    assert fixed.interval == found.interval


def test_a_gain_in_some_languages_is_compared_with_that_in_others(ranks_of):
    def run(ranks):
        rows = [
            (lang, f"{lang}{i:03}", lang, f"{lang}/{i}", 1, float(rank), float(rank))
            for lang, each in ranks.items()
            for i, rank in enumerate(each)
        ]
        scores = question_scores(ranks_of(rows, ("de", "sw")))
        return influence_on_mean(scores, "monolingual", ["sw"]) - influence_on_mean(scores, "monolingual", ["de"])

    rng = np.random.default_rng(2)
    better, worse = ({lang: rng.integers(1, 7, 60) for lang in ("de", "sw")} for _ in range(2))
    found = contrast_recipes([[run(better)], [run(worse)]], (1, -1), None)
    gains = {lang: 1 / better[lang] - 1 / worse[lang] for lang in better}
    assert found.interval.value == pytest.approx(gains["sw"].mean() - gains["de"].mean())
    # The questions of the two are different ones here, so that it is Welch's test but for the degrees of freedom.
    test = stats.ttest_ind(gains["sw"], gains["de"], equal_var=False)
    assert found.p == pytest.approx(test.pvalue, rel=0.05)
    spread = pool_seeds([[run(better), run(worse)]])
    assert spread.deviation == pytest.approx(abs(gains["sw"].mean() - gains["de"].mean()) / np.sqrt(2))


def test_with_few_questions_there_is_no_interval(run):
    found = contrast_recipes([[run([1, 2] * 14)], [run([2, 1, 3, 2] * 7)]], (1, -1), None)
    assert not found.interval.is_known
    assert found.interval.value == pytest.approx(0.75 - (0.5 + 1 + 1 / 3 + 0.5) / 4)
