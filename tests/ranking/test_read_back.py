"""Runs that babelrank writes are read back to the same ranks, whatever ids are called; and judgements count as told."""

import re

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.errors import DataError, ReportError
from babelrank.pipelines.runs import open_collection
from babelrank.ranking.run_files import read_run
from babelrank.ranking.runs import rank_run, resolve
from babelrank.ranking.trec import check_exportable, run_of, save_run, write_qrels
from babelrank.reporting.run_evaluation import evaluate_run
from made_collections import write_jsonl

# Few letters, so that ids, questions and labels are often those of another query.
HOSTILE = st.text(st.sampled_from('de:q1"#{}[,\u00a0\u3000\u2028\x1c\x00é'), min_size=1, max_size=4)
LANGUAGES = ("de", "en")


@st.composite
def collections(draw):
    """Queries in one or two languages and four passages; every query has one relevant passage or more."""
    languages = LANGUAGES[: draw(st.integers(1, 2))]
    names = draw(st.lists(HOSTILE, min_size=2, max_size=6, unique=True))
    questions = st.one_of(HOSTILE, st.sampled_from(names))
    asked = draw(
        st.lists(
            st.tuples(st.sampled_from(languages), questions), min_size=len(names), max_size=len(names), unique=True
        )
    )
    queries = pd.DataFrame(asked, columns=["lang", "question"]).assign(id=names, text="?")
    passages = draw(st.lists(HOSTILE, min_size=4, max_size=4, unique=True))
    pool = pd.DataFrame({"id": passages, "lang": [languages[i % len(languages)] for i in range(4)], "text": "!"})
    relevant = st.sets(st.sampled_from(passages), min_size=1)
    qrels = [(name, passage) for name in names for passage in sorted(draw(relevant))]
    return Collection.from_frames(queries, pool, pd.DataFrame(qrels, columns=["query_id", "passage_id"]))


@settings(max_examples=50)
@given(collection=collections(), seed=st.integers(0, 9))
def test_our_own_run_is_read_back_to_the_same_ranks(tmp_path_factory, collection, seed):
    ids = collection.passages.frame["id"].to_numpy(object)
    order = np.stack([np.random.default_rng([seed, row]).permutation(4) for row in range(len(collection.queries))])
    scores = np.tile(np.float32([4, 3, 2, 1]), (len(order), 1))
    folder = tmp_path_factory.mktemp("run")
    check_exportable(collection)
    save_run(folder / "a.run", run_of(collection.labels, ids[order], scores), "tag")
    write_qrels(folder / "a.qrels", collection)
    resolved = resolve(read_run(folder / "a.run"), collection, "a.run")
    ranks = rank_run(resolved, collection).table["rank_in_pool"].to_numpy()
    places = np.argsort(order, axis=1) + 1
    assert ranks.tolist() == places[collection.qrels["query"], collection.qrels["passage"]].tolist()
    assert resolved.notes == ()


def judged(queries, passages, qrels):
    return Collection.from_frames(
        pd.DataFrame(queries, columns=["id", "lang", "text", "question"]),
        pd.DataFrame(passages, columns=["id", "lang", "text"]),
        pd.DataFrame(qrels, columns=["query_id", "passage_id"]),
    )


def test_a_run_by_ids_is_read_by_ids_even_where_one_is_the_label_of_another_query():
    queries = [("b", "en", "?", "a"), ("a", "en", "?", "c"), ("d", "en", "?", "e")]
    collection = judged(queries, [("p", "en", "!")], [("b", "p"), ("a", "p"), ("d", "p")])
    assert collection.labels.tolist() == ["a", "c", "e"]
    assert collection.find_queries(np.array(["a", "c", "e"], object)).tolist() == [0, 1, 2]
    assert collection.find_queries(np.array(["b", "a", "d", "?"], object)).tolist() == [0, 1, 2, -1]


@pytest.mark.parametrize("passage", ["Annual report 1992", "a\tb", "a\x0bb"])
def test_an_id_that_trec_cannot_hold_is_named_before_anything_is_encoded(passage):
    queries = [("q", "en", "?", "q")]
    collection = judged(queries, [("p", "en", "!"), (passage, "en", "!")], [("q", "p")])
    with pytest.raises(ReportError, match=re.escape(f"frames: the id {passage!r} has white space")):
        check_exportable(collection)
    with pytest.raises(ReportError, match="frames: the id 'q 1' has white space"):
        check_exportable(judged([("q", "en", "?", "q 1")], [("p", "en", "!")], [("q", "p")]))


# --- judgements that only trec_eval counts ---


@pytest.fixture
def folder(tmp_path):
    """q0 is answered by d0 and by one that is not there, q1 by nothing else; q2 by nothing; 40 others by theirs."""
    write_jsonl(tmp_path / "corpus.jsonl", ({"_id": f"d{i}", "text": f"text {i}"} for i in range(43)))
    write_jsonl(tmp_path / "queries.jsonl", ({"_id": f"q{i}", "text": "?"} for i in range(43)))
    rows = ["q0\td0\t1", "q0\tgone\t2", "q1\tlost\t1", "q2\td2\t0", *(f"q{i}\td{i}\t1" for i in range(3, 43))]
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(rows))
    return tmp_path


def trec_eval(folder, run):
    qrels = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines():
        query, passage, grade = line.split("\t")
        qrels.setdefault(query, {})[passage] = int(grade)
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "map"}).evaluate(run)
    return {name: sum(each[name] for each in found.values()) / len(qrels) for name in ("ndcg_cut_10", "map")}


@pytest.mark.parametrize("names_missing", [False, True])
def test_figures_are_those_of_trec_eval_unless_what_is_missing_is_ignored(folder, tmp_path, names_missing):
    listed = {f"q{i}": {f"d{i}": 2.0, f"d{(i + 1) % 43}": 1.0} for i in range(43)}
    listed["q5"] = {"elsewhere": 2.0, "d5": 1.0}
    if names_missing:
        listed["q1"]["lost"] = 3.0
    lines = [f"{query} Q0 {name} 0 {score} t" for query, each in listed.items() for name, score in each.items()]
    (tmp_path / "a.run").write_text("\n".join(lines))

    def evaluate(missing):
        collection = open_collection(f"beir:{folder}@en", None, lambda _: None, missing)
        return evaluate_run("a", resolve(read_run(tmp_path / "a.run"), collection, "a.run"), collection)

    counted, expected = evaluate("count"), trec_eval(folder, listed)
    assert counted.queries == 43
    assert counted.macro["monolingual"]["nDCG@10"] == pytest.approx(expected["ndcg_cut_10"], abs=1e-6)
    assert counted.macro["monolingual"]["mAP"] == pytest.approx(expected["map"], abs=1e-6)
    ignored = evaluate("ignore")
    assert ignored.queries == 41
    assert ignored.macro["monolingual"]["R@10"] == 1
    assert "2 queries without a relevant passage were dropped, which trec_eval counts as 0" in ignored.notes
    with pytest.raises(DataError, match=r"--missing: unknown choice 'drop'\. Known: count, ignore\."):
        evaluate("drop")


def test_what_is_left_out_stays_left_out_where_missing_judgements_count(tmp_path):
    write_jsonl(tmp_path / "corpus.jsonl", ({"_id": name, "text": "?"} for name in ("a", "b", "c", "d")))
    write_jsonl(tmp_path / "queries.jsonl", ({"_id": name, "text": "?"} for name in ("x", "a", "b")))
    (tmp_path / "qrels").mkdir()
    rows = ["x\tc\t0", "a\td\t1", "b\tb\t1"]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(rows))
    collection = load_collection(f"beir:{tmp_path}@en")
    assert collection.self_matches.tolist() == [0, -1]
    whole = collection.with_missing()
    assert whole.queries["id"].tolist() == ["a", "b", "x"]
    assert whole.self_matches.tolist() == [0, -1, -1]
    assert whole.qrels["passage_id"].tolist() == ["d", "b", ""]
    assert whole.with_missing() is whole
