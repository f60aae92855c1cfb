"""The leaderboard's page in a real browser, where families have measures and columns of their own."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from babelrank.reporting.family_table import FamilyRow, FamilyTable
from babelrank.reporting.html_leaderboard import render_leaderboard_html
from babelrank.reporting.leaderboard import read_sections

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

REPORTS = Path(__file__).resolve().parents[1] / "reports"


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """A page of LAReQA's reports, and of two models on two languages of MIRACL."""
    sections = read_sections(REPORTS, REPORTS.parent)
    model = sections[0].entries[0].model
    measures = ("nDCG@10", "R@100")
    rows = [
        FamilyRow(replace(model, name=name), f"reports/{name}/report.md", dict.fromkeys(measures, scores))
        for name, scores in (("first", [0.3, 0.7, 0.5]), ("second", [0.4, None, None]))
    ]
    table = FamilyTable("MIRACL", "In words.", measures, ("sw", "te", "average"), rows)
    path = tmp_path_factory.mktemp("pages") / "leaderboard.html"
    path.write_text(render_leaderboard_html(sections, tables=[table]), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page in which nothing may go wrong."""
    troubles = []
    page = browser.new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    yield page
    page.close()
    assert troubles == []


def seen(page, selector):
    return [element.inner_text().strip() for element in page.locator(selector).all() if element.is_visible()]


def choose(page, label):
    page.locator(".switch label").filter(has_text=label).locator("visible=true").first.click()


def test_a_family_has_measures_and_columns_of_its_own(page, address):
    page.goto(address)
    measures = '.switch:has([name="measure"]) label'
    assert seen(page, measures) == ["mAP", "R@1", "R@10", "MRR@10", "nDCG@10"]
    assert page.locator("#_scatter").is_visible()
    choose(page, "MIRACL")
    assert seen(page, measures) == ["nDCG@10", "R@100"]
    assert not page.locator("#_scatter").is_visible()
    assert seen(page, "tbody th a") == ["first", "second"]
    assert "by average nDCG@10, highest first" in page.locator("#_status").inner_text()
    choose(page, "R@100")
    page.locator(".board:not([hidden]) button.sort", has_text="sw").locator("visible=true").click()
    assert seen(page, "tbody th a") == ["second", "first"]
    choose(page, "mlqa-r")
    assert page.locator("#_scatter").is_visible()
    assert "by Mul. mAP, highest first" in page.locator("#_status").inner_text()


def test_an_address_leads_to_a_family(page, address):
    page.goto(f"{address}#miracl")
    assert seen(page, ".board h2") == ["MIRACL"]
    assert page.get_by_role("radio", name="nDCG@10", exact=True).is_checked()
