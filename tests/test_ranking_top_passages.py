"""top_passages(): the best passages of the pool for each query, against a stable argsort of exact scores."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.ranking import ranks as rank_module
from babelrank.ranking.ranks import top_passages


def represent(queries, passages, similarity=Similarity.DOT) -> Representations:
    return Representations(np.float32(queries), np.float32(passages), similarity, {}, {})


@pytest.fixture
def crowded():
    """Vectors of small integers, whose scores are exact and often equal, and the scores: (11 queries, 97 passages)."""
    rng = np.random.default_rng(5)
    queries, passages = rng.integers(-2, 3, size=(11, 4)), rng.integers(-2, 3, size=(97, 4))
    return represent(queries, passages), queries @ passages.T


def test_the_best_come_first_with_their_scores():
    top = top_passages(represent([[1], [-1]], [[3], [9], [-4], [5]]), k=3)
    assert top.passages.tolist() == [[1, 3, 0], [2, 0, 3]]
    assert top.scores.tolist() == [[9, 5, 3], [4, -3, -5]]


def test_equal_scores_keep_the_order_of_the_pool_also_where_the_list_is_cut():
    top = top_passages(represent([[1]], [[1], [2], [1], [2], [1]]), k=3)
    assert top.passages.tolist() == [[1, 3, 0]]


@pytest.mark.parametrize("k", [1, 2, 10, 96, 97])
@pytest.mark.parametrize("threads", [1, 3])
def test_agrees_with_a_stable_argsort(crowded, k, threads):
    representations, scores = crowded
    top = top_passages(representations, k, threads=threads)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert_array_equal(top.passages, expected)
    assert_array_equal(top.scores, np.take_along_axis(scores, expected, axis=1))


def test_a_k_beyond_the_pool_returns_the_whole_pool(crowded):
    representations, scores = crowded
    top = top_passages(representations, k=100)
    assert_array_equal(top.passages, np.argsort(-scores, axis=1, kind="stable"))


def test_k_is_100_by_default():
    top = top_passages(represent(np.ones((2, 1)), np.arange(150)[:, None]))
    assert_array_equal(top.passages, np.tile(np.arange(149, 49, -1), (2, 1)))


@pytest.mark.parametrize("block_bytes", [1, 2 * 4 * 97])  # one query, two queries at a time
def test_the_size_of_blocks_does_not_matter(crowded, monkeypatch, block_bytes):
    representations, scores = crowded
    monkeypatch.setattr(rank_module, "_BLOCK_BYTES", block_bytes)
    top = top_passages(representations, k=20, threads=2)
    assert_array_equal(top.passages, np.argsort(-scores, axis=1, kind="stable")[:, :20])


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [(Similarity.DOT, [1, 2, 0]), (Similarity.COSINE, [0, 1, 2]), (Similarity.EUCLIDEAN, [0, 2, 1])],
)
def test_each_similarity_orders_by_its_own_notion_of_near(similarity, expected):
    top = top_passages(represent([[2, 0]], [[2, 0], [16, 0], [4, 3]], similarity), k=3)
    assert top.passages.tolist() == [expected]


def test_identical_vectors_of_real_numbers_come_in_the_order_of_the_pool():
    # The last columns of a matrix product are added up in another order: copies there must not come out of turn.
    rng = np.random.default_rng(1)
    vector = rng.normal(size=384)
    top = top_passages(represent([vector, -vector], np.tile(vector, (7, 1))), k=7)
    assert top.passages.tolist() == [list(range(7))] * 2
