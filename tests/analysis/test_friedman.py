"""Rank tests over parallel passages: Friedman's, that of Skillings and Mack, and sign tests between two languages."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from babelrank.analysis.comparison import holm
from babelrank.analysis.friedman import compare_languages, sign_test, skillings_mack
from babelrank.ranking.table import COLUMNS, RankTable, read_ranks
from paths import REPORTS

LANGUAGES = ("de", "en", "hi")
NAN = float("nan")


def ranks_of(values, query_lang="de", languages=LANGUAGES) -> RankTable:
    """Make a table from ranks in the pool: one row per query, one column per passage language, NaN where none is."""
    rows = [
        (query_lang, f"q{i}", lang, f"{lang}/{i}", 1, 1.0, float(value))
        for i, row in enumerate(values)
        for lang, value in zip(languages, row, strict=True)
        if not np.isnan(value)
    ]
    return RankTable(pd.DataFrame(rows, columns=COLUMNS), languages, dict.fromkeys(languages, 50), 0)


@pytest.mark.parametrize("values_up_to", [10_000, 4], ids=["no ties", "ties"])
def test_on_complete_blocks_it_is_friedmans_test(values_up_to):
    values = np.random.default_rng(1).integers(0, values_up_to, size=(40, 5)) + np.array([0, 0, 1, 1, 2])
    found, scipys = skillings_mack(values.astype(float)), stats.friedmanchisquare(*values.T)
    assert (found.statistic, found.p) == pytest.approx((scipys.statistic, scipys.pvalue))
    assert (found.complete, found.blocks, found.treatments, found.degrees_of_freedom) == (True, 40, 5, 4)


@given(arrays.arrays(np.int64, st.tuples(st.integers(2, 12), st.integers(3, 6)), elements=st.integers(0, 5)))
def test_whatever_the_ties_it_is_scipys(values):
    if (values == values[:, :1]).all():
        return
    assert skillings_mack(values.astype(float)).statistic == pytest.approx(stats.friedmanchisquare(*values.T).statistic)


def test_incomplete_blocks_as_in_the_literature():
    """Four ways to assemble a product, by nine people (Skillings and Mack 1981, table 1): T = 15.493, p = 0.0014."""
    values = np.array(
        [
            [3.2, 3.1, 4.3, 3.5, 3.6, 4.5, NAN, 4.3, 3.5],
            [4.1, 3.9, 3.5, 3.6, 4.2, 4.7, 4.2, 4.6, NAN],
            [3.8, 3.4, 4.6, 3.9, 3.7, 3.7, 3.4, 4.4, 3.7],
            [4.2, 4.0, 4.8, 4.0, 3.9, NAN, NAN, 4.9, 3.9],
        ]
    ).T
    found = skillings_mack(values)
    assert (found.statistic, found.p) == (pytest.approx(15.493, abs=5e-4), pytest.approx(0.0014, abs=5e-5))
    assert (found.complete, found.blocks, found.degrees_of_freedom) == (False, 9, 3)


def test_on_balanced_incomplete_blocks_it_is_durbins_test():
    """Seven treatments in seven blocks of three, each two together once (a Fano plane), for two sets of values."""
    blocks = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)] * 2
    values = np.full((14, 7), NAN)
    for row, block in zip(values, blocks, strict=True):
        row[list(block)] = np.random.default_rng(sum(block)).permutation(3) + 1
    times, size = 6, 3
    sums = np.nansum(values, axis=0)
    durbins = 12 * (7 - 1) / (times * 7 * (size - 1) * (size + 1)) * ((sums - times * (size + 1) / 2) ** 2).sum()
    assert skillings_mack(values).statistic == pytest.approx(durbins)


def test_without_differences_the_statistic_is_chi_squared_with_incomplete_blocks_and_ties():
    generator = np.random.default_rng(7)
    statistics = []
    for _ in range(600):
        values = generator.integers(1, 9, size=(60, 7)).astype(float)
        hidden = generator.random((60, 7)).argsort(axis=1) >= generator.integers(2, 5, size=(60, 1))
        found = skillings_mack(np.where(hidden, NAN, values))
        assert found.degrees_of_freedom == 6
        statistics.append(found.statistic)
    assert np.mean(statistics) == pytest.approx(6, abs=0.4)
    assert np.mean(np.array(statistics) > stats.chi2.isf(0.05, 6)) == pytest.approx(0.05, abs=0.025)


def test_an_incomplete_block_by_hand():
    """Blocks (1, 2) and (2, 3): A = (−1, 1, 0) + (0, −1, 1) with √(12 / 3) · ½ = 1; Σ is the path's Laplacian."""
    found = skillings_mack(np.array([[3.0, 9.0, NAN], [NAN, 4.0, 6.0]]))
    sums, laplacian = np.array([-1, 0, 1]), np.array([[1, -1, 0], [-1, 2, -1], [0, -1, 1]])
    assert found.statistic == pytest.approx(sums @ np.linalg.pinv(laplacian) @ sums)
    assert found.statistic == pytest.approx(2)
    assert found.concordance == pytest.approx(1)


def test_blocks_of_one_and_treatments_without_blocks_take_no_part():
    values = np.array([[1.0, 2.0, 3.0, NAN], [2.0, 1.0, 3.0, NAN], [NAN, NAN, NAN, 7.0]])
    found = skillings_mack(values)
    assert (found.blocks, found.treatments, found.complete) == (2, 3, True)
    assert found == skillings_mack(values[:2, :3])


def test_kendalls_w_by_hand():
    """Of three judges one ties all: rank sums 4, 7, 7 around 6, S = 4 + 1 + 1, T = 0 + 0 + (3³ − 3)."""
    found = skillings_mack(np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [2.0, 2.0, 2.0]]))
    assert found.concordance == pytest.approx(12 * 6 / (3**2 * (3**3 - 3) - 3 * (3**3 - 3)))
    assert found.concordance_expected == pytest.approx(1 / 3)


def test_one_order_throughout_is_full_concordance():
    found = skillings_mack(np.tile([4.0, 1.0, 9.0, 7.0], (25, 1)))
    assert found.concordance == pytest.approx(1)
    assert found.statistic == pytest.approx(25 * 3)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.integers(2, 6)),
        elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, NAN]),
    )
)
def test_the_concordance_lies_between_0_and_1_for_any_pattern(values):
    found = skillings_mack(values)
    if found.degrees_of_freedom:
        assert -1e-9 <= found.concordance <= 1 + 1e-9
        assert skillings_mack(-values).statistic == pytest.approx(found.statistic, abs=1e-9)
    else:
        assert np.isnan([found.statistic, found.p, found.concordance]).all()


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_sign_test_is_scipys(wins, losses):
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1
    assert sign_test(np.array([wins]), np.array([losses]), np.array([wins + losses + 3])) == pytest.approx([expected])


def test_pairs_of_languages_are_corrected_together_and_the_preferred_one_is_named():
    values = np.array([[1.0, 2.0 + i % 2, 3.0 - i % 2] for i in range(12)])  # de always first, en and hi in turn
    found = compare_languages(ranks_of(values))
    assert found.pair_p[0][0] == [None, pytest.approx(3 * 2 / 2**12), pytest.approx(3 * 2 / 2**12)]
    assert found.pair_p[0][1][2] == found.pair_p[0][2][1] == 1
    assert found.preferred[0] == [[None, 1, 1], [-1, None, 0], [-1, 0, None]]
    assert found.preferred[1] == [[None] * 3] * 3


def test_each_query_language_has_its_test_corrected_for_their_number():
    generator = np.random.default_rng(0)
    shifts = dict(zip(LANGUAGES, (0, 0.3, 1), strict=True))
    tables = [ranks_of(generator.random((30, 3)) + np.array([0, shift, 0]), lang) for lang, shift in shifts.items()]
    found = compare_languages(RankTable(pd.concat([t.table for t in tables]), LANGUAGES, {"de": 50}, 0))
    singles = [compare_languages(table).p[i] for i, table in enumerate(tables)]
    assert found.p == singles
    assert found.p_holm == pytest.approx(holm(singles))
    assert found.queries == [30, 30, 30]


def test_queries_of_which_all_passages_tie_have_no_test():
    found = compare_languages(ranks_of(np.full((20, 3), 5.0)))
    assert found.statistic == found.p == found.concordance == [None] * 3
    assert found.degrees_of_freedom == [0] * 3
    assert found.pair_p[0][0][1] == 1
    assert found.preferred[0][0] == [None, 0, 0]
    assert any(text.startswith("Queries in de: no test") for text in found.warnings)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.empty((0, 3)), "nothing to compare"),
        (np.array([[1.0, NAN, NAN]]), "nothing to compare"),
        (np.tile([1.0, 2.0, 3.0], (9, 1)), "fewer than 10"),
        (np.array([[1.0, 2.0, 3.0]] * 4 + [[5.0, 5.0, 5.0]] * 6), "over half"),
        (np.tile([1.0, 2.0, 3.0], (700, 1)), "a concordance of 0.0043 is significant"),
        (np.array([[1.0, 2.0, NAN], [1.0, 2.0, 3.0]] * 5), "Not every query"),
        (np.tile([1.0, 2.0, 3.0], (10, 1)), "PEER"),
    ],
)
def test_what_is_degenerate_or_misleading_is_said(values, sentence):
    fine = compare_languages(ranks_of(np.tile([1.0, 2.0, 3.0], (12, 1)))).warnings
    found = compare_languages(ranks_of(values)).warnings
    assert sum(sentence in text for text in found) == 1
    assert sentence == "PEER" or not any(sentence in text for text in fine)


def test_languages_that_are_never_compared_are_said_to_be_so():
    languages = ("de", "en", "hi", "th")
    values = np.array([[1.0, 2.0, NAN, NAN], [NAN, NAN, 1.0, 2.0]] * 6)
    found = compare_languages(ranks_of(values, languages=languages))
    assert found.degrees_of_freedom[0] == 2
    assert any("never compared" in text for text in found.warnings)


def test_peer_is_the_same_for_every_order():
    """With one passage per language, Kruskal and Wallis' test, which PEER is, cannot tell orders apart."""
    generator = np.random.default_rng(0)
    for size, constant in ((11, "0.4405"), (4, "0.3916")):
        orders = [generator.permutation(200)[:size].astype(float) for _ in range(3)]
        p_values = [stats.kruskal(*order[:, None]).pvalue for order in orders]
        assert [f"{p_value:.4f}" for p_value in p_values] == [constant] * 3
        languages = tuple(f"l{i:02}" for i in range(size))
        warnings = compare_languages(ranks_of(np.stack(orders), languages[0], languages)).warnings
        assert f"{constant} for {size} languages" in warnings[-1]


def test_several_relevant_passages_in_a_language_leave_peer_unmentioned():
    table = ranks_of(np.tile([1.0, 2.0, 3.0], (12, 1))).table
    more = table.assign(passage_id=table["passage_id"] + "b", rank_in_pool=table["rank_in_pool"] + 3)
    found = compare_languages(RankTable(pd.concat([table, more]), LANGUAGES, {"de": 50}, 0))
    assert not any("PEER" in text for text in found.warnings)


@pytest.mark.parametrize("model", ["bm25", "use-multilingual-v3"])
def test_real_parallel_passages_give_scipys_figures(model):
    ranks = read_ranks(REPORTS / model / "xquad-r.ranks.parquet")
    found = compare_languages(ranks)
    wide = ranks.table.pivot_table(index=["query_lang", "query_id"], columns="passage_lang", values="rank_in_pool")
    for i, lang in enumerate(ranks.languages):
        values = wide.loc[lang].to_numpy()
        assert found.statistic[i] == pytest.approx(stats.friedmanchisquare(*values.T).statistic)
        assert found.concordance[i] == pytest.approx(found.statistic[i] / (1190 * 10))
    assert found.degrees_of_freedom == [10] * 11
    assert all(found.complete)


def test_real_passages_that_are_not_fully_parallel_are_tested_with_incomplete_blocks():
    ranks = read_ranks(REPORTS / "multilingual-e5-small-4-bit-weights" / "mlqa-r.ranks.parquet")
    found = compare_languages(ranks)
    assert found.queries == [517, 512, 1148, 500, 507, 511, 504]
    assert found.degrees_of_freedom == [6] * 7
    assert not any(found.complete)
    for i, row in enumerate(found.preferred):
        assert row[i].count(1) == 6  # above each other language, whatever the query's


def test_many_languages_are_compared_by_family():
    codes = "ar bg bn ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka ko lt ms th vi"
    languages = [codes[i : i + 2] for i in range(0, len(codes), 3)]
    rng = np.random.default_rng(0)
    offset = {lang: 0.0 if lang in ("ar", "he") else 3.0 for lang in languages}
    rows = []
    for lang in languages:
        for question in range(12):
            order = np.argsort([offset[each] + rng.normal() for each in languages])
            rank = np.empty(len(languages))
            rank[order] = np.arange(1, len(languages) + 1)
            rows += [
                (lang, f"q{question}", other, f"{other}/{question}", 1, 1.0, rank[i])
                for i, other in enumerate(languages)
            ]
    pool = dict.fromkeys(languages, 12)
    tests = compare_languages(RankTable(pd.DataFrame(rows, columns=COLUMNS), tuple(languages), pool, tied=0))
    assert "Afro-Asiatic" in tests.labels
    assert len(tests.labels) < 20
    semitic, germanic = tests.labels.index("Afro-Asiatic"), tests.labels.index("Indo-European")
    assert tests.preferred[germanic][semitic][germanic] == 1
    assert "languages are compared by family" in tests.warnings[0]
