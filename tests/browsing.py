"""A real browser for tests, and its pages: report.html, leaderboard.html, and those of a hostile model."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.boards import make_boards
from babelrank.reporting.estimates import BiasFigure, BiasSummary, CollectionEstimates
from babelrank.reporting.html_report import render_report_html
from babelrank.reporting.leaderboard import render_leaderboard_html
from babelrank.reporting.matrices import MatrixView
from babelrank.reporting.report import find_report
from babelrank.reporting.sections import QueryList, RankedPassage, RankedQuery, Section
from babelrank.reporting.standings import read_standings
from babelrank.reporting.tables import Column, Table
from paths import REPORTS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
MODEL = "use-multilingual-v3"
COLLECTIONS = ("xquad-r", "mlqa-r", "beir:scifact")
EVIL = "<script>alert(1)</script>\"' </script><img src=x onerror=alert(2)>"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
# Visible texts with a contrast below WCAG's AA, 4.5 to 1.
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


def unbounded(value):
    return Interval(value, float("nan"), float("nan"))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The pages of real reports: report.html, leaderboard.html, and those of a hostile model."""
    out = tmp_path_factory.mktemp("pages")
    results = find_report(MODEL, REPORTS)
    results = replace(results, collections={name: results.collections[name] for name in COLLECTIONS})
    first, *others = (each for each in read_standings(REPORTS, REPORTS.parent) if each.name in COLLECTIONS)
    intervals = {"monolingual": Interval(0.525, 0.511, 0.539), "rank_distance": Interval(7897.4, 7755.0, 8030.0)}
    view = MatrixView(
        "only", "Own", ["de"], ["en"], [[0.5]], "{:.1f}".format, "x", intervals=[[Interval(0.5, 0.4, 0.6)]]
    )
    answer = RankedPassage("12", "the answer", "en", "en/1", "In words.")
    asked = RankedQuery("ar", "q1", "من يقود قطيع الفيلة؟", [RankedPassage("1", "wrong", "ar", "ar/1", None), answer])
    own = {"xquad-r": [Section("Own", "In words.", [view], queries=[QueryList("Worst", [("ar→en", [asked])])])]}
    own["mlqa-r"] = [Section("Folded", "In words.", [view], folded=True)]
    size = len(results.collections["xquad-r"].languages)
    cells = {"xquad-r": {"mAP": [[Interval(0.5, 0.4, 0.6)] * (size + 1)] * size}}
    page = render_report_html(results, {"xquad-r": CollectionEstimates(intervals)}, own, cells=cells)
    (out / "report.html").write_text(page, encoding="utf-8")
    unknown = replace(first.entries[-1], model=replace(first.entries[-1].model, name="Unknown size", parameters=None))

    def estimates(entry, i):
        effect = 0.1 + entry.result.macro["multilingual"]["rank_distance"] / 20_000
        figure = BiasFigure(unbounded(effect), 0.0, 0.0, 1.0)
        bias = BiasSummary({"language_effect": figure}, {"de": unbounded(-0.5), "en": unbounded(0.25)})
        return CollectionEstimates(intervals if i < 2 else {}, bias=bias)

    entries = [
        replace(entry, letters={"mAP": chr(ord("a") + i)}, estimates={"mAP": estimates(entry, i)})
        for i, entry in enumerate([*first.entries, unknown])
    ]
    page = render_leaderboard_html(make_boards([replace(first, entries=entries), *others]))
    (out / "leaderboard.html").write_text(page, encoding="utf-8")
    hostile = replace(results.model, name=EVIL, settings={EVIL: EVIL})
    passages = [RankedPassage(EVIL, EVIL, EVIL, EVIL, text) for text in (EVIL, None)]
    section = Section(
        EVIL,
        EVIL,
        [replace(view, label=EVIL, rows=[EVIL])],
        [Table(EVIL, [Column(EVIL)], [[EVIL]])],
        [QueryList(EVIL, [(EVIL, [RankedQuery(EVIL, EVIL, EVIL, passages)])])],
    )
    page = render_report_html(replace(results, model=hostile), sections={"xquad-r": [section]})
    (out / "evil-report.html").write_text(page, encoding="utf-8")
    entry = first.entries[0]
    entry = replace(entry, model=hostile, letters={"mAP": EVIL}, estimates={"mAP": estimates(entry, 9)})
    page = render_leaderboard_html(make_boards([replace(first, entries=[entry])]))
    (out / "evil-leaderboard.html").write_text(page, encoding="utf-8")
    return out


class Visits:
    """Pages of one browser, one for each setup, with their messages and requests since `clear`."""

    def __init__(self, browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.pages, self.troubles, self.requests = {}, [], []

    def clear(self) -> None:
        self.troubles.clear()
        self.requests.clear()

    def open(self, name: str, *, init: str = "", fresh: str = "", **options):
        """Open a page. Give `fresh`, a unique name, if an earlier page may have stored something."""
        key = init, fresh, repr(options)
        if key not in self.pages:
            self.pages[key] = self._make_page(init, options)
        page = self.pages[key]
        page.goto("about:blank")  # otherwise another fragment would not reload the page
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
    """Open a page; check at the end that it had no errors and requested only its own files."""
    visits.clear()
    yield visits.open
    assert visits.troubles == []
    assert {url.partition("#")[0] for url in visits.requests if not url.startswith(("data:", "about:"))} <= {
        path.as_uri() for path in folder.rglob("*")
    }


def texts(page, selector: str) -> list[str]:
    return page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)]
            .filter((element) => element.checkVisibility({ visibilityProperty: true }))
            .map((element) => element.innerText.trim())""",
        selector,
    )


def choose(page, label: str) -> None:
    """Click on a choice of a switch, the first visible one."""
    page.locator(".switch label >> visible=true").filter(has_text=re.compile(f"^{re.escape(label)}$")).first.click()


def names(page) -> list[str]:
    return texts(page, "tbody th a")


def column(page, key: str) -> list[str]:
    """The visible cells of a column of the leaderboard."""
    return page.evaluate(
        """(key) => {
            const board = document.querySelector(".board:not([hidden])");
            const at = board.querySelector(`[data-key="${key}"]`).cellIndex;
            const rows = [...board.querySelector("tbody").rows].filter((row) => !row.hidden);
            return rows.map((row) => row.cells[at].firstChild.data);
        }""",
        key,
    )


def cell(page, row: str, position: int):
    """The n-th cell next to a visible header of a heatmap's row."""
    return page.locator(f".heat tr:has(> th:has-text('{row}')) td:nth-of-type({position}) >> visible=true").first


def wait_until(page, condition):
    """Wait for a condition in JavaScript. Playwright's own wait compiles code, which the pages' policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"did not come about: {condition}")
