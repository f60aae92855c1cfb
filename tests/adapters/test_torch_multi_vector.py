"""Late interaction, against sentence-transformers' own MultiVectorEncoder."""

import numpy as np
import pytest

import babelrank
from babelrank.encoding.protocol import EncoderOptions, Role, Similarity
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.vectors import Kind

QUERIES = ["who ran?", "ann", "a rather longer text than the others are"]
PASSAGES = ["ann ran", "who: ann: ran", "", "another text that is longer than the rest of them", "ran ran"]


def load(model, **options):
    return load_encoder(str(model), EncoderOptions(**options))


@pytest.fixture(scope="module")
def encoder(multi_vector_model):
    return load(multi_vector_model)


@pytest.fixture(scope="module")
def direct(multi_vector_model):
    """The model without babelrank."""
    from sentence_transformers import MultiVectorEncoder

    return MultiVectorEncoder(str(multi_vector_model))


def test_tokens_are_those_of_sentence_transformers(encoder, direct):
    assert (encoder.info.adapter, encoder.info.kind) == ("multi-vector", Kind.MULTI_VECTOR)
    assert (encoder.info.dimension, encoder.info.similarity) == (8, Similarity.DOT)
    for vectors, expected in (
        (encoder.encode_query(QUERIES), direct.encode_query(QUERIES)),
        (encoder.encode_document(PASSAGES), direct.encode_document(PASSAGES)),
    ):
        assert np.diff(vectors.offsets).tolist() == [len(tokens) for tokens in expected]
        np.testing.assert_allclose(vectors.tokens, np.concatenate([each.numpy() for each in expected]), atol=1e-6)
        assert vectors.tokens.dtype == np.float32
        assert vectors.offsets.dtype == np.int64


def test_queries_are_filled_up_and_skipped_tokens_of_passages_left_out(encoder):
    assert np.diff(encoder.encode_query(QUERIES).offsets).tolist() == [12, 12, 12]
    with_colons, without = np.diff(encoder.encode_document(["who: ann: ran", "who ann ran"]).offsets)
    assert with_colons == without


def test_ranks_are_those_of_the_models_own_scores(multi_vector_model, encoder, direct, collection_of, tmp_path):
    collection = collection_of(QUERIES, PASSAGES)
    representations = babelrank.encode(encoder, collection, store=tmp_path)
    ranks = babelrank.rank(collection, representations).ranks
    scores = direct.similarity(direct.encode_query(QUERIES), direct.encode_document(PASSAGES)).numpy()
    expected = 1 + (scores > scores[:, :1]).sum(axis=1)  # of passage 0, which is relevant to every query
    assert ranks.table["rank_in_pool"].tolist() == expected.tolist()


def test_each_role_has_its_own_length(encoder):
    assert encoder.info.settings["max_length"] == {"query": 12, "document": 20}
    # Of 12 tokens, two are special and two the prompt "q: "; of 20 likewise.
    texts = ["a " * n for n in (8, 9, 16, 17)]
    assert encoder.count_truncated(texts, Role.QUERY) == 3
    assert encoder.count_truncated(texts, Role.DOCUMENT) == 1


def test_a_maximum_length_shortens_passages_and_leaves_filled_queries_alone(multi_vector_model, encoder):
    short = load(multi_vector_model, max_length=9)
    assert short.info.settings["max_length"] == {"query": 12, "document": 9}
    np.testing.assert_allclose(short.encode_query(QUERIES).tokens, encoder.encode_query(QUERIES).tokens, atol=1e-6)
    assert np.diff(short.encode_document(["a " * 30]).offsets) == 8  # less the colon of the prompt
    assert load(multi_vector_model, max_length=40).info.settings["max_length"] == {"query": 12, "document": 20}


def test_half_precision_is_returned_in_single(multi_vector_model, encoder):
    vectors = load(multi_vector_model, dtype="float16").encode_document(PASSAGES)
    assert vectors.tokens.dtype == np.float32
    np.testing.assert_allclose(vectors.tokens, encoder.encode_document(PASSAGES).tokens, atol=0.02)
