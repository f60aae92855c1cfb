"""Hard negatives: which passages are found, which are left out, and that training draws them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from babelrank.cli import app
from babelrank.encoding.objects import wrap_encoder
from babelrank.errors import TrainingError
from babelrank.observer import Observer
from babelrank.training import mining
from babelrank.training.indexing import read_examples
from babelrank.training.mining import MiningSettings, mine_negatives
from training_runs import read_metadata, run

# Places on a circle, in degrees: the cosine of a question and a passage is that of the angle between them.
ANGLES = {
    "q0": 0, "p0": 10, "p1": 30, "p2": 50, "p3": 11, "p4": 20, "q1": 30, "q2": 50, "q3": 12, "q4": 20,
    "f0": 0, "d0": 14, "f1": 31, "d1": 25, "d2": 60, "f2": 55,
}  # fmt: skip


def encode(texts):
    radians = np.radians([ANGLES.get(text, len(text)) for text in texts])
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


@pytest.fixture
def mine(tmp_path):
    """Write examples, mine, and return the negatives of each and the summary."""

    def work(lines, *, encoder=encode, **settings):
        path, out = tmp_path / "examples.jsonl", tmp_path / "mined.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        out.unlink(missing_ok=True)
        summary = mine_negatives(
            read_examples(path), wrap_encoder(encoder), out, MiningSettings(**settings), Observer()
        )
        written = [json.loads(line) for line in out.read_text().splitlines()]
        return {line["id"]: line["negatives"] for line in written if "negatives" in line}, summary

    return work


def english(*numbers):
    return [{"id": str(i), "query": {"en": f"q{i}"}, "passage": {"en": f"p{i}"}} for i in numbers]


def test_the_nearest_passages_of_others_are_taken_less_those_within_the_margin(mine):
    # cos 11° is 0.997 of cos 10°, cos 20° 0.954, cos 30° 0.879, cos 50° 0.653.
    found, summary = mine(english(0, 1, 2, 3, 4), count=2)
    assert found["0"] == [{"en": "p1"}, {"en": "p2"}]
    assert (summary.without, summary.examples) == (0, 5)
    assert mine(english(0, 1, 2, 3, 4), count=2, margin=0.96)[0]["0"] == [{"en": "p4"}, {"en": "p1"}]
    assert mine(english(0, 1, 2, 3, 4), count=1, depth=1)[0]["0"] == []


def test_the_margin_holds_where_the_true_passage_is_far(mine, monkeypatch):
    monkeypatch.setitem(ANGLES, "p0", 100)  # a cosine below 0: nearer passages are all too near, farther ones are not
    monkeypatch.setitem(ANGLES, "p2", 170)
    assert mine(english(0, 1, 2))[0]["0"] == [{"en": "p2"}]


def test_questions_in_other_languages_find_more_and_veto_what_is_too_near_for_them(mine, monkeypatch):
    lines = [
        {"id": str(i), "query": {"en": f"q{i}", "de": f"f{i}"}, "passage": {"en": f"p{i}", "de": f"d{i}"}}
        for i in range(3)
    ]
    found, summary = mine(lines, count=1)
    assert found["0"] == [{"de": "d1"}, {"de": "d2"}, {"en": "p1"}, {"en": "p2"}]
    alone, _ = mine(lines, count=1, across=False)
    assert alone["0"] == [{"de": "d1"}, {"en": "p1"}]
    assert summary.negatives == {"de": 5, "en": 6}
    assert {"en": "p1"} in found["2"]
    monkeypatch.setitem(ANGLES, "f2", 42)  # as near to p1 as to p2, almost
    assert {"en": "p1"} not in mine(lines, count=1)[0]["2"]
    assert {"en": "p1"} in mine(lines, count=1, across=False)[0]["2"]


@pytest.mark.parametrize("shared", [{"query": {"en": "q0"}}, {"passage": {"en": "p1", "de": "d0"}}])
def test_what_says_the_same_in_any_language_is_no_negative(mine, shared):
    lines = english(0, 1, 2)
    lines[0]["passage"]["de"] = "d0"
    lines[1] |= shared
    # Rows with one question are one example with two passages.
    assert {"en": "p1"} not in mine(lines)[0]["0"]


def test_negatives_that_are_there_are_kept_and_equal_texts_are_mined_once(mine):
    lines = [*english(0, 1, 2), {"id": "3", "query": {"en": "q3"}, "passage": {"en": "p2"}}]
    lines[0]["negatives"] = [{"en": "by hand"}]
    assert mine(lines)[0]["0"] == [{"en": "by hand"}, {"en": "p1"}, {"en": "p2"}]


@pytest.mark.parametrize("settings", [{"count": 0}, {"depth": 0}, {"margin": 0.0}, {"margin": 1.1}])
def test_numbers_out_of_range_are_refused(settings):
    with pytest.raises(TrainingError, match=f"{next(iter(settings))} must be"):
        MiningSettings(**settings)


def test_many_passages_are_searched_by_an_inverted_file(mine, monkeypatch):
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((100, 16))
    vectors = {f"{side}{i}": centers[i % 100] + rng.standard_normal(16) / 4 for i in range(3000) for side in "qp"}
    lines = english(*range(3000))

    def look_up(texts):
        return np.stack([vectors.get(text, np.full(16, len(text))) for text in texts])

    near = {"encoder": look_up, "count": 3, "margin": 0.999}
    exact, _ = mine(lines, **near)
    monkeypatch.setattr(mining, "_EXACT_UP_TO", 100)
    monkeypatch.setattr(mining, "_AT_ONCE", 700)
    found, _ = mine(lines, **near)
    same = [negative in exact[name] for name, negatives in found.items() for negative in negatives]
    assert np.mean(same) > 0.8


def test_sparse_models_are_refused_and_what_is_there_is_not_written_over(tmp_path, examples):
    shown = CliRunner().invoke(app, ["mine", str(examples), "--model", "bm25", "--out", str(tmp_path / "m.jsonl")])
    assert shown.exit_code == 2
    assert "mining needs dense vectors; bm25 returns sparse ones" in shown.stderr
    with pytest.raises(TrainingError, match="exists"):
        mine_negatives(read_examples(examples), wrap_encoder(encode), examples, MiningSettings(), Observer())


def test_what_the_command_writes_can_be_trained_with(write_config, examples, tiny_model, tmp_path):
    out = tmp_path / "mined.jsonl"
    shown = CliRunner().invoke(
        app, ["mine", str(examples), "--model", str(tiny_model), "--out", str(out), "--margin", "1.0"]
    )
    assert shown.exit_code == 0, shown.output
    assert "negatives: de " in shown.stdout
    path = write_config(steps=1, more="[objectives.info_nce]\nhard_negatives = 2\n")
    path.write_text(path.read_text().replace(str(examples), str(out)))
    folder, _ = run(path)
    assert read_metadata(folder)["examples"][0]["examples"] == 20
