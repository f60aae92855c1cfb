"""Transforms: worked by hand, and by the property that each is made for."""

from collections.abc import Sequence
from dataclasses import fields, replace

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.encoding.transforms import parse_transform
from babelrank.encoding.vectors import MultiVectors
from babelrank.errors import EncoderError
from babelrank.ranking.rank import rank
from made_collections import collection_of_tables

NAMES = ["center", "center-roles", "whiten", "whiten:2", "abtt:1", "truncate:2", "int8", "binary"]


def make_collection(query_langs: Sequence[str], passage_langs: Sequence[str]) -> Collection:
    """Make a collection of languages by text, such as "aab"; passage i is relevant to query 0."""
    queries, passages = (
        pd.DataFrame({"lang": list(langs), "id": [f"{i}" for i in range(len(langs))], "text": ""})
        for langs in (query_langs, passage_langs)
    )
    return collection_of_tables(
        name="made up",
        languages=tuple(sorted({*query_langs, *passage_langs})),
        queries=queries,
        passages=passages,
        qrels=pd.DataFrame({"query": 0, "passage": range(len(passage_langs)), "grade": 1}),
        candidates="sentence",
        sha256="",
    )


def apply(names: str, queries, passages, similarity=Similarity.DOT, langs: tuple[str, str] | None = None):
    """Apply transforms, separated by blanks, one after another."""
    queries, passages = np.float32(queries), np.float32(passages)
    collection = make_collection(*(langs or ("a" * len(queries), "a" * len(passages))))
    outcome = Representations(queries, passages, similarity, {}, {})
    for name in names.split():
        outcome = parse_transform(name).apply(outcome, collection)
    return outcome


def random_vectors(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, dimension)) * np.arange(1, dimension + 1) + 3).astype(np.float32)


class TestCenter:
    def test_worked_by_hand(self):
        outcome = apply("center", [[1, 1], [1, 1]], [[0, 2], [2, 4], [10, 0]], langs=("ab", "aab"))
        assert outcome.passages.tolist() == [[-1, -1], [1, 1], [0, 0]]
        assert outcome.queries.tolist() == [[0, -2], [-9, 1]]

    def test_by_roles_queries_lose_their_own_mean(self):
        queries, passages = [[1, 1], [3, 1], [5, 5], [5, 9]], [[0, 2], [2, 4], [10, 0]]
        outcome = apply("center-roles", queries, passages, langs=("aabb", "aab"))
        assert outcome.passages.tolist() == [[-1, -1], [1, 1], [0, 0]]
        assert outcome.queries.tolist() == [[-1, 0], [1, 0], [0, -2], [0, 2]]

    def test_by_roles_a_language_with_one_query_is_refused(self):
        with pytest.raises(EncoderError, match="'center-roles': there is only one query in 'b'; subtracting"):
            apply("center-roles", [[1.0], [2.0], [3.0]], [[1.0], [2.0]], langs=("aab", "ab"))

    def test_leaves_every_language_a_mean_of_zero(self):
        langs = "a" * 30 + "b" * 5 + "c" * 65
        outcome = apply("center", random_vectors(3, 8), random_vectors(100, 8), langs=("abc", langs))
        for lang in "abc":
            assert_allclose(outcome.passages[np.array(list(langs)) == lang].mean(axis=0), 0, atol=1e-5)

    def test_takes_the_cosine_of_vectors_of_length_one(self):
        passages = random_vectors(20, 4)
        unit = passages / np.linalg.norm(passages, axis=1, keepdims=True)
        outcome = apply("center", passages[:2], passages, Similarity.COSINE)
        assert_allclose(outcome.passages, unit - unit.mean(axis=0), atol=1e-6)
        assert outcome.similarity == "cosine"

    def test_needs_passages_in_the_language_of_a_query(self):
        with pytest.raises(EncoderError, match="transform 'center': there are queries but no passages in 'b'"):
            apply("center", [[1.0], [1.0]], [[1.0]], langs=("ab", "a"))


class TestWhiten:
    def test_worked_by_hand(self):
        # Mean (1, 0); variances 4 and 1 along the axes, which are the principal ones.
        outcome = apply("whiten", [[5, 3]], [[3, 1], [3, -1], [-1, 1], [-1, -1]])
        assert_allclose(np.abs(outcome.passages), np.ones((4, 2)), atol=1e-6)
        assert_allclose(np.abs(outcome.queries), [[2, 3]], atol=1e-6)

    def test_leaves_the_identity_as_covariance(self):
        outcome = apply("whiten", random_vectors(3, 8), random_vectors(200, 8))
        assert_allclose(outcome.passages.mean(axis=0), 0, atol=1e-5)
        assert_allclose(np.cov(outcome.passages.T, bias=True), np.eye(8), atol=1e-4)

    def test_keeps_the_axes_of_most_variance(self):
        full = apply("whiten", random_vectors(3, 8), random_vectors(200, 8))
        short = apply("whiten:3", random_vectors(3, 8), random_vectors(200, 8))
        assert_allclose(short.passages, full.passages[:, :3], atol=1e-5)
        assert_allclose(short.queries, full.queries[:, :3], atol=1e-5)

    def test_scores_are_the_same_in_any_rotation_of_the_space(self):
        rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0].astype(np.float32)
        queries, passages = random_vectors(3, 8, 1), random_vectors(200, 8)
        plain, turned = apply("whiten", queries, passages), apply("whiten", queries @ rotation, passages @ rotation)
        assert_allclose(plain.queries @ plain.passages.T, turned.queries @ turned.passages.T, atol=1e-3)

    def test_leaves_out_axes_without_variance(self):
        passages = random_vectors(5, 8)  # five points span four axes
        outcome = apply("whiten", passages[:1], passages)
        assert outcome.passages.shape == (5, 4)
        assert np.isfinite(outcome.passages).all()
        with pytest.raises(EncoderError, match="'whiten:5': the passages vary only along 4 of 8 axes"):
            apply("whiten:5", passages[:1], passages)
        with pytest.raises(EncoderError, match="all the same"):
            apply("whiten", passages[:1], passages[[0, 0]])


class TestAllButTheTop:
    def test_worked_by_hand(self):
        outcome = apply("abtt:1", [[5, 3]], [[3, 1], [3, -1], [-1, 1], [-1, -1]])
        assert_allclose(outcome.passages, [[0, 1], [0, -1], [0, 1], [0, -1]], atol=1e-6)
        assert_allclose(outcome.queries, [[0, 3]], atol=1e-6)

    def test_leaves_nothing_along_the_first_axes_and_all_along_the_others(self):
        passages = random_vectors(200, 8)
        centred = passages - passages.mean(axis=0)
        axes = np.linalg.svd(centred, full_matrices=False)[2]
        outcome = apply("abtt:3", passages[:1], passages)
        assert_allclose(outcome.passages @ axes[:3].T, 0, atol=1e-3)
        assert_allclose(outcome.passages @ axes[3:].T, centred @ axes[3:].T, atol=1e-3)

    def test_cannot_leave_nothing(self):
        with pytest.raises(EncoderError, match="'abtt:2': the vectors have 2 dimensions, so K is at most 1"):
            apply("abtt:2", [[1, 2]], [[1, 2]])


class TestTruncate:
    def test_keeps_the_first_dimensions(self):
        outcome = apply("truncate:2", [[1, 2, 3]], [[4, 5, 6]])
        assert outcome.queries.tolist() == [[1, 2]]
        assert outcome.passages.tolist() == [[4, 5]]

    def test_of_all_dimensions_is_a_mistake(self):
        with pytest.raises(EncoderError, match="K is at most 2"):
            apply("truncate:3", [[1, 2, 3]], [[4, 5, 6]])


class TestInt8:
    def test_worked_by_hand(self):
        # Scales 1 and 2 of the two dimensions, and none of the third.
        outcome = apply("int8", [[1.4, 3.0, 0], [500, -500, 7]], [[127, -10, 0], [-3.6, 254, 0]])
        assert outcome.passages.tolist() == [[127, -10, 0], [-4, 254, 0]]
        assert outcome.queries.tolist() == [[1, 4, 0], [127, -254, 7]]

    @given(arrays(np.float32, (12, 3), elements=st.floats(-1000, 1000, width=32, allow_subnormal=False)))
    @settings(max_examples=50, deadline=None)
    def test_moves_no_passage_by_more_than_half_a_level(self, passages):
        outcome = apply("int8", passages[:1], passages).passages
        level = np.abs(passages).max(axis=0) / 127
        assert (np.abs(outcome - passages) <= 0.5 * level + 1e-3).all()
        assert all(len(np.unique(column)) <= 255 for column in outcome.T)


class TestBinary:
    @given(arrays(np.float32, (6, 16), elements=st.floats(-1, 1, width=32, allow_subnormal=False)))
    @settings(max_examples=50, deadline=None)
    def test_dot_product_is_dimension_less_twice_the_hamming_distance(self, vectors):
        outcome = apply("binary", vectors[:2], vectors, Similarity.COSINE)
        hamming = ((vectors[:2] >= 0)[:, None] != (vectors >= 0)[None]).sum(axis=2)
        assert outcome.similarity == "dot"
        assert_array_equal(outcome.queries @ outcome.passages.T, 16 - 2 * hamming)

    def test_zero_counts_as_positive(self):
        assert apply("binary", [[0.0, -0.0, -1e-9]], [[1, 1, 1]]).queries.tolist() == [[1, 1, -1]]


def test_transforms_compose_in_the_order_given():
    queries, passages = random_vectors(2, 6), random_vectors(50, 6)
    both = apply("center abtt:1 truncate:3 int8", queries, passages)
    step = apply("center", queries, passages)
    for name in ("abtt:1", "truncate:3", "int8"):
        step = apply(name, step.queries, step.passages)
    assert_array_equal(both.passages, step.passages)
    assert both.passages.shape == (50, 3)
    assert not np.allclose(
        apply("int8 center", queries, passages).passages, apply("center int8", queries, passages).passages
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("similarity", list(Similarity))
def test_every_transform_ranks(name, similarity):
    langs = ("aabb", "a" * 20 + "b" * 20)
    vectors = apply(name, random_vectors(4, 5), random_vectors(40, 5), similarity, langs)
    assert vectors.queries.dtype == vectors.passages.dtype == np.float32
    ranks = rank(make_collection(*langs), vectors).ranks.table["rank_in_pool"]
    assert sorted(ranks)[-1] <= 40


@pytest.mark.parametrize("name", NAMES)
def test_passages_with_the_same_vector_keep_the_same_vector(name):
    distinct = random_vectors(37, 96)
    rows = np.random.default_rng(0).integers(0, 37, 1001)
    outcome = apply(name, distinct[:3], distinct[rows], Similarity.COSINE).passages
    for row in range(37):
        assert len({vector.tobytes() for vector in outcome[rows == row]}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_left_as_they_are(name):
    queries, passages = random_vectors(3, 5), random_vectors(40, 5)
    copies = queries.copy(), passages.copy()
    apply(name, queries, passages, Similarity.COSINE)
    assert_array_equal(queries, copies[0])
    assert_array_equal(passages, copies[1])


@pytest.mark.parametrize("name", NAMES)
def test_learns_from_passages_alone(name):
    passages = random_vectors(40, 5)
    one, other = (apply(name, random_vectors(3, 5, seed), passages).passages for seed in (1, 2))
    assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "vectors",
    [csr_array(np.eye(2, dtype=np.float32)), MultiVectors.from_list([np.eye(2, dtype=np.float32)] * 2)],
    ids=["sparse", "multi-vector"],
)
def test_other_kinds_are_refused(name, vectors):
    representations = Representations(vectors, vectors, Similarity.DOT, {}, {})
    with pytest.raises(EncoderError, match=f"transform '{name}': for dense representations only"):
        parse_transform(name).apply(representations, make_collection("aa", "aa"))


def test_the_rest_of_the_representations_stays():
    before = Representations(
        random_vectors(2, 4), random_vectors(9, 4), Similarity.EUCLIDEAN, {"query": 2}, {"query": 0.5}
    )
    after = parse_transform("center").apply(before, make_collection("aa", "a" * 9))
    others = [each.name for each in fields(before) if each.name not in ("queries", "passages")]
    assert [getattr(after, name) for name in others] == [getattr(before, name) for name in others]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_back(name):
    assert parse_transform(name).name == name
    assert parse_transform("truncate:007").name == "truncate:7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("centre", "unknown transform 'centre'. Did you mean 'center'.*Known: abtt, binary, center, center-roles"),
        ("", "unknown transform ''"),
        ("center:101", "'center:101': expected center or center:P, P a percentage from 1 to 100"),
        ("center:0", "expected center or center:P"),
        ("abtt", "'abtt': expected abtt:K, K a whole number above 0"),
        ("abtt:0", "expected abtt:K"),
        ("truncate:-3", "expected truncate:K"),
        ("truncate:", "expected truncate:K"),
        ("whiten:x", "'whiten:x': expected whiten or whiten:K, K a whole number above 0"),
        ("int8:", "expected int8"),
        ("center@", "'center@': expected a collection after @"),
        ("center-roles@sample", "a transform but center-roles"),
        ("centre@sample", "unknown transform 'centre'"),
    ],
)
def test_names_that_are_none(text, message):
    with pytest.raises(EncoderError, match=message):
        parse_transform(text)


def test_a_transform_can_learn_from_other_passages():
    other, passages, queries = random_vectors(20, 4, 1), random_vectors(9, 4, 2), random_vectors(2, 4, 3)
    source, collection = make_collection("ab", "ab" * 10), make_collection("ab", "aaaabbbbb")
    learnt = parse_transform("center@other").learn(Representations(queries, other, Similarity.DOT), source)
    found = learnt.apply(Representations(queries, passages, Similarity.DOT), collection)
    means = np.stack([other[0::2].mean(axis=0), other[1::2].mean(axis=0)])
    assert_allclose(found.passages, passages - means[[0] * 4 + [1] * 5], atol=1e-6)
    assert_allclose(found.queries, queries - means, atol=1e-6)


def test_a_transform_learns_from_a_language_by_its_longer_code():
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]], dtype=np.float32)
    representations = Representations(vectors[:2], vectors, Similarity.DOT)
    source = make_collection(("zh-Hans", "zh-Hant"), ("zh-Hans", "zh-Hant", "zh-Hant"))
    learnt = parse_transform("center@other").learn(representations, source)
    for code, mean in (("zh", vectors[0]), ("zh-Hant", vectors[1:].mean(axis=0)), ("zh-TW", vectors[1:].mean(axis=0))):
        collection = make_collection((code, code), (code,) * 3)
        replace(parse_transform("center@other"), source=source).check_languages(collection)
        assert_allclose(learnt.apply(representations, collection).passages, vectors - mean)
    with pytest.raises(EncoderError, match="has no passages in ja"):
        replace(parse_transform("center@other"), source=source).check_languages(make_collection(("ja",), ("ja",)))


@pytest.mark.parametrize(
    ("names", "size"),
    [(["center"], 16), (["truncate:2"], 8), (["int8"], 4), (["truncate:2", "int8"], 2), (["int8", "center"], 16)],
)
def test_a_passage_takes_as_many_bytes_as_its_numbers_need(names, size):
    vectors = np.eye(4, dtype=np.float32)
    representations = Representations(vectors, vectors)
    for name in names:
        representations = parse_transform(name).apply(representations, make_collection("aabb", "aabb"))
    assert representations.bytes_per_passage == size


def test_a_passage_of_terms_or_tokens_takes_their_mean():
    sparse = csr_array(np.array([[0, 1, 2], [0, 0, 3]], dtype=np.float32))
    assert Representations(sparse, sparse).bytes_per_passage == 3 * (4 + sparse.indices.itemsize) / 2
    tokens = MultiVectors.from_list([np.ones((3, 2), np.float32), np.ones((1, 2), np.float32)])
    assert Representations(tokens, tokens).bytes_per_passage == 16
