"""Re-ranking: what a cross-encoder says of the top, and that the rest stays below."""

import shutil

import numpy as np
import pandas as pd
import pytest

from babelrank.errors import EncoderError, SearchError
from babelrank.ranking.reranking import load_cross_encoder, rerank
from babelrank.ranking.runs import resolve
from babelrank.ranking.trec import Run
from made_collections import collection_of_tables

QUESTIONS = ["who ran", "who sat"]


@pytest.fixture(scope="module")
def judged():
    return collection_of_tables(
        name="made",
        languages=("en",),
        queries=pd.DataFrame({"lang": "en", "id": ["q0", "q1"], "text": QUESTIONS}),
        passages=pd.DataFrame({"lang": "en", "id": [f"p{i}" for i in range(60)], "text": [f"{i}" for i in range(60)]}),
        qrels=pd.DataFrame({"query": [0, 1], "passage": [4, 5], "grade": [1, 1]}),
        candidates="passage",
        sha256="0" * 64,
    )


@pytest.fixture(scope="module")
def resolved(judged):
    """Both queries with all passages, from 59 down to 0, and one passage that is not there on the second place."""
    names = ["p59", "gone", *(f"p{i}" for i in range(58, -1, -1))]
    run = Run(
        np.array([query for query in ("q0", "q1") for _ in names], object),
        np.array(names * 2, object),
        np.tile(np.arange(len(names), 0, -1, dtype=np.float32), 2),
    )
    return resolve(run, judged, "a.run")


@pytest.fixture(scope="module")
def cross_encoder(plain_bert, tmp_path_factory):
    """A randomly initialised cross-encoder, on disk."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("models") / "cross"
    torch.manual_seed(3)
    config = BertConfig.from_pretrained(plain_bert, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(plain_bert).save_pretrained(folder)
    return folder


def smallest_first(pairs):
    return np.array([-float(text) for _, text in pairs], dtype=np.float32)


def passages_of(run, query):
    return run.passages[run.queries == query].tolist()


def test_the_top_is_sorted_anew_and_the_rest_stays_below(resolved):
    asked = []

    def score(pairs):
        asked.extend(pairs)
        return smallest_first(pairs)

    run = rerank(resolved, QUESTIONS, score, top=4)
    # The second place is that of a passage that is not there: three are left of four.
    expected = ["p57", "p58", "p59", *(f"p{i}" for i in range(56, -1, -1))]
    assert passages_of(run, "q0") == passages_of(run, "q1") == expected
    assert asked == [(question, text) for question in QUESTIONS for text in ("59", "58", "57")]
    assert (np.diff(run.scores.reshape(2, -1), axis=1) < 0).all()


def test_equal_scores_are_in_trec_evals_order(resolved):
    run = rerank(resolved, QUESTIONS, lambda pairs: np.zeros(len(pairs), dtype=np.float32), top=100)
    assert passages_of(run, "q0") == sorted((f"p{i}" for i in range(60)), reverse=True)


def test_progress_is_told(resolved, monkeypatch):
    monkeypatch.setattr("babelrank.ranking.reranking._CHUNK", 50)
    steps = []
    rerank(resolved, QUESTIONS, smallest_first, top=61, on_progress=lambda done, total: steps.append((done, total)))
    assert steps == [(50, 120), (100, 120), (120, 120)]


@pytest.mark.parametrize(
    "scores",
    [np.array([1, 2, np.nan, 4, 5, 6]), np.array([1.0, 2.0, 3.0]), np.zeros((6, 2))],
    ids=["one is NaN", "too few", "two each"],
)
def test_scores_that_cannot_be_sorted_are_refused(resolved, scores):
    with pytest.raises(EncoderError, match="6 pairs"):
        rerank(resolved, QUESTIONS, lambda _: scores, top=4)


def test_a_top_of_none_is_refused(resolved):
    with pytest.raises(SearchError, match="at least 1"):
        rerank(resolved, QUESTIONS, smallest_first, top=0)


def test_a_cross_encoder_of_sentence_transformers_scores_pairs(cross_encoder, resolved):
    from sentence_transformers import CrossEncoder

    score = load_cross_encoder(str(cross_encoder), device="cpu", batch_size=4)
    pairs = [("who ran", "a"), ("who sat", "a b c"), ("x", "y")]
    assert score(pairs) == pytest.approx(CrossEncoder(str(cross_encoder), device="cpu").predict(pairs), abs=1e-6)
    first, second = (rerank(resolved, QUESTIONS, score, top=10) for _ in range(2))
    assert first.scores.tobytes() == second.scores.tobytes()
    assert first.passages.tolist() == second.passages.tolist()


def test_what_is_no_cross_encoder_is_refused(tmp_path):
    with pytest.raises(EncoderError, match="no such folder"):
        load_cross_encoder(str(tmp_path / "missing"))
    with pytest.raises(EncoderError, match=r"not a cross-encoder|not a model folder"):
        load_cross_encoder(str(tmp_path))


def test_an_encoder_without_a_scoring_head_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}', encoding="utf-8")
    with pytest.raises(EncoderError, match="not a cross-encoder, but an encoder without a scoring head"):
        load_cross_encoder(str(tmp_path))


@pytest.mark.parametrize("lost", ["classifier.", "bert.pooler.", "bert.encoder.layer.0."])
def test_a_cross_encoder_that_lacks_weights_is_refused(cross_encoder, tmp_path, lost):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(cross_encoder, tmp_path / "lacking")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith(lost)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=rf"lacking: the checkpoint lacks weights: {lost}"):
        load_cross_encoder(str(folder))


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}', encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(EncoderError, match="is a pickle, which can run code"):
        load_cross_encoder(str(tmp_path))
