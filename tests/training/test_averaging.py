"""Checkpoints that are averaged with their start, when they are made or later, and with one another."""

import json
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from babelrank.checkpoints import METADATA_FILE, trained_languages
from babelrank.cli import app
from babelrank.errors import TrainingError
from babelrank.training.averaging import average_checkpoints
from training_runs import read_metadata, run, weights

AVERAGED = "average_with_base_model = 0.25"


def test_averaging_with_the_start_meets_it_at_the_share_asked_for(write_config, tiny_model):
    whole, _ = run(write_config("a.toml", output="a"))
    averaged, _ = run(write_config("b.toml", output="b", model=AVERAGED))
    start, trained, mixed = weights(tiny_model), weights(whole), weights(averaged)
    name = next(name for name in mixed if "query.weight" in name)
    torch.testing.assert_close(mixed[name], 0.75 * trained[name] + 0.25 * start[name])


def test_a_checkpoint_averaged_later_is_the_one_that_training_would_have_averaged(write_config, tmp_path):
    trained, _ = run(write_config(output="a"))
    at_once, _ = run(write_config(output="b", model=AVERAGED))
    outcome = CliRunner().invoke(app, ["average", str(trained), "--start", "0.25", "--out", str(tmp_path / "later")])
    assert outcome.exit_code == 0, outcome.output
    later = weights(tmp_path / "later")
    for name, value in weights(at_once).items():
        torch.testing.assert_close(later[name], value)
    assert read_metadata(at_once)["config"] == read_metadata(tmp_path / "later")["config"]
    # So that training by that configuration finds its work done.
    _, listener = run(write_config(output="later", model=AVERAGED))
    assert any("exists already" in message for message in listener.messages)


@pytest.mark.parametrize(
    ("share", "folder", "problem"),
    [
        (1.5, "a", r"1\.5: should be at least 0 and below 1"),
        (0.0, "a", r"0\.0: should be .* above 0 for a single checkpoint"),
        (0.5, "nothing", "not a checkpoint of `babelrank train`"),
        (0.5, "averaged", "already averaged with its base model"),
    ],
)
def test_what_cannot_be_averaged_is_refused(write_config, tmp_path, share, folder, problem):
    run(write_config(output="a", steps=1))
    average_checkpoints([tmp_path / "a"], tmp_path / "averaged", base_share=0.5)
    with pytest.raises(TrainingError, match=problem):
        average_checkpoints([tmp_path / folder], tmp_path / "out", base_share=share)
    with pytest.raises(TrainingError, match="exists; choose another"):
        average_checkpoints([tmp_path / "a"], tmp_path / "averaged", base_share=0.5)


def test_checkpoints_of_one_start_are_averaged_with_one_another(write_config, tmp_path, tiny_model):
    folders = [run(write_config(f"{steps}.toml", output=f"after-{steps}", steps=steps))[0] for steps in (1, 2, 3)]
    out = average_checkpoints(folders, tmp_path / "soup", base_share=0.5)
    start, soup, parts = weights(tiny_model), weights(out), [weights(folder) for folder in folders]
    for name, value in soup.items():
        torch.testing.assert_close(value, 0.5 * sum(part[name] for part in parts) / 3 + 0.5 * start[name])
    metadata = read_metadata(out)
    assert [member["steps"] for member in metadata["averaged_with"]] == [2, 3]
    card = (out / "README.md").read_text()
    assert card.count("averaged with: ") == 2
    assert "3 steps from" in card


def test_an_average_tells_of_all_checkpoints_in_it_whatever_their_folders_are_called(write_config, examples, tmp_path):
    path = write_config(steps=1, output="1/a", more=f"[validation]\npath = '{examples}'\nevery = 1\n")
    first, _ = run(path)
    folders = [first]
    for steps in (2, 3, 4):
        folders.append(shutil.copytree(first, tmp_path / str(steps) / "a"))
        metadata = read_metadata(first) | {"steps": steps, "languages": ["fr", "en"] if steps == 4 else ["en"]}
        (folders[-1] / METADATA_FILE).write_text(json.dumps(metadata))
    soups = [average_checkpoints(folders[i : i + 2], tmp_path / f"soup-{i}") for i in (0, 2)]
    out = average_checkpoints(soups, tmp_path / "soup")
    metadata = read_metadata(out)
    assert [metadata["steps"], *(member["steps"] for member in metadata["averaged_with"])] == [1, 2, 3, 4]
    assert trained_languages(out) == ["de", "en", "es", "fr"]
    assert ModelCard.load(out / "README.md").data.language == ["de", "en", "es", "fr"]
    # Of the weights of the checkpoint alone, none of which is left.
    assert read_metadata(first)["validation_loss"] > 0
    assert metadata["validation_loss"] is None


def test_weights_averaged_with_the_start_have_no_validation_loss_yet(write_config, examples):
    folder, _ = run(write_config(steps=1, model=AVERAGED, more=f"[validation]\npath = '{examples}'\nevery = 1\n"))
    assert read_metadata(folder)["validation_loss"] is None


def test_checkpoints_of_different_starts_are_not_averaged(write_config, tmp_path):
    run(write_config("a.toml", output="a", steps=1))
    run(write_config("b.toml", output="b", steps=1))
    path = tmp_path / "b" / "babelrank_training.json"
    metadata = json.loads(path.read_text())
    metadata["config"]["model"]["base_model"] = "another/model"
    path.write_text(json.dumps(metadata))
    with pytest.raises(
        TrainingError, match=r"b: model\.base_model is 'another/model', but .*Checkpoints need the same base model"
    ):
        average_checkpoints([tmp_path / "a", tmp_path / "b"], tmp_path / "soup")
