"""Pages in HTML: their parts, worked out by hand, and what is in the files; `test_reporting_browser` opens them."""

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from importlib import resources
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.summary import analyse
from babelrank.reporting.boards import make_boards
from babelrank.reporting.estimates import BiasFigure, BiasSummary, CollectionEstimates
from babelrank.reporting.experiment_file import experiment_folders, read_experiment
from babelrank.reporting.formatting import show_share
from babelrank.reporting.heatmaps import PAIRS, render_svg
from babelrank.reporting.html_page import anchor
from babelrank.reporting.html_report import render_report_html
from babelrank.reporting.leaderboard import render_leaderboard_html
from babelrank.reporting.matrices import STEPS, Margin, MatrixView
from babelrank.reporting.measures import measures_of
from babelrank.reporting.report import read_reports
from babelrank.reporting.results import Results
from babelrank.reporting.sections import Section
from babelrank.reporting.standings import read_standings
from babelrank.reporting.tables import Bars, Column, Table
from html_pages import Page
from paths import EXPERIMENTS, REPORTS
from toy_reports import ROWS, toy_ranks, toy_results

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> \" ' & {{ 7 * 7 }}"
INTERVALS = {"monolingual": Interval(1.0, 0.901, 1.0), "rank_distance": Interval(2.75, 1.0, 4.0)}
ESTIMATES = {"xquad-r": CollectionEstimates(INTERVALS)}
SMALL = ("xquad-r", "mlqa-r", "beir:scifact")


@pytest.fixture
def results() -> Results:
    """One model on one collection."""
    return toy_results()[0]


def matrix(values, **changes) -> MatrixView:
    size = len(values[0])
    codes = ["de", "en", "zh"][:size]
    rows = ["de", "en", "zh"][: len(values)]
    return MatrixView("m", "Title", rows, codes, values, show="{:.1f}".format, legend="m", **changes)


# ---- Parts ---------------------------------------------------------------------------------------------------------


def test_colours_run_evenly_from_the_lowest_to_the_highest_value():
    assert matrix([[0.0, 1.0], [31.0, 15.4]]).steps == [[0, 1], [31, 15]]


def test_a_reversed_scale_makes_the_lowest_brightest():
    assert matrix([[1.0, 3.0]], colours="viridis_r").steps == [[31, 0]]


def test_on_a_logarithmic_scale_equal_ratios_are_equal_steps():
    assert matrix([[1.0, 10.0, 100.0]], logarithmic=True).steps == [[0, 16, 31]]


def test_limits_hold_for_what_lies_beyond_them():
    assert matrix([[-1.0, 0.5, 2.0]], limits=(0.0, 1.0)).steps == [[0, 16, 31]]


def test_what_is_no_number_has_no_colour_and_does_not_stretch_the_scale():
    view = matrix([[None, 1.0], [math.nan, 2.0]])
    assert (view.steps, view.bounds) == ([[None, 0], [None, 31]], (1.0, 2.0))
    assert matrix([[None, math.nan]]).bounds is None


@given(st.lists(st.floats(1e-3, 1e6) | st.none(), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_colours_follow_the_order_of_the_values(values, is_logarithmic, is_reversed):
    palette = "cividis_r" if is_reversed else "cividis"
    (steps,) = matrix([values], logarithmic=is_logarithmic, colours=palette).steps
    known = sorted((value, step) for value, step in zip(values, steps, strict=True) if value is not None)
    ordered = [step for _, step in known]
    assert all(0 <= step < STEPS for step in ordered)
    assert ordered == sorted(ordered, reverse=is_reversed)


def test_margins_stand_beside_and_below_and_share_the_scale():
    right, below = Margin("Mul.", "all", [5.0, 6.0], n=[7, 8]), Margin("mean", "mean", [9.0, None])
    view = matrix([[1.0, 2.0], [3.0, 4.0]], n=[[1, 2], [3, 4]], right=right, below=below)
    assert view.grid == [[1.0, 2.0, 5.0], [3.0, 4.0, 6.0], [9.0, None, None]]
    assert view.data()["n"] == [[1, 2, 7], [3, 4, 8], [None, None, None]]
    assert view.data()["columns"] == ["German (de)", "English (en)", "all"]
    assert view.bounds == (1.0, 9.0)


def test_bars_share_one_scale_with_their_marks():
    table = Table(
        "t", [Column("a"), Column("b", str), Column("c", str)], [["x", 2.0, 4.0], ["y", None, 1.0]], Bars(1, (2,))
    )
    assert [table.bar_places(row) for row in table.rows] == [[50.0, 100.0], [None, 25.0]]
    assert replace(table, bars=Bars(1, limit=8.0)).bar_places(table.rows[0]) == [25.0]


def test_texts_in_a_column_of_numbers_are_shown_as_they_are(results):
    table = Table("Mine", [Column("a"), Column("b", show_share)], [["x", 0.125], ["y", "< 0.001"], ["z", None]])
    page = Page(render_report_html(results, sections={"xquad-r": [Section("Own", "How.", tables=[table])]}))
    assert [["a", "b"], ["x", "12%"], ["y", "< 0.001"], ["z", "–"]] in page.tables


def test_colours_are_those_of_matplotlib_with_text_that_can_be_read():
    css = (resources.files("babelrank.reporting") / "templates" / "scales.css").read_text(encoding="utf-8")
    rules = re.findall(r"\.(\w+) \.s(\d+) \{ background: #(\w{6}); color: #(\w{3}) \}", css)
    assert sorted((name, int(step)) for name, step, *_ in rules) == [
        (name, step) for name in ("cividis", "viridis") for step in range(STEPS)
    ]
    for name, step, background, text in rules:
        colour = mpl.colormaps[name](int(step) / (STEPS - 1))[:3]
        assert mpl.colors.to_hex(colour) == f"#{background}"
        lighter, darker = sorted((luminance(mpl.colors.to_rgb(f"#{c}")) for c in (background, text)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def luminance(rgb) -> float:
    """Relative luminance of WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_anchors_are_plain_ascii():
    assert anchor("mlqa-r:sentence+context:de,en", "R@10") == "mlqa-r-sentence-context-de-en--r-10"
    assert re.fullmatch("[0-9a-f]{8}", anchor("日本語"))
    assert anchor("日本語") != anchor("中文")


@pytest.mark.parametrize("name", ["main", "data", "theme", "日本語"])
def test_no_name_of_a_collection_is_an_id_of_the_pages_own(results, name):
    page = Page(render_report_html(replace(results, collections={name: results.collections["xquad-r"]})))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


# ---- The report ----------------------------------------------------------------------------------------------------


def test_the_report_has_each_pair_as_a_table(results):
    tables = Page(render_report_html(results)).tables
    header, german, english = next(table for table in tables if table[0][1:] == ["de", "en", "Mul."])
    assert german[1:] == ["1.00", "0.75", "0.88"]  # pool: (1 + 1) / 2 and (1 + 2/4) / 2
    assert english[1:] == ["0.42", "1.00", "0.75"]  # 1/2 and 1/3; pool: (1 + 2/3) / 2 and (1 + 2/6) / 2
    assert (header[0], german[0]) == ("", "German de")


def test_the_report_shows_rank_distances_with_their_floor(results):
    (table,) = (table for table in Page(render_report_html(results)).tables if "floor" in table[0])
    assert table[1][:5] == ["German (de)", "", "2.0", "2.0", "1.0"]
    assert table[-1][:5] == ["mean over languages", "", "2.8", "2.8", "1.0"]


def test_intervals_stand_below_the_figures_that_have_one(results):
    without, given_ = Page(render_report_html(results)), Page(render_report_html(results, ESTIMATES))
    assert [text.split()[0] for text in without.text["dd"][2:4]] == ["1.000", "0.583"]
    assert "95 % interval 0.901–1.000" in given_.text["dd"][2]
    assert given_.text["dd"][3] == without.text["dd"][3]
    assert given_.tables[0][1][2] == "1.000, 95 % interval 0.901–1.000"
    assert any("Rank distance (spread) ↓ mean 3 (1–4)" in text for text in given_.text["p"])


def test_tooltips_know_what_cells_leave_out(results):
    data = Page(render_report_html(results)).data
    view = data["views"]["xquad-r--pairs-of-languages--map"]
    assert view["values"][1] == ["0.4167", "1.0000", "0.7500"]
    assert data["lists"][view["n"]] == [[2, 2, 2], [2, 2, 2]]
    assert data["lists"][view["columns"]] == ["German (de)", "English (en)", "all languages"]


def test_intervals_of_cells_reach_the_page(results):
    view = matrix([[0.5, 0.6]], intervals=[[Interval(0.5, 0.4, 0.6), None]])
    page = Page(render_report_html(results, sections={"xquad-r": [Section("Own", "How.", [view])]}))
    assert page.data["views"]["xquad-r--own--m"]["intervals"] == [[["0.4", "0.6"], None]]


def test_scores_of_pairs_are_coloured_from_0_to_1(results):
    assert PAIRS.view(results.collections["xquad-r"]).bounds == (0.0, 1.0)


def test_a_folded_section_is_one_that_unfolds(results):
    page = Page(render_report_html(results, sections={"xquad-r": [Section("Own", "How.", folded=True)]}))
    assert len(page.find("details", **{"class": "part"})) == 1
    assert "Own" in page.text["h3"]


def test_names_and_texts_of_others_stay_texts(results):
    model = replace(
        results.model,
        name=EVIL,
        submitted_as=EVIL,
        adapter=EVIL,
        fingerprint=EVIL,
        settings={EVIL: EVIL},
        notes={EVIL: EVIL},
    )
    view = replace(matrix([[0.5, 0.6]]), label=EVIL, title=EVIL, rows=[EVIL], note=EVIL, legend=EVIL, join=EVIL)
    section = Section(EVIL, EVIL, [view, replace(view, label="2")], [Table(EVIL, [Column(EVIL)], [[EVIL]])])
    hostile = replace(results, model=model, collections={EVIL: results.collections["xquad-r"]})
    page = Page(render_report_html(hostile, sections={EVIL: [section]}, leaderboard='"><script>'))
    assert page.text["h1"] == [EVIL]
    assert len(page.raw["script"]) == 3
    assert page.find("img") == []
    assert any(view["label"] == EVIL for view in page.data["views"].values())


def test_nothing_acts_on_a_page_but_what_its_policy_names(results):
    page = Page(render_report_html(results))
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    early, _, late = page.raw["script"]
    for text in (early, late, *page.raw["style"]):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy["content"]
    assert policy["content"].startswith("default-src 'none'")
    assert "unsafe" not in policy["content"]
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src"}]
        assert not attributes.get("href", "").startswith(("http", "//", "javascript"))


def test_the_same_results_give_the_same_bytes(results):
    assert render_report_html(results, ESTIMATES) == render_report_html(replace(results), dict(ESTIMATES))


def test_ids_are_unique_and_headings_in_order():
    for results in list(read_reports(REPORTS).values())[:2]:
        page = Page(render_report_html(results))
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        targets = {a["href"][1:] for a in page.find("a") if a["href"].startswith("#")}
        assert targets <= set(ids)
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_page_without_scripts_has_every_figure_of_the_pairs():
    results = read_reports(REPORTS)[REPORTS / "bm25"]
    results = replace(results, collections={name: results.collections[name] for name in SMALL})
    text = render_report_html(results)
    tables = Page(text).tables
    for name, collection in results.collections.items():
        languages, shown = collection.languages, measures_of(name, collection)
        for measure in shown.measures if shown.has_pool else ():
            cells = [[f"{value:.2f}" for value in row] for row in collection.pairs.scores[measure]]
            assert any([row[1 : len(languages) + 1] for row in table[1:]] == cells for table in tables)
    assert len(text.encode()) < 200_000


def test_a_setting_without_queries_is_a_dash_and_what_no_setting_has_is_left_out(results):
    analysis = analyse(toy_ranks(ROWS[:1]))
    empty = replace(
        results.collections["xquad-r"],
        macro=analysis.macro,
        pairs=analysis.pairs,
        rank_distance=analysis.rank_distance,
        favoured=analysis.favoured,
    )
    page = Page(render_report_html(replace(results, collections={"xquad-r": empty}), ESTIMATES))
    assert page.text["dt"][:4] == ["rank", "best and worst language", "Mo. mAP", "Mul. mAP"]
    assert "Rank distance" not in " ".join(page.text["h3"])
    assert "–" in page.tables[1][1]
    assert "nan" not in json.dumps(page.tables).lower()


# ---- The leaderboard -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standings():
    """The standings on collections whose matrices have a cell for each pair of languages."""
    return [each for each in read_standings(REPORTS, REPORTS.parent) if each.name in SMALL]


def leaderboard(standings) -> Page:
    return Page(render_leaderboard_html(make_boards(standings)))


def changed(standings, place, **fields):
    """The first standings with other fields of one entry."""
    entries = list(standings[0].entries)
    entries[place] = replace(entries[place], **fields)
    return [replace(standings[0], entries=entries)]


def test_the_leaderboard_has_a_line_for_each_model_in_order(standings):
    page = leaderboard(standings)
    tables = [table for table in page.tables if table[1][:2] == ["#", "model"]]
    assert len(tables) == len(standings)
    for table, section in zip(tables, standings, strict=True):
        names = {entry.model.name for entry in section.entries}
        shown = [max((name for name in names if row[1].startswith(name)), key=len) for row in table[2:]]
        bases = [entry.model.name for entry in section.entries if entry.model.base_model is None]
        assert [name for name in shown if name in bases] == bases
        assert sorted(shown) == sorted(names)
        assert all(len(row) == len(table[1]) for row in table[2:])
    links = [a["href"] for a in page.find("a") if a["href"].startswith("reports/")]
    assert {link.rsplit("/", 1)[1] for link in links} == {"report.html"}


def test_the_leaderboard_has_every_average_without_scripts(standings):
    table = leaderboard(standings).tables[0]
    first = next(entry for entry in standings[0].entries if entry.model.base_model is None).result
    shown = dict(zip(table[1], table[2], strict=True))  # of columns with one name, the last
    assert shown["Mul. micro"] == f"{first.micro['multilingual']['nDCG@10']:.3f}"
    assert table[2][2] == f"{first.macro['monolingual']['mAP']:.3f}"
    assert shown["rank distance (spread)"] == f"{first.macro['multilingual']['rank_distance']:,.1f}"


def test_groups_have_a_column_where_there_are_any(standings):
    without, with_groups = leaderboard(standings), leaderboard(changed(standings, 0, letters={"mAP": "ab"}))
    assert "group" not in without.tables[0][1]
    column = with_groups.tables[0][1].index("group")
    assert sorted({row[column] for row in with_groups.tables[0][2:]}) == ["ab", "–"]


def test_the_leaderboard_shows_bias_and_intervals_where_they_are_known(standings):
    figure = BiasFigure(Interval(0.5, 0.4, 0.6), 0.0, 0.0, 1.0)
    bias = BiasSummary(
        {"language_effect": figure},
        {"de": Interval(-0.25, -0.3, -0.2), "en": Interval(-0.5, -0.6, -0.4), "ar": Interval(0.75, 0.7, 0.8)},
    )
    known = CollectionEstimates({"multilingual": Interval(0.5, 0.25, 0.75)}, bias=bias)
    page = leaderboard(changed(standings, 1, estimates={"mAP": known}))
    heads, name = page.tables[0][1], standings[0].entries[1].model.name
    row = next(row for row in page.tables[0][2:] if row[1].startswith(name))
    assert row[heads.index("Mul.")].endswith(", 95 % interval 0.250–0.750")
    assert row[heads.index("effect η²")] == "0.500, 95 % interval 0.400–0.600"
    assert row[heads.index("favoured most")] == "en −0.50"
    assert row[heads.index("least")] == "ar +0.75"
    others = [other for other in page.tables[0][2:] if other is not row]
    assert not any("interval" in cell for other in others for cell in other)
    data = next(line for line in page.data[anchor(standings[0].title)] if line["values"]["name"] == name)
    assert data["intervals"] == {"mAP/Mul.": [0.25, 0.75], "language_effect": [0.4, 0.6]}


def test_runs_that_an_experiment_chose_among_have_a_badge(standings):
    chosen = {
        report
        for folder in experiment_folders(EXPERIMENTS)
        for experiment in [read_experiment(folder)]
        for run in (*experiment.runs, *experiment.earlier)
        if run.label != experiment.start and standings[0].name in experiment.collections
        for report in run.reports
    }
    shown = chosen & {entry.folder.name for entry in standings[0].entries}
    assert sum("searched" in row[1] for row in leaderboard(standings).tables[0]) == len(shown) > 10
    assert {entry.recipe for entry in standings[0].entries if "x-y" in entry.model.name} == {"hybrid-batches: X-Y"}


def test_models_of_any_name_do_the_leaderboard_no_harm(standings):
    model = replace(standings[0].entries[0].model, name=EVIL, adapter=EVIL, parameters=None)
    page = leaderboard(changed(standings, 0, model=model, letters={"mAP": "a"}))
    assert EVIL in page.text["a"]
    assert len(page.raw["script"]) == 3
    line = next(line for line in page.data["xquad-r"] if line["values"]["name"] == EVIL)
    assert line["values"]["parameters"] is None


def test_a_leaderboard_of_nothing_says_so():
    page = Page(render_leaderboard_html([]))
    assert "No model has been submitted yet." in page.text["p"]


# ---- Heatmaps and fragments ----------------------------------------------------------------------------------------


def test_a_heatmap_as_svg_has_every_value_and_is_well_formed(results):
    collection = results.collections["xquad-r"]
    svg = render_svg(PAIRS.view(collection), [EVIL, "xquad-r"])
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert EVIL in texts
    assert [text for text in texts if text in {"1.00", "0.75", "0.42", "0.88"}][:6] == [
        *("1.00", "0.75", "0.88"),
        *("0.42", "1.00", "0.75"),
    ]
