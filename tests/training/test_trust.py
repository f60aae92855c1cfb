"""A model that is trained or changed is its checkpoint's: its code and pickles are not run, no weights are random."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from babelrank.checkpoints import METADATA_FILE
from babelrank.cli import app
from training_runs import read_metadata, run

CODE = """
import os
from pathlib import Path
Path(os.environ["BABELRANK_TEST_MARK"]).touch()
from sentence_transformers.sentence_transformer.modules import Normalize as Own
"""


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """A file that the models' own code makes when it runs."""
    path = tmp_path / "mark"
    monkeypatch.setenv("BABELRANK_TEST_MARK", str(path))
    return path


@pytest.fixture
def with_code(tiny_model, tmp_path):
    """The tiny model with a last module of its own code."""
    folder = shutil.copytree(tiny_model, tmp_path / "with-code")
    (folder / "own.py").write_text(CODE)
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "own.Own"
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


@pytest.fixture
def pickled(tiny_model, tmp_path):
    """The tiny model with its weights as a pickle that runs code."""

    class Command:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'mark'}",)

    folder = shutil.copytree(tiny_model, tmp_path / "pickled")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights | {"command": Command()}, folder / "pytorch_model.bin")
    return folder


def call(*arguments):
    outcome = CliRunner().invoke(app, list(map(str, arguments)))
    assert outcome.exit_code != 0
    return outcome.stderr.removeprefix("error: ")


def say_trusted(folder, model):
    """Have a checkpoint's metadata name a base model, and say that its code is trusted."""
    metadata = read_metadata(folder)
    metadata["config"]["model"] |= {"base_model": str(model), "trust_remote_code": True}
    (folder / METADATA_FILE).write_text(json.dumps(metadata))


def test_averaging_does_not_run_the_code_of_what_a_checkpoint_names(write_config, with_code, mark, tmp_path):
    folder, _ = run(write_config(steps=1))
    say_trusted(folder, with_code)
    assert "--trust-remote-code" in call("average", folder, "--base-model", "0.5", "--out", tmp_path / "out")
    assert not mark.exists()


def test_neither_a_checkpoint_nor_a_base_model_nor_a_teacher_runs_code(
    write_config, with_code, mark, examples, tmp_path
):
    folder, _ = run(write_config(steps=1))
    averaged = shutil.copytree(with_code, tmp_path / "checkpoint-with-code")
    for name in (METADATA_FILE, "log.jsonl"):
        shutil.copy(folder / name, averaged / name)
    teacher = f"[objectives.score_distillation]\n[teacher]\nmodel = '{with_code}'\n"
    said = [
        call("average", averaged, "--base-model", "0.5", "--out", tmp_path / "out"),
        call("center", with_code, examples, "--out", tmp_path / "out"),
        call("train", write_config("b.toml", output="b", base_model=with_code)),
        call("train", write_config("c.toml", output="c", base_model=with_code), "--dry-run"),
        call("train", write_config("d.toml", output="d", more=teacher)),
    ]
    assert all("allow it with --trust-remote-code" in message for message in said)
    assert said[-1].startswith("teacher.model: ")
    assert not mark.exists()


def test_the_command_line_can_trust(with_code, mark, examples, tmp_path):
    arguments = ["center", with_code, examples, "--out", tmp_path / "out", "--trust-remote-code"]
    outcome = CliRunner().invoke(app, list(map(str, arguments)))
    assert outcome.exit_code == 0
    assert mark.exists()


def test_a_configuration_cannot_trust(write_config):
    message = call("train", write_config(model="trust_remote_code = true"))
    assert (
        "model: 'trust_remote_code' is not a key of a configuration: add --trust-remote-code to the command." in message
    )


def test_pickled_weights_are_refused(write_config, pickled, mark, examples, tmp_path):
    folder, _ = run(write_config(steps=1))
    say_trusted(folder, pickled)
    teacher = f"[objectives.score_distillation]\n[teacher]\nmodel = '{pickled}'\n"
    said = [
        call("average", folder, "--base-model", "0.5", "--out", tmp_path / "out"),
        call("center", pickled, examples, "--out", tmp_path / "out"),
        call("train", write_config("b.toml", output="b", base_model=pickled)),
        call("train", write_config("c.toml", output="c", more=teacher)),
    ]
    assert all("is a pickle, which can run code when it is read" in message for message in said)
    assert not mark.exists()
    assert not (tmp_path / "b.training").exists()  # so that another base model can be tried


@pytest.fixture
def prefixed(tiny_model, tmp_path):
    """The tiny model with names of weights as torch.compile leaves them."""
    folder = shutil.copytree(tiny_model, tmp_path / "prefixed")
    weights = load_file(folder / "model.safetensors")
    renamed = {f"_orig_mod.{name}": value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_models_that_lack_weights_are_refused(write_config, prefixed, examples, tmp_path):
    folder, _ = run(write_config(steps=1))
    say_trusted(folder, prefixed)
    averaged = shutil.copytree(prefixed, tmp_path / "also-prefixed")
    for name in (METADATA_FILE, "log.jsonl"):
        shutil.copy(folder / name, averaged / name)
    teacher = f"[objectives.score_distillation]\n[teacher]\nmodel = '{prefixed}'\n"
    said = [
        call("average", folder, "--base-model", "0.5", "--out", tmp_path / "out"),
        call("average", averaged, "--base-model", "0.5", "--out", tmp_path / "out"),
        call("center", prefixed, examples, "--out", tmp_path / "out"),
        call("train", write_config("b.toml", output="b", base_model=prefixed)),
        call("train", write_config("c.toml", output="c", base_model=prefixed), "--dry-run"),
        call("train", write_config("d.toml", output="d", more=teacher)),
    ]
    places = ("base model", "checkpoint", "model", "model.base_model", "model.base_model", "teacher.model")
    for place, message in zip(places, said, strict=True):
        assert f"{place}: " in message
        assert "prefixed: the checkpoint lacks weights: embeddings" in message
        assert "_orig_mod.embeddings.LayerNorm.weight" in message
