"""What a checkpoint says of itself."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from babelrank.checkpoints import METADATA_FILE, not_compared, summarise_training, trained_languages
from babelrank.errors import TrainingError
from babelrank.training.averaging import average_checkpoints
from babelrank.training.contamination import count_shared
from training_runs import read_metadata, run


def test_a_checkpoint_tells_the_languages_that_it_was_trained_on(tmp_path):
    (tmp_path / METADATA_FILE).write_text(json.dumps({"languages": ["en", "de"]}), encoding="utf-8")
    assert trained_languages(tmp_path) == ["de", "en"]


@pytest.mark.parametrize("metadata", [None, "{", "[]", "{}", '{"languages": 1}'])
def test_what_is_no_account_of_a_training_tells_none(tmp_path, metadata):
    if metadata is not None:
        (tmp_path / METADATA_FILE).write_text(metadata, encoding="utf-8")
    assert trained_languages(tmp_path) is None


def test_a_model_that_is_no_folder_tells_none(tmp_path):
    assert trained_languages(tmp_path / "org" / "model") is None


def as_earlier(metadata):
    """Return metadata under the keys of earlier versions."""
    old = json.loads(json.dumps(metadata))
    old["units"] = [
        {("units" if key == "examples" else key): value for key, value in entry.items()}
        for entry in old.pop("examples")
    ]
    config = old["config"]
    config["units"] = config.pop("examples")
    model = config["model"]
    config["model"] = model | {
        "start": model.pop("base_model"),
        "average_with_start": model.pop("average_with_base_model"),
        "trust_remote_code": False,
    }
    del config["validation"]["languages"], config["validation"]["batch_size"]
    return old | {"config": config}


def test_checkpoints_of_earlier_versions_are_read(write_config, examples, tmp_path):
    path = write_config(output="a", steps=1, more=f"[validation]\npath = '{examples}'\nevery = 1\n")
    folder, _ = run(path)
    metadata = read_metadata(folder)
    old = as_earlier(metadata) | {"start": as_earlier(metadata)}
    assert summarise_training(old) == f"{summarise_training(metadata)}; its base model: {summarise_training(metadata)}"
    (folder / METADATA_FILE).write_text(json.dumps(as_earlier(metadata)))
    assert trained_languages(folder) == ["de", "en", "es"]
    assert run(path)[1].messages == [f"{folder}: exists already, trained with this configuration."]
    averaged = average_checkpoints([folder], tmp_path / "averaged", base_share=0.5)
    assert read_metadata(averaged)["config"]["model"]["average_with_base_model"] == 0.5


def test_collections_that_were_not_compared_with_the_training_texts_are_named(write_config, tmp_path):
    folder, _ = run(write_config(output="a", steps=1))
    metadata = read_metadata(folder)
    metadata["config"]["contamination"]["collections"] = ["xquad-r", "mlqa-r"]
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    assert not_compared(folder, ["xquad-r:de", "ntrex:lead", "afriqa@human"]) == ["ntrex:lead", "afriqa@human"]
    assert not_compared(tmp_path / "nothing", ["ntrex"]) == []


def test_texts_that_a_checkpoint_was_trained_on_are_found_in_other_collections(write_config, collection_of, tmp_path):
    folder, _ = run(write_config(output="a", steps=1))
    metadata = read_metadata(folder)
    (source,) = metadata["config"]["examples"]
    path = Path(source["path"])
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    text = next(iter(rows[3]["passage"].values()))
    known, other = collection_of(["who?"], [f" {text.upper()}"]), replace(collection_of(["who?"], ["me"]), name="other")
    having = sum(text in [*row["query"].values(), *row["passage"].values()] for row in rows)
    total = metadata["examples"][0]["examples"]
    assert count_shared(folder, [known, other]) == {"hand-made": (having, total), "other": (0, total)}
    averaged = average_checkpoints([folder, folder], tmp_path / "averaged")
    assert count_shared(averaged, [known]) == {"hand-made": (having, total)}
    assert count_shared(tmp_path, [known]) == {}

    for written in ("/dev/zero", "/etc/hostname", str(tmp_path / "none.jsonl"), 7, None):
        source["path"] = written
        (folder / METADATA_FILE).write_text(json.dumps(metadata))
        assert count_shared(folder, [known]) == {}
    (changed := tmp_path / "changed.jsonl").write_bytes(path.read_bytes() + b"\n")
    source["path"] = str(changed)
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    assert count_shared(folder, [known]) == {}


@pytest.mark.parametrize(
    "damage",
    [
        {"examples": None},
        {"config": {}},
        {"languages": None},
        {"averaged_with": 3},
        {"base_model": {}},
        {"steps": None},
    ],
)
def test_damaged_metadata_say_nothing_and_stop_nothing(write_config, damage, tmp_path):
    folder, _ = run(write_config(steps=1))
    metadata = read_metadata(folder) | damage
    assert isinstance(summarise_training(metadata), str)
    (folder / METADATA_FILE).write_text(json.dumps(metadata))
    trained_languages(folder)
    if not summarise_training(metadata):
        with pytest.raises(TrainingError, match="not a checkpoint of `babelrank train`"):
            average_checkpoints([folder], tmp_path / "averaged", base_share=0.5)
