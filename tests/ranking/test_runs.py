"""Runs that others made: how they are read and checked, and that trec_eval scores them as we do."""

import gzip
import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from babelrank.data.local import load_local
from babelrank.errors import DataError
from babelrank.ranking.fusion import fuse
from babelrank.ranking.run_files import read_run
from babelrank.ranking.runs import rank_run, resolve, trec_order
from babelrank.ranking.trec import Run, save_run
from babelrank.reporting.run_evaluation import as_json, evaluate_run
from made_collections import collection_of_tables

# pytrec_eval's names; its reciprocal rank is not cut, ir-measures' RR@10 breaks ties in another way than trec_eval.
ORACLES = {
    "nDCG@10": "ndcg_cut_10",
    "R@100": "recall_100",
    "MRR@10": "recip_rank",
    "mAP": "map",
    "R@1": "recall_1",
    "R@10": "recall_10",
}
MEASURES = {"ndcg_cut.10", "recall.1,10,100", "map", "recip_rank"}
LINE = "q0 Q0 en/0 1 0.5 tag"


def make_collection(languages=("de", "en"), questions=3, size=30):
    """Return a collection in which question q has passages q, … 2q (grades 1, 2, …) as answers, in each language."""
    queries = pd.DataFrame([(lang, f"q{q}", "?") for lang in languages for q in range(questions)])
    passages = pd.DataFrame([(lang, f"{lang}/{i}", "!") for lang in languages for i in range(size)])
    qrels = [
        (row, place * size + q + step, step + 1)
        for row, q in enumerate(list(range(questions)) * len(languages))
        for place in range(len(languages))
        for step in range(1 + q)
    ]
    columns = ["lang", "id", "text"]
    return collection_of_tables(
        name="beir:made",
        languages=tuple(languages),
        queries=queries.set_axis(columns, axis=1),
        passages=passages.set_axis(columns, axis=1),
        qrels=pd.DataFrame(qrels, columns=["query", "passage", "grade"]),
        candidates="passage",
        sha256="0" * 64,
    )


COLLECTION = make_collection()


def run_of(rows):
    queries, passages, scores = zip(*rows, strict=True)
    return Run(np.array(queries, object), np.array(passages, object), np.array(scores, np.float32))


def written(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


# --- reading ---


def test_a_line_that_is_repeated_counts_once_and_is_told(tmp_path):
    run = read_run(written(tmp_path / "a.run", LINE, "q1 Q0 en/0 1 1 tag", LINE, LINE))
    assert (run.queries.tolist(), run.scores.tolist()) == (["q0", "q1"], [0.5, 1.0])
    assert run.notes == ("2 lines are repeated; each counts once",)
    assert resolve(run, make_collection(("en",)), "a").notes[0] == run.notes[0]


def test_infinite_scores_sort_as_trec_eval_has_them(tmp_path):
    lines = ["q0 Q0 en/1 1 -inf t", "q0 Q0 en/2 2 3 t", "q0 Q0 en/0 3 +Inf t", "q0 Q0 en/3 4 -1e999 t"]
    run = read_run(written(tmp_path / "a.run", *lines))
    resolved = resolve(run, make_collection(("en",)), "a")
    assert resolved.run.passages.tolist() == ["en/0", "en/2", "en/3", "en/1"]
    save_run(tmp_path / "b.run", resolved.run, "tag")
    assert np.array_equal(read_run(tmp_path / "b.run").scores, resolved.run.scores)


def test_ids_end_at_ascii_white_space_alone(tmp_path):
    run = read_run(written(tmp_path / "a.run", "q\u00a01 Q0 p\u30001\u2028\x1c 1 0.5 t"))
    assert (run.queries.tolist(), run.passages.tolist()) == (["q\u00a01"], ["p\u30001\u2028\x1c"])


def test_one_long_id_does_not_widen_all(tmp_path):
    lines = [f"q0 Q0 {'x' * 100_000} 0 9 t", *(f"q0 Q0 en/{i} {i} 1 t" for i in range(3000))]
    tracemalloc.start()
    try:
        run = read_run(written(tmp_path / "a.run", *lines))
        trec_order(np.zeros(len(run), dtype=np.int64), run.passages, run.scores)
        fuse([run, run], "rrf")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20  # of fixed width, it would be 1.2 GB
    finally:
        tracemalloc.stop()


def test_a_truncated_gzip_is_refused(tmp_path):
    path = tmp_path / "a.run.gz"
    path.write_bytes(gzip.compress(f"{LINE}\n".encode() * 100)[:-20])
    with pytest.raises(DataError, match="cut off"):
        read_run(path)


def test_what_is_saved_is_read_again(tmp_path):
    run = run_of([("de:q0", "p2", 0.1), ("de:q0", "p1", -3e-9), ("en:q0", "p1", 7e20)])
    save_run(tmp_path / "a.run", run, "tag")
    again = read_run(tmp_path / "a.run")
    assert (again.queries.tolist(), again.passages.tolist()) == (run.queries.tolist(), run.passages.tolist())
    assert np.array_equal(again.scores, run.scores)


# --- what belongs to the collection ---


def lines_of(unknown_queries=0, unknown_passages=0, total=60):
    rows = [(f"en:q{i % 3}", f"en/{i // 3}", -i) for i in range(total)]
    rows[:unknown_queries] = [(f"en:x{i}", "en/0", 0) for i in range(unknown_queries)]
    rows[total - unknown_passages :] = [("en:q0", f"gone{i}", 0) for i in range(unknown_passages)]
    return run_of(rows)


def test_a_few_unknown_ids_are_told():
    resolved = resolve(lines_of(2, 2), COLLECTION, "a.run")
    assert [note.split(" lines name ")[0] for note in resolved.notes[:2]] == ["2", "2"]
    assert "x0, en:x1" in resolved.notes[0]
    assert "gone0, gone1" in resolved.notes[1]
    assert resolved.notes[2] == "3 judged queries are not in the run; they count as 0"


@pytest.mark.parametrize(("queries", "passages", "named"), [(4, 0, "queries"), (0, 4, "passages")])
def test_many_unknown_ids_are_an_error(queries, passages, named):
    with pytest.raises(
        DataError, match=rf"a\.run: 4 of 60 lines name {named} that are not in beir:made .*more than 5%"
    ):
        resolve(lines_of(queries, passages), COLLECTION, "a.run")


def test_an_unknown_passage_keeps_its_place():
    rows = [("en:q0", f"en/{i}", -i) for i in range(30)] + [("en:q0", "gone", 5)]
    ranks = rank_run(resolve(run_of(rows), COLLECTION, "a"), COLLECTION).table
    found = ranks[(ranks["query_lang"] == "en") & (ranks["query_id"] == "q0") & (ranks["passage_lang"] == "en")]
    assert found[["rank_in_language", "rank_in_pool"]].to_numpy().tolist() == [[1, 2]]


def test_what_is_not_in_the_run_is_not_retrieved():
    ranks = rank_run(resolve(run_of([("en:q0", "de/0", 1.0)]), COLLECTION, "a"), COLLECTION).table
    assert np.isinf(ranks["rank_in_pool"]).sum() == len(ranks) - 1
    evaluation = evaluate_run("a", resolve(run_of([("en:q0", "de/0", 1.0)]), COLLECTION, "a"), COLLECTION)
    assert evaluation.pool.scores["R@100"] == [0, pytest.approx(1 / 2 / 3)]
    assert json.loads(as_json(evaluation))["pairs"]["scores"]["mAP"] == [[0, 0], [pytest.approx(1 / 3), 0]]


def test_a_query_may_go_by_its_id_where_that_is_its_alone():
    single = make_collection(("en",))
    for name in ("q1", "en:q1"):
        assert resolve(run_of([(name, "en/1", 1.0)]), single, "a").run.queries.tolist() == ["q1"]
    with pytest.raises(DataError, match="name queries that are not in"):
        resolve(run_of([("q1", "en/1", 1.0)]), COLLECTION, "a")


def test_placeholders_of_an_export_are_told_from_passages():
    with pytest.raises(DataError, match=r"export --format trec.*submit … --run DIR"):
        resolve(run_of([("en:q0", "en/0", 2.0), ("en:q0", "unjudged-2", 1.0)]), COLLECTION, "a")


def test_one_query_under_two_names_is_refused():
    single = make_collection(("en",))
    with pytest.raises(DataError, match="under two names"):
        resolve(run_of([("q1", "en/1", 1.0), ("en:q1", "en/1", 2.0)]), single, "a")


def test_queries_without_a_relevant_passage_are_no_unknown_ones(tmp_path):
    for name, records in (
        ("queries", [{"id": "a", "lang": "en", "text": "?"}, {"id": "b", "lang": "en", "text": "?"}]),
        ("passages", [{"id": f"p{i}", "lang": "en", "text": "!"} for i in range(3)]),
    ):
        written(tmp_path / f"{name}.jsonl", *map(json.dumps, records))
    written(tmp_path / "qrels.tsv", "a\tp1\t1")
    judged = load_local(tmp_path)
    for name in ("b", "en:b"):
        resolved = resolve(run_of([(name, "p0", 1.0), ("a", "p1", 1.0), ("a", "p2", 2.0)]), judged, "a")
        assert resolved.notes == ("1 queries have no relevant passage; they are ignored",)
    assert rank_run(resolved, judged).table["rank_in_pool"].tolist() == [2]
    with pytest.raises(DataError, match="no judged query"):
        resolve(run_of([("b", "p0", 1.0)]), judged, "a")


# --- agreement ---

scored = st.dictionaries(
    st.tuples(st.sampled_from(list(COLLECTION.labels)), st.sampled_from(COLLECTION.passages.frame["id"].tolist())),
    # Few values, so that there are ties; two of them are the same float32.
    st.sampled_from([0.0, -1.5, 2.0, 2.0000000001, 3.25]),
    min_size=1,
    max_size=120,
)


@settings(max_examples=60)
@given(scored)
def test_the_figures_are_those_of_pytrec_eval(scores):
    run: dict[str, dict[str, float]] = {}
    for (query, passage), score in scores.items():
        run.setdefault(query, {})[passage] = score
    ids = COLLECTION.passages.frame["id"].to_numpy()
    qrels: dict[str, dict[str, int]] = {}
    for row, passage, grade in COLLECTION.qrels[["query", "passage", "grade"]].itertuples(index=False):
        qrels.setdefault(COLLECTION.labels[row], {})[ids[passage]] = int(grade)
    resolved = resolve(run_of([(*key, score) for key, score in scores.items()]), COLLECTION, "a")
    evaluation = evaluate_run("a", resolved, COLLECTION)
    found = pytrec_eval.RelevanceEvaluator(qrels, MEASURES).evaluate(run)
    for name, measure in ORACLES.items():
        values = [found[query][measure] if query in found else 0.0 for query in qrels]
        theirs = sum(0.0 if name == "MRR@10" and value < 1 / 10.5 else value for value in values) / len(qrels)
        assert evaluation.pool.micro[name] == pytest.approx(theirs, abs=1e-6), name
    for i, query_lang in enumerate(COLLECTION.languages):
        for j, lang in enumerate(COLLECTION.languages):
            judged = {
                query: {p: grade for p, grade in each.items() if p.startswith(lang)}
                for query, each in qrels.items()
                if query.startswith(query_lang)
            }
            cut = {query: {p: s for p, s in run.get(query, {}).items() if p.startswith(lang)} for query in judged}
            found = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}).evaluate(cut)
            theirs = sum(each["ndcg_cut_10"] for each in found.values()) / len(judged)
            assert evaluation.pairs.scores["nDCG@10"][i][j] == pytest.approx(theirs, abs=1e-6)
