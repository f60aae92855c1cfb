"""The contents of an experiment.toml that its page needs: runs, published values, claims."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE
from babelrank.analysis.influence import BIAS_FIGURES
from babelrank.errors import ReportError
from babelrank.files import read_toml
from babelrank.reporting.experiment_runs import expand_runs, explain
from babelrank.reporting.report import find_report
from babelrank.reporting.results_file import FILE_NAME as RESULTS

FILE_NAME = "experiment.toml"
Figure = Literal[
    "monolingual", "cross_lingual", "multilingual", "rank_distance", "language_effect", "rank_ratio", "merge_gap"
]
LOWER_IS_BETTER = frozenset((RANK_DISTANCE, *BIAS_FIGURES))


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ExperimentRun(_Table):
    """A run, by the name of its report's folder."""

    label: str
    report: str
    repeats: tuple[str, ...] = ()  # reports of the same run with other seeds; values are the mean over all
    config: str | None = None  # next to the experiment's own file
    model: str | None = None  # evaluated without training, so it has no seeds

    @property
    def reports(self) -> tuple[str, ...]:
        """All reports of the run, one for each seed."""
        return (self.report, *self.repeats)


class Published(_Table):
    """Published values, in the order of `MACRO_MEASURES`, by collection."""

    label: str
    figures: dict[str, tuple[float, float, float, float]]

    def of(self, collection: str) -> dict[str, float]:
        """Return the values on a collection by macro measure."""
        return dict(zip(MACRO_MEASURES, self.figures[collection], strict=True))


class Gain(_Table):
    """The gain of one run over another."""

    run: str
    better_than: str


class Claim(_Table):
    """A measure in which a run should be better than each of some others. For measures of bias, lower is better."""

    text: str
    run: str
    better_than: tuple[str, ...] = Field(min_length=1)
    figure: Figure
    by: float = 0.0  # minimum gain; below 0, the run may be worse by that much
    times: float = Field(default=1.0, gt=0)  # factor for the others' value: 1/3 means a third of theirs, or better
    languages: tuple[str, ...] = ()  # only queries in these languages
    more_than: Gain | None = None  # the gain should be larger than this gain
    more_than_languages: tuple[str, ...] = ()  # the gain should be larger than for queries in these languages
    collections: tuple[str, ...] = ()  # collections for the test; all by default

    @property
    def runs(self) -> tuple[str, ...]:
        """Labels of all runs in the claim."""
        more = (self.more_than.run, self.more_than.better_than) if self.more_than else ()
        return (self.run, *self.better_than, *more)


class Evaluation(_Table):
    """Options for submitting the runs that are evaluated here; see `babelrank.submit`."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    batch_size: int | None = Field(default=None, ge=1)
    max_length: int | None = Field(default=None, ge=1)
    device: str | None = None
    base_model: str | None = None
    family: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options that are set."""
        return self.model_dump(exclude_none=True)


class Experiment(_Table):
    """The contents of an experiment.toml. Runs are named by their labels."""

    title: str
    text: str
    collections: tuple[str, ...] = Field(min_length=1)
    start: str
    runs: tuple[ExperimentRun, ...] = Field(min_length=1)
    earlier: tuple[ExperimentRun, ...] = ()  # of earlier versions: not on the page, but marked on the leaderboard
    source: str = ""
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()
    budget: float | None = Field(default=None, gt=0, strict=True)  # maximum hours of all runs together
    evaluation: Evaluation = Evaluation()
    answer: str = ""  # answer to the question in the title, in two sentences
    limits: str = ""  # what the answer does not show

    @property
    def untrained(self) -> list[int]:
        """Positions of the runs without training, which have no other seeds."""
        return [n for n, run in enumerate(self.runs) if run.label == self.start or run.model is not None]


def read_experiment(folder: Path) -> Experiment:
    """Read an experiment.

    Raises
    ------
    ReportError
        The file cannot be read, or names a run that it does not define.
    """
    path = folder / FILE_NAME
    raw = read_toml(path, ReportError)
    try:
        experiment = Experiment.model_validate(expand_runs(raw))
    except ValidationError as error:
        wrong = "; ".join(f"{explain(each)}{_given(each)}" for each in error.errors())
        raise ReportError(f"{path}: {wrong}.") from error
    except ReportError as error:
        raise ReportError(f"{path}: {error}") from error
    for run in experiment.runs:
        if len(set(run.reports)) < len(run.reports):
            raise ReportError(f"{path}: run {run.label!r} names a report twice; there is one for each seed.")
    labels = {run.label for run in experiment.runs}
    named = {experiment.start, *(name for claim in experiment.claims for name in claim.runs)}
    if unknown := named - labels:
        raise ReportError(
            f"{path}: no run is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(labels))}."
        )
    if len({*experiment.collections}) < len(experiment.collections):
        raise ReportError(f"{path}: collections: must contain each once, got {', '.join(experiment.collections)}.")
    for claim in experiment.claims:
        for listed in (claim.better_than, claim.languages + claim.more_than_languages):
            if len({*listed}) < len(listed):
                raise ReportError(f"{path}: claim {claim.text!r} names one twice: {', '.join(listed)}.")
        if claim.run in claim.better_than:
            raise ReportError(f"{path}: claim {claim.text!r} compares {claim.run!r} with itself.")
        if elsewhere := {*claim.collections} - {*experiment.collections}:
            known = ", ".join(experiment.collections)
            raise ReportError(f"{path}: claim {claim.text!r} is about {', '.join(sorted(elsewhere))}, not of {known}.")
    return experiment


def experiment_folders(experiments: Path) -> list[Path]:
    """Return the folders that contain an experiment."""
    return sorted(path.parent for path in experiments.glob(f"*/{FILE_NAME}"))


def complete_experiments(experiments: Path, reports: Path) -> list[Path]:
    """Return the folders of the experiments with all reports on all collections. The others have no page yet."""
    return [folder for folder in experiment_folders(experiments) if _is_complete(read_experiment(folder), reports)]


def has_collections(reports: Path, name: str, collections: Sequence[str]) -> bool:
    """Tell whether a report with this name and these collections exists."""
    return (reports / name / RESULTS).is_file() and {*collections} <= {*find_report(name, reports).collections}


def _is_complete(experiment: Experiment, reports: Path) -> bool:
    names = [name for run in experiment.runs for name in run.reports]
    return all((reports / name / RESULTS).is_file() for name in names) and all(
        has_collections(reports, name, experiment.collections) for name in names
    )


def _given(error: Mapping[str, Any]) -> str:
    return f", not {error['input']!r}" if isinstance(error["input"], str | int | float) else ""
