"""The leaderboard's page in a real browser, where families have measures and columns of their own."""

from dataclasses import replace
from pathlib import Path

import pytest

from babelrank.reporting.boards import Board, make_boards
from babelrank.reporting.formatting import show_score
from babelrank.reporting.leaderboard import render_leaderboard_html
from babelrank.reporting.standings import read_standings
from babelrank.reporting.tables import Column, Link, Table
from browsing import REPORTS, choose, names, texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The leaderboard of LAReQA's reports, and of two models on two languages of MIRACL."""
    known = {board.title: board for board in make_boards(read_standings(REPORTS, REPORTS.parent))}
    boards = [known["xquad-r"], known["mlqa-r"]]
    model, measures, labels = boards[0].models[0], ("nDCG@10", "R@100"), ("sw", "te", "average")
    scores = [Column(label, show_score, f"{each} ↑", f"{each}/{label}") for each in measures for label in labels]
    table = Table(
        "MIRACL",
        [Column("#", key="#"), Column("model", key="name"), *scores],
        [
            [place, Link(name, f"reports/{name}/report.md"), *values, *values]
            for place, (name, values) in enumerate([("first", [0.3, 0.7, 0.5]), ("second", [0.4, None, None])], start=1)
        ],
    )
    models = [replace(model, name=name) for name in ("first", "second")]
    board = Board("MIRACL", "In words.", table, models, ["first", "second"], measures, labels, measures, "average")
    out = tmp_path_factory.mktemp("pages")
    (out / "leaderboard.html").write_text(render_leaderboard_html([*boards, board]), encoding="utf-8")
    return out


def test_a_family_has_measures_and_columns_of_its_own(visit):
    page = visit("leaderboard.html")
    measures = '.switch:has([name="measure"]) label'
    assert texts(page, measures) == ["mAP", "R@1", "R@10", "MRR@10", "nDCG@10"]
    assert page.locator("#_scatter").is_visible()
    choose(page, "MIRACL")
    assert texts(page, measures) == ["nDCG@10", "R@100"]
    assert not page.locator("#_scatter").is_visible()
    assert names(page) == ["first", "second"]
    assert "by average nDCG@10, highest first" in page.locator("#_status").inner_text()
    choose(page, "R@100")
    page.locator(".board:not([hidden]) button.sort", has_text="sw").locator("visible=true").click()
    assert names(page) == ["second", "first"]
    choose(page, "mlqa-r")
    assert page.locator("#_scatter").is_visible()
    assert "by Mul. mAP, highest first" in page.locator("#_status").inner_text()


def test_an_address_leads_to_a_family(visit):
    page = visit("leaderboard.html#miracl")
    assert texts(page, ".board h2") == ["MIRACL"]
    assert page.get_by_role("radio", name="nDCG@10", exact=True).is_checked()
