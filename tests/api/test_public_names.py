"""The public API: its names, its examples, and what a notebook user gets, rightly or wrongly asked."""

import doctest
import importlib
import inspect
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import babelrank
from babelrank.analysis.summary import analyse
from observers import RecordingObserver
from paths import ROOT

DOCUMENTED = (
    "babelrank",
    "babelrank.api.adapters",
    "babelrank.api.collections",
    "babelrank.api.encoders",
    "babelrank.api.evaluation",
    "babelrank.api.pages",
    "babelrank.api.recommendation",
    "babelrank.api.reports",
    "babelrank.api.runs",
    "babelrank.api.schema",
    "babelrank.result",
    "babelrank.data.collection",
    "babelrank.ranking.rank",
)


def words(texts):
    """Tell texts apart by their letters; deterministic, and quick."""
    rows = [[text.count(chr(code)) for code in range(32, 127)] + [len(text), text.count("ü")] for text in texts]
    return np.array(rows)


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return babelrank.evaluate(
        words, "sample:de,en,es", store=tmp_path_factory.mktemp("store"), observer=RecordingObserver()
    )


def test_the_public_names_are_these():
    assert set(babelrank.__all__) == {
        "Adapter",
        "AdapterEntry",
        "Analysis",
        "ApproximationReport",
        "BabelrankError",
        "Collection",
        "CollectionEntry",
        "CollectionFile",
        "CollectionSource",
        "Comparison",
        "Diagnosis",
        "Encoder",
        "EncoderInfo",
        "EncoderOptions",
        "ExperimentPreview",
        "FetchedCollection",
        "MiningSummary",
        "ModelCheck",
        "Observer",
        "Ranking",
        "RankTable",
        "Repository",
        "Recommendation",
        "Representations",
        "Result",
        "RunEvaluation",
        "Similarity",
        "StoreListing",
        "Streaming",
        "TokenCounts",
        "TrainingPreview",
        "__version__",
        "analyse",
        "approximate",
        "average_checkpoints",
        "build_site",
        "center_model",
        "as_mteb_task",
        "check_model",
        "check_pages",
        "compare",
        "compare_runs",
        "describe_collection",
        "diagnose",
        "encode",
        "evaluate",
        "export_collection",
        "export_reports",
        "fetch_collections",
        "fuse_runs",
        "init_collection",
        "leaderboard",
        "list_adapters",
        "list_collection_sources",
        "list_collections",
        "list_store",
        "load_collection",
        "load_encoder",
        "load_report",
        "mine_negatives",
        "plot",
        "preview_experiment",
        "preview_training",
        "prune_store",
        "publish",
        "rank",
        "recommend",
        "refresh_pages",
        "remove_reports",
        "rename_report",
        "rerank_run",
        "results_schema",
        "run_experiment",
        "score_run",
        "submit",
        "train",
        "verify_collections",
        "wrap_encoder",
    }
    for name in babelrank.__all__:
        assert getattr(babelrank, name) is not None
        assert name == "__version__" or getattr(babelrank, name).__doc__


@pytest.mark.parametrize("module", DOCUMENTED)
def test_examples_run_as_they_are_shown(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_every_path_may_be_a_string():
    public = [getattr(babelrank, name) for name in babelrank.__all__]
    classes = [each for each in public if inspect.isclass(each)]
    methods = [
        method
        for each in classes
        for name, method in inspect.getmembers(each, inspect.isfunction)
        if not name.startswith("_")  # what people do not call
    ]
    functions = [each for each in public if inspect.isfunction(each)] + methods
    for function in functions:
        for name, parameter in inspect.signature(function).parameters.items():
            if "Path" in str(parameter.annotation):
                assert "str" in str(parameter.annotation), f"{function.__qualname__}: {name}"


def test_strings_name_the_folders_of_data_vectors_and_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    files = {
        "corpus.jsonl": [
            {"_id": "p", "title": "", "text": "A volcano."},
            {"_id": "o", "title": "", "text": "A river."},
        ],
        "queries.jsonl": [{"_id": "q", "text": "Which volcano?"}],
    }
    folder = tmp_path / "data" / "beir" / "tiny"
    (folder / "qrels").mkdir(parents=True)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp\t1\n")
    for name, rows in files.items():
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    collection = babelrank.load_collection("beir:tiny", "~/data")
    encoder = babelrank.load_encoder("use-multilingual-v3")
    ranking = babelrank.rank(collection, babelrank.encode(encoder, collection, store="~/store"))
    assert (tmp_path / "store").is_dir()
    ranking.ranks.write("~/ranks.parquet")
    assert pd.read_parquet(tmp_path / "ranks.parquet").equals(ranking.ranks.table)


def test_figures_are_those_of_the_analysis(result):
    analysis = analyse(result.rank_table())
    pairs = result.pairs("R@10")
    assert pairs.loc["de", "en"] == analysis.pairs.scores["R@10"][0][1]
    assert pairs["pool"].tolist() == analysis.pool.scores["R@10"]
    assert pairs.n.loc["es", "de"] == 28
    summary = result.summary(measure="nDCG@10").set_index("figure")
    assert summary.loc["multilingual", "value"] == pytest.approx(analysis.macro["multilingual"]["nDCG@10"])
    assert summary[["low", "high"]].isna().all(axis=None)  # of 28 questions, which are too few
    assert result.bias().loc["rank_distance", "value"] == pytest.approx(analysis.macro["multilingual"]["rank_distance"])
    assert result.bias(by_language=True).columns.tolist() == ["de", "en", "es"]


def test_ranks_have_a_row_for_each_query_and_relevant_passage(result):
    collection = babelrank.load_collection("sample:de,en,es")
    assert len(result.ranks) == len(collection.qrels)
    assert set(result.ranks["collection"]) == {"sample:de,en,es"}
    assert result.top["rank_in_pool"].min() == 1


def test_a_result_is_short_in_a_terminal_and_a_table_in_a_notebook(result):
    assert len(repr(result).splitlines()) <= 10
    assert "multilingual" in repr(result)
    assert "<table" in result._repr_html_()
    assert len(repr(analyse(result.rank_table()))) < 200


def test_a_saved_result_is_read_again_with_the_same_figures(result, tmp_path):
    folder = result.save(tmp_path)
    again = babelrank.load_report(folder)
    assert again.name == result.name
    pd.testing.assert_frame_equal(again.ranks, result.ranks)
    pd.testing.assert_frame_equal(again.summary(), result.summary())
    assert babelrank.load_report(result.name, tmp_path).folder == folder
    assert babelrank.leaderboard(tmp_path)["model"].tolist() == ["words"]


def test_a_collection_from_frames_and_several_at_once(tmp_path):
    queries = pd.DataFrame(
        {"id": [1, 2], "lang": ["de", "en"], "text": ["Wer lief?", "Who ran?"], "question": ["q", "q"]}
    )
    passages = pd.DataFrame(
        {"id": ["a", "b", "c"], "lang": ["de", "en", "en"], "text": ["Ann lief.", "Ann ran.", "Bob."]}
    )
    qrels = pd.DataFrame({"query_id": [1, 1, 2, 2], "passage_id": ["a", "b", "a", "b"]})
    mine = babelrank.Collection.from_frames(queries, passages, qrels, name="runs")
    found = babelrank.evaluate(words, [mine, "sample:de,en"], store=tmp_path, observer=RecordingObserver())
    assert found.collections == ("sample:de,en", "runs")
    assert found.pairs(collection="runs").shape == (2, 3)
    with pytest.raises(babelrank.BabelrankError, match="several collections; choose one of sample:de,en, runs"):
        found.pairs()
    with pytest.raises(babelrank.BabelrankError, match="two collections are called 'runs'"):
        babelrank.evaluate(words, [mine, mine], observer=RecordingObserver())


def test_models_are_compared_by_paired_tests(result, tmp_path):
    other = babelrank.evaluate(
        lambda texts: words(texts)[:, ::3], "sample:de,en,es", store=tmp_path, observer=RecordingObserver()
    )
    frame = babelrank.compare(result, other).to_frame()
    assert frame["figure"].tolist() == ["monolingual", "cross_lingual", "multilingual", "rank_distance"]
    difference = result.summary().set_index("figure")["value"] - other.summary().set_index("figure")["value"]
    assert frame.set_index("figure")["difference"].to_dict() == pytest.approx(difference.to_dict())
    assert frame["p_holm"].between(0, 1).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[0.0, np.nan]], "row 0 has NaN or infinity"),
        ([[0.0, np.inf]], "row 0 has NaN or infinity"),
        ([0.0, 1.0], r"shape \(2,\), expected \(texts, dimension\)"),
        ([["a", "b"]], "expected numbers"),
    ],
)
def test_vectors_are_checked_where_they_enter(vectors, message):
    with pytest.raises(babelrank.BabelrankError, match=message):
        babelrank.Representations(np.array(vectors), np.ones((1, 2)))


def test_similarities_are_read_by_value_and_whole_numbers_and_halves_are_numbers():
    collection = babelrank.load_collection("sample:en")
    rng = np.random.default_rng(0)
    queries, passages = (rng.integers(-3, 4, (n, 5)) for n in (28, 70))
    passages[:, 0] *= 40  # so that cosine and dot product differ
    tables = [
        babelrank.rank(collection, babelrank.Representations(queries.astype(kind), passages.astype(kind), name)).ranks
        for kind, name in ((np.int64, "cosine"), (np.float16, babelrank.Similarity.COSINE), (np.float32, "dot"))
    ]
    pd.testing.assert_frame_equal(tables[0].table, tables[1].table)
    assert not tables[0].table.equals(tables[2].table)
    with pytest.raises(babelrank.BabelrankError, match=r"unknown similarity 'nonsense'.*cosine, dot, euclidean"):
        babelrank.Representations(queries, passages, "nonsense")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.pairs("MAP"), "unknown measure 'MAP'. Did you mean 'mAP'"),
        (lambda r: r.pairs(collection="xquad"), "unknown collection 'xquad'"),
        (lambda r: babelrank.evaluate(words, "smaple"), "unknown collection 'smaple'. Did you mean 'sample'"),
        (lambda r: babelrank.evaluate(words, "sample:de,xx"), "unknown language 'xx'"),
        (lambda r: babelrank.evaluate(words, 7), "Collection"),
        (lambda r: babelrank.evaluate(words, [7]), "expected a specification"),
        (lambda r: babelrank.evaluate(words, []), "no collection given"),
        (lambda r: babelrank.evaluate(words, "sample", promt="x"), "unknown option 'promt'"),
        (lambda r: babelrank.evaluate(words, "sample", similarity="cosin"), "unknown similarity 'cosin'"),
        (lambda r: babelrank.evaluate(7, "sample:en"), "int"),
        (lambda r: babelrank.evaluate(lambda texts: texts, "sample:en"), "expected"),
        (lambda r: babelrank.evaluate(lambda texts: [[1.0, 2.0]], "sample:en"), "expected"),
        (lambda r: babelrank.compare(r), "compare needs at least two models, got 1"),
        (lambda r: babelrank.load_report("no-such-model"), "unknown report 'no-such-model'"),
        (lambda r: babelrank.leaderboard("no/such/folder"), "not a folder of reports"),
        (lambda r: babelrank.leaderboard("~nobody-at-all"), "~nobody-at-all: there is no such user"),
        (lambda r: babelrank.load_report("bm25", "a\0b"), "a path cannot hold a null character"),
        (lambda r: babelrank.submit(words, "sample:en", promt="x"), "unknown option 'promt'"),
        (lambda r: babelrank.evaluate(words, "sample:en", seen="en;de"), "'en;de': expected"),
        (lambda r: babelrank.evaluate(words, "sample:en", seen=["no language"]), "expected"),
        (lambda r: babelrank.plot(r, size="wall"), "unknown size 'wall'. Known: column, slide, text"),
        (lambda r: babelrank.plot(r, kinds="pie"), "unknown kind of figure 'pie'"),
        (lambda r: babelrank.plot(), "nothing to draw"),
        (lambda r: babelrank.export_reports("bm25", format_name="cvs"), "unknown format 'cvs'. Did you mean 'csv'"),
        (lambda r: babelrank.export_reports(format_name="csv"), "name at least one model"),
        (lambda r: babelrank.fetch_collections(["xquad"]), "unknown collection 'xquad'"),
        (lambda r: babelrank.score_run("x.run", "sample:en", missing="no"), "unknown"),
        (lambda r: babelrank.fuse_runs([], "sample:en"), "at least two runs"),
        (lambda r: babelrank.train("no.toml"), "no.toml"),
    ],
)
def test_what_is_not_valid_is_refused_in_one_sentence(result, call, message):
    with pytest.raises(babelrank.BabelrankError, match=message) as caught:
        call(result)
    assert "\n" not in str(caught.value)


def test_a_report_of_another_version_or_a_damaged_one_is_refused(result, tmp_path):
    folder = result.save(tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (folder / "results.json").write_text(json.dumps(content | {"schema_version": 99}), encoding="utf-8")
    with pytest.raises(babelrank.BabelrankError, match="99"):
        babelrank.load_report(folder)
    (ranks,) = (tmp_path / "copy").glob("*.ranks.parquet")
    ranks.write_bytes(ranks.read_bytes()[:-10])
    with pytest.raises(babelrank.BabelrankError, match=r"ranks\.parquet"):
        _ = babelrank.load_report(tmp_path / "copy").ranks


def test_figures_of_results_are_drawn_into_files(result, tmp_path):
    paths = babelrank.plot(result, kinds=["pairs", "bars"], formats="svg", out=tmp_path)
    assert {path.suffix for path in paths} == {".svg"}
    assert sorted(paths) == sorted(tmp_path.iterdir())


def test_what_functions_return_is_shown_as_tables(result):
    other = babelrank.compare(result, result)
    console = Console(width=120, file=io.StringIO())
    console.print(result, other)
    shown = console.file.getvalue()
    assert f"{result.name} on sample:de,en,es" in shown
    assert f"{result.name} − {result.name} on sample:de,en,es, mAP" in shown


def test_a_submission_leaves_a_leaderboard_that_is_current(tmp_path):
    observer = RecordingObserver()
    result = babelrank.submit(words, "sample:de,en", reports=tmp_path / "reports", store=tmp_path, observer=observer)
    assert observer.messages[0].startswith(f"The report is written to {tmp_path / 'reports'}, and the leaderboard")
    assert result.page.is_file()
    assert result.name in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert list(babelrank.check_pages(tmp_path / "reports")) == []
    (tmp_path / "leaderboard.md").write_text("by hand", encoding="utf-8")
    assert list(babelrank.check_pages(tmp_path / "reports")) == [tmp_path / "leaderboard.md"]
    assert babelrank.refresh_pages(tmp_path / "reports") == [tmp_path / "leaderboard.md"]
