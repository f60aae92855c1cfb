"""Commands that are killed, or run out of disk, at any point: the same command again gives the undisturbed figures.

``BABELRANK_KILLS`` sets at how many points each command is interrupted.
"""

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from babelrank.reporting.report import write_report
from crash.children import Ended, figures, points, run
from made_collections import write_beir, write_jsonl, write_local
from paths import TESTS
from toy_reports import snapshot, toy_results

SUBMIT = ("submit", "streamed_encoders:words", "--store", "store")


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes
    ----------
    arguments
        Its command line.
    prepare
        Writes what it needs into a folder; gets a tiny model, too.
    outcome
        Returns what must be the same afterwards.
    kills, full
        At how many points it is killed, and at how many the disk is full.
    """

    arguments: tuple[str, ...]
    prepare: Callable[[Path, Path], None]
    outcome: Callable[[Path], Any]
    kills: int = 1
    full: int = 1


def collections(folder, _tiny):
    (folder / "leaderboard.md").touch()
    write_local(folder / "own", passages=120)
    write_beir(folder / "beir", passages=120)


def reported(folder):
    """Return reports, and the first cells of the leaderboard's rows: others say how fast the model was."""
    assert figures(folder)
    board = (folder / "leaderboard.md").read_text(encoding="utf-8")
    rows = [line.split("|")[:5] for line in board.splitlines() if line.startswith("| 1 |")]
    assert rows
    return figures(folder), rows


def reports(folder, _tiny):
    for name in ("one", "two"):
        write_report(folder / "reports", *toy_results(name=name))


def pages(folder):
    """Return all that a leaderboard writes, but for what is kept to be quicker the next time."""
    return {name: content for name, content in snapshot(folder).items() if "/." not in f"/{name}"}


def examples(folder, tiny):
    records = [
        {
            "id": i,
            "query": {lang: f"{lang} where is {i}" for lang in ("de", "en")},
            "passage": {lang: f"{lang} here {i}" for lang in ("de", "en")},
        }
        for i in range(12)
    ]
    write_jsonl(folder / "examples.jsonl", records)
    (folder / "run.toml").write_text(
        f'output = "checkpoint"\n[model]\nbase_model = "{tiny}"\n[[examples]]\npath = "examples.jsonl"\n'
        '[schedule]\nsteps = 3\nbatch_size = 4\n[engine]\ndevice = "cpu"\n'
        '[contamination]\ncollections = []\n[validation]\npath = "examples.jsonl"\nevery = 1\n'
    )


def trained(folder):
    """Return the weights of a checkpoint, and its curves without times."""
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    curves = [(entry["step"], name, entry[name]) for entry in log for name in ("loss", "eval_loss") if name in entry]
    return (folder / "model.safetensors").read_bytes(), curves


def experiment(folder, tiny):
    collections(folder, tiny)
    made = folder / "experiments" / "made"
    made.mkdir(parents=True)
    examples(made, tiny)
    (made / "experiment.toml").write_text(
        'title = "Made"\ntext = "x"\ncollections = ["local:own"]\nstart = "base"\nseeds = [0]\nruns = [\n'
        f'  {{label = "base", report = "base", model = "{tiny}"}},\n'
        '  {label = "trained", report = "trained", config = "run.toml"},\n]\n'
    )


def experimented(folder):
    found = figures(folder / "reports")
    assert len(found) == 2
    for results in found.values():
        results["model"].pop("fingerprint")  # of a checkpoint: it says how long its training took
    return found, trained(folder / "experiments" / "made" / "checkpoints" / "trained")


CASES = {
    "in memory": Case((*SUBMIT, "-c", "local:own"), collections, reported, 2),
    "streamed": Case((*SUBMIT, "-c", "local:own", "--memory", "4GB"), collections, reported),
    "by workers": Case((*SUBMIT, "-c", "beir:beir", "--memory", "4GB", "--workers", "2"), collections, reported, 1, 0),
    "leaderboard": Case(("leaderboard",), reports, pages),
    "training": Case(("train", "run.toml"), examples, lambda folder: trained(folder / "checkpoint")),
    "experiment": Case(
        ("experiment", "experiments/made", "--reports", "reports", "--store", "store"), experiment, experimented, 1, 0
    ),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny_model):
    """How a case ends, and what comes of it, when nothing happens."""
    ends: dict[str, tuple[Ended, Any]] = {}

    def find(name):
        if name not in ends:
            folder = tmp_path_factory.mktemp("undisturbed")
            CASES[name].prepare(folder, tiny_model)
            ended = run(*CASES[name].arguments, cwd=folder, path=[TESTS])
            assert ended.status == 0, ended.errors
            ends[name] = ended, CASES[name].outcome(folder)
        return ends[name]

    return find


@pytest.fixture
def interrupt(undisturbed, tmp_path, tiny_model):
    """Interrupt a case at each of some points, look at how it ended, and run it again."""

    def each(name, wanted, look, **at: Callable[[int], int | None]):
        case, (ended, expected) = CASES[name], undisturbed(name)
        for point in points(ended.changes, wanted):
            folder = tmp_path / f"at-{point}"
            folder.mkdir()
            case.prepare(folder, tiny_model)
            limits = {limit: value(point) for limit, value in at.items()}
            look(run(*case.arguments, cwd=folder, path=[TESTS], **limits))
            again = run(*case.arguments, cwd=folder, path=[TESTS])
            assert again.status == 0, f"at change {point}: {again.errors}"
            assert case.outcome(folder) == expected, f"at change {point}"
            shutil.rmtree(folder)

    return each


@pytest.mark.parametrize("name", CASES)
def test_a_kill_loses_nothing(interrupt, name):
    def look(ended):
        assert ended.status == -signal.SIGKILL

    interrupt(name, CASES[name].kills, look, kill_at=lambda point: point)


def assert_said(ended, *problems):
    """Check that a command did its work, or ended with one sentence about the disk."""
    assert ended.status in (0, 2), ended.errors
    assert "Traceback" not in ended.errors
    if ended.status:
        assert any(os.strerror(problem) in ended.errors.splitlines()[-1] for problem in problems), ended.errors


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.full])
def test_a_full_disk_is_said_and_loses_nothing(interrupt, name):
    interrupt(name, CASES[name].full, lambda ended: assert_said(ended, errno.ENOSPC), full_at=lambda point: point)


@pytest.mark.parametrize("name", ["in memory", "streamed", "training"])
def test_a_file_that_is_cut_off_is_said_and_loses_nothing(interrupt, name):
    """The disk takes a part of a file only."""
    interrupt(name, 1, lambda ended: assert_said(ended, errno.EFBIG), file_size=lambda point: 100 + 200 * point)
