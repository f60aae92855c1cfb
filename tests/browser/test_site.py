"""The pages of a site that are neither a report nor the leaderboard, in a real browser."""

from pathlib import Path

import pytest

from babelrank.reporting.report import write_report
from babelrank.reporting.site import build_site
from browsing import FAINT, PHONE
from toy_reports import toy_results

PAGES = pytest.mark.parametrize("name", ["index.html", "reports/seeds.html"])
EXPERIMENT = """
title = "Two seeds"
text = "First, see `babelrank train`."
collections = ["xquad-r"]
start = "one"
runs = [{label = "one", report = "one"}, {label = "two", report = "two"}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    project = tmp_path_factory.mktemp("project")
    for name in ("one", "two"):
        write_report(project / "reports", *toy_results(name=name))
    experiment = project / "experiments" / "seeds" / "experiment.toml"
    experiment.parent.mkdir(parents=True)
    experiment.write_text(EXPERIMENT)
    return build_site(project / "reports", project / "experiments", project / "site").parent


@PAGES
def test_a_page_shows_its_tables_and_has_a_theme(visit, name):
    page = visit(name)
    assert page.locator("table").first.is_visible()
    button = page.get_by_role("button", name="Dark colours")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button.click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    button.click()


@PAGES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(visit, name, scheme):
    seen, faint = visit(name, color_scheme=scheme).evaluate(FAINT)
    assert seen > 10
    assert faint == []


@PAGES
def test_on_a_phone_the_page_does_not_scroll_sideways(visit, name):
    page = visit(name, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_index_leads_to_reports_experiments_and_the_leaderboard(visit):
    page = visit("index.html")
    page.get_by_role("link", name="Two seeds").click()
    page.get_by_role("link", name="two", exact=True).first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "two"
    page.get_by_role("link", name="Leaderboard").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Leaderboard"
