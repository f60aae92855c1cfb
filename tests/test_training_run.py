"""`babelrank train` from its configuration to a checkpoint that is evaluated like any other model."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from babelrank.cli import app
from babelrank.errors import TrainingError
from babelrank.submission import submit
from babelrank.training.averaging import average_checkpoints
from babelrank.training.config import load_config
from babelrank.training.run import prepare, train

LANGUAGES = ("de", "en", "es")
STEPS = 6
PROMPTS = 'query_prompt = "ask: "\ndocument_prompt = "read: "\n'


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.messages, self.logs = [], []

    def announce(self, message):
        self.messages.append(message)

    def training(self, steps):
        return lambda step, logs: self.logs.append((step, dict(logs)))

    def encoding(self, collection):
        return lambda *_: None

    @property
    def losses(self):
        return {step: logs["loss"] for step, logs in self.logs if "loss" in logs}


@pytest.fixture
def units(tmp_path) -> Path:
    path = tmp_path / "units.jsonl"
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
def write_config(tmp_path, units, tiny_model):
    """Write a configuration, given what differs from a small run."""

    def write(name="run.toml", *, output="checkpoint", steps=STEPS, start=tiny_model, batch_size=4, more="") -> Path:
        path = tmp_path / name
        path.write_text(
            f'output = "{output}"\n[model]\nstart = "{start}"\n[[units]]\npath = "{units}"\n'
            f"[schedule]\nsteps = {steps}\nbatch_size = {batch_size}\n"
            f'[engine]\ndevice = "cpu"\n[optimizer]\nlearning_rate = 1e-2\n[contamination]\ncollections = []\n{more}'
        )
        return path

    return write


@pytest.fixture
def start_without_dropout(tiny_model, tmp_path) -> Path:
    """Parts of a batch, in one process or in several, would draw other masks than the whole."""
    folder = shutil.copytree(tiny_model, tmp_path / "start")
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def run(path: Path) -> tuple[Path, Listener]:
    listener = Listener()
    return train(load_config(path), listener), listener


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_training_lowers_the_loss_and_leaves_a_checkpoint_that_can_be_submitted(
    write_config, units, tiny_model, tmp_path
):
    more = f'[validation]\npath = "{units}"\nevery = 5\n[curves]\ncollection = "sample:de,en"\nevery = 10\n'
    folder, listener = run(write_config(steps=20, more=more))
    losses = listener.losses
    assert list(losses) == list(range(1, 21))
    assert np.mean([losses[step] for step in range(16, 21)]) < np.mean([losses[step] for step in range(1, 6)]) - 0.1
    validated = [logs["eval_loss"] for _, logs in listener.logs if "eval_loss" in logs]
    assert len(validated) == 5
    assert validated[-1] < validated[0]
    measured = [(step, logs) for step, logs in listener.logs if "rank distance" in logs]
    assert [step for step, _ in measured] == [0, 10, 20]
    assert all(0 <= logs["Mo. mAP"] <= 1 for _, logs in measured)
    assert {path.name for path in folder.iterdir()} >= {
        "modules.json", "README.md", "curves.svg", "log.jsonl", "babelrank_training.json",
    }  # fmt: skip
    assert not (tmp_path / "checkpoint.training").exists()
    submission = submit(str(folder), ["sample:de,en"], tmp_path / "reports", Listener(), store=tmp_path / "store")
    note = submission.results.model.notes["training"]
    assert "hybrid, α = 0.5 batches of 4, 20 steps" in note
    assert "20 units in de, en, es" in note
    assert f"steps from {Path(tiny_model).name} (info nce)" in note
    # What the curve showed at the last step is what a submission finds.
    shown = submission.results.collections["sample:de,en"].macro["multilingual"]["mAP"]
    best = json.loads((folder / "babelrank_training.json").read_text())["step_of_checkpoint"]
    if best == 20:
        assert measured[-1][1]["Mul. mAP"] == pytest.approx(shown, abs=1e-5)


def test_the_prompts_of_the_training_are_the_checkpoints_own(write_config, tmp_path):
    path = write_config()
    path.write_text(
        path.read_text().replace("[[units]]", 'query_prompt = "ask: "\ndocument_prompt = "read: "\n[[units]]')
    )
    folder, _ = run(path)
    prompts = SentenceTransformer(str(folder), device="cpu").prompts
    assert (prompts["query"], prompts["document"]) == ("ask: ", "read: ")


def test_the_same_configuration_gives_the_same_weights_and_another_seed_others(write_config):
    first, _ = run(write_config("a.toml", output="a"))
    again, _ = run(write_config("b.toml", output="b"))
    config = write_config("c.toml", output="c")
    config.write_text(config.read_text().replace("[schedule]", "[schedule]\nseed = 7"))
    other, _ = run(config)
    assert all(torch.equal(weights(first)[name], value) for name, value in weights(again).items())
    assert any(not torch.equal(weights(first)[name], value) for name, value in weights(other).items())


def test_a_finished_run_is_not_run_again_and_not_overwritten_by_another(write_config):
    folder, _ = run(write_config())
    before = (folder / "log.jsonl").stat().st_mtime_ns
    _, listener = run(write_config())
    assert (folder / "log.jsonl").stat().st_mtime_ns == before
    assert "is there already" in listener.messages[-1]
    with pytest.raises(TrainingError, match=r"schedule\.steps is 6 there and 9 here"):
        run(write_config(steps=9))


def test_an_output_that_is_something_else_is_left_alone(write_config, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="choose another output"):
        run(write_config())
    assert (tmp_path / "checkpoint" / "thesis.txt").read_text() == "years of work"


def test_averaging_with_the_start_meets_it_half_way(write_config, tiny_model):
    whole, _ = run(write_config("a.toml", output="a"))
    path = write_config("b.toml", output="b")
    path.write_text(path.read_text().replace("[[units]]", "average_with_start = 0.25\n[[units]]"))
    averaged, _ = run(path)
    start, trained, mixed = weights(tiny_model), weights(whole), weights(averaged)
    name = next(name for name in mixed if "query.weight" in name)
    torch.testing.assert_close(mixed[name], 0.75 * trained[name] + 0.25 * start[name])


def test_a_checkpoint_averaged_later_is_the_one_that_training_would_have_averaged(write_config, tmp_path):
    path = write_config(output="a")
    trained, _ = run(path)
    path.write_text(path.read_text().replace("[[units]]", "average_with_start = 0.25\n[[units]]"))
    path.write_text(path.read_text().replace('output = "a"', 'output = "b"'))
    at_once, _ = run(path)
    outcome = CliRunner().invoke(app, ["average", str(trained), "--start", "0.25", "--out", str(tmp_path / "later")])
    assert outcome.exit_code == 0, outcome.output
    later = weights(tmp_path / "later")
    for name, value in weights(at_once).items():
        torch.testing.assert_close(later[name], value)
    accounts = [
        json.loads((folder / "babelrank_training.json").read_text()) for folder in (at_once, tmp_path / "later")
    ]
    assert accounts[0]["config"] == accounts[1]["config"]
    # So that training by that configuration finds its work done.
    path.write_text(path.read_text().replace('output = "b"', 'output = "later"'))
    _, listener = run(path)
    assert any("is there already" in message for message in listener.messages)


@pytest.mark.parametrize(
    ("share", "folder", "problem"),
    [
        (1.5, "a", r"1\.5: should be at least 0 and below 1"),
        (0.0, "a", r"0\.0: should be .* above 0 for a single checkpoint"),
        (0.5, "nothing", "is no checkpoint that `babelrank train` wrote"),
        (0.5, "averaged", "is averaged with its start already"),
    ],
)
def test_what_cannot_be_averaged_is_refused(write_config, tmp_path, share, folder, problem):
    run(write_config(output="a", steps=1))
    average_checkpoints([tmp_path / "a"], tmp_path / "averaged", start_share=0.5)
    with pytest.raises(TrainingError, match=problem):
        average_checkpoints([tmp_path / folder], tmp_path / "out", start_share=share)
    with pytest.raises(TrainingError, match="exists; choose another"):
        average_checkpoints([tmp_path / "a"], tmp_path / "averaged", start_share=0.5)


def test_checkpoints_of_one_start_are_averaged_with_one_another(write_config, tmp_path, tiny_model):
    folders = [run(write_config(f"{steps}.toml", output=f"after-{steps}", steps=steps))[0] for steps in (1, 2, 3)]
    out = average_checkpoints(folders, tmp_path / "soup", start_share=0.5)
    start, soup, parts = weights(tiny_model), weights(out), [weights(folder) for folder in folders]
    for name, value in soup.items():
        torch.testing.assert_close(value, 0.5 * sum(part[name] for part in parts) / 3 + 0.5 * start[name])
    account = json.loads((out / "babelrank_training.json").read_text())
    assert list(account["averaged_with"]) == ["after-2", "after-3"]
    assert account["averaged_with"]["after-3"]["steps"] == 3
    card = (out / "README.md").read_text()
    assert card.count("averaged with: ") == 2
    assert "3 steps from" in card


def test_checkpoints_of_different_starts_are_not_averaged(write_config, tmp_path):
    run(write_config("a.toml", output="a", steps=1))
    run(write_config("b.toml", output="b", steps=1))
    path = tmp_path / "b" / "babelrank_training.json"
    account = json.loads(path.read_text())
    account["config"]["model"]["start"] = "another/model"
    path.write_text(json.dumps(account))
    with pytest.raises(
        TrainingError, match=r"b: model\.start is 'another/model', of .*a .*only checkpoints of one start"
    ):
        average_checkpoints([tmp_path / "a", tmp_path / "b"], tmp_path / "soup")


def test_frozen_parameters_stay(write_config, tiny_model):
    path = write_config()
    path.write_text(path.read_text().replace("[[units]]", 'freeze = ["*embeddings*"]\n[[units]]'))
    folder, _ = run(path)
    start, trained = weights(tiny_model), weights(folder)
    assert all(torch.equal(start[name], value) for name, value in trained.items() if "embeddings" in name)
    assert any(not torch.equal(start[name], value) for name, value in trained.items() if "query.weight" in name)


@pytest.mark.parametrize(
    ("pattern", "problem"), [("*nothing*", "matches no parameter"), ("*", "leave nothing to train")]
)
def test_freezing_what_is_not_there_or_everything_is_refused(write_config, pattern, problem):
    path = write_config()
    path.write_text(path.read_text().replace("[[units]]", f'freeze = ["{pattern}"]\n[[units]]'))
    with pytest.raises(TrainingError, match=problem):
        run(path)


def test_gradient_caching_trains_to_the_same_weights(write_config, start_without_dropout):
    plain, _ = run(write_config("a.toml", output="a", start=start_without_dropout))
    path = write_config("b.toml", output="b", start=start_without_dropout)
    path.write_text(path.read_text().replace("[engine]", "[engine]\nmicro_batch_size = 3"))
    cached, _ = run(path)
    one, other = read_curve(plain, "loss"), read_curve(cached, "loss")
    np.testing.assert_allclose(list(other.values()), list(one.values()), atol=1e-4)


def test_accumulated_gradients_are_those_of_as_many_batches(write_config):
    path = write_config(steps=3)
    path.write_text(path.read_text().replace("[engine]", "[engine]\ngradient_accumulation = 2"))
    folder, listener = run(path)
    assert list(listener.losses) == [1, 2, 3]
    assert sum(json.loads((folder / "babelrank_training.json").read_text())["batches_planned"].values()) == 6


def test_tensorboard_gets_the_loss_of_every_step(write_config, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # The run's folder goes when the run is done; TensorBoard's log stays with the checkpoint.
    path = write_config(steps=3)
    path.write_text(path.read_text().replace("[engine]", "[engine]\ntensorboard = true"))
    folder, listener = run(path)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(list(listener.losses.values()))


def test_low_rank_adapters_are_merged_into_a_plain_checkpoint(write_config, tiny_model):
    folder, _ = run(write_config(more='[lora]\nrank = 2\nmodules = ["query", "value"]\n'))
    start, trained = weights(tiny_model), weights(folder)
    changed = {name for name in start if not torch.equal(start[name], trained[name])}
    assert trained.keys() == start.keys()
    assert changed
    assert all(".query." in name or ".value." in name for name in changed)
    assert np.linalg.matrix_rank((trained[min(changed)] - start[min(changed)]).numpy(), tol=1e-5) <= 2
    assert SentenceTransformer(str(folder), device="cpu").encode(["a"]).shape == (1, 16)


def test_a_raw_checkpoint_gets_the_pooling_that_is_asked_for(write_config, plain_bert):
    path = write_config(start=plain_bert)
    path.write_text(path.read_text().replace("[[units]]", 'pooling = "cls"\n[[units]]'))
    folder, _ = run(path)
    assert json.loads((folder / "1_Pooling" / "config.json").read_text())["pooling_mode"] == "cls"
    path = write_config("b.toml", output="b")
    path.write_text(path.read_text().replace("[[units]]", 'pooling = "cls"\n[[units]]'))
    with pytest.raises(TrainingError, match="has a pooling of its own"):
        run(path)


def test_a_start_that_is_no_model_is_refused(write_config, tmp_path):
    with pytest.raises(TrainingError, match=r"model\.start: .*cannot be loaded"):
        run(write_config(start=tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "objectives",
    [
        "[objectives.info_nce]\nsymmetric = true\n[objectives.embedding_distillation]\n[teacher]\nlanguage = 'own'\n",
        "[objectives.score_distillation]\n[teacher]\nlanguage = 'en'\ncentered = true\n",
        "[objectives.info_nce]\n[objectives.semantic_contrast]\n[objectives.language_contrast]\nweight = 0.5\n",
    ],
    ids=["own-language teacher", "centred teacher", "language-agnostic"],
)
def test_every_objective_trains_and_is_logged(write_config, objectives):
    _, listener = run(write_config(more=objectives))
    logged = {name for _, logs in listener.logs for name in logs}
    wanted = {line.split(".")[1].rstrip("]") for line in objectives.splitlines() if line.startswith("[objectives.")}
    assert wanted <= logged
    assert all(math.isfinite(loss) for loss in listener.losses.values())


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_checkpoint(write_config, monkeypatch, tmp_path):
    path = write_config(steps=8)
    path.write_text(path.read_text().replace("[engine]", "[engine]\nsave_every = 2"))
    from babelrank.training import loss as losses

    calls = []

    def sometimes_nan(*args, **kwargs):
        calls.append(1)
        return torch.tensor(float("nan"), requires_grad=True) if len(calls) == 6 else plain(*args, **kwargs)

    plain = losses.info_nce
    monkeypatch.setattr(losses, "info_nce", sometimes_nan)
    with pytest.raises(TrainingError, match=r"step 6: the loss is nan \(batch 5, X-.*units\.jsonl.*checkpoint-4"):
        run(path)
    assert not (tmp_path / "checkpoint").exists()
    kept = tmp_path / "checkpoint.training" / "checkpoint-4"
    assert all(torch.isfinite(value).all() for value in weights(kept).values())
    monkeypatch.setattr(losses, "info_nce", plain)
    folder, listener = run(path)
    assert min(listener.losses) == 5
    assert len([line for line in (folder / "log.jsonl").read_text().splitlines() if '"loss"' in line]) == 8


def test_early_stopping_ends_a_run_that_no_longer_gains(write_config, units, tmp_path):
    # A learning rate of almost nothing: no evaluation is better than the first.
    path = write_config(steps=40, more=f'[validation]\npath = "{units}"\nevery = 2\npatience = 2\n')
    path.write_text(path.read_text().replace("1e-2", "1e-30"))
    folder, listener = run(path)
    assert max(listener.losses) < 40
    assert json.loads((folder / "babelrank_training.json").read_text())["steps"] == max(listener.losses)


def test_units_of_a_test_collection_are_dropped_and_counted(write_config, units, tmp_path):
    from babelrank.data.catalog import load_collection

    taken = load_collection("sample").queries["text"].iloc[0].upper()
    lines = units.read_text().splitlines()
    stolen = json.loads(lines[3])
    stolen["query"]["en"] = f"  {taken} "
    units.write_text("\n".join([*lines[:3], json.dumps(stolen), *lines[4:]]) + "\n")
    path = write_config()
    path.write_text(path.read_text().replace("collections = []", 'collections = ["sample"]'))
    listener = Listener()
    prepared = prepare(load_config(path), listener)
    assert "1 with sample" in listener.messages[0]
    assert "u3" in listener.messages[0]
    drawn = {int(unit) for batch in prepared.schedule for unit in batch.units}
    assert 3 not in drawn
    folder, _ = run(path)
    account = json.loads((folder / "babelrank_training.json").read_text())
    assert account["units"][0]["dropped"] == 1
    assert "1" in (folder / "README.md").read_text().split("units.jsonl |")[1].split("\n")[0]


def test_a_run_that_is_killed_goes_on_to_the_same_loss_curve(write_config, tmp_path, units):
    more = f'[validation]\npath = "{units}"\nevery = 3\n'
    undisturbed, _ = run(write_config("a.toml", output="a", steps=30, more=more))
    path = write_config("b.toml", output="b", steps=30, more=more)
    process = subprocess.Popen([sys.executable, "-m", "babelrank", "train", path], stderr=subprocess.DEVNULL)
    work = tmp_path / "b.training"
    deadline = time.monotonic() + 120
    while not (work / "checkpoint-6" / "whole").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "b").exists()
    # What was being written when the run was killed must not be taken for a checkpoint.
    (work / "checkpoint-900").mkdir()
    resumed, listener = run(path)
    assert min(listener.losses) > 1
    assert read_curve(resumed, "loss") == read_curve(undisturbed, "loss")
    assert read_curve(resumed, "eval_loss") == read_curve(undisturbed, "eval_loss")
    assert all(torch.equal(weights(undisturbed)[name], value) for name, value in weights(resumed).items())


def read_curve(folder: Path, name: str) -> dict[int, float]:
    entries = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return {entry["step"]: entry[name] for entry in entries if name in entry}


def test_a_checkpoint_of_another_configuration_is_not_gone_on_from(write_config, tmp_path):
    path = write_config(steps=8)
    work = tmp_path / "checkpoint.training"
    work.mkdir()
    config = load_config(path).model_dump(mode="json", exclude={"output"})
    config["schedule"]["alpha"] = 0.25
    (work / "config.json").write_text(json.dumps(config))
    with pytest.raises(TrainingError, match=r"schedule\.alpha is 0\.25 there and 0\.5 here"):
        run(path)


def test_units_that_changed_are_not_gone_on_with(write_config, units, tmp_path, monkeypatch):
    from babelrank.training import run as runs

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs, "write_checkpoint", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(write_config())
    units.write_text(units.read_text().replace("river", "brook"))
    with pytest.raises(TrainingError, match=r"units\.jsonl\.fingerprint is '\w+' there and '\w+' here"):
        run(write_config())


def test_two_processes_train_as_one_does(write_config, start_without_dropout, tmp_path):
    """Batches are shared and vectors gathered, so that loss and weights are those of a single process."""
    alone, _ = run(write_config("a.toml", output="a", start=start_without_dropout))
    path = write_config("b.toml", output="b", start=start_without_dropout)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "babelrank"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, "train", path], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    together = tmp_path / "b"
    one, two = read_curve(alone, "loss"), read_curve(together, "loss")
    assert list(one) == list(two)
    np.testing.assert_allclose(list(two.values()), list(one.values()), atol=1e-4)
    assert json.loads((together / "babelrank_training.json").read_text())["processes"] == 2


def test_a_batch_that_processes_cannot_share_is_refused(write_config, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainingError, match="4 triplets cannot be shared by 3 processes"):
        run(write_config())


def test_a_dry_run_shows_the_plan_and_writes_nothing(write_config, tmp_path):
    shown = CliRunner().invoke(app, ["train", str(write_config(steps=50)), "--dry-run"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "X-Y" in shown.output
    assert "units.jsonl" in shown.output
    assert "50 steps of" in shown.output
    assert "batch 0, X-" in shown.output
    assert {path.name for path in tmp_path.iterdir()} == {"run.toml", "units.jsonl"}
