"""An experiment -> one page: reports of several checkpoints compared, and what they say of its claims.

In: ``experiments/<name>/experiment.toml`` and the rank tables of the reports that it names. Out: ``reports/<name>.md``,
and the same in HTML.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE, Interval
from babelrank.analysis.comparison import SIGNIFICANT, holm
from babelrank.analysis.seeds import RecipeDifference
from babelrank.errors import ReportError
from babelrank.files import atomic_write, read_toml
from babelrank.reporting.cache import Cache, open_cache
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.experiment_runs import expand_runs
from babelrank.reporting.formatting import NO_VALUE, settle, show_change, show_macro, show_p
from babelrank.reporting.html_page import render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.markdown import Markdown, render_template
from babelrank.reporting.pages import LEADERBOARD_PAGE, REPORT_NAME
from babelrank.reporting.report import find_report, find_stored_ranks, lock_reports
from babelrank.reporting.results import ModelResults, find_collections
from babelrank.reporting.results_file import FILE_NAME as RESULTS
from babelrank.reporting.sections import Section
from babelrank.reporting.stored_tables import StoredRanks
from babelrank.reporting.summary import MACRO_LABELS
from babelrank.reporting.tables import Column, Entry, Link, Table

FILE_NAME = "experiment.toml"
_NOTE = (
    "Figures are macro averages of mAP, uncut, and the rank distance (spread). In brackets are 95 % intervals of the "
    "bootstrap over groups of questions that share an article, where a collection says which do, else over questions "
    "with their translations (1,000 resamples); they are about these checkpoints. Differences from the start are "
    "paired."
)
_CLAIMS = (
    "Intervals of claims allow for other questions and other seeds: the variance between seeds is pooled over all runs "
    "that have several. p: that the difference is just what is claimed, corrected over all claims of this page (Holm). "
    "A claim has held if p is below 0.05 and the difference is larger, in each comparison. With one seed of a run a "
    "claim cannot hold: it stays open, unless p says that it did not hold."
)
Figure = Literal["monolingual", "cross_lingual", "multilingual", "rank_distance"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExperimentRun(_Table):
    """A report that takes part, by the name of its folder."""

    label: str
    report: str
    repeats: tuple[str, ...] = ()  # reports of the same with other seeds: figures are the mean of all
    config: str | None = None  # next to the experiment's own file

    @property
    def reports(self) -> tuple[str, ...]:
        """All reports of the run, one for each seed."""
        return (self.report, *self.repeats)


class Published(_Table):
    """Published values, in the order of `MACRO_MEASURES`, by collection."""

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
    runs: tuple[ExperimentRun, ...] = Field(min_length=1)
    earlier: tuple[ExperimentRun, ...] = ()  # of earlier versions: not on the page, but marked on the leaderboard
    source: str = ""
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()
    budget: float | None = Field(default=None, gt=0)  # hours that all runs may take together


@dataclass(frozen=True)
class ExperimentPage:
    """What an experiment's page shows: a title, a text in Markdown, what the figures are, and sections."""

    title: str
    text: str
    note: str
    sections: list[Section]


def read_experiment(folder: Path) -> Experiment:
    """Read an experiment.

    Raises
    ------
    ReportError
        The file cannot be read, or names runs that it does not have.
    """
    path = folder / FILE_NAME
    raw = read_toml(path, ReportError)
    try:
        experiment = Experiment.model_validate(expand_runs(raw))
    except (ValidationError, ReportError) as error:
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


def make_page(folder: Path, reports: Path, estimates: Estimates, report_name: str = REPORT_NAME) -> ExperimentPage:
    """Return the page of the experiment in a folder.

    Parameters
    ----------
    report_name
        Which page of a report to link to.

    Raises
    ------
    ReportError
        The experiment cannot be read, a report or a rank table is missing, or one is about other questions or files
        than the start's.
    """
    experiment = read_experiment(folder)
    comparisons = [
        _Comparison(experiment, name, folder, cache(partial(_find, name, reports)), estimates, report_name)
        for name in experiment.collections
    ]
    found = [comparison.differences() for comparison in comparisons]
    results = {name: find_report(name, reports) for run in experiment.runs for name in run.reports}
    for name in experiment.collections:
        find_collections(list(results.values()), name)
    p_values = iter(holm([each.p for claims in found for claim in claims for each in claim]).tolist())
    sections = [
        comparison.section([[(each, next(p_values)) for each in claim] for claim in claims])
        for comparison, claims in zip(comparisons, found, strict=True)
    ]
    models = {run.label: results[run.report].model for run in experiment.runs}
    note = f"{_NOTE} {_CLAIMS}" if experiment.claims else _NOTE
    sections.append(_training(experiment, folder.name, models))
    return ExperimentPage(experiment.title, experiment.text.strip(), note, sections)


def render_experiment(folder: Path, reports: Path, estimates: Estimates | None = None) -> str:
    """Return the page's Markdown; errors are those of `make_page`."""
    page = make_page(folder, reports, estimates or Estimates())
    return render_template("experiment.md.j2", page=page, text=Markdown(page.text))


def render_experiment_html(folder: Path, reports: Path, estimates: Estimates | None = None) -> str:
    """Return the page's HTML, with links to the reports' pages in HTML; errors are those of `make_page`."""
    page = make_page(folder, reports, estimates or Estimates(), REPORT_PAGE)
    return render_page(
        "experiment.html.j2",
        styles=("base.css", "site.css"),
        scripts=(),
        page=page,
        text=MarkdownIt("js-default").render(page.text),
        leaderboard=f"../{LEADERBOARD_PAGE}",
    )


def write_experiments(experiments: Path, reports: Path) -> list[Path]:
    """Write the page of every experiment; return the files that changed.

    Raises
    ------
    ReportError
        An experiment or a report cannot be read, or a page cannot be written.
    """
    changed = []
    with lock_reports(reports), open_cache(reports) as known:
        for path, content in _pages(experiments, reports, known).items():
            if not path.is_file() or path.read_text(encoding="utf-8") != content:
                atomic_write(path, content)
                changed.append(path)
    return changed


def check_experiments(experiments: Path, reports: Path, known: Cache | None = None) -> list[str]:
    """Return the pages that are missing, or differ from what the reports say."""
    return [
        str(path)
        for path, content in _pages(experiments, reports, known).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]


def experiment_folders(experiments: Path) -> list[Path]:
    """Return the folders that hold an experiment."""
    return sorted(path.parent for path in experiments.glob(f"*/{FILE_NAME}"))


def complete_experiments(experiments: Path, reports: Path) -> list[Path]:
    """Return the folders of the experiments all of whose reports are there: others have no page yet."""
    return [folder for folder in experiment_folders(experiments) if _is_complete(read_experiment(folder), reports)]


def _is_complete(experiment: Experiment, reports: Path) -> bool:
    return all((reports / name / RESULTS).is_file() for run in experiment.runs for name in run.reports)


def _pages(experiments: Path, reports: Path, known: Cache | None) -> dict[Path, str]:
    estimates = Estimates(known)
    return {
        reports / f"{folder.name}.md": render_experiment(folder, reports, estimates)
        for folder in complete_experiments(experiments, reports)
    }


@dataclass(frozen=True)
class _Comparison:
    """The runs of an experiment on one collection."""

    experiment: Experiment
    collection: str
    folder: Path
    table_of: Callable[[str], StoredRanks]
    estimates: Estimates
    report_name: str

    def differences(self) -> list[list[RecipeDifference]]:
        """Return, for each claim, the differences from the runs that its run should be better than."""
        return [[self._difference(claim, other) for other in claim.better_than] for claim in self.experiment.claims]

    def section(self, tested: Sequence[Sequence[tuple[RecipeDifference, float]]]) -> Section:
        """Return the section of the collection; `tested` has the differences of each claim with corrected p-values."""
        experiment, runs = self.experiment, self.experiment.runs
        values = [Column(label, partial(show_macro, figure)) for figure, label in MACRO_LABELS.items()]
        changes = [Column(label, numeric=True) for label in MACRO_LABELS.values()]
        claims = [Column("claim"), Column("better than, by"), Column("p, Holm", numeric=True), Column("verdict")]
        rows: list[list[Entry]] = [[self._link(run), *self._intervals(run.label)] for run in runs]
        changed: list[list[Entry]] = [
            [run.label, *map(show_change, MACRO_MEASURES, self._intervals(run.label, experiment.start))]
            for run in runs
            if run.label != experiment.start
        ]
        seeds: list[list[Entry]] = [
            [run.label, Link(report, f"{report}/{self.report_name}"), *self._of_report(report)]
            for run in runs
            if run.repeats
            for report in run.reports
        ]
        published: list[list[Entry]] = [
            [entry.label, *entry.figures[self.collection]]
            for entry in experiment.published
            if self.collection in entry.figures
        ]
        tables = [
            Table("", [Column("run"), *values], rows),
            Table(f"Change from {experiment.start}, of these checkpoints", [Column("run"), *changes], changed),
            Table("Seed by seed", [Column("run"), Column("report"), *values], seeds),
            Table(f"Published ({experiment.source})", [Column("run"), *values], published),
            Table("Claims", claims, list(map(self._judge, experiment.claims, tested))),
        ]
        return Section(self.collection, "", tables=[table for table in tables if table.rows])

    def _link(self, run: ExperimentRun) -> Link:
        note = f"mean of {len(run.reports)} seeds" if run.repeats else ""
        return Link(run.label, f"{run.report}/{self.report_name}", note)

    def _tables(self, label: str) -> list[StoredRanks]:
        run = next(run for run in self.experiment.runs if run.label == label)
        with self._naming(label):
            return [self.table_of(report) for report in run.reports]

    def _of_report(self, report: str) -> list[Interval]:
        return [self.estimates.interval([self.table_of(report)], figure) for figure in MACRO_MEASURES]

    def _intervals(self, label: str, other: str = "") -> list[Interval]:
        return [self._interval(label, figure, other) for figure in MACRO_MEASURES]

    def _interval(self, label: str, figure: str, other: str = "") -> Interval:
        with self._naming(label):
            against = self._tables(other) if other else ()
            return self.estimates.interval(self._tables(label), figure, against=against)

    def _difference(self, claim: Claim, other: str) -> RecipeDifference:
        labels = [run.label for run in self.experiment.runs]
        with self._naming(claim.run):
            return self.estimates.difference(
                list(map(self._tables, labels)),
                labels.index(claim.run),
                labels.index(other),
                claim.figure,
                times=claim.times,
                margin=-claim.by if claim.figure == RANK_DISTANCE else claim.by,
                languages=claim.languages,
                fixed=other == self.experiment.start,
            )

    @contextmanager
    def _naming(self, label: str) -> Iterator[None]:
        """Name the run in errors about it."""
        try:
            yield
        except ReportError as error:
            raise ReportError(f"{self.folder / FILE_NAME}: run {label!r}, {self.collection}: {error}") from error

    def _judge(self, claim: Claim, tested: Sequence[tuple[RecipeDifference, float]]) -> list[Entry]:
        """Return a claim, by how much its run is better than each of the others, and whether that holds."""
        gains = [_as_gain(claim.figure, found.interval) for found, _ in tested]
        beyond = [settle(gain.value) > claim.by for gain in gains]
        certain = [p < SIGNIFICANT for _, p in tested]
        few = any(
            len(run.reports) < 2
            for run in self.experiment.runs
            if run.label in (claim.run, *claim.better_than) and run.label != self.experiment.start
        )
        if any(sure and not better for sure, better in zip(certain, beyond, strict=True)):
            verdict = "did not hold"
        else:
            verdict = "held" if all(certain) and not few else "open"
        times = f"{claim.times:.2f} × " if claim.times != 1 else ""
        shown = [
            f"{times}{other}: {show_change(claim.figure, gain)}"
            for other, gain in zip(claim.better_than, gains, strict=True)
        ]
        p_values = [NO_VALUE if math.isnan(p) else show_p(p) for _, p in tested]
        return [claim.text, "; ".join(shown), "; ".join(p_values), f"{verdict} (one seed)" if few else verdict]


def _find(collection: str, reports: Path, report: str) -> StoredRanks:
    return find_stored_ranks(report, collection, reports)


def _training(experiment: Experiment, name: str, models: dict[str, ModelResults]) -> Section:
    return Section(
        "What was trained",
        "",
        tables=[
            Table(
                "",
                [Column("run"), Column("how"), Column("configuration")],
                [
                    [
                        run.label,
                        models[run.label].notes.get("training", "") or "not trained by babelrank",
                        Link(run.config, f"../experiments/{name}/{run.config}") if run.config else None,
                    ]
                    for run in experiment.runs
                ],
            )
        ],
    )


def _as_gain(figure: Figure, difference: Interval) -> Interval:
    """Turn a difference round where lower is better."""
    if figure != RANK_DISTANCE:
        return difference
    return Interval(-difference.value, -difference.high, -difference.low)
