"""Which checkpoint is kept: by the validation loss, or by a measure of a development collection."""

import json

import pytest

from babelrank.analysis.language_bias import measure_language_bias
from babelrank.analysis.summary import analyse
from babelrank.data.loading import load_collection
from babelrank.errors import TrainingError
from babelrank.training.development import CRITERIA, rank_collection
from babelrank.training.model import load_checkpoint
from training_runs import read_curve, read_metadata, run

DEVELOPMENT = '[validation]\nselect_by = "{}"\ncollection = "sample:de,en,es"\nevery = 2\n'


@pytest.mark.parametrize(("name", "best"), [("multilingual_map", max), ("rank_ratio", min), ("merge_gap", min)])
def test_the_checkpoint_with_the_best_measure_is_kept(write_config, name, best):
    folder, observer = run(write_config(more=DEVELOPMENT.format(name)))
    values = read_curve(folder, f"eval_{name}")
    assert list(values) == [0, 2, 4, 6]
    metadata = read_metadata(folder)
    step = metadata["step_of_checkpoint"]
    assert values[step] == best(values.values())
    ranks = rank_collection(load_checkpoint(folder), load_collection("sample:de,en,es"))
    bias = measure_language_bias(ranks)
    known = {
        "multilingual_map": analyse(ranks).macro["multilingual"]["mAP"],
        "rank_ratio": bias.effect.rank_ratio.macro.value,
        "merge_gap": bias.merge_gap.macro.value,
    }
    assert values[step] == pytest.approx(known[name], abs=1e-6)
    assert metadata["validation"]["select_by"] == name
    assert metadata["validation"]["checkpoint"] == values[step]
    assert f"| chosen by | {name.replace('_', ' ')} on sample:de,en,es |" in (folder / "README.md").read_text()
    if step == 0:
        assert any(f"no checkpoint has {CRITERIA[name].wanted}" in message for message in observer.messages)


def test_the_loss_is_logged_next_to_the_measure_and_patience_counts_the_measure(write_config, examples):
    more = DEVELOPMENT.format("multilingual_map") + f'path = "{examples}"\npatience = 1\n'
    folder, _ = run(write_config(steps=20, learning_rate=1e-9, more=more))  # nothing changes
    assert read_metadata(folder)["steps"] == 2
    assert set(read_curve(folder, "eval_loss")) == {0, 2}
    assert read_metadata(folder)["step_of_checkpoint"] == 0


def test_a_test_collection_and_one_without_parallel_passages_are_refused(write_config, tmp_path):
    path = write_config(more=DEVELOPMENT.format("rank_ratio"), collections='["sample:en"]')
    with pytest.raises(TrainingError, match=r"texts of sample:de,en,es are texts of sample:en, a test collection"):
        run(path)
    more = DEVELOPMENT.format("rank_ratio").replace("de,en,es", "en")
    with pytest.raises(TrainingError, match="no query of sample:en has relevant passages in two languages"):
        run(write_config(more=more))
    assert not (tmp_path / "checkpoint.training").exists()


def test_training_examples_that_share_a_text_with_the_development_collection_are_counted(write_config, examples):
    lines = [json.loads(line) for line in examples.read_text().splitlines()]
    lines[0]["query"]["en"] = load_collection("sample:en").queries["text"].iloc[0]
    examples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder, observer = run(write_config(steps=2, more=DEVELOPMENT.format("merge_gap")))
    assert any("1 training examples share a text with sample:de,en,es" in message for message in observer.messages)
    assert read_metadata(folder)["validation"]["training_examples_shared"] == 1


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("every = 1", "'path' should name the validation examples"),
        ("every = 1\nselect_by = 'merge_gap'", "'collection' should be given for 'multilingual_map'"),
        ("every = 1\npath = 'a.jsonl'\ncollection = 'sample'", "'collection' is read by no other select_by than"),
        ("every = 1\nselect_by = 'f1'\ncollection = 'sample'", "validation.select_by: must be 'loss'"),
        (
            "every = 1\nselect_by = 'merge_gap'\ncollection = 'sample'\nbatch_size = 4",
            "'languages' and 'batch_size' are those of the examples in 'path'",
        ),
    ],
)
def test_a_table_that_does_not_say_what_is_read_is_refused(write_config, table, problem):
    with pytest.raises(TrainingError, match=problem):
        run(write_config(more=f"[validation]\n{table}\n"))
