"""`babelrank train` from its configuration to a checkpoint that is evaluated like any other model."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from babelrank.cli import app
from babelrank.data.loading import load_collection
from babelrank.errors import TrainingError
from babelrank.pipelines.submission import submit
from babelrank.training.config_file import load_config
from babelrank.training.model import load_base_model, prompts_of
from babelrank.training.plan import make_plan
from babelrank.training.schedule import BatchKind
from babelrank.training.teacher import Teacher
from observers import RecordingTrainingObserver
from training_runs import read_curve, read_metadata, run, weights


def test_training_lowers_the_loss_and_leaves_a_checkpoint_that_can_be_submitted(
    write_config, examples, tiny_model, tmp_path, drawn_curves
):
    more = f'[validation]\npath = "{examples}"\nevery = 10\n[curves]\ncollection = "sample:de,en"\nevery = 5\n'
    folder, listener = run(write_config(steps=20, more=more))
    losses = listener.losses
    assert list(losses) == list(range(1, 21))
    assert np.mean([losses[step] for step in range(16, 21)]) < np.mean([losses[step] for step in range(1, 6)]) - 0.1
    validated = [logs["eval_loss"] for _, logs in listener.logs if "eval_loss" in logs]
    assert len(validated) == 3
    assert validated[-1] < validated[0]
    measured = [(step, logs) for step, logs in listener.logs if "rank distance" in logs]
    assert [step for step, _ in measured] == [0, 5, 10, 15, 20]
    assert all(0 <= logs["Mo. mAP"] <= 1 for _, logs in measured)
    assert {path.name for path in folder.iterdir()} >= {
        "modules.json", "README.md", "curves.svg", "log.jsonl", "babelrank_training.json",
    }  # fmt: skip
    assert {"training", "validation", "Mul. mAP"} <= set(
        re.findall(r">([^<>]+)</text>", (folder / "curves.svg").read_text())
    )
    assert not (tmp_path / "checkpoint.training").exists()
    submission = submit(
        str(folder), ["sample:de,en"], tmp_path / "reports", RecordingTrainingObserver(), store=tmp_path / "store"
    )
    note = submission.results.model.notes["training"]
    assert "hybrid, α = 0.5 batches of 4, 20 steps" in note
    assert "20 examples in de, en, es" in note
    assert f"steps from {Path(tiny_model).name} (info nce)" in note
    # What the curve showed at the step of the checkpoint is what a submission finds.
    found = submission.results.collections["sample:de,en"].macro["multilingual"]["mAP"]
    shown = dict(measured)[read_metadata(folder)["step_of_checkpoint"]]
    assert shown["Mul. mAP"] == pytest.approx(found, abs=1e-5)


def test_without_accelerate_training_names_the_extra_before_anything_is_read(write_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(TrainingError, match=r"babelrank\[train\]"):
        run(write_config())


def test_the_prompts_of_the_training_are_the_checkpoints_own(write_config):
    folder, _ = run(write_config(model='query_prompt = "ask: "\ndocument_prompt = "read: "'))
    prompts = SentenceTransformer(str(folder), device="cpu").prompts
    assert (prompts["query"], prompts["document"]) == ("ask: ", "read: ")


def test_an_empty_prompt_takes_the_place_of_the_starts_own(write_config, tiny_model, tmp_path):
    start = SentenceTransformer(str(tiny_model), device="cpu")
    start.prompts |= {"query": "query: ", "passage": "passage: "}
    start.save_pretrained(str(tmp_path / "prompted"), create_model_card=False)
    path = write_config(base_model=tmp_path / "prompted", model='document_prompt = ""')
    assert prompts_of(load_base_model(load_config(path).model, "cpu")) == {"query": "query: ", "passage": ""}


def test_a_model_of_a_known_family_is_read_as_it_was_trained_unless_told_otherwise(write_config, tiny_model, tmp_path):
    e5 = SentenceTransformer(str(tiny_model), device="cpu")
    e5.prompts = {}
    e5.save_pretrained(str(tmp_path / "multilingual-e5-small"), create_model_card=False)
    path = write_config(base_model=tmp_path / "multilingual-e5-small")
    assert prompts_of(load_base_model(load_config(path).model, "cpu")) == {"query": "query: ", "passage": "passage: "}
    path = write_config(base_model=tmp_path / "multilingual-e5-small", model='query_prompt = ""\ndocument_prompt = "p"')
    assert prompts_of(load_base_model(load_config(path).model, "cpu")) == {"query": "", "passage": "p"}


def test_a_teacher_is_read_with_its_own_prompts(write_config, tiny_model, tmp_path, monkeypatch):
    other = SentenceTransformer(str(tiny_model), device="cpu")
    other.prompts = {"query": "Q: "}
    other.save_pretrained(str(tmp_path / "teacher"), create_model_card=False)
    more = f"[objectives.embedding_distillation]\n[teacher]\nmodel = '{tmp_path / 'teacher'}'\n"
    used = []

    def teach(model, prompts):
        used.append(prompts)
        return Teacher(model, prompts)

    monkeypatch.setattr("babelrank.training.assembly.Teacher", teach)
    run(write_config(steps=1, model='query_prompt = "ask: "\ndocument_prompt = "read: "', more=more))
    assert used == [{"query": "Q: ", "passage": ""}]


def test_the_same_configuration_gives_the_same_weights_and_another_seed_others(write_config):
    first, _ = run(write_config("a.toml", output="a"))
    again, _ = run(write_config("b.toml", output="b"))
    other, _ = run(write_config("c.toml", output="c", schedule="seed = 7"))
    assert all(torch.equal(weights(first)[name], value) for name, value in weights(again).items())
    assert any(not torch.equal(weights(first)[name], value) for name, value in weights(other).items())


def test_frozen_parameters_stay(write_config, tiny_model):
    folder, _ = run(write_config(model='freeze = ["*embeddings*"]'))
    start, trained = weights(tiny_model), weights(folder)
    assert all(torch.equal(start[name], value) for name, value in trained.items() if "embeddings" in name)
    assert any(not torch.equal(start[name], value) for name, value in trained.items() if "query.weight" in name)


@pytest.mark.parametrize(
    ("pattern", "problem"), [("*nothing*", "matches no parameter"), ("*", "leave nothing to train")]
)
def test_freezing_what_is_not_there_or_everything_is_refused(write_config, pattern, problem):
    with pytest.raises(TrainingError, match=problem):
        run(write_config(model=f'freeze = ["{pattern}"]'))


def test_how_much_is_dropped_is_the_configurations_matter_and_not_the_checkpoints(write_config, tiny_model):
    all_of_it, _ = run(write_config("a.toml", output="a", model="dropout = 1.0"))
    none_of_it, _ = run(write_config("b.toml", output="b", model="dropout = 0.0"))
    assert len(set(np.round(list(read_curve(all_of_it, "loss").values()), 4))) == 1  # no text reaches the vectors
    assert len(set(np.round(list(read_curve(none_of_it, "loss").values()), 4))) > 1
    assert (none_of_it / "config.json").read_bytes() == (tiny_model / "config.json").read_bytes()


def test_gradient_caching_trains_to_the_same_weights(write_config):
    """Without dropout, of which each part would draw other masks than the whole."""
    plain, _ = run(write_config("a.toml", output="a", model="dropout = 0.0"))
    cached, _ = run(write_config("b.toml", output="b", model="dropout = 0.0", engine="micro_batch_size = 3"))
    one, other = read_curve(plain, "loss"), read_curve(cached, "loss")
    np.testing.assert_allclose(list(other.values()), list(one.values()), atol=1e-4)


def test_accumulated_gradients_are_those_of_as_many_batches(write_config):
    folder, listener = run(write_config(steps=3, engine="gradient_accumulation = 2"))
    assert list(listener.losses) == [1, 2, 3]
    assert sum(read_metadata(folder)["batches_planned"].values()) == 6


def test_tensorboard_gets_the_loss_of_every_step(write_config):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # The run's folder goes when the run is done; TensorBoard's log stays with the checkpoint.
    folder, listener = run(write_config(steps=3, engine="tensorboard = true"))
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


def test_low_rank_adapters_follow_the_seed_and_can_be_averaged_with_the_start(write_config, tiny_model):
    more, settings = '[lora]\nrank = 2\nmodules = ["query"]\n', {"model": "average_with_base_model = 0.25", "steps": 3}
    one, two = (weights(run(write_config(f"{name}.toml", output=name, more=more, **settings))[0]) for name in "ab")
    whole = weights(run(write_config("c.toml", output="c", more=more, steps=3))[0])
    start = weights(tiny_model)
    assert all(torch.equal(one[name], two[name]) for name in one)
    for name in start:
        torch.testing.assert_close(one[name], 0.75 * whole[name] + 0.25 * start[name])


def test_a_raw_checkpoint_gets_the_pooling_that_is_asked_for(write_config, plain_bert):
    folder, _ = run(write_config(base_model=plain_bert, model='pooling = "cls"'))
    assert json.loads((folder / "1_Pooling" / "config.json").read_text())["pooling_mode"] == "cls"
    with pytest.raises(TrainingError, match="has a pooling already"):
        run(write_config("b.toml", output="b", model='pooling = "cls"'))


def test_a_start_that_is_no_model_is_refused(write_config, tmp_path):
    with pytest.raises(TrainingError, match=r"model\.base_model: .*no such folder"):
        run(write_config(base_model=tmp_path / "nowhere"))


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


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "[objectives.embedding_distillation]\n[teacher]\nlanguage = 'fr+own'\n",
            r"teacher\.language: no example has 'fr'; valid are en, own, all\.",
        ),
        (
            "[objectives.semantic_contrast]\n",
            r"objectives\.semantic_contrast: no example has its passage in two languages",
        ),
        ("[objectives.language_contrast]\n", r"objectives\.language_contrast: .*; the examples are in en\."),
        ("[objectives.info_nce]\nhard_negatives = 4\n", r"hard_negatives: 4, but no example has negatives"),
    ],
)
def test_objectives_that_read_what_no_unit_has_are_refused(write_config, examples, more, problem):
    path = write_config(schedule='batches = "english"', more=more)
    path.write_text(path.read_text().replace("[schedule]", 'languages = ["en"]\n[schedule]', 1))
    with pytest.raises(TrainingError, match=problem):
        make_plan(load_config(path), RecordingTrainingObserver())


def test_more_tokens_than_the_model_has_positions_for_are_refused(write_config, examples):
    with pytest.raises(TrainingError, match=r"model\.max_length: 256 exceeds the 64 tokens"):
        run(write_config(model="max_length = 256"))
    examples.write_text(examples.read_text().replace("river", "river " * 99))
    folder, _ = run(write_config("b.toml", output="b", steps=1))
    assert folder.is_dir()


def test_a_teacher_of_another_dimension_is_refused_for_its_vectors_but_not_for_its_scores(write_config, static_model):
    more = f"[objectives.{{}}]\n[teacher]\nmodel = '{static_model}'\n"
    with pytest.raises(TrainingError, match=r"teacher\.model: its vectors have 8 dimensions, but those of .* 16"):
        run(write_config(more=more.format("embedding_distillation")))
    run(write_config("b.toml", output="b", steps=1, more=more.format("score_distillation")))


def test_the_texts_of_a_static_model_are_not_encode_by_length(write_config, static_model):
    with pytest.raises(TrainingError, match=r"engine\.micro_batch_size: .* static"):
        run(write_config(base_model=static_model, engine="micro_batch_size = 2"))


def test_units_of_a_test_collection_are_dropped_and_counted(write_config, examples):
    taken = load_collection("sample").queries["text"].iloc[0].upper()
    lines = examples.read_text().splitlines()
    stolen = json.loads(lines[3])
    stolen["query"]["en"] = f"  {taken} "
    examples.write_text("\n".join([*lines[:3], json.dumps(stolen), *lines[4:]]) + "\n")
    path, listener = write_config(collections='["sample"]'), RecordingTrainingObserver()
    prepared = make_plan(load_config(path), listener)
    assert "1 with sample" in listener.messages[0]
    assert "u3" in listener.messages[0]
    drawn = {int(example) for batch in prepared.schedule for example in batch.examples}
    assert 3 not in drawn
    folder, _ = run(path)
    metadata = read_metadata(folder)
    assert metadata["examples"][0]["dropped"] == 1
    assert "1" in (folder / "README.md").read_text().split("examples.jsonl |")[1].split("\n")[0]


def test_sets_whose_files_have_one_name_are_told_apart(write_config, examples, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / examples.name).write_bytes(examples.read_bytes())
    more = "".join(
        f"[[examples]]\npath = '{path}'\n" for path in ("a/examples.jsonl", "b/examples.jsonl", "b/examples.jsonl")
    )
    observer = RecordingTrainingObserver()
    prepared = make_plan(load_config(write_config(steps=200, more=more)), observer)
    names = [
        f"{tmp_path.name}/examples.jsonl",
        "a/examples.jsonl",
        "examples.jsonl (examples[2])",
        "examples.jsonl (examples[3])",
    ]
    assert [source.name for source in prepared.schedule.sources] == names
    assert observer.counted == {f"{names[0]} read": (20, 20, "rows")}  # the others are equal, and read with it
    counts = prepared.schedule.count_batches()
    assert {name for _, name, _ in counts} == set(names)
    assert sum(counts.values()) == 200


def test_a_set_of_which_no_batch_can_be_made_is_told_and_not_counted(write_config, examples, tmp_path):
    lines = examples.read_text().replace('"es"', '"fr"').splitlines(keepends=True)
    (tmp_path / "few.jsonl").write_text("".join(lines[:3]))
    few = "[[examples]]\npath = 'few.jsonl'\n"
    folder, listener = run(write_config(steps=1, schedule='batches = "X-Y"', more=few))
    assert [message.split(":")[0] for message in listener.messages if "since no batch" in message] == ["few.jsonl"]
    metadata = read_metadata(folder)
    assert metadata["languages"] == ["de", "en", "es"]
    assert [entry["name"] for entry in metadata["examples"]] == ["examples.jsonl"]


def test_two_processes_train_and_validate_as_one_does(write_config, examples, tmp_path):
    """Batches are shared and vectors gathered, so that losses are those of a single process.

    Hard negatives are not everywhere, and what is validated on is not what is trained with: seven examples, in groups
    that the processes cannot share equally.
    """
    lines = [json.loads(line) for line in examples.read_text().splitlines()]
    for line in lines[::5]:
        line["negatives"] = [{lang: f"{lang} nowhere at all" for lang in line["passage"]}]
    examples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    valid = tmp_path / "valid.jsonl"
    valid.write_text("".join(json.dumps(line) + "\n" for line in lines[:7]))
    more = (
        "[objectives.info_nce]\ntemperature = 0.5\nhard_negatives = 1\n"
        f'[validation]\npath = "{valid}"\nevery = 1\nbatch_size = 3\n'
    )
    alone, _ = run(write_config("a.toml", output="a", model="dropout = 0.0", more=more))
    path = write_config("b.toml", output="b", model="dropout = 0.0", more=more)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "babelrank"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, "train", path], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    together = tmp_path / "b"
    for curve in ("loss", "eval_loss"):
        one, two = read_curve(alone, curve), read_curve(together, curve)
        assert len(one) > 3
        assert list(one) == list(two)
        np.testing.assert_allclose(list(two.values()), list(one.values()), atol=1e-4)
    assert [two[step] for step in (0, 1)] == pytest.approx([one[step] for step in (0, 1)], abs=1e-6)
    assert read_metadata(together)["processes"] == 2
    assert read_metadata(together)["cpu_seconds"] > 0


def test_a_batch_that_processes_cannot_share_is_refused(write_config, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainingError, match="4 triplets cannot be shared by 3 processes"):
        run(write_config())


def test_a_dry_run_shows_the_plan_and_writes_nothing(write_config, tmp_path):
    shown = CliRunner().invoke(app, ["train", str(write_config(steps=50)), "--dry-run"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "X-Y" in shown.output
    assert "examples.jsonl" in shown.output
    assert "50 steps of" in shown.output
    assert "batch 0, X-" in shown.output
    assert {path.name for path in tmp_path.iterdir()} == {"run.toml", "examples.jsonl"}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"more": "[validation]\npath = 'nowhere.jsonl'\nevery = 1\n"}, "nowhere.jsonl: cannot be read"),
        ({"more": "[curves]\ncollection = 'nothing'\nevery = 1\n"}, "nothing"),
        ({"more": "[objectives.score_distillation]\n[teacher]\nmodel = './nowhere'\n"}, "teacher.model: .*nowhere"),
        ({"base_model": "./nowhere"}, "model.base_model: .*nowhere"),
        ({"model": "freeze = ['nothing']"}, "model.freeze"),
    ],
)
def test_a_dry_run_checks_all_that_the_run_reads(write_config, settings, problem):
    shown = CliRunner().invoke(app, ["train", str(write_config(**settings)), "--dry-run"])
    assert shown.exit_code != 0
    assert re.search(problem, shown.stderr)


def test_the_model_and_the_validation_are_opened_before_the_examples(write_config, examples):
    examples.write_text("{")
    with pytest.raises(TrainingError, match="no such folder"):
        run(write_config(base_model="./nowhere"))
    with pytest.raises(TrainingError, match=r"nowhere\.jsonl: cannot be read"):
        run(write_config(more="[validation]\npath = 'nowhere.jsonl'\nevery = 1\n"))


def test_sets_are_weighed_by_the_examples_in_the_language_of_the_batch(write_config, examples, tmp_path):
    lines = [json.loads(line) for line in examples.read_text().splitlines()]
    few = [
        {**line, "id": f"f{i}", "query": {"de": f"q{i}"}, "passage": {"de": f"p{i}"}} for i, line in enumerate(lines)
    ]
    for i in range(5):
        few[i] |= {"query": {"en": f"e{i}"}, "passage": {"en": f"p{i}"}}
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(line) + "\n" for line in few))
    path = write_config(steps=500, schedule='batches = "english"', more="[[examples]]\npath = 'few.jsonl'\n")
    counts = make_plan(load_config(path), RecordingTrainingObserver()).schedule.count_batches()
    assert counts[BatchKind.MONOLINGUAL, "few.jsonl", "en"] == pytest.approx(500 * 5 / 25, abs=35)
