"""Every module of the bench runs, on tiny input."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paths import ROOT

SUBJECTS = {
    "ranking": 3,
    "analysis": 2,
    "memory": 1,
    "reading": 1,
    "peers": 5,
    "kinds": 2,
    "adapters": 1,
    "training": 4,
    "examples": 2,
    "mining": 1,
    "experiments": 1,
    "submission": 1,
    "search": 1,
    "streaming": 2,
}


def test_every_subject_yields_its_rows(tiny_model: Path) -> None:
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("benchmark", "adapters", "."))
    environment = {**os.environ, "PYTHONPATH": paths, "BABELRANK_BENCH_MODEL": str(tiny_model)}
    command = [sys.executable, "-m", "bench", "--tiny"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + sum(SUBJECTS.values())


def test_search_of_a_given_size_is_one_line_of_a_table(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import search

    monkeypatch.setattr(sys, "argv", ["bench.search", "2000", "--queries", "5"])
    search.main()
    assert capsys.readouterr().out.splitlines()[-1].startswith("| 2,000 |")


def test_transforms_are_compared_on_each_collection(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import transforms

    monkeypatch.setattr(transforms, "COLLECTIONS", ("sample:de,en",))
    monkeypatch.setattr(transforms, "TRANSFORMS", ((), ("center", "int8")))
    transforms.main(["use-multilingual-v3"])
    assert [line.split(" | ")[1] for line in capsys.readouterr().out.splitlines()[2:]] == ["none", "center + int8"]
