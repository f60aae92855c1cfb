"""A query's own passage is left out: ranks, lists and runs are those of a pool without it."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from scipy.sparse import csr_array

from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.data.pool import MemoryPassages
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.errors import DataError
from babelrank.ranking.best import TopPassages, find_best
from babelrank.ranking.rank import rank
from babelrank.ranking.runs import resolve
from babelrank.ranking.scores import make_scorer
from babelrank.ranking.trec import Run, run_of
from made_collections import collection_of_tables

LANGUAGES = ("de", "en")
PASSAGES = 12  # six in each language


def collection_with(own, relevant) -> Collection:
    """Return a collection in which `relevant` holds pairs of query and passage."""
    queries = len(own)
    return collection_of_tables(
        name="made up",
        languages=LANGUAGES,
        queries=pd.DataFrame({"lang": "en", "id": [f"q{i}" for i in range(queries)], "text": ""}),
        passages=pd.DataFrame({"lang": ["de"] * 6 + ["en"] * 6, "id": [f"p{i}" for i in range(PASSAGES)], "text": ""}),
        qrels=pd.DataFrame(sorted(relevant), columns=["query", "passage"]).assign(grade=1),
        candidates="passage",
        sha256="",
        self_matches=np.array(own),
    )


def represent(queries, passages) -> Representations:
    return Representations(np.float32(queries), np.float32(passages), Similarity.DOT, {}, {})


def mid_rank(scores, passage, pool) -> float:
    """Return the rank of a passage among the passages of `pool`, by definition."""
    others = [scores[i] for i in pool if i != passage]
    return 1 + sum(s > scores[passage] for s in others) + sum(s == scores[passage] for s in others) / 2


@st.composite
def cases(draw):
    queries = draw(st.integers(1, 4))
    own = draw(st.lists(st.integers(-1, PASSAGES - 1), min_size=queries, max_size=queries))
    pairs = st.tuples(st.integers(0, queries - 1), st.integers(0, PASSAGES - 1))
    # A relevant passage is never left out.
    relevant = draw(st.sets(pairs.filter(lambda pair: own[pair[0]] != pair[1]), min_size=1, max_size=8))
    values = st.integers(-2, 2)  # few, so that scores tie
    row = st.lists(values, min_size=3, max_size=3)
    vectors = draw(st.tuples(*(st.lists(row, min_size=n, max_size=n) for n in (queries, PASSAGES))))
    return own, relevant, *vectors


@settings(max_examples=80)
@given(cases())
def test_ranks_are_those_among_the_other_passages(case):
    own, relevant, queries, passages = case
    collection = collection_with(own, relevant)
    dense = represent(queries, passages)
    sparse = replace(dense, queries=csr_array(dense.queries), passages=csr_array(dense.passages))
    tables = [
        rank(collection, dense).ranks.table,
        rank(collection, sparse).ranks.table,
    ]
    scores = np.array(queries) @ np.array(passages).T
    for row, (query, passage) in enumerate(sorted(relevant)):
        language = range(6) if passage < 6 else range(6, 12)
        for column, pool in (("rank_in_pool", range(PASSAGES)), ("rank_in_language", language)):
            others = [i for i in pool if i != own[query]]
            expected = mid_rank(scores[query], passage, others)
            assert [table[column][row] for table in tables] == [expected] * len(tables)


def test_figures_are_those_of_beirs_evaluator():
    """It drops the lines of a run whose passage has the query's id, and has trec_eval score the rest."""
    rng = np.random.default_rng(0)
    queries, passages = rng.standard_normal((20, 8)), rng.standard_normal((PASSAGES, 8))
    own = [int(i) for i in rng.integers(-1, PASSAGES, 20)]
    relevant = {(q, int(p)) for q in range(20) for p in rng.integers(0, PASSAGES, 3) if p != own[q]}
    collection = collection_with(own, relevant)
    macro = analyse(rank(collection, represent(queries, passages)).ranks).macro
    scores = np.float32(queries) @ np.float32(passages).T
    run = {f"q{q}": {f"p{p}": float(scores[q, p]) for p in range(PASSAGES) if p != own[q]} for q in range(len(queries))}
    qrels = {f"q{q}": {f"p{p}": 1 for other, p in relevant if other == q} for q in range(len(queries))}
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    expected = np.mean([each["ndcg_cut_10"] for each in found.values()])
    assert macro["multilingual"]["nDCG@10"] == pytest.approx(expected, abs=1e-6)


def test_the_best_passages_of_the_pool_are_those_of_the_others():
    scorer = make_scorer(np.float32([[1], [1], [-1]]), np.arange(5, dtype=np.float32)[:, None], Similarity.DOT)
    top = find_best(scorer, 2, self_matches=np.array([4, -1, 0]))
    assert top.positions.tolist() == [[3, 2], [4, 3], [1, 2]]
    assert find_best(scorer, 9, self_matches=np.array([4, 3, 0])).positions.tolist() == [
        [3, 2, 1, 0],
        [4, 2, 1, 0],
        [1, 2, 3, 4],
    ]
    complete = find_best(scorer, 9, self_matches=np.array([4, -1, 0]))
    assert complete.positions[:, :4].tolist() == [[3, 2, 1, 0], [4, 3, 2, 1], [1, 2, 3, 4]]
    assert complete.scores[:, 4].tolist() == [-np.inf, 0, -np.inf]


def test_lists_of_an_index_are_shortened_to_what_is_wanted():
    top = TopPassages(np.array([[5, 6, 7], [5, 6, 7], [5, 6, 7]]), np.float32([[9, 8, 7], [9, 8, 7], [9, 8, 7]]))
    found = top.without(np.array([5, 8, -1]), 2)
    assert found.positions.tolist() == [[6, 7], [5, 6], [5, 6]]
    assert found.scores.tolist() == [[8, 7], [9, 8], [9, 8]]


def test_a_run_has_no_line_of_it():
    scores = np.float32([[2, 1, -np.inf], [3, 2, 1]])
    run = run_of(np.array(["q0", "q1"], object), np.array([["a", "b", "q0"], ["c", "a", "b"]], object), scores)
    assert run.queries.tolist() == ["q0", "q0", "q1", "q1", "q1"]
    assert run.passages.tolist() == ["a", "b", "c", "a", "b"]
    assert run.scores.tolist() == [2, 1, 3, 2, 1]


def with_an_own_passage(*, leaves_out=True) -> Collection:
    """Return a collection whose query q0 is passage q0."""
    collection = collection_with([0, -1], [(0, 1), (1, 1)])
    frame = collection.passages.frame.assign(id=["q0", *(f"p{i}" for i in range(1, PASSAGES))])
    return replace(
        collection,
        passages=MemoryPassages(frame, LANGUAGES),
        self_matches=collection.self_matches if leaves_out else None,
    )


def run_from(*lines) -> Run:
    queries, passages = (np.array(column, object) for column in zip(*lines, strict=True))
    return Run(queries, passages, np.arange(len(lines), 0, -1, dtype=np.float32))


@pytest.mark.parametrize("leaves_out", [True, False])
def test_lines_of_it_in_anyones_run_are_dropped(leaves_out):
    run = run_from(("en:q0", "q0"), ("en:q0", "p1"), ("en:q1", "q0"), ("en:q1", "p1"))
    resolved = resolve(run, with_an_own_passage(leaves_out=leaves_out), "theirs.run")
    assert resolved.places.tolist() == ([1, 1, 2] if leaves_out else [1, 2, 1, 2])
    assert resolved.notes == (
        ("1 lines are self-matches (passages with the query's id); they are left out",) if leaves_out else ()
    )


def test_a_run_of_nothing_else_is_refused():
    with pytest.raises(DataError, match=r"theirs.run: no judged query of made up remains after removing self-matches"):
        resolve(run_from(("en:q0", "q0")), with_an_own_passage(), "theirs.run")
