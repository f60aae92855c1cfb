"""Score blocks of sparse and multi-vector representations against plain formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vectors import MultiVectors
from babelrank.errors import EncoderError
from babelrank.ranking.scores import make_scorer


def all_scores(queries: object, passages: object, similarity: Similarity) -> np.ndarray:
    scorer = make_scorer(queries, passages, similarity)
    out = np.full(scorer.shape, np.nan, dtype=np.float32)
    (panel,) = scorer.panels(None, 1, memory=2**31, held=0)
    # In two windows, so that the offsets of one that does not begin at the first query are tried.
    middle, everything = scorer.shape[0] // 2, slice(0, scorer.shape[1])
    for window in (slice(0, middle), slice(middle, scorer.shape[0])):
        panel.score(window, everything, out[window])
    return out


def random_sparse(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return (rng.integers(1, 9, (rows, columns)) * (rng.random((rows, columns)) < 0.2)).astype(np.float32)


@pytest.mark.parametrize("similarity", [Similarity.DOT, Similarity.COSINE])
def test_sparse_scores_are_those_of_the_same_dense_vectors(similarity: Similarity) -> None:
    rng = np.random.default_rng(0)
    queries, passages = random_sparse(rng, 17, 50), random_sparse(rng, 31, 50)
    queries[3], passages[5] = 0, 0
    expected = all_scores(queries, passages, similarity)
    np.testing.assert_allclose(all_scores(csr_array(queries), csr_array(passages), similarity), expected, atol=1e-6)


def test_sparse_euclidean_scores_order_passages_as_distances_do() -> None:
    rng = np.random.default_rng(1)
    queries, passages = random_sparse(rng, 9, 40), random_sparse(rng, 25, 40)
    scores = all_scores(csr_array(queries), csr_array(passages), Similarity.EUCLIDEAN)
    squared = ((queries[:, None] - passages[None]) ** 2).sum(axis=2)
    own = (queries**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(2 * scores - own, -squared, atol=1e-3)


def test_a_hashed_vocabulary_is_as_good_as_a_small_one() -> None:
    rng = np.random.default_rng(2)
    queries, passages = csr_array(random_sparse(rng, 8, 30)), csr_array(random_sparse(rng, 12, 30))
    columns = np.sort(rng.choice(2**60, 30, replace=False))

    def hashed(vectors: csr_array) -> csr_array:
        parts = (vectors.data, columns[vectors.indices], vectors.indptr)
        return csr_array(parts, shape=(vectors.shape[0], 2**60))

    np.testing.assert_array_equal(
        all_scores(hashed(queries), hashed(passages), Similarity.DOT), all_scores(queries, passages, Similarity.DOT)
    )


def test_no_term_in_common_scores_zero() -> None:
    queries = csr_array(np.array([[1, 0, 0], [0, 0, 0]], dtype=np.float32))
    passages = csr_array(np.array([[0, 2, 0], [0, 0, 3]], dtype=np.float32))
    assert not all_scores(queries, passages, Similarity.DOT).any()


def max_sim(query: np.ndarray, passage: np.ndarray) -> float:
    return float((query @ passage.T).max(axis=1).sum())


@settings(deadline=None)  # the first example compiles
@given(seed=st.integers(0, 10**6), panel=st.sampled_from([1, 7, 40, 10**6]))
def test_max_sim_is_the_sum_over_query_tokens_of_the_nearest_passage_token(seed: int, panel: int) -> None:
    rng = np.random.default_rng(seed)
    queries = [rng.integers(-5, 6, (rng.integers(1, 6), 4)).astype(np.float32) for _ in range(5)]
    passages = [rng.integers(-5, 6, (rng.integers(1, 9), 4)).astype(np.float32) for _ in range(11)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("babelrank.ranking.whole._TOKEN_PANEL", panel)
        scores = all_scores(MultiVectors.from_list(queries), MultiVectors.from_list(passages), Similarity.DOT)
    np.testing.assert_array_equal(scores, [[max_sim(query, passage) for passage in passages] for query in queries])


def test_max_sim_by_cosine_ignores_the_length_of_tokens() -> None:
    rng = np.random.default_rng(3)
    queries = MultiVectors.from_list([rng.normal(size=(3, 8)).astype(np.float32) for _ in range(4)])
    passages = [rng.normal(size=(5, 8)).astype(np.float32) for _ in range(6)]
    plain = all_scores(queries, MultiVectors.from_list(passages), Similarity.COSINE)
    longer = all_scores(queries, MultiVectors.from_list([7 * passage for passage in passages]), Similarity.COSINE)
    np.testing.assert_allclose(plain, longer, atol=1e-5)


def test_max_sim_has_no_euclidean_form() -> None:
    vectors = MultiVectors.from_list([np.ones((1, 2), dtype=np.float32)])
    with pytest.raises(EncoderError, match="cosine and dot"):
        make_scorer(vectors, vectors, Similarity.EUCLIDEAN)


def test_equal_multi_vectors_score_equal_wherever_they_stand() -> None:
    rng = np.random.default_rng(4)
    passages = [rng.normal(size=(rng.integers(3, 40), 96)).astype(np.float32) for _ in range(60)]
    passages[-1] = passages[0]
    queries = MultiVectors.from_list([rng.normal(size=(7, 96)).astype(np.float32) for _ in range(9)])
    scores = all_scores(queries, MultiVectors.from_list(passages), Similarity.COSINE)
    np.testing.assert_array_equal(scores[:, 0], scores[:, -1])
