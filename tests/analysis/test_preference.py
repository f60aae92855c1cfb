"""Which passage language is preferred, and whether it is the query's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.analysis.bias import language_preference
from babelrank.analysis.preference import DEPTHS, measure_preference
from babelrank.ranking.table import RankTable, read_ranks
from made_ranks import pool_ranks
from paths import REPORTS

POOL = {"de": 40, "en": 30, "hi": 20, "th": 10}


def ranks_of(queries, pool=POOL) -> RankTable:
    return pool_ranks(queries, pool)


@pytest.fixture
def preference():
    """Three German queries that compare, two English ones, one of which lacks English; and two that compare nothing."""
    return measure_preference(
        ranks_of(
            {
                ("de", "q1"): [("de", 1), ("en", 2), ("th", 50)],
                ("de", "q2"): [("en", 8), ("de", 4)],
                ("de", "q3"): [("de", 20), ("en", 10), ("th", 20), ("hi", 80)],
                ("de", "q4"): [("de", 10)],
                ("en", "q1"): [("th", 7.5), ("en", 7.5)],
                ("en", "q2"): [("th", 1), ("de", 4)],
                ("hi", "q4"): [("de", 11), ("de", 12)],
            }
        )
    )


def test_only_queries_with_relevant_passages_in_two_languages_count(preference):
    assert preference.n == [[3, 3, 1, 2], [1, 1, 0, 2], [0] * 4, [0] * 4]
    assert preference.reciprocal_rank[2:] == [[None] * 4] * 2


def test_the_reciprocal_rank_is_that_in_the_pool(preference):
    expected = [(1 + 1 / 4 + 1 / 20) / 3, (1 / 2 + 1 / 8 + 1 / 10) / 3, 1 / 80, (1 / 50 + 1 / 20) / 2]
    assert preference.reciprocal_rank[0] == pytest.approx(expected)
    assert preference.reciprocal_rank[1] == [1 / 4, pytest.approx(1 / 7.5), None, pytest.approx((1 / 7.5 + 1) / 2)]


def test_the_top_holds_ranks_up_to_its_depth(preference):
    assert preference.in_top["1"][0] == pytest.approx([1 / 3, 0, 0, 0])
    assert preference.in_top["10"][0] == pytest.approx([2 / 3, 1, 0, 0])
    assert preference.in_top["100"][0] == [1, 1, 1, 1]
    assert preference.in_top["1"][1] == [0, 0, None, 1 / 2]


def test_shares_of_the_top_are_of_what_was_found_and_stand_beside_those_of_what_there_is(preference):
    assert preference.share_of_top["10"][0] == pytest.approx([2 / 5, 3 / 5, 0, 0])
    assert preference.share_of_top["10"][1] == [pytest.approx(1 / 4), pytest.approx(1 / 4), None, pytest.approx(2 / 4)]
    assert preference.share_expected[0] == pytest.approx([3 / 9, 3 / 9, 1 / 9, 2 / 9])
    assert preference.share_of_pool == [0.4, 0.3, 0.2, 0.1]


def test_nothing_found_has_no_shares():
    found = measure_preference(ranks_of({("de", "q"): [("de", 2), ("en", 3)]}))
    assert found.in_top["1"][0] == [0, 0, None, None]
    assert found.share_of_top["1"] == [[None] * 4] * 4
    assert found.share_expected[0] == [1 / 2, 1 / 2, None, None]


def test_of_two_languages_one_stands_above_the_other_and_a_tie_is_half(preference):
    german, english = preference.above[:2]
    assert german[0] == [None, pytest.approx(2 / 3), 1, pytest.approx((1 + 1 / 2) / 2)]
    assert german[3] == [pytest.approx(1 / 4), 0, 1, None]
    assert preference.pair_n[0] == [[0, 3, 1, 2], [3, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]]
    assert english == [[None, None, None, 0], [None, None, None, 1 / 2], [None] * 4, [1, 1 / 2, None, None]]
    assert preference.above[2] == [[None] * 4] * 4


def test_the_macro_preference_is_the_mean_over_query_languages_with_a_figure(preference):
    assert preference.above_macro[3] == [pytest.approx((1 / 4 + 1) / 2), pytest.approx((0 + 1 / 2) / 2), 1, None]


def test_the_own_language_is_compared_with_each_other_one(preference):
    own = preference.own
    assert own.n == [3, 1, 0, 0]  # the second English query has no English passage
    assert own.above == [pytest.approx((1 + 1 + (0 + 1 + 1 / 2) / 3) / 3), 1 / 2, None, None]


def test_the_own_language_is_first_as_often_as_one_of_the_languages_would_be(preference):
    own = preference.own
    assert own.first == [pytest.approx((1 + 1 + 0) / 3), 1 / 2, None, None]
    assert own.first_expected == [pytest.approx((1 / 3 + 1 / 2 + 1 / 4) / 3), 1 / 2, None, None]


def test_macro_figures_of_the_own_language_stand_beside_their_expectations(preference):
    assert preference.own.macro == {
        "own_above": pytest.approx((2.5 / 3 + 0.5) / 2),
        "own_above_expected": 0.5,
        "own_first": pytest.approx((2 / 3 + 1 / 2) / 2),
        "own_first_expected": pytest.approx((13 / 36 + 1 / 2) / 2),
    }


def test_of_several_relevant_passages_in_a_language_the_best_counts():
    found = measure_preference(ranks_of({("de", "q"): [("de", 9), ("de", 2), ("en", 5)]}))
    assert found.above[0][0][1] == 1
    assert found.reciprocal_rank[0][:2] == [1 / 2, 1 / 5]
    assert found.share_of_top["10"][0][:2] == [1 / 2, 1 / 2]


@pytest.mark.parametrize("queries", [{}, {("de", "q"): [("de", 1)]}], ids=["no rows", "one language"])
def test_where_nothing_compares_there_are_no_figures(queries):
    found = measure_preference(ranks_of(queries))
    assert found.n == [[0] * 4] * 4
    assert found.above == [[[None] * 4] * 4] * 4
    assert set(found.own.macro.values()) == {None}


query = st.tuples(st.sampled_from(list(POOL)), st.dictionaries(st.sampled_from(list(POOL)), st.integers(1, 8)))


@given(st.lists(query, max_size=12))
def test_figures_are_those_of_a_loop_over_queries(queries):
    found = measure_preference(ranks_of({(lang, f"q{i}"): [*best.items()] for i, (lang, best) in enumerate(queries)}))
    langs = list(POOL)
    for i, asked in enumerate(langs):
        bests = [best for lang, best in queries if lang == asked and len(best) >= 2]
        own = [best for best in bests if asked in best]
        assert found.own.first[i] == mean([first_share(best, asked) for best in own])
        assert found.own.above[i] == mean(
            [np.mean([wins(best, asked, other) for other in best if other != asked]) for best in own]
        )
        for j, row in enumerate(langs):
            having = [best for best in bests if row in best]
            assert found.reciprocal_rank[i][j] == mean([1 / best[row] for best in having])
            for k, column in enumerate(langs):
                both = [best for best in having if column in best and column != row]
                assert found.pair_n[i][j][k] == len(both)
                assert found.above[i][j][k] == mean([wins(best, row, column) for best in both])


def mean(values):
    return pytest.approx(np.mean(values)) if values else None


def wins(best, one, other):
    return (best[one] < best[other]) + (best[one] == best[other]) / 2


def first_share(best, lang):
    first = [other for other in best if best[other] == min(best.values())]
    return (lang in first) / len(first)


@given(st.lists(query, max_size=12))
def test_mirrored_cells_are_complements_and_shares_add_up_to_1(queries):
    found = measure_preference(ranks_of({(lang, f"q{i}"): [*best.items()] for i, (lang, best) in enumerate(queries)}))
    above = np.array(found.above, dtype=float)
    both = above + above.transpose(0, 2, 1)
    assert both[~np.isnan(both)] == pytest.approx(1)
    for shares in (*found.share_of_top.values(), found.share_expected):
        sums = np.nansum(np.array(shares, dtype=float), axis=1)
        assert sums == pytest.approx((sums > 0).astype(float))


def test_without_bias_the_figures_are_the_expected_ones():
    generator = np.random.default_rng(4)
    pool = {"de": 4000, "en": 3000, "hi": 2000, "th": 1000}
    queries = {}
    for lang in pool:
        for i in range(1500):
            having = [other for other in pool if other == lang or generator.random() < 0.7]
            queries[lang, f"q{i}"] = [*zip(having, generator.permutation(400)[: len(having)] + 1, strict=True)]
    found = measure_preference(ranks_of(queries, pool))
    macro = found.own.macro
    assert macro["own_above"] == pytest.approx(macro["own_above_expected"], abs=0.015)
    assert macro["own_first"] == pytest.approx(macro["own_first_expected"], abs=0.015)
    assert np.array(found.share_of_top["100"]) == pytest.approx(np.array(found.share_expected), abs=0.04)
    assert np.nanmax(np.abs(np.array(found.above_macro, dtype=float) - 0.5)) < 0.03


@pytest.mark.parametrize("collection", ["xquad-r", "mlqa-r"])
@pytest.mark.parametrize("model", ["bm25", "use-multilingual-v3"])
def test_real_reports_agree_with_pandas_and_with_the_favoured_languages(model, collection):
    ranks = read_ranks(REPORTS / model / f"{collection}.ranks.parquet")
    found, favoured = measure_preference(ranks), language_preference(ranks)
    assert found.n == favoured.n
    assert found.own.first == pytest.approx([row[i] for i, row in enumerate(favoured.share_first)])
    wide = ranks.table.pivot_table(index=["query_lang", "query_id"], columns="passage_lang", values="rank_in_pool")
    one, other = ranks.languages[1], ranks.languages[3]
    for i, lang in enumerate(ranks.languages):
        rank = wide.loc[lang]
        both = rank[[one, other]].dropna()
        score = np.where(both[one] < both[other], 1.0, np.where(both[one] == both[other], 0.5, 0.0))
        assert (found.pair_n[i][1][3], found.above[i][1][3]) == (len(both), pytest.approx(score.mean()))
        assert found.reciprocal_rank[i] == pytest.approx((1 / rank).mean()[list(ranks.languages)].to_numpy())
        for depth in DEPTHS:
            share = (rank <= depth).sum() / rank.notna().sum()
            assert found.in_top[str(depth)][i] == pytest.approx(share[list(ranks.languages)].to_numpy())
        others = rank.drop(columns=lang)
        above = others.gt(rank[lang], axis=0).sum(axis=1) + others.eq(rank[lang], axis=0).sum(axis=1) / 2
        assert found.own.above[i] == pytest.approx((above / others.notna().sum(axis=1)).mean())
