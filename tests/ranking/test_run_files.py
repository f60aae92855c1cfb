"""Runs of other tools: TREC's lines, JSON of ranx and pytrec_eval, mteb's predictions; and what is refused."""

import gzip
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.errors import DataError
from babelrank.ranking.run_files import read_run

SCORES = {"q0": {"en/0": 2.5, "en/1": 1}, "q1": {"en/2": -3e-9}}


def lines_of(run):
    return list(zip(run.queries.tolist(), run.passages.tolist(), run.scores.tolist(), strict=True))


EXPECTED = [(query, passage, float(np.float32(score))) for query in SCORES for passage, score in SCORES[query].items()]


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["run.json", "run.txt", "run.json.gz"])
def test_json_is_read_by_what_the_file_holds(tmp_path, name, indent):
    content = json.dumps(SCORES, indent=indent).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else b"\xef\xbb\xbf\n" + content)
    assert lines_of(read_run(path)) == EXPECTED


@pytest.fixture
def save_predictions(tmp_path):
    """What mteb's own code writes, a file for each task."""
    retrieval = pytest.importorskip("mteb.abstasks.retrieval")
    task = SimpleNamespace(_predictions_path=lambda folder: folder / "Task_predictions.json")
    model = SimpleNamespace(mteb_model_meta=SimpleNamespace(name="org/model", revision="abc"))

    def save(predictions, subset, split):
        save_one = retrieval.AbsTaskRetrieval._save_task_predictions
        save_one(task, predictions, model, tmp_path, hf_split=split, hf_subset=subset)
        return tmp_path / "Task_predictions.json"

    return save


def test_predictions_of_mteb_are_read_by_subset_and_split(save_predictions):
    path = save_predictions(SCORES, "sw", "dev")
    run = read_run(path)
    assert (run.system, lines_of(run)) == ("org/model", EXPECTED)
    save_predictions({"q9": {"te/0": 1.0}}, "te", "dev")
    save_predictions({"q8": {"te/0": 1.0}}, "te", "train")
    assert lines_of(read_run(path, subset="sw")) == EXPECTED
    assert read_run(path, subset="te", split="train").queries.tolist() == ["q8"]
    for chosen, problem in (
        ({}, r"has 2 subsets \(sw, te\); --subset names one"),
        ({"subset": "te"}, r"has 2 splits \(dev, train\); --split names one"),
        ({"subset": "ts"}, r"unknown subset 'ts'. Known: sw, te"),
        ({"subset": "sw", "split": "test"}, r"unknown split 'test'. Known: dev"),
    ):
        with pytest.raises(DataError, match=problem):
            read_run(path, **chosen)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"q": {"p": 1}', r"not JSON"),
        ('{"q": {"p": 1}}\n{"r": {"p": 1}}', r"not JSON \(Extra data"),
        ('{"q": {"p": 1, "p": 2}}', r"the name 'p' occurs 2 times in one object"),
        ('{"q": {"p": 1}, "q": {"p": 1}}', r"the name 'q' occurs 2 times"),
        ({"q": {"p": "1"}}, r"query 'q', passage 'p': score '1' is not a number"),
        ({"q": {"p": True}}, r"score True is not a number"),
        ({"q": {"p": None}}, r"score None is not a number"),
        ({"q": {"p": ["x"]}}, r"score \['x'\] is not a number"),
        ('{"q": {"p": NaN}}', r"query 'q', passage 'p': score nan cannot be sorted"),
        ({"q": ["p"]}, r"query 'q': list instead of an object; a JSON run is \{query: \{passage: score\}\}"),
        ({"q": {}}, r"is empty; a JSON run is"),
        ({}, r"is empty; a JSON run is"),
        ({"mteb_model_meta": {}, "default": {"test": [0.5]}}, r"list instead of an object"),
        ({"mteb_model_meta": {}}, r"has 0 subsets \(none\)"),
        ('{"q": {"\\ud800": 1}}', r"not JSON"),
        ("[" * 100_000, r"is not 'query-id Q0 passage-id"),
        ('{"a":' * 100_000, r"not JSON"),
        ("", r"is empty; a run has lines of 'query-id Q0 passage-id rank score tag', or is JSON"),
        ("q Q0 p 1\n", r":1: 'q Q0 p 1' is not 'query-id Q0 passage-id rank score tag'"),
        ("q p 1 0.5 tag\n", r":1: 'q p 1 0.5 tag' is not"),
        ("q Q0 p 1 0.5 a tag\n", r":1: .* is not"),
        ("q Q0 p 1 nan t\n", r":1: score 'nan' cannot be sorted"),
        ("q Q0 p 1 1_0 t\n", r":1: score '1_0' is not a number"),
        ("q Q0 p 1 0,5 t\n", r":1: score '0,5' is not a number"),
        ("q Q0 p 1 1 t\nr Q0 p 1 1 t\n\nq Q0 p 2 2 t\n", r":4: query 'q' has passage 'p' with another score on line 1"),
        ("\x00\n", r":1: .* is not"),
    ],
)
def test_what_is_no_run_is_refused_in_one_sentence(tmp_path, content, problem):
    with pytest.raises(DataError, match=problem) as caught:
        read_run(written(tmp_path / "a.run", content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("between", [" ", "\t", "  \t"])
def test_lines_may_end_and_be_separated_in_any_way_and_ranks_do_not_count(tmp_path, between, end, packed):
    rows = [("q0", "Q0", "a", "7", "1"), ("q1", "Q0", "b", "x", "1e400"), ("q0", "Q0", "c", "1", "-inf")]
    lines = [between.join((*row, "tag")) for row in [*rows, rows[0]]]
    path = tmp_path / "a.run"
    content = end.join(lines).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    run = read_run(path)
    assert lines_of(run) == [("q0", "a", 1.0), ("q1", "b", np.inf), ("q0", "c", -np.inf)]
    assert run.notes == ("1 lines are repeated; each counts once",)


def test_infinite_scores_of_json_are_kept_and_numbers_may_be_of_any_size(tmp_path):
    content = f'{{"q": {{"a": Infinity, "b": -Infinity, "c": 1{"0" * 400}, "d": -1e400}}}}'
    assert read_run(written(tmp_path / "a.json", content)).scores.tolist() == [np.inf, -np.inf, np.inf, -np.inf]


@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4, unique=True))
def test_any_id_is_read_from_json_as_it_is(tmp_path_factory, names):
    scores = {name: dict.fromkeys(names, 1.0) for name in names}
    run = read_run(written(tmp_path_factory.mktemp("run") / "a.json", scores))
    assert [(query, passage) for query, passage, _ in lines_of(run)] == [(q, p) for q in names for p in names]


def test_an_id_may_begin_with_a_brace_in_lines(tmp_path):
    assert read_run(written(tmp_path / "a.run", '{"q": Q0 {p 1 0.5 t\n')).queries.tolist() == ['{"q":']
