"""Tests from sums over clusters, against statsmodels and scipy."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multivariate import test_mvmean as mean_test

from babelrank.analysis.clustered_tests import hotelling_test, t_test
from babelrank.analysis.clusters import clusters
from babelrank.analysis.friedman import compare_languages
from babelrank.ranking.table import RankTable
from made_ranks import pool_ranks

POOL = {"de": 400, "en": 400, "th": 400}


def test_hotellings_test_is_that_of_statsmodels():
    sums = np.random.default_rng(0).normal([0.3, 0.0, -0.2], 1.0, size=(30, 3))
    assert hotelling_test(sums, 3) == pytest.approx(mean_test(sums, np.zeros(3)).pvalue)
    # A fourth that follows from the others changes nothing.
    dependent = np.column_stack([sums, -sums.sum(axis=1)])
    assert hotelling_test(dependent, 3) == pytest.approx(hotelling_test(sums, 3))


def test_too_few_clusters_have_no_hotelling_test():
    assert np.isnan(hotelling_test(np.ones((1, 3)), 2))
    assert np.isnan(hotelling_test(np.zeros((9, 3)), 2))
    assert np.isnan(hotelling_test(np.random.default_rng(0).normal(size=(3, 3)), 3))


def test_t_tests_are_scipys():
    sums = np.random.default_rng(0).normal([0.5, 0.0], 1.0, size=(30, 2))
    assert t_test(sums) == pytest.approx(stats.ttest_1samp(sums, 0).pvalue)
    assert t_test(np.zeros((4, 2))).tolist() == [1, 1]
    assert t_test(np.ones((4, 1))).tolist() == [0]
    assert np.isnan(t_test(np.ones((1, 2)))).all()


def table_of(articles, questions, *, article=0.0, shift=0.0, seed=0):
    """Log-normal ranks of German queries; in an article, languages have offsets in common. English is shifted."""
    rng = np.random.default_rng(seed)
    queries = {}
    for number in range(articles):
        offsets = article * rng.normal(size=3) - shift * np.array([0, 1, 0])
        for question in range(questions):
            ranks = np.exp(np.maximum(rng.normal(3, 1, 3) + offsets, 0))
            queries["de", f"{number:02}-{question}"] = list(zip(POOL, ranks, strict=True))
    ranks = pool_ranks(queries, POOL)
    names = [
        f"{lang}/{name[:2]}/0/{name[3:]}"
        for lang, name in zip(ranks.table["passage_lang"], ranks.table["query_id"], strict=True)
    ]
    return RankTable(ranks.table.assign(passage_id=names), ranks.languages, POOL, 0)


def test_offsets_of_articles_are_not_taken_for_differences_between_languages():
    apart = np.array([0, 0])
    for seed in range(40):
        ranks = table_of(20, 12, article=0.6, seed=seed)
        clustered = compare_languages(ranks, clusters=clusters(ranks))
        alone = compare_languages(ranks)
        assert clustered.concordance == alone.concordance
        apart += np.array([clustered.p[0] < 0.05, alone.p[0] < 0.05])
    assert apart[0] <= 6
    assert apart[1] > 15


def test_languages_that_differ_are_told_apart_by_cluster():
    ranks = table_of(20, 12, article=0.3, shift=1.0)
    found = compare_languages(ranks, clusters=clusters(ranks))
    assert found.p[0] < 0.001
    assert found.preferred[0][1] == [1, None, 1]
    assert found.p[1] is None
    assert not any("so many queries" in warning for warning in found.warnings)


def test_each_query_as_its_cluster_is_nearly_the_test_over_queries():
    ranks = table_of(30, 10, shift=0.12)
    alone, each = compare_languages(ranks), compare_languages(ranks, clusters=clusters(ranks, "question"))
    assert each.p[0] == pytest.approx(alone.p[0], abs=0.03)
    assert each.pair_p[0][0][1] == pytest.approx(alone.pair_p[0][0][1], abs=0.1)  # exact, in steps
