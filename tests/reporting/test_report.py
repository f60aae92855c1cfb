"""reports/<slug>/: written whole or not at all, kept, found, checked."""

import errno
import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest
from filelock import FileLock

from babelrank.checkpoints import METADATA_FILE, base_model_of
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable, read_ranks
from babelrank.reporting import refresh, report
from babelrank.reporting.cache import Cache
from babelrank.reporting.leaderboard import read_boards
from babelrank.reporting.pages import render_report
from babelrank.reporting.refresh import check_reports, refresh_reports
from babelrank.reporting.report import (
    check_writable,
    find_ranks,
    find_report,
    lock_reports,
    write_report,
)
from babelrank.reporting.results_file import read_results
from babelrank.reporting.variants import base_names
from toy_reports import INFO, ROWS, edit, full_disk, hidden, snapshot, toy_ranks, toy_results


def test_a_report_is_whole(tmp_path):
    results, ranks = toy_results(("xquad-r", "mlqa-r:de,en"))
    folder = write_report(tmp_path / "new" / "reports", results, ranks)
    assert folder == tmp_path / "new" / "reports" / "toy"
    stems, suffixes = ("xquad-r", "mlqa-r.de-en"), ("pairs.svg", "mean-rank.svg", "share-first.svg", "ranks.parquet")
    pages = {"report.md", "report.html", "results.json"}
    expected = {f"{stem}.{suffix}" for stem in stems for suffix in suffixes} | pages
    assert set(snapshot(folder)) == expected
    assert hidden(folder.parent) == []
    table = read_ranks(folder / "xquad-r.ranks.parquet")
    assert table.table["rank_in_pool"].tolist() == [row[-1] for row in ROWS]
    stored = read_results(folder / "results.json").collections["xquad-r"].ranks
    assert (stored.file, stored.rows, stored.tied) == ("xquad-r.ranks.parquet", 8, 1)
    assert check_reports(folder.parent) == []


def test_the_same_results_give_the_same_bytes(tmp_path):
    first, second = (write_report(tmp_path / name, *toy_results()) for name in ("a", "b"))
    assert snapshot(first) == snapshot(second)
    results = read_results(first / "results.json")
    drawn = render_report(results, first)
    assert {"report.md", "report.html", "xquad-r.pairs.svg"} <= set(drawn)
    for name, content in drawn.items():
        assert content == (first / name).read_text(encoding="utf-8")


def test_pages_link_to_the_leaderboard_if_it_is_there_or_will_be(tmp_path):
    results, ranks = toy_results()
    reports = tmp_path / "reports"

    def is_linked():
        contents = ((reports / "toy" / page).read_text(encoding="utf-8") for page in ("report.md", "report.html"))
        return ["../../leaderboard" in content for content in contents]

    write_report(reports, results, ranks)
    assert is_linked() == [False, False]
    write_report(reports, results, ranks, with_leaderboard=True)
    assert is_linked() == [True, True]
    (tmp_path / "leaderboard.md").write_text("")
    assert check_reports(reports) == []
    write_report(reports, results, ranks)
    assert is_linked() == [True, True]


def test_the_page_has_every_analysis_and_markdown_the_essentials(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    content = (folder / "report.html").read_text(encoding="utf-8")
    for title in ("Preference between languages", "Consistency", "Groups of languages", "Are the differences real?"):
        assert title in content, title
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    assert "| Mo. | monolingual, 2 settings | 1.000 | 1.000 |" in "\n".join(lines)
    # Every table is complete: a row has as many cells as its header.
    for i, line in enumerate(lines):
        if line.startswith("|") and lines[i - 1].startswith("|"):
            assert line.count(" |") == lines[i - 1].count(" |"), (lines[i - 1], line)


def test_adding_a_collection_keeps_where_a_model_comes_from(tmp_path):
    results, ranks = toy_results()
    known = {"seen": ["de"], "base_model": "base", "family": "toys"}
    write_report(tmp_path, replace(results, model=replace(results.model, **known)), ranks)
    folder = write_report(tmp_path, *toy_results(("mlqa-r",)))
    model = read_results(folder / "results.json").model
    assert (model.seen, model.base_model, model.family) == (["de"], "base", "toys")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": None, "b": "a", "c": "b"}, {"a": "a", "b": "a", "c": "a"}),
        ({"a": None, "b": "folder-of-a"}, {"a": "a", "b": "a"}),  # by the name under which it was submitted
        ({"b": "elsewhere", "c": "elsewhere"}, {"b": "elsewhere", "c": "elsewhere"}),
        ({"a": "b", "b": "a"}, {"a": "b", "b": "a"}),
    ],
)
def test_variants_belong_to_the_model_that_they_were_made_of(given, expected):
    model = toy_results()[0].model
    models = [
        replace(model, name=name, submitted_as=f"folder-of-{name}", base_model=base) for name, base in given.items()
    ]
    assert base_names(models) == expected


def test_a_checkpoint_says_what_it_was_trained_from(tmp_path):
    assert base_model_of(tmp_path) is None
    metadata = {"config": {"model": {"start": "/some/where/base"}}}
    (tmp_path / METADATA_FILE).write_text(json.dumps(metadata))
    assert base_model_of(tmp_path) == "base"


def test_collections_evaluated_earlier_are_kept_and_those_of_the_same_name_replaced(tmp_path):
    write_report(tmp_path, *toy_results(("xquad-r", "mlqa-r")))
    before = snapshot(tmp_path / "toy")
    (tmp_path / "toy" / "notes.txt").write_text("mine")
    swapped = [(*row[:5], row[6], row[6]) for row in ROWS]
    results, ranks = toy_results(("mlqa-r", "sample"), rows=swapped)
    elsewhere = replace(results.environment, python="3.99")
    write_report(tmp_path, replace(results, environment=elsewhere), ranks)
    after, merged = snapshot(tmp_path / "toy"), read_results(tmp_path / "toy" / "results.json")
    assert list(merged.collections) == ["xquad-r", "mlqa-r", "sample"]
    assert after["xquad-r.ranks.parquet"] == before["xquad-r.ranks.parquet"]
    assert after["mlqa-r.ranks.parquet"] != before["mlqa-r.ranks.parquet"]
    assert after["notes.txt"] == b"mine"
    assert merged.environment.python == "3.99"
    assert merged.collections["xquad-r"].environment == results.environment
    assert merged.collections["mlqa-r"].environment is None
    assert "differs from the one below" in after["report.md"].decode()
    assert check_reports(tmp_path) == []


def test_languages_seen_are_kept_until_others_are_named(tmp_path):
    for collection, seen, kept in (("xquad-r", ["de"], ["de"]), ("mlqa-r", None, ["de"]), ("sample", [], [])):
        results, ranks = toy_results((collection,))
        folder = write_report(tmp_path, replace(results, model=replace(results.model, seen=seen)), ranks)
        assert read_results(folder / "results.json").model.seen == kept


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fingerprint": "toy==2"}, "fingerprint was 'toy==1', now 'toy==2'"),
        ({"dimension": 8}, "dimension was 4, now 8"),
        ({"settings": {"query_prompt": ""}}, "setting query_prompt"),
        ({"settings": {"query_prompt": "q| `x` ", "max_length": 9}}, "setting max_length was 'not set', now 9"),
    ],
)
def test_another_model_of_the_same_name_is_refused(tmp_path, change, named):
    write_report(tmp_path, *toy_results())
    before = snapshot(tmp_path / "toy")
    results, ranks = toy_results(info=replace(INFO, **change))
    for attempt in (lambda: check_writable(tmp_path, results.model), lambda: write_report(tmp_path, results, ranks)):
        with pytest.raises(ReportError) as caught:
            attempt()
        assert named in str(caught.value)
        assert "--name" in str(caught.value)
    assert snapshot(tmp_path / "toy") == before
    assert hidden(tmp_path) == []


def test_a_renamed_folder_of_the_same_model_is_the_same_model(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    results, ranks = toy_results(info=replace(INFO, name="elsewhere"))
    check_writable(tmp_path, results.model)
    assert write_report(tmp_path, results, ranks) == folder


def test_a_report_of_another_schema_version_is_not_touched(tmp_path):
    results, ranks = toy_results()
    folder = write_report(tmp_path, results, ranks)
    edit(folder / "results.json", lambda document: document.update(schema_version=0))
    before = snapshot(folder)
    for attempt in (lambda: check_writable(tmp_path, results.model), lambda: write_report(tmp_path, results, ranks)):
        with pytest.raises(ReportError, match=r"schema version 0.*--name"):
            attempt()
    assert snapshot(folder) == before


def test_a_folder_that_is_no_report_is_not_touched(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "thesis.txt").write_text("years of work")
    results, ranks = toy_results()
    with pytest.raises(ReportError, match="not found"):
        write_report(tmp_path, results, ranks)
    assert snapshot(tmp_path / "toy") == {"thesis.txt": b"years of work"}


def test_a_read_only_folder_is_found_before_anything_is_encoded(tmp_path, monkeypatch):
    def read_only(*_args, **_kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(report.tempfile, "mkdtemp", read_only)
    with pytest.raises(ReportError, match=r"Read-only file system.*--out"):
        check_writable(tmp_path, toy_results()[0].model)


def test_a_file_in_the_place_of_the_folder_is_found_early(tmp_path):
    (tmp_path / "reports").write_text("")
    model = toy_results()[0].model
    with pytest.raises(ReportError, match="is a file"):
        check_writable(tmp_path / "reports", model)
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(tmp_path / "reports", *toy_results())


def test_the_early_check_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "a" / "b", toy_results()[0].model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["results.json", "report.md", "xquad-r.mean-rank.svg", "ranks"])
def test_a_full_disk_leaves_the_old_report_whole(tmp_path, monkeypatch, part):
    write_report(tmp_path, *toy_results())
    before = snapshot(tmp_path / "toy")
    if part == "ranks":
        monkeypatch.setattr(RankTable, "write", full_disk)
    else:
        write = report.atomic_write
        monkeypatch.setattr(
            report, "atomic_write", lambda path, content: full_disk() if path.name == part else write(path, content)
        )
    for reports, remaining in ((tmp_path, before), (tmp_path / "fresh", {})):
        with pytest.raises(ReportError, match="No space left on device"):
            write_report(reports, *toy_results(("xquad-r", "mlqa-r")))
        assert snapshot(reports / "toy") == remaining
        assert hidden(reports) == []
    assert not (tmp_path / "fresh" / "toy").exists()


def test_a_failed_swap_brings_the_old_report_back(tmp_path, monkeypatch):
    write_report(tmp_path, *toy_results())
    before, rename = snapshot(tmp_path / "toy"), Path.rename
    monkeypatch.setattr(
        Path, "rename", lambda self, target: full_disk() if ".new." in self.name else rename(self, target)
    )
    with pytest.raises(ReportError, match="No space"):
        write_report(tmp_path, *toy_results(("mlqa-r",)))
    assert snapshot(tmp_path / "toy") == before
    assert hidden(tmp_path) == []


def test_what_a_killed_process_left_is_cleared_up(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    folder.rename(tmp_path / ".toy.old.part")  # killed between the two renames
    (tmp_path / ".toy.new.part").mkdir()
    write_report(tmp_path, *toy_results(("mlqa-r",)))
    assert list(read_results(folder / "results.json").collections) == ["xquad-r", "mlqa-r"]
    assert hidden(tmp_path) == []


def test_a_damaged_rank_table_is_not_carried_on(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    (folder / "xquad-r.ranks.parquet").write_bytes(b"")
    with pytest.raises(ReportError, match=r"xquad-r\.ranks\.parquet"):
        write_report(tmp_path, *toy_results(("mlqa-r",)))
    write_report(tmp_path, *toy_results(("xquad-r", "mlqa-r")))
    assert check_reports(tmp_path) == []


def test_a_second_writer_waits_and_then_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_LOCK_SECONDS", 0)
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(ReportError, match="another babelrank"),
        lock_reports(tmp_path),
    ):
        pass


def test_a_writer_that_waits_says_so_and_goes_on(tmp_path, caplog):
    lock = FileLock(tmp_path / ".lock", thread_local=False)
    lock.acquire()
    release = Timer(0.2, lock.release)
    release.start()
    with lock_reports(tmp_path):
        pass
    release.join()
    assert [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()] == [
        f"{tmp_path}: another babelrank is writing here; waiting until it is done."
    ]


def test_reports_are_drawn_one_by_one_so_that_others_can_write_in_between(tmp_path, monkeypatch):
    for name in ("first", "second"):
        write_report(tmp_path, *toy_results(name=name))
    held = []

    @contextmanager
    def counting(reports):
        held.append([])
        yield

    def draw(folder, _results, _cache, **_options):
        held[-1].append(folder.name)
        return {}

    monkeypatch.setattr(refresh, "lock_reports", counting)
    monkeypatch.setattr(refresh, "draw_report", draw)
    refresh_reports(tmp_path)
    assert held == [["first"], ["second"]]


def test_stale_files_of_a_report_are_found(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    (folder / "report.md").write_bytes(b"by hand \xff")
    (folder / "report.html").unlink()
    (folder / "xquad-r.pairs.svg").unlink()
    committed = {str(folder / name) for name in ("report.md", "xquad-r.pairs.svg")}
    assert set(check_reports(tmp_path)) == committed
    assert {str(path) for path in refresh_reports(tmp_path)} == committed | {str(folder / "report.html")}
    assert check_reports(tmp_path) == []
    assert refresh_reports(tmp_path) == []


def test_a_current_report_is_not_drawn_again_and_a_changed_one_is(tmp_path, monkeypatch):
    folder = write_report(tmp_path, *toy_results())
    drawn = []
    render = refresh.render_report

    def counting(results, folder, **options):
        drawn.append(folder.name)
        return render(results, folder, **options)

    monkeypatch.setattr(refresh, "render_report", counting)
    refresh_reports(tmp_path)
    assert drawn == ["toy"]  # nothing is known of it yet
    refresh_reports(tmp_path)
    assert drawn == ["toy"]
    (folder / "report.html").write_text("by hand")
    assert refresh_reports(tmp_path) == [folder / "report.html"]
    edit(folder / "results.json", lambda document: document["model"].update(parameters=5))
    assert folder / "report.md" in refresh_reports(tmp_path)
    monkeypatch.setattr("babelrank.reporting.cache.code_digest", lambda: "another version of babelrank")
    drawn.clear()
    refresh_reports(tmp_path)
    assert drawn == ["toy"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"code": "x"}'])
def test_a_cache_that_cannot_be_read_is_as_good_as_none(tmp_path, content):
    write_report(tmp_path, *toy_results())
    (tmp_path / ".cache.json").write_text(content)
    assert refresh_reports(tmp_path) == []
    assert check_reports(tmp_path, Cache(tmp_path / ".cache.json")) == []


def test_a_rank_table_that_differs_is_found_and_nothing_brings_it_back(tmp_path):
    table = write_report(tmp_path, *toy_results()) / "xquad-r.ranks.parquet"
    table.write_bytes(b"other")
    assert check_reports(tmp_path) == [str(table)]
    with pytest.raises(ReportError, match=r"xquad-r\.ranks\.parquet"):
        refresh_reports(tmp_path)


def test_a_rank_table_of_other_results_is_not_read(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    toy_ranks([(*row[:5], row[6], row[6]) for row in ROWS]).write(folder / "xquad-r.ranks.parquet")
    for attempt in (
        lambda: find_ranks("toy", "xquad-r", tmp_path),
        lambda: read_boards(tmp_path),
        lambda: refresh_reports(tmp_path),
    ):
        with pytest.raises(ReportError, match=r"toy.xquad-r\.ranks\.parquet: missing, or its checksum"):
            attempt()


def test_rank_tables_must_be_those_of_the_results(tmp_path):
    results, _ = toy_results()
    with pytest.raises(ReportError, match="mlqa-r"):
        write_report(tmp_path, results, {"mlqa-r": toy_ranks()})
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_found_by_name_folder_or_path(tmp_path):
    folder = write_report(tmp_path, *toy_results(name="Org/Toy"))
    for given in ("Org/Toy", "org-toy", str(folder)):
        assert find_report(given, tmp_path).model.name == "Org/Toy"
    for given in ("org-toi", "/no/such"):
        with pytest.raises(ReportError, match="org-toy"):
            find_report(given, tmp_path)
