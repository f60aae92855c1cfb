"""The figures at the top of a report, and the rank that a leaderboard fills in."""

import re
from dataclasses import replace

import numpy as np
import pytest

from babelrank.analysis.bootstrap import Interval, find_interval, question_scores, setting_intervals
from babelrank.reporting.cache import Cache
from babelrank.reporting.content import make_content
from babelrank.reporting.estimates import BiasFigure, BiasSummary, CollectionEstimates, Estimates
from babelrank.reporting.key_figures import key_figures, key_table
from babelrank.reporting.leaderboard import write_leaderboard
from babelrank.reporting.measures import measures_of
from babelrank.reporting.pages import read_estimates
from babelrank.reporting.refresh import check_reports, refresh_reports
from babelrank.reporting.report import write_report
from babelrank.reporting.results_file import read_results
from html_pages import Page
from paths import REPORTS
from toy_reports import ROWS, toy_ranks, toy_results

BIAS = BiasSummary(
    {
        "own_first": BiasFigure(Interval(0.75, 0.7, 0.8), 0.5, 0.0, 1.0),
        "rank_ratio": BiasFigure(Interval(12.5, 10.0, 15.0), 1.25, 1.0, 6.0),
    },
    {"de": Interval(-0.5, -0.6, -0.4), "en": Interval(0.5, 0.4, 0.6)},
)
BY_LANGUAGE = {"multilingual": [Interval(0.875, 0.75, 1.0), Interval(0.75, 0.5, 1.0)]}
WORSE = [(*row[:5], row[5], row[6] + (row[6] > 1)) for row in ROWS]


@pytest.fixture
def collection():
    return toy_results()[0].collections["xquad-r"]


def ranks_of(folder):
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    return page.text["dd"][page.text["dt"].index("rank")]


def test_there_are_the_languages_own_language_first_and_the_rank_ratio(collection):
    languages, own, ratio = key_figures("xquad-r", collection, CollectionEstimates(bias=BIAS, by_language=BY_LANGUAGE))
    assert languages.text == "German 0.875 (0.750–1.000), English 0.750 (0.500–1.000)"
    assert own.text == "75% (70%–80%), 50% without bias"
    assert ratio.text == "12 (10–15), 1.250 without bias"
    assert ratio.note.startswith("times higher rank answers in the most than in the least favoured language")


def test_without_bias_the_averages_take_the_places(collection):
    found = key_figures("xquad-r", collection, CollectionEstimates())
    assert [each.text for each in found] == ["German 0.875, English 0.750", "1.000", "0.583"]
    mono = replace(collection, languages=["de"], pairs=replace(collection.pairs, n=[[2]]))
    mono = replace(mono, favoured=replace(mono.favoured, n=[[0]]))
    assert [each.label for each in key_figures("beir:x", mono, CollectionEstimates())] == ["Mo. nDCG@10", "Mo. R@100"]


def test_the_table_has_the_collections_whose_bias_is_known(collection):
    estimates = {"a": CollectionEstimates(bias=BIAS), "b": CollectionEstimates()}
    (row,) = key_table({"a": collection, "b": collection}, estimates).rows
    assert row[:2] == ["a", "German 0.875, English 0.750"]


def test_a_leaderboard_fills_in_the_ranks_and_reports_stay_current(tmp_path, monkeypatch):
    reports = tmp_path / "reports"
    first = write_report(reports, *toy_results(name="first"))
    assert ranks_of(first).startswith("– babelrank leaderboard compares")
    write_leaderboard(reports, tmp_path)
    assert ranks_of(first) == "– the only report on this collection in its folder"
    second = write_report(reports, *toy_results(name="second", rows=WORSE))
    refresh_reports(reports)
    assert second / "report.html" in write_leaderboard(reports, tmp_path)
    assert [ranks_of(folder) for folder in (first, second)] == ["1 of 2 by Mul. mAP", "2 of 2 by Mul. mAP"]
    assert check_reports(reports, Cache(reports / ".cache.json")) == []
    monkeypatch.setattr("babelrank.reporting.refresh.render_report", None)  # nothing is rendered again
    assert refresh_reports(reports) == []
    assert [path.name for path in write_leaderboard(reports, tmp_path)] == []


def test_a_rank_says_how_many_others_do_not_differ(tmp_path):
    languages = ("de", "en")
    for name, worse in (("a", 0), ("b", 0), ("c", 40)):
        rows = [
            (lang, f"q{i}", other, f"{other}/{i}", 1, 1.0, 1.0 + (lang != other) + 2 * (i < worse))
            for i in range(40)
            for lang in languages
            for other in languages
        ]
        write_report(tmp_path / "reports", *toy_results(name=name, rows=rows))
    write_leaderboard(tmp_path / "reports", tmp_path)
    found = [ranks_of(tmp_path / "reports" / name) for name in "abc"]
    assert found[:2] == ["1 of 3 by Mul. mAP; 1 other does not differ significantly"] * 2
    assert found[2] == "3 of 3 by Mul. mAP"


def test_intervals_of_settings_are_those_of_the_bootstrap():
    scores = question_scores(
        toy_ranks([(lang, f"q{i}", "de", "x", 1, 1.0 + i % 3, 1.0) for i in range(40) for lang in ("de", "en")])
    )
    found = setting_intervals(scores, np.arange(4))
    assert found[1] is found[3] is None  # no passages in English
    assert found[0] == find_interval(scores, "monolingual")
    assert found[2] == find_interval(scores, "cross_lingual")


def test_cells_of_a_real_report_have_intervals_around_their_values():
    folder = REPORTS / "use-multilingual-v3"
    results = read_results(folder / "results.json")
    collection = results.collections["mlqa-r"]
    cells = make_content(results, "mlqa-r", folder).cells
    assert list(cells) == list(measures_of("mlqa-r", collection).measures)
    for measure, rows in cells.items():
        values = [
            [*row, pool]
            for row, pool in zip(collection.pairs.scores[measure], collection.pool.scores[measure], strict=True)
        ]
        np.testing.assert_allclose([[each.value for each in row] for row in rows], values, atol=1e-6)
        assert all(each.low <= each.value <= each.high for row in rows for each in row)
    known = read_estimates(replace(results, collections={"mlqa-r": collection}), folder, Estimates())["mlqa-r"]
    assert [each.low for each in known.by_language["multilingual"]] == pytest.approx(
        [row[-1].low for row in cells["mAP"]]
    )
    assert re.fullmatch(
        r"[A-Z]\w+ 0\.\d{3} \(.+\), [A-Z]\w+ 0\.\d{3} \(.+\)", key_figures("mlqa-r", collection, known)[0].text
    )
