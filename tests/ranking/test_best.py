"""Exact search over shards: against scores added up in extended precision, under ties, cuts, threads and a limit."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.shards import create_shards, open_shards, plan_shards, write_shard
from babelrank.encoding.vector_block import array_block
from babelrank.errors import SearchError
from babelrank.ranking import dense
from babelrank.ranking.best import TopPassages, find_best
from babelrank.ranking.dense import Corpus, DenseScorer
from babelrank.ranking.tally import Request, Targets, score_targets, tally

SIMILARITIES = list(Similarity)


def search(queries, shards, k, similarity, **options):
    return find_best(DenseScorer(queries, Corpus(shards, similarity)), k, **options)


def exact_scores(queries, passages, similarity):
    """All scores, in extended precision and then rounded: what search must agree with."""
    q, p = queries.astype(np.longdouble), passages.astype(np.longdouble)
    if similarity is Similarity.EUCLIDEAN:
        return (-np.sqrt(((q[:, None] - p) ** 2).sum(axis=2))).astype(np.float32)
    scores = (q[:, None] * p).sum(axis=2)
    if similarity is Similarity.COSINE:
        lengths = np.sqrt((q**2).sum(axis=1))[:, None] * np.sqrt((p**2).sum(axis=1))
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    return scores.astype(np.float32)


def expected_top(queries, passages, k, similarity):
    scores = exact_scores(queries, passages, similarity)
    order = np.lexsort((np.broadcast_to(np.arange(len(passages)), scores.shape), -scores), axis=1)[:, :k]
    return TopPassages(order, np.take_along_axis(scores, order, axis=1))


def assert_same(found, expected):
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.scores, expected.scores)


def cut(passages, *places):
    bounds = sorted({0, len(passages), *(place for place in places if 0 < place < len(passages))})
    return [array_block(passages[a:b], a) for a, b in pairwise(bounds)]


def normal(rows, dimension=24, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of so many passages of 24 dimensions."""
    return lambda rows: monkeypatch.setattr(dense, "_MAX_PANEL_BYTES", rows * 4 * 24)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("queries", [3, 40])  # FAISS multiplies matrices from 20 queries on
def test_the_best_passages_are_those_of_a_full_sort(similarity, queries):
    passages, asked = normal(900), normal(queries, seed=1)
    found = search(asked, cut(passages, 100, 500), 30, similarity, threads=1)
    assert_same(found, expected_top(asked, passages, 30, similarity))
    assert (found.scores.dtype, found.positions.dtype) == (np.float32, np.int64)


# Few distinct small integers: most scores tie, zero vectors are among them, and all sums are exact.
TIED = st.tuples(st.integers(1, 3), st.integers(1, 300), st.integers(1, 30), st.integers(0, 2**32 - 1))


@settings(max_examples=40)
@given(
    shape=TIED,
    k=st.integers(1, 60),
    places=st.lists(st.integers(1, 299), max_size=4),
    block=st.integers(1, 300),
    threads=st.integers(1, 2),
    similarity=st.sampled_from(SIMILARITIES),
)
def test_ties_go_to_the_lower_position_however_the_corpus_is_cut(shape, k, places, block, threads, similarity):
    dimension, rows, queries, seed = shape
    rng = np.random.default_rng(seed)
    passages = rng.integers(-1, 2, (rows, dimension)).astype(np.float32)
    asked = rng.integers(-1, 2, (queries, dimension)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_MAX_PANEL_BYTES", block * 4 * dimension)
        found = search(asked, cut(passages, *places), k, similarity, threads=threads)
    assert_same(found, expected_top(asked, passages, k, similarity))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_scores_that_differ_in_the_last_bits_keep_their_order(similarity, small_blocks):
    rng = np.random.default_rng(2)
    base = unit(normal(1, 24))
    # Neighbours in the last bit: single precision cannot order them, and many round to the same score.
    passages = np.nextafter(base, rng.choice([-1, 1], (600, 24)).astype(np.float32) * np.float32(9))
    asked = np.concatenate([base, unit(normal(25, seed=3))])
    small_blocks(130)
    assert_same(
        search(asked, cut(passages, 217), 20, similarity, threads=1), expected_top(asked, passages, 20, similarity)
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_cuts_blocks_and_threads_do_not_change_a_bit(similarity, small_blocks):
    passages, asked = unit(normal(3000)), unit(normal(50, seed=1))
    reference = search(asked, cut(passages), 50, similarity, threads=1)
    for places, block, threads in (((), 333, 1), ((1, 2, 1500), 10_000, 2), ((999, 2000), 500, 2)):
        small_blocks(block)
        assert_same(search(asked, cut(passages, *places), 50, similarity, threads=threads), reference)
    one_by_one = [search(asked[[i]], cut(passages), 50, similarity, threads=1) for i in range(0, 50, 10)]
    np.testing.assert_array_equal(np.concatenate([top.scores for top in one_by_one]), reference.scores[::10])


def test_half_precision_is_searched_as_the_numbers_that_it_holds():
    stored, asked = unit(normal(400)).astype(np.float16), unit(normal(25, seed=1))
    assert_same(
        search(asked, [array_block(stored)], 20, Similarity.COSINE, threads=1),
        expected_top(asked, stored.astype(np.float32), 20, Similarity.COSINE),
    )


@settings(max_examples=40)
@given(
    dimension=st.sampled_from([1, 7, 24, 385]),
    scale=st.sampled_from([1e-25, 1e-3, 1.0, 1e3, 1e17]),
    queries=st.sampled_from([2, 30]),
    similarity=st.sampled_from(SIMILARITIES),
    seed=st.integers(0, 99),
)
def test_no_value_of_a_product_is_further_off_than_the_margin(dimension, scale, queries, similarity, seed):
    asked, passages = normal(queries, dimension, seed) * np.float32(scale), normal(60, dimension, seed + 1)
    passages[::3] += passages[1] * 50  # lengths differ, and distances cancel
    corpus = Corpus([array_block(passages)], similarity)
    scorer = DenseScorer(asked, corpus)
    (panel,) = scorer.panels(None, 1, memory=2**31, held=0)
    q, p = asked.astype(np.longdouble), passages.astype(np.longdouble)
    exact = -((q[:, None] - p) ** 2).sum(axis=2) if similarity is Similarity.EUCLIDEAN else (q[:, None] * p).sum(axis=2)
    if similarity is Similarity.COSINE:
        exact /= np.sqrt((q**2).sum(axis=1))[:, None] * np.sqrt((p**2).sum(axis=1))
    tiled = np.empty((queries, 60), np.float32)
    panel.score(slice(0, queries), slice(0, 60), tiled)
    assert (abs(tiled - exact) <= scorer.margins[:, None]).all()


def test_fewer_passages_than_k_are_all_listed():
    passages, asked = normal(5), normal(2, seed=1)
    assert_same(search(asked, cut(passages, 2), 9, Similarity.DOT), expected_top(asked, passages, 5, Similarity.DOT))


def test_no_queries_find_nothing():
    assert search(np.empty((0, 24)), cut(normal(5)), 3, Similarity.DOT).positions.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shards": []}, "no vectors"),
        ({"shards": [array_block(normal(5)), array_block(normal(5), 4)]}, "one begins at 4, another ends at 5"),
        ({"shards": [array_block(normal(5)), array_block(normal(5, 3), 5)]}, "dimension 24 and 3"),
        ({"queries": normal(2, 3)}, r"queries of shape \(2, 3\), but passages of dimension 24"),
        ({"queries": np.full((1, 24), np.nan)}, "must be finite"),
        (
            {"queries": normal(1) * 1e20, "shards": [array_block(normal(5) * np.float32(1e18))]},
            "cannot be compared in float32",
        ),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"memory": 10**8}, r"limit of 100 MB is too low for ranking: it needs \d\d\d MB"),
    ],
    ids=["no shards", "overlap", "dimensions", "query dimension", "NaN", "overflow", "k", "memory"],
)
def test_what_cannot_be_searched_is_refused(change, message):
    arguments = {"queries": normal(2), "shards": [array_block(normal(5))], "k": 3, "similarity": Similarity.DOT}
    with pytest.raises(SearchError, match=message):
        search(**{**arguments, **change})


_PEAK = """
import json, sys
from pathlib import Path
import numpy as np
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.shards import open_shards
from babelrank.encoding.vector_block import array_block
from babelrank.ranking.best import find_best
from babelrank.ranking.scores import make_scorer

def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in text.splitlines() if line.startswith(name)).split()[1])

queries = np.random.default_rng(0).standard_normal((30, 384), dtype=np.float32)
find_best(make_scorer(queries, queries, "cosine"), 10, threads=2)  # what is loaded once, whatever the corpus
before = status("VmRSS")
scorer = make_scorer(queries, open_shards(Path(sys.argv[1])), "cosine")
top = find_best(scorer, 100, memory=int(sys.argv[2]), threads=2)
print(json.dumps([before, status("VmHWM"), top.positions.shape]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs the kernel's account of memory")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory_stays_below_its_limit_whatever_the_corpus(tmp_path, dtype):
    plan = plan_shards(240_000, 384, dtype=dtype)
    create_shards(tmp_path, plan)
    vectors = np.tile(unit(normal(500, 384)), (plan.rows_per_shard // 500 + 1, 1)).astype(dtype)
    for number in range(plan.count):
        start, stop = plan.bounds(number)
        write_shard(tmp_path, number, vectors[: stop - start])
    limit = 320 * 10**6  # the vectors take 369 MB in single precision, where they must be normalised as much again
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(tmp_path), str(limit)], check=True, capture_output=True, text=True
    )
    before, peak, shape = json.loads(done.stdout)
    assert shape == [30, 100]
    assert peak - before < limit


@settings(max_examples=30)
@given(
    shape=TIED,
    places=st.lists(st.integers(1, 299), max_size=3),
    edge=st.integers(0, 300),
    similarity=st.sampled_from(SIMILARITIES),
)
def test_counts_are_those_of_all_scores_compared(shape, places, edge, similarity):
    dimension, rows, queries, seed = shape
    rng = np.random.default_rng(seed)
    passages = rng.integers(-1, 2, (rows, dimension)).astype(np.float32)
    asked = rng.integers(-1, 2, (queries, dimension)).astype(np.float32)
    query_rows, positions = rng.integers(0, queries, 15), rng.integers(0, rows, 15)
    shards, all_scores = cut(passages, *places), exact_scores(asked, passages, similarity)
    scorer = DenseScorer(asked, Corpus(shards, similarity))
    query_rows.sort()
    # Groups that stand together, and then mixed.
    groups = (np.arange(rows) >= edge if edge % 2 else rng.random(rows) < 0.5).astype(np.uint16)
    counted = rng.integers(0, 3, 15)
    targets = score_targets(scorer, query_rows, positions, counted)
    own = targets.scores
    np.testing.assert_array_equal(own, all_scores[query_rows, positions])
    counts = tally(scorer, Request(targets, groups, 3), threads=1)
    above, equal = all_scores[query_rows] > own[:, None], all_scores[query_rows] == own[:, None]
    inside = groups == counted[:, None]
    np.testing.assert_array_equal(counts.above, np.stack([(above & inside).sum(axis=1), above.sum(axis=1)], axis=1))
    np.testing.assert_array_equal(counts.equal, np.stack([(equal & inside).sum(axis=1), equal.sum(axis=1)], axis=1))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_counts_tell_scores_apart_that_single_precision_cannot(similarity):
    base = unit(normal(1, 24))
    steps = np.random.default_rng(2).choice([-1, 1], (400, 24)).astype(np.float32)
    passages, asked = np.nextafter(base, steps * np.float32(9)), unit(normal(3, seed=4))
    query_rows, positions = np.repeat([0, 1, 2], 100), np.arange(300)
    scores = exact_scores(asked, passages, similarity)[query_rows]
    own = scores[np.arange(300), positions]
    scorer = DenseScorer(asked, Corpus(cut(passages, 150), similarity))
    counts = tally(scorer, Request(Targets(query_rows, positions, own, np.zeros(300, int))), threads=2)
    for column in range(2):
        np.testing.assert_array_equal(counts.above[:, column], (scores > own[:, None]).sum(axis=1))
        np.testing.assert_array_equal(counts.equal[:, column], (scores == own[:, None]).sum(axis=1))


def test_a_pair_outside_the_shards_is_refused():
    scorer = DenseScorer(normal(1), Corpus([array_block(normal(5))], Similarity.DOT))
    with pytest.raises(SearchError, match="position 7 is in no shard"):
        scorer.pair_scores(np.array([0, 0]), np.array([2, 7]))


def test_ranks_in_a_list_are_mid_ranks_and_infinite_beyond_it():
    top = TopPassages(np.array([[8, 1, 5, 0]]), np.array([[3, 2, 2, 1]], dtype=np.float32))
    ranks = top.ranks(np.zeros(5, dtype=int), np.array([8, 1, 5, 0, 4]))
    assert ranks.tolist() == [1, 2.5, 2.5, 4, np.inf]


def test_shards_on_disk_are_searched_as_arrays_are(tmp_path):
    passages, asked = unit(normal(300)), unit(normal(22, seed=1))
    create_shards(tmp_path, plan := plan_shards(300, 24, shard_bytes=9000))
    for number in range(plan.count):
        write_shard(tmp_path, number, passages[slice(*plan.bounds(number))])
    assert plan.count > 2
    assert_same(
        search(asked, open_shards(tmp_path), 12, Similarity.COSINE, threads=1),
        search(asked, cut(passages), 12, Similarity.COSINE, threads=1),
    )
