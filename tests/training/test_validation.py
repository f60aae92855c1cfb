"""The validation loss: a mean over examples, and what it decides."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from babelrank.data.loading import load_collection
from babelrank.errors import TrainingError
from training_runs import read_curve, read_metadata, run


@pytest.fixture
def write_valid(tmp_path):
    """Write English validation examples of this number; return their file."""

    def write(count, name="valid.jsonl", lang="en", **changes):
        path = tmp_path / name
        lines = [
            {"id": f"v{i}", "query": {lang: f"what is thing {i}"}, "passage": {lang: f"thing {i} is {i * i}"}}
            for i in range(count)
        ]
        path.write_text("".join(json.dumps(line | changes) + "\n" for line in lines))
        return path

    return write


def losses_of_groups(folder, path, size):
    """Return the InfoNCE loss of each group of validation examples, from vectors of the library itself."""
    model = SentenceTransformer(str(folder), device="cpu")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    queries = model.encode_query([line["query"]["en"] for line in lines], convert_to_tensor=True)
    passages = model.encode_document([line["passage"]["en"] for line in lines], convert_to_tensor=True)
    firsts = range(0, len(lines) - size + 1, size)
    return [
        torch.nn.functional.cross_entropy(queries[i : i + size] @ passages[i : i + size].T / 0.05, torch.arange(size))
        for i in firsts
    ]


@pytest.mark.parametrize(("count", "size"), [(9, 4), (13, 4), (3, 3), (12, 4)])
def test_the_loss_is_the_mean_over_groups_of_a_batch(write_config, write_valid, tiny_model, count, size):
    path = write_valid(count)
    more = f"[validation]\npath = '{path}'\nevery = 1\nchoose_best = false\n"
    folder, _ = run(write_config(model="dropout = 0.0", steps=1, more=more))
    found = read_curve(folder, "eval_loss")
    for model, step in ((tiny_model, 0), (folder, 1)):
        assert found[step] == pytest.approx(float(np.mean(losses_of_groups(model, path, size))), abs=1e-5)
    assert read_metadata(folder)["validation_loss"] == found[1]


@pytest.mark.parametrize("schedule", ["batch_size = 4", "batch_size = 6"])
def test_the_loss_depends_on_its_own_batch_size_where_that_is_given(write_config, write_valid, schedule):
    path = write_config(steps=1, more=f"[validation]\npath = '{write_valid(10)}'\nevery = 1\nbatch_size = 5\n")
    path.write_text(path.read_text().replace("batch_size = 4", schedule))
    folder, _ = run(path)
    assert read_curve(folder, "eval_loss")[0] == pytest.approx(1.6, abs=0.2)
    assert read_metadata(folder)["validation"]["group_size"] == 5


def test_a_run_that_makes_the_model_worse_keeps_the_base_model_and_says_so(write_config, write_valid, tiny_model):
    more = f"[validation]\npath = '{write_valid(8)}'\nevery = 2\n"
    folder, observer = run(write_config(learning_rate=5.0, more=more))
    assert any("warning: no checkpoint has a lower validation loss than the base model" in m for m in observer.messages)
    metadata = read_metadata(folder)
    assert metadata["step_of_checkpoint"] == 0
    assert metadata["validation_loss"] == metadata["validation_loss_of_base_model"]
    base, kept = (SentenceTransformer(str(each), device="cpu") for each in (tiny_model, folder))
    np.testing.assert_array_equal(base.encode(["a text"]), kept.encode(["a text"]))
    assert "which this is" in (folder / "README.md").read_text()


def test_patience_counts_from_the_base_model(write_config, write_valid):
    more = f"[validation]\npath = '{write_valid(8)}'\nevery = 1\npatience = 2\n"
    folder, _ = run(write_config(learning_rate=5.0, steps=30, more=more))
    assert read_metadata(folder)["steps"] < 30


def test_the_last_step_can_be_kept(write_config, write_valid):
    more = f"[validation]\npath = '{write_valid(8)}'\nevery = 2\nchoose_best = false\n"
    folder, observer = run(write_config(learning_rate=5.0, more=more))
    assert any("the last step is kept" in message for message in observer.messages)
    metadata = read_metadata(folder)
    assert metadata["step_of_checkpoint"] == 6
    assert metadata["validation_loss"] == read_curve(folder, "eval_loss")[6]


def test_examples_of_a_test_collection_are_left_out(write_config, write_valid, tmp_path):
    path = write_valid(8)
    stolen = load_collection("sample").queries["text"].iloc[0].upper()
    line = {"id": "s", "query": {"en": f" {stolen} "}, "passage": {"en": "p"}}
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    more = f"[validation]\npath = '{path}'\nevery = 1\n"
    folder, observer = run(write_config(steps=1, collections='["sample"]', more=more))
    (said,) = (message for message in observer.messages if message.startswith("validation: 8 examples"))
    assert "1 with sample; dropped: s" in said
    assert read_metadata(folder)["validation"]["shared"] == {"sample": 1}


def test_nothing_left_to_validate_with_is_refused(write_config, tmp_path):
    texts = load_collection("sample").queries["text"].iloc[:3]
    lines = [{"id": i, "query": {"en": text}, "passage": {"en": f"p{i}"}} for i, text in enumerate(texts)]
    (tmp_path / "valid.jsonl").write_text("\n".join(map(json.dumps, lines)))
    more = "[validation]\npath = 'valid.jsonl'\nevery = 1\n"
    with pytest.raises(
        TrainingError,
        match=r"has 0 usable examples in 'en', but needs 2\. It has 3 examples in .*, and 3 of them are left out",
    ):
        run(write_config(collections='["sample"]', more=more))


def test_examples_that_are_trained_on_are_counted_and_said(write_config, examples):
    folder, observer = run(write_config(steps=1, more=f"[validation]\npath = '{examples}'\nevery = 1\n"))
    assert any("warning: 20 of 20 validation examples share a text with the training" in m for m in observer.messages)
    assert read_metadata(folder)["validation"]["shared_with_training"] == 20


def test_validation_is_in_english_unless_other_languages_are_wanted(write_config, write_valid, examples):
    more = f"[validation]\npath = '{write_valid(4, lang='de')}'\nevery = 1\n"
    with pytest.raises(TrainingError, match=r"has 0 usable examples in 'en', but needs 2\. It has .* examples in de"):
        run(write_config(more=more))
    path = write_config(
        "b.toml", steps=1, more=f"[validation]\npath = '{examples}'\nevery = 1\nlanguages = ['de', 'es']\n"
    )
    folder, _ = run(path)
    assert read_metadata(folder)["validation"]["examples"] == 40
