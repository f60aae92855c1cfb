"""Both pages as readers have them: small, dark, printed, without scripts, and of a hostile model."""

import pytest

from browsing import EVIL, FAINT, PHONE, cell, names, texts

PAGES = pytest.mark.parametrize("name", ["report.html", "leaderboard.html"])


@PAGES
def test_the_theme_is_the_systems_until_chosen_and_then_remembered(visit, name):
    page = visit(name, color_scheme="dark", fresh=name)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    button = page.get_by_role("button", name="Dark colours")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    light = page.evaluate(background)
    assert light != dark
    assert button.get_attribute("aria-pressed") == "false"
    for _ in range(100):  # the browser stores the choice in its own time
        page.reload()
        if page.evaluate(background) == light:
            break
        page.wait_for_timeout(50)
    assert page.evaluate(background) == light
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(background) == dark


@PAGES
def test_the_theme_can_be_chosen_where_storage_is_blocked(visit, name):
    blocked = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } });"
    page = visit(name, init=blocked)
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@PAGES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(visit, name, scheme):
    seen, faint = visit(name, color_scheme=scheme).evaluate(FAINT)
    assert seen > 100
    assert faint == []


@PAGES
def test_on_a_phone_tables_scroll_and_the_page_does_not(visit, name):
    page = visit(name, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.evaluate("scrollTo(500, 0)")
    assert page.evaluate("scrollX") == 0
    scrolling = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert scrolling > 0


def test_on_a_phone_a_tap_tells_what_is_behind_a_cell(visit):
    page = visit("report.html", viewport=PHONE, has_touch=True)
    cell(page, "German", 2).tap()
    tip = page.locator("#_tip")
    assert tip.inner_text().startswith("German (de) → German (de)")
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


@PAGES
def test_in_print_there_are_no_controls_and_all_collections(visit, name):
    page = visit(name, color_scheme="dark")
    page.emulate_media(media="print")
    assert texts(page, "button:not(.sort), input, select, .switch") == []
    last = "beir:scifact" if name == "report.html" else "BEIR"
    assert texts(page, "article h2, .board h2") == ["xquad-r", "mlqa-r", last]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@PAGES
def test_without_scripts_all_tables_are_there_and_no_controls(visit, name):
    page = visit(name, java_script_enabled=False)
    if name == "report.html":
        page.locator("#mlqa-r--folded").click()  # folds without scripts, too
    shown = page.evaluate("[...document.querySelectorAll('table')].map((table) => table.checkVisibility())")
    assert len(shown) >= 2
    assert all(shown)
    assert texts(page, "button, input, select, .switch, figure.scatter") == []


@PAGES
def test_nothing_moves_for_those_who_do_not_want_it(visit, name):
    moving = """() => [...document.querySelectorAll("*")].filter((e) => {
        const style = getComputedStyle(e);
        return style.scrollBehavior === "smooth" || style.transitionDuration !== "0s" || style.animationName !== "none";
    }).length"""
    assert visit(name).evaluate(moving) == 0
    assert visit(name, reduced_motion="no-preference").evaluate(moving) > 0


@PAGES
def test_a_model_whose_name_is_a_script_harms_nothing(visit, name):
    page = visit(f"evil-{name}")
    assert page.locator("img").count() == 0
    if name == "report.html":
        page.locator(".questions summary").click()
        assert page.locator(".question bdi").all_inner_texts() == [EVIL, EVIL]
        assert page.locator(".question code").all_inner_texts() == [EVIL]
        assert page.locator("h1").inner_text() == EVIL
        page.locator("tr", has_text=EVIL).locator("td").first.hover()
    else:
        assert names(page) == [EVIL]
        page.locator(".plot a").focus()
    assert EVIL in page.locator("#_tip").inner_text()
