"""Language bias: how far apart a query's relevant passages stand in the pool, and whose come first."""

import numpy as np
import pytest

from babelrank.analysis.bias import language_preference, measure_rank_distance
from babelrank.ranking.table import RankTable
from made_ranks import pool_ranks

POOL = {"de": 4, "en": 3, "hi": 2, "th": 2}  # 11 passages


def ranks_of(queries, pool=POOL) -> RankTable:
    return pool_ranks(queries, pool)


@pytest.fixture
def ranks() -> RankTable:
    """Queries with two to four relevant passages in German and English, one with a single one in each, none in Thai."""
    return ranks_of(
        {
            ("de", "q1"): [("de", 1), ("en", 2), ("th", 11)],
            ("de", "q2"): [("en", 6), ("de", 3)],
            ("de", "q3"): [("de", 5), ("en", 4), ("th", 6), ("hi", 9)],
            ("de", "q4"): [("de", 10)],
            ("en", "q1"): [("th", 7), ("en", 7)],
            ("en", "q2"): [("th", 1), ("en", 4)],
            ("en", "q4"): [("en", 2)],
            ("hi", "q4"): [("de", 11)],
        }
    )


def test_rank_distance_is_the_worst_rank_less_the_best_over_queries_with_two_relevant_passages(ranks):
    distance = measure_rank_distance(ranks)
    assert distance.n == [3, 2, 0, 0]
    assert distance.mean == [pytest.approx((10 + 3 + 5) / 3), pytest.approx((0 + 3) / 2), None, None]
    assert distance.median == [5, 1.5, None, None]


def test_its_floor_is_one_less_than_the_number_of_relevant_passages(ranks):
    assert measure_rank_distance(ranks).floor == [pytest.approx((2 + 1 + 3) / 3), 1, None, None]


def test_normalised_it_is_the_excess_over_the_floor_by_the_room_that_the_pool_leaves(ranks):
    german = [(10 - 2) / (11 - 3), (3 - 1) / (11 - 2), (5 - 3) / (11 - 4)]
    english = [(0 - 1) / (11 - 2), (3 - 1) / (11 - 2)]
    assert measure_rank_distance(ranks).normalised == [
        pytest.approx(np.mean(german)),
        pytest.approx(np.mean(english)),
        None,
        None,
    ]


def test_relevant_passages_side_by_side_are_at_the_floor_and_0_normalised():
    distance = measure_rank_distance(ranks_of({("de", "q"): [("de", 7), ("en", 5), ("th", 6)]}))
    assert (distance.mean[0], distance.floor[0], distance.normalised[0]) == (2, 2, 0)


def test_relevant_passages_at_both_ends_of_the_pool_are_1_normalised():
    distance = measure_rank_distance(ranks_of({("de", "q"): [("de", 1), ("en", 2), ("th", 11)]}))
    assert (distance.mean[0], distance.floor[0], distance.normalised[0]) == (10, 2, 1)


def test_relevant_passages_with_one_score_have_distance_0_and_so_fall_below_the_floor():
    # Under mid-ranks the floor holds for tie-free lists only; the figure is given as it comes out, not clipped.
    distance = measure_rank_distance(ranks_of({("de", "q"): [("de", 6), ("en", 6), ("th", 6)]}))
    assert (distance.mean[0], distance.floor[0]) == (0, 2)
    assert distance.normalised[0] == pytest.approx(-2 / (11 - 3))


def test_a_pool_of_relevant_passages_only_leaves_no_room_to_normalise_by():
    distance = measure_rank_distance(ranks_of({("de", "q"): [("de", 1), ("en", 2)]}, pool={"de": 1, "en": 1}))
    assert distance.mean == [1, None]
    assert distance.normalised == [None, None]


def test_the_macro_averages_weigh_query_languages_alike_and_leave_out_those_without_figures(ranks):
    macro = measure_rank_distance(ranks).macro
    assert macro == {
        "rank_distance": pytest.approx((18 / 3 + 3 / 2) / 2),
        "rank_distance_median": pytest.approx((5 + 1.5) / 2),
        "rank_distance_floor": pytest.approx((2 + 1) / 2),
        "rank_distance_normalised": pytest.approx(((1 + 2 / 9 + 2 / 7) / 3 + (-1 / 9 + 2 / 9) / 2) / 2),
    }


def test_without_two_relevant_passages_anywhere_there_is_no_rank_distance():
    distance = measure_rank_distance(ranks_of({("de", "q"): [("de", 1)]}))
    assert distance.n == [0, 0, 0, 0]
    assert set(distance.macro.values()) == {None}


def test_favoured_counts_the_queries_with_a_relevant_passage_in_that_language_and_in_another(ranks):
    assert language_preference(ranks).n == [[3, 3, 1, 2], [0, 2, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_the_mean_rank_is_that_of_each_languages_passages_in_the_pool(ranks):
    mean_rank = language_preference(ranks).mean_rank
    assert mean_rank[0] == pytest.approx([(1 + 3 + 5) / 3, (2 + 6 + 4) / 3, 9, (11 + 6) / 2])
    assert mean_rank[1] == [None, pytest.approx((7 + 4) / 2), None, pytest.approx((7 + 1) / 2)]
    assert mean_rank[2:] == [[None] * 4] * 2


def test_the_share_of_first_places_is_by_the_queries_that_a_language_takes_part_in(ranks):
    share = language_preference(ranks).share_first
    # German: de comes first for q1 and q2, en for q3; Thai stands in two of the three queries and is never first.
    assert share[0] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    # English: en and th share the first rank for q1, th has it for q2.
    assert share[1] == [None, pytest.approx((1 / 2 + 0) / 2), None, pytest.approx((1 / 2 + 1) / 2)]


def test_of_several_relevant_passages_in_a_language_the_best_counts():
    favoured = language_preference(ranks_of({("de", "q"): [("de", 9), ("de", 2), ("en", 5)]}))
    assert favoured.n[0] == [1, 1, 0, 0]
    assert favoured.mean_rank[0] == [2, 5, None, None]
    assert favoured.share_first[0] == [1, 0, None, None]


def test_relevant_passages_in_one_language_only_compare_with_nothing():
    favoured = language_preference(ranks_of({("de", "q"): [("de", 1), ("de", 2)]}))
    assert favoured.n == [[0] * 4] * 4
    assert favoured.share_first == [[None] * 4] * 4


def test_over_parallel_passages_the_shares_of_first_places_add_up_to_1():
    rng = np.random.default_rng(2)
    queries = {
        (lang, f"q{i}"): list(zip(POOL, rng.integers(1, 12, size=4), strict=True)) for lang in POOL for i in range(20)
    }
    favoured = language_preference(ranks_of(queries))
    assert favoured.n == [[20] * 4] * 4
    assert np.sum(favoured.share_first, axis=1) == pytest.approx(1)
