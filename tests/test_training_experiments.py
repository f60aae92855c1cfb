"""Experiments: configurations × seeds, each trained and evaluated once."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from babelrank.cli import app
from babelrank.errors import ReportError, TrainingError
from babelrank.reporting.experiment import read_experiment
from babelrank.reporting.experiment_runs import expand_runs, plan_reports
from babelrank.training.experiments import estimate_seconds, plan_experiment, run_experiment
from observers import RecordingTrainingObserver

GRID = {
    "label": "hybrid, α = {alpha}",
    "report": "hybrid-{alpha}",
    "config": "run.toml",
    "grid": {"schedule.alpha": [0.0, 0.5]},
}


@pytest.fixture
def experiment(write_config, tiny_model, tmp_path):
    """The folder of an experiment with the tiny model, and two values of α with two seeds each."""
    write_config(steps=2)
    (tmp_path / "experiment.toml").write_text(
        f"""
title = "Made"
text = "For a test."
collections = ["sample:de,en"]
start = "base"
seeds = [0, 7]
runs = [
  {{label = "base", report = "base", model = "{tiny_model}"}},
  {{label = "α = {{alpha}}", report = "a-{{alpha}}", config = "run.toml", grid = {{"schedule.alpha" = [0.0, 0.5]}}}},
]
"""
    )
    return tmp_path


class Doings:
    """Trains and submits in name only; can be interrupted at a report."""

    def __init__(self, reports, stop_at=None):
        self.done, self._reports, self._stop_at = [], reports, stop_at

    def train(self, config):
        self.done.append(("train", config.schedule.alpha, config.schedule.seed))
        return Path(config.output)

    def submit(self, model, collections, name):
        if name == self._stop_at:
            raise KeyboardInterrupt
        self.done.append(("submit", Path(model).name, tuple(collections), name))
        (self._reports / name).mkdir(parents=True)
        (self._reports / name / "results.json").write_text("{}")

    def run(self, folder):
        return run_experiment(folder, self._reports, RecordingTrainingObserver(), train=self.train, submit=self.submit)


# --- what is planned ---


def test_a_grid_is_a_run_for_each_value_and_seeds_are_its_repeats():
    raw = {"seeds": [3, 4], "runs": [{"label": "base", "report": "base"}, GRID], "collections": ["sample"]}
    assert expand_runs(raw) == {
        "collections": ["sample"],
        "runs": [
            {"label": "base", "report": "base"},
            *(
                {
                    "label": f"hybrid, α = {alpha}",
                    "report": f"hybrid-{alpha}",
                    "repeats": (f"hybrid-{alpha}-seed-4",),
                    "config": "run.toml",
                }
                for alpha in (0.0, 0.5)
            ),
        ],
    }
    assert [(each.report, each.overrides) for each in plan_reports(raw)] == [
        ("base", {}),
        ("hybrid-0.0", {"schedule": {"alpha": 0.0, "seed": 3}}),
        ("hybrid-0.0-seed-4", {"schedule": {"alpha": 0.0, "seed": 4}}),
        ("hybrid-0.5", {"schedule": {"alpha": 0.5, "seed": 3}}),
        ("hybrid-0.5-seed-4", {"schedule": {"alpha": 0.5, "seed": 4}}),
    ]


def test_an_experiment_without_grid_and_seeds_stays_as_it_is():
    raw = {"runs": [{"label": "a", "report": "a", "config": "a.toml", "repeats": ["a-2"]}], "title": "T"}
    assert expand_runs(raw) == raw | {"runs": [raw["runs"][0] | {"repeats": ("a-2",)}]}


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        ({"label": "a"}, r"runs\[0\]\.report: Field required"),
        (GRID | {"report": "{beta}"}, r"can hold these names in braces: \{alpha\}"),
        (GRID | {"report": "same"}, "same is the report of two runs"),
        ({"label": "a", "report": "a", "grid": {"schedule.alpha": [0.5]}}, "'grid' is for a run with 'config'"),
        (GRID | {"model": "org/model"}, "'model' for one without"),
    ],
)
def test_a_run_that_is_not_valid_is_refused(run, problem):
    with pytest.raises(ReportError, match=problem):
        plan_reports({"runs": [run]})


@pytest.mark.parametrize("seeds", [1, [-1], ["0"], [True], [0.5]])
def test_seeds_that_are_none_are_refused(seeds):
    with pytest.raises(ReportError, match="seeds: should be a list of whole numbers"):
        plan_reports({"seeds": seeds, "runs": [GRID]})


# --- what is done ---


def test_each_report_is_made_once(experiment):
    doings = Doings(experiment / "reports")
    made = doings.run(experiment)
    assert made == ["base", "a-0.0", "a-0.0-seed-7", "a-0.5", "a-0.5-seed-7"]
    assert [done[1:] for done in doings.done if done[0] == "train"] == [(0.0, 0), (0.0, 7), (0.5, 0), (0.5, 7)]
    assert doings.done[2] == ("submit", "a-0.0", ("sample:de,en",), "a-0.0")
    again = Doings(experiment / "reports")
    assert again.run(experiment) == again.done == []
    assert [run.reports for run in read_experiment(experiment).runs][1] == ("a-0.0", "a-0.0-seed-7")


def test_an_interrupted_experiment_goes_on_where_it_was(experiment):
    with pytest.raises(KeyboardInterrupt):
        Doings(experiment / "reports", stop_at="a-0.0-seed-7").run(experiment)
    assert Doings(experiment / "reports").run(experiment) == ["a-0.0-seed-7", "a-0.5", "a-0.5-seed-7"]


def test_what_changes_is_made_again(experiment):
    Doings(experiment / "reports").run(experiment)
    steps = plan_experiment(experiment, experiment / "reports").steps
    assert all(step.done for step in steps)
    steps[1].record.write_text(json.dumps(json.loads(steps[1].record.read_text()) | {"collections": ["another"]}))
    (experiment / "reports" / "a-0.5" / "results.json").unlink()
    left = [step.planned.report for step in plan_experiment(experiment, experiment / "reports").steps if not step.done]
    assert left == ["a-0.0", "a-0.5"]


def test_a_report_that_nobody_makes_is_refused(experiment):
    path = experiment / "experiment.toml"
    path.write_text(path.read_text().replace('{label = "base"', '{label = "other", report = "other"}, {label = "base"'))
    with pytest.raises(TrainingError, match=r"run 'other': there is no report other; give 'config' or 'model'"):
        plan_experiment(experiment, experiment / "reports")


@pytest.mark.parametrize("text", ["collections = 3", "collections = []", "runs = [", ""])
def test_an_experiment_that_cannot_be_read_is_refused(tmp_path, text):
    (tmp_path / "experiment.toml").write_text(text)
    with pytest.raises(TrainingError, match=r"experiment\.toml: "):
        plan_experiment(tmp_path, tmp_path)


def test_the_time_of_what_is_left_is_estimated(experiment):
    Doings(experiment / "reports", stop_at=None).submit("base", ["sample:de,en"], "base")
    seconds = estimate_seconds(plan_experiment(experiment, experiment / "reports"), RecordingTrainingObserver())
    assert list(seconds) == ["base", "a-0.0", "a-0.0-seed-7", "a-0.5", "a-0.5-seed-7"]
    assert all(value > 0 for value in seconds.values())
    assert seconds["a-0.0"] == seconds["a-0.0-seed-7"]  # timed once


def test_the_command_trains_evaluates_and_writes_the_page(experiment, tmp_path):
    folder = tmp_path / "experiments" / "made"
    folder.mkdir(parents=True)
    for name in ("experiment.toml", "run.toml"):
        (folder / name).write_text((experiment / name).read_text())
    arguments = [str(folder), "--reports", str(tmp_path / "reports"), "--store", str(tmp_path / "store")]
    outcome = CliRunner().invoke(app, ["experiment", *arguments])
    assert outcome.exit_code == 0, outcome.output
    page = (tmp_path / "reports" / "made.md").read_text()
    assert "α = 0.5" in page
    checkpoint = folder / "checkpoints" / "a-0.5-seed-7"
    data = ModelCard.load(checkpoint / "README.md").data
    assert data.model_name == "a-0.5-seed-7"
    stored = json.loads((tmp_path / "reports" / "a-0.5-seed-7" / "results.json").read_text())
    measured = stored["collections"]["sample:de,en"]["macro"]["multilingual"]["mAP"]
    assert measured in [result.metric_value for result in data.eval_results]
    assert "loss:InfoNCE" in data.tags
    shown = CliRunner().invoke(app, ["experiment", *arguments, "--dry-run"])
    assert shown.output.count(": done") == 5
    assert "in all: 0.0 minutes" in shown.output
