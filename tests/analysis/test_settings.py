"""Scores by setting: which queries a cell counts, what it averages, and how cells are averaged in turn."""

import numpy as np
import pandas as pd
import pytest

from babelrank.analysis.measures import MEASURES
from babelrank.analysis.settings import PairScores, PoolScores, macro_averages, score_pairs, score_pool
from babelrank.analysis.summary import analyse
from babelrank.ranking.table import COLUMNS, RankTable

# Three languages and five queries, not parallel: q2 has no translation in German, q3 stands in German only and has two
# relevant passages there, and nobody asks in Thai. Columns as in COLUMNS.
ROWS = [
    ("de", "q1", "de", "de/1", 1, 1.0, 1.0),
    ("de", "q1", "en", "en/1", 1, 2.0, 4.0),
    ("de", "q1", "th", "th/1", 1, 5.0, 20.0),
    ("de", "q3", "de", "de/3", 1, 2.0, 3.0),
    ("de", "q3", "de", "de/4", 3, 1.0, 2.0),
    ("en", "q1", "de", "de/1", 1, 4.0, 12.0),
    ("en", "q1", "en", "en/1", 1, 1.0, 1.0),
    ("en", "q1", "th", "th/1", 1, 1.0, 2.0),
    ("en", "q2", "en", "en/2", 1, 12.0, 40.0),
    ("en", "q2", "th", "th/2", 1, 2.5, 5.0),
]
POOL = {"de": 20, "en": 25, "th": 15}


def ranks_of(rows, pool=POOL) -> RankTable:
    return RankTable(pd.DataFrame(rows, columns=COLUMNS), tuple(pool), pool, tied=0)


@pytest.fixture
def ranks() -> RankTable:
    return ranks_of(ROWS)


def test_a_pair_counts_the_queries_with_a_relevant_passage_in_the_passage_language(ranks):
    assert score_pairs(ranks).n == [[2, 1, 1], [1, 2, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        # de→de is q1 and q3, whose two relevant passages hold the first two places.
        ("mAP", [[1, 1 / 2, 1 / 5], [1 / 4, (1 + 1 / 12) / 2, (1 + 1 / 2.5) / 2]]),
        ("R@1", [[(1 + 1 / 2) / 2, 0, 0], [0, 1 / 2, 1 / 2]]),
        ("R@10", [[1, 1, 1], [1, 1 / 2, 1]]),
        ("MRR@10", [[1, 1 / 2, 1 / 5], [1 / 4, 1 / 2, (1 + 1 / 2.5) / 2]]),
        (
            "nDCG@10",
            [
                [1, 1 / np.log2(3), 1 / np.log2(6)],
                [1 / np.log2(5), 1 / 2, (1 + 1 / np.log2(3.5)) / 2],
            ],
        ),
    ],
)
def test_a_pairs_score_is_the_mean_over_its_queries_of_the_rank_in_the_language(ranks, measure, expected):
    scores = score_pairs(ranks).scores[measure]
    for row, expected_row in zip(scores[:2], expected, strict=True):
        assert row == pytest.approx(expected_row)
    assert scores[2] == [None, None, None]


def test_the_multilingual_setting_takes_all_relevant_passages_by_their_rank_in_the_pool(ranks):
    pool = score_pool(ranks)
    assert pool.n == [2, 2, 0]
    german = [(1 + 2 / 4 + 3 / 20) / 3, (1 / 2 + 2 / 3) / 2]
    english = [(1 + 2 / 2 + 3 / 12) / 3, (1 / 5 + 2 / 40) / 2]
    assert pool.scores["mAP"] == [pytest.approx(np.mean(german)), pytest.approx(np.mean(english)), None]
    assert pool.scores["R@10"] == [pytest.approx((2 / 3 + 1) / 2), pytest.approx((2 / 3 + 1 / 2) / 2), None]
    assert pool.scores["MRR@10"] == [pytest.approx((1 + 1 / 2) / 2), pytest.approx((1 + 1 / 5) / 2), None]
    assert pool.scores["R@1"] == [pytest.approx((1 / 3 + 0) / 2), pytest.approx((1 / 3 + 0) / 2), None]


def test_every_measure_is_there(ranks):
    assert list(score_pairs(ranks).scores) == list(score_pool(ranks).scores) == list(MEASURES)
    assert list(score_pool(ranks).micro) == list(MEASURES)


def test_the_order_of_the_rows_does_not_matter(ranks):
    shuffled = ranks_of([ROWS[i] for i in np.random.default_rng(0).permutation(len(ROWS))])
    first, second = analyse(ranks), analyse(shuffled)
    assert first.pairs.n == second.pairs.n
    for name in MEASURES:
        for row, shuffled_row in zip(first.pairs.scores[name], second.pairs.scores[name], strict=True):
            assert row == pytest.approx(shuffled_row)
        assert first.pool.scores[name] == pytest.approx(second.pool.scores[name])
    assert first.rank_distance == second.rank_distance
    assert first.favoured == second.favoured


def test_a_query_is_told_from_its_translations_with_the_same_id():
    rows = [("de", "q1", "de", "de/1", 1, 1.0, 1.0), ("en", "q1", "de", "de/1", 1, 3.0, 3.0)]
    pool = score_pool(ranks_of(rows))
    assert pool.n == [1, 1, 0]
    assert pool.scores["mAP"] == [1, pytest.approx(1 / 3), None]


def test_micro_weighs_queries_alike_and_macro_weighs_settings_alike():
    rows = [("de", f"q{i}", "de", f"de/{i}", 1, 1.0, 1.0) for i in range(3)]
    rows.append(("en", "q1", "de", "de/1", 1, 5.0, 5.0))
    ranks = ranks_of(rows)
    assert score_pool(ranks).micro["mAP"] == pytest.approx((3 * 1 + 1 / 5) / 4)
    assert analyse(ranks).macro["multilingual"]["mAP"] == pytest.approx((1 + 1 / 5) / 2)


def test_macro_averages_take_the_diagonal_the_rest_and_the_pool_and_leave_empty_settings_out():
    names = list(MEASURES)
    row, matrix = [0.1, 0.5, None], [[0.9, 0.2, 0.4], [0.6, None, 0.7], [None, None, 0.5]]
    macro = macro_averages(
        PairScores(n=[[1] * 3] * 3, scores=dict.fromkeys(names, matrix)),
        PoolScores(n=[1, 1, 0], scores=dict.fromkeys(names, row), micro={}),
    )
    for name in names:
        assert macro["monolingual"][name] == pytest.approx((0.9 + 0.5) / 2)
        assert macro["cross_lingual"][name] == pytest.approx((0.2 + 0.4 + 0.6 + 0.7) / 4)
        assert macro["multilingual"][name] == pytest.approx(0.3)


def test_a_collection_in_one_language_has_no_cross_lingual_average():
    macro = analyse(ranks_of([("en", "q1", "en", "en/1", 1, 2.0, 2.0)], pool={"en": 9})).macro
    assert macro["monolingual"]["mAP"] == macro["multilingual"]["mAP"] == 0.5
    assert set(macro["cross_lingual"].values()) == {None}


def test_without_any_judgement_every_figure_is_none_and_none_is_nan():
    empty = pd.DataFrame([], columns=COLUMNS).astype({"grade": int, "rank_in_language": float, "rank_in_pool": float})
    analysis = analyse(RankTable(empty, ("de", "en"), {"de": 3, "en": 4}, tied=0))
    assert {value for figures in analysis.macro.values() for value in figures.values()} == {None}
    assert set(analysis.pool.micro.values()) == {None}
    assert analysis.pairs.n == [[0, 0], [0, 0]]
    assert analysis.pairs.scores["mAP"] == [[None, None], [None, None]]
    assert analysis.rank_distance.median == [None, None]
    assert analysis.favoured.share_first == [[None, None], [None, None]]


def test_the_analysis_holds_the_rank_distance_with_the_multilingual_averages(ranks):
    analysis = analyse(ranks)
    assert analysis.languages == ["de", "en", "th"]
    assert list(analysis.macro) == ["monolingual", "cross_lingual", "multilingual"]
    bias = {"rank_distance", "rank_distance_median", "rank_distance_floor", "rank_distance_normalised"}
    assert set(analysis.macro["multilingual"]) == {*MEASURES, *bias}
    assert set(analysis.macro["monolingual"]) == set(analysis.macro["cross_lingual"]) == set(MEASURES)
    # German: q1 20 − 1, q3 3 − 2. English: q1 12 − 1, q2 40 − 5.
    assert analysis.macro["multilingual"]["rank_distance"] == pytest.approx(((19 + 1) / 2 + (11 + 35) / 2) / 2)
