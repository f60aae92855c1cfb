"""Submissions: what is wrong is said before anything is encoded."""

from types import SimpleNamespace

import pytest

from babelrank.encoding.protocol import EncoderInfo, Similarity
from babelrank.encoding.vectors import Kind
from babelrank.errors import EncoderError
from babelrank.pipelines import models, submission
from observers import RecordingObserver


@pytest.mark.parametrize(
    ("kind", "similarity", "transforms", "problem"),
    [
        (Kind.SPARSE, Similarity.DOT, ["center"], "transform 'center': for dense representations only"),
        (Kind.MULTI_VECTOR, Similarity.DOT, ["int8"], "transform 'int8': for dense representations only"),
        (Kind.MULTI_VECTOR, Similarity.EUCLIDEAN, [], "by cosine or dot product of tokens, not by distance"),
        (Kind.DENSE, Similarity.COSINE, ["truncate:512"], "512 dimensions, so K is at most 511"),
        (Kind.DENSE, Similarity.COSINE, ["truncate:64", "center", "abtt:64"], "64 dimensions, so K is at most 63"),
        (Kind.DENSE, Similarity.COSINE, ["whiten:64", "whiten:65"], "64 dimensions, so K is at most 64"),
    ],
)
def test_what_a_model_cannot_be_asked_for_is_refused_once_it_is_loaded(
    monkeypatch, tmp_path, kind, similarity, transforms, problem
):
    encoder = SimpleNamespace(info=EncoderInfo("toy", "toy", "1", dimension=512, kind=kind, similarity=similarity))
    monkeypatch.setattr(models, "wrap_encoder", lambda *_, **__: encoder)
    with pytest.raises(EncoderError, match=problem):
        submission.submit("toy", ["sample"], tmp_path / "reports", RecordingObserver(), transforms=transforms)
