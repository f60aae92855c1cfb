"""leaderboard.md and what it is made of."""

import subprocess
import sys

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.leaderboard import check_leaderboard, read_boards, render_leaderboard, write_leaderboard
from babelrank.reporting.report import read_reports, write_report
from babelrank.reporting.standings import read_standings
from toy_reports import ROWS, edit, full_disk, toy_results


def models(reports):
    """Two models on xquad-r, the better one also on a variant; and what is no report."""
    worse = [(*row[:5], row[5] + 1, row[6] + 1) for row in ROWS]
    write_report(reports, *toy_results(name="a worse [one]", rows=worse))
    write_report(reports, *toy_results(("xquad-r", "xquad-r:paragraph"), name="better"))
    (reports / "README.md").write_text("what is here")
    (reports / ".worse.new.part").mkdir()


def test_the_leaderboard_ranks_by_multilingual_map(tmp_path):
    models(tmp_path / "reports")
    page = render_leaderboard(read_boards(tmp_path / "reports"))
    rows = [line for line in page.splitlines() if line.startswith(("| 1 ", "| 2 "))]
    better = "[better](reports/better/report.md), use, dense | a | 1.000 | 0.583 | 0.812 | 0.812 "
    better += "| 2.8 | 0.4375 | 1.23 M | 4 |"
    assert rows[0] == f"| 1 | {better}"
    assert rows[1].startswith(r"| 2 | [a worse \[one\]](reports/a-worse-one/report.md), use, dense |")
    assert rows[2] == rows[0]
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## xquad-r",
        "## xquad-r:paragraph",
        "## What the columns mean",
    ]


def test_links_lead_from_where_the_leaderboard_stands(tmp_path):
    write_report(tmp_path / "out" / "reports", *toy_results())
    write_leaderboard(tmp_path / "out" / "reports", tmp_path / "docs")
    assert "](../out/reports/toy/report.md)" in (tmp_path / "docs" / "leaderboard.md").read_text()


def test_figures_from_different_files_are_not_compared(tmp_path):
    write_report(tmp_path, *toy_results(name="one"))
    write_report(tmp_path, *toy_results(name="two", sha256="1" * 64))
    page = render_leaderboard(read_boards(tmp_path))
    assert "## xquad-r (files 00000000)" in page
    assert "## xquad-r (files 11111111)" in page


def test_a_stale_leaderboard_is_found(tmp_path):
    reports, pages = tmp_path / "reports", [tmp_path / "leaderboard.md", tmp_path / "leaderboard.html"]
    reports.mkdir()
    assert check_leaderboard(reports, tmp_path) == [str(pages[0])]
    assert write_leaderboard(reports, tmp_path) == pages
    assert write_leaderboard(reports, tmp_path) == []
    assert "No model has been submitted yet." in pages[0].read_text()
    assert check_leaderboard(reports, tmp_path) == []
    write_report(reports, *toy_results())
    assert check_leaderboard(reports, tmp_path) == [str(pages[0])]
    write_leaderboard(reports, tmp_path)
    pages[1].write_text("by hand")  # which git does not have
    assert check_leaderboard(reports, tmp_path) == []
    assert write_leaderboard(reports, tmp_path) == [pages[1]]


def test_models_that_rank_alike_share_a_letter_and_have_intervals(tmp_path):
    models(tmp_path)
    entries = read_standings(tmp_path, tmp_path, Estimates())[0].entries
    assert [entry.letters for entry in entries] == ["a"] * len(entries)
    interval = entries[0].intervals["multilingual"]
    assert interval.low <= interval.value <= interval.high


def test_a_report_that_cannot_be_read_is_named(tmp_path):
    models(tmp_path)
    (tmp_path / "better" / "results.json").write_text("{")
    with pytest.raises(ReportError, match=r"better.results\.json: not JSON"):
        read_boards(tmp_path)
    (tmp_path / "better" / "results.json").unlink()
    with pytest.raises(ReportError, match=r"better.results\.json: not there"):
        read_reports(tmp_path)
    with pytest.raises(ReportError, match="not a folder of reports"):
        read_boards(tmp_path / "missing")


def test_a_report_of_another_schema_version_stops_the_leaderboard(tmp_path):
    folder = write_report(tmp_path / "reports", *toy_results())
    target = tmp_path / "leaderboard.md"
    write_leaderboard(tmp_path / "reports", tmp_path)
    before = target.read_bytes()
    edit(folder / "results.json", lambda document: document.update(schema_version=9))
    with pytest.raises(ReportError, match="schema version 9"):
        write_leaderboard(tmp_path / "reports", tmp_path)
    assert target.read_bytes() == before


def test_a_leaderboard_that_cannot_be_written_is_left_as_it_was(tmp_path, monkeypatch):
    write_report(tmp_path / "reports", *toy_results())
    target = tmp_path / "leaderboard.md"
    target.write_text("old")
    monkeypatch.setattr("babelrank.reporting.leaderboard.atomic_write", full_disk)
    with pytest.raises(ReportError, match=r"leaderboard\.md: cannot be written \(No space"):
        write_leaderboard(tmp_path / "reports", tmp_path)
    assert target.read_text() == "old"


def test_matplotlib_is_loaded_only_to_draw():
    modules = ["names", "results", "results_file", "report", "markdown", "leaderboard", "summary", "heatmaps"]
    modules += ["languages", "terminal", "site", "experiment"]
    program = f"import sys; {'; '.join(f'import babelrank.reporting.{m}' for m in modules)}; " + (
        "print({'matplotlib', 'torch', 'sklearn', 'scipy.stats', 'scipy.optimize'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
