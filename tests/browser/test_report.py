"""report.html as readers have it: by mouse and keyboard, in a real browser."""

import pytest

from babelrank.reporting.report import find_report
from browsing import MODEL, REPORTS, WIDE, cell, choose, texts, wait_until


def test_the_report_shows_one_collection_and_one_measure_at_a_time(visit):
    page = visit("report.html")
    assert texts(page, "article h2") == ["xquad-r"]
    assert texts(page, ".matrix caption") == [
        "mAP by query and passage language",
        "Mean rank in the pool of each language's relevant passage",
        "Own",
    ]


def test_another_measure_holds_for_the_other_collection_too(visit):
    page = visit("report.html")
    scores = find_report(MODEL, REPORTS).collections["xquad-r"].pairs.scores
    assert cell(page, "Arabic", 1).inner_text() == f"{scores['mAP'][0][0]:.2f}"
    choose(page, "R@10")
    assert texts(page, ".matrix caption")[0] == "R@10 by query and passage language"
    assert cell(page, "Arabic", 1).inner_text() == f"{scores['R@10'][0][0]:.2f}"
    choose(page, "mlqa-r")
    assert texts(page, "article h2") == ["mlqa-r"]
    assert texts(page, ".matrix caption")[0] == "R@10 by query and passage language"
    assert page.get_by_role("radio", name="R@10", exact=True).is_checked()
    assert page.url.endswith("#mlqa-r")


def test_switches_follow_the_arrow_keys(visit):
    page = visit("report.html")
    page.get_by_role("radio", name="mAP", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert texts(page, ".matrix caption")[0] == "R@1 by query and passage language"


def test_an_address_leads_into_a_collection(visit):
    page = visit("report.html#mlqa-r--rank-distance")
    assert texts(page, "article h2") == ["mlqa-r"]
    box = page.locator("#mlqa-r--rank-distance").bounding_box()
    assert 0 <= box["y"] < WIDE["height"]


def test_a_folded_section_is_opened_by_a_click_and_by_its_address(visit):
    page = visit("report.html#mlqa-r")
    body = page.locator("details.part .body")
    assert not body.is_visible()
    page.locator("summary.fold").click()
    assert body.is_visible()
    page = visit("report.html#mlqa-r--folded")
    assert body.is_visible()
    page.locator("summary.fold").click()
    page.emulate_media(media="print")
    assert body.is_visible()


@pytest.mark.parametrize("address", ["#nowhere", "#%E0%A4%A", "#_tip"])
def test_an_address_that_leads_nowhere_does_no_harm(visit, address):
    assert texts(visit(f"report.html{address}"), "article h2") == ["xquad-r"]


def test_a_cell_tells_on_hover_what_is_behind_it(visit):
    page = visit("report.html")
    tip = page.locator("#_tip")
    cell(page, "Greek", 2).hover()
    assert tip.inner_text().split("\n\n") == [
        "Greek (el) → German (de)",
        "mAP 0.0597",
        "95 % interval 0.4000–0.6000",
        "n = 1,190 queries",
    ]
    cell(page, "Greek", 12).hover()
    assert tip.inner_text().startswith("Greek (el) → all languages")
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    cell(page, "German", 1).hover()
    assert tip.is_visible()
    page.mouse.move(2, 2)
    assert not tip.is_visible()


def test_a_cell_tells_its_interval_where_there_is_one(visit):
    page = visit("report.html")
    page.locator("[id='xquad-r--own--only'] td.s31").hover()
    assert page.locator("#_tip").inner_text().split("\n\n") == [
        "German (de) → English (en)",
        "only 0.5",
        "95 % interval 0.4–0.6",
    ]


def test_cells_are_reached_by_keyboard(visit):
    page = visit("report.html")
    page.get_by_role("radio", name="mAP", exact=True).focus()
    while page.evaluate("document.activeElement.tagName") != "TD":
        page.keyboard.press("Tab")
    tip = page.locator("#_tip")
    assert tip.inner_text().startswith("Arabic (ar) → Arabic (ar)")
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "_tip"
    for key, where in [
        ("ArrowDown", "German (de) → Arabic (ar)"),
        ("ArrowRight", "German (de) → German (de)"),
        ("End", "German (de) → all languages"),
        ("ArrowRight", "German (de) → all languages"),
        ("Home", "German (de) → Arabic (ar)"),
        ("ArrowUp", "Arabic (ar) → Arabic (ar)"),
        ("Control+End", "Chinese (zh) → all languages"),
    ]:
        page.keyboard.press(key)
        assert tip.inner_text().startswith(where)
    before = tip.bounding_box()["y"]
    page.evaluate("scrollBy(0, 60)")
    wait_until(page, f"document.getElementById('_tip').getBoundingClientRect().y < {before - 30}")
    page.keyboard.press("Tab")
    assert not tip.is_visible()
    page.keyboard.press("Shift+Tab")
    assert tip.inner_text().startswith("Chinese (zh) → all languages")


def test_heatmaps_are_tables_to_a_screen_reader(visit):
    page = visit("report.html")
    table = page.get_by_role("grid", name="mAP by query and passage language")
    assert table.get_by_role("columnheader").count() == 12
    assert table.get_by_role("rowheader").count() == 11
    assert table.get_by_role("gridcell").count() == 11 * 12 + 1
    for role in ("banner", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == MODEL


def test_questions_unfold_by_keyboard_and_read_from_their_own_side(visit):
    page = visit("report.html")
    questions = page.locator(".questions")
    assert not questions.locator("h4").is_visible()
    questions.locator("summary").press("Enter")
    assert texts(page, ".questions h4") == ["ar→en"]
    assert texts(page, ".questions .rank") == ["1", "12"]
    assert texts(page, ".questions small") == ["wrong, Arabic (ar)", "the answer, English (en)"]
    assert texts(page, ".questions li code") == ["ar/1"]
    directions = questions.locator("bdi").evaluate_all(
        "(all) => all.map((e) => [e.lang, getComputedStyle(e).direction])"
    )
    assert directions == [["ar", "rtl"], ["en", "ltr"]]


def test_the_command_can_be_copied_or_is_selected(visit):
    page = visit("report.html")
    page.get_by_role("button", name="Copy").click()
    wait_until(page, "['Copied', 'Selected'].includes(document.getElementById('_copy').textContent)")
    if page.locator("#_copy").inner_text() == "Selected":
        assert page.evaluate("getSelection().toString()") == page.locator(".command code").inner_text()
