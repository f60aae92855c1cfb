"""The influence of questions on measures: by hand, by brute force, and against the bootstrap."""

import numpy as np
import pytest
from scipy import stats

from babelrank.analysis.bootstrap import clustered_scores, question_scores
from babelrank.analysis.clusters import clusters
from babelrank.analysis.comparison import standard_errors
from babelrank.analysis.influence import BIAS_FIGURES, influence_on_bias, influence_on_mean, weighted_sum
from babelrank.analysis.language_bias import measure_language_bias
from babelrank.analysis.measures import average_precision
from babelrank.analysis.merge_gap import merged_precision
from babelrank.analysis.seeds import contrast_recipes
from babelrank.errors import ReportError
from babelrank.ranking.rank_lists import RankLists
from babelrank.ranking.table import RankTable, read_ranks
from made_ranks import pool_ranks
from paths import REPORTS

POOL = {"de": 400, "en": 400, "th": 400}
REAL = REPORTS / "bm25" / "mlqa-r.ranks.parquet"


def made_table(questions=40, *, shift=0.7, seed=0):
    """Two query languages, and log-normal ranks in which English is favoured; some queries have no Thai passage."""
    rng = np.random.default_rng(seed)
    queries = {}
    for lang in ("de", "th"):
        for question in range(questions):
            present = ["de", "en", *(["th"] if rng.random() < 0.7 else [])]
            logs = rng.normal(3, 1, len(present)) - shift * np.array([other == "en" for other in present])
            queries[lang, f"q{question:03}"] = list(zip(present, np.exp(np.maximum(logs, 0)), strict=True))
    return pool_ranks(queries, POOL)


def error_of(influence):
    return standard_errors(influence.deviations[:, None], np.zeros(len(influence.deviations)))[0]


def values_of(table, **given):
    measures = measure_language_bias(table, **given).measures
    return {name: measures[name].macro.value for name in BIAS_FIGURES}


@pytest.mark.parametrize("figure", BIAS_FIGURES)
def test_the_influence_on_bias_is_the_jackknife(figure):
    """Each question is left out of the table in turn, and the bias measured again."""
    table = made_table()
    rows, full = table.table, values_of(table)[figure]
    found = influence_on_bias(question_scores(table), table, figure)
    left = [
        values_of(RankTable(rows[rows["query_id"] != each], table.languages, table.pool_sizes, 0))[figure]
        for each in sorted(rows["query_id"].unique())
    ]
    if figure == "language_effect":  # less an expectation that is that of all questions, which hardly changes
        assert np.corrcoef(found.deviations, np.mean(left) - left)[0, 1] > 0.99
    else:
        # Left-out fits of an unbalanced design are one step of Newton's method.
        expected = 39 / 40 * (np.mean(left) - left)
        assert found.deviations == pytest.approx(expected, abs=0.02 * np.abs(expected).max())
    assert found.value == pytest.approx(full)
    assert found.deviations.sum() == pytest.approx(0, abs=1e-9)


def test_the_influence_on_a_merge_gap_by_hand():
    # Own ranks are 1, so that a merge gives the mean of (1/1 + 2/2) / 2 for two relevant passages: 1. The pool gives
    # (1/1 + 2/4) / 2 = 3/4, (1/1 + 2/2) / 2 = 1 and (1/2 + 2/4) / 2 = 1/2.
    pooled = {"a": (1, 4), "b": (1, 2), "c": (2, 4)}
    table = pool_ranks(
        {("de", name): list(zip(("de", "en"), ranks, strict=True)) for name, ranks in pooled.items()},
        {"de": 20, "en": 20},
    )
    table.table["rank_in_language"] = 1.0
    found = influence_on_bias(question_scores(table), table, "merge_gap")
    assert found.value == pytest.approx(1 - (3 / 4 + 1 + 1 / 2) / 3)
    assert found.deviations == pytest.approx(np.array([0, -1 / 4, 1 / 4]) / 3)


@pytest.mark.parametrize("figure", ["monolingual", "multilingual", "rank_distance"])
def test_the_influence_on_a_mean_is_that_of_a_ratio_of_sums(figure):
    """On a real collection, in which questions have different numbers of translations, against the bootstrap."""
    scores = clustered_scores(read_ranks(REAL))
    found = influence_on_mean(scores, figure, ["de", "en"])
    drawn = scores.macro(figure, scores.draw(), ["de", "en"])
    assert found.value == pytest.approx(drawn[0])
    assert error_of(found) == pytest.approx(drawn[1:].std(), rel=0.08)


@pytest.mark.parametrize("figure", BIAS_FIGURES)
def test_the_error_of_a_real_bias_is_that_of_the_bootstrap(figure):
    ranks = read_ranks(REAL)
    found = influence_on_bias(clustered_scores(ranks), ranks, figure)
    measure = measure_language_bias(ranks, clusters=clusters(ranks)).measures[figure].macro
    assert found.value == pytest.approx(measure.value)
    half = (measure.high - measure.low) / 2
    assert 1.96 * error_of(found) == pytest.approx(half, rel=0.1)


def test_a_difference_of_merge_gaps_is_a_paired_t_test():
    tables = [made_table(60, shift=shift) for shift in (0.2, 0.9)]
    scores, gains = question_scores(tables[0]), 0.0
    for table, sign in zip(tables, (1, -1), strict=True):
        grouped = [table.table[name].to_numpy() for name in ("rank_in_pool", "grade")]
        gaps = merged_precision(table) - average_precision(RankLists.group(*grouped, table.query_numbers))
        gains += sign * gaps.reshape(2, 60).mean(axis=0)  # every question is asked in both languages
    found = contrast_recipes([[influence_on_bias(scores, each, "merge_gap")] for each in tables], (1, -1), None)
    test = stats.ttest_1samp(gains, 0.0)
    assert found.p == pytest.approx(test.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(test.confidence_interval()))


def test_a_quarter_of_the_others_value_may_be_claimed():
    biased, fair = made_table(50, shift=1.5), made_table(50, shift=0.1)
    scores = question_scores(biased)
    ratios = [influence_on_bias(scores, table, "rank_ratio") for table in (fair, biased)]
    found = contrast_recipes([[ratios[0]], [ratios[1]]], (1, -0.25), None)
    assert found.interval.value == pytest.approx(ratios[0].value - ratios[1].value / 4)


def test_languages_are_those_of_the_queries():
    table = made_table(30)
    scores = question_scores(table)
    by_language = measure_language_bias(table).effect.eta_squared.by_language
    for lang, expected in zip(table.languages, by_language, strict=True):
        found = influence_on_bias(scores, table, "language_effect", [lang])
        assert np.isnan(found.value) if expected is None else found.value == pytest.approx(expected.value)


def test_measures_of_other_questions_are_not_subtracted():
    tables = [made_table(30), made_table(31)]
    found = [influence_on_bias(question_scores(table), table, "merge_gap") for table in tables]
    with pytest.raises(ReportError, match="different questions"):
        weighted_sum([(1.0, found[0]), (-1.0, found[1])])
