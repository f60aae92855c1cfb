"""Training runs of a tiny model on a few made-up examples, and readers of their output."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from babelrank.checkpoints import METADATA_FILE
from babelrank.training.config_file import load_config
from observers import RecordingTrainingObserver

LANGUAGES = ("de", "en", "es")
STEPS = 6


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Twenty examples in three languages."""
    path = tmp_path / "examples.jsonl"
    words = ["river", "mountain", "teacher", "window", "winter", "engine", "garden", "letter", "market", "island"]
    lines = [
        {
            "id": f"u{i}",
            "query": {lang: f"{lang} where is the {word} {i}" for lang in LANGUAGES},
            "passage": {lang: f"{lang} the {word} {i} is there" for lang in LANGUAGES},
        }
        for i, word in enumerate(words * 2)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def write_config(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch, examples: Path, tiny_model: Path
) -> Callable[..., Path]:
    """Write a configuration, given its differences from a small run: values, or lines of a table.

    Indexes of examples are kept in a folder of the test.
    """
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("babelrank.training.indexing.user_cache_path", lambda _: cache)

    def write(
        name="run.toml",
        *,
        output="checkpoint",
        base_model=tiny_model,
        steps=STEPS,
        learning_rate=1e-2,
        model="",
        schedule="",
        engine="",
        collections="[]",
        more="",
    ) -> Path:
        path = tmp_path / name
        path.write_text(
            f'output = "{output}"\n[model]\nbase_model = "{base_model}"\n{model}\n[[examples]]\npath = "{examples}"\n'
            f"[schedule]\nsteps = {steps}\nbatch_size = 4\n{schedule}\n"
            f'[engine]\ndevice = "cpu"\n{engine}\n[optimizer]\nlearning_rate = {learning_rate}\n'
            f"[contamination]\ncollections = {collections}\n{more}"
        )
        return path

    return write


@pytest.fixture
def experiment(write_config: Callable[..., Path], tiny_model: Path, tmp_path: Path) -> Path:
    """The folder of an experiment with the tiny model, and two values of α with two seeds each."""
    folder = tmp_path / "apart" / "made"  # the folder above holds no other test's experiments, which are read, too
    folder.mkdir(parents=True)
    write_config(steps=2).rename(folder / "run.toml")
    (folder / "experiment.toml").write_text(
        f"""
title = "Made"
text = "For a test."
collections = ["sample:de,en"]
start = "base"
seeds = [0, 7]
runs = [
  {{label = "base", report = "base", model = "{tiny_model}"}},
  {{label = "α = {{alpha}}", report = "a-{{alpha}}", config = "run.toml", grid = {{"schedule.alpha" = [0.0, 0.5]}}}},
]
"""
    )
    return folder


def run(path: Path) -> tuple[Path, RecordingTrainingObserver]:
    """Train with a configuration; return the checkpoint and the observer."""
    from babelrank.training.run import train

    told = RecordingTrainingObserver()
    return train(load_config(path), told), told


def weights(folder: Path) -> dict:
    """Return the tensors of a checkpoint by name."""
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def read_metadata(folder: Path) -> dict:
    """Return the training metadata of a checkpoint."""
    return json.loads((folder / METADATA_FILE).read_text())


def read_curve(folder: Path, name: str) -> dict[int, float]:
    """Return step -> value from a checkpoint's log."""
    entries = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return {entry["step"]: entry[name] for entry in entries if name in entry}
