"""Approximate indexes: what they find against exact search, what they cost, and what cannot be built."""

import faiss
import numpy as np
import pytest

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import array_block
from babelrank.errors import SearchError
from babelrank.ranking.approximate import build_index, measure_approximation, measure_recall, search_index
from babelrank.ranking.best import TopPassages, find_best
from babelrank.ranking.scores import make_scorer

DIMENSION = 16


def vectors(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, DIMENSION)).astype(np.float32)


PASSAGES, QUERIES = vectors(2000), vectors(60, seed=1)
SHARDS = [array_block(PASSAGES[:700], 0), array_block(PASSAGES[700:1100], 700), array_block(PASSAGES[1100:], 1100)]


def approximate(factory, parameters="", *, similarity=Similarity.COSINE, k=10, **options):
    return measure_approximation(
        QUERIES, SHARDS, factory, k, similarity, parameters=parameters, threads=1, **{"sample": 40, **options}
    )


@pytest.mark.parametrize("similarity", list(Similarity))
@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat", "HNSW32"])
def test_an_index_that_leaves_nothing_out_finds_what_exact_search_finds(factory, similarity):
    parameters = {"IVF8,Flat": "nprobe=8", "HNSW32": "efSearch=2000"}.get(factory, "")
    found = approximate(factory, parameters, similarity=similarity)
    exact = find_best(make_scorer(QUERIES, SHARDS, similarity), 10, threads=1)
    assert found.mean_recall == 1
    np.testing.assert_array_equal(found.top.positions, exact.positions)
    np.testing.assert_allclose(found.top.scores, exact.scores, rtol=1e-4, atol=1e-5)


def test_recall_is_what_the_lists_share_with_brute_force():
    found = approximate("IVF16,Flat", "nprobe=2", similarity=Similarity.DOT, sample=1000)
    best = np.argsort(-(QUERIES @ PASSAGES.T), axis=1)[:, :10]
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(best.tolist(), found.top.positions.tolist(), strict=True)]
    np.testing.assert_allclose(found.recall, shared)
    np.testing.assert_array_equal(found.sample, np.arange(60))
    assert found.mean_recall == pytest.approx(np.mean(shared))
    assert 0.1 < found.mean_recall < 0.9


def test_recall_counts_places_in_the_exact_list_only():
    exact = TopPassages(np.array([[4, 7, 1], [0, 1, 2]]), np.zeros((2, 3)))
    found = TopPassages(np.array([[1, 9, 4, -1], [-1, -1, -1, -1]]), np.zeros((2, 4)))
    np.testing.assert_allclose(measure_recall(exact, found), [2 / 3, 0])
    np.testing.assert_allclose(measure_recall(exact, exact), [1, 1])


def test_recall_of_other_queries_is_refused():
    with pytest.raises(SearchError, match="lists of 2 and of 1 queries"):
        measure_recall(*(TopPassages(np.zeros((n, 1)), np.zeros((n, 1))) for n in (2, 1)))


def test_the_sample_is_stated_and_drawn_by_the_seed():
    first, again, other = (approximate("IVF16,Flat", sample=20, seed=seed) for seed in (3, 3, 4))
    assert len(first.sample) == len(set(first.sample)) == len(first.recall) == 20
    np.testing.assert_array_equal(first.sample, again.sample)
    np.testing.assert_array_equal(first.top.positions, again.top.positions)
    assert not np.array_equal(first.sample, other.sample)


def test_more_probes_find_more():
    index = build_index(SHARDS, "IVF16,Flat", Similarity.COSINE, threads=1)
    exact = find_best(make_scorer(QUERIES, SHARDS, Similarity.COSINE), 10, threads=1)
    recalls = [
        measure_recall(exact, search_index(index, QUERIES, 10, f"nprobe={probes}", threads=1)).mean()
        for probes in (1, 4, 16)
    ]
    assert recalls[0] < recalls[1] < recalls[2] == 1


def test_size_is_that_of_the_written_index_and_smaller_for_codes():
    flat, codes = (build_index(SHARDS, factory, Similarity.DOT, threads=1) for factory in ("Flat", "SQ8"))
    for index in (flat, codes):
        assert index.nbytes == len(faiss.serialize_index(index.index))
        assert index.rows == 2000
    assert flat.nbytes == pytest.approx(2000 * DIMENSION * 4, rel=0.01)
    assert codes.nbytes == pytest.approx(2000 * DIMENSION, rel=0.02)
    assert (flat.trained_on, codes.trained_on) == (0, 2000)
    assert flat.build_seconds > 0


def test_training_sees_as_many_passages_as_asked():
    index = build_index(SHARDS, "IVF4,Flat", Similarity.DOT, train_rows=500, threads=1)
    assert index.trained_on == 500


def test_what_an_index_does_not_find_is_marked():
    index = build_index(SHARDS, "IVF100,Flat", Similarity.DOT, threads=1)
    top = search_index(index, QUERIES, 200, "nprobe=1", threads=1)
    missing = top.positions == -1
    assert missing.any(axis=1).all()
    assert not missing[:, 0].any()
    assert (top.scores[missing] == -np.inf).all()
    assert np.isfinite(top.scores[~missing]).all()
    assert (np.diff(missing.astype(int), axis=1) >= 0).all()  # at the end of the list


def test_positions_are_those_of_the_corpus_for_a_part_of_it_too():
    part = [array_block(PASSAGES[1100:], 1100), array_block(PASSAGES[:700], 0)]
    found = search_index(build_index(part, "Flat", Similarity.DOT, threads=1), QUERIES, 50, threads=1)
    np.testing.assert_array_equal(
        found.positions, find_best(make_scorer(QUERIES, part, Similarity.DOT), 50, threads=1).positions
    )
    assert not ((found.positions >= 700) & (found.positions < 1100)).any()


def test_equal_scores_stand_in_the_order_of_positions():
    passages = np.repeat(vectors(3), 20, axis=0)
    index = build_index([array_block(passages)], "Flat", Similarity.DOT, threads=1)
    top = search_index(index, QUERIES, 60, threads=1)
    np.testing.assert_array_equal(np.sort(top.positions, axis=1), np.tile(np.arange(60), (60, 1)))
    tied = np.diff(top.scores, axis=1) == 0
    assert tied.sum() > 60 * 50
    assert (np.diff(top.positions, axis=1)[tied] > 0).all()


@pytest.mark.parametrize(
    ("factory", "parameters", "message"),
    [
        ("IVFF,Flat", "", "index 'IVFF,Flat'.*could not parse.*Valid are, for instance: Flat, SQ8"),
        ("PQ7", "", "dimension 16.*should be a multiple of the number of subquantizers"),
        ("IVF3000,Flat", "", r"trained on 2,000 of 2,000 passages.*\(2000\) should be at least as large"),
        ("IVF4,Flat", "efSearch=8", "'efSearch=8'.*could not set parameter efSearch.*nprobe=16"),
        ("IVF4,Flat", "nprobe", "could not interpret parameters nprobe"),
        ("IVF4,Flat", "nprobe=0", "nprobe > 0"),
    ],
)
def test_an_index_that_faiss_refuses_is_an_error_with_its_words_and_examples(factory, parameters, message):
    with pytest.raises(SearchError, match=message):
        approximate(factory, parameters)


def test_an_index_that_would_not_fit_is_refused_after_a_few_passages():
    with pytest.raises(SearchError, match=r"takes about 25\.6 MB, more than the limit of 20 MB"):
        build_index([array_block(np.tile(PASSAGES, (200, 1)))], "Flat", Similarity.DOT, memory_limit=20 * 10**6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"k": 0}, "k must be at least 1, got 0"), ({"sample": 0}, "at least one query; asked for 0 of 60")],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(SearchError, match=message):
        approximate("Flat", **options)
