"""An experiment.toml -> checkpoints and reports: configurations × seeds, each trained and evaluated once.

An interrupted run goes on where it was, and what is done is not done again: a record next to each checkpoint names the
configuration, the model and the collections of its report.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelrank.data.loading import load_collection
from babelrank.errors import TrainingError
from babelrank.files import atomic_write, read_toml
from babelrank.observer import Observer
from babelrank.reporting.experiment_runs import PlannedReport, plan_reports
from babelrank.reporting.results import Results
from babelrank.training.assembly import load_models
from babelrank.training.card import add_results
from babelrank.training.config import TrainingConfig
from babelrank.training.config_file import load_config
from babelrank.training.dry_run import time_steps
from babelrank.training.examples import PASSAGE
from babelrank.training.model import encode_role, prompts_of
from babelrank.training.plan import make_plan
from babelrank.training.run import as_json

FILE_NAME = "experiment.toml"
CHECKPOINTS = "checkpoints"
_RESULTS_FILE = "results.json"  # in a report's folder
_TEXTS_TIMED = 64

Train = Callable[[TrainingConfig], Path]  # a configuration -> folder of the checkpoint
Submit = Callable[[str, Sequence[str], str], Results]  # model, collections, name of the report -> its figures


@dataclass(frozen=True)
class Step:
    """A report that an experiment needs.

    Attributes
    ----------
    planned
        The report, and how it comes about.
    config
        Configuration of its training run; None if nothing is trained.
    record
        File that says what was done.
    done
        Whether nothing is left to do.
    """

    planned: PlannedReport
    config: TrainingConfig | None
    record: Path
    done: bool


@dataclass(frozen=True)
class Experiment:
    """What an experiment has to do.

    Attributes
    ----------
    collections
        Specifications of the collections that are evaluated.
    steps
        Its reports, in the order of the file.
    """

    collections: tuple[str, ...]
    steps: tuple[Step, ...]


def plan_experiment(folder: Path, reports: Path) -> Experiment:
    """Read an experiment, all of its configurations, and what is done of it.

    Raises
    ------
    BabelrankError
        A file cannot be read or is not valid, or a report that is not made here is missing.
    """
    path = folder / FILE_NAME
    raw = read_toml(path, TrainingError)
    collections = raw.get("collections")
    if not isinstance(collections, list) or not all(isinstance(name, str) for name in collections) or not collections:
        raise TrainingError(f"{path}: 'collections' should be a list of names, is {collections!r}.")
    names = tuple(collections)
    return Experiment(names, tuple(_step(each, folder, reports, names) for each in plan_reports(raw)))


def run_experiment(folder: Path, reports: Path, observer: Observer, *, train: Train, submit: Submit) -> list[str]:
    """Make the reports of an experiment that are not made yet; return their names.

    Parameters
    ----------
    folder
        Folder with the experiment.toml; checkpoints go into its ``checkpoints``.
    reports
        Folder of the reports.
    train
        Trains a checkpoint, or goes on with one that was begun.
    submit
        Evaluates a model and writes its report; the figures of a checkpoint go into its card, too.

    Raises
    ------
    BabelrankError
        See `plan_experiment`; or a run cannot be trained or evaluated. What was done before is kept.
    """
    experiment = plan_experiment(folder, reports)
    made = []
    for number, step in enumerate(experiment.steps, start=1):
        name = step.planned.report
        observer.log(f"{number} of {len(experiment.steps)}: {name}{' is done' if step.done else ''}")
        if step.done:
            continue
        if step.config:
            checkpoint = train(step.config)
            add_results(checkpoint, submit(str(checkpoint), experiment.collections, name))
        else:
            submit(str(step.planned.model), experiment.collections, name)
        atomic_write(step.record, json.dumps(_describe(step.planned, step.config, experiment.collections), indent=2))
        made.append(name)
    return made


def estimate_seconds(
    experiment: Experiment, observer: Observer, data: Path | None = None, *, trust_remote_code: bool = False
) -> dict[str, float]:
    """Return the seconds that each report that is not made yet will take here: training steps, and encoding.

    Runs that differ in their seed alone are timed once. Validation, loading and ranking are not included.
    """
    if all(step.done for step in experiment.steps):
        return {}
    collections = [load_collection(name, data) for name in experiment.collections]
    texts = sum(len({*table["text"]}) for each in collections for table in (each.queries, each.passages.frame))
    sample = collections[0].passages.frame["text"].iloc[:_TEXTS_TIMED].tolist()
    timed: dict[str, float] = {}
    seconds = {}
    for step in experiment.steps:
        if step.done:
            continue
        config = step.config or TrainingConfig.model_validate_json(_evaluation_only(str(step.planned.model)))
        key = json.dumps(_without_seed(as_json(config)), sort_keys=True)
        if key not in timed:
            observer.log(f"{step.planned.report}: timing a few steps")
            models = load_models(config, trust_remote_code=trust_remote_code)
            began = time.perf_counter()
            encode_role(models.student, prompts_of(models.student), sample, PASSAGE)
            timed[key] = (time.perf_counter() - began) / len(sample) * texts
            if step.config:
                timed[key] += time_steps(config, models, make_plan(config, observer, data)) * config.schedule.steps
        seconds[step.planned.report] = timed[key]
    return seconds


def _step(planned: PlannedReport, folder: Path, reports: Path, collections: Sequence[str]) -> Step:
    checkpoint = folder.resolve() / CHECKPOINTS / planned.report
    config = None
    if planned.config is not None:
        config = load_config(folder / planned.config, {**planned.overrides, "output": str(checkpoint)})
    record = checkpoint.with_name(f"{planned.report}.json")
    there = (reports / planned.report / _RESULTS_FILE).is_file()
    if config is None and planned.model is None:
        if not there:
            raise TrainingError(
                f"{folder / FILE_NAME}: run {planned.label!r}: there is no report {planned.report}; give 'config' "
                "or 'model', or submit it first."
            )
        return Step(planned, config, record, done=True)
    return Step(planned, config, record, there and _read(record) == _describe(planned, config, collections))


def _describe(planned: PlannedReport, config: TrainingConfig | None, collections: Sequence[str]) -> dict[str, Any]:
    return {
        "config": as_json(config) if config else None,
        "model": planned.model,
        "collections": list(collections),
    }


def _read(record: Path) -> Any:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "schedule": {**config["schedule"], "seed": 0}}


def _evaluation_only(model: str) -> str:
    """Return a configuration that names a model and is never trained."""
    return json.dumps(
        {"output": "", "model": {"base_model": model}, "examples": [{"path": ""}], "schedule": {"steps": 1}}
    )
