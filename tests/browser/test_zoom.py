"""Matrices of many languages in report.html: grouped, sorted and opened in a real browser."""

from dataclasses import replace

import pytest

from babelrank.reporting.html_report import render_report_html
from babelrank.reporting.languages import language_name
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.report import find_report
from babelrank.reporting.sections import Section
from browsing import MODEL, REPORTS

NAME = "ntrex:lead"


@pytest.fixture(scope="module")
def results():
    found = find_report(MODEL, REPORTS)
    return replace(found, collections={name: found.collections[name] for name in (NAME, "xquad-r")})


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    languages = results.collections[NAME].languages
    distances = [[abs(i - j) / 1000 for j, _ in enumerate(languages)] for i, _ in enumerate(languages)]
    view = MatrixView("distance", "Own", languages, languages, distances, "{:.3f}".format, "x")
    text = render_report_html(results, sections={NAME: [Section("Own", "In words.", [view])]})
    path = tmp_path_factory.mktemp("zoom") / "report.html"
    path.write_text(text, encoding="utf-8")
    assert path.stat().st_size < 850_000
    return path


@pytest.fixture
def figure(browser, report):
    page = browser.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(f"{report.as_uri()}#ntrex-lead")
    yield page.locator("[id='ntrex-lead--pairs-of-languages--map']")
    assert troubles == []
    page.close()


def test_a_matrix_of_many_languages_is_grouped_and_opened_on_demand(figure, results):
    rows, columns = figure.locator("tbody th"), figure.locator("thead th")
    assert "Indo-European (60)" in rows.all_inner_texts()
    assert figure.page.locator("td").count() < 16_641
    figure.get_by_label("Group by").select_option("script")
    assert "Deva (3)" in rows.all_inner_texts()
    figure.get_by_label("Group by").select_option("score")
    assert rows.first.inner_text() == "0.8–0.9 (24)"
    rows.get_by_role("button").first.click()
    collection = results.collections[NAME]
    scores = {language_name(lang): collection.pairs.scores["mAP"][i][i] for i, lang in enumerate(collection.languages)}
    opened = [scores[name] for name in rows.all_inner_texts()]
    assert len(opened) == 24
    assert opened == sorted(opened, reverse=True)
    figure.get_by_role("button", name="All groups").click()
    figure.get_by_label("Group by").select_option("resources")
    assert rows.all_inner_texts()[0].startswith("class 5")
    rows.get_by_role("button").first.click()
    assert rows.count() == 13
    columns.get_by_role("button").first.click()
    chinese, japanese = (collection.languages.index(lang) for lang in ("zh-Hans", "ja"))
    score = collection.pairs.scores["mAP"][chinese][japanese]
    assert rows.first.inner_text() == "Chinese (Simplified) (zh-Hans)"
    cell = figure.locator("tbody tr").first.locator("td").nth(1)
    assert cell.inner_text() == f"{score:.2f}"
    cell.hover()
    tip = figure.page.locator("#_tip").inner_text().split("\n\n")
    assert tip == ["Chinese (Simplified) (zh-Hans) → Japanese (ja)", f"mAP {score:.2f}"]
    figure.get_by_role("button", name="All groups").click()
    assert rows.count() == 7


def test_a_symmetric_matrix_has_both_halves(figure, results):
    figure = figure.page.locator("[id='ntrex-lead--own--distance']")
    figure.get_by_label("Group by").select_option("script")
    for side in ("tbody", "thead"):
        figure.locator(f"{side} th").get_by_role("button", name="Deva (3)").click()
    languages = results.collections[NAME].languages
    shown = [short.rpartition("(")[2][:-1] for short in figure.locator("tbody th").all_inner_texts()]
    places = [languages.index(lang) for lang in shown]
    assert figure.locator("tbody td").all_inner_texts() == [f"{abs(i - j) / 1000:.3f}" for i in places for j in places]


def test_cells_of_an_opened_group_are_reached_by_keyboard(figure):
    figure.get_by_role("button", name="Turkic (9)").first.click()
    assert figure.locator("tbody td[tabindex='0']").count() == 1
    figure.locator("tbody td[tabindex='0']").focus()
    figure.page.keyboard.press("ArrowDown")
    assert figure.locator("tbody tr").nth(1).locator("td").first.evaluate("cell => cell === document.activeElement")


def test_few_languages_are_shown_one_by_one(figure):
    other = figure.page.locator("[id='xquad-r--pairs-of-languages--map']")
    assert other.locator(".zoom").count() == 0
    assert figure.page.locator(".picture circle").count() > 200
