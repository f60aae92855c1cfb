"""Submissions: what is wrong is said before anything is encoded."""

from types import SimpleNamespace

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

import babelrank
from babelrank.encoding.model_files import find_model
from babelrank.encoding.protocol import EncoderInfo, Similarity
from babelrank.encoding.vectors import Kind
from babelrank.errors import BabelrankError, EncoderError
from babelrank.pipelines import models, submission
from observers import RecordingObserver


@pytest.mark.parametrize(
    ("kind", "similarity", "transforms", "problem"),
    [
        (Kind.SPARSE, Similarity.DOT, ["center"], "transform 'center': for dense representations only"),
        (Kind.MULTI_VECTOR, Similarity.DOT, ["int8"], "transform 'int8': for dense representations only"),
        (Kind.MULTI_VECTOR, Similarity.EUCLIDEAN, [], "support cosine and dot product, not euclidean distance"),
        (Kind.DENSE, Similarity.COSINE, ["truncate:512"], "512 dimensions, so K is at most 511"),
        (Kind.DENSE, Similarity.COSINE, ["truncate:64", "center", "abtt:64"], "64 dimensions, so K is at most 63"),
        (Kind.DENSE, Similarity.COSINE, ["whiten:64", "whiten:65"], "64 dimensions, so K is at most 64"),
    ],
)
def test_what_a_model_cannot_be_asked_for_is_refused_once_it_is_loaded(
    monkeypatch, tmp_path, kind, similarity, transforms, problem
):
    encoder = SimpleNamespace(info=EncoderInfo("toy", "toy", "1", dimension=512, kind=kind, similarity=similarity))
    monkeypatch.setattr(models, "load_known", lambda *_, **__: encoder)
    with pytest.raises(EncoderError, match=problem):
        submission.submit("toy", ["sample"], tmp_path / "reports", RecordingObserver(), transforms=transforms)


def letters(texts):
    return np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz "] for text in texts], dtype=float)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# Tiny", "mit"),
        ("# No metadata", None),
        ("---\nlicense: [\n---\n", None),
        (None, None),
    ],
)
def test_the_licence_is_that_of_the_models_card(tmp_path, card, licence):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    (tmp_path / "config.json").write_text("{}")
    assert find_model(str(tmp_path), None).licence == licence


def test_a_transform_learns_from_another_collection(tmp_path):
    found = {
        name: babelrank.evaluate(letters, "sample:de,en", transforms=[name], store=tmp_path)
        for name in ("center", "center@sample:de,en,es", "center@sample:de,en")
    }
    assert_frame_equal(found["center"].ranks, found["center@sample:de,en"].ranks)
    assert_frame_equal(found["center"].ranks, found["center@sample:de,en,es"].ranks)
    assert found["center@sample:de,en"].results.model.settings["transforms"] == ["center@sample:de,en"]


@pytest.mark.parametrize(
    ("transforms", "problem"),
    [
        (["center@sample:de"], "'center@sample:de': sample:de has no passages in en"),
        (["int8", "center@sample:de,en"], "what learns from another collection comes first"),
        (["center@simple"], "simple"),
    ],
)
def test_what_a_transform_cannot_learn_from_is_refused_before_encoding(transforms, problem):
    def never(texts):
        assert len(texts) < 20, "encoded"
        return letters(texts)

    with pytest.raises(BabelrankError, match=problem):
        babelrank.evaluate(never, "sample:de,en", transforms=transforms)
