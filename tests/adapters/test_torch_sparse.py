"""Learned sparse encoders, against sentence-transformers' own."""

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions, Role, Similarity
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.vectors import Kind

TEXTS = ["who ran?", "ann ran", "a rather longer text than the others are", ""]


def load(model, **options):
    return load_encoder(str(model), EncoderOptions(**options))


@pytest.fixture(scope="module")
def direct(sparse_model):
    """The model without babelrank."""
    from sentence_transformers import SparseEncoder

    return SparseEncoder(str(sparse_model))


@pytest.fixture(scope="module")
def without_inference(sparse_model, tmp_path_factory):
    """A model that weighs the terms of queries by a table, and reads passages with a transformer."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
    from transformers import AutoTokenizer

    folder, masked = tmp_path_factory.mktemp("router") / "router", sparse_model.with_name("masked-bert")
    tokenizer = AutoTokenizer.from_pretrained(masked)
    weights = torch.rand(len(tokenizer), generator=torch.Generator().manual_seed(0))
    router = Router.for_query_document(
        query_modules=[SparseStaticEmbedding(tokenizer, weights)],
        document_modules=[Transformer(str(masked), transformer_task="fill-mask"), SpladePooling()],
    )
    SparseEncoder(modules=[router], similarity_fn_name="dot").save(str(folder))
    return folder


def test_weights_are_those_of_sentence_transformers(sparse_model, direct):
    encoder = load(sparse_model)
    assert (encoder.info.adapter, encoder.info.kind, encoder.info.dimension) == ("sparse", Kind.SPARSE, 60)
    assert encoder.info.similarity is Similarity.DOT
    for encode, expected in ((encoder.encode_query, direct.encode_query), (encoder.encode_document, direct.encode)):
        weights = encode(TEXTS)
        np.testing.assert_allclose(weights.toarray(), expected(TEXTS).to_dense().numpy(), atol=1e-6)
        assert weights.nnz < weights.shape[0] * weights.shape[1]
        assert (weights.data > 0).all()


def test_the_dot_product_is_the_models_similarity(sparse_model, direct):
    encoder = load(sparse_model)
    scores = (encoder.encode_query(TEXTS) @ encoder.encode_document(TEXTS).T).toarray()
    expected = direct.similarity(direct.encode_query(TEXTS), direct.encode_document(TEXTS))
    np.testing.assert_allclose(scores, expected.to_dense().numpy(), rtol=1e-5, atol=1e-5)


def test_only_so_many_terms_are_kept(sparse_model):
    whole, few = load(sparse_model), load(sparse_model, options={"max_active_dims": "4"})
    assert few.info.settings["max_active_dims"] == 4
    weights = few.encode_document(TEXTS)
    assert np.diff(weights.indptr).tolist() == [4, 4, 4, 4]
    expected = whole.encode_document(TEXTS).toarray()
    for row, all_terms in zip(weights.toarray(), expected, strict=True):
        np.testing.assert_allclose(np.sort(row[row > 0]), np.sort(all_terms)[-4:], atol=1e-6)


def test_half_precision_is_returned_in_single(sparse_model):
    weights = load(sparse_model, dtype="bfloat16").encode_document(TEXTS)
    assert weights.dtype == np.float32
    assert abs(weights - load(sparse_model).encode_document(TEXTS)).max() < 0.05


def test_queries_and_passages_may_go_different_ways(without_inference):
    encoder = load(without_inference)
    queries, passages = encoder.encode_query(["a b"]), encoder.encode_document(["a b"])
    assert queries.nnz == 2  # its terms alone
    assert passages.nnz > 2
    # The table adds no special tokens, the transformer two.
    assert encoder.count_truncated(["a " * 63, "a " * 65], Role.QUERY) == 1
    assert encoder.count_truncated(["a " * 63, "a " * 65], Role.DOCUMENT) == 2


def test_a_maximum_length_holds_for_both_ways(without_inference):
    encoder = load(without_inference, max_length=6)
    assert encoder.info.settings["max_length"] == 6
    for encode in (encoder.encode_query, encoder.encode_document):
        same = encode(["a b c d e f g h", "a b c d e f z z"])
        assert abs(same[[0]] - same[[1]]).max() < 1e-6
