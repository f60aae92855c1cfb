"""Configurations of training runs as texts, and the errors of invalid ones."""

from pathlib import Path

import pytest

from babelrank.errors import TrainingError
from babelrank.training.config import TrainingConfig
from babelrank.training.config_file import load_config

TOP = 'output = "out"\n[model]\nbase_model = "org/base"\n'
UNITS = '[[examples]]\npath = "examples.jsonl"\n'
SCHEDULE = "[schedule]\nsteps = 40\n"
RUN = TOP + UNITS + SCHEDULE  # ends in [schedule]
VALIDATION = '[validation]\npath = "valid.jsonl"\nevery = 7\n'
TEACHER = '[objectives.embedding_distillation]\n[teacher]\nmodel = "{}"\n'
JARGON = ("pydantic", "further information", "input_type", "Input should", "tuple", "dictionary", "Config")


def load_text(folder: Path, text: str, **overrides: object) -> TrainingConfig:
    """Write run.toml to a folder and load it."""
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


def complaints_of(folder: Path, text: str) -> list[str]:
    """Return the errors of an invalid run.toml, one per line, without the file's name."""
    with pytest.raises(TrainingError) as caught:
        load_text(folder, text)
    lines = str(caught.value).splitlines()
    where = f"{folder / 'run.toml'}: "
    assert all(line.startswith(where) and line.endswith(".") for line in lines), lines
    for jargon in JARGON:
        assert jargon not in str(caught.value).replace(str(folder), "")
    return [line.removeprefix(where) for line in lines]
