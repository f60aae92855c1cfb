"""SciFact in BEIR's layout: our report, trec_eval on the exported run, and what is published agree."""

import csv

import pytest
import pytrec_eval

from babelrank.pipelines.runs import open_collection, open_run
from babelrank.pipelines.submission import submit
from babelrank.reporting.report import find_report
from babelrank.reporting.run_evaluation import evaluate_run
from observers import RecordingObserver

# BEIR's leaderboard and Pyserini: Lucene's BM25 over title and text, one field.
PUBLISHED_BM25 = 0.665


@pytest.fixture(scope="module")
def folder(real_data):
    folder = real_data / "beir" / "scifact"
    if not folder.is_dir():
        pytest.skip(f"needs SciFact: {folder} is not there")
    return folder


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    """A report of BM25, and its run."""
    out = tmp_path_factory.mktemp("scifact")
    submit("bm25", [f"beir:{folder}"], out / "reports", RecordingObserver(), store=out / "store", runs=out / "runs")
    return out


@pytest.fixture(scope="module")
def reported(out):
    return find_report("bm25", out / "reports").collections["beir:scifact"].macro["monolingual"]


def test_the_report_agrees_with_trec_eval_on_the_exported_run(folder, out, reported):
    qrels = {}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    with (out / "runs" / "beir.scifact.bm25.run").open(encoding="utf-8") as lines:
        run = pytrec_eval.parse_run(lines)
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100"}).evaluate(run)
    assert len(found) == len(qrels) == 300
    for ours, theirs in (("nDCG@10", "ndcg_cut_10"), ("R@100", "recall_100")):
        assert reported[ours] == pytest.approx(sum(each[theirs] for each in found.values()) / 300, abs=1e-6)


def test_evaluate_agrees_with_the_report(folder, out, reported):
    judged = open_collection(f"beir:{folder}", None, lambda _: None)
    run = open_run(out / "runs" / "beir.scifact.bm25.run", judged)
    figures = evaluate_run(run.name, run.resolved, judged).macro["monolingual"]
    for measure in ("nDCG@10", "R@100", "MRR@10", "R@1", "R@10"):
        assert figures[measure] == pytest.approx(reported[measure], abs=1e-6)


def test_bm25_is_as_published(reported):
    assert reported["nDCG@10"] == pytest.approx(PUBLISHED_BM25, abs=1e-3)
