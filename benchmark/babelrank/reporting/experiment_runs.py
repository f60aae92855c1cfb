"""The runs in an experiment.toml -> one run for each value of a grid, and one report for each seed.

Input: the contents of the TOML file. Output: the same with plain runs, for the page; and the plan of each report.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from babelrank.errors import ReportError
from babelrank.reporting.names import slug

_SET_BY_RUNNER = {"schedule.seed": "use 'seeds'", "output": "checkpoints are named after their reports"}
# What pydantic calls values -> what they are in TOML.
_IN_TOML = {"valid tuple": "list", "valid dictionary": "table", "valid integer": "whole number", "a valid": "a"}
CHECKPOINTS = "checkpoints"  # folder of an experiment's trained models, by report


class _RunEntry(BaseModel):
    """A run in the file; see experiments/README.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    report: str
    repeats: tuple[str, ...] = ()
    config: str | None = None
    model: str | None = None
    checkpoints: str | None = None  # folder of an experiment; its checkpoints of these reports are evaluated
    transforms: tuple[str, ...] = ()  # transforms of the vectors, in the format of `babelrank submit --transform`
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    seeds: tuple[Annotated[int, Field(ge=0, strict=True)], ...] | None = None  # the experiment's by default


@dataclass(frozen=True)
class PlannedReport:
    """A report of an experiment, and how it is made.

    Attributes
    ----------
    label
        Label of its run.
    report
        Name of its folder.
    config
        File with the configuration of the training run, next to the experiment's own; None if nothing is trained.
    model
        Model that is evaluated without training, or checkpoint of another experiment; None if the model is trained
        here, and for a report that the experiment does not make.
    overrides
        Values of this run for keys of the configuration, by table.
    transforms
        Transforms of the vectors, in order.
    """

    label: str
    report: str
    config: str | None = None
    model: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    transforms: tuple[str, ...] = ()


def expand_runs(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment with plain runs: each names its reports, and has no grid and no seeds.

    Raises
    ------
    ReportError
        A run is not valid.
    """
    runs = []
    for entry, _ in _expand(raw):
        reports = [name for name, _ in _reports(entry, _seeds(raw))]
        plain = entry.model_dump(include={"label", "config", "model"})
        run = {**plain, "report": reports[0], "repeats": tuple(reports[1:])}
        runs.append({key: value for key, value in run.items() if value})
    return {**{key: value for key, value in raw.items() if key != "seeds"}, "runs": runs}


def plan_reports(raw: Mapping[str, Any]) -> list[PlannedReport]:
    """Return all reports of an experiment: every run with its first seed, then with the next.

    Raises
    ------
    ReportError
        A run is not valid, or two have the same report.
    """
    by_seed: dict[int, list[PlannedReport]] = {}
    for entry, values in _expand(raw):
        for repeat, (name, seed) in enumerate(_reports(entry, _seeds(raw))):
            settings = values if seed is None or not entry.config else {**values, "schedule.seed": seed}
            model = f"{entry.checkpoints}/{CHECKPOINTS}/{name}" if entry.checkpoints else entry.model
            by_seed.setdefault(repeat, []).append(
                PlannedReport(entry.label, name, entry.config, model, _nest(settings), entry.transforms)
            )
    planned = [each for repeat in sorted(by_seed) for each in by_seed[repeat]]
    names = [each.report for each in planned]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ReportError(f"runs: {', '.join(twice)} is the report of two runs; a grid's report names its values.")
    for each in planned:
        if slug(each.report) != each.report:
            raise ReportError(
                f"runs: {each.report!r} cannot be the name of a report's folder; use {slug(each.report)!r}."
            )
    return planned


def _expand(raw: Mapping[str, Any]) -> Iterator[tuple[_RunEntry, dict[str, Any]]]:
    """Yield each run for each combination of its grid's values, with these values by key."""
    given = raw.get("runs")
    for number, run in enumerate(given if isinstance(given, list) else []):
        try:
            entry = _RunEntry.model_validate(run)
        except ValidationError as error:
            first = error.errors()[0]
            raise ReportError(f"runs[{number}].{explain(first)}.") from error
        for key in entry.grid:
            _check_key(key, f"runs[{number}].grid")
        _check_seeds(list(entry.seeds or ()), f"runs[{number}].seeds")
        made = [name for name in ("config", "model", "checkpoints") if getattr(entry, name) is not None]
        if len(made) > 1:
            raise ReportError(f"runs[{number}]: {' and '.join(map(repr, made))} exclude each other.")
        if entry.grid and entry.config is None:
            raise ReportError(f"runs[{number}]: 'grid' is for a run with 'config'.")
        if entry.transforms and not made:
            raise ReportError(f"runs[{number}]: 'transforms' is for a run with 'config', 'model' or 'checkpoints'.")
        for combination in product(*entry.grid.values()):
            values = dict(zip(entry.grid, combination, strict=True))
            short = {key.rpartition(".")[2]: _as_in_toml(value) for key, value in values.items()}
            try:
                texts = {"label": entry.label.format(**short), "report": entry.report.format(**short)}
            except (KeyError, IndexError, ValueError) as error:
                known = ", ".join(f"{{{name}}}" for name in short) or "none"
                raise ReportError(
                    f"runs[{number}]: {entry.label!r} and {entry.report!r} can hold these names in braces: {known}."
                ) from error
            yield entry.model_copy(update=texts), values


def _nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables for keys such as ``schedule.alpha``."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *tables, last = key.split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
        place[last] = value
    return nested


def _as_in_toml(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def explain(error: Mapping[str, Any]) -> str:
    """Return what is wrong where, from the details of a pydantic error."""
    message = str(error["msg"]).replace("Input should be", "must be")
    for python, toml in _IN_TOML.items():
        message = message.replace(python, toml)
    return f"{'.'.join(map(str, error['loc']))}: {message}"


def _check_key(key: str, place: str) -> None:
    """Check a key of a grid: a table and a key of the configuration."""
    if key in _SET_BY_RUNNER:
        raise ReportError(f"{place}: {key!r} cannot be varied here; {_SET_BY_RUNNER[key]}.")
    if not re.fullmatch(r"\w+(\.\w+)+", key):
        raise ReportError(f"{place}: {key!r} must be a table and a key, such as 'schedule.alpha'.")


def _seeds(raw: Mapping[str, Any]) -> list[int]:
    return _check_seeds(raw.get("seeds", []), "seeds")


def _check_seeds(seeds: Any, place: str) -> list[int]:
    if not isinstance(seeds, list) or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise ReportError(f"{place}: must be a list of whole numbers from 0, got {seeds!r}.")
    if len(set(seeds)) < len(seeds):
        raise ReportError(f"{place}: must contain each seed once, got {seeds!r}.")
    return seeds


def _reports(entry: _RunEntry, seeds: Sequence[int]) -> list[tuple[str, int | None]]:
    """Return the reports of a run, and the seed of each; None if the configuration sets it."""
    seeds = seeds if entry.seeds is None else entry.seeds
    if not (entry.config or entry.checkpoints) or entry.repeats or not seeds:
        return [(entry.report, None), *((name, None) for name in entry.repeats)]
    return [(entry.report, seeds[0]), *((f"{entry.report}-seed-{seed}", seed) for seed in seeds[1:])]
