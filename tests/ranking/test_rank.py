"""rank(): mid-ranks of the relevant passages, against hand-worked pools and a naive oracle, one query at a time.

Unless a test says otherwise, vectors hold small integers, and for the cosine such that dividing by their length is
exact: every score is then exact in float32, and what the oracle calls a tie is one.
"""

from collections.abc import Mapping, Sequence

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.stats import rankdata

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.encoding.vector_block import array_block
from babelrank.errors import SearchError
from babelrank.ranking import tally as tally_module
from babelrank.ranking.dense import Corpus, DenseScorer
from babelrank.ranking.rank import rank as rank_with_top
from babelrank.ranking.table import COLUMNS, RankTable
from babelrank.ranking.tally import Request, score_targets, tally
from made_collections import collection_of_tables

RANKS = ["rank_in_language", "rank_in_pool"]


def rank(collection, representations, **options):
    return rank_with_top(collection, representations, **options).ranks


def make_collection(
    queries: Mapping[str, int], passages: Mapping[str, int], qrels: Sequence[tuple[int, int]]
) -> Collection:
    """Make a collection of so many queries and passages by language; `qrels` are pairs of row positions."""
    languages = tuple(dict.fromkeys([*passages, *queries]))
    table = pd.DataFrame(sorted(qrels), columns=["query", "passage"], dtype=np.int64)
    return collection_of_tables(
        name="made up",
        languages=languages,
        queries=_rows(languages, queries, "q"),
        passages=_rows(languages, passages, "p"),
        qrels=table.assign(grade=1 + table["passage"] % 3),
        candidates="sentence",
        sha256="",
    )


def _rows(languages, counts, prefix):
    rows = [(lang, f"{lang}/{prefix}{i}", "") for lang in languages for i in range(counts.get(lang, 0))]
    return pd.DataFrame(rows, columns=["lang", "id", "text"], dtype="str")


def represent(queries, passages, similarity=Similarity.DOT) -> Representations:
    return Representations(np.float32(queries), np.float32(passages), similarity, {}, {})


def column(*values):
    """Vectors of one dimension: under the dot product with 1, each passage's score is its value."""
    return np.array(values, dtype=np.float32)[:, None]


def ranks_of(ranks: RankTable):
    """(rank in the language, rank in the pool) of each row."""
    return [tuple(row) for row in ranks.table[RANKS].to_numpy().tolist()]


def exact_scores(queries, passages, similarity):
    """Score every pair in float64, which holds these scores (or, for the distance, its square) exactly."""
    queries, passages = np.float64(queries), np.float64(passages)
    if similarity is Similarity.EUCLIDEAN:
        return -((queries[:, None, :] - passages[None]) ** 2).sum(axis=2)
    if similarity is Similarity.DOT:
        return queries @ passages.T
    lengths = np.outer(np.linalg.norm(queries, axis=1), np.linalg.norm(passages, axis=1))
    return np.divide(queries @ passages.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def naive_ranks(collection: Collection, scores):
    """Rank each judgement's passage by sorting the whole pool, and again its own language's passages."""
    languages = collection.passages.frame["lang"].to_numpy()
    expected, tied = [], 0
    for query, passage in collection.qrels[["query", "passage"]].to_numpy().tolist():
        row = scores[query]
        own = np.flatnonzero(languages == languages[passage])
        in_language = rankdata(-row[own], method="average")[own.tolist().index(passage)]
        expected.append((in_language, rankdata(-row, method="average")[passage]))
        tied += (row == row[passage]).sum() > 1
    return expected, tied


def random_pool(similarity, seed):
    """Nine queries and 143 passages in four languages, with many ties and several relevant passages per query."""
    rng = np.random.default_rng(seed)
    sizes = {"de": 33, "en": 64, "hi": 1, "th": 45}
    queries, passages = (_random_vectors(rng, count, similarity) for count in (9, sum(sizes.values())))
    passages[::10] = 0
    qrels = {(query, int(p)) for query in range(9) for p in rng.choice(len(passages), size=1 + query, replace=False)}
    collection = make_collection({"de": 4, "en": 3, "th": 2}, sizes, sorted(qrels))
    return collection, represent(queries, passages, similarity)


def _random_vectors(rng, count, similarity):
    if similarity is not Similarity.COSINE:
        return rng.integers(-3, 4, size=(count, 5))
    # One or four entries of ±1, times 1, 2 or 3: the length is the factor or twice that, and dividing by it is exact.
    vectors = rng.choice([-1, 1], size=(count, 6))
    kept = np.where(rng.integers(0, 2, size=count), 1, 4)
    vectors[rng.permuted(np.tile(np.arange(6), (count, 1)), axis=1) >= kept[:, None]] = 0
    return vectors * rng.integers(1, 4, size=(count, 1))


def test_ranks_count_what_scores_higher_in_the_language_and_in_the_pool():
    collection = make_collection({"en": 1}, {"de": 3, "en": 2}, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)])
    ranks = rank(collection, represent([[1]], column(5, 3, 1, 4, 2)))
    assert ranks_of(ranks) == [(1, 1), (2, 3), (3, 5), (1, 2), (2, 4)]
    assert ranks.tied == 0


def test_equal_scores_share_the_middle_of_their_places():
    # In German 5 > 3 = 3, in the pool 5 > 4 > 3 = 3 = 3: places 3, 4 and 5.
    collection = make_collection({"en": 1}, {"de": 3, "en": 2}, [(0, 0), (0, 1), (0, 2), (0, 4)])
    ranks = rank(collection, represent([[1]], column(5, 3, 3, 4, 3)))
    assert ranks_of(ranks) == [(1, 1), (2.5, 4), (2.5, 4), (2, 4)]
    assert ranks.tied == 3


def test_a_tie_with_an_irrelevant_passage_of_another_language_counts_in_the_pool_only():
    collection = make_collection({"en": 1}, {"de": 2, "en": 1}, [(0, 0)])
    ranks = rank(collection, represent([[1]], column(7, 1, 7)))
    assert ranks_of(ranks) == [(1, 1.5)]
    assert ranks.tied == 1


def test_all_scores_equal_puts_every_passage_in_the_middle():
    sizes = {"de": 4, "en": 7, "th": 1}
    collection = make_collection({"de": 2}, sizes, [(q, p) for q in range(2) for p in range(12)])
    ranks = rank(collection, represent(np.ones((2, 3)), np.ones((12, 3))))
    middle = [(2.5, 6.5)] * 4 + [(4, 6.5)] * 7 + [(1, 6.5)]
    assert ranks_of(ranks) == middle * 2
    assert ranks.tied == 24


@pytest.mark.parametrize("similarity", Similarity)
@pytest.mark.parametrize("asked", [1, 5, 13])
@pytest.mark.parametrize("dimension", [17, 100, 384])
def test_identical_vectors_share_a_rank_wherever_they_stand_in_the_pool(similarity, asked, dimension):
    # A matrix product adds up the columns at its end (the last three of 207, here) in another order than the rest, and
    # so gives a vector of real numbers another score there. The copies stand at both ends and in between.
    rng = np.random.default_rng(dimension)
    sizes = {"ar": 7, "de": 16, "en": 33, "hi": 1, "ru": 130, "zh": 20}
    copies = [0, 1, 6, 15, 31, 56, 100, 186, 204, 205, 206]
    passages = rng.normal(size=(207, dimension)).astype(np.float32)
    passages[copies] = passages[0]
    queries = rng.normal(size=(asked, dimension)).astype(np.float32)
    collection = make_collection({"de": asked}, sizes, [(q, p) for q in range(asked) for p in copies])
    ranks = rank(collection, represent(queries, passages, similarity))
    scores = exact_scores(queries, passages, similarity)
    higher = (np.delete(scores, copies, axis=1) > scores[:, :1]).sum(axis=1)
    expected = np.repeat(1 + higher + (len(copies) - 1) / 2, len(copies))
    assert_array_equal(ranks.table["rank_in_pool"], expected)
    assert ranks.tied == len(expected)


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [(Similarity.DOT, [3, 1, 2]), (Similarity.COSINE, [1.5, 1.5, 3]), (Similarity.EUCLIDEAN, [1, 3, 2])],
)
def test_each_similarity_ranks_by_its_own_notion_of_near(similarity, expected):
    # The query (2, 0); a passage in its place, one far out in its direction, one aslant and somewhat longer.
    collection = make_collection({"en": 1}, {"en": 3}, [(0, 0), (0, 1), (0, 2)])
    ranks = rank(collection, represent([[2, 0]], [[2, 0], [16, 0], [4, 3]], similarity))
    assert ranks.table["rank_in_pool"].tolist() == expected


@pytest.mark.parametrize("similarity", Similarity)
@pytest.mark.parametrize("seed", range(3))
def test_ranks_agree_with_sorting_the_pool_query_by_query(similarity, seed):
    collection, representations = random_pool(similarity, seed)
    scores = exact_scores(representations.queries, representations.passages, similarity)
    expected, tied = naive_ranks(collection, scores)
    ranks = rank(collection, representations)
    assert ranks_of(ranks) == expected
    assert ranks.tied == tied
    assert tied > 20  # or the pool would not be one that tries the tie rule


def test_a_zero_vector_has_cosine_0_with_everything():
    collection = make_collection({"en": 2}, {"de": 2, "en": 2}, [(q, p) for q in range(2) for p in range(4)])
    ranks = rank(collection, represent([[1, 0], [0, 0]], [[0, 0], [5, 0], [-3, 0], [0, 7]], Similarity.COSINE))
    to_the_unit_vector = [(2, 2.5), (1, 1), (2, 4), (1, 2.5)]
    to_the_zero_vector = [(1.5, 2.5)] * 4
    assert ranks_of(ranks) == to_the_unit_vector + to_the_zero_vector


def any_of(sizes):
    return sum(sizes.values()) > 0


@st.composite
def small_worlds(draw):
    """A collection of up to four languages, any of which may lack queries, passages or relevant ones, and vectors."""
    similarity = draw(st.sampled_from(Similarity))
    sizes = draw(
        st.dictionaries(st.sampled_from(["de", "en", "hi", "th"]), st.integers(0, 6), min_size=1).filter(any_of)
    )
    askers = draw(st.dictionaries(st.sampled_from([*sizes, "zh"]), st.integers(0, 3), min_size=1))
    pool, asked = sum(sizes.values()), sum(askers.values())
    pairs = [(query, passage) for query in range(asked) for passage in range(pool)]
    qrels = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    queries, passages = (draw(_vectors(count, similarity)) for count in (asked, pool))
    return make_collection(askers, sizes, qrels), represent(queries, passages, similarity)


def _vectors(count, similarity):
    if similarity is not Similarity.COSINE:
        return arrays(np.int64, (count, 2), elements=st.integers(-3, 3))
    signs = st.sampled_from([-1, 1])
    directions = st.one_of(
        st.tuples(signs, signs, signs, signs),
        st.tuples(signs, st.integers(0, 3)).map(lambda drawn: tuple(np.eye(4, dtype=int)[drawn[1]] * drawn[0])),
        st.just((0, 0, 0, 0)),
    )
    rows = st.tuples(directions, st.integers(1, 3)).map(lambda drawn: [x * drawn[1] for x in drawn[0]])
    return st.lists(rows, min_size=count, max_size=count).map(lambda drawn: np.array(drawn).reshape(count, 4))


@settings(max_examples=100)
@given(small_worlds())
def test_ranks_agree_with_sorting_for_any_pool(world):
    collection, representations = world
    scores = exact_scores(representations.queries, representations.passages, representations.similarity)
    expected, tied = naive_ranks(collection, scores)
    ranks = rank(collection, representations, threads=1)
    assert ranks_of(ranks) == expected
    assert ranks.tied == tied


@pytest.mark.parametrize("similarity", Similarity)
def test_the_order_of_the_languages_in_the_pool_does_not_matter(similarity):
    collection, representations = random_pool(similarity, seed=7)
    languages = ["th", "de", "hi", "en"]
    query_order, passage_order = (
        np.concatenate([np.flatnonzero(table["lang"] == lang) for lang in languages])
        for table in (collection.queries, collection.passages.frame)
    )
    moved_query, moved_passage = np.argsort(query_order), np.argsort(passage_order)
    moved = make_collection(
        {lang: collection.query_counts[lang] for lang in languages},
        {lang: collection.pool_sizes[lang] for lang in languages},
        [(moved_query[q], moved_passage[p]) for q, p in collection.qrels[["query", "passage"]].to_numpy()],
    )
    assert list(moved.languages) == languages
    before = rank(collection, representations)
    after = rank(
        moved, represent(representations.queries[query_order], representations.passages[passage_order], similarity)
    )
    keys = ["query_id", "passage_id"]
    first, second = (r.table.sort_values(keys, ignore_index=True)[[*keys, *RANKS]] for r in (before, after))
    pd.testing.assert_frame_equal(first, second)
    assert before.tied == after.tied


@pytest.mark.parametrize("block_bytes", [1, 3 * 4 * 143, 1 << 24])  # one query, three queries, all of them
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_neither_the_size_of_blocks_nor_the_number_of_threads_matters(monkeypatch, block_bytes, threads):
    collection, representations = random_pool(Similarity.EUCLIDEAN, seed=3)
    scores = exact_scores(representations.queries, representations.passages, Similarity.EUCLIDEAN)
    monkeypatch.setattr(tally_module, "_TILE_BYTES", block_bytes)
    ranks = rank(collection, representations, threads=threads)
    assert ranks_of(ranks) == naive_ranks(collection, scores)[0]


@pytest.mark.parametrize("noise", [3e-6, 3e-4, 1.0])
@pytest.mark.parametrize("targets", [1, 32, 33, 150])
@pytest.mark.parametrize("pairs", [1, 1 << 18])  # scored at a time: of one query, of all
def test_counts_and_lists_are_those_of_exact_scores_for_few_and_for_many_targets(monkeypatch, pairs, targets, noise):
    monkeypatch.setattr(tally_module, "_PAIRS", pairs)
    rng = np.random.default_rng(targets)
    passages = np.ones(24) + noise * rng.standard_normal((2_000, 24))
    passages = (passages / np.linalg.norm(passages, axis=1, keepdims=True)).astype(np.float32)
    passages[7::100] = passages[3]
    groups = np.sort(rng.integers(0, 3, len(passages))).astype(np.uint8)
    scorer = DenseScorer(passages[:4], Corpus([array_block(passages)], Similarity.COSINE))
    rows = np.repeat(np.arange(4), targets)
    positions = np.concatenate([np.append(rng.permutation(len(passages))[: targets - 1], 3) for _ in range(4)])
    wanted = score_targets(scorer, rows, positions, groups[positions])
    found = tally(scorer, Request(wanted, groups, 3, pool_depth=10))

    everything = np.indices(scorer.shape).reshape(2, -1)
    scores = scorer.pair_scores(*everything).reshape(scorer.shape)
    np.testing.assert_array_equal(found.pool.scores[:, 0, :10], -np.sort(-scores, axis=1)[:, :10])
    scores = scores[rows]
    own = groups == groups[positions][:, None]
    for compare, counts in ((np.greater, found.above), (np.equal, found.equal)):
        fits = compare(scores, wanted.scores[:, None])
        np.testing.assert_array_equal(counts, np.stack([(fits & own).sum(axis=1), fits.sum(axis=1)], axis=1))


def test_a_language_without_relevant_passages_is_competition_only():
    collection = make_collection({"en": 1}, {"de": 3, "en": 2}, [(0, 3)])
    ranks = rank(collection, represent([[1]], column(9, 8, 1, 5, 6)))
    assert ranks_of(ranks) == [(2, 4)]
    assert ranks.languages == ("de", "en")
    assert ranks.pool_sizes == {"de": 3, "en": 2}


def test_queries_whose_language_has_no_passages_are_ranked_in_the_others():
    collection = make_collection({"en": 1, "zh": 1}, {"en": 2, "th": 1}, [(0, 0), (1, 1), (1, 2)])
    ranks = rank(collection, represent([[1], [-1]], column(1, 2, 3)))
    assert ranks.table[["query_lang", "passage_lang", *RANKS]].to_numpy().tolist() == [
        ["en", "en", 2, 3],
        ["zh", "en", 2, 2],
        ["zh", "th", 1, 3],
    ]
    assert ranks.pool_sizes == {"en": 2, "th": 1, "zh": 0}


def test_queries_without_relevant_passages_have_no_rows():
    collection = make_collection({"en": 4}, {"en": 2}, [(1, 0), (3, 1)])
    ranks = rank(collection, represent(np.ones((4, 1)), column(1, 2)))
    assert ranks.table["query_id"].tolist() == ["en/q1", "en/q3"]
    assert ranks_of(ranks) == [(2, 2), (1, 1)]


def test_the_table_has_one_row_per_judgement_in_the_order_of_the_qrels():
    collection = make_collection({"de": 1, "en": 1}, {"de": 2, "en": 2}, [(1, 3), (0, 0), (1, 1)])
    table = rank(collection, represent([[1], [1]], column(1, 2, 3, 4))).table
    assert tuple(table.columns) == COLUMNS
    assert table.to_numpy().tolist() == [
        ["de", "de/q0", "de", "de/p0", 1, 2, 4],
        ["en", "en/q0", "de", "de/p1", 2, 1, 3],
        ["en", "en/q0", "en", "en/p1", 1, 1, 1],
    ]


@pytest.mark.parametrize(("queries", "passages"), [(1, 2), (2, 1), (3, 2), (2, 3)])
def test_representations_of_another_collection_are_refused(queries, passages):
    collection = make_collection({"de": 2}, {"de": 2}, [(1, 1)])
    with pytest.raises(SearchError, match=r"vectors, but made up has \(2, 2\)"):
        rank(collection, represent(np.ones((queries, 1)), np.ones((passages, 1))))
