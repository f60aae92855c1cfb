"""Commands that list, rename and remove: JSON for programs, nothing lost on a typo, and a terminal that stays quiet."""

import json
import logging
import os
import shutil
import subprocess
import sys

import pytest
import typer

import babelrank as api
from babelrank.reporting.results_file import json_schema


@pytest.fixture(scope="module")
def submissions(tmp_path_factory):
    """A folder with two reports and a leaderboard."""
    folder = tmp_path_factory.mktemp("submissions")
    where = {"reports": folder / "reports", "store": folder / "store"}
    for name in ("first model", "second"):
        api.submit("use-multilingual-v3", "sample:en", name=name, observer=api.Observer(), **where)
    return folder


@pytest.fixture
def reports(submissions, babelrank, tmp_path):
    """The folder of reports in a copy of it, where commands run."""
    return shutil.copytree(submissions, tmp_path, dirs_exist_ok=True) / "reports"


def content_of(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in {".lock", "cache.json"})
    return {path.relative_to(folder): path.read_bytes() for path in paths if "cache" not in path.name}


def test_a_report_is_renamed_with_its_pages_and_the_leaderboard(babelrank, reports, tmp_path):
    outcome = babelrank("rename", "first model", "org/better")
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in reports.iterdir() if path.is_dir()) == ["org-better", "second"]
    assert api.load_report("org/better", reports).name == "org/better"
    for page in (reports / "org-better" / "report.md", tmp_path / "leaderboard.md"):
        text = page.read_text(encoding="utf-8")
        assert "org/better" in text
        assert "first model" not in text
    assert babelrank("leaderboard", "--check").code == 0
    assert babelrank("rename", "org-better", "Org/Better").code == 0  # the same folder
    assert api.load_report("org-better", reports).name == "Org/Better"
    assert babelrank("leaderboard", "--check").code == 0


def test_a_report_is_removed_once_that_is_confirmed(babelrank, reports, tmp_path, monkeypatch):
    monkeypatch.setattr(typer, "confirm", lambda _: False)
    assert babelrank("remove", "second").code == 1
    assert (reports / "second").is_dir()
    monkeypatch.setattr(typer, "confirm", lambda _: True)
    outcome = babelrank("remove", "second")
    assert outcome.code == 0, outcome.err
    assert f"removed: {reports / 'second'}" in outcome.out
    assert [path.name for path in reports.iterdir() if path.is_dir()] == ["first-model"]
    assert "reports/second/" not in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert babelrank("leaderboard", "--check").code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["remove", "seconds", "--yes"], "unknown report 'seconds'. Did you mean 'second'"),
        (["remove", "first model", "sec", "--yes"], "unknown report 'sec'"),
        (["remove", "first model"], "cannot ask for confirmation without a terminal; --yes"),
        (["remove", "reports/second", "--yes"], "unknown report 'reports/second'"),
        (["rename", "second", "First Model"], "another report exists there"),
        (["rename", "second", "a|b"], "contains |"),
        (["rename", "third", "fourth"], "unknown report 'third'"),
    ],
)
def test_a_mistake_changes_nothing(babelrank, reports, tmp_path, arguments, problem, monkeypatch):
    def nobody(_):
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", nobody)
    before = content_of(tmp_path)
    outcome = babelrank(*arguments)
    assert outcome.code == 2
    assert problem in outcome.err
    assert content_of(tmp_path) == before


def test_what_an_experiment_needs_stays(babelrank, reports, tmp_path):
    folder = tmp_path / "experiments" / "one"
    folder.mkdir(parents=True)
    run = 'label = "a"\nreport = "second"\n'
    text = f'title = "t"\ntext = "t"\ncollections = ["sample:en"]\nstart = "a"\n[[runs]]\n{run}'
    (folder / "experiment.toml").write_text(text, encoding="utf-8")
    for arguments in (["remove", "second", "--yes"], ["rename", "second", "other"]):
        outcome = babelrank(*arguments)
        assert outcome.code == 2
        assert f"the experiment in {folder} needs this report" in outcome.err


def test_after_a_failure_the_report_is_back(reports, tmp_path, monkeypatch):
    from babelrank.api import pages as module

    before = content_of(tmp_path)

    def fail(_):
        raise api.BabelrankError("the disk is full")

    monkeypatch.setattr(module, "refresh_pages", fail)
    for change in (
        lambda: api.remove_reports("second", reports=reports),
        lambda: api.rename_report("second", "x", reports),
    ):
        with pytest.raises(api.BabelrankError, match="the disk is full"):
            change()
        assert content_of(tmp_path) == before


def test_lists_are_printed_as_json(babelrank, reports):
    board = json.loads(babelrank("leaderboard", "--json").out)
    assert {row["model"] for row in board} == {"first model", "second"}
    assert board[0]["cross_lingual"] is None
    compared = json.loads(babelrank("compare", "first model", "second", "--json").out)
    assert [row["figure"] for row in compared] == ["monolingual"]
    adapters = json.loads(babelrank("adapters", "--json").out)
    assert {"name", "models", "requires", "problem"} == set(adapters[0])
    listed = json.loads(babelrank("data", "list", "--json").out)
    assert "xquad-r" in [each["name"] for each in listed["collections"]]
    assert listed["sources"][0]["example"]


def test_quiet_and_verbose_may_stand_anywhere(babelrank, monkeypatch):
    asked = []
    monkeypatch.setattr(logging, "basicConfig", lambda **options: asked.append(options["level"]))
    submit = ("submit", "use-multilingual-v3", "-c", "sample:en", "--out", "out", "--store", "store")
    outcome = babelrank("-q", *submit)
    assert (outcome.code, outcome.err) == (0, "")
    assert "use-multilingual-v3 on sample:en" in outcome.out
    assert babelrank(*submit, "--quiet").err == ""
    assert asked == [logging.WARNING] * 2
    assert "loading use-multilingual-v3" in babelrank(*submit, "-v").err
    assert asked[2:] == [logging.INFO]


def test_the_stored_schema_is_that_of_the_results():
    assert api.results_schema() == json_schema(), "results have changed: write the schema again with `make schema`"


@pytest.mark.parametrize("code", ["babelrank.results_schema()", "babelrank.list_adapters()"])
def test_schema_and_adapters_need_no_slow_library(code):
    heavy = ("torch", "faiss", "matplotlib", "transformers", "sentence_transformers", "numba", "pandas", "pyarrow")
    script = f"import sys, babelrank; {code}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_completion_is_offered():
    script = "import sys; sys.argv = ['babelrank', '--show-completion', 'bash']; from babelrank import cli; cli.main()"
    # Typer would look for the shell that started the tests, of which there may be none.
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert "complete" in done.stdout
