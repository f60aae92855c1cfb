"""Figures by what is known of the languages, and their correlation with typological distance."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from babelrank.analysis.bias import language_preference, measure_rank_distance
from babelrank.analysis.bootstrap import MACRO_MEASURES, find_interval, question_scores
from babelrank.analysis.groups import (
    correlate_with_distance,
    correlate_with_distances,
    find_distant_pairs,
    find_groups,
)
from babelrank.analysis.settings import score_pairs, score_pool
from babelrank.data.language_facts import DISTANCE_KINDS, language_facts, typological_distance
from babelrank.errors import DataError
from babelrank.ranking.table import RankTable, read_ranks
from paths import REPORTS

XQUAD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


@pytest.fixture(scope="module")
def real():
    return read_ranks(REPORTS / "multilingual-e5-small-4-bit-weights" / "xquad-r.ranks.parquet")


def parallel_ranks(languages: tuple[str, ...], questions: int, seed: int) -> RankTable:
    """Return random ranks of questions and passages in all languages."""
    generator = np.random.default_rng(seed)
    rows = list(itertools.product(languages, range(questions), languages))
    table = pd.DataFrame(rows, columns=["query_lang", "query_id", "passage_lang"])
    table["query_id"] = "q" + table["query_id"].astype(str)
    table["passage_id"] = table["passage_lang"] + table["query_id"]
    table["grade"] = 1
    table["rank_in_language"] = generator.integers(1, 50, len(table)).astype(float)
    table["rank_in_pool"] = generator.permuted(np.arange(1.0, len(table) + 1))
    return RankTable(table, languages, dict.fromkeys(languages, 50), 0)


@pytest.fixture(scope="module")
def ranks():
    return parallel_ranks(("de", "en", "ru", "th"), 36, 0)


def group_of(groups, view, label):
    return next(group for group in groups[view] if group.label == label)


def test_a_group_is_the_mean_of_its_settings(ranks):
    """de and en are written in Latin letters; German and English, Russian too, are Indo-European."""
    groups = find_groups(question_scores(ranks))
    pairs, pool = np.array(score_pairs(ranks).scores["mAP"]), score_pool(ranks).scores["mAP"]
    distance = measure_rank_distance(ranks).mean
    latin = group_of(groups, "query_script", "Latn")
    assert latin.languages == ("de", "en")
    assert latin.settings == {"monolingual": 2, "cross_lingual": 6, "multilingual": 2, "rank_distance": 2}
    assert latin.queries == {"monolingual": 72, "cross_lingual": 216, "multilingual": 72, "rank_distance": 72}
    values = {figure: interval.value for figure, interval in latin.intervals.items()}
    assert values == pytest.approx(
        {
            "monolingual": (pairs[0, 0] + pairs[1, 1]) / 2,
            "cross_lingual": (pairs[0, [1, 2, 3]].sum() + pairs[1, [0, 2, 3]].sum()) / 6,
            "multilingual": (pool[0] + pool[1]) / 2,
            "rank_distance": (distance[0] + distance[1]) / 2,
        }
    )
    indo_european = group_of(groups, "passage_family", "Indo-European")
    assert indo_european.languages == ("de", "en", "ru")
    assert indo_european.settings == {"cross_lingual": 9}
    off = ~np.eye(4, dtype=bool)
    off[:, 3] = False
    assert indo_european.intervals["cross_lingual"].value == pytest.approx(pairs[off].mean())


def test_traits_cut_languages_into_thirds_and_equal_values_stay_together(ranks):
    traits = {"tokens": {"de": 1.25, "en": 1.0, "ru": 1.5, "th": 9.0}, "unknown": {"de": 0.0, "en": 0.0, "th": 0.5}}
    groups = find_groups(question_scores(ranks), traits=traits | {"constant": dict.fromkeys(ranks.languages, 1.0)})
    assert [(group.label, group.languages) for group in groups["query_tokens"]] == [
        ("third 1: 1 to 1.2", ("de", "en")),
        ("third 2: 1.5 to 1.5", ("ru",)),
        ("third 3: 9 to 9", ("th",)),
    ]
    assert [group.languages for group in groups["passage_unknown"]] == [("de", "en"), ("th",)]
    assert not {view for view in groups if "constant" in view}


def test_pairs_are_sorted_by_whether_they_share_a_script(ranks):
    groups = find_groups(question_scores(ranks))
    pairs = np.array(score_pairs(ranks).scores["mAP"])
    same = group_of(groups, "pair_script", "same script")
    assert same.settings == {"cross_lingual": 2}
    assert same.intervals["cross_lingual"].value == pytest.approx((pairs[0, 1] + pairs[1, 0]) / 2)
    assert group_of(groups, "pair_script", "different script").settings == {"cross_lingual": 10}
    assert group_of(groups, "pair_family", "same family").settings == {"cross_lingual": 6}
    assert group_of(groups, "distant_low_resource", "distant low-resource").settings == {"cross_lingual": 6}


def test_a_group_of_all_settings_has_the_interval_of_the_macro_figure():
    ranks = parallel_ranks(("de", "en", "es"), 40, 1)
    figures = question_scores(ranks)
    group = group_of(find_groups(figures), "query_family", "Indo-European")
    for figure in MACRO_MEASURES:
        expected = find_interval(figures, figure)
        found = group.intervals[figure]
        assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_a_group_of_some_queries_has_the_interval_of_these(ranks):
    figures = question_scores(ranks)
    found = group_of(find_groups(figures, seed=3), "query_script", "Latn").intervals
    for figure in MACRO_MEASURES:
        expected = find_interval(figures, figure, languages=["de", "en"], seed=3)
        assert (found[figure].low, found[figure].high) == pytest.approx((expected.low, expected.high))


def test_intervals_hold_where_a_resample_leaves_a_setting_empty():
    """Only one of 30 questions is in English, too: a third of the resamples do not draw it."""
    ranks = parallel_ranks(("de", "en"), 30, 2)
    table = ranks.table[(ranks.table["query_id"] == "q0") | (ranks.table["query_lang"] == "de")]
    figures = question_scores(RankTable(table, ranks.languages, ranks.pool_sizes, 0))
    found = group_of(find_groups(figures), "query_script", "Latn").intervals["multilingual"]
    expected = find_interval(figures, "multilingual")
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_training_languages_make_views_only_if_they_are_known(ranks):
    figures = question_scores(ranks)
    assert not {view for view in find_groups(figures) if "seen" in view}
    groups = find_groups(figures, seen=["en", "de", "fr"])
    assert group_of(groups, "query_seen", "unseen").languages == ("ru", "th")
    settings = {group.label: group.settings["cross_lingual"] for group in groups["pair_seen"]}
    assert settings == {"both seen": 2, "one seen": 8, "none seen": 2}
    assert find_groups(figures, seen=["EN", "deu", "fr"]).keys() == groups.keys()
    assert group_of(find_groups(figures, seen=["EN", "deu", "fr"]), "query_seen", "unseen").languages == ("ru", "th")
    none_seen = find_groups(figures, seen=[])
    assert [group.label for group in none_seen["pair_seen"]] == ["none seen"]


def test_a_language_without_facts_is_in_no_group_of_them():
    groups = find_groups(question_scores(parallel_ranks(("de", "en", "xx"), 5, 3)))
    for view, view_groups in groups.items():
        if view != "distant_low_resource":
            assert all("xx" not in group.languages for group in view_groups)
    # Settings with it are still among the passages' and queries' partners.
    assert group_of(groups, "query_script", "Latn").settings["cross_lingual"] == 4


def test_settings_without_queries_do_not_count():
    ranks = parallel_ranks(("de", "en", "th"), 4, 4)
    table = ranks.table[(ranks.table["query_lang"] != "th") | (ranks.table["passage_lang"] == "th")]
    groups = find_groups(question_scores(RankTable(table, ranks.languages, ranks.pool_sizes, 0)))
    assert group_of(groups, "query_script", "Thai").settings == {"monolingual": 1, "multilingual": 1}
    assert group_of(groups, "pair_script", "different script").settings == {"cross_lingual": 2}


def test_the_distant_low_resource_pairs_of_xquad_r():
    distant = find_distant_pairs(XQUAD)
    assert len(distant) == 28
    assert {pair for pair in distant if pair[0] < pair[1]} == {
        *(("ar", "el"), ("el", "th"), ("el", "tr"), ("el", "vi"), ("el", "zh")),
        *(("ar", "th"), ("de", "th"), ("en", "th"), ("es", "th"), ("hi", "th"), ("ru", "th")),
        *(("th", "tr"), ("th", "vi"), ("th", "zh")),
    }
    assert {(b, a) for a, b in distant} == set(distant)
    assert find_distant_pairs(("ar", "de", "en", "es", "hi", "vi", "zh")) == []


def cells(matrix, languages, kind):
    """Return the figure, the distance and the lower class of each ordered pair."""
    pairs = list(itertools.permutations(range(len(languages)), 2))
    names = [(languages[i], languages[j]) for i, j in pairs]
    return (
        np.array([matrix[i][j] for i, j in pairs]),
        np.array([typological_distance(a, b, kind) for a, b in names]),
        np.array([min(language_facts(code).resource_class for code in pair) for pair in names]),
    )


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(DISTANCE_KINDS))
def test_rho_is_spearmans(seed, kind):
    matrix = np.random.default_rng(seed).random((len(XQUAD), len(XQUAD))).round(1).tolist()
    found = correlate_with_distance(matrix, XQUAD, kind, permutations=1)
    figure, distance, _ = cells(matrix, XQUAD, kind)
    assert found.pairs == 110
    assert found.rho == pytest.approx(stats.spearmanr(figure, distance).statistic)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(DISTANCE_KINDS))
def test_the_partial_correlation_is_that_of_residuals_of_ranks(seed, kind):
    matrix = np.random.default_rng(seed).random((len(XQUAD), len(XQUAD))).tolist()
    figure, distance, resources = (stats.rankdata(values) for values in cells(matrix, XQUAD, kind))
    design = np.stack([np.ones_like(resources), resources], axis=1)
    residuals = [OLS(values, design).fit().resid for values in (figure, distance)]
    found = correlate_with_distance(matrix, XQUAD, kind, permutations=1)
    assert found.partial_rho == pytest.approx(np.corrcoef(*residuals)[0, 1])


def test_p_values_count_the_orders_of_the_languages():
    """With four languages all 24 orders can be gone through, one by one."""
    languages = ("ar", "de", "th", "zh")
    matrix = np.random.default_rng(5).random((4, 4))
    off = ~np.eye(4, dtype=bool)
    distance = np.array([[typological_distance(a, b, "syntactic") for b in languages] for a in languages])
    classes = [language_facts(code).resource_class for code in languages]
    lower = np.minimum.outer(classes, classes)

    def both(order):
        moved = distance[np.ix_(order, order)][off]
        xy, xz, yz = (
            stats.spearmanr(*two).statistic
            for two in ((moved, matrix[off]), (moved, lower[off]), (matrix[off], lower[off]))
        )
        return xy, (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))

    every = np.abs([both(order) for order in itertools.permutations(range(4))])
    shares = (every >= every[0] - 1e-12).mean(axis=0)
    found = correlate_with_distance(matrix.tolist(), languages, "syntactic", permutations=20_000)
    assert (found.p, found.partial_p) == pytest.approx(tuple(shares), abs=0.02)


def test_p_values_of_unrelated_figures_are_even():
    """Figures that hang on the language alone, as is usual: pairs are not independent, and yet 1 in 20 is below 5 %."""
    generator = np.random.default_rng(6)
    rounds = 150
    figures = generator.normal(size=(rounds, 11, 1)) + generator.normal(size=(rounds, 1, 11))
    p_values = [correlate_with_distance(f.tolist(), XQUAD, "syntactic", permutations=99).p for f in figures]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_a_figure_that_follows_the_distance_is_found():
    languages = XQUAD
    matrix = [[1 - typological_distance(a, b, "syntactic") for b in languages] for a in languages]
    found = correlate_with_distance(matrix, languages, "syntactic", permutations=999)
    assert found.rho == pytest.approx(-1)
    assert found.partial_rho == pytest.approx(-1)
    assert found.p == pytest.approx(1 / 1000, abs=2e-3)


def test_the_diagonal_takes_no_part():
    matrix = np.random.default_rng(7).random((11, 11))
    other = matrix + 5 * np.eye(11)
    first, second = (correlate_with_distance(m.tolist(), XQUAD, "genetic", permutations=50) for m in (matrix, other))
    assert first == second


def test_languages_of_which_distances_or_figures_are_unknown_are_left_out():
    languages = ("ar", "da", "de", "en", "xx", "zh")  # no phonology of Danish
    matrix = np.random.default_rng(8).random((6, 6)).tolist()
    matrix[5][5] = None
    found = correlate_with_distance(matrix, languages, "phonological", permutations=9)
    assert (found.languages, found.pairs) == (("ar", "de", "en", "zh"), 12)
    matrix[0][2] = None
    found = correlate_with_distance(matrix, languages, "phonological", permutations=9)
    assert len(found.languages) == 3
    assert {"ar", "de"} - set(found.languages)


@pytest.mark.parametrize("languages", [(), ("de",), ("de", "en"), ("xx", "yy")])
def test_too_few_languages_have_no_correlation(languages):
    found = correlate_with_distance([[0.5] * len(languages)] * len(languages), languages, "genetic", permutations=9)
    assert (found.rho, found.p, found.partial_rho, found.partial_p) == (None, None, None, None)


def test_equal_classes_have_no_partial_correlation():
    languages = ("ar", "de", "en", "es", "zh")  # all of class 5
    found = correlate_with_distance(np.random.default_rng(9).random((5, 5)).tolist(), languages, "genetic")
    assert found.rho is not None
    assert (found.partial_rho, found.partial_p) == (None, None)


def test_an_unknown_kind_of_distance_is_refused():
    with pytest.raises(DataError, match="unknown kind of distance 'lexical'"):
        correlate_with_distance([[0.5] * 2] * 2, ("de", "en"), "lexical")


def test_groups_of_a_real_report(real):
    groups = find_groups(question_scores(real))
    pairs = np.array(score_pairs(real).scores["mAP"])
    distant = group_of(groups, "distant_low_resource", "distant low-resource")
    position = {code: i for i, code in enumerate(real.languages)}
    expected = np.mean([pairs[position[a], position[b]] for a, b in find_distant_pairs(real.languages)])
    assert distant.settings == {"cross_lingual": 28}
    assert distant.queries == {"cross_lingual": 28 * 1190}
    interval = distant.intervals["cross_lingual"]
    assert interval.value == pytest.approx(expected)
    assert (
        interval.low
        < expected
        < interval.high
        < group_of(groups, "pair_family", "same family").intervals["cross_lingual"].low
    )
    classes = [group.label for group in groups["query_resource_class"]]
    assert classes == ["class 3", "class 4", "class 5"]


def test_distance_costs_a_real_encoder_accuracy_and_rank(real):
    accuracy = correlate_with_distances(score_pairs(real).scores["mAP"], real.languages, permutations=499)
    rank = correlate_with_distances(language_preference(real).mean_rank, real.languages, permutations=499)
    assert tuple(accuracy) == DISTANCE_KINDS
    assert all(correlation.languages == real.languages for correlation in accuracy.values())
    assert accuracy["genetic"].rho < -0.5
    assert accuracy["genetic"].p < 0.05
    assert rank["genetic"].rho > 0.3
