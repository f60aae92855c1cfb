"""The space of dense vectors by language: hand-worked cases, and definitions taken literally as oracles."""

import json
from dataclasses import asdict
from itertools import combinations
from math import perm

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist, pdist
from scipy.stats import skew
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from babelrank.analysis import language_probe, neighbours
from babelrank.analysis import space as space_module
from babelrank.analysis.space import isoscore, measure_space
from babelrank.analysis.translations import find_translations, group_translations, number_questions
from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import MultiVectors
from made_collections import collection_of_tables, rank_with_top


def parallel(languages=("de", "en", "th"), questions=6, distractors=0) -> Collection:
    """Questions in all languages, each with a passage of its own in each; then passages that answer nothing."""
    queries = [(lang, f"q{i}", "?") for lang in languages for i in range(questions)]
    passages = [(lang, f"{lang}/{i}", ".") for lang in languages for i in range(questions + distractors)]
    qrels = [
        (q * questions + i, p * (questions + distractors) + i, 1)
        for q in range(len(languages))
        for i in range(questions)
        for p in range(len(languages))
    ]
    return collection_of_tables(
        "parallel",
        tuple(languages),
        pd.DataFrame(queries, columns=["lang", "id", "text"]),
        pd.DataFrame(passages, columns=["lang", "id", "text"]),
        pd.DataFrame(qrels, columns=["query", "passage", "grade"]),
        "sentence",
        "0" * 64,
    )


def represent(queries, passages, similarity=Similarity.COSINE) -> Representations:
    return Representations(np.float32(queries), np.float32(passages), similarity, {}, {})


def random_space(collection: Collection, dimension=5, seed=0, **options):
    rng = np.random.default_rng(seed)
    queries, passages = (
        rng.normal(size=(len(table), dimension)) for table in (collection.queries, collection.passages.frame)
    )
    return measure_space(collection, represent(queries, passages), threads=1, **options), unit(queries), unit(passages)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_centroids_are_those_of_vectors_of_length_1():
    # German at (1, 0), English between (0, 1) and (1, 0), Thai at (-1, 0), whatever their lengths.
    queries = [[1, 0], [5, 0], [0, 3], [1, 0], [-2, 0], [-1, 0]]
    space = measure_space(parallel(questions=2), represent(queries, queries))
    assert np.array(space.queries.centroid_cosine) == pytest.approx(
        np.array([[0, 1 - 0.5**0.5, 2], [1 - 0.5**0.5, 0, 1 + 0.5**0.5], [2, 1 + 0.5**0.5, 0]]), abs=1e-7
    )
    assert np.array(space.queries.centroid_euclidean)[0] == pytest.approx([0, 0.5**0.5, 2], abs=1e-7)
    assert space.queries.n == [2, 2, 2]


def test_a_language_with_opposite_vectors_has_no_direction():
    queries = [[1, 0], [-1, 0], [0, 1], [0, 1]]
    space = measure_space(parallel(("de", "en"), 2), represent(queries, queries))
    assert space.queries.centroid_cosine == [[None, None], [None, pytest.approx(0, abs=1e-7)]]
    assert space.queries.centroid_euclidean[0] == pytest.approx([0, 1])


def test_translations_at_one_point_are_aligned_and_others_are_as_far_as_they_are():
    collection = parallel(("de", "en"), 2)
    queries = [[1, 0], [0, 1], [1, 0], [0, -1]]
    passages = [[1, 0], [0, 1], [0, 1], [1, 0]]
    space = measure_space(collection, represent(queries, passages))
    assert space.queries.alignment == [[None, pytest.approx((0 + 4) / 2)], [pytest.approx(2), None]]
    assert space.passages.alignment == [[None, pytest.approx(2)], [pytest.approx(2), None]]
    assert np.array(space.alignment) == pytest.approx(np.array([[0, 2], [(0 + 4) / 2, 2]]))


@pytest.mark.parametrize("block_bytes", [1, 200, 1 << 20])
def test_alignment_uniformity_and_mean_cosines_agree_with_all_pairs(monkeypatch, block_bytes):
    monkeypatch.setattr(space_module, "_BLOCK_BYTES", block_bytes)
    collection = parallel(questions=7, distractors=2)
    space, queries, passages = random_space(collection)
    for side, vectors, size in ((space.queries, queries, 7), (space.passages, passages, 9)):
        distances, cosines = pdist(vectors, "sqeuclidean"), 1 - pdist(vectors, "cosine")
        lang = np.repeat(np.arange(3), size)
        same = pdist(lang[:, None], "cityblock") == 0
        assert side.uniformity == pytest.approx(np.log(np.exp(-2 * distances).mean()), rel=1e-5)
        assert side.uniformity_by_language == pytest.approx(
            [np.log(np.exp(-2 * pdist(vectors[lang == i], "sqeuclidean")).mean()) for i in range(3)], rel=1e-5
        )
        assert side.mean_cosine == pytest.approx(cosines.mean(), abs=1e-6)
        assert side.mean_cosine_within == pytest.approx(cosines[same].mean(), abs=1e-6)
        assert side.mean_cosine_across == pytest.approx(cosines[~same].mean(), abs=1e-6)
    cross = cdist(queries[:7], passages[9:16], "sqeuclidean")
    assert space.alignment[0][1] == pytest.approx(np.trace(cross) / 7, rel=1e-5)


def test_uniformity_is_0_if_all_vectors_coincide():
    space = measure_space(parallel(questions=2), represent(np.ones((6, 3)), np.ones((6, 3))))
    assert space.queries.uniformity == pytest.approx(0, abs=1e-6)
    assert space.queries.mean_cosine == pytest.approx(1, abs=1e-6)
    assert space.queries.isoscore is None


def literal_isoscore(vectors):
    """Follow the steps of algorithm 1 of arXiv 2108.07344."""
    n = vectors.shape[1]
    variances = np.linalg.eigvalsh(np.cov(vectors, rowvar=False))
    normalised = np.sqrt(n) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normalised - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    share = (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2
    return (n * share - 1) / (n - 1)


@given(seed=st.integers(0, 10_000), texts=st.integers(3, 40), dimension=st.integers(2, 12))
def test_isoscore_agrees_with_the_published_algorithm(seed, texts, dimension):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(texts, dimension)) * rng.exponential(size=dimension) + rng.normal(size=dimension)
    assert isoscore(vectors) == pytest.approx(literal_isoscore(vectors), abs=1e-9)


def test_isoscore_is_0_along_one_axis_and_1_along_all_alike():
    assert isoscore(np.array([[1.0, 2, 3]]) * np.arange(5)[:, None]) == pytest.approx(0, abs=1e-12)
    assert isoscore(np.concatenate([np.eye(4), -np.eye(4)])) == pytest.approx(1)
    assert isoscore(np.ones((5, 3))) is None
    assert isoscore(np.ones((1, 3))) is None
    assert isoscore(np.array([[1.0], [2.0]])) is None


def test_the_probe_finds_languages_that_stand_apart():
    collection = parallel(questions=30)
    vectors = np.repeat(np.eye(3), 30, axis=0) + 0.05 * np.random.default_rng(0).normal(size=(90, 3))
    for side in (space := measure_space(collection, represent(vectors, vectors))).queries, space.passages:
        probe = side.language_probe
        assert (probe.n, probe.accuracy, probe.chance, probe.by_language) == (90, 1, pytest.approx(1 / 3), [1, 1, 1])


def test_the_probe_is_at_chance_where_translations_have_one_vector():
    vectors = np.tile(np.random.default_rng(0).normal(size=(60, 4)), (3, 1))
    probe = measure_space(parallel(questions=60), represent(vectors, vectors)).queries.language_probe
    assert probe.accuracy == pytest.approx(1 / 3, abs=0.12)


def test_the_probe_has_not_seen_questions_with_the_same_passage():
    # Four queries each on 40 passages have one vector, and a language at random: by heart all are known, else none.
    rng = np.random.default_rng(0)
    lang = np.sort(rng.integers(0, 2, 40))
    collection = collection_of_tables(
        "made-up",
        ("de", "en"),
        pd.DataFrame(
            {"lang": np.repeat(np.array(["de", "en"])[lang], 4), "id": [f"q{i}" for i in range(160)], "text": ""}
        ),
        pd.DataFrame({"lang": np.array(["de", "en"])[lang], "id": [f"p{i}" for i in range(40)], "text": ""}),
        pd.DataFrame({"query": range(160), "passage": np.repeat(np.arange(40), 4), "grade": 1}),
        "sentence",
        "0" * 64,
    )
    vectors = rng.normal(size=(40, 64))
    probe = measure_space(collection, represent(np.repeat(vectors, 4, axis=0), vectors)).queries.language_probe
    assert probe.accuracy < 0.75


def test_the_probe_draws_whole_groups_until_there_are_enough_texts(monkeypatch):
    monkeypatch.setattr(language_probe, "PROBE_TEXTS", 50)
    space, _, _ = random_space(parallel(questions=30))
    assert space.queries.language_probe.n == 48  # 16 questions in three languages
    assert space.queries.language_probe.chance == pytest.approx(1 / 3)
    again, _, _ = random_space(parallel(questions=30))
    other, _, _ = random_space(parallel(questions=30))
    assert again == other == space


@pytest.mark.parametrize("collection", [parallel(("en",), 20), parallel(questions=4)])
def test_there_is_no_probe_for_one_language_or_too_few_questions(collection):
    space, _, _ = random_space(collection)
    assert space.queries.language_probe is space.passages.language_probe is None


def test_parallel_passages_are_searched_among_all_passages_of_the_other_language():
    collection = parallel(("de", "en"), questions=2, distractors=1)
    # de/0 finds en/0; de/1 finds the distractor en/2 first; en/0 finds de/0; en/1 finds de/1.
    passages = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0.1, 0], [0, 1, 1], [0, 1, 0.1]]
    space = measure_space(collection, represent(np.ones((4, 3)), passages))
    assert space.parallel_retrieval.n == [[0, 2], [2, 0]]
    assert space.parallel_retrieval.precision == [[None, 0.5], [0.5, None]]


def test_translations_that_tie_with_others_are_not_found():
    space = measure_space(parallel(questions=3), represent(np.ones((9, 2)), np.ones((9, 2))))
    precision = np.array(space.parallel_retrieval.precision, dtype=float)
    assert (precision[~np.eye(3, dtype=bool)] == 0).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_p_at_1_agrees_with_scikit_learn(seed):
    collection = parallel(questions=5, distractors=4)
    space, _, passages = random_space(collection, dimension=3, seed=seed)
    vectors = passages.reshape(3, 9, 3)
    for a in range(3):
        for b in range(3):
            near = NearestNeighbors(n_neighbors=1).fit(vectors[b]).kneighbors(vectors[a][:5], return_distance=False)
            expected = None if a == b else (near[:, 0] == np.arange(5)).mean()
            assert space.parallel_retrieval.precision[a][b] == expected


def test_a_passage_near_every_query_is_a_hub():
    collection = parallel(("de", "en"), questions=20)
    rng = np.random.default_rng(0)
    queries, passages = rng.normal(size=(40, 30)), rng.normal(size=(40, 30))
    queries[:, 0], passages[5] = 6, np.eye(30)[0]
    hubs = measure_space(collection, represent(queries, passages)).query_hubs
    assert (hubs.n, hubs.hubs[0], hubs.occurrences[0]) == (40, "de/5", 40)
    assert hubs.occurrences[1] < 40
    assert sum(hubs.share_of_places) == pytest.approx(1)
    assert sum(hubs.share_of_hubs) == pytest.approx(1)


@pytest.mark.parametrize("most", [1 << 14, 12])
def test_the_k_occurrence_agrees_with_scikit_learn(monkeypatch, most):
    monkeypatch.setattr(space_module, "_MOST_ASKING", most)
    collection = parallel(questions=12, distractors=8)
    space, queries, passages = random_space(collection)
    for hubs, vectors in ((space.query_hubs, queries), (space.passage_hubs, None)):
        count = len(queries) if vectors is not None else len(passages)
        rows = (
            np.arange(count) if count <= most else np.sort(np.random.default_rng(0).choice(count, most, replace=False))
        )
        search = NearestNeighbors(n_neighbors=10 if vectors is not None else 11).fit(passages)
        near = search.kneighbors((passages if vectors is None else vectors)[rows], return_distance=False)
        near = near if vectors is not None else near[:, 1:]
        occurrences = np.bincount(near.ravel(), minlength=len(passages))
        assert hubs.n == len(rows)
        assert most < count or hubs.skewness == pytest.approx(skew(occurrences))
        assert hubs.never == pytest.approx((occurrences == 0).mean())
        assert hubs.occurrences == np.sort(occurrences)[::-1][:10].tolist()
        assert hubs.share_of_places == pytest.approx(np.bincount(near.ravel() // 20, minlength=3) / near.size)


def test_passages_with_one_vector_are_not_near_themselves_and_occur_ten_times_each_on_average():
    space = measure_space(parallel(questions=5), represent(np.ones((15, 2)), np.ones((15, 2))))
    assert sum(space.passage_hubs.occurrences) <= 15 * 10
    assert max(space.passage_hubs.occurrences) <= 14


def test_in_a_small_pool_all_passages_occur_alike_and_have_no_skewness():
    space, _, _ = random_space(parallel(("de", "en"), 3))
    assert space.query_hubs.skewness is None
    assert space.query_hubs.occurrences == [6] * 6


def test_the_similarity_of_the_encoder_decides_what_is_near():
    collection = parallel(("de", "en"), questions=6)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 3)) * rng.exponential(size=(12, 1))
    spaces = {
        similarity: measure_space(collection, represent(vectors, vectors, similarity))
        for similarity in (Similarity.COSINE, Similarity.DOT)
    }
    assert spaces[Similarity.COSINE].queries == spaces[Similarity.DOT].queries
    assert spaces[Similarity.COSINE].parallel_retrieval != spaces[Similarity.DOT].parallel_retrieval


def test_query_hubs_come_from_the_ranking_where_it_is_given():
    collection = parallel(questions=12, distractors=8)
    rng = np.random.default_rng(0)
    vectors = represent(*(rng.normal(size=(len(table), 5)) for table in (collection.queries, collection.passages)))
    _, top = rank_with_top(collection, vectors)
    assert measure_space(collection, vectors, top=top) == measure_space(collection, vectors)
    _, shallow = rank_with_top(collection, vectors, pool_depth=3)
    assert measure_space(collection, vectors, top=shallow) == measure_space(collection, vectors)


def test_the_skewness_of_all_samples_that_ask_has_the_moments_of_all_texts():
    # Six texts ask for one passage each. Over all samples of four, the moments that the estimate rests on are exact.
    asked = np.array([0, 0, 0, 1, 1, 2])
    everything = np.bincount(asked, minlength=4)
    samples = [np.bincount(asked[list(chosen)], minlength=4) for chosen in combinations(range(6), 4)]
    for order in (1, 2, 3):
        falling = [np.mean([perm(count, order) for count in counts.tolist()]) for counts in samples]
        factor = perm(6, order) / perm(4, order)
        assert np.mean(falling) * factor == pytest.approx(np.mean([perm(n, order) for n in everything.tolist()]))
    assert neighbours._skewness(everything, 6, 6) == pytest.approx(skew(everything))


def test_a_sample_of_texts_that_ask_estimates_the_skewness_of_all():
    rng = np.random.default_rng(0)
    asked = np.minimum(rng.exponential(60, 4000).astype(int), 499)
    sampled = np.bincount(rng.choice(asked, 1000, replace=False), minlength=500)
    estimate, exact = neighbours._skewness(sampled, 1000, 4000), skew(np.bincount(asked, minlength=500))
    assert estimate == pytest.approx(exact, rel=0.1)
    assert abs(estimate - exact) < abs(skew(sampled) - exact) / 2


def test_uniformity_of_a_large_collection_is_sampled_and_corrected_for_the_draw(monkeypatch):
    collection = parallel(questions=150)
    rng = np.random.default_rng(0)
    # One language lies close together: how many of its texts are drawn would move the figure.
    vectors = rng.normal(size=(450, 5)) + np.repeat([[0] * 5, [0] * 5, [4] * 5], 150, axis=0)
    whole = measure_space(collection, represent(vectors, vectors)).queries
    assert whole.uniformity == pytest.approx(np.log(np.exp(-2 * pdist(unit(vectors), "sqeuclidean")).mean()), rel=1e-5)
    monkeypatch.setattr(space_module, "_UNIFORM_TEXTS", 100)
    monkeypatch.setattr(space_module, "_UNIFORM_TEXTS_OF_LANGUAGE", 100)
    errors, uncorrected = [], []
    for seed in range(5):
        sampled = measure_space(collection, represent(vectors, vectors), seed=seed).queries
        assert sampled.uniformity_by_language == pytest.approx(whole.uniformity_by_language, abs=0.2)
        errors.append(sampled.uniformity - whole.uniformity)
        rows = np.random.default_rng(seed).choice(450, 100, replace=False)
        drawn = np.exp(-2 * cdist(unit(vectors)[rows], unit(vectors), "sqeuclidean")).sum(axis=1)
        uncorrected.append(np.log((drawn.mean() - 1) / 449) - whole.uniformity)
    assert max(map(abs, errors)) > 1e-9
    assert np.linalg.norm(errors) < np.linalg.norm(uncorrected) / 2


@pytest.mark.parametrize(("languages", "dimension"), [(2, 12), (4, 12), (4, 500)])
def test_the_probe_agrees_with_scikit_learn(languages, dimension):
    rng = np.random.default_rng(languages)
    lang = rng.integers(0, languages, 300)
    groups = rng.integers(0, 70, 300)
    vectors = unit(rng.normal(size=(300, dimension)) + np.eye(dimension)[lang]).astype(np.float32)
    probe = language_probe.probe_language(vectors, lang, languages, groups, 0)
    inputs = vectors * np.sqrt(dimension)
    found = cross_val_predict(RidgeClassifier(), inputs, lang, groups=groups, cv=GroupKFold(5)) == lang
    assert probe.accuracy == pytest.approx(found.mean())
    assert probe.by_language == pytest.approx([found[lang == i].mean() for i in range(languages)])


@pytest.mark.parametrize(
    ("vectors", "kind"),
    [
        (csr_array(np.eye(6, dtype=np.float32)), "sparse"),
        (MultiVectors(np.eye(6, dtype=np.float32), np.arange(7)), "multi-vector"),
    ],
)
def test_other_than_dense_vectors_have_a_reason_in_place_of_figures(vectors, kind):
    space = measure_space(parallel(("de", "en"), 3), Representations(vectors, vectors, Similarity.DOT, {}, {}))
    assert space.undefined == f"{kind} representations: one dense vector per text is needed."
    figures = {name: value for name, value in asdict(space).items() if name not in ("languages", "undefined")}
    assert set(figures.values()) == {None}


def test_the_space_is_json():
    space, _, _ = random_space(parallel(questions=6, distractors=3))
    assert space.undefined is None
    assert json.loads(json.dumps(asdict(space), allow_nan=False)) == asdict(space)


def test_zero_vectors_and_a_single_language_are_measured():
    space = measure_space(parallel(("en",), 3), represent(np.zeros((3, 4)), np.zeros((3, 4))))
    assert space.queries.centroid_cosine == [[None]]
    assert space.queries.centroid_euclidean == [[0]]
    assert space.queries.uniformity == pytest.approx(0)
    assert space.queries.mean_cosine_across is None
    assert space.parallel_retrieval.precision == [[None]]
    json.dumps(asdict(space), allow_nan=False)


def test_queries_with_one_id_are_translations_only_if_they_share_a_passage():
    collection = collection_of_tables(
        "miracl-like",
        ("sw", "te"),
        pd.DataFrame({"lang": ["sw", "sw", "te", "te"], "id": ["1", "2", "1", "2"], "text": ""}),
        pd.DataFrame({"lang": ["sw", "sw", "te"], "id": list("abc"), "text": ""}),
        pd.DataFrame({"query": [0, 1, 1, 2, 3], "passage": [0, 1, 2, 2, 2], "grade": 1}),
        "paragraph",
        "0" * 64,
    )
    question = number_questions(collection)
    assert question[0] != question[2]
    assert question[1] == question[3]
    queries, passages = group_translations(collection, question)
    assert queries[1] == queries[2] == queries[3] == passages[1] == passages[2]
    assert queries[0] == passages[0] != queries[1]


def test_translations_are_pairs_in_two_languages_both_ways_and_once():
    question, text, lang = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 2]), np.array([0, 0, 1])
    pairs = find_translations(question, text, lang)
    assert list(zip(*(side.tolist() for side in pairs), strict=True)) == [(0, 2), (1, 2), (2, 0), (2, 1)]
