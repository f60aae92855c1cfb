"""Refreshing makes nothing again that is up to date, also after an interruption."""

import re

import pytest

import babelrank
from babelrank.reporting import leaderboard, refresh
from babelrank.reporting.report import write_report
from observers import RecordingTrainingObserver
from toy_reports import full_disk, toy_results


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    write_report(folder, *toy_results(), with_leaderboard=True)
    babelrank.refresh_pages(folder)
    return folder


@pytest.fixture
def looks(monkeypatch):
    """Return the folders whose reports were looked at one by one."""
    found = []
    for module, name in ((refresh, "refresh_reports"), (refresh, "check_reports")):
        function = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda folder, *args, do=function, **named: found.append(folder) or do(folder, *args, **named)
        )
    return found


def test_nothing_is_read_again_if_no_file_changed(reports, looks):
    assert babelrank.refresh_pages(reports) == []
    assert list(babelrank.check_pages(reports)) == []
    assert looks == []


@pytest.mark.parametrize(
    "name",
    ["toy/report.md", "toy/report.html", "toy/toy.xquad-r.pairs.svg", "../leaderboard.md", "../leaderboard.html"],
)
@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_a_page_that_changed_is_made_again(reports, looks, name, how):
    path = next(reports.glob("toy/*.svg")) if name.endswith(".svg") else reports / name
    content = path.read_bytes()
    path.unlink() if how == "deleted" else path.write_bytes(content + b"\n")
    assert [each.resolve() for each in babelrank.refresh_pages(reports)] == [path.resolve()]
    assert path.read_bytes() == content
    assert looks == [reports]
    assert babelrank.refresh_pages(reports) == []
    assert len(looks) == 1


def test_a_report_that_is_added_or_removed_changes_the_leaderboard(reports):
    write_report(reports, *toy_results(name="newcomer"), with_leaderboard=True)
    assert reports.parent / "leaderboard.md" in babelrank.refresh_pages(reports)
    assert "newcomer" in (reports.parent / "leaderboard.md").read_text(encoding="utf-8")
    babelrank.remove_reports("newcomer", reports=reports)
    assert "newcomer" not in (reports.parent / "leaderboard.md").read_text(encoding="utf-8")


def test_a_damaged_table_is_found(reports):
    table = next(reports.glob("toy/*.parquet"))
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(babelrank.BabelrankError, match=re.escape(table.name)):
        list(babelrank.check_pages(reports))


def test_another_margin_and_other_code_are_looked_at(reports, looks, monkeypatch):
    babelrank.refresh_pages(reports, margin=0.01)
    assert len(looks) == 1
    monkeypatch.setattr("babelrank.reporting.snapshot.code_digest", lambda: "other")
    babelrank.refresh_pages(reports, margin=0.01)
    assert len(looks) == 2


def test_a_report_that_comes_in_between_is_not_taken_for_known(reports, monkeypatch):
    (reports.parent / "leaderboard.md").unlink()
    write = leaderboard.write_leaderboard

    def write_late(*args, **named):
        changed = write(*args, **named)
        write_report(reports, *toy_results(name="late"), with_leaderboard=True)
        return changed

    monkeypatch.setattr(leaderboard, "write_leaderboard", write_late)
    babelrank.refresh_pages(reports)
    monkeypatch.undo()
    assert reports.parent / "leaderboard.md" in babelrank.refresh_pages(reports)
    assert "late" in (reports.parent / "leaderboard.md").read_text(encoding="utf-8")


def test_a_snapshot_that_cannot_be_written_or_read_costs_only_time(reports, looks, monkeypatch):
    snapshot = reports / ".snapshot"
    snapshot.write_bytes(b"\xff")
    monkeypatch.setattr("babelrank.reporting.snapshot.atomic_write", full_disk)
    assert babelrank.refresh_pages(reports) == []
    assert looks == [reports]


def test_an_interrupted_refresh_shows_where_it_is_and_continues(tmp_path, monkeypatch):
    names = ["a", "b", "c"]
    for name in names:
        write_report(tmp_path, *toy_results(name=name))
    drawn, counted, render = [], [], refresh.render_report

    def interrupted(results, folder, **options):
        drawn.append(folder.name)
        if drawn == ["a", "b"]:
            raise KeyboardInterrupt
        return render(results, folder, **options)

    monkeypatch.setattr(refresh, "render_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        refresh.refresh_reports(tmp_path, on_progress=lambda done, total: counted.append((done, total)))
    assert counted == [(1, 3)]
    refresh.refresh_reports(tmp_path)
    assert drawn == ["a", "b", "b", "c"]


def test_progress_is_shown_of_what_there_is_to_count(reports):
    write_report(reports, *toy_results(name="newcomer"), with_leaderboard=True)
    observer = RecordingTrainingObserver()
    babelrank.refresh_pages(reports, observer=observer)
    collections = len(toy_results()[0].collections)
    expected = {"reports": (2, 2, "reports"), "leaderboard": (collections, collections, "collections")}
    assert observer.counted == expected
    (reports.parent / "leaderboard.md").write_text("")
    observer = RecordingTrainingObserver()
    assert list(babelrank.check_pages(reports, observer=observer)) == [reports.parent / "leaderboard.md"]
    assert observer.counted == expected


def test_an_interrupted_leaderboard_keeps_what_it_estimated(reports, tmp_path):
    (reports / ".cache.json").unlink()

    def interrupt(done, total):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leaderboard.write_leaderboard(reports, tmp_path, on_progress=interrupt)
    assert (reports / ".cache.json").is_file()
