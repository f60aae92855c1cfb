"""An experiment.toml -> checkpoints and reports: configurations × seeds, each trained and evaluated once.

An interrupted run continues where it stopped, and finished runs are skipped: a record next to each checkpoint names the
configuration, the model and the collections of its report. Several processes can share an experiment: each run has a
lock, and a process that finds a run locked continues with the next one.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection, load_collections
from babelrank.data.spec import parse_specs
from babelrank.encoding.transforms import parse_transform
from babelrank.errors import TrainingError
from babelrank.files import atomic_write, read_toml
from babelrank.observer import Observer
from babelrank.reporting.experiment_file import Claim, has_collections, read_experiment
from babelrank.reporting.experiment_runs import CHECKPOINTS, PlannedReport, plan_reports
from babelrank.reporting.results import Results
from babelrank.reporting.results_file import FILE_NAME as RESULTS
from babelrank.training.assembly import load_models
from babelrank.training.card import add_results
from babelrank.training.config import ExamplesConfig, ModelConfig, ScheduleConfig, TrainingConfig
from babelrank.training.config_file import expand_name, load_config
from babelrank.training.dry_run import time_steps
from babelrank.training.examples import PASSAGE
from babelrank.training.model import encode_role, prompts_of
from babelrank.training.plan import make_plan
from babelrank.training.run import as_json, with_new_keys

FILE_NAME = "experiment.toml"
_TEXTS_TIMED = 64
_COST = "cost"  # key of a record

Train = Callable[[TrainingConfig], Path]  # a configuration -> folder of the checkpoint
# Model, collections, name of the report, transforms and further options -> its results.
Submit = Callable[[str, Sequence[str], str, Sequence[str], Mapping[str, Any]], Results]


@dataclass(frozen=True)
class Step:
    """A report that an experiment needs.

    Attributes
    ----------
    planned
        The report, and how it is made.
    config
        Configuration of its training run; None if nothing is trained.
    record
        File that records a finished step.
    wanted
        Content of the record of the finished step.
    done
        Whether nothing is left to do.
    """

    planned: PlannedReport
    config: TrainingConfig | None
    record: Path
    wanted: Mapping[str, Any]
    done: bool


@dataclass(frozen=True)
class Experiment:
    """The plan of an experiment.

    Attributes
    ----------
    collections
        Specifications of the collections that are evaluated.
    steps
        Its reports, in the order of the file.
    budget
        Maximum hours of all runs together; None for no limit.
    evaluation
        Options of all submissions.
    claims
        What is tested on its page.
    """

    collections: tuple[str, ...]
    steps: tuple[Step, ...]
    budget: float | None = None
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    @property
    def left(self) -> dict[str, list[Step]]:
        """The unfinished steps, grouped by configuration without the seed."""
        groups: dict[str, list[Step]] = defaultdict(list)
        for step in self.steps:
            if not step.done:
                config = _without_seed(as_json(step.config)) if step.config else step.planned.model
                groups[json.dumps(config, sort_keys=True)].append(step)
        return groups


def plan_experiment(folder: Path, reports: Path) -> Experiment:
    """Read an experiment and its configurations, and find its finished steps.

    Raises
    ------
    BabelrankError
        A file cannot be read or is not valid, or a report that the experiment does not make is missing.
    """
    path = folder / FILE_NAME
    raw = read_toml(path, TrainingError)
    collections = raw.get("collections")
    if not isinstance(collections, list) or not all(isinstance(name, str) for name in collections) or not collections:
        raise TrainingError(f"{path}: 'collections' must be a list of names, got {collections!r}.")
    read = read_experiment(folder)
    names = tuple(collections)
    steps = tuple(_step(each, folder, reports, names, read.evaluation.options) for each in plan_reports(raw))
    for step in steps:
        chosen_by = step.config.validation.collection if step.config and step.config.validation else None
        if chosen_by and _sources(names) & _sources([chosen_by]):
            raise TrainingError(
                f"{folder / str(step.planned.config)}: validation.collection: {chosen_by} is evaluated in {path}; "
                "choose checkpoints by another collection."
            )
    return Experiment(names, steps, read.budget, read.evaluation.options, read.claims)


def _sources(names: Sequence[str]) -> set[tuple[str, ...]]:
    """Return what identifies the collections. The choice of languages does not count if they are parallel."""
    specs = parse_specs(names)
    return {(each.source, each.place, *(each.languages if each.source == "miracl" else ())) for each in specs}


def check_runs(
    experiment: Experiment, observer: Observer, data: Path | None = None, *, trust_remote_code: bool = False
) -> None:
    """Open all inputs of the unfinished runs, so that errors appear now, not after hours of training.

    Raises
    ------
    BabelrankError
        A model, a data set or a collection cannot be read, does not fit a configuration, or cannot test a claim.
    """
    if experiment.left:
        collections = load_collections(experiment.collections, data, log=observer.log)
        for name, other in zip(experiment.collections, collections, strict=True):
            if name != other:  # the page finds results by this name
                raise TrainingError(f"collections: reports call {name!r} {other!r}; use that name.")
        _check_claims(experiment.claims, collections)
        _check_transforms(experiment, collections, data, observer)
    for first, *_ in experiment.left.values():
        if first.config:
            observer.log(f"{first.planned.report}: checking its inputs")
            load_models(first.config, trust_remote_code=trust_remote_code)
            make_plan(first.config, Observer(), data)


def _check_claims(claims: Sequence[Claim], collections: Mapping[str, Collection]) -> None:
    """Check that the collections have the languages of each claim, and its measure."""
    for claim in claims:
        tested = [collections[name] for name in claim.collections or collections]
        known = {lang for each in tested for lang in each.query_counts}
        if unknown := sorted({*claim.languages, *claim.more_than_languages} - known):
            languages = ", ".join(sorted(known))
            raise TrainingError(f"claim {claim.text!r}: no queries in {', '.join(unknown)}; there are {languages}.")
        if claim.figure != "monolingual" and all(len(each.pool_sizes) == 1 for each in tested):
            raise TrainingError(f"claim {claim.text!r}: {claim.figure} needs a collection of several languages.")


def _check_transforms(
    experiment: Experiment, collections: Mapping[str, Collection], data: Path | None, observer: Observer
) -> None:
    """Check that the collections that transforms learn from exist and have the languages of the others."""
    unfinished = [step for step in experiment.steps if not step.done]
    for transform in map(
        parse_transform, dict.fromkeys(text for step in unfinished for text in step.planned.transforms)
    ):
        if isinstance(transform.source, str):
            (learnt,) = load_collections([transform.source], data, log=observer.log).values()
            for collection in collections.values():
                replace(transform, source=learnt).check_languages(collection)


def run_experiment(folder: Path, reports: Path, observer: Observer, *, train: Train, submit: Submit) -> list[str]:
    """Make the missing reports of an experiment; return their names.

    Parameters
    ----------
    folder
        Folder with the experiment.toml; checkpoints go into its ``checkpoints``.
    reports
        Folder of the reports.
    train
        Trains a checkpoint, or continues an interrupted run.
    submit
        Evaluates a model and writes its report. The card of a checkpoint receives its measures, too.

    Raises
    ------
    BabelrankError
        See `plan_experiment`; or a run cannot be trained or evaluated. Finished runs are kept.
    """
    experiment = plan_experiment(folder, reports)
    made = []
    for number, step in enumerate(experiment.steps, start=1):
        name = step.planned.report
        observer.log(f"{number} of {len(experiment.steps)}: {name}{' is done' if step.done else ''}")
        if step.done:
            continue
        step.record.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(step.record.with_suffix(".lock"), timeout=0):
                if _is_made(step, reports):
                    continue
                _make(step, experiment, train, submit)
        except Timeout:
            observer.log(f"{name}: another process is working on it")
            continue
        made.append(name)
    return made


def _make(step: Step, experiment: Experiment, train: Train, submit: Submit) -> None:
    planned = step.planned
    model = str(train(step.config) if step.config else planned.model)
    results = submit(model, experiment.collections, planned.report, planned.transforms, experiment.evaluation)
    if step.config and not planned.transforms:
        add_results(Path(model), results)
    atomic_write(step.record, json.dumps({**step.wanted, _COST: _cost(results)}, indent=2))


def _cost(results: Results) -> dict[str, Any]:
    """Return the cost of training and of each evaluation; null if unknown."""
    costs = {name: asdict(found.cost) if found.cost else None for name, found in results.collections.items()}
    return {"training": asdict(results.model.training_cost) if results.model.training_cost else None, **costs}


def _is_made(step: Step, reports: Path) -> bool:
    return (reports / step.planned.report / RESULTS).is_file() and _is_done(step.record, step.wanted)


def estimate_seconds(
    experiment: Experiment, observer: Observer, data: Path | None = None, *, trust_remote_code: bool = False
) -> dict[str, float]:
    """Return the estimated seconds of each missing report on this machine: training steps, and encoding.

    Runs that differ only in their seed are timed once. Validation, loading and ranking are not included.
    """
    if not experiment.left:
        return {}
    collections = [load_collection(name, data) for name in experiment.collections]
    texts = sum(len({*table["text"]}) for each in collections for table in (each.queries, each.passages.frame))
    sample = collections[0].passages.frame["text"].iloc[:_TEXTS_TIMED].tolist()
    seconds: dict[str, float] = {}
    for steps in experiment.left.values():
        planned, config = steps[0].planned, steps[0].config
        observer.log(f"{planned.report}: timing a few steps")
        models = load_models(config or _evaluation_only(str(planned.model)), trust_remote_code=trust_remote_code)
        began = time.perf_counter()
        encode_role(models.student, prompts_of(models.student), sample, PASSAGE)
        duration = (time.perf_counter() - began) / len(sample) * texts
        if config:
            duration += time_steps(config, models, make_plan(config, observer, data)) * config.schedule.steps
        seconds |= {step.planned.report: duration for step in steps}
    return seconds


def _step(
    planned: PlannedReport,
    folder: Path,
    reports: Path,
    collections: Sequence[str],
    evaluation: Mapping[str, Any],
) -> Step:
    if planned.model is not None:
        model = expand_name(planned.model, folder / FILE_NAME, "runs.model")
        if planned.model.startswith(".") and not Path(model).is_dir():
            if has_collections(reports, planned.report, collections):
                return Step(planned, None, Path(model).with_suffix(".json"), {}, done=True)
            raise TrainingError(
                f"{folder / FILE_NAME}: run {planned.label!r}: there is no folder {model}; "
                "if an experiment trains it, run that first."
            )
        planned = replace(planned, model=model)
    for text in planned.transforms:
        parse_transform(text)
    checkpoint = folder.resolve() / CHECKPOINTS / planned.report
    config = None
    if planned.config is not None:
        config = load_config(folder / planned.config, {**planned.overrides, "output": str(checkpoint)})
    record = checkpoint.with_name(f"{planned.report}.json")
    if config is None and planned.model is None:
        if not (reports / planned.report / RESULTS).is_file():
            raise TrainingError(
                f"{folder / FILE_NAME}: run {planned.label!r}: there is no report {planned.report}; give 'config' "
                "or 'model', or submit it first."
            )
        return Step(planned, config, record, {}, done=True)
    wanted = _describe(planned, config, collections, evaluation)
    step = Step(planned, config, record, wanted, done=False)
    return replace(step, done=_is_made(step, reports))


def _describe(
    planned: PlannedReport,
    config: TrainingConfig | None,
    collections: Sequence[str],
    evaluation: Mapping[str, Any],
) -> dict[str, Any]:
    options = {"transforms": list(planned.transforms), "evaluation": dict(evaluation)}
    return {
        "config": as_json(config) if config else None,
        "model": planned.model,
        "collections": list(collections),
        **{name: value for name, value in options.items() if value},
    }


def _is_done(record: Path, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a record, possibly of an earlier version, matches `wanted`."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        found.pop(_COST, None)  # earlier versions did not record it
        return bool(wanted == {**found, "config": found["config"] and with_new_keys(found["config"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "schedule": {**config["schedule"], "seed": 0}}


def _evaluation_only(model: str) -> TrainingConfig:
    """Return a configuration that names a model and is never trained."""
    return TrainingConfig(
        output="",
        model=ModelConfig(base_model=model),
        examples=(ExamplesConfig(path=""),),
        schedule=ScheduleConfig(steps=1),
    )
