"""Experiments: configurations × seeds, each trained and evaluated once."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from babelrank.api.experiments import ExperimentPreview
from babelrank.checkpoints import training_cost
from babelrank.cli import app
from babelrank.errors import BabelrankError, EncoderError, ReportError, TrainingError
from babelrank.reporting.experiment_file import read_experiment
from babelrank.training.experiments import check_runs, estimate_seconds, plan_experiment, run_experiment
from observers import RecordingTrainingObserver
from paths import EXPERIMENTS, REPORTS
from toy_reports import toy_results


class Doings:
    """Trains and submits in name only; can be interrupted at a report."""

    def __init__(self, reports, stop_at=None):
        self.done, self._reports, self._stop_at = [], reports, stop_at

    def train(self, config):
        self.done.append(("train", config.schedule.alpha, config.schedule.seed))
        return Path(config.output)

    def submit(self, model, collections, name, transforms=(), options=None):
        if name == self._stop_at:
            raise KeyboardInterrupt
        self.done.append(("submit", Path(model).name, tuple(collections), name))
        (self._reports / name).mkdir(parents=True)
        (self._reports / name / "results.json").write_text("{}")
        return toy_results()[0]

    def run(self, folder):
        return run_experiment(folder, self._reports, RecordingTrainingObserver(), train=self.train, submit=self.submit)


# --- what is done ---


def test_each_report_is_made_once(experiment):
    doings = Doings(experiment / "reports")
    made = doings.run(experiment)
    assert made == ["base", "a-0.0", "a-0.5", "a-0.0-seed-7", "a-0.5-seed-7"]
    assert [done[1:] for done in doings.done if done[0] == "train"] == [(0.0, 0), (0.5, 0), (0.0, 7), (0.5, 7)]
    assert doings.done[2] == ("submit", "a-0.0", ("sample:de,en",), "a-0.0")
    again = Doings(experiment / "reports")
    assert again.run(experiment) == again.done == []
    assert [run.reports for run in read_experiment(experiment).runs][1] == ("a-0.0", "a-0.0-seed-7")


def test_an_interrupted_experiment_goes_on_where_it_was(experiment):
    with pytest.raises(KeyboardInterrupt):
        Doings(experiment / "reports", stop_at="a-0.0-seed-7").run(experiment)
    assert Doings(experiment / "reports").run(experiment) == ["a-0.0-seed-7", "a-0.5-seed-7"]


def test_processes_share_an_experiment(experiment):
    one, another = Doings(experiment / "reports"), Doings(experiment / "reports")
    submit, begun = one.submit, []

    def submit_while_another_runs(model, collections, name, *others):
        if not begun:
            begun.append(name)
            begun.extend(another.run(experiment))
        return submit(model, collections, name, *others)

    one.submit = submit_while_another_runs
    assert one.run(experiment) == ["base"]
    assert begun == ["base", "a-0.0", "a-0.5", "a-0.0-seed-7", "a-0.5-seed-7"]


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
    with (folder / "experiment.toml").open("a") as file:
        file.write('[evaluation]\ndtype = "bfloat16"\nbase_model = "Tiny"\n')
    arguments = [str(folder), "--reports", str(tmp_path / "reports"), "--store", str(tmp_path / "store")]
    outcome = CliRunner().invoke(app, ["experiment", *arguments])
    assert outcome.exit_code == 0, outcome.output
    page = (tmp_path / "reports" / "made.md").read_text()
    assert "α = 0.5" in page
    checkpoint = folder / "checkpoints" / "a-0.5-seed-7"
    data = ModelCard.load(checkpoint / "README.md").data
    assert data.model_name == "a-0.5-seed-7"
    stored = json.loads((tmp_path / "reports" / "a-0.5-seed-7" / "results.json").read_text())
    assert (stored["model"]["settings"]["dtype"], stored["model"]["base_model"]) == ("bfloat16", "Tiny")
    measured = stored["collections"]["sample:de,en"]["macro"]["multilingual"]["mAP"]
    assert measured in [result.metric_value for result in data.eval_results]
    assert "loss:InfoNCE" in data.tags
    trained, cost = training_cost(checkpoint)[0], stored["collections"]["sample:de,en"]["cost"]
    assert stored["model"]["training_cost"]["cpu_seconds"] == trained
    assert cost["cpu_seconds"] > 0
    record = json.loads(checkpoint.with_name("a-0.5-seed-7.json").read_text())
    assert record["cost"]["training"]["cpu_seconds"] == trained
    assert record["cost"]["sample:de,en"]["cpu_seconds"] == pytest.approx(cost["cpu_seconds"], abs=1e-6)
    assert "| base | not trained | " in page
    assert "All runs together took" in page
    shown = CliRunner().invoke(app, ["experiment", *arguments, "--dry-run"])
    assert shown.output.count(": done") == 5
    assert "total: 0.0 minutes" in shown.output


# --- what is refused before anything is trained ---


@pytest.mark.parametrize(
    ("grid", "problem"),
    [
        ('{"model.layers" = [1, 0]}', r"model\.layers"),
        ('{"model.layers" = [1, 99]}', r"model\.layers: .* has \d+ layers, but 99 were asked for"),
        ('{"examples.share" = [0.5, 2.0]}', r"examples\[0\]\.share"),
        ('{"examples.share" = [1.0, 0.1]}', r"no X-X batch of 4"),
        ('{"schedule.beta" = [1]}', "schedule: unknown key 'beta'"),
        ('{"schedule.alpha" = []}', "runs.1..grid"),
        ('{"schedule.alpha" = 0.5}', r"runs\[1\]\.grid\.schedule\.alpha: must be a list"),
        ('{"schedule.seed" = [1, 2]}', "'schedule.seed' cannot be varied here; use 'seeds'"),
    ],
)
def test_values_that_a_run_cannot_have_are_refused_before_the_first_is_trained(experiment, grid, problem):
    path = experiment / "experiment.toml"
    text = path.read_text().replace('{"schedule.alpha" = [0.0, 0.5]}', grid)
    path.write_text(text.replace("{alpha}", "{" + grid.split(".")[1].split('"')[0] + "}"))
    shown = CliRunner().invoke(app, ["experiment", str(experiment), "--reports", str(experiment / "reports")])
    assert shown.exit_code != 0
    assert re.search(problem, shown.stderr), shown.stderr
    assert not list(experiment.glob("checkpoints/*"))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ('collections = ["sample:en,de"]', "reports call 'sample:en,de' 'sample:de,en'; use that name"),
        ('collections = ["sample:de,en", "nowhere"]', "unknown collection 'nowhere'"),
        ('collections = ["sample:de,en", "sample:de,en"]', "must contain each once"),
        ("budget = inf", "budget: must be a finite number"),
        ("budget = true", "budget: must be a number"),
        ('claims = [{CLAIM, figure = "eta"}]', "claims.0.figure: must be 'monolingual'"),
        ('claims = [{CLAIM, figure = "merge_gap", times = 0}]', "times: must be greater than 0"),
        ('claims = [{CLAIM, figure = "merge_gap", by = nan}]', "by: must be a finite number"),
        ('claims = [{CLAIM, figure = "merge_gap", languages = ["fr"]}]', "no queries in fr; there are de, en"),
        ('claims = [{CLAIM, figure = "merge_gap", languages = ["de"], more_than_languages = ["de"]}]', "one twice"),
        (
            'collections = ["sample:de"]\nclaims = [{CLAIM, figure = "merge_gap"}]',
            "merge_gap needs a coll",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_the_first_is_trained(experiment, changed, problem):
    path = experiment / "experiment.toml"
    changed = changed.replace("CLAIM", 'text = "Better", run = "α = 0.5", better_than = ["base"]')
    text = path.read_text()
    text = text.replace('collections = ["sample:de,en"]\n', "") if changed.startswith("collections") else text
    path.write_text(text.replace('start = "base"', f'start = "base"\n{changed}'))
    with pytest.raises(BabelrankError, match=problem):
        check_runs(plan_experiment(experiment, experiment / "reports"), RecordingTrainingObserver())


def test_checkpoints_are_not_chosen_by_what_is_evaluated(experiment):
    path = experiment / "run.toml"
    path.write_text(
        path.read_text() + '[validation]\nevery = 1\nselect_by = "rank_ratio"\ncollection = "sample:es,hi"\n'
    )
    with pytest.raises(TrainingError, match=r"validation\.collection: sample:es,hi is evaluated in"):
        plan_experiment(experiment, experiment / "reports")
    path.write_text(path.read_text().replace("sample:es,hi", "beir:scifact"))
    text = (experiment / "experiment.toml").read_text()
    (experiment / "experiment.toml").write_text(text.replace('"sample:de,en"', '"sample:de,en", "beir:nfcorpus"'))
    assert plan_experiment(experiment, experiment / "reports").steps


def test_the_expected_time_is_compared_with_the_budget():
    preview = ExperimentPreview({"a": False, "b": True}, {"a": 7200.0}, budget=1.5)
    assert str(preview).endswith(
        "total: 120.0 minutes, without validation, loading and ranking: more than the budget of 1.5 h."
    )
    assert "within the budget of 2 h" in str(ExperimentPreview({"a": False}, {"a": 7200.0}, budget=2))


def test_a_model_is_evaluated_with_transforms(experiment, tiny_model):
    path = experiment / "experiment.toml"
    run_of = f'{{label = "half", report = "half", model = "{tiny_model}", transforms = ["center:50"]}},'
    path.write_text(path.read_text().replace("runs = [\n", f"runs = [\n{run_of}\n"))
    given = []

    class Doing(Doings):
        def submit(self, model, collections, name, transforms=(), options=None):
            given.append((name, transforms))
            return super().submit(model, collections, name)

    Doing(experiment / "reports").run(experiment)
    assert given[:2] == [("half", ("center:50",)), ("base", ())]
    path.write_text(path.read_text().replace("center:50", "center:500"))
    with pytest.raises(EncoderError, match="center:500"):
        plan_experiment(experiment, experiment / "reports")


@pytest.mark.parametrize(
    ("source", "problem"), [("sample:de", "sample:de has no passages in en"), ("sample:xx", "unknown language 'xx'")]
)
def test_a_transform_that_cannot_learn_is_refused_before_anything_is_made(experiment, tiny_model, source, problem):
    path = experiment / "experiment.toml"
    run_of = f'{{label = "news", report = "news", model = "{tiny_model}", transforms = ["center@{source}"]}},'
    path.write_text(path.read_text().replace("runs = [\n", f"runs = [\n{run_of}\n"))
    with pytest.raises(BabelrankError, match=problem):
        check_runs(plan_experiment(experiment, experiment / "reports"), RecordingTrainingObserver())


@pytest.mark.parametrize("option", ['dtype = "int3"', "batch_size = 0", 'adapter = "use"'])
def test_an_evaluation_that_cannot_be_is_refused(experiment, option):
    with (experiment / "experiment.toml").open("a") as file:
        file.write(f"[evaluation]\n{option}\n")
    with pytest.raises(ReportError, match=rf"evaluation\.{option.split()[0]}"):
        plan_experiment(experiment, experiment / "reports")


def test_checkpoints_of_another_experiment_are_evaluated(experiment, tmp_path):
    folder = experiment.parent / "later"
    folder.mkdir()
    (folder / "experiment.toml").write_text("""
title = "Later"
text = "With what was trained before."
collections = ["sample:es"]
start = "α = 0.5"
seeds = [0, 7]
runs = [{label = "α = 0.5", report = "a-0.5", checkpoints = "../made"}]
""")
    with pytest.raises(TrainingError, match=r"run 'α = 0.5': there is no folder .*a-0.5; if an experiment trains it"):
        plan_experiment(folder, experiment / "reports")
    Doings(experiment / "reports").run(experiment)
    for name in ("a-0.5", "a-0.5-seed-7"):
        (experiment / "checkpoints" / name).mkdir()
    given = []

    class Doing(Doings):
        def submit(self, model, collections, name, *_):
            given.append((Path(model).resolve(), tuple(collections), name))
            return toy_results()[0]

    assert Doing(experiment / "reports").run(folder) == ["a-0.5", "a-0.5-seed-7"]
    checkpoints = (experiment / "checkpoints").resolve()
    assert given == [(checkpoints / name, ("sample:es",), name) for name in ("a-0.5", "a-0.5-seed-7")]
    assert Doing(experiment / "reports").run(folder) == []
    shutil.rmtree(experiment / "checkpoints")  # as on a machine that has the reports alone
    for name in ("a-0.5", "a-0.5-seed-7"):
        shutil.copytree(REPORTS / "bm25", experiment / "reports" / name, dirs_exist_ok=True)
    with pytest.raises(TrainingError, match="there is no folder"):
        plan_experiment(folder, experiment / "reports")
    path = folder / "experiment.toml"
    path.write_text(path.read_text().replace("sample:es", "mlqa-r"))
    assert all(step.done for step in plan_experiment(folder, experiment / "reports").steps)
    assert read_experiment(folder).runs[0].reports == ("a-0.5", "a-0.5-seed-7")


def test_another_experiment_that_cannot_be_read_is_named_before_anything_is_trained(experiment, tmp_path):
    for name in ("made", "damaged"):
        (tmp_path / "experiments" / name).mkdir(parents=True)
        for file in ("experiment.toml", "run.toml"):
            shutil.copy(experiment / file, tmp_path / "experiments" / name)
    (tmp_path / "experiments" / "damaged" / "experiment.toml").write_text("title = ")
    arguments = [str(tmp_path / "experiments" / "made"), "--reports", str(tmp_path / "reports")]
    outcome = CliRunner().invoke(app, ["experiment", *arguments])
    assert outcome.exit_code != 0
    assert "damaged/experiment.toml: not TOML" in outcome.stderr
    assert not (tmp_path / "reports").exists()


def test_a_report_is_called_as_its_folder(experiment):
    path = experiment / "experiment.toml"
    path.write_text(path.read_text().replace('report = "base"', 'report = "My base"'))
    with pytest.raises(ReportError, match="'My base' cannot be the name of a report's folder; use 'my-base'"):
        plan_experiment(experiment, experiment / "reports")


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in EXPERIMENTS.glob("*/experiment.toml")), ids=lambda path: path.name
)
def test_the_experiments_of_this_project_can_be_planned(folder, monkeypatch, tmp_path):
    for name in ("BABELRANK_DATA", "ME5_SMALL", "ME5_CENTERED"):
        monkeypatch.setenv(name, str(tmp_path))
    problem = ""
    try:
        planned = plan_experiment(folder, EXPERIMENTS.parent / "reports")
    except TrainingError as error:
        problem = str(error)
    if "checkpoints = " in (folder / "experiment.toml").read_text() and problem:
        assert problem.endswith("if an experiment trains it, run that first.")  # as its checkpoints are not committed
    else:
        assert planned.steps
        assert planned.budget


def test_a_configuration_that_no_file_can_be_is_refused(experiment, tmp_path):
    path = experiment / "experiment.toml"
    path.write_text(path.read_text().replace('config = "run.toml"', 'config = "\\u0000"'))
    with pytest.raises(BabelrankError, match="a path cannot hold a null character"):
        plan_experiment(experiment, tmp_path / "reports")
