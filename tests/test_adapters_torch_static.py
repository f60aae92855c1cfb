"""Static embeddings of Model2Vec, against the package itself."""

import sys

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions, Role
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.errors import EncoderError

TEXTS = ["who ran?", "ann ran", "a rather longer text than the others are", ""]


def load(model, **options):
    return load_encoder(str(model), EncoderOptions(**options))


@pytest.fixture(scope="module")
def direct(static_model):
    """The model without babelrank."""
    from model2vec import StaticModel

    return StaticModel.from_pretrained(static_model)


def test_vectors_are_those_of_model2vec(static_model, direct):
    encoder = load(static_model)
    assert (encoder.info.adapter, encoder.info.dimension, encoder.info.parameters) == ("static", 8, 480)
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), direct.encode(TEXTS))
    np.testing.assert_array_equal(encoder.encode_document(TEXTS), direct.encode(TEXTS))
    assert encoder.encode_query(TEXTS).dtype == np.float32


def test_prompts_are_put_before_the_texts(static_model, direct):
    encoder = load(static_model, query_prompt="ask: ", document_prompt="a ")
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), direct.encode([f"ask: {text}" for text in TEXTS]))
    np.testing.assert_array_equal(encoder.encode_document(TEXTS), direct.encode([f"a {text}" for text in TEXTS]))


def test_truncated_vectors_are_the_first_dimensions(static_model, direct):
    short = load(static_model, options={"truncate_dim": "3"})
    assert (short.info.dimension, short.info.settings["truncate_dim"]) == (3, 3)
    np.testing.assert_allclose(short.encode_query(TEXTS), direct.encode(TEXTS)[:, :3], atol=1e-6)
    with pytest.raises(EncoderError, match=r"truncate_dim=9: the model has 8 dimensions"):
        load(static_model, options={"truncate_dim": "9"})


def test_texts_are_cut_at_the_length_that_is_told(static_model, direct):
    encoder = load(static_model, max_length=4)
    assert encoder.info.settings["max_length"] == 4
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), direct.encode(TEXTS, max_length=4))
    assert encoder.count_truncated(["a b c d", "a b c d e", "abcde"], Role.QUERY) == 2
    assert load(static_model).count_truncated(["a b c d e f g h i j", "a b c d e f g h i j k"], Role.QUERY) == 1


def test_vocabulary_quantisation_and_half_precision_are_the_models_own_matter(direct, tmp_path):
    from model2vec import quantize_model

    quantize_model(direct, quantize_to="float16").save_pretrained(tmp_path)
    encoder = load(tmp_path)
    assert encoder.info.settings["dtype"] == "float16"
    assert encoder.encode_query(TEXTS).dtype == np.float32
    np.testing.assert_allclose(encoder.encode_query(TEXTS), direct.encode(TEXTS), atol=0.01)


def test_a_model_in_memory_is_left_as_it_was(static_model, direct):
    encoder = load(static_model)
    before = encoder.encode_query(TEXTS)
    encoder.count_truncated(["a " * 50], Role.QUERY)
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), before)


def test_without_the_package_the_extra_is_named(static_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "model2vec", None)
    assert find_adapter(str(static_model), EncoderOptions()).requires == "babelrank[static]"
    with pytest.raises(EncoderError, match=r"pip install 'babelrank\[static\]' brings it"):
        load(static_model)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_model_is_named_with_the_reason(static_model, tmp_path, file):
    import shutil

    folder = shutil.copytree(static_model, tmp_path / "damaged")
    (folder / file).write_text("{}", encoding="utf-8")
    with pytest.raises(EncoderError, match=rf"{folder}: cannot be loaded \(\w+"):
        load(folder)
