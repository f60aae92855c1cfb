"""Training runs that end before their last step, those that go on from there, and what is never overwritten."""

import json
import resource
from functools import partial

import pytest
import torch

from babelrank.errors import TrainingError
from babelrank.training import loss as losses
from babelrank.training import run as runs
from babelrank.training.averaging import average_checkpoints
from babelrank.training.centering import center_model
from babelrank.training.config import ModelConfig
from babelrank.training.config_file import load_config
from babelrank.training.indexing import read_examples
from babelrank.training.run import train
from observers import RecordingTrainingObserver
from training_runs import read_curve, read_metadata, run, weights


def interrupt(*_):
    raise KeyboardInterrupt


def interrupted_at(monkeypatch, step, path):
    """Begin a run that is interrupted where it calls `step`, a function of `run`."""
    with monkeypatch.context() as patched:
        patched.setattr(runs, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(path)


def test_a_finished_run_is_not_run_again_and_not_overwritten_by_another(write_config):
    folder, _ = run(write_config())
    before = (folder / "log.jsonl").stat().st_mtime_ns
    _, listener = run(write_config())
    assert (folder / "log.jsonl").stat().st_mtime_ns == before
    assert "exists already" in listener.messages[-1]
    with pytest.raises(TrainingError, match=r"schedule\.steps is 6 there and 9 here"):
        run(write_config(steps=9))


def test_an_output_that_is_something_else_is_left_alone(write_config, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="choose another output"):
        run(write_config())
    assert (tmp_path / "checkpoint" / "thesis.txt").read_text() == "years of work"


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_checkpoint(write_config, monkeypatch, tmp_path):
    path, calls = write_config(steps=8, engine="save_every = 2"), []

    def sometimes_nan(*args, **kwargs):
        calls.append(1)
        return torch.tensor(float("nan"), requires_grad=True) if len(calls) == 6 else plain(*args, **kwargs)

    plain = losses.info_nce
    monkeypatch.setattr(losses, "info_nce", sometimes_nan)
    with pytest.raises(TrainingError, match=r"step 6: the loss is nan \(batch 5, X-.*examples\.jsonl.*checkpoint-4"):
        run(path)
    assert not (tmp_path / "checkpoint").exists()
    kept = tmp_path / "checkpoint.training" / "checkpoint-4"
    assert all(torch.isfinite(value).all() for value in weights(kept).values())
    monkeypatch.setattr(losses, "info_nce", plain)
    folder, listener = run(path)
    assert min(listener.losses) == 5
    assert len([line for line in (folder / "log.jsonl").read_text().splitlines() if '"loss"' in line]) == 8


def test_a_loss_that_is_no_number_is_told_with_its_batch_of_those_that_are_accumulated(write_config, monkeypatch):
    calls = []

    def nan_in_the_fourth(*args, **kwargs):
        calls.append(1)
        return torch.tensor(float("nan"), requires_grad=True) if len(calls) == 4 else plain(*args, **kwargs)

    plain = losses.info_nce
    monkeypatch.setattr(losses, "info_nce", nan_in_the_fourth)
    with pytest.raises(TrainingError, match=r"step 2: the loss is nan \(batch 3, "):
        run(write_config(engine="gradient_accumulation = 2"))


def test_early_stopping_ends_a_run_that_no_longer_gains(write_config, examples):
    # A learning rate of almost nothing: no evaluation is better than the first.
    more = f'[validation]\npath = "{examples}"\nevery = 2\npatience = 2\n'
    folder, listener = run(write_config(steps=40, learning_rate=1e-30, more=more))
    assert max(listener.losses) < 40
    assert read_metadata(folder)["steps"] == max(listener.losses)


def test_a_run_that_had_stopped_early_stops_there_when_it_goes_on(write_config, examples, monkeypatch):
    more = f'[validation]\npath = "{examples}"\nevery = 2\npatience = 2\n'
    settings = {"steps": 40, "learning_rate": 1e-30, "more": more}
    undisturbed, _ = run(write_config("a.toml", output="a", **settings))
    path = write_config("b.toml", output="b", **settings)
    interrupted_at(monkeypatch, "write_checkpoint", path)
    resumed, listener = run(path)
    assert listener.losses == {}
    assert read_metadata(resumed)["steps"] == read_metadata(undisturbed)["steps"] < 40
    assert read_curve(resumed, "loss") == read_curve(undisturbed, "loss")
    assert all(torch.equal(weights(undisturbed)[name], value) for name, value in weights(resumed).items())


def test_a_run_that_is_interrupted_after_its_last_file_was_written_goes_on(write_config, monkeypatch):
    def copy_and_interrupt(*args, **kwargs):
        copytree(*args, **kwargs)
        raise KeyboardInterrupt

    path, copytree = write_config(steps=2, engine='report_to = ["tensorboard"]'), runs.shutil.copytree
    with monkeypatch.context() as patched:
        patched.setattr(runs.shutil, "copytree", copy_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(path)
    folder, _ = run(path)
    assert any((folder / "tensorboard").iterdir())


class InterruptedAt(RecordingTrainingObserver):
    """Interrupts the run after a step."""

    def __init__(self, step):
        super().__init__()
        self._step = step

    def training(self, steps):
        def on_step(step, _):
            if step == self._step:
                raise KeyboardInterrupt

        return on_step


def test_a_run_that_is_interrupted_goes_on_to_the_same_loss_curve(write_config, tmp_path, examples):
    """Tests of crashes kill runs at any point."""
    more = f'[validation]\npath = "{examples}"\nevery = 3\n'
    undisturbed, _ = run(write_config("a.toml", output="a", steps=12, more=more))
    path = write_config("b.toml", output="b", steps=12, more=more)
    with pytest.raises(KeyboardInterrupt):
        train(load_config(path), InterruptedAt(8))
    assert not (tmp_path / "b").exists()
    # What was being written when a run was killed must not be taken for a checkpoint.
    (tmp_path / "b.training" / "checkpoint-900").mkdir()
    resumed, listener = run(path)
    assert min(listener.losses) > 6
    assert read_curve(resumed, "loss") == read_curve(undisturbed, "loss")
    assert read_curve(resumed, "eval_loss") == read_curve(undisturbed, "eval_loss")
    assert all(torch.equal(weights(undisturbed)[name], value) for name, value in weights(resumed).items())


def test_a_checkpoint_of_another_configuration_is_not_gone_on_from(write_config, tmp_path):
    path = write_config(steps=8)
    work = tmp_path / "checkpoint.training"
    work.mkdir()
    config = load_config(path).model_dump(mode="json", exclude={"output"})
    config["schedule"]["alpha"] = 0.25
    (work / "config.json").write_text(json.dumps(config))
    with pytest.raises(TrainingError, match=r"schedule\.alpha is 0\.25 there and 0\.5 here"):
        run(path)


def test_units_that_changed_are_not_gone_on_with(write_config, examples, monkeypatch):
    interrupted_at(monkeypatch, "write_checkpoint", write_config())
    examples.write_text(examples.read_text().replace("river", "brook"))
    with pytest.raises(TrainingError, match=r"examples\.jsonl\.fingerprint is '\w+' there and '\w+' here"):
        run(write_config())


@pytest.mark.parametrize("changed", ["a", "b"])
def test_sets_whose_files_have_one_name_are_compared_each_with_itself(
    write_config, examples, tmp_path, monkeypatch, changed
):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "set.jsonl").write_bytes(examples.read_bytes())
    path = write_config(more="".join(f"[[examples]]\npath = '{folder}/set.jsonl'\n" for folder in ("a", "b")))
    interrupted_at(monkeypatch, "write_checkpoint", path)
    (tmp_path / changed / "set.jsonl").write_text(examples.read_text().replace("river", "brook"))
    with pytest.raises(TrainingError, match=rf"{changed}/set\.jsonl\.fingerprint is"):
        run(path)


class FullFrom(RecordingTrainingObserver):
    """Lets no file grow beyond a size once a step is done, as a full disk does."""

    def __init__(self, step, size):
        super().__init__()
        self._step, self._size = step, size

    def training(self, steps):
        def on_step(step, measured):
            self.logs.append((step, dict(measured)))
            if step >= self._step:
                resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, resource.RLIM_INFINITY))

        return on_step


@pytest.mark.parametrize("share", [0.5, 1.5], ids=["weights", "optimiser"])
def test_a_disk_that_fills_up_costs_nothing(write_config, tiny_model, tmp_path, share):
    size = int((tiny_model / "model.safetensors").stat().st_size * share)
    path = write_config(output="full", engine="save_every = 2")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainingError) as caught:
            train(load_config(path), FullFrom(3, size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    work = tmp_path / "full.training"
    assert str(caught.value).startswith(f"{work}: cannot be written (")
    assert str(caught.value).endswith("; run the same command to continue from the last complete checkpoint.")
    assert [folder.name for folder in work.glob("checkpoint-*")] == ["checkpoint-2"]
    folder, observer = run(path)
    assert any("continuing from" in message for message in observer.messages)
    undisturbed, _ = run(write_config("b.toml", output="undisturbed", engine="save_every = 2"))
    assert read_curve(folder, "loss") == read_curve(undisturbed, "loss")


@pytest.mark.parametrize("command", ["average", "center"])
def test_a_checkpoint_that_does_not_fit_on_the_disk_is_one_sentence_and_leaves_nothing(
    write_config, examples, tiny_model, tmp_path, command
):
    out = tmp_path / "made"
    if command == "average":
        make = partial(average_checkpoints, [run(write_config(steps=1))[0]], out, base_share=0.5)
    else:
        make = partial(center_model, ModelConfig(base_model=str(tiny_model)), [read_examples(examples)], out, share=0.5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tiny_model / "model.safetensors").stat().st_size // 2, limits[1]))
    try:
        with pytest.raises(TrainingError, match=f"^{out}: cannot be written"):
            make()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]
