"""What a configuration can ask for besides the paper's recipe: trackers, lengths, layers, dimensions, shares."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel, TrainerCallback
from transformers.integrations import integration_utils

from babelrank.errors import TrainingError
from babelrank.training.config_file import load_config
from babelrank.training.model import keep_layers
from babelrank.training.plan import make_plan
from observers import RecordingTrainingObserver
from training_runs import read_curve, read_metadata, run, weights


def test_a_tracker_that_transformers_knows_gets_every_step(write_config, monkeypatch):
    seen = []

    class Recorder(TrainerCallback):
        def on_log(self, args, state, _control, *, logs, **_):
            seen.append((args.run_name, state.global_step, dict(logs)))

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "wandb", Recorder)
    monkeypatch.setattr("babelrank.training.assembly.get_available_reporting_integrations", lambda: ["wandb"])
    run(write_config(steps=2, engine='report_to = ["wandb"]'))
    assert {step for name, step, logs in seen if name == "checkpoint" and "loss" in logs} == {1, 2}


@pytest.mark.parametrize(
    ("name", "problem"),
    [("wandbb", "unknown tracker 'wandbb'. Did you mean 'wandb'"), ("comet_ml", "comet_ml is not installed")],
)
def test_a_tracker_that_is_not_there_is_refused_before_the_model_is_loaded(write_config, name, problem):
    with pytest.raises(TrainingError, match=problem):
        run(write_config(base_model="./nowhere", engine=f'report_to = ["{name}"]'))


@pytest.mark.parametrize(
    ("engine", "problem"),
    [("bf16 = true\nfp16 = true", "cannot be combined"), ("fp16 = true", "'fp16' needs a GPU; 'bf16' works")],
)
def test_half_precision_that_cannot_be_had_is_refused(write_config, engine, problem):
    with pytest.raises(TrainingError, match=problem):
        run(write_config(engine=engine))


def test_half_precision_without_a_gpu_is_refused(write_config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    path = write_config(engine="fp16 = true")
    path.write_text(path.read_text().replace('device = "cpu"\n', ""))
    with pytest.raises(TrainingError, match=r"engine.fp16 needs a GPU"):
        run(path)


def test_half_precision_that_is_slow_here_is_said(write_config, monkeypatch, caplog):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    run(write_config(steps=1, engine="bf16 = true"))
    assert any(message.endswith("engine.bf16 = false is faster.") for message in caplog.messages)


def test_queries_and_passages_can_be_cut_at_other_lengths(write_config):
    folders = [
        run(write_config(f"{name}.toml", output=name, model=f"{lengths}\ndropout = 0.0", steps=1))[0]
        for name, lengths in {
            "both": "max_length = 16",
            "same": "query_max_length = 16\ndocument_max_length = 16",
            "apart": "max_length = 16\nquery_max_length = 6",
        }.items()
    ]
    losses = [read_curve(folder, "loss")[1] for folder in folders]
    assert losses[0] == losses[1] != losses[2]
    assert "| 6 tokens of a query, 16 of a passage |" in (folders[2] / "README.md").read_text()
    with pytest.raises(TrainingError, match=r"model\.query_max_length: 99 exceeds the 64 tokens"):
        run(write_config("d.toml", output="d", model="query_max_length = 99"))


@pytest.fixture
def deep_model(tiny_model, tmp_path):
    """The tiny model with 12 layers."""
    config = AutoConfig.from_pretrained(tiny_model)
    config.num_hidden_layers = 12
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path / "deep")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "deep" / name).write_bytes((tiny_model / name).read_bytes())
    return tmp_path / "deep"


def test_some_layers_are_kept_and_the_teacher_keeps_all(write_config, deep_model):
    more = "[objectives.embedding_distillation]\n"
    folder, _ = run(write_config(base_model=deep_model, model="layers = 2\npooling = 'mean'", steps=1, more=more))
    trained = SentenceTransformer(str(folder), device="cpu")
    assert len(trained.transformers_model.encoder.layer) == 2
    assert read_curve(folder, "embedding_distillation")[1] > 1e-3  # the teacher has more layers, and other vectors
    assert "| layers | 2 of the base model's |" in (folder / "README.md").read_text()


def test_layers_that_are_kept_are_evenly_spaced(deep_model):
    model = SentenceTransformer(str(deep_model), device="cpu")
    before = list(model.transformers_model.encoder.layer)
    keep_layers(model, 6, "here")
    assert [before.index(layer) for layer in model.transformers_model.encoder.layer] == [0, 2, 4, 7, 9, 11]
    assert model.transformers_model.config.num_hidden_layers == 6


@pytest.mark.parametrize(
    ("model", "problem"),
    [("layers = 13", r"model\.layers: .* has \d layers, but 13 were asked for"), ("layers = 0", "model.layers: ")],
)
def test_layers_that_are_not_there_are_refused(write_config, model, problem):
    with pytest.raises(TrainingError, match=problem):
        run(write_config(model=model))


def test_a_model_without_layers_cannot_be_cut(write_config, static_model):
    with pytest.raises(TrainingError, match=r"model\.layers: .*: its layers cannot be found; leave it out"):
        run(write_config(base_model=static_model, model="layers = 1"))


@pytest.mark.parametrize("engine", ["", "micro_batch_size = 3"])
def test_first_dimensions_are_trained_too(write_config, engine):
    more = "[objectives.info_nce]\n[objectives.embedding_distillation]\n[matryoshka]\ndimensions = [4, 8]\n"
    path = write_config(steps=20, model="dropout = 0.0", engine=engine, more=more)
    folder, _ = run(path)
    plain, _ = run(write_config("p.toml", output="p", steps=20, model="dropout = 0.0", more=more.partition("[mat")[0]))
    first, alone = (read_curve(each, "loss")[1] for each in (folder, plain))
    assert first > 2 * alone  # a sum over 4, 8 and all 16 dimensions
    assert "| dimensions | all, and the first 4, 8 |" in (folder / "README.md").read_text()


def test_gradient_caching_gives_the_same_matryoshka_loss(write_config):
    more = "[matryoshka]\ndimensions = [4]\n"
    plain, _ = run(write_config("a.toml", output="a", model="dropout = 0.0", more=more))
    cached, _ = run(write_config("b.toml", output="b", model="dropout = 0.0", engine="micro_batch_size = 3", more=more))
    one, two = (list(read_curve(folder, "loss").values()) for folder in (plain, cached))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_more_dimensions_than_there_are_are_refused(write_config):
    with pytest.raises(TrainingError, match=r"matryoshka\.dimensions: 32; the vectors of .* have 16"):
        run(write_config(more="[matryoshka]\ndimensions = [32]\n"))


def test_a_share_of_the_examples_is_drawn_by_the_seed_and_part_of_a_larger_one(write_config, examples):
    def drawn(share, seed=0):
        path = write_config(steps=200, schedule=f"seed = {seed}")
        path.write_text(path.read_text().replace("[schedule]", f"share = {share}\n[schedule]", 1))
        plan = make_plan(load_config(path), RecordingTrainingObserver())
        return {int(number) for batch in plan.schedule for number in batch.examples}

    few, more, others = drawn(0.3), drawn(0.6), drawn(0.3, seed=1)
    assert (len(few), len(more), len(others)) == (6, 12, 6)
    assert few < more
    assert few != others
    path = write_config(steps=1)
    path.write_text(path.read_text().replace("[schedule]", "share = 0.5\n[schedule]", 1))
    folder, _ = run(path)
    assert read_metadata(folder)["examples"][0]["examples"] == 10


@pytest.mark.parametrize("share", ["0.0", "1.5", "'all'"])
def test_a_share_out_of_range_is_refused(write_config, share):
    path = write_config()
    path.write_text(path.read_text().replace("[schedule]", f"share = {share}\n[schedule]", 1))
    with pytest.raises(TrainingError, match=r"examples\[0\]\.share"):
        load_config(path)


def test_a_run_that_was_done_by_an_earlier_version_is_still_done(write_config):
    folder, _ = run(write_config(steps=1))
    metadata = read_metadata(folder)
    config = metadata["config"]
    for table, key in (("model", "layers"), ("model", "query_max_length"), ("engine", "report_to")):
        del config[table][key]
    config["engine"]["tensorboard"] = False
    del config["matryoshka"]
    (folder / "babelrank_training.json").write_text(json.dumps(metadata))
    before = weights(folder)
    _, observer = run(write_config(steps=1))
    assert "exists already" in observer.messages[-1]
    assert all(torch.equal(value, weights(folder)[name]) for name, value in before.items())
