"""leaderboard.md and what it is made of."""

import subprocess
import sys
from dataclasses import replace

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.leaderboard import (
    check_leaderboard,
    read_boards,
    render_leaderboard,
    render_leaderboard_html,
    write_leaderboard,
)
from babelrank.reporting.report import read_reports, write_report
from babelrank.reporting.standings import read_standings
from babelrank.reporting.tables import Link
from toy_reports import INFO, ROWS, edit, full_disk, toy_results


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
    better = "[better](reports/better/report.md), use, dense | 1.000 | 0.583 | 0.812 | 0.812 "
    # y is ∓ln 2 / 2 and ∓ln 4 / 2 for German questions, ±ln 3 / 2 and ±ln 6 / 2 for English ones.
    better += "| 0.423 | en −0.10 | de +0.10 | 2.8 | 1.23 M |"
    assert rows[0] == f"| 1 | {better}"
    assert rows[1].startswith(r"| 2 | [a worse \[one\]](reports/a-worse-one/report.md), use, dense |")
    assert rows[2] == rows[0]
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## xquad-r",
        "## xquad-r:paragraph",
        "## What the columns mean",
    ]


def test_origin_licence_and_unknown_training_are_shown_if_known(tmp_path):
    info = replace(INFO, name="org/toy", fingerprint="0" * 40, notes={"licence": "mit"})
    notes = {"training texts not compared with": "mlqa-r, xquad-r", **info.notes}
    write_report(tmp_path, *toy_results(name="toy", info=replace(info, notes=notes)))
    (board,) = read_boards(tmp_path)
    (row,) = board.table.rows
    cells = dict(zip((column.key for column in board.table.columns), row, strict=True))
    assert (cells["licence"], cells["hub"].href) == ("mit", "https://huggingface.co/org/toy")
    assert cells["name"].badge == "unchecked"
    page = render_leaderboard_html([board])
    assert "were not compared with this collection" in page
    assert '<a href="https://huggingface.co/org/toy">page</a>' in page


def test_a_checkpoint_that_was_trained_on_a_collection_has_a_badge(tmp_path):
    for collection, note in (("mlqa-r", "mlqa-r (1 of 9 examples)"), ("xquad-r", "xquad-r (1,874 of 5,125 examples)")):
        info = replace(INFO, notes={"trained on texts of": note})
        write_report(tmp_path, *toy_results((collection,), info=info))
    boards = read_boards(tmp_path)
    cells = [cell for board in boards for cell in board.table.rows[0] if isinstance(cell, Link)]
    assert [cell.badge for cell in cells if cell.badge] == ["trained on", "trained on"]


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


def test_with_few_questions_there_is_a_warning_and_no_intervals_and_letters(tmp_path):
    models(tmp_path)
    entries = read_standings(tmp_path, tmp_path, Estimates())[0].entries
    assert all(set(entry.letters.values()) == {""} for entry in entries)
    intervals = [each for entry in entries for each in entry.estimates["mAP"].intervals.values()]
    assert len(intervals) == 8
    assert not any(each.is_known for each in intervals)
    assert "only 2 independent groups of questions" in render_leaderboard(read_boards(tmp_path))


@pytest.fixture
def questions():
    """Rows of 40 questions in two languages, of which the first `wrong` have their answers at rank 2."""

    def make(wrong):
        return [
            (query, f"q{i}", lang, f"{lang}/{i}", 1, 1.0 + (i < wrong), 2.0 + (query != lang) + (i < wrong))
            for query in ("de", "en")
            for i in range(40)
            for lang in ("de", "en")
        ]

    return make


def test_models_share_a_letter_and_a_number_if_they_do_not_differ(tmp_path, questions):
    for name, wrong in (("good", 2), ("as good", 3), ("bad", 30)):
        write_report(tmp_path, *toy_results(name=name, rows=questions(wrong), info=replace(INFO, fingerprint=name)))
    entries = read_standings(tmp_path, tmp_path, Estimates())[0].entries
    assert [entry.letters["mAP"] for entry in entries] == ["a", "a", "b"]
    interval = entries[0].estimates["mAP"].intervals["multilingual"]
    assert interval.low <= interval.value <= interval.high
    rows = [line.split(" | ") for line in render_leaderboard(read_boards(tmp_path)).splitlines() if "report.md" in line]
    assert [(row[0], row[2]) for row in rows] == [("| 1", "a"), ("| 1", "a"), ("| 3", "b")]
    far = read_standings(tmp_path, tmp_path, Estimates(), margin=0.5)[0].entries
    assert [entry.letters["mAP"] for entry in far] == ["a", "a", "a"]


def test_collections_side_by_side_have_letters_each_and_their_average_has_its_own(tmp_path):
    # Of 40 queries: how many find their passage at rank 10 rather than 1, in each of two collections.
    for name, wrong in (("good", (2, 3)), ("mixed", (3, 30)), ("bad", (30, 32)), ("half", (1,))):
        for collection, count in zip(("beir:one", "beir:two"), wrong, strict=False):
            rows = [("en", f"q{i}", "en", f"en/{i}", 1, *[10.0 if i < count else 1.0] * 2) for i in range(40)]
            info = replace(INFO, fingerprint=name)
            results = toy_results((collection,), name=name, rows=rows, info=info, languages=("en",))
            write_report(tmp_path, *results)
    (board,) = read_boards(tmp_path)
    page = render_leaderboard([board]).split("nDCG@10 ↑")[1]
    header, _, *rows = [line.split(" | ") for line in page.splitlines() if line.startswith("|")][:6]
    assert header[1:8] == ["model", "group", "one ↑", "group", "two ↑", "group", "average ↑"]
    assert [(row[0], row[1].split("]")[0][1:], row[2], row[4], row[6]) for row in rows] == [
        ("| 1", "good", "a", "a", "a"),
        ("| 2", "mixed", "a", "b", "b"),
        ("| 3", "bad", "b", "b", "c"),
        ("| 4", "half", "a", "–", "–"),
    ]
    first = dict(zip([column.key for column in board.table.columns], board.table.rows[0], strict=True))
    one, two, average = (first[f"nDCG@10/{label}"] for label in ("one", "two", "average"))
    assert average.value == pytest.approx((one.value + two.value) / 2)
    assert average.low < average.value < average.high
    assert "detects a difference of" in board.note
    assert "in average (nDCG@10)" in board.note


def test_seeds_of_one_recipe_share_a_letter_and_variants_are_under_their_base(tmp_path, questions):
    reports, experiment = tmp_path / "reports", tmp_path / "experiments" / "some" / "experiment.toml"
    for name, wrong, base in (("base", 10, None), ("seed 0", 2, "base"), ("seed 1", 30, "base"), ("other", 20, None)):
        results, ranks = toy_results(name=name, rows=questions(wrong), info=replace(INFO, fingerprint=name))
        write_report(reports, replace(results, model=replace(results.model, base_model=base)), ranks)
    experiment.parent.mkdir(parents=True)
    experiment.write_text(
        'title = "t"\ntext = "x"\ncollections = ["xquad-r"]\nstart = "base"\n'
        'runs = [{label = "base", report = "base"}, {label = "new", report = "seed-0", repeats = ["seed-1"]}]\n'
    )
    letters = {
        entry.model.name: entry.letters["mAP"] for entry in read_standings(reports, tmp_path, Estimates())[0].entries
    }
    assert set(letters["seed 0"]) & set(letters["seed 1"])
    assert not set(letters["seed 0"]) & set(letters["base"])
    page = render_leaderboard(read_boards(reports, tmp_path))
    above, folded = page.split("<details>")
    assert [name in above for name in ("[base]", "[other]", "[seed 0]")] == [True, True, False]
    assert "<summary>2 variants of base, mAP ↑</summary>" in folded
    assert folded.count("**searched**") == 3  # with what the word means


def test_a_report_that_cannot_be_read_is_named(tmp_path):
    models(tmp_path)
    (tmp_path / "better" / "results.json").write_text("{")
    with pytest.raises(ReportError, match=r"better.results\.json: not JSON"):
        read_boards(tmp_path)
    (tmp_path / "better" / "results.json").unlink()
    with pytest.raises(ReportError, match=r"better.results\.json: not found"):
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
