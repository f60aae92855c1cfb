"""Adapter bm25: scores are bm25s' own, in whichever pool is ranked; words and n-grams by script."""

import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.sparse import csr_array

import babelrank
from babelrank.encoding.protocol import EncoderOptions, PoolWeighting, Truncating
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.errors import EncoderError
from babelrank_adapters.bm25 import DIMENSION, columns_of, tokeniser

bm25s = pytest.importorskip("bm25s")
tokens = tokeniser(2)


def load(**options):
    return load_encoder("bm25", EncoderOptions(options=options))


@pytest.fixture(scope="module")
def sample():
    return babelrank.load_collection("sample")


def dot(queries: csr_array, weights: csr_array) -> np.ndarray:
    """Multiply over the columns that are present."""
    columns = np.union1d(queries.indices, weights.indices)
    small = [
        csr_array((m.data, np.searchsorted(columns, m.indices), m.indptr), shape=(m.shape[0], len(columns)))
        for m in (queries, weights)
    ]
    return (small[0] @ small[1].T).toarray()


def bm25s_scores(queries, passages, **parameters) -> np.ndarray:
    index = bm25s.BM25(**parameters)
    index.index([tokens(text) for text in passages], show_progress=False)
    return np.stack([index.get_scores(tokens(text)) for text in queries])


@pytest.mark.parametrize("lang", ["en", "th", "zh", "hi", "all"])
def test_scores_are_those_of_bm25s_in_the_pool_that_is_ranked(sample, lang):
    pool, asked = sample.passages.frame, sample.queries
    if lang != "all":
        pool, asked = pool[pool["lang"] == lang], asked[asked["lang"] == lang]
    encoder = load()

    ours = dot(encoder.encode_query(list(asked["text"])), encoder.weigh(encoder.encode_document(list(pool["text"]))))

    np.testing.assert_allclose(ours, bm25s_scores(asked["text"], pool["text"]), atol=1e-5)


@pytest.mark.parametrize(
    "parameters",
    [
        {"method": "robertson"},
        {"method": "atire", "k1": 0.9, "b": 0.4},
        {"method": "lucene", "k1": 0.0},
        {"method": "bm25l", "delta": 0.25},
        {"method": "bm25+"},
    ],
    ids=lambda parameters: parameters["method"],
)
def test_every_method_scores_as_bm25s_does_up_to_a_constant_per_query(sample, parameters):
    pool = sample.passages.frame.query("lang == 'de'")["text"]
    asked = sample.queries.query("lang == 'de'")["text"]
    encoder = load(**{name: str(value) for name, value in parameters.items()})

    ours = dot(encoder.encode_query(list(asked)), encoder.weigh(encoder.encode_document(list(pool))))
    theirs = bm25s_scores(asked, pool, **parameters)

    shift = (theirs - ours)[:, :1]
    np.testing.assert_allclose(ours + shift, theirs, atol=1e-5)
    if parameters["method"] not in ("bm25l", "bm25+"):
        np.testing.assert_allclose(shift, 0, atol=1e-5)


def test_a_term_that_a_query_repeats_counts_as_often():
    counts = load().encode_query(["volcano", "volcano Volcano"])
    assert counts.data.tolist() == [1, 2]
    assert set(counts.indices.tolist()) == set(columns_of(["volcano"]))


def test_lucene_weight_worked_by_hand():
    encoder = load(k1="1.5", b="0.75")
    weights = encoder.weigh(encoder.encode_document(["red red blue", "blue"]))

    idf_red = np.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    length = 3 / 2  # the document's, by the average
    assert weights.shape == (2, DIMENSION)
    red = weights.data[weights.indices == columns_of(["red"])[0]]
    np.testing.assert_allclose(red, idf_red * 2 / (2 + 1.5 * (1 - 0.75 + 0.75 * length)), rtol=1e-6)


def test_texts_without_a_token_weigh_nothing_and_break_nothing():
    encoder = load()
    counts = encoder.encode_document(["", "… !", "word", ""])
    weights = encoder.weigh(counts)

    assert np.diff(weights.indptr).tolist() == [0, 0, 1, 0]
    assert np.isfinite(weights.data).all()
    assert encoder.weigh(encoder.encode_document(["", "?"])).nnz == 0
    assert encoder.encode_query([""]).shape == (1, DIMENSION)
    assert encoder.encode_query([]).shape == (0, DIMENSION)


def test_weighing_leaves_the_counts_as_they_are():
    encoder = load()
    counts = encoder.encode_document(["a b b", "c"])
    before = counts.copy()
    encoder.weigh(counts)
    np.testing.assert_array_equal(counts.data, before.data)
    np.testing.assert_array_equal(counts.indices, before.indices)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Bees' hive, 3 km", ["the", "bees", "hive", "3", "km"]),
        ("Größe ΣΊΣΥΦΟΣ", ["größe", "σίσυφος"]),
        ("ज्वालामुखी में", ["ज्वालामुखी", "में"]),  # vowel signs and virama are part of a word
        ("u\u0308ber", ["über"]),  # composed first
        ("火山学", ["火山", "山学"]),
        ("水", ["水"]),
        ("火山。水", ["火山", "水"]),  # punctuation ends a run
        ("ビール", ["ビー", "ール"]),  # the prolonged sound mark is common to two scripts
        ("ที่นี่", ["ที่นี่"]),  # two consonants with a vowel and a tone each
        ("GDPは2倍", ["gdp", "は", "2", "倍"]),
        ("ＡＢＣ", ["abc"]),
        ("\ud800 ok", ["ok"]),
        ("", []),
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected


def test_ngram_option_sets_the_length():
    assert tokeniser(1)("火山学") == ["火", "山", "学"]
    assert tokeniser(3)("火山学校") == ["火山学", "山学校"]
    assert load(ngram="3").info.settings["ngram"] == 3


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_texts_become_counts_of_their_tokens(texts):
    encoder = load()
    counts = encoder.encode_document(texts)
    assert counts.shape == (len(texts), DIMENSION)
    assert counts.has_canonical_format
    assert counts.sum() == sum(len(tokens(text)) for text in texts)
    encoder.weigh(counts)


def test_evaluation_ranks_as_bm25s_does_in_each_pool(sample, tmp_path):
    ranks = babelrank.rank(sample, babelrank.encode(load(), sample, store=tmp_path)).ranks.table
    pool = sample.passages.frame
    rows = sample.qrels.iloc[::101]
    by_language = pool["lang"].loc[rows["passage"]].to_numpy()
    parts = [("rank_in_language", pool[pool["lang"] == lang], rows[by_language == lang]) for lang in set(by_language)]
    for name, part, judgements in (*parts, ("rank_in_pool", pool, rows)):
        scored = bm25s_scores(sample.queries["text"].loc[judgements["query"]], part["text"])
        for row, passage, scores in zip(judgements.index, judgements["passage"], scored, strict=True):
            score = scores[part.index.get_loc(passage)]
            near = np.isclose(scores, score, rtol=1e-5)  # sums in another order differ in their last bits
            low, high = 1 + (scores[~near] > score).sum(), (scores[~near] > score).sum() + near.sum()
            assert low <= ranks.loc[row, name] <= high


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("lang", "task", "language"),
    [
        ("en", "SciFact", "eng"),
        ("zh", "CMedQAv2-reranking", "cmn"),  # by characters
        ("tr", "TurHistQuadRetrieval", "tur"),  # without stop words, but for terms that nearly all passages have
        ("all", "XQuADRetrieval", "eng"),
    ],
)
def test_scores_of_mtebs_bm25_are_those_that_mteb_itself_returns(sample, lang, task, language):
    mteb = pytest.importorskip("mteb")
    datasets = pytest.importorskip("datasets")
    passages, queries = (
        (frame if lang == "all" else frame[frame["lang"] == lang])["text"].tolist()
        for frame in (sample.passages.frame, sample.queries)
    )
    passages = [f"{text} ortak" for text in passages]  # a term of all passages
    passages, queries = passages[:400], queries[:40]
    metadata = mteb.get_task(task).metadata
    subset = "several" if lang == "all" else metadata.hf_subsets[0]
    where = {"task_metadata": metadata, "hf_split": "test", "hf_subset": subset, "encode_kwargs": {}}
    model = mteb.get_model("mteb/baseline-bm25s")
    ids = [str(row) for row in range(len(passages))]
    model.index(datasets.Dataset.from_dict({"id": ids, "title": [""] * len(ids), "text": passages}), **where)
    asked = datasets.Dataset.from_dict({"id": ids[: len(queries)], "text": queries})
    found = model.search(asked, top_k=len(ids), **where)

    encoder = load_encoder("mteb:mteb/baseline-bm25s", EncoderOptions(options={"task": task}))
    ours = dot(encoder.encode_query(queries), encoder.weigh(encoder.encode_document(passages)))

    assert encoder.info.settings["language"] == language
    np.testing.assert_allclose(ours, [[found[query][passage] for passage in ids] for query in asked["id"]], atol=1e-5)


def test_says_what_it_is():
    encoder = load(k1="0.9")
    assert encoder.info.settings == {"method": "lucene", "k1": 0.9, "b": 0.75, "ngram": 2}
    assert encoder.info.similarity == "dot"
    assert encoder.info.kind == "sparse"
    assert isinstance(encoder, PoolWeighting)
    assert isinstance(encoder, Truncating)
    assert find_adapter("bm25", EncoderOptions()).name == "bm25"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": "-1"}, "k1=-1: expected a number from 0"),
        ({"k1": "nan"}, "k1=nan"),
        ({"b": "1.5"}, "b=1.5: expected a number from 0 to 1"),
        ({"method": "okapi"}, "method=okapi: expected lucene or"),
        ({"delta": "1"}, "delta is for the methods bm25l and bm25"),
        ({"ngram": "0"}, "ngram=0: expected a whole number above 0"),
        ({"k2": "1"}, "unknown option 'k2'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(EncoderError, match=message):
        load(**options)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(EncoderError, match=r"pip install 'babelrank\[bm25\]'"):
        load()
