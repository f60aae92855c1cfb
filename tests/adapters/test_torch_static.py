"""Static embeddings of Model2Vec, against the package itself."""

import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

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


def remade(direct, folder, *, dtype=np.float32, clusters=None, weighted=False, normalize=False):
    """Write a model like `direct` in another form, and return it as the package loads it."""
    from model2vec import StaticModel

    generator = np.random.default_rng(0)
    tokens = len(direct.tokens)
    vectors = generator.standard_normal((clusters or tokens, 8))
    vectors = (vectors * 40).astype(np.int8) if dtype == np.int8 else vectors.astype(dtype)
    StaticModel(
        vectors,
        direct.tokenizer,
        normalize=normalize,
        weights=generator.random(tokens, dtype=np.float32) if weighted else None,
        token_mapping=generator.integers(clusters, size=tokens) if clusters else None,
    ).save_pretrained(folder)
    return StaticModel.from_pretrained(folder)


def test_tokens_of_rows_that_are_not_there_are_refused(direct, tmp_path):
    remade(direct, tmp_path / "model", clusters=20)
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "mapping": tensors["mapping"] + 20}, file)
    with pytest.raises(EncoderError, match=r"model: model.safetensors maps tokens to row 3\d, and has 20 rows"):
        load(tmp_path / "model")


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clusters", [None, 20])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_whatever_its_form_vectors_are_those_of_the_package(direct, tmp_path, dtype, clusters, weighted, normalize):
    theirs = remade(direct, tmp_path, dtype=dtype, clusters=clusters, weighted=weighted, normalize=normalize)
    encoder = load(tmp_path)
    assert encoder.info.settings["dtype"] == np.dtype(dtype).name
    found = encoder.encode_query(TEXTS)
    assert found.dtype == np.float32
    tolerance = 1e-3 if dtype == np.float16 else 1e-6  # half precision rounds what weights make of it, in another order
    np.testing.assert_allclose(found, theirs.encode(TEXTS).astype(np.float32), rtol=tolerance, atol=tolerance)


def test_more_texts_than_are_read_at_once_come_back_in_their_order(static_model, direct):
    texts = [f"{'a ' * (i % 7)}{TEXTS[i % 3]}" for i in range(2500)]
    np.testing.assert_array_equal(load(static_model).encode_document(texts), direct.encode(texts))


def test_a_model_in_memory_is_left_as_it_was(static_model, direct):
    encoder = load(static_model)
    before = encoder.encode_query(TEXTS)
    encoder.count_truncated(["a " * 50], Role.QUERY)
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), before)


def test_without_the_package_the_extra_is_named(static_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "model2vec", None)
    assert find_adapter(str(static_model), EncoderOptions()).requires == "babelrank[static]"
    with pytest.raises(EncoderError, match=r"install it with: pip install 'babelrank\[static\]'"):
        load(static_model)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_model_is_named_with_the_reason(static_model, tmp_path, file):
    import shutil

    folder = shutil.copytree(static_model, tmp_path / "damaged")
    (folder / file).write_text("{}", encoding="utf-8")
    with pytest.raises(EncoderError, match=rf"{folder}: cannot be loaded \(\w+"):
        load(folder)


class TestTheFoldersConfiguration:
    @pytest.fixture
    def copy(self, static_model, tmp_path):
        return shutil.copytree(static_model, tmp_path / "static")

    def test_prompts_and_similarity_are_honoured(self, copy, direct, json_file):
        about = {"prompts": {"query": "ask: ", "document": ""}, "similarity_fn_name": "dot"}
        json_file(copy / "config_sentence_transformers.json", about)
        encoder = load(copy)
        assert (encoder.info.similarity, encoder.info.notes) == ("dot", {"prompts from": "model"})
        np.testing.assert_array_equal(encoder.encode_query(TEXTS), direct.encode([f"ask: {text}" for text in TEXTS]))

    def test_an_unknown_similarity_is_refused(self, copy, json_file):
        json_file(copy / "config_sentence_transformers.json", {"similarity_fn_name": "manhattan"})
        with pytest.raises(EncoderError, match="similarity_fn_name is 'manhattan'"):
            load(copy)

    def test_normalising_is_honoured(self, copy, direct, json_file):
        modules = ["StaticEmbedding", "Normalize"]
        json_file(copy / "modules.json", [{"type": f"sentence_transformers.models.{name}"} for name in modules])
        lengths = np.linalg.norm(load(copy).encode_query(TEXTS[:3]), axis=1)
        np.testing.assert_allclose(lengths, 1, atol=1e-6)

    def test_a_further_module_is_refused(self, copy, json_file):
        modules = ["StaticEmbedding", "Dense"]
        json_file(copy / "modules.json", [{"type": f"sentence_transformers.models.{name}"} for name in modules])
        with pytest.raises(
            EncoderError, match=r"adapter 'static' does not support Dense.*--adapter sentence-transformers"
        ):
            load(copy)

    def test_a_folder_that_does_not_say_what_it_is_loads_when_asked_for(self, copy, direct, json_file):
        (copy / "modules.json").unlink()
        json_file(copy / "config.json", {"normalize": False})
        encoder = load_encoder(str(copy), adapter="static")
        np.testing.assert_array_equal(encoder.encode_query(TEXTS[:2]), direct.encode(TEXTS[:2]))

    def test_another_checkpoint_is_no_such_model(self, plain_bert):
        with pytest.raises(EncoderError, match="plain-bert: cannot be loaded"):
            load_encoder(str(plain_bert), adapter="static")
