"""The pages as readers have them: in a real browser; by mouse and keyboard; small, dark, printed, without scripts."""

import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.html import Column, MatrixView, Passage, Question, QuestionList, Section, Table
from babelrank.reporting.html_leaderboard import render_leaderboard_html
from babelrank.reporting.html_report import render_report_html
from babelrank.reporting.leaderboard import read_sections
from babelrank.reporting.report import find_report

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

REPORTS = Path(__file__).resolve().parents[1] / "reports"
MODEL = "use-multilingual-v3"
EVIL = "<script>alert(1)</script>\"' </script><img src=x onerror=alert(2)>"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
# Texts that can be seen, and whose contrast is below WCAG's AA: 4.5 to 1.
FAINT = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour.startsWith("rgb") && (parse(colour)[3] ?? 1) === 1) return parse(colour);
    }
    return [255, 255, 255];
  };
  const faint = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("script, .none")) continue;
    const style = getComputedStyle(element);
    const text = light(parse(element instanceof SVGElement ? style.fill : style.color));
    const [bright, dark] = [text, light(behind(element))].sort((a, b) => b - a);
    seen += 1;
    if ((bright + 0.05) / (dark + 0.05) < 4.5) faint.push(element.outerHTML.slice(0, 200));
  }
  return [seen, faint];
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The pages of real reports: report.html, leaderboard.html, and those of a hostile model."""
    out = tmp_path_factory.mktemp("pages")
    results, (first, *others) = find_report(MODEL, REPORTS), read_sections(REPORTS, REPORTS.parent)
    intervals = {"monolingual": Interval(0.525, 0.511, 0.539), "rank_distance": Interval(7897.4, 7755.0, 8030.0)}
    view = MatrixView(
        "only", "Own", ["de"], ["en"], [[0.5]], "{:.1f}".format, "x", intervals=[[Interval(0.5, 0.4, 0.6)]]
    )
    answer = Passage("12", "the answer", "en", "en/1", "In words.")
    asked = Question("ar", "q1", "من يقود قطيع الفيلة؟", [Passage("1", "wrong", "ar", "ar/1", None), answer])
    own = {"xquad-r": [Section("Own", "In words.", [view], questions=[QuestionList("Worst", [("ar→en", [asked])])])]}
    (out / "report.html").write_text(render_report_html(results, {"xquad-r": intervals}, own), encoding="utf-8")
    keys = [(first.title, entry.model.name) for entry in first.entries]
    groups = dict(zip(keys, "abcdefghijklmnopqrstuvwxyz", strict=False))
    unknown = replace(first.entries[-1], model=replace(first.entries[-1].model, name="Unknown size", parameters=None))
    board = replace(first, entries=[*first.entries, unknown])
    page = render_leaderboard_html([board, *others], groups, dict.fromkeys(keys[:2], intervals))
    (out / "leaderboard.html").write_text(page, encoding="utf-8")
    hostile = replace(results.model, name=EVIL, settings={EVIL: EVIL})
    passages = [Passage(EVIL, EVIL, EVIL, EVIL, text) for text in (EVIL, None)]
    section = Section(
        EVIL,
        EVIL,
        [replace(view, label=EVIL, rows=[EVIL])],
        [Table(EVIL, [Column(EVIL)], [[EVIL]])],
        [QuestionList(EVIL, [(EVIL, [Question(EVIL, EVIL, EVIL, passages)])])],
    )
    page = render_report_html(replace(results, model=hostile), sections={"xquad-r": [section]})
    (out / "evil-report.html").write_text(page, encoding="utf-8")
    entry = replace(first.entries[0], model=hostile)
    page = render_leaderboard_html([replace(first, entries=[entry])], {(first.title, EVIL): EVIL})
    (out / "evil-leaderboard.html").write_text(page, encoding="utf-8")
    return out


class Visits:
    """Pages of one browser, one for each way to set it up, and what they said and asked for since `clear`."""

    def __init__(self, browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.pages, self.troubles, self.requests = {}, [], []

    def clear(self) -> None:
        self.troubles.clear()
        self.requests.clear()

    def open(self, name: str, *, init: str = "", fresh: str = "", **options):
        """Open a page; `fresh`, a name of one's own, where something may be remembered."""
        key = init, fresh, repr(options)
        if key not in self.pages:
            self.pages[key] = self._make_page(init, options)
        page = self.pages[key]
        page.goto("about:blank")  # or another fragment would not load anew
        page.emulate_media(media="screen")
        page.mouse.move(0, 0)
        page.goto(f"{self.folder.as_uri()}/{name}")
        return page

    def _make_page(self, init: str, options: dict):
        context = self.browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
        if init:
            context.add_init_script(init)
        page = context.new_page()
        page.on("console", lambda message: self.troubles.append(message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        return page


@pytest.fixture(scope="module")
def visits(browser, folder):
    return Visits(browser, folder)


@pytest.fixture
def visit(visits, folder):
    """Open a page; at the end nothing may have gone wrong in it, and nothing but itself been asked for."""
    visits.clear()
    yield visits.open
    assert visits.troubles == []
    assert {url.partition("#")[0] for url in visits.requests if not url.startswith(("data:", "about:"))} <= {
        f"{folder.as_uri()}/{path.name}" for path in folder.iterdir()
    }


def texts(page, selector: str) -> list[str]:
    return page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)]
            .filter((element) => element.checkVisibility({ visibilityProperty: true }))
            .map((element) => element.innerText.trim())""",
        selector,
    )


def choose(page, label: str) -> None:
    """Click on one of a switch's choices, the first of those that can be seen."""
    page.locator(".switch label >> visible=true").filter(has_text=re.compile(f"^{re.escape(label)}$")).first.click()


def names(page) -> list[str]:
    return texts(page, "tbody th a")


def column(page, key: str) -> list[str]:
    """The visible cells of a column of the leaderboard."""
    return page.evaluate(
        """(key) => {
            const board = document.querySelector(".board:not([hidden])");
            const at = board.querySelector(`[data-key="${key}"]`).cellIndex;
            return [...board.querySelectorAll("tbody tr:not([hidden])")].map((row) => row.cells[at].firstChild.data);
        }""",
        key,
    )


def cell(page, row: str, position: int):
    """The n-th cell beside a visible header of a heatmap's row."""
    return page.locator(f".heat tr:has(> th:has-text('{row}')) td:nth-of-type({position}) >> visible=true").first


# ---- The report ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("address", ["#nowhere", "#%E0%A4%A", "#_tip"])
def test_an_address_that_leads_nowhere_does_no_harm(visit, address):
    assert texts(visit(f"report.html{address}"), "article h2") == ["xquad-r"]


def test_a_cell_tells_on_hover_what_is_behind_it(visit):
    page = visit("report.html")
    tip = page.locator("#_tip")
    cell(page, "Greek", 2).hover()
    assert tip.inner_text().split("\n\n") == ["Greek (el) → German (de)", "mAP 0.0597", "n = 1,190 queries"]
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
    page.wait_for_function(f"document.getElementById('_tip').getBoundingClientRect().y < {before - 30}")
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
    page.wait_for_function("['Copied', 'Selected'].includes(document.getElementById('_copy').textContent)")
    if page.locator("#_copy").inner_text() == "Selected":
        assert page.evaluate("getSelection().toString()") == page.locator(".command code").inner_text()


# ---- The leaderboard -----------------------------------------------------------------------------------------------


def test_a_column_is_sorted_by_mouse_best_first_and_back(visit):
    page = visit("leaderboard.html")
    head = page.get_by_role("columnheader", name="rank distance", exact=True).locator("visible=true")
    distances = [float(text.replace(",", "")) for text in column(page, "rank_distance")]
    for way, expected in (("ascending", sorted(distances)), ("descending", sorted(distances, reverse=True))):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == way
        assert [float(text.replace(",", "")) for text in column(page, "rank_distance")] == expected
    assert page.locator("[aria-sort] >> visible=true").count() == 1
    assert texts(page, ".rank") == [str(i + 1) for i in range(len(distances))]
    assert "by rank distance, highest first" in page.locator("#_status").inner_text()


def test_a_column_is_sorted_by_keyboard(visit):
    page = visit("leaderboard.html")
    page.get_by_role("columnheader", name="model").get_by_role("button").locator("visible=true").focus()
    page.keyboard.press("Enter")
    assert names(page) == sorted(names(page), key=str.lower)
    page.keyboard.press("Space")
    assert names(page) == sorted(names(page), key=str.lower, reverse=True)


def test_what_has_no_value_comes_last_either_way(visit):
    page = visit("leaderboard.html")
    button = page.get_by_role("button", name="parameters").locator("visible=true")
    for _ in range(2):
        button.click()
        assert column(page, "parameters")[-1] == "–"


def test_models_are_filtered_by_name_kind_and_size(visit):
    page = visit("leaderboard.html")
    everyone = names(page)
    status = page.locator("#_status")
    page.get_by_label("Name").fill("SMALL 4-bit")
    assert len(names(page)) == 2
    assert status.inner_text().startswith(f"2 of {len(everyone)} models")
    assert page.locator(".point").count() == 2
    page.get_by_label("Name").fill("")
    page.get_by_label("Kind").select_option("sparse")
    assert names(page) == ["bm25"]
    page.get_by_label("Kind").select_option("")
    page.get_by_label("at least").fill("60")
    page.get_by_label("at most").fill("100")
    assert names(page) == ["use-multilingual-v3"]
    page.get_by_label("at least").fill("1000")
    assert names(page) == []
    assert page.get_by_text("No model matches.").locator("visible=true").is_visible()
    page.get_by_role("button", name="Reset").click()
    assert names(page) == everyone


def test_another_measure_and_collection_keep_the_order_by_the_same_average(visit):
    page = visit("leaderboard.html")
    choose(page, "R@1")
    scores = column(page, "R@1/Mul.")
    assert scores == sorted(scores, reverse=True)
    assert texts(page, "[scope=colgroup][data-measure]") == ["R@1 ↑"]
    choose(page, "mlqa-r")
    assert texts(page, ".board h2") == ["mlqa-r"]
    scores = column(page, "R@1/Mul.")
    assert scores == sorted(scores, reverse=True)
    assert "by Mul. R@1" in page.locator("#_status").inner_text()


def test_the_plot_has_a_point_for_each_line_where_its_figures_are(visit):
    page = visit("leaderboard.html")
    links = page.locator(".plot a")
    assert links.count() == len(names(page))
    points = [
        (link.get_attribute("aria-label"), link.locator(".shape").bounding_box(), link.get_attribute("href"))
        for link in links.all()
    ]
    told = [re.fullmatch(r"(.*): Mul\. mAP ([\d.]+), rank distance ([\d,.]+)(; .*)?", label) for label, *_ in points]
    assert [match[1] for match in told] == names(page)
    assert [href for *_, href in points] == [
        a.get_attribute("href") for a in page.query_selector_all(".board:not([hidden]) tbody a")
    ]
    by_bias = sorted(range(len(points)), key=lambda i: float(told[i][3].replace(",", "")))
    lefts = [points[i][1]["x"] for i in by_bias]
    assert lefts == sorted(lefts)
    by_accuracy = sorted(range(len(points)), key=lambda i: float(told[i][2]))
    tops = [points[i][1]["y"] for i in by_accuracy]
    assert all(below > above - 0.5 for below, above in pairwise(tops))
    # Centring gives the best accuracy, hybrid batches the least bias.
    assert {match[1] for match in told if match[4]} >= {names(page)[0], told[by_bias[0]][1]}


def test_a_point_tells_its_figures_on_focus_and_hover(visit):
    page = visit("leaderboard.html")
    point = page.locator(".plot a").first
    point.focus()
    tip = page.locator("#_tip")
    assert tip.inner_text().split("\n\n")[0] == names(page)[0]
    assert "rank distance" in tip.inner_text()
    assert page.locator("tr.lit").count() == 1
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.locator(".plot a").last.locator(".shape").hover()
    assert tip.is_visible()


def test_the_plot_can_show_the_monolingual_average(visit):
    page = visit("leaderboard.html")
    before = page.locator(".plot a .shape").first.bounding_box()
    choose(page, "Mo.")
    assert "Mo. mAP" in page.locator(".plot a").first.get_attribute("aria-label")
    assert page.locator(".plot a .shape").first.bounding_box() != before


# ---- Both ----------------------------------------------------------------------------------------------------------

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
    page.reload()
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
    assert texts(page, "article h2, .board h2") == ["xquad-r", "mlqa-r"]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@PAGES
def test_without_scripts_all_tables_are_there_and_no_controls(visit, name):
    page = visit(name, java_script_enabled=False)
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
