"""Intervals of macro figures by the bootstrap over questions."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from babelrank.analysis.bootstrap import MACRO_MEASURES, find_interval, mean_scores, question_scores
from babelrank.analysis.detail import analyse_in_detail
from babelrank.analysis.summary import analyse
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable, read_ranks
from paths import REPORTS


@pytest.fixture
def random_ranks(ranks_of):
    """Two encoders' ranks for 40 questions in two languages; some questions lack a language."""
    generator = np.random.default_rng(3)
    tables = []
    for shift in (0, 6):
        rows = []
        for i in range(40):
            langs = ["de", "en"] if i % 4 else ["en"]
            for query in langs:
                for passage in langs:
                    rank = float(1 + generator.integers(0, 20) + shift)
                    rows.append((query, f"q{i}", passage, f"{passage}/{i}", 1, rank, rank + generator.integers(0, 20)))
        tables.append(ranks_of(rows))
    return tables


@pytest.mark.parametrize("figure", MACRO_MEASURES)
def test_a_value_is_that_of_the_analysis(random_ranks, figure):
    ranks = random_ranks[0]
    macro = analyse(ranks).macro
    expected = macro["multilingual"]["rank_distance"] if figure == "rank_distance" else macro[figure]["mAP"]
    assert find_interval(question_scores(ranks), figure).value == pytest.approx(expected)


def test_an_interval_is_scipys_where_a_figure_is_one_mean(ranks_of):
    generator = np.random.default_rng(0)
    ranks = 1.0 + generator.integers(0, 9, size=60)
    table = ranks_of([("en", f"q{i:02}", "en", f"p{i}", 1, r, r) for i, r in enumerate(ranks)], ("en",))
    found = find_interval(question_scores(table), "monolingual", resamples=20_000)
    scipys = stats.bootstrap((1 / ranks,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((scipys.low, scipys.high), abs=3e-3)


def test_translations_of_a_question_stay_together(ranks_of):
    """Questions with the same ranks in both languages: a second language adds nothing."""
    rows = [
        (query, f"q{i}", passage, f"{passage}{i}", 1, 1.0 + i % 2, 1.0 + i % 2)
        for i in range(30)
        for query in ("de", "en")
        for passage in ("de", "en")
    ]
    one, both = (find_interval(question_scores(ranks_of(chosen)), "monolingual") for chosen in (rows[::4], rows))
    assert both.low < both.value < both.high
    assert astuple(one) == pytest.approx(astuple(both))


def test_there_is_no_interval_of_fewer_than_30_questions(ranks_of):
    rows = [("en", f"q{i}", "en", f"p{i}", 1, 1.0 + i, 1.0 + i) for i in range(30)]
    few, enough = (find_interval(question_scores(ranks_of(rows[:n], ("en",))), "monolingual") for n in (29, 30))
    assert (few.is_known, enough.is_known) == (False, True)
    assert np.isnan([few.low, few.high]).all()
    assert few.value > enough.value


def test_a_difference_is_paired(random_ranks):
    first, second = map(question_scores, random_ranks)
    difference = find_interval(first, "multilingual", against=second)
    assert difference.value == pytest.approx(
        find_interval(first, "multilingual").value - find_interval(second, "multilingual").value
    )
    nothing = find_interval(first, "multilingual", against=first)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_languages_choose_the_settings_by_their_queries(random_ranks):
    figures = question_scores(random_ranks[0])
    pairs = analyse(random_ranks[0]).pairs.scores["mAP"]
    assert find_interval(figures, "monolingual", languages=["de"]).value == pytest.approx(pairs[0][0])
    assert find_interval(figures, "cross_lingual", languages=["de"]).value == pytest.approx(pairs[0][1])


@pytest.mark.parametrize("figure", MACRO_MEASURES)
def test_languages_that_a_table_does_not_have_have_no_figures(random_ranks, figure):
    found = find_interval(question_scores(random_ranks[0]), figure, languages=["fr"])
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("figure", MACRO_MEASURES)
def test_the_figure_of_several_runs_is_the_mean_of_theirs(random_ranks, figure):
    runs = [question_scores(ranks) for ranks in random_ranks]
    assert find_interval(mean_scores(runs), figure).value == pytest.approx(
        np.mean([find_interval(run, figure).value for run in runs])
    )


def test_tables_of_other_questions_are_not_compared(random_ranks):
    first = question_scores(random_ranks[0])
    fewer = random_ranks[0].table[random_ranks[0].table["query_id"] != "q1"]
    other = question_scores(RankTable(fewer, ("de", "en"), {"de": 50, "en": 50}, 0))
    with pytest.raises(ReportError, match="different questions"):
        mean_scores([first, other])
    with pytest.raises(ReportError, match="different questions"):
        find_interval(first, "monolingual", against=other)


def test_intervals_of_a_real_report_hold_its_figures():
    ranks = read_ranks(REPORTS / "bm25" / "xquad-r.ranks.parquet")
    figures, macro = question_scores(ranks), analyse(ranks).macro
    intervals = {name: find_interval(figures, name) for name in MACRO_MEASURES}
    assert intervals["monolingual"].value == pytest.approx(macro["monolingual"]["mAP"])
    for interval in intervals.values():
        assert interval.low < interval.value < interval.high
    assert intervals["multilingual"].high - intervals["multilingual"].low < 0.03


@pytest.mark.parametrize(
    "measure", [analyse_in_detail, lambda ranks: find_interval(question_scores(ranks), "multilingual")]
)
def test_an_empty_table_has_no_intervals(random_ranks, measure):
    ranks = random_ranks[0]
    with pytest.raises(ReportError, match="the rank table is empty"):
        measure(replace(ranks, table=ranks.table.iloc[:0]))
