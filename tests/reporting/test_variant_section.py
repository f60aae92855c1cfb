"""Variants of queries in a report: compared with the original questions."""

from babelrank.reporting.refresh import check_reports
from babelrank.reporting.report import write_report
from toy_reports import ROWS, toy_results


def test_a_variant_is_compared_with_the_original_questions(tmp_path):
    best = [(*row[:5], 1.0, 1.0 + i % 2) for i, row in enumerate(ROWS)]
    for name, rows in (("local:own", ROWS), ("local:own@human", best), ("local:other@human", best)):
        folder = write_report(tmp_path, *toy_results((name,), rows=rows))
    page = (folder / "report.md").read_text(encoding="utf-8")
    human = page.split("## local:own@human\n")[1]
    assert page.count("### Against the original questions") == human.count("### Against the original questions") == 1
    # AP in the pool was 1 and 3/4 for German questions, 5/6 and 2/3 for English ones.
    assert "| German (de) | 2 | 0.875 | 1.000 | +0.125 |\n| English (en) | 2 | 0.750 | 1.000 | +0.250 |" in human
    assert "| mean over languages | – | – | – | +0.188 |" in human
    assert (folder / "report.html").read_text(encoding="utf-8").count(">Against the original questions</h3>") == 1
    assert check_reports(tmp_path) == []


def test_each_pair_of_versions_is_compared_once(tmp_path):
    best = [(*row[:5], 1.0, 1.0 + i % 2) for i, row in enumerate(ROWS)]
    for name, rows in (("local:own", ROWS), ("local:own@human", best), ("local:own@machine", ROWS)):
        folder = write_report(tmp_path, *toy_results((name,), rows=rows))
    page = (folder / "report.md").read_text(encoding="utf-8")
    human, machine = page.split("## local:own@human\n")[1].split("## local:own@machine\n")
    assert "### Against the original questions" in human
    assert "### Against other versions of the questions" in machine
    assert "| query language | questions | original ↑ | machine ↑ | gain |" in machine
    assert "| query language | questions | human ↑ | machine ↑ | gain |" in machine
    assert "| mean over languages | – | – | – | +0.000 |" in machine
    assert "| mean over languages | – | – | – | −0.188 |" in machine
    assert check_reports(tmp_path) == []
