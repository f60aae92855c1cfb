"""MIRACL's real topics and judgements of Swahili and Telugu, over made passages, from the files through `submit`."""

import gzip
import json

import pytest
import pytrec_eval

from babelrank.data.miracl import topics_pattern
from babelrank.pipelines.runs import open_collection, open_run
from babelrank.pipelines.submission import submit
from babelrank.reporting.measures import measures_of
from babelrank.reporting.report import find_report
from babelrank.reporting.run_evaluation import evaluate_run
from observers import RecordingObserver

LANGUAGES = ("sw", "te")


def read(path):
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def make_passages(topics, qrels):
    """Return texts by id: relevant passages have more of their query's words than others that were judged for it."""
    words = {query: text.split() for query, text in topics}
    texts = {}
    for place, (query, _, passage, grade) in enumerate(qrels):
        kept = words[query][: 3 + place % 2 if grade == "1" else 2 + place % 2]
        texts[passage] = f"{texts.get(passage, '')} {' '.join(kept)}"
    # Other words, so that hardly any two passages are of one length and tie.
    return {passage: text + " zzz" * (place % 500) for place, (passage, text) in enumerate(texts.items())}


@pytest.fixture(scope="module")
def out(real_data, tmp_path_factory):
    """Reports and runs of BM25."""
    root = tmp_path_factory.mktemp("miracl")
    for lang in LANGUAGES:
        files = {kind: real_data / "miracl" / topics_pattern(lang, kind) for kind in ("topics", "qrels")}
        if not all(path.is_file() for path in files.values()):
            pytest.skip(f"needs MIRACL's topics and judgements: {files['topics']} is not there")
        for kind, path in files.items():
            target = root / topics_pattern(lang, kind)
            target.parent.mkdir(parents=True)
            target.symlink_to(path)
        records = [
            json.dumps({"docid": name, "title": "", "text": text})
            for name, text in make_passages(*(read(path) for path in files.values())).items()
        ]
        folder = root / f"miracl-corpus-v1.0-{lang}"
        folder.mkdir()
        for shard in range(2):
            content = "".join(f"{record}\n" for record in records[shard::2])
            (folder / f"docs-{shard}.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    collections = [f"miracl:{root}:{','.join(LANGUAGES)}"]
    submit("bm25", collections, root / "reports", RecordingObserver(), store=root / "store", runs=root / "runs")
    return root


@pytest.mark.parametrize(("lang", "queries"), [("sw", 482), ("te", 828)])
def test_the_report_has_the_papers_figures_as_trec_eval_has_them(out, lang, queries):
    reported = find_report("bm25", out / "reports").collections[f"miracl:{lang}"]
    assert reported.queries == {lang: queries}
    assert measures_of(f"miracl:{lang}", reported).headline == ("nDCG@10", "R@100")
    qrels = {}
    for query, _, passage, grade in read(out / topics_pattern(lang, "qrels")):
        qrels.setdefault(query, {})[passage] = int(grade)
    with (out / "runs" / f"miracl.{lang}.bm25.run").open(encoding="utf-8") as lines:
        run = pytrec_eval.parse_run(lines)
    loaded = open_collection(f"miracl:{out}:{lang}", None, lambda _: None)
    opened = open_run(out / "runs" / f"miracl.{lang}.bm25.run", loaded)
    evaluated = evaluate_run(opened.name, opened.resolved, loaded)
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100"}).evaluate(run)
    assert len(found) == queries
    for ours, theirs in (("nDCG@10", "ndcg_cut_10"), ("R@100", "recall_100")):
        expected = sum(each[theirs] for each in found.values()) / queries
        assert evaluated.macro["monolingual"][ours] == pytest.approx(expected, abs=1e-6)
        # Those that tie share the mean of their ranks in the report.
        assert reported.macro["monolingual"][ours] == pytest.approx(expected, abs=2e-3)
    assert 0.1 < reported.macro["monolingual"]["nDCG@10"] < 1
