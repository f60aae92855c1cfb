"""Relevant passages that the corpus lacks, and queries with nothing relevant: counted as trec_eval does, or ignored."""

import json
import warnings

import numpy as np
import pytest
import pytrec_eval

import babelrank
from observers import RecordingObserver


@pytest.fixture
def folder(tmp_path):
    """Forty questions and answers in two languages; one lacks an answer, one both, and one has nothing relevant."""
    folder = tmp_path / "mine"
    folder.mkdir()
    langs = ("de", "en")
    queries = [(f"q{i}-{lang}", lang, f"q{i}", f"word{i} {lang}") for i in range(40) for lang in langs]
    passages = [(f"p{i}-{lang}", lang, f"word{i} {lang}.") for i in range(40) for lang in langs]
    gone = {"p7-en", "p9-de", "p9-en"}
    lines = [f"q{i}-{lang}\tp{i}-{other}\t{int(i != 5)}" for i in range(40) for lang in langs for other in langs]
    files = {
        "queries": [dict(zip(("id", "lang", "question", "text"), row, strict=True)) for row in queries],
        "passages": [dict(zip(("id", "lang", "text"), row, strict=True)) for row in passages if row[0] not in gone],
    }
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "qrels.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def letters(texts):
    counts = np.array([[text.count(letter) for letter in "0123456789den "] for text in texts], float)
    noise = [np.random.default_rng(list(text.encode())).normal(0, 0.05, counts.shape[1]) for text in texts]
    return counts + noise  # so that no scores tie, which trec_eval sorts by id


def evaluate(folder, tmp_path, missing, **options):
    return babelrank.evaluate(
        letters, f"local:{folder}", store=tmp_path / "store", missing=missing, observer=RecordingObserver(), **options
    )


def read(path, columns):
    table = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split()
        table.setdefault(cells[0], {})[cells[2]] = columns(cells)
    return table


def test_figures_are_those_of_trec_eval_on_the_run_and_qrels_that_are_written(folder, tmp_path):
    result = evaluate(folder, tmp_path, "count", runs=tmp_path / "runs")
    (run,) = (tmp_path / "runs").glob("*.run")
    (qrels,) = (tmp_path / "runs").glob("*.qrels")
    judged, found = read(qrels, lambda cells: int(cells[3])), read(run, lambda cells: float(cells[4]))
    assert len(judged) == 80
    scores = pytrec_eval.RelevanceEvaluator(judged, {"map", "ndcg_cut.10"}).evaluate(found)
    pool = result.results.collections["local:mine"].pool
    assert pool.n == [40, 40]
    for name, measure in (("mAP", "map"), ("nDCG@10", "ndcg_cut_10")):
        for place, lang in enumerate(("de", "en")):
            theirs = sum(each[measure] for query, each in scores.items() if query.startswith(lang)) / 40
            assert pool.scores[name][place] == pytest.approx(theirs, abs=1e-6)
    scored = babelrank.score_run(run, f"local:{folder}", observer=RecordingObserver())
    assert scored.queries == 80
    assert scored.pool.scores["R@100"] == pytest.approx(pool.scores["R@100"])


def test_what_is_ignored_leaves_the_means_of_what_can_be_found(folder, tmp_path):
    counted, ignored = (evaluate(folder, tmp_path, missing) for missing in ("count", "ignore"))
    pairs = {name: each.pairs("R@100") for name, each in (("count", counted), ("ignore", ignored))}
    assert pairs["ignore"].n.loc["de"].tolist() == [38, 37, 38]
    assert pairs["ignore"].to_numpy() == pytest.approx(1)
    # Of German queries: without any answer, q9 and q5, which count as of their own language; q7 lacks the English one.
    assert pairs["count"].n.loc["de"].tolist() == [40, 37, 40]
    with pytest.raises(babelrank.BabelrankError, match=r"--missing: unknown choice 'drop'\. Known: count, ignore\."):
        evaluate(folder, tmp_path, "drop")


def test_bias_is_measured_on_what_can_be_found(folder, tmp_path):
    counted, ignored = (evaluate(folder, tmp_path, missing) for missing in ("count", "ignore"))
    bias = counted.bias()
    assert np.isfinite(bias[["value", "low", "high"]].to_numpy()).all()
    unchanged = ["language_effect", "rank_ratio", "own_language_first", "rank_distance"]
    known = [name for name in unchanged if name in bias.index]
    assert len(known) >= 3
    assert bias.loc[known, "value"].to_dict() == pytest.approx(ignored.bias().loc[known, "value"].to_dict())


def test_reports_exports_and_comparisons_hold_what_is_missing(folder, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        result = evaluate(folder, tmp_path, "count", reports=tmp_path / "reports", leaderboard=True)
        again = babelrank.load_report(result.folder)
        assert babelrank.compare(again, result).to_frame()["difference"].abs().max() == 0
        assert list(babelrank.check_pages(tmp_path / "reports")) == []
        for name in ("trec", "csv", "latex", "mteb"):
            assert babelrank.export_reports(result.folder, format_name=name, out=tmp_path / name)
    (qrels,) = (tmp_path / "trec").glob("*multilingual.qrels")
    judged = read(qrels, lambda cells: int(cells[3]))
    assert judged["de:q5"] == {"nothing-relevant": 0}
    assert judged["de:q9"] == {"p9-de": 1, "p9-en": 1}


@pytest.fixture
def damaged(folder):
    """The same with a tenth of the answers in each language missing."""
    kept = [line for line in (folder / "passages.jsonl").read_text().splitlines() if '"word1' not in line]
    (folder / "passages.jsonl").write_text("\n".join(kept))
    return folder


@pytest.mark.parametrize("missing", ["count", "ignore"])
def test_many_missing_passages_are_refused_unless_the_user_says_how_they_count(damaged, tmp_path, missing):
    with pytest.raises(babelrank.BabelrankError, match="choose --missing count or --missing ignore"):
        evaluate(damaged, tmp_path, None)
    result = evaluate(damaged, tmp_path, missing, runs=tmp_path / "runs")
    streamed = evaluate(damaged, tmp_path, missing, streaming=babelrank.Streaming(memory=10**11))
    pool = result.results.collections["local:mine"].pool
    assert streamed.results.collections["local:mine"].pool == pool
    assert "50 judgements name unknown passages: p1-de, p1-en, p7-en" in result.results.collections["local:mine"].notes
    expected = {"ignore": 1.0, "count": (26 + 0.5) / 40}  # of q7, one of two answers is there
    assert pool.scores["R@100"] == pytest.approx([expected[missing]] * 2)

    (run,) = (tmp_path / "runs").glob("*.run")
    options = {"missing": missing, "observer": RecordingObserver()}
    scored = babelrank.score_run(run, f"local:{damaged}", **options)
    assert scored.pool.scores["R@100"] == pytest.approx(pool.scores["R@100"])
    named = tmp_path / "of-the-complete-corpus.run"  # names passages that this corpus lacks
    named.write_text(run.read_text() + "".join(f"de:q1{i} Q0 p1{i}-de 1 99 other\n" for i in range(10)) * 2)
    with pytest.raises(babelrank.BabelrankError, match="choose --missing count or --missing ignore"):
        babelrank.compare_runs(run, named, collection=f"local:{damaged}", observer=RecordingObserver())
    compared = babelrank.compare_runs(run, named, collection=f"local:{damaged}", measure="R@100", **options)
    assert compared.to_frame()["difference"].notna().any()
