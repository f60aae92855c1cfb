"""Models whose vectors are centred by a module of the checkpoint: its map, its means, and where it works."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from babelrank.checkpoints import summarise_training, trained_languages
from babelrank.cli import app
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.errors import TrainingError
from babelrank.training.averaging import average_checkpoints
from babelrank.training.centering import center_model, centering, mean_vectors
from babelrank.training.config import ModelConfig
from babelrank.training.indexing import read_examples
from training_runs import LANGUAGES, read_metadata, run

VECTORS = arrays(np.float64, 4, elements=st.floats(-1, 1))
PROMPTS = {"query_prompt": "ask: ", "document_prompt": "read: "}


def test_the_map_takes_off_the_mean_and_what_sets_the_roles_apart():
    # Half-way between the two lies (3, 0, 4); they are apart along the second axis.
    matrix, offset = centering(np.array([3.0, 1.0, 4.0]), np.array([3.0, -1.0, 4.0]), 0.5)
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert offset.tolist() == [-1.5, 0, -2]
    assert (matrix @ [7.0, 5.0, 6.0] + offset).tolist() == [5.5, 0, 4]


def test_where_the_roles_have_one_mean_it_is_only_taken_off():
    mean = np.array([0.5, 0.5])
    matrix, offset = centering(mean, mean, 1.0)
    assert matrix.tolist() == np.eye(2).tolist()
    assert offset.tolist() == [-0.5, -0.5]


@given(query=VECTORS, passage=VECTORS, share=st.floats(0, 1))
def test_both_means_become_what_is_left_of_that_between_them(query, passage, share):
    matrix, offset = centering(query, passage, share)
    left = (1 - share) * (query + passage) / 2
    np.testing.assert_allclose(matrix @ query + offset, left, atol=1e-6)
    np.testing.assert_allclose(matrix @ passage + offset, left, atol=1e-6)


def test_means_are_by_role_and_language(examples):
    read = []

    def encode(texts, role):
        read.extend((role, text) for text in texts)
        return np.array([[len(text), role == "query"] for text in texts], dtype=float)

    means = mean_vectors(encode, [read_examples(examples)])
    assert set(means) == {"query", "passage"}
    assert set(means["query"]) == set(means["passage"]) == set(LANGUAGES)
    lines = [json.loads(line) for line in examples.read_text().splitlines()]
    assert means["passage"]["es"].tolist() == [np.mean([len(line["passage"]["es"]) for line in lines]), 0]
    assert len(read) == len(set(read)) == 2 * len(LANGUAGES) * len(lines)


def test_a_language_of_few_rows_has_a_mean_from_all_over_them(tmp_path):
    path = tmp_path / "examples.jsonl"
    with path.open("w") as lines:
        for i in range(1024):
            texts = {"en": f"en {i}"} | ({"de": f"de {i}"} if i % 2 else {}) | ({"es": f"es {i}"} if i == 7 else {})
            lines.write(json.dumps({"id": i, "query": texts, "passage": {"en": f"p {i}"}}) + "\n")
    read = {"en": [], "de": [], "es": [], "p": []}

    def encode(texts, _):
        for text in texts:
            lang, row = text.split()
            read[lang].append(int(row))
        return np.zeros((len(texts), 1))

    means = mean_vectors(encode, [read_examples(path)])
    assert set(means["query"]) == {"en", "de", "es"}
    assert read["en"] == read["p"] == list(range(0, 1024, 4))
    assert read["de"] == list(range(1, 1024, 4))
    assert read["es"] == [7]


@pytest.fixture
def centred(tiny_model, examples, tmp_path):
    """The tiny model, less the whole mean of its vectors."""
    return center_model(
        ModelConfig(base_model=str(tiny_model), **PROMPTS), [read_examples(examples)], tmp_path / "centred", share=1.0
    )


def test_the_checkpoint_makes_the_vectors_of_its_start_centred(tiny_model, examples, centred):
    lines = [json.loads(line) for line in examples.read_text().splitlines()]
    texts = {role: [line[role][lang] for lang in LANGUAGES for line in lines] for role in ("query", "passage")}
    start, model = SentenceTransformer(str(tiny_model)), SentenceTransformer(str(centred))
    before = {
        "query": start.encode_query(texts["query"], prompt="ask: "),
        "passage": start.encode_document(texts["passage"], prompt="read: "),
    }
    after = {"query": model.encode_query(texts["query"]), "passage": model.encode_document(texts["passage"])}
    matrix, offset = centering(before["query"].mean(axis=0), before["passage"].mean(axis=0), 1.0)
    for role, vectors in before.items():
        moved = vectors @ matrix.T + offset
        np.testing.assert_allclose(moved.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(after[role], moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-4)


def test_the_checkpoint_is_a_model_as_any_other(centred, write_config, tmp_path):
    encoder = load_encoder(str(centred), EncoderOptions())
    assert (encoder.info.adapter, encoder.info.settings["query_prompt"]) == ("sentence-transformers", "ask: ")
    assert np.isfinite(encoder.encode_query(["where?"])).all()
    trained, _ = run(write_config(base_model=centred, steps=2, model="average_with_base_model = 0.5"))
    assert (trained / "3_Dense").is_dir()


def test_a_trained_checkpoint_that_is_centred_or_trained_on_tells_what_it_was_trained_on(
    write_config, examples, tmp_path
):
    trained, _ = run(write_config(output="trained", steps=2))
    folder = center_model(
        ModelConfig(base_model=str(trained)), [read_examples(examples)], tmp_path / "centred", share=0.5
    )
    assert trained_languages(folder) == ["de", "en", "es"]
    note = summarise_training(read_metadata(folder))
    assert "2 steps from tiny" in note
    assert "50% of the mean embedding subtracted" in note
    with pytest.raises(TrainingError, match="centred; average"):
        average_checkpoints([folder], tmp_path / "average", base_share=0.5)
    examples.write_text(examples.read_text().replace('"es"', '"fr"'))
    again, _ = run(write_config("again.toml", output="again", base_model=folder, steps=1))
    assert trained_languages(again) == ["de", "en", "es", "fr"]
    assert "1 steps from centred" in summarise_training(read_metadata(again)).split("its start: ")[0]


def test_the_command_says_where_the_checkpoint_is(tiny_model, examples, tmp_path):
    out = tmp_path / "centred"
    outcome = CliRunner().invoke(
        app, ["center", str(tiny_model), str(examples), "--out", str(out), "--share", "0.25", "--query-prompt", "Q: "]
    )
    assert outcome.exit_code == 0, outcome.output
    assert str(out) in outcome.output.replace("\n", "")
    assert SentenceTransformer(str(out)).prompts["query"] == "Q: "


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5])
def test_a_share_out_of_range_is_refused(tiny_model, examples, tmp_path, share):
    with pytest.raises(TrainingError, match="above 0 and at most 1"):
        center_model(ModelConfig(base_model=str(tiny_model)), [read_examples(examples)], tmp_path / "out", share=share)
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_written_over(tiny_model, examples, tmp_path):
    with pytest.raises(TrainingError, match="exists; choose another"):
        center_model(ModelConfig(base_model=str(tiny_model)), [read_examples(examples)], tmp_path, share=0.5)


def test_a_model_that_does_not_normalise_is_refused(tiny_model, examples, tmp_path):
    model = SentenceTransformer(str(tiny_model))
    SentenceTransformer(modules=[model[0], model[1]]).save_pretrained(str(tmp_path / "raw"))
    with pytest.raises(TrainingError, match="the last module is Pooling"):
        center_model(
            ModelConfig(base_model=str(tmp_path / "raw")), [read_examples(examples)], tmp_path / "out", share=0.5
        )
