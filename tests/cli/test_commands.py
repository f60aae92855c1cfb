"""The command line as people type it: what it prints, what it leaves behind, and how it fails."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import babelrank as api
from babelrank.observer import Observer
from command_line import Babelrank, Outcome


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store of representations for the module, so that the sample is encoded once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def submission(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a report on the sample and a leaderboard."""
    folder = tmp_path_factory.mktemp("submission")
    api.submit("use-multilingual-v3", "sample", reports=folder / "reports", store=store, observer=Observer())
    return folder


@pytest.fixture
def submitted(babelrank: Babelrank, submission: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands run."""
    return shutil.copytree(submission, tmp_path, dirs_exist_ok=True)


def submit_sample(babelrank: Babelrank, store: Path, *more: object, collection: str = "sample") -> Outcome:
    return babelrank("submit", "use-multilingual-v3", "--collection", collection, "--store", store, *more)


def test_submit_writes_a_report_and_the_leaderboard(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    outcome = submit_sample(babelrank, store)
    assert outcome.code == 0, outcome.err
    report = tmp_path / "reports" / "use-multilingual-v3"
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert 0.7 < results["collections"]["sample"]["macro"]["monolingual"]["mAP"] < 0.8
    assert f"{report / 'report.html'}" in outcome.out
    assert "0.736" in outcome.out
    assert "use-multilingual-v3" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")


def test_languages_seen_in_training_are_recorded(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    outcome = submit_sample(babelrank, store, "--seen", "en,de")
    assert outcome.code == 0, outcome.err
    report = tmp_path / "reports" / "use-multilingual-v3"
    assert json.loads((report / "results.json").read_text(encoding="utf-8"))["model"]["seen"] == ["de", "en"]
    assert "both seen" in (report / "report.html").read_text(encoding="utf-8")
    assert "--seen de,en" in (report / "report.md").read_text(encoding="utf-8")


def test_submit_with_out_leaves_the_leaderboard_alone(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    assert submit_sample(babelrank, store, "--out", tmp_path / "elsewhere").code == 0
    assert (tmp_path / "elsewhere" / "use-multilingual-v3" / "results.json").is_file()
    assert not (tmp_path / "leaderboard.md").exists()
    assert not (tmp_path / "reports").exists()


def test_a_second_submission_encodes_nothing(babelrank: Babelrank, tmp_path: Path) -> None:
    encoded, costs = [], []
    for _ in range(2):
        assert submit_sample(babelrank, tmp_path / "store", collection="sample:de,en").code == 0
        results = json.loads((tmp_path / "reports/use-multilingual-v3/results.json").read_text(encoding="utf-8"))
        encoded.append(results["collections"]["sample:de,en"]["texts_encoded"])
        costs.append(results["collections"]["sample:de,en"]["cost"])
        report = (tmp_path / "reports/use-multilingual-v3/report.md").read_text(encoding="utf-8")
        leaderboard = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
        assert "2,048 bytes per vector" in report
        assert ("texts per second on " in report) == ("texts/s" in leaderboard) == (len(costs) == 1)
    assert encoded == [{"query": 56, "document": 140}, {"query": 0, "document": 0}]
    assert costs[0]["texts_per_second"] > 0
    assert costs[1]["texts_per_second"] is None
    assert [cost["bytes_per_vector"] for cost in costs] == [2048, 2048]
    assert all(re.search(r", (1 core|\d+ cores)$", cost["hardware"]) for cost in costs)


def test_a_setting_that_changes_figures_makes_another_report(
    babelrank: Babelrank, store: Path, submitted: Path
) -> None:
    assert submit_sample(babelrank, store, "--query-prompt", "question: ", collection="sample:en").code == 0
    assert len([path for path in (submitted / "reports").iterdir() if path.is_dir()]) == 2


def test_a_name_that_another_model_has_is_refused(babelrank: Babelrank, store: Path) -> None:
    assert submit_sample(babelrank, store, "--name", "mine").code == 0
    outcome = submit_sample(babelrank, store, "--name", "mine", "--query-prompt", "question: ")
    assert outcome.code == 2
    assert "query_prompt" in outcome.err
    assert "--name" in outcome.err


def test_candidates_and_languages_are_named_in_the_result(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    collections = ("-c", "sample:paragraph:en,de", "-c", "sample:sentence+context")
    outcome = babelrank("submit", "bm25", "--store", store, *collections)
    assert outcome.code == 0, outcome.err
    results = json.loads((tmp_path / "reports/bm25/results.json").read_text(encoding="utf-8"))
    paragraphs, context = (
        results["collections"][name] for name in ("sample:paragraph:de,en", "sample:sentence+context")
    )
    assert (paragraphs["candidates"], paragraphs["languages"], paragraphs["passages"]) == (
        "paragraph",
        ["de", "en"],
        {"de": 14, "en": 14},
    )
    assert (context["candidates"], len(context["languages"])) == ("sentence+context", 11)


def test_a_run_can_be_exported(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    import ir_measures

    assert submit_sample(babelrank, store, "--run", tmp_path / "runs").code == 0
    run = list(ir_measures.read_trec_run(str(tmp_path / "runs" / "sample.use-multilingual-v3.run")))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "runs" / "sample.qrels")))
    assert (len(run), len(qrels)) == (308 * 100, 308 * 11)
    results = json.loads((tmp_path / "reports/use-multilingual-v3/results.json").read_text(encoding="utf-8"))
    expected = results["collections"]["sample"]["micro"]["multilingual"]
    measured = ir_measures.calc_aggregate([ir_measures.R @ 10, ir_measures.RR @ 10], qrels, run)
    assert measured[ir_measures.R @ 10] == pytest.approx(expected["R@10"], abs=1e-6)
    assert measured[ir_measures.RR @ 10] == pytest.approx(expected["MRR@10"], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "use-multilingual-v3", "-c", "xquad"], "Did you mean 'xquad-r'?"),
        (["submit", "use-multilingual-v3", "-c", "sample:xx"], "unknown language 'xx'"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--seen", "en;de"], "'en;de': expected ISO 639-1 codes"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--adapter", "uze"], "Did you mean 'use'?"),
        (["submit", "no/such/model", "-c", "sample"], "no such folder"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--name", "../x"], "'../x'"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--name", "<b>x</b>"], "contains <"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--name", "a\x07b"], "control character U+0007"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--dtype", "float16"], "does not support --dtype"),
        (["submit", "use-multilingual-v3", "-c", "sample", "--similarity", "cosin"], "Did you mean 'cosine'?"),
        (["plot", "nothing"], "unknown report 'nothing'"),
        (["data", "verify", "xquad"], "Did you mean 'xquad-r'?"),
    ],
)
def test_a_mistake_is_an_error_that_names_it_and_leaves_nothing(
    babelrank: Babelrank, tmp_path: Path, arguments: list[str], said: str
) -> None:
    outcome = babelrank(*arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_model_is_refused(babelrank: Babelrank, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    outcome = babelrank("submit", tmp_path / "model", "-c", "sample")
    assert outcome.code == 2
    assert "modules.json" in outcome.err


def test_missing_data_names_the_option_and_the_command(babelrank: Babelrank, tmp_path: Path) -> None:
    outcome = babelrank("submit", "use-multilingual-v3", "-c", "xquad-r", "--data", tmp_path)
    assert outcome.code == 2
    assert "--data" in outcome.err
    assert "babelrank data fetch xquad-r" in outcome.err


def test_damaged_data_is_reported_before_anything_is_encoded(
    babelrank: Babelrank, tmp_path: Path, real_data: Path
) -> None:
    shutil.copytree(real_data / "mlqa-r", tmp_path / "data" / "mlqa-r")
    path = tmp_path / "data" / "mlqa-r" / "de.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:5000])
    outcome = babelrank("submit", "use-multilingual-v3", "-c", "mlqa-r", "--data", tmp_path / "data", "--out", "out")
    assert outcome.code == 2
    assert str(path) in outcome.err
    assert not (tmp_path / "out").exists()
    verified = babelrank("data", "verify", "mlqa-r", "--data", tmp_path / "data")
    assert verified.code == 1
    assert "differs" in verified.out


def test_verify_accepts_the_published_files(babelrank: Babelrank, real_data: Path) -> None:
    outcome = babelrank("data", "verify", "--data", real_data)
    assert outcome.code == 0
    assert outcome.out.count("complete/") == 18 + 131 + 9  # LAReQA, NTREX-128, AfriQA


def test_list_tells_source_licence_and_state(babelrank: Babelrank, tmp_path: Path) -> None:
    outcome = babelrank("data", "list", "--data", tmp_path)
    assert outcome.code == 0
    for word in ("xquad-r", "mlqa-r", "sample", "CC BY-SA 4.0", "CC BY-NC 4.0", "354d67d", "0 of 11 files"):
        assert word in outcome.out


def test_leaderboard_check_fails_until_it_is_current(babelrank: Babelrank, submitted: Path) -> None:
    assert babelrank("leaderboard", "--check").code == 0
    (submitted / "leaderboard.md").write_text("by hand", encoding="utf-8")
    outcome = babelrank("leaderboard", "--check")
    assert outcome.code == 1
    assert "leaderboard.md" in outcome.err
    assert babelrank("leaderboard").code == 0
    assert babelrank("leaderboard", "--check").code == 0
    assert babelrank("leaderboard").out == "The leaderboard and all reports are up to date.\n"


def test_the_leaderboard_stands_beside_the_folder_of_reports_whatever_it_is_called(
    babelrank: Babelrank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figures").mkdir()
    monkeypatch.chdir(tmp_path / "figures")
    assert babelrank("leaderboard", "--reports", ".").code == 0
    assert (tmp_path / "leaderboard.md").is_file()
    assert not (tmp_path / "figures" / "leaderboard.md").exists()


def test_leaderboard_check_lists_a_damaged_rank_table(babelrank: Babelrank, submitted: Path) -> None:
    table = submitted / "reports" / "use-multilingual-v3" / "sample.ranks.parquet"
    table.unlink()
    outcome = babelrank("leaderboard", "--check")
    assert outcome.code != 0
    assert f"out of date: {table}" in outcome.err


def test_reports_are_where_the_variable_says(
    babelrank: Babelrank, submitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (submitted / "below").mkdir()
    monkeypatch.chdir(submitted / "below")
    assert "not a folder of reports" in babelrank("leaderboard", "--check").err  # nothing above is guessed
    monkeypatch.setenv("BABELRANK_REPORTS", str(submitted / "reports"))
    assert babelrank("leaderboard", "--check").code == 0
    monkeypatch.setenv("BABELRANK_REPORTS", "/nowhere")
    assert babelrank("leaderboard", "--check", "--reports", "../reports").code == 0


@pytest.mark.parametrize(
    ("arguments", "variable", "folder", "leaderboard"),
    [
        ([], None, "reports", "leaderboard.md"),
        ([], "other/reports", "other/reports", "other/leaderboard.md"),
        ([], "figures", "figures", None),
        (["--reports", "given/figures"], "other/reports", "given/figures", "given/leaderboard.md"),
        (["--out", "reports"], "other/reports", "reports", None),
    ],
)
def test_submit_says_first_where_it_writes(
    babelrank: Babelrank,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    folder: str,
    leaderboard: str | None,
) -> None:
    if variable:
        monkeypatch.setenv("BABELRANK_REPORTS", variable)
    outcome = submit_sample(babelrank, store, *arguments, collection="sample:en")
    assert outcome.code == 0, outcome.err
    first = outcome.err.splitlines()[0]
    assert f"is written to {tmp_path / folder}" in first
    assert (tmp_path / folder / "use-multilingual-v3" / "results.json").is_file()
    written = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("leaderboard.md")]
    assert written == ([leaderboard] if leaderboard else [])
    assert ("leaderboard" in first) == bool(leaderboard)


def test_two_folders_for_one_report_are_refused(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    outcome = submit_sample(babelrank, store, "--out", "a", "--reports", "b")
    assert outcome.code == 2
    assert "give --out or --reports, not both" in outcome.err


def test_vectors_are_stored_where_the_variable_says(
    babelrank: Babelrank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BABELRANK_STORE", str(tmp_path / "vectors"))
    assert babelrank("submit", "use-multilingual-v3", "-c", "sample:en", "--out", "out").code == 0
    outcome = babelrank("cache")
    assert str(tmp_path / "vectors") in outcome.out
    assert "use-multilingual-v3" in outcome.out


def test_plot_draws_every_heatmap_in_every_format(babelrank: Babelrank, store: Path, tmp_path: Path) -> None:
    assert submit_sample(babelrank, store, collection="sample:de,en").code == 0
    outcome = babelrank("plot", "use-multilingual-v3", "--out", "figures")
    assert outcome.code == 0
    drawn = sorted(path.suffix for path in (tmp_path / "figures").iterdir())
    assert drawn == [".pdf"] * 3 + [".png"] * 3 + [".svg"] * 3


def test_plot_draws_other_kinds_in_the_formats_and_sizes_asked_for(
    babelrank: Babelrank, store: Path, tmp_path: Path
) -> None:
    assert submit_sample(babelrank, store, collection="sample:de,en").code == 0
    arguments = ("plot", "use-multilingual-v3", "-k", "distance", "-k", "bars", "--size", "column", "-f", "svg")
    assert babelrank(*arguments, "--out", "figures").code == 0
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"sample.de-en.rank-distance.svg", "sample.de-en.monolingual-bars.svg"} <= drawn
    assert {Path(name).suffix for name in drawn} == {".svg"}
    for wrong, known in (
        (("-k", "pie"), "heatmaps"),
        (("--size", "wall"), "slide"),
        (("-k", "bars", "-f", "bmp"), "png"),
    ):
        outcome = babelrank("plot", "use-multilingual-v3", *wrong)
        assert outcome.code == 2
        assert known in outcome.err


@pytest.mark.parametrize("format_name", ["csv", "latex", "trec", "mteb", "model-card"])
def test_export_writes_every_format(babelrank: Babelrank, submitted: Path, format_name: str) -> None:
    outcome = babelrank("export", "use-multilingual-v3", "--format", format_name, "--out", "tables")
    assert outcome.code == 0, outcome.err
    written = [submitted / line for line in outcome.out.split()]
    assert written
    assert all(path.stat().st_size for path in written)


def test_compare_tests_every_pair_of_reports(babelrank: Babelrank, store: Path, submitted: Path) -> None:
    assert submit_sample(babelrank, store, "--transform", "center").code == 0
    outcome = babelrank("compare", "use-multilingual-v3", "use-multilingual-v3-transforms-center")
    assert outcome.code == 0
    for word in ("use-multilingual-v3 − use-multilingual-v3", "on sample", "Mo. ↑", "rank distance", "Turkish (tr)"):
        assert word in outcome.out


def test_compare_refuses_reports_from_different_files(babelrank: Babelrank, submitted: Path) -> None:
    other = submitted / "reports" / "other"
    shutil.copytree(submitted / "reports" / "use-multilingual-v3", other)
    results = json.loads((other / "results.json").read_text(encoding="utf-8"))
    digest = results["collections"]["sample"]["sha256"]
    (other / "results.json").write_text(
        json.dumps(results).replace(digest, digest[::-1]).replace('"use-multilingual-v3"', '"other"', 1),
        encoding="utf-8",
    )
    outcome = babelrank("compare", "use-multilingual-v3", "other")
    assert outcome.code == 2
    assert "were evaluated on different files" in outcome.err


def test_compare_says_what_it_cannot_compare(babelrank: Babelrank, submitted: Path) -> None:
    for arguments, told in (
        (["use-multilingual-v3"], "at least two models"),
        (["use-multilingual-v3", "other"], "'other'"),
        (["use-multilingual-v3", "use-multilingual-v3", "-c", "xquad-r"], "'xquad-r'"),
    ):
        outcome = babelrank("compare", *arguments)
        assert outcome.code == 2
        assert told in outcome.err


def test_schema_is_json(babelrank: Babelrank) -> None:
    outcome = babelrank("schema")
    assert outcome.code == 0
    assert "collections" in json.loads(outcome.out)["properties"]


HEAVY = ("torch", "faiss", "matplotlib", "datasets", "transformers", "sentence_transformers", "pandas", "numba")


@pytest.mark.parametrize("code", ["import babelrank", "from babelrank import cli; cli.app(['--help'])"])
def test_neither_import_nor_help_loads_heavy_libraries(code: str) -> None:
    script = (
        "import sys\n"
        f"try:\n    {code}\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert "loaded: []" in done.stdout
