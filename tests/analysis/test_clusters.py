"""Questions of one article are drawn together: intervals, tests and letters by cluster."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from babelrank.analysis.bootstrap import MACRO_MEASURES, find_interval, find_intervals, question_scores
from babelrank.analysis.clusters import clusters
from babelrank.analysis.comparison import compare, permutation_test, standard_errors
from babelrank.analysis.detail import analyse_in_detail
from babelrank.analysis.groups import find_groups
from babelrank.analysis.letters import find_letters, minimal_detectable_difference
from babelrank.errors import ReportError
from babelrank.ranking.table import read_ranks
from paths import REPORTS


def rows_of(articles=40, questions=5, shift=0.0, seed=0):
    """Questions in German and English; those of an article have ranks in common, up to noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for article in range(articles):
        level = rng.integers(1, 30)
        for question in range(questions):
            for query in ("de", "en"):
                for passage in ("de", "en"):
                    rank = float(level + rng.integers(0, 3)) + shift * rng.random()
                    name = f"{passage}/{article}/{question % 2}/{question}"
                    rows.append((query, f"{article:02}-{question}", passage, name, 1, rank, rank))
    return rows


@pytest.mark.parametrize(
    ("collection", "counts"),
    [("xquad-r", {"article": 48, "paragraph": 240, "question": 1190}), ("mlqa-r", {"article": 520, "paragraph": 933})],
)
def test_articles_and_paragraphs_of_lareqa_follow_from_passage_ids(collection, counts):
    ranks = read_ranks(REPORTS / "bm25" / f"{collection}.ranks.parquet")
    for level, count in counts.items():
        found = clusters(ranks, level)
        assert len(np.unique(found)) == found.max() + 1 == count
        assert pd.Series(found).groupby(ranks.table["query_id"]).nunique().max() == 1


def test_articles_that_a_question_has_in_several_languages_are_one_cluster(ranks_of):
    """MLQA-R numbers the articles of each language for itself."""
    rows = [
        ("de", "a", "de", "de/7/0/0", 1, 1.0, 1.0),
        ("de", "a", "en", "en/3/1/0", 1, 1.0, 1.0),
        ("en", "b", "en", "en/3/1/5", 1, 1.0, 1.0),
        ("en", "c", "en", "en/3/2/0", 1, 1.0, 1.0),
        ("en", "d", "en", "en/7/0/0", 1, 1.0, 1.0),
        ("de", "c", "de", "de/9/0/1", 1, 1.0, 1.0),
    ]
    ranks = ranks_of(rows)
    assert clusters(ranks).tolist() == [0, 0, 0, 0, 1, 0]
    assert clusters(ranks, "paragraph").tolist() == [0, 0, 0, 1, 2, 1]
    assert clusters(ranks, "question").tolist() == [0, 0, 1, 2, 3, 2]


@pytest.mark.parametrize("name", ["12345#6", "en/3", "doc-1", "en/3/x/1"])
def test_other_passage_ids_tell_no_clusters(ranks_of, name):
    rows = [("de", "a", "de", "de/7/0/0", 1, 1.0, 1.0), ("de", "b", "de", name, 1, 1.0, 1.0)]
    assert clusters(ranks_of(rows)) is None
    assert clusters(ranks_of(rows), "question").tolist() == [0, 1]


def test_a_level_that_does_not_exist_is_refused(ranks_of):
    with pytest.raises(ReportError, match=r"unknown level of clusters 'articel'\. Did you mean 'article'"):
        clusters(ranks_of([("de", "a", "de", "de/7/0/0", 1, 1.0, 1.0)]), "articel")


def test_clusters_that_do_not_fit_the_table_are_refused(ranks_of):
    ranks = ranks_of(rows_of(2, 2))
    with pytest.raises(ReportError, match="one number for each of the 16 rows"):
        question_scores(ranks, clusters=np.zeros(3, dtype=int))
    with pytest.raises(ReportError, match="one question is in several"):
        question_scores(ranks, clusters=np.arange(16))


@pytest.mark.parametrize("figure", MACRO_MEASURES)
def test_questions_as_clusters_change_nothing(ranks_of, figure):
    ranks = ranks_of(rows_of(6))
    alone, clustered = question_scores(ranks), question_scores(ranks, clusters=clusters(ranks, "question"))
    assert find_interval(alone, figure) == find_interval(clustered, figure)
    assert clustered.cluster_count == 30


def test_an_interval_by_cluster_is_scipys_over_the_means_of_equal_clusters(ranks_of):
    ranks = ranks_of(rows_of())
    found = find_interval(question_scores(ranks, clusters=clusters(ranks)), "multilingual", resamples=20_000)
    figures = question_scores(ranks)
    by_question = figures.totals[:, 4:6].mean(axis=1) / figures.counts[0, 4]
    by_article = by_question.reshape(40, 5).mean(axis=1)
    scipys = stats.bootstrap((by_article,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    assert (found.low, found.high) == pytest.approx(tuple(scipys.confidence_interval), abs=4e-3)
    alone = find_interval(figures, "multilingual")
    assert found.high - found.low > 1.5 * (alone.high - alone.low)


def test_groups_and_details_draw_the_clusters_too(ranks_of):
    ranks = ranks_of(rows_of())
    figures = question_scores(ranks, clusters=clusters(ranks))
    detail = analyse_in_detail(ranks, clusters=clusters(ranks))
    german = next(group for group in find_groups(figures)["query_genus"] if group.languages == ("de", "en"))
    assert german.intervals["monolingual"] == pytest.approx(find_intervals(figures)["monolingual"])
    assert detail.figures.warning is None


def test_p_values_by_cluster_are_scipys_over_cluster_sums(ranks_of):
    first, second = (ranks_of(rows_of(12, seed=seed)) for seed in (0, 7))
    pair = [question_scores(ranks, clusters=clusters(ranks)) for ranks in (first, second)]
    found = compare(pair, ["multilingual"])[0, 1]
    alone = compare([question_scores(ranks) for ranks in (first, second)], ["multilingual"])[0, 1]
    differences = (pair[0].totals - pair[1].totals)[:, 4:6].sum(axis=1).reshape(12, 5).sum(axis=1)
    scipys = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert found.macro["multilingual"].p == pytest.approx(scipys, abs=0.02)
    assert found.macro["multilingual"].p > alone.macro["multilingual"].p
    assert (found.clusters, alone.clusters) == (12, 60)
    assert found.warning.startswith("There are only 12 independent groups")
    assert alone.warning is None


def test_encoders_with_other_clusters_are_not_compared(ranks_of):
    ranks = ranks_of(rows_of(6))
    with pytest.raises(ReportError, match="different questions"):
        compare([question_scores(ranks), question_scores(ranks, clusters=clusters(ranks))])


def test_a_margin_asks_for_more_than_a_difference():
    rng = np.random.default_rng(0)
    columns = (rng.normal(0.02, 0.05, size=(200, 1)) + np.array([0.0, -0.05])) / 200
    assert permutation_test(columns)[0] < 0.001
    within = permutation_test(columns, margin=0.1)
    assert within.tolist() == [1.0, 1.0]
    # The test against a margin is that of differences from which it is taken off, towards 0.
    expected = [permutation_test(columns[:, :1] - 0.01 / 200)[0], permutation_test(columns[:, 1:] + 0.01 / 200)[0]]
    assert permutation_test(columns, margin=0.01).tolist() == pytest.approx(expected, abs=0.01)
    pairs = np.array([[0, 1]])
    by_pair = permutation_test(columns, pairs, margin=0.04)
    assert by_pair == pytest.approx(permutation_test(columns[:, :1] - columns[:, 1:], margin=0.04))


def test_letters_separate_only_beyond_the_margin(ranks_of):
    encoders = [
        question_scores(ranks, clusters=clusters(ranks))
        for ranks in (ranks_of(rows_of(shift=shift)) for shift in (0.0, 1.0))
    ]
    gain = compare(encoders, ["multilingual"])[0, 1].macro["multilingual"]
    assert find_letters(encoders, "multilingual") == ["a", "b"]
    assert find_letters(encoders, "multilingual", margin=gain.interval.value * 1.1) == ["a", "a"]
    beyond = compare(encoders, ["multilingual", "rank_distance"], margin=1.0)[0, 1].macro
    assert beyond["multilingual"].p == 1
    assert beyond["rank_distance"].p == compare(encoders, ["rank_distance"])[0, 1].macro["rank_distance"].p


def test_standard_errors_are_those_of_a_regression_on_clusters():
    rng = np.random.default_rng(2)
    groups = np.sort(rng.integers(0, 20, 100))
    values = rng.normal(size=20)[groups] + rng.normal(size=100)
    fit = sm.OLS(values, np.ones(100)).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    sums = np.bincount(groups, weights=values)[:, None] / 100
    found = standard_errors(sums, np.bincount(groups) / 100)
    assert found[0] == pytest.approx(fit.bse[0] * np.sqrt(20 / 19))


def test_the_minimal_detectable_difference_is_found_in_four_of_five_cases(ranks_of):
    ranks = ranks_of(rows_of())
    figures = question_scores(ranks, clusters=clusters(ranks))
    other = question_scores(ranks_of(rows_of(seed=9)), clusters=clusters(ranks))
    least = minimal_detectable_difference([figures, other], "multilingual")
    differences = figures.by_cluster((figures.totals - other.totals)[:, 4:6].sum(axis=1)) / figures.counts[:, 4:6].sum()
    error = np.sqrt(40) * differences.std(ddof=1)
    drawn = np.random.default_rng(0).normal(least, error * np.sqrt(40), size=(4000, 40))
    assert (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)
    assert np.isnan(minimal_detectable_difference([figures], "multilingual"))
