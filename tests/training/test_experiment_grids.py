"""Runs of an experiment: a grid of values and seeds, and which of them are refused."""

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.experiment_runs import expand_runs, plan_reports
from babelrank.training.experiments import plan_experiment

GRID = {
    "label": "hybrid, α = {alpha}",
    "report": "hybrid-{alpha}",
    "config": "run.toml",
    "grid": {"schedule.alpha": [0.0, 0.5]},
}


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
        ("hybrid-0.5", {"schedule": {"alpha": 0.5, "seed": 3}}),
        ("hybrid-0.0-seed-4", {"schedule": {"alpha": 0.0, "seed": 4}}),
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
        (GRID | {"model": "org/model"}, "'config' and 'model' exclude each other"),
    ],
)
def test_a_run_that_is_not_valid_is_refused(run, problem):
    with pytest.raises(ReportError, match=problem):
        plan_reports({"runs": [run]})


@pytest.mark.parametrize("seeds", [1, [-1], ["0"], [True], [0.5], [0, 0]])
def test_seeds_that_are_none_are_refused(seeds):
    with pytest.raises(ReportError, match="seeds: must "):
        plan_reports({"seeds": seeds, "runs": [GRID]})


@pytest.mark.parametrize("key", ["schedule", "schedule.", ".alpha", "", "output"])
def test_a_grid_varies_keys_of_tables(key):
    raw = {"runs": [GRID | {"grid": {key: [1, 2]}}], "collections": ["sample"]}
    with pytest.raises(ReportError, match=r"runs\[0\]\.grid: "):
        plan_reports(raw)


def test_truth_values_of_a_grid_are_named_as_in_the_file():
    run = {"label": "{bf16}", "report": "run-{bf16}", "config": "run.toml", "grid": {"engine.bf16": [True, False]}}
    planned = plan_reports({"runs": [run], "collections": ["sample"]})
    assert [each.report for each in planned] == ["run-true", "run-false"]
    assert [each.overrides for each in planned] == [{"engine": {"bf16": value}} for value in (True, False)]


def test_a_grid_over_a_key_of_all_data_sets_sets_it_in_each(experiment):
    path = experiment / "experiment.toml"
    path.write_text(path.read_text().replace('"schedule.alpha" = [0.0, 0.5]', '"examples.share" = [0.5, 1.0]'))
    path.write_text(path.read_text().replace("{alpha}", "{share}"))
    planned = plan_experiment(experiment, experiment / "reports")
    assert [step.config.examples[0].share for step in planned.steps if step.config] == [0.5, 1.0, 0.5, 1.0]


def test_a_run_can_have_seeds_of_its_own(experiment):
    path = experiment / "experiment.toml"
    path.write_text(path.read_text().replace("[0.0, 0.5]}}", "[0.0, 0.5]}, seeds = [3]}"))
    planned = plan_experiment(experiment, experiment / "reports")
    assert [step.config.schedule.seed for step in planned.steps if step.config] == [3, 3]
