"""Model cards, as huggingface_hub reads them."""

import json

import pytest
from huggingface_hub import ModelCard
from sentence_transformers import SentenceTransformer

from babelrank.training.averaging import average_checkpoints
from babelrank.training.card import render_card
from babelrank.training.centering import center_model
from babelrank.training.config import ModelConfig
from babelrank.training.indexing import read_examples
from training_runs import read_metadata, run

CARD = """---
license: mit
license_link: https://example.org/licence
base_model: org/tiny
language: [en, "no"]
---

# Tiny

Made for tests.
"""


@pytest.fixture
def with_card(tiny_model, tmp_path):
    """The tiny model with a card."""
    folder = tmp_path / "carded"
    SentenceTransformer(str(tiny_model), device="cpu").save_pretrained(str(folder), create_model_card=False)
    (folder / "README.md").write_text(CARD)
    return folder


def test_a_card_says_what_was_done_in_the_words_of_the_hub(write_config, with_card, examples):
    examples.write_text(examples.read_text().replace('"es"', '"no"'))  # a code that YAML takes for false
    more = "[objectives.info_nce]\n[objectives.semantic_contrast]\n"
    folder, _ = run(write_config(base_model=with_card, steps=1, more=more))
    data = ModelCard.load(folder / "README.md").data
    assert data.language == ["de", "en", "no"]
    assert (data.license, data.license_link) == ("mit", "https://example.org/licence")
    assert data.base_model == "org/tiny"
    assert data.datasets == ["examples.jsonl"]
    assert {"dataset_size:20", "loss:InfoNCE", "loss:SemanticContrast"} <= set(data.tags)
    assert (data.library_name, data.pipeline_tag) == ("sentence-transformers", "sentence-similarity")


@pytest.mark.parametrize("text", [None, "no front matter", "---\nlicense: [unclosed\n---\n", "---\n- a list\n---\n"])
def test_a_base_model_without_a_readable_card_has_an_unknown_licence(write_config, with_card, text):
    if text is None:
        (with_card / "README.md").unlink()
    else:
        (with_card / "README.md").write_text(text)
    folder, _ = run(write_config(base_model=with_card, steps=1))
    data = ModelCard.load(folder / "README.md").data
    assert (data.license, data.base_model) == ("unknown", "carded")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("org/model", "org/model"),
        ("/cache/hub/models--org--model/snapshots/0123abcd", "org/model"),
        ("/home/somebody/model", "model"),
        ("/home/somebody/a model: mine", None),
    ],
)
def test_a_base_model_is_named_as_others_know_it(write_config, model, name):
    folder, _ = run(write_config(steps=1))
    metadata = read_metadata(folder)
    metadata["config"]["model"]["base_model"] = model
    assert ModelCard(render_card("mine", metadata, None)).data.base_model == name


@pytest.mark.parametrize("lang", ["no", "on", "y", "zh-Hant", "sr-Latn-RS", "fil"])
def test_any_language_code_is_valid_yaml(write_config, lang):
    folder, _ = run(write_config(steps=1))
    metadata = read_metadata(folder) | {"languages": [lang]}
    assert ModelCard(render_card("mine", metadata, None)).data.language == [lang.partition("-")[0]]


def test_centring_keeps_the_card_and_the_licence(with_card, examples, tmp_path):
    sets = [read_examples(examples)]
    folder = center_model(ModelConfig(base_model=str(with_card)), sets, tmp_path / "centred", share=0.5)
    card = ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.base_model, card.data.language) == ("mit", "org/tiny", ["en", "no"])
    assert "50% of its mean embedding subtracted" in card.text
    assert "Made for tests." in card.text


def test_averaging_keeps_the_licence(write_config, with_card, tmp_path):
    trained, _ = run(write_config(base_model=with_card, steps=1))
    folder = average_checkpoints([trained], tmp_path / "averaged", base_share=0.5)
    data = ModelCard.load(folder / "README.md").data
    assert (data.license, data.base_model) == ("mit", "org/tiny")
    assert json.loads((folder / "babelrank_training.json").read_text())["config"]["model"]["average_with_base_model"]


def test_a_card_can_be_made_of_what_earlier_versions_recorded(write_config):
    folder, _ = run(write_config(steps=1))
    metadata = read_metadata(folder)
    metadata["validation"] = {"examples": 8, "group_size": 4}
    del metadata["config"]["matryoshka"], metadata["config"]["model"]["layers"]
    del metadata["config"]["model"]["query_max_length"], metadata["config"]["model"]["document_max_length"]
    assert "| maximum length | 128 tokens of a query, 128 of a passage |" in render_card("mine", metadata, None)
