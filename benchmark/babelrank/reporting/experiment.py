"""An experiment -> one page: reports of several checkpoints side by side, and what they say of its claims.

In: ``experiments/<name>/experiment.toml`` and the rank tables of the reports that it names. Out: ``reports/<name>.md``.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from babelrank.analysis.bootstrap import (
    MACRO_FIGURES,
    RANK_DISTANCE,
    Interval,
    QuestionFigures,
    find_interval,
    mean_figures,
    question_figures,
    require_paired,
)
from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.markdown import Markdown, render_template
from babelrank.reporting.report import find_ranks, find_report, lock_reports
from babelrank.reporting.results import find_collections
from babelrank.reporting.summary import MACRO_LABELS, settle, show_change, show_interval

FILE_NAME = "experiment.toml"
Figure = Literal["monolingual", "cross_lingual", "multilingual", "rank_distance"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(_Table):
    """A report that takes part, by the name of its folder."""

    label: str
    report: str
    repeats: tuple[str, ...] = ()  # reports of the same with other seeds: figures are the mean of all
    config: str | None = None  # beside the experiment's own file

    @property
    def reports(self) -> tuple[str, ...]:
        """All reports of the run, one for each seed."""
        return (self.report, *self.repeats)


class Published(_Table):
    """Figures of others, in the order of `MACRO_FIGURES`, by collection."""

    label: str
    figures: dict[str, tuple[float, float, float, float]]


class Claim(_Table):
    """What a run should be better in than each of some others."""

    text: str
    run: str
    better_than: tuple[str, ...]
    figure: Figure
    by: float = 0.0  # at least so much; below 0, it may be worse by that
    times: float = 1.0  # of the others' figure: 1/3 says that it is a third of theirs, or better
    languages: tuple[str, ...] = ()  # only queries in these


class Experiment(_Table):
    """What an experiment.toml holds; runs are named by their labels."""

    title: str
    text: str
    collections: tuple[str, ...]
    start: str
    runs: tuple[Run, ...] = Field(min_length=1)
    source: str = ""
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class Row:
    """One run on one collection.

    Attributes
    ----------
    figures, gains
        Its figures, means over its seeds; and their differences from the start, None for the start itself.
    seeds
        The figures of each of its reports, if there are several.
    """

    run: Run
    figures: dict[str, Interval]
    gains: dict[str, Interval] | None
    seeds: dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Finding:
    """What the figures say of a claim on one collection: by how much the run is better than each of the others."""

    claim: Claim
    gains: dict[str, Interval]
    verdict: str


def read_experiment(folder: Path) -> Experiment:
    """Read an experiment.

    Raises
    ------
    ReportError
        The file cannot be read, or names runs that it does not have.
    """
    path = folder / FILE_NAME
    try:
        experiment = Experiment.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ReportError(f"{path}: {error}") from error
    for run in experiment.runs:
        if len(set(run.reports)) < len(run.reports):
            raise ReportError(f"{path}: run {run.label!r} names a report twice; there is one for each seed.")
    labels = {run.label for run in experiment.runs}
    named = {experiment.start, *(name for claim in experiment.claims for name in (claim.run, *claim.better_than))}
    if unknown := named - labels:
        raise ReportError(
            f"{path}: no run is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(labels))}."
        )
    return experiment


def render_experiment(folder: Path, reports: Path) -> str:
    """Return the page's Markdown, for the experiment in a folder.

    Raises
    ------
    ReportError
        The experiment cannot be read, a report or a rank table is missing, or one is about other questions or files
        than the start's.
    """
    experiment = read_experiment(folder)

    @cache
    def figures_of(label: str, collection: str) -> QuestionFigures:
        run = next(run for run in experiment.runs if run.label == label)
        try:
            figures = mean_figures([figures_of_report(report, collection) for report in run.reports])
            if label != experiment.start:
                require_paired(figures, figures_of(experiment.start, collection))
            return figures
        except ReportError as error:
            raise ReportError(f"{folder / FILE_NAME}: run {label!r}, {collection}: {error}") from error

    @cache
    def figures_of_report(report: str, collection: str) -> QuestionFigures:
        return question_figures(find_ranks(report, collection, reports))

    def row(run: Run, collection: str) -> Row:
        figures, start = figures_of(run.label, collection), figures_of(experiment.start, collection)
        return Row(
            run,
            _all_figures(figures),
            None if run.label == experiment.start else _all_figures(figures, against=start),
            {report: _all_figures(figures_of_report(report, collection)) for report in run.reports if run.repeats},
        )

    rows = {name: [row(run, name) for run in experiment.runs] for name in experiment.collections}
    results = {report: find_report(report, reports) for run in experiment.runs for report in run.reports}
    for name in experiment.collections:
        find_collections(list(results.values()), name)
    findings = {
        name: [_judge(claim, name, figures_of) for claim in experiment.claims] for name in experiment.collections
    }
    return render_template(
        "experiment.md.j2",
        experiment=experiment,
        folder=folder.name,
        text=Markdown(experiment.text.strip()),
        published={
            name: [(entry.label, entry.figures[name]) for entry in experiment.published if name in entry.figures]
            for name in experiment.collections
        },
        figure_names=MACRO_LABELS,
        rows=rows,
        findings=findings,
        notes={run.label: results[run.report].model.notes.get("training", "") for run in experiment.runs},
        show=show_interval,
        show_change=show_change,
    )


def write_experiments(experiments: Path, reports: Path) -> list[Path]:
    """Write the page of every experiment; return the files that changed.

    Raises
    ------
    ReportError
        An experiment or a report cannot be read, or a page cannot be written.
    """
    changed = []
    with lock_reports(reports):
        for path, content in _pages(experiments, reports).items():
            if not path.is_file() or path.read_text(encoding="utf-8") != content:
                atomic_write(path, content)
                changed.append(path)
    return changed


def check_experiments(experiments: Path, reports: Path) -> list[str]:
    """Return the pages that are missing, or differ from what the reports say."""
    return [
        str(path)
        for path, content in _pages(experiments, reports).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]


def _pages(experiments: Path, reports: Path) -> dict[Path, str]:
    folders = sorted(path.parent for path in experiments.glob(f"*/{FILE_NAME}"))
    return {reports / f"{folder.name}.md": render_experiment(folder, reports) for folder in folders}


def _all_figures(figures: QuestionFigures, against: QuestionFigures | None = None) -> dict[str, Interval]:
    return {figure: find_interval(figures, figure, against=against) for figure in MACRO_FIGURES}


def _judge(claim: Claim, collection: str, figures_of: Callable[[str, str], QuestionFigures]) -> Finding:
    gains = {
        other: _as_gain(
            claim.figure,
            find_interval(
                figures_of(claim.run, collection),
                claim.figure,
                against=figures_of(other, collection),
                times=claim.times,
                languages=claim.languages,
            ),
        )
        for other in claim.better_than
    }
    if all(settle(gain.low) > claim.by for gain in gains.values()):
        return Finding(claim, gains, "held")
    if any(settle(gain.high) < claim.by for gain in gains.values()):
        return Finding(claim, gains, "did not hold")
    return Finding(claim, gains, "cannot be told")


def _as_gain(figure: Figure, difference: Interval) -> Interval:
    """Turn a difference round where lower is better."""
    if figure != RANK_DISTANCE:
        return difference
    return Interval(-difference.value, -difference.high, -difference.low)
