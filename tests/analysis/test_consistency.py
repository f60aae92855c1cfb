"""Do a question's translations retrieve the same: overlaps of orders, and answers in the asker's own language."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.analysis.consistency import (
    measure_consistency,
    random_overlap,
    rankc_weights,
    rbo_weights,
    weigh_overlap,
)
from babelrank.ranking.table import COLUMNS, RankTable, read_ranks
from paths import REPORTS

LANGUAGES = ("de", "en", "hi")
P = 0.9


def ranks_of(questions, languages=LANGUAGES) -> RankTable:
    """Make a table from question id -> query language -> (passage language, passage id) -> rank in the pool."""
    rows = [
        (query_lang, question, passage_lang, passage_id, 1, 1.0, float(rank))
        for question, by_lang in questions.items()
        for query_lang, ranks in by_lang.items()
        for (passage_lang, passage_id), rank in ranks.items()
    ]
    return RankTable(pd.DataFrame(rows, columns=COLUMNS), languages, dict.fromkeys(languages, 50), 0)


def parallel(*ranks, languages=LANGUAGES):
    """Give a parallel question's passages, one per language, these ranks."""
    return {(lang, f"{lang}/1"): rank for lang, rank in zip(languages, ranks, strict=False)}


def overlaps(first, second):
    """Return RBO and RankC of two lists of ranks of the same passages."""
    weights = np.stack([rbo_weights(len(first)), rankc_weights(len(first))])
    return weigh_overlap(np.array([[first, second]], dtype=float), weights)[:, 0, 0, 1].tolist()


def slow_overlaps(first, second):
    """Follow the definitions: sets, and every way of breaking the ties of either list."""
    pairs = [slow_pair(a, b) for a in untied(first) for b in untied(second)]
    return np.mean(pairs, axis=0).tolist()


def untied(ranks):
    groups = [[i for i, value in enumerate(ranks) if value == rank] for rank in sorted(set(ranks))]
    for choice in itertools.product(*map(itertools.permutations, groups)):
        yield [*itertools.chain(*choice)]


def slow_pair(first, second):
    n = len(first)
    agreements = [len(set(first[:d]) & set(second[:d])) / d for d in range(1, n + 1)]
    rbo = agreements[-1] * P**n + (1 - P) / P * sum(a * P**d for d, a in enumerate(agreements, start=1))
    weights = [np.exp(n - d) for d in range(1, n + 1)]
    return rbo, sum(w * a for w, a in zip(weights, agreements, strict=True)) / sum(weights)


def test_the_same_order_is_1():
    assert overlaps([3, 1, 7, 20], [300, 2, 301, 4000]) == pytest.approx([1, 1])


def test_two_passages_the_other_way_round_by_hand():
    # A_1 = 0, A_2 = 1: RBO_ext = 0.9² + 0.1 / 0.9 · 0.9²; RankC = e⁰ / (e¹ + e⁰).
    assert overlaps([1, 2], [2, 1]) == pytest.approx([0.81 + 0.09, 1 / (np.e + 1)])


def test_three_reversed_passages_by_hand():
    # A_1 = 0, A_2 = 1/2, A_3 = 1.
    rbo = 0.9**3 + 0.1 / 0.9 * (0.9**2 / 2 + 0.9**3)
    assert overlaps([1, 2, 3], [3, 2, 1]) == pytest.approx([rbo, (np.e / 2 + 1) / (np.e**2 + np.e + 1)])
    assert rbo == pytest.approx(0.855)


def test_four_passages_by_hand():
    # abcd and bacd: A = 0, 1, 1, 1. abcd and acbd: A = 1, 1/2, 1, 1.
    head = np.exp([3, 2, 1, 0]) / np.exp([3, 2, 1, 0]).sum()
    assert overlaps([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx([0.9, 1 - head[0]])
    assert overlaps([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx([1 - 0.09 / 2, 1 - head[1] / 2])


def test_a_tie_is_half_of_each_order():
    first, second = overlaps([1, 2], [1, 2]), overlaps([1, 2], [2, 1])
    assert overlaps([1, 2], [5.5, 5.5]) == pytest.approx(np.mean([first, second], axis=0))


def test_two_lists_tied_throughout_are_as_alike_as_random_orders():
    at_random = [random_overlap(weights(5))[5] for weights in (rbo_weights, rankc_weights)]
    assert overlaps([3] * 5, [8] * 5) == pytest.approx(at_random)
    assert overlaps([3] * 5, [5, 1, 2, 4, 3]) == pytest.approx(at_random)


def test_random_orders_are_the_mean_over_all_orders():
    for n in range(1, 6):
        everything = [slow_pair(range(n), order) for order in itertools.permutations(range(n))]
        found = [random_overlap(weights(7))[n] for weights in (rbo_weights, rankc_weights)]
        assert found == pytest.approx(np.mean(everything, axis=0))


@pytest.mark.parametrize("weights", [rbo_weights, rankc_weights])
def test_weights_of_each_length_add_up_to_1(weights):
    assert weights(12).sum(axis=1) == pytest.approx([0] + [1] * 12)
    assert (np.triu(weights(12)[1:], 1) == 0).all()


two_lists = st.integers(1, 4).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(1, 4), min_size=n, max_size=n) for _ in range(2)])
)


@given(two_lists)
def test_overlaps_are_those_of_the_definition(lists):
    assert overlaps(*lists) == pytest.approx(slow_overlaps(*lists))


@given(st.lists(st.permutations(range(6)), min_size=2, max_size=2))
def test_overlaps_are_symmetric_and_at_most_1(orders):
    first, second = overlaps(*orders), overlaps(*orders[::-1])
    assert first == pytest.approx(second)
    assert all(0 <= value <= 1 + 1e-12 for value in first)


def test_questions_asked_in_both_languages_are_compared():
    found = measure_consistency(
        ranks_of(
            {
                "q1": {"de": parallel(1, 2, 3), "en": parallel(2, 1, 3), "hi": parallel(1, 2, 3)},
                "q2": {"de": parallel(1, 2, 3), "en": parallel(3, 2, 1)},
                "q3": {"hi": parallel(1, 2, 3)},
            }
        )
    )
    assert found.n == [[2, 2, 1], [2, 2, 1], [1, 1, 1]]
    swapped, reverse = overlaps([1, 2, 3], [2, 1, 3]), overlaps([1, 2, 3], [3, 2, 1])
    assert found.rbo[0] == pytest.approx([1, (swapped[0] + reverse[0]) / 2, 1])
    assert found.rankc[1] == pytest.approx([(swapped[1] + reverse[1]) / 2, 1, swapped[1]])
    assert found.rbo_random == [[pytest.approx(random_overlap(rbo_weights(3))[3])] * 3] * 3


def test_questions_of_different_lengths_have_their_own_random_overlap():
    found = measure_consistency(
        ranks_of(
            {
                "q1": {"de": parallel(1, 2, 3), "en": parallel(2, 1, 3)},
                "q2": {"de": parallel(1, 2), "en": parallel(9, 1)},
                "q3": {"de": parallel(1, 2), "en": parallel(5, 6), "hi": parallel(5, 6)},
                "q4": {"de": parallel(1), "en": parallel(1)},  # one passage has no order
            }
        )
    )
    at_random = random_overlap(rankc_weights(3))
    assert found.n[0] == [3, 3, 1]
    assert found.rankc_random[0] == pytest.approx([(at_random[3] + 2 * at_random[2]) / 3] * 2 + [at_random[2]])
    expected = [overlaps([1, 2, 3], [2, 1, 3])[1], overlaps([1, 2], [9, 1])[1], 1]
    assert found.rankc[0][1] == pytest.approx(np.mean(expected))
    assert (found.n[2][1], found.rbo[2][1]) == (1, 1)


def test_a_passage_that_is_relevant_in_one_of_the_languages_only_is_left_out():
    passages = [("en", "en/1"), ("en", "en/2"), ("de", "de/1"), ("de", "de/2")]
    german = dict(zip(passages, [1, 9, 4, 6], strict=True))
    english = dict(zip(passages[:3], [10, 30, 20], strict=True))
    found = measure_consistency(ranks_of({"q": {"de": german, "en": english}}))
    assert found.rbo[0][1] == pytest.approx(overlaps([1, 9, 4], [10, 30, 20])[0])


def test_passages_of_two_languages_may_have_one_id():
    found = measure_consistency(
        ranks_of(
            {
                "q": {
                    "de": {("de", "1"): 1, ("en", "1"): 2, ("hi", "1"): 3},
                    "en": {("de", "1"): 3, ("en", "1"): 2, ("hi", "1"): 1},
                }
            }
        )
    )
    assert found.rbo[0][1] == pytest.approx(0.855)


def test_answers_in_the_askers_own_language_are_compared_by_rank():
    found = measure_consistency(
        ranks_of(
            {
                "q1": {"de": parallel(4, 9), "en": parallel(8, 1)},
                "q2": {"de": parallel(2, 9), "en": parallel(8, 7)},
                "q3": {"de": {("en", "en/1"): 1, ("hi", "hi/1"): 2}, "en": {("en", "en/1"): 1, ("hi", "hi/1"): 2}},
                "q4": {"de": parallel(5)},
            }
        )
    )
    assert found.own_n == [[2, 2, 0], [2, 3, 0], [0, 0, 0]]
    assert found.own_rank_gap[0][:2] == [0, pytest.approx(((4 - 1) + (7 - 2)) / 2)]
    assert found.own_rank_gap[1][0] == found.own_rank_gap[0][1]
    assert found.own_rank_gap[2] == [None] * 3


def test_macro_figures_are_means_over_pairs_of_distinct_languages():
    found = measure_consistency(
        ranks_of({"q": {"de": parallel(1, 2, 3), "en": parallel(1, 2, 3), "hi": parallel(3, 2, 1)}})
    )
    at_random = random_overlap(rbo_weights(3))[3]
    assert found.macro["rbo"] == pytest.approx((1 + 2 * 0.855) / 3)
    assert found.macro["rbo_random"] == pytest.approx(at_random)
    assert found.macro["rbo_beyond_random"] == pytest.approx((found.macro["rbo"] - at_random) / (1 - at_random))
    assert found.macro["own_rank_gap"] == pytest.approx((1 + 0 + 1) / 3)  # 1, 2 and 1


@pytest.mark.parametrize(
    "questions",
    [{}, {"q": {"de": parallel(1, 2, 3)}}, {"q1": {"de": parallel(1, 2)}, "q2": {"en": parallel(1, 2)}}],
    ids=["no rows", "one language", "other questions"],
)
def test_where_no_question_is_asked_twice_there_are_no_figures(questions):
    found = measure_consistency(ranks_of(questions))
    assert found.n == found.own_n == [[0] * 3] * 3
    assert found.rbo == found.own_rank_gap == [[None] * 3] * 3
    assert set(found.macro.values()) == {None}


def test_a_single_language_has_no_pairs():
    found = measure_consistency(ranks_of({"q": {"de": parallel(1)}}, ("de",)))
    assert set(found.macro.values()) == {None}


def test_unrelated_orders_have_the_random_overlap():
    generator = np.random.default_rng(3)
    orders = {f"q{i}": {lang: parallel(*generator.permutation(90)[:3]) for lang in LANGUAGES} for i in range(1500)}
    macro = measure_consistency(ranks_of(orders)).macro
    assert macro["rbo_beyond_random"] == pytest.approx(0, abs=0.03)
    assert macro["rankc_beyond_random"] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("collection", ["xquad-r", "mlqa-r"])
def test_real_reports_agree_with_the_definition(collection):
    ranks = read_ranks(REPORTS / "multilingual-e5-small-4-bit-weights" / f"{collection}.ranks.parquet")
    found = measure_consistency(ranks)
    wide = ranks.table.pivot_table(index=["query_lang", "query_id"], columns="passage_lang", values="rank_in_pool")
    for a, b in ((0, 1), (2, 5), (3, 4)):
        one, other = (wide.loc[ranks.languages[lang]] for lang in (a, b))
        shared = one.index.intersection(other.index)
        pairs = [
            slow_overlaps(one.loc[question].dropna().tolist(), other.loc[question].dropna().tolist())
            for question in shared
        ]
        assert found.n[a][b] == len(shared)
        assert [found.rbo[a][b], found.rankc[a][b]] == pytest.approx(np.mean(pairs, axis=0))
        own = one.loc[shared, ranks.languages[a]] - other.loc[shared, ranks.languages[b]]
        assert found.own_rank_gap[a][b] == pytest.approx(own.abs().mean())
    assert [found.rbo[i][i] for i in range(len(found.n))] == pytest.approx([1] * len(found.n), abs=1e-3)  # few ties


def test_ties_show_on_the_diagonal():
    found = measure_consistency(read_ranks(REPORTS / "bm25" / "xquad-r.ranks.parquet"))
    diagonal = np.diag(np.array(found.rbo))
    assert (diagonal < 0.9).all()
    assert (diagonal > found.rbo_random[0][0]).all()
