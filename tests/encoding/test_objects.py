"""Objects as encoders: functions, models in memory, and what they may do wrong."""

import doctest
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import coo_array
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer, SparseEncoder

import babelrank
from babelrank.encoding import objects
from babelrank.encoding.objects import wrap_encoder
from babelrank.encoding.protocol import EncoderInfo, EncoderOptions, Similarity
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import Kind
from babelrank.errors import EncoderError

TEXTS = ["ann ran", "who ran?", "a rather longer text than the others"]


def counts(texts):
    return [[float(text.count(letter)) for letter in "aeinorst"] for text in texts]


def test_the_example_runs():
    assert doctest.testmod(objects).failed == 0


@pytest.mark.parametrize(
    "convert",
    [
        np.array,
        torch.tensor,
        list,
        tuple,
        lambda rows: [torch.tensor(row) for row in rows],
        lambda rows: [np.array(row) for row in rows],
        lambda rows: np.array(rows, dtype=np.int8),
        lambda rows: np.array(rows, dtype=np.float16),
        lambda rows: np.array(rows, dtype=np.float64),
        lambda rows: torch.tensor(rows).to(torch.bfloat16),
        lambda rows: torch.tensor(rows).int(),
        lambda rows: torch.tensor(rows, requires_grad=True),
    ],
)
def test_whatever_holds_rows_of_numbers_is_taken(convert):
    vectors = wrap_encoder(lambda texts: convert(counts(texts))).encode_query(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == counts(TEXTS)


@pytest.mark.parametrize("convert", [lambda rows: torch.tensor(rows).to_sparse(), coo_array])
def test_sparse_ones_stay_sparse(convert):
    encoder = wrap_encoder(lambda texts: convert(counts(texts)))
    assert (encoder.info.kind, encoder.info.dimension) == (Kind.SPARSE, 8)
    assert encoder.encode_document(TEXTS).toarray().tolist() == counts(TEXTS)


def test_arrays_per_text_are_multi_vectors():
    encoder = wrap_encoder(lambda texts: [np.outer(np.arange(1, 1 + len(text)), [1.0, 2.0]) for text in texts])
    assert (encoder.info.kind, encoder.info.dimension) == (Kind.MULTI_VECTOR, 2)
    assert np.diff(encoder.encode_query(TEXTS).offsets).tolist() == [len(text) for text in TEXTS]


class TwoMethods:
    def encode_query(self, texts):
        return np.array(counts(["query " + text for text in texts]))

    def encode_document(self, texts):
        return np.array(counts(texts))


class OneMethod:
    def encode(self, texts, batch_size=8):
        assert batch_size == 8
        return np.array(counts(texts))


class OneMethodWithRole:
    def encode(self, texts, role):
        return np.array(counts([role + " " + text for text in texts]))


@pytest.mark.parametrize(
    ("model", "name"),
    [(TwoMethods(), "TwoMethods"), (OneMethod(), "OneMethod"), (OneMethodWithRole, "OneMethodWithRole")],
)
def test_objects_and_classes_are_named_by_their_class(model, name, tmp_path):
    encoder = wrap_encoder(model)
    assert (encoder.info.name, encoder.info.similarity) == (name, Similarity.COSINE)
    collection = babelrank.load_collection("sample:de,en")
    vectors = babelrank.encode(encoder, collection, store=tmp_path / "store")
    assert len(vectors.queries) == len(collection.queries)


def test_names_prompts_and_similarity_are_as_given():
    encoder = wrap_encoder(counts, name="letters", similarity="dot", query_prompt="eee ", batch_size=1)
    assert (encoder.info.name, encoder.info.similarity) == ("letters", Similarity.DOT)
    assert encoder.encode_query(["ann"])[0][1] == 3
    assert encoder.encode_document(["ann"])[0][1] == 0


def test_names_and_folders_are_loaded(tiny_model):
    assert wrap_encoder(tiny_model).info == load_encoder(str(tiny_model)).info
    with pytest.raises(EncoderError, match="`name` is only for Python objects"):
        wrap_encoder(str(tiny_model), name="mine")


def test_an_encoder_is_returned_as_it_is():
    encoder = wrap_encoder(counts)
    assert wrap_encoder(encoder) is encoder
    with pytest.raises(EncoderError, match="already an encoder"):
        wrap_encoder(encoder, query_prompt="query: ")
    with pytest.raises(EncoderError, match="has no encode_document"):
        wrap_encoder(SimpleNamespace(info=encoder.info, encode_query=encoder.encode_query))


def test_without_a_fingerprint_nothing_is_stored(tmp_path):
    collection = babelrank.load_collection("sample:de,en")
    for factor in (1.0, -1.0):  # a function that changes between two calls, as in a notebook
        encoder = wrap_encoder(lambda texts, factor=factor: factor * np.array(counts(texts)) + 0.1)
        assert encoder.info.fingerprint == ""
        vectors = babelrank.encode(encoder, collection, store=tmp_path / "store")
        assert vectors.texts_encoded["query"] > 0
        assert np.sign(vectors.queries.sum()) == factor
    assert not list((tmp_path / "store").rglob("*.safetensors"))


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_the_scale_of_vectors_does_not_matter_to_the_cosine(scale):
    """Squares of such numbers are infinite or 0 in single precision."""

    def scaled(factor):
        def encode(texts):
            return [np.random.default_rng(list(text.encode())).standard_normal(8) * factor for text in texts]

        return encode

    ours, same = (babelrank.evaluate(scaled(factor), "sample:de,en") for factor in (scale, 1.0))
    pd.testing.assert_frame_equal(ours.summary(), same.summary())
    mine, expected = (each.results.collections["sample:de,en"].space.passages for each in (ours, same))
    assert mine.mean_cosine == pytest.approx(expected.mean_cosine, abs=1e-6)
    assert mine.uniformity == pytest.approx(expected.uniformity, abs=1e-5)


class TestBadAnswers:
    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (lambda texts: counts(texts)[1:], r"returned shape \(2, 8\) for 3 texts, expected \(3, dimension\)"),
            (lambda texts: counts(texts)[0], r"returned shape \(8,\) for 3 texts"),
            (lambda texts: None, "returned a NoneType, expected a NumPy array"),
            (lambda texts: {"dense": counts(texts)}, "returned a dict"),
            (lambda texts: [["a"]] * len(texts), "returned a list"),
            (lambda texts: [[1.0], [2.0, 3.0], [4.0]], "rows of different lengths"),
            (lambda texts: np.array(counts(texts), dtype=object), "an array of object"),
            (lambda texts: np.array(counts(texts)) * np.nan, "NaN or infinity for 3 of 3 texts"),
            (lambda texts: np.array(counts(texts)) + np.inf, "NaN or infinity"),
            (lambda texts: np.array(counts(texts)) * 1e300 * 1e300, "NaN or infinity"),
            (lambda texts: np.zeros((len(texts), 2)), "returned a zero vector"),
            (lambda texts: np.ones((len(texts), 2)), "returned the same vector"),
            (lambda texts: np.ma.masked_equal(counts(texts), 0), "masked values"),
            (lambda texts: np.ones((len(texts), 2)) * texts[0], "raised .*Error"),
        ],
    )
    def test_are_refused(self, answer, message):
        with pytest.raises(EncoderError, match=message), np.errstate(all="ignore"):
            wrap_encoder(answer)

    def test_that_come_later_store_nothing(self, tmp_path):
        collection = babelrank.load_collection("sample:de,en")
        encoder = wrap_encoder(lambda texts: np.array(counts(texts)) * (len(texts) <= 3))
        with pytest.raises(EncoderError, match=r"returned a zero vector for 32 of 32 texts, the first of them '"):
            babelrank.encode(encoder, collection, store=tmp_path / "store")

    @pytest.mark.parametrize("model", [3, None, object(), [1.0]])
    def test_what_is_no_encoder(self, model):
        with pytest.raises(EncoderError, match="has no method encode_query or encode, and is not a function"):
            wrap_encoder(model)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"similarity": "nonsense"}, "unknown similarity 'nonsense'. Known: cosine, dot, euclidean"),
            ({"similarity": 3}, "unknown similarity '3'"),
            ({"max_length": 8}, "does not support --max-length"),
            ({"max_length": -8}, "maximum length must be at least 1, got -8"),
            ({"batch_size": 0}, "batch size must be at least 1, got 0"),
            ({"options": {"pooling": "cls"}}, "unknown option 'pooling'"),
            ({"max_len": 8}, "unknown option 'max_len'. Did you mean 'max_length'"),
            ({"adapter": "bm25"}, "`adapter` is for the name or folder of a model, got a function"),
        ],
    )
    def test_options_that_do_not_apply(self, options, message):
        with pytest.raises(EncoderError, match=message):
            wrap_encoder(counts, **options)


class TestModelsInMemory:
    def test_a_dense_one_is_as_its_folder(self, tiny_model):
        model = SentenceTransformer(str(tiny_model), device="cpu")
        encoder, loaded = wrap_encoder(model), load_encoder(str(tiny_model))
        assert encoder.info.name == loaded.info.name
        assert encoder.info.settings == loaded.info.settings
        assert encoder.info.notes == loaded.info.notes
        assert encoder.info.similarity == loaded.info.similarity
        np.testing.assert_array_equal(encoder.encode_query(TEXTS), loaded.encode_query(TEXTS))
        np.testing.assert_array_equal(encoder.encode_document(TEXTS), loaded.encode_document(TEXTS))

    def test_the_fingerprint_follows_the_weights_and_the_configuration(self, tiny_model):
        def fingerprint(change=lambda model: None):
            model = SentenceTransformer(str(tiny_model), device="cpu")
            change(model)
            return wrap_encoder(model).info.fingerprint

        def train(model):
            with torch.no_grad():
                next(model.parameters()).add_(1e-3)

        def pool(model):
            model[1].pooling_mode = "cls"

        def configure(model):
            model[0].model.config.layer_norm_eps = 0.1

        assert len(fingerprint()) == 64
        assert fingerprint() == fingerprint(lambda model: model.encode(TEXTS))
        assert len({fingerprint(), *map(fingerprint, (train, pool, configure))}) == 4

    def test_code_of_the_users_own_leaves_no_fingerprint(self, tiny_model):
        class Shifted(SentenceTransformer):
            pass

        assert wrap_encoder(Shifted(str(tiny_model), device="cpu")).info.fingerprint == ""
        model = SentenceTransformer(str(tiny_model), device="cpu")
        model[1].register_forward_hook(lambda module, given, found: found)
        assert wrap_encoder(model).info.fingerprint == ""

    def test_sparse_and_multi_vector_ones(self, sparse_model, multi_vector_model):
        sparse = wrap_encoder(SparseEncoder(str(sparse_model), device="cpu"), name="mine")
        assert (sparse.info.name, sparse.info.adapter, sparse.info.kind) == ("mine", "sparse", Kind.SPARSE)
        multi = wrap_encoder(MultiVectorEncoder(str(multi_vector_model), device="cpu"))
        assert (multi.info.adapter, multi.info.kind) == ("multi-vector", Kind.MULTI_VECTOR)

    def test_a_cross_encoder_is_none(self, plain_bert):
        with pytest.raises(EncoderError, match="babelrank rerank"):
            wrap_encoder(CrossEncoder(str(plain_bert), num_labels=1, device="cpu"))


class TestSimilarityByValue:
    def test_names_are_read_wherever_they_come_in(self):
        info = EncoderInfo("a", "b", "c", 3, similarity="dot")
        assert info.similarity is Similarity.DOT
        assert EncoderOptions(similarity="euclidean").similarity is Similarity.EUCLIDEAN
        vectors = np.eye(3, dtype=np.float32)
        assert Representations(vectors, vectors, "dot", {}, {}).similarity is Similarity.DOT

    def test_unknown_ones_are_refused_wherever_they_come_in(self):
        vectors = np.eye(3, dtype=np.float32)
        for make in (
            lambda: EncoderInfo("a", "b", "c", 3, similarity="nonsense"),
            lambda: EncoderOptions(similarity="nonsense"),
            lambda: Representations(vectors, vectors, "nonsense", {}, {}),
        ):
            with pytest.raises(EncoderError, match="unknown similarity 'nonsense'"):
                make()


def test_texts_in_a_language_that_it_does_not_know_may_have_one_vector(tmp_path):
    def letters(texts):
        return np.array([[text.count(chr(code)) for code in range(97, 123)] for text in texts]) + 0.1

    collection = babelrank.load_collection("sample:en,th")
    representations = babelrank.encode(wrap_encoder(letters, similarity="dot"), collection, store=tmp_path)
    assert len(np.unique(representations.passages, axis=0)) > 30
    with pytest.raises(EncoderError, match=r"the same vector for .. different texts"):
        babelrank.encode(
            wrap_encoder(letters, similarity="dot"), babelrank.load_collection("sample:th"), store=tmp_path
        )


def test_another_order_of_later_texts_is_found():
    calls = []

    def encode(texts):
        calls.append(texts)
        rows = counts(texts)
        return rows[::-1] if len(calls) > 13 and len(texts) > 1 else rows

    encoder = wrap_encoder(encode, batch_size=2)
    encoder.encode_query(TEXTS)
    with pytest.raises(EncoderError, match=r"'who ran\?' gets different vectors alone and in a batch"):
        encoder.encode_document(TEXTS)
