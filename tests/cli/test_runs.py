"""`evaluate`, `fuse` and `rerank` as people type them, on the sample that ships with the package."""

import io
import json

import pytest
from rich.console import Console

import babelrank as api
from babelrank.analysis.settings import macro_averages, score_pairs, score_pool
from babelrank.data.loading import load_collection
from babelrank.reporting.run_evaluation import Depth, RunEvaluation, evaluation_tables
from made_ranks import pool_ranks


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    """A run on the English and German sample that finds all answers, best first."""
    collection = load_collection("sample:de,en")
    labels, ids = collection.labels, collection.passages.frame["id"].to_numpy()
    path = tmp_path_factory.mktemp("runs") / "perfect.run"
    rows = [f"{labels[q]} Q0 {ids[p]} 0 {-p} t\n" for q, p in collection.qrels[["query", "passage"]].to_numpy()]
    path.write_text("".join(rows), encoding="utf-8")
    return path


def test_a_run_is_scored(babelrank, run_file, tmp_path):
    outcome = babelrank("evaluate", run_file, "--collection", "sample:de,en", "--out", "figures.json")
    assert outcome.code == 0, outcome.err
    assert "perfect on sample:de,en" in outcome.out
    assert "rank distance 1.0" in outcome.out
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["name"] == "perfect"
    assert figures["kinds"] == ["monolingual", "cross_lingual", "multilingual"]
    assert all(figures["macro"][kind]["nDCG@10"] == pytest.approx(1) for kind in figures["kinds"])
    assert figures["queries"] == 56
    assert figures["depth"] == {"least": 2, "most": 2}
    assert figures["rank_distance"] == 1.0


@pytest.mark.parametrize("count", [11, 14])
def test_scores_by_pair_of_many_languages_fit_80_columns(count):
    languages = [f"{chr(ord('a') + i)}x" for i in range(count)]
    queries = {(lang, "q"): [(other, 1 + i) for i, other in enumerate(languages)] for lang in languages}
    ranks = pool_ranks(queries, dict.fromkeys(languages, 1))
    pairs, pool = score_pairs(ranks), score_pool(ranks)
    macro = macro_averages(pairs, pool)
    evaluation = RunEvaluation(
        *("run", "sample", "0" * 64, languages, count, Depth(1, 1), [], ["mAP"], [*macro], macro, pairs, pool, None)
    )
    console = Console(width=80, file=io.StringIO())
    for table in evaluation_tables(evaluation):
        console.print(table)
    shown = console.file.getvalue()
    assert "…" not in shown
    last = [line.split() for line in shown.splitlines() if line.split()[:1] == [languages[-1]]]
    scores = [score for line in last for score in line[1:]]
    assert len(scores) == count + 1
    assert scores[0] == "1.00"
    assert all(len(score) <= 4 for score in scores)


def test_a_run_that_lacks_relevant_passages_has_no_rank_distance(babelrank, run_file, tmp_path):
    (tmp_path / "cut.run").write_text("".join(run_file.read_text().splitlines(keepends=True)[:-1]))
    outcome = babelrank("evaluate", "cut.run", "--collection", "sample:de,en", "--out", "figures.json")
    assert outcome.code == 0, outcome.err
    assert "No rank distance: the run does not hold all" in outcome.out
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["rank_distance"] is None


@pytest.mark.parametrize(
    "command",
    [["fuse", "RUN", "RUN", "--run"], ["rerank", "RUN", "--model", "org/x", "--run"], ["evaluate", "RUN", "--out"]],
)
def test_a_folder_in_the_place_of_a_file_is_refused_before_any_work(babelrank, run_file, tmp_path, command):
    arguments = [str(run_file) if argument == "RUN" else argument for argument in command]
    outcome = babelrank(*arguments, tmp_path, "--collection", "sample:de,en")
    assert outcome.code == 2
    assert "is a directory" in outcome.err


def test_a_file_that_cannot_be_written_is_named(babelrank, run_file, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = babelrank(
        "evaluate", run_file, "--collection", "sample:de,en", "--out", tmp_path / "file" / "inside.json"
    )
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {tmp_path / 'file'}")


def test_fused_runs_are_written_and_scored(babelrank, run_file, tmp_path):
    other = tmp_path / "other.run"
    other.write_text(run_file.read_text().splitlines()[0] + "\n")
    outcome = babelrank(
        "fuse", run_file, other, "--collection", "sample:de,en", "--method", "weighted", "--weights", "2,1", "--name",
        "both", "--run", "both.run", "--out", "both.json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "both on sample:de,en" in outcome.out
    again = babelrank("evaluate", "both.run", "-c", "sample:de,en", "--name", "both", "--out", "again.json")
    assert again.code == 0
    assert (tmp_path / "again.json").read_text() == (tmp_path / "both.json").read_text()


def test_a_run_is_reranked_and_scored(babelrank, run_file, tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.setattr(
        "babelrank.ranking.reranking.load_cross_encoder",
        lambda model, **_: lambda pairs: np.arange(len(pairs), dtype=np.float32),
    )
    outcome = babelrank("rerank", run_file, "--model", "org/cross", "-c", "sample:de,en", "--top", "1")
    assert outcome.code == 0, outcome.err
    assert "org/cross on the top 1 on sample:de,en" in outcome.out
    assert len((tmp_path / "reranked.run").read_text().splitlines()) == len(run_file.read_text().splitlines())


def test_runs_are_compared_with_the_tests_of_reports(babelrank, run_file, tmp_path):
    scores = {}
    for line in run_file.read_text(encoding="utf-8").splitlines():
        query, _, passage, _, score, _ = line.split()
        scores.setdefault(query, {})[passage] = float(score)
    (tmp_path / "same.json").write_text(json.dumps({"mteb_model_meta": {"model_name": "org/x"}, "s": {"t": scores}}))
    half = {query: found for place, (query, found) in enumerate(scores.items()) if place % 4}
    (tmp_path / "half.json").write_text(json.dumps(half))
    arguments = ["compare", "--run", run_file, "--run", "same.json", "-c", "sample:de,en"]
    outcome = babelrank(*arguments)
    assert outcome.code == 0, outcome.err
    assert "perfect − org/x on sample:de,en, nDCG@10" in outcome.out
    assert "rank distance" in outcome.out
    assert outcome.out.count("1.0000") == 8
    outcome = babelrank(*arguments, "--run", "half.json", "--subset", "s", "--split", "t", "--measure", "R@10")
    assert outcome.code == 0, outcome.err
    assert "org/x − half on sample:de,en, R@10" in outcome.out
    assert "rank distance" not in outcome.out.replace("Rank distance: lower", "")
    assert "half: 14 judged queries are not in the run; they count as 0" in outcome.err
    found = api.compare_runs(run_file, tmp_path / "half.json", collection="sample:de,en", names=["a", "b"])
    frame = found.to_frame().set_index("figure")
    assert frame["difference"].to_dict() == pytest.approx(dict.fromkeys(frame.index, 0.25))
    assert frame["p"].max() < 0.05


def test_measures_that_favour_longer_runs_are_told(babelrank, run_file, tmp_path):
    first = {line.split()[0]: line for line in run_file.read_text().splitlines()[::-1]}
    (tmp_path / "short.run").write_text("\n".join(first.values()))
    arguments = ["compare", "--run", run_file, "--run", "short.run", "-c", "sample:de,en", "--measure"]
    told = "mAP favours longer runs; passages for a query: perfect 2, short 1"
    assert told in babelrank(*arguments, "mAP").err
    assert "favours" not in babelrank(*arguments, "R@1").err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["compare", "--run", "RUN", "-c", "sample:de,en"], "needs at least two runs, got 1"),
        (["compare", "--run", "RUN", "--run", "RUN", "-c", "sample:de,en"], "'perfect'; give each another --name"),
        (["compare", "--run", "RUN", "--run", "RUN"], "needs one --collection and takes no reports"),
        (["compare", "bm25", "--run", "RUN", "-c", "sample"], "needs one --collection and takes no reports"),
        (["compare", "--run", "RUN", "--run", "RUN", "--name", "a", "-c", "sample"], "1 names for 2 runs"),
        (["evaluate", "missing.run", "-c", "sample"], "missing.run: cannot be read"),
        (["evaluate", "RUN", "-c", "miracl:sw,te"], "names 2 collections; expected one"),
        (["evaluate", "RUN", "-c", "sample:ar"], "name queries that are not in sample:ar"),
        (["fuse", "RUN", "RUN", "-c", "sample:de,en", "--weights", "a,b"], "expected a number for each run"),
        (["fuse", "RUN", "-c", "sample:de,en"], "at least two runs"),
        (["rerank", "RUN", "--model", "./no", "-c", "sample:de,en"], "'./no': no such folder"),
        (["evaluate", "RUN", "-c", "sample:de,en", "--name", "<x>"], "contains <"),
    ],
)
def test_what_is_wrong_is_said(babelrank, run_file, arguments, problem):
    outcome = babelrank(*(run_file if argument == "RUN" else argument for argument in arguments))
    assert outcome.code == 2
    assert problem in outcome.err


@pytest.mark.parametrize(
    ("file", "shown"), [("-inf", "inf"), ("nan", "nan"), (".run", "run"), ("a<b.run.gz", "a-b"), ("a:b.run", "a:b")]
)
def test_a_run_is_named_after_any_file(babelrank, run_file, tmp_path, file, shown):
    (tmp_path / file).write_bytes(run_file.read_bytes())
    outcome = babelrank("evaluate", f"./{file}", "-c", "sample:de,en")
    assert outcome.code == 0, outcome.err
    assert f"{shown} on sample:de,en" in outcome.out
