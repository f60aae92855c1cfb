"""Results, reports and the leaderboard, on a collection small enough to work out by hand."""

import errno
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.encoding.protocol import EncoderInfo
from babelrank.errors import ReportError
from babelrank.ranking.table import COLUMNS, RelevantRanks, read_ranks
from babelrank.reporting import plots, report
from babelrank.reporting.leaderboard import (
    LEADERBOARD,
    check_leaderboard,
    find_standings,
    read_sections,
    render_leaderboard,
    write_leaderboard,
)
from babelrank.reporting.markdown import escape, render_markdown, reproducing_command
from babelrank.reporting.provenance import Seconds, current_environment
from babelrank.reporting.report import (
    check_reports,
    check_writable,
    find_report,
    lock_reports,
    read_reports,
    refresh_reports,
    render_report,
    write_report,
)
from babelrank.reporting.results import (
    Results,
    collection_results,
    model_results,
)
from babelrank.reporting.results_file import dump, json_schema, parse, read_results

# Two questions in German and English over a pool of six. AP in the pool: de 1 and 3/4, en 5/6 and 2/3.
# Distances: de 1 and 3, en 2 and 5; floor 1; normalised by 6 − 2: de 0 and 1/2, en 1/4 and 1.
ROWS = [
    ("de", "q1", "de", "de/1", 1, 1.0, 1.0),
    ("de", "q1", "en", "en/1", 1, 1.0, 2.0),
    ("de", "q2", "de", "de/2", 1, 1.0, 1.0),
    ("de", "q2", "en", "en/2", 1, 2.0, 4.0),
    ("en", "q1", "de", "de/1", 1, 2.0, 3.0),
    ("en", "q1", "en", "en/1", 1, 1.0, 1.0),
    ("en", "q2", "de", "de/2", 1, 3.0, 6.0),
    ("en", "q2", "en", "en/2", 1, 1.0, 1.0),
]
INFO = EncoderInfo("toy", "use", "toy==1", dimension=4, parameters=1_234_567, settings={"query_prompt": "q| `x` "})


def toy_ranks(rows=ROWS):
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return RelevantRanks(table, ("de", "en"), {"de": 3, "en": 3}, tied=1)


def toy_collection(name, sha256="0" * 64):
    queries = pd.DataFrame(
        [(lang, q, "?") for lang in ("de", "en") for q in ("q1", "q2")], columns=["lang", "id", "text"]
    )
    passages = pd.DataFrame(
        [(lang, f"{lang}/{i}", "!") for lang in ("de", "en") for i in range(3)], columns=["lang", "id", "text"]
    )
    return Collection(name, ("de", "en"), queries, passages, pd.DataFrame(), "sentence", sha256)


def toy_results(names=("xquad-r",), *, name="toy", info=INFO, rows=ROWS, sha256="0" * 64, **model):
    """Results and rank tables as a submission has them."""
    ranks = toy_ranks(rows)
    collections = {
        item: collection_results(
            toy_collection(item, sha256),
            analyse(ranks),
            texts_encoded={"query": 4, "document": 6},
            texts_truncated={"query": 0.25, "document": None},
            seconds=Seconds(1.0, 0.5, 2.5, 0.25, 0.125),
            evaluated=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        for item in names
    }
    described = model_results(info, name=name, submitted_as=info.name, **model)
    return Results(described, collections, current_environment()), dict.fromkeys(names, ranks)


@pytest.fixture
def real_heatmaps():
    """Let a test draw, which takes a while."""


@pytest.fixture(autouse=True)
def _quick_heatmaps(request, monkeypatch):
    if "real_heatmaps" not in request.fixturenames:
        monkeypatch.setattr(plots, "render_heatmap", lambda *_: b"<svg/>")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hidden(reports: Path) -> list[str]:
    return [path.name for path in reports.iterdir() if path.name.startswith(".") and path.name != ".lock"]


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


# results.json


def test_results_hold_the_figures_worked_out_by_hand():
    document = json.loads(dump(toy_results()[0]))
    collection = document["collections"]["xquad-r"]
    assert document["schema_version"] == 2
    assert collection["macro"]["monolingual"]["mAP"] == 1
    assert collection["macro"]["cross_lingual"]["mAP"] == pytest.approx((3 / 4 + 5 / 12) / 2, abs=1e-8)
    assert collection["macro"]["multilingual"]["mAP"] == pytest.approx(13 / 16)
    assert collection["micro"]["multilingual"]["mAP"] == pytest.approx(13 / 16)
    assert collection["macro"]["multilingual"]["rank_distance"] == 2.75
    assert collection["macro"]["multilingual"]["rank_distance_median"] == 2.75
    assert collection["macro"]["multilingual"]["rank_distance_floor"] == 1
    assert collection["macro"]["multilingual"]["rank_distance_normalised"] == 0.4375
    assert collection["pairs"]["scores"]["mAP"] == [[1, 0.75], [pytest.approx(5 / 12, abs=1e-8), 1]]
    assert collection["pairs"]["n"] == [[2, 2], [2, 2]]
    assert collection["pool"] == {"n": [2, 2], "scores": collection["pool"]["scores"]}
    assert collection["favoured"]["mean_rank"] == [[1, 3], [4.5, 1]]
    assert collection["queries"] == {"de": 2, "en": 2}
    assert collection["passages"] == {"de": 3, "en": 3}
    assert collection["evaluated"] == "2025-01-02T03:04:05Z"


def test_results_survive_a_file():
    results, _ = toy_results(("xquad-r", "mlqa-r:de,en"))
    text = dump(results)
    assert dump(parse(text, "x")) == text
    assert parse(text, "x").model == results.model


def test_a_matrix_row_stands_on_one_line():
    assert "\n            [1.0, 0.75],\n            [0.41666667, 1.0]\n" in dump(toy_results()[0])


def test_where_there_is_no_value_there_is_null_not_nan():
    alone = [row for row in ROWS if row[0] == row[2]]
    document = dump(toy_results(rows=alone)[0])
    assert "NaN" not in document
    collection = json.loads(document)["collections"]["xquad-r"]
    assert collection["pairs"]["scores"]["mAP"] == [[1, None], [None, 1]]
    assert collection["macro"]["cross_lingual"]["mAP"] is None
    assert collection["rank_distance"]["mean"] == [None, None]


def test_nan_is_neither_written_nor_read():
    results, _ = toy_results()
    collection = results.collections["xquad-r"]
    broken = replace(collection, micro={"multilingual": {"mAP": float("nan")}})
    with pytest.raises(ReportError, match="NaN"):
        dump(replace(results, collections={"xquad-r": broken}))
    with pytest.raises(ReportError, match="NaN"):
        parse(dump(results).replace('"dimension": 4', '"dimension": NaN'), "x")


@pytest.mark.parametrize(("version", "remedy"), [(3, "upgrade"), (0, "submit the model again"), ("1", "again")])
def test_another_schema_version_is_refused_with_what_to_do(version, remedy):
    text = dump(toy_results()[0]).replace('"schema_version": 2', f'"schema_version": {json.dumps(version)}')
    with pytest.raises(ReportError) as caught:
        parse(text, "some/results.json")
    assert f"some/results.json: schema version {version!r}" in str(caught.value)
    assert "reads versions 1 and 2" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d["model"].update(dimension="4"), "model.dimension: "),
        (lambda d: d["model"].pop("adapter"), "model.adapter: "),
        (lambda d: d["model"].update(similarity="hamming"), "model.similarity: "),
        (lambda d: d.update(extra=1), "extra: "),
        (lambda d: d["model"].update(name="<script>"), "contains <"),
        (lambda d: d["collections"]["xquad-r"].update(sha256="x"), 'collections["xquad-r"].sha256: '),
        (
            lambda d: d["collections"]["xquad-r"]["pairs"]["n"][1].pop(),
            'collections["xquad-r"].pairs.n: expected 2 rows',
        ),
        (lambda d: d["collections"]["xquad-r"]["pool"]["n"].pop(), 'collections["xquad-r"].pool.n: 1 values'),
        (
            lambda d: d["collections"]["xquad-r"]["pairs"]["scores"]["mAP"][0].__setitem__(1, "x"),
            'collections["xquad-r"].pairs.scores.mAP[0][1]: ',
        ),
        (
            lambda d: d["collections"]["xquad-r"]["macro"]["multilingual"].pop("rank_distance"),
            'collections["xquad-r"].macro.multilingual: rank_distance missing',
        ),
        (
            lambda d: d["collections"]["xquad-r"].update(
                ranks={"file": "../x", "sha256": "0" * 64, "rows": 1, "tied": 0}
            ),
            'collections["xquad-r"].ranks.file: ',
        ),
    ],
)
def test_an_invalid_field_is_named(tmp_path, change, place):
    path = tmp_path / "results.json"
    path.write_text(dump(toy_results()[0]))
    edit(path, change)
    with pytest.raises(ReportError) as caught:
        read_results(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}"])
def test_what_is_no_results_file_is_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match="not"):
        read_results(path)
    with pytest.raises(ReportError, match="not there"):
        read_results(tmp_path / "missing.json")


def test_the_schema_describes_every_field():
    schema = json_schema()
    sections = {"Results": schema, **schema["$defs"]}
    fields = {
        (name, key): value for name, section in sections.items() for key, value in section.get("properties", {}).items()
    }
    assert len(fields) > 60
    assert [field for field, value in fields.items() if not value.get("description")] == []
    assert schema["properties"]["schema_version"]["const"] == 2
    assert "schema_version" in schema["required"]


# reports/<slug>/


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


def test_the_same_results_give_the_same_bytes(tmp_path, real_heatmaps):
    first, second = (write_report(tmp_path / name, *toy_results()) for name in ("a", "b"))
    assert snapshot(first) == snapshot(second)
    results = read_results(first / "results.json")
    drawn = render_report(results, first)
    assert {name: drawn[name] for name in drawn if name.endswith(".svg")} == {
        name: content for name, content in snapshot(first).items() if name.endswith(".svg")
    }
    for page in ("report.md", "report.html"):
        assert drawn[page] == (first / page).read_text(encoding="utf-8")


def test_both_pages_show_intervals_and_what_follows_from_the_rank_table(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    for page in ("report.md", "report.html"):
        content = (folder / page).read_text(encoding="utf-8")
        for title in (
            "Preference between languages",
            "Consistency",
            "Groups of languages",
            "Are the differences real?",
        ):
            assert title in content, (page, title)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    row = next(line for line in markdown.splitlines() if line.startswith("| xquad-r |") and "–" in line)
    assert row.startswith("| xquad-r | 1.000–1.000 |")
    # Every table is whole: a row has as many cells as its header.
    lines = markdown.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("|") and lines[i - 1].startswith("|"):
            assert line.count(" |") == lines[i - 1].count(" |"), (lines[i - 1], line)


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
    assert "unlike that below" in after["report.md"].decode()
    assert check_reports(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fingerprint": "toy==2"}, "fingerprint 'toy==1' there, 'toy==2' now"),
        ({"dimension": 8}, "dimension 4 there, 8 now"),
        ({"settings": {"query_prompt": ""}}, "setting query_prompt"),
        ({"settings": {"query_prompt": "q| `x` ", "max_length": 9}}, "setting max_length 'not set' there, 9 now"),
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
    with pytest.raises(ReportError, match="not there"):
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
        monkeypatch.setattr(RelevantRanks, "write", full_disk)
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


def test_stale_files_of_a_report_are_found(tmp_path):
    folder = write_report(tmp_path, *toy_results())
    (folder / "report.md").write_bytes(b"by hand \xff")
    (folder / "report.html").unlink()
    (folder / "xquad-r.pairs.svg").unlink()
    stale = {str(folder / name) for name in ("report.md", "report.html", "xquad-r.pairs.svg")}
    assert set(check_reports(tmp_path)) == stale
    assert {str(path) for path in refresh_reports(tmp_path)} == stale
    assert check_reports(tmp_path) == []
    assert refresh_reports(tmp_path) == []


def test_a_rank_table_that_differs_is_found_and_nothing_brings_it_back(tmp_path):
    table = write_report(tmp_path, *toy_results()) / "xquad-r.ranks.parquet"
    table.write_bytes(b"other")
    assert check_reports(tmp_path) == [str(table)]
    with pytest.raises(ReportError, match=r"xquad-r\.ranks\.parquet"):
        refresh_reports(tmp_path)


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


# report.md


def test_the_report_says_what_was_evaluated_and_what_came_out():
    page = render_markdown(toy_results(("xquad-r",))[0])
    assert "| Mo. | monolingual, 2 settings | 1.000 |" in page
    assert "| Cr. | cross-lingual, 2 settings | 0.583 |" in page
    assert "| Mul. | multilingual, 2 settings | 0.812 |" in page
    assert "| Mul. micro | multilingual, 4 queries | 0.812 |" in page
    assert "| mean over query languages | 2.8 | 2.8 | 1.0 | 0.4375 |" in page
    assert "| German (de) | **1.000** | 0.750 | 0.875 |" in page
    assert "| English (en) | 2 | 3.5 | 3.5 | 1.0 | 0.6250 |" in page
    assert "mean over n = 2 queries" in page
    assert "](xquad-r.share-first.svg)" in page
    assert "| parameters | 1,234,567 |" in page
    assert "CC BY-SA 4.0" in page
    assert "1.00 s to load" in page
    assert "4 queries and 6 passages" in page


def test_n_is_shown_by_cell_where_it_differs():
    page = render_markdown(toy_results(rows=ROWS[:-2])[0])
    assert "mean over n =" not in page
    assert "| English (en) | 1 | 1 | 1 |" in page


def test_tables_stay_tables_whatever_settings_hold():
    page = render_markdown(toy_results()[0])
    rows = [line for line in page.splitlines() if line.startswith("| query_prompt")]
    assert rows == ['| query_prompt | ``"q\\| `x` "`` |']


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b c", "a_b c"),
        ("_a_ *b*", r"\_a\_ \*b\*"),
        ("x | y", r"x \| y"),
        ("[x](http://y)", r"\[x\](http\://y)"),
        ("<b> & $x$", r"\<b\> \& \$x\$"),
        ("www.example.org, me@example.org", r"www\.example.org, me\@example.org"),
        ("R@1, at 10:41", "R@1, at 10:41"),
        ("line\n\n# heading", "line # heading"),
    ],
)
def test_text_is_shown_as_it_is(text, shown):
    assert escape(text) == shown
    assert escape(escape(text)) == shown


def test_the_command_gives_the_same_report_again():
    info = replace(INFO, name="org/model", adapter="sentence-transformers", fingerprint="a" * 40)
    options = {"query_prompt": "it's: ", "max_length": 64}
    results, _ = toy_results(("xquad-r", "mlqa-r:de,en"), name="mine", info=info, options=options)
    assert reproducing_command(results).splitlines() == [
        "babelrank submit org/model \\",
        "  --adapter sentence-transformers \\",
        "  --collection xquad-r \\",
        "  --collection mlqa-r:de,en \\",
        "  --query-prompt 'it'\"'\"'s: ' \\",
        "  --max-length 64 \\",
        f"  --revision {'a' * 40} \\",
        "  --name mine",
    ]
    plain, _ = toy_results()
    assert reproducing_command(plain) == "babelrank submit toy \\\n  --adapter use \\\n  --collection xquad-r"
    folder, _ = toy_results(info=replace(INFO, fingerprint="b" * 64))
    assert "babelrank submit ./toy" in reproducing_command(folder)
    assert "The model is a folder" in render_markdown(folder)


# leaderboard.md


def models(reports):
    """Two models on xquad-r, the better one also on a variant; and what is no report."""
    worse = [(*row[:5], row[5] + 1, row[6] + 1) for row in ROWS]
    write_report(reports, *toy_results(name="a worse [one]", rows=worse))
    write_report(reports, *toy_results(("xquad-r", "xquad-r:paragraph"), name="better"))
    (reports / "README.md").write_text("what is here")
    (reports / ".worse.new.part").mkdir()


def test_the_leaderboard_ranks_by_multilingual_map(tmp_path):
    models(tmp_path / "reports")
    page = render_leaderboard(tmp_path / "reports")[LEADERBOARD]
    rows = [line for line in page.splitlines() if line.startswith(("| 1 ", "| 2 "))]
    better = "[better](reports/better/report.md) | use | 1.23 M | 4 | 1.000 | 0.583 | 0.812 | 0.812 "
    better += "| a | 2.8 | 0.4375 |"
    assert rows[0] == f"| 1 | {better}"
    assert rows[1].startswith(r"| 2 | [a worse \[one\]](reports/a-worse-one/report.md) | use |")
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
    page = render_leaderboard(tmp_path)[LEADERBOARD]
    assert "## xquad-r (files 00000000)" in page
    assert "## xquad-r (files 11111111)" in page


def test_a_stale_leaderboard_is_found(tmp_path):
    reports, pages = tmp_path / "reports", [tmp_path / "leaderboard.md", tmp_path / "leaderboard.html"]
    reports.mkdir()
    assert check_leaderboard(reports, tmp_path) == [str(page) for page in pages]
    assert write_leaderboard(reports, tmp_path) == pages
    assert "No model has been submitted yet." in pages[0].read_text()
    assert check_leaderboard(reports, tmp_path) == []
    write_report(reports, *toy_results())
    assert check_leaderboard(reports, tmp_path) == [str(page) for page in pages]
    write_leaderboard(reports, tmp_path)
    pages[1].write_text("by hand")
    assert check_leaderboard(reports, tmp_path) == [str(pages[1])]


def test_models_that_rank_alike_share_a_letter_and_have_intervals(tmp_path):
    models(tmp_path)
    sections = read_sections(tmp_path, tmp_path)
    standings = find_standings(sections)
    names = [entry.model.name for entry in sections[0].entries]
    assert [standings.letters["xquad-r", name] for name in names] == ["a"] * len(names)
    interval = standings.intervals["xquad-r", names[0]]["multilingual"]
    assert interval.low <= interval.value <= interval.high


def test_a_report_that_cannot_be_read_is_named(tmp_path):
    models(tmp_path)
    (tmp_path / "better" / "results.json").write_text("{")
    with pytest.raises(ReportError, match=r"better.results\.json: not JSON"):
        render_leaderboard(tmp_path)
    (tmp_path / "better" / "results.json").unlink()
    with pytest.raises(ReportError, match=r"better.results\.json: not there"):
        read_reports(tmp_path)
    with pytest.raises(ReportError, match="not a folder of reports"):
        render_leaderboard(tmp_path / "missing")


def test_a_report_of_another_schema_version_stops_the_leaderboard(tmp_path):
    folder = write_report(tmp_path / "reports", *toy_results())
    target = tmp_path / "leaderboard.md"
    write_leaderboard(tmp_path / "reports", tmp_path)
    before = target.read_bytes()
    edit(folder / "results.json", lambda document: document.update(schema_version=3))
    with pytest.raises(ReportError, match="schema version 3"):
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
    modules += ["languages", "terminal"]
    program = f"import sys; {'; '.join(f'import babelrank.reporting.{m}' for m in modules)}; " + (
        "print({'matplotlib', 'torch', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
