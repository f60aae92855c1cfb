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

from markdown_it import MarkdownIt

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE, Interval
from babelrank.analysis.comparison import SIGNIFICANT, holm
from babelrank.analysis.seeds import RecipeDifference
from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.bias_section import bias_columns
from babelrank.reporting.cache import Cache, open_cache
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.experiment_file import (
    FILE_NAME,
    Claim,
    Experiment,
    ExperimentRun,
    Figure,
    Gain,
    complete_experiments,
    read_experiment,
)
from babelrank.reporting.formatting import NO_VALUE, settle, show_change, show_macro, show_p
from babelrank.reporting.html_page import render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.markdown import Markdown, render_template
from babelrank.reporting.measures import MeasureSet, measures_of
from babelrank.reporting.pages import LEADERBOARD_PAGE, REPORT_NAME
from babelrank.reporting.report import find_report, find_stored_ranks, lock_reports
from babelrank.reporting.results import ModelResults, find_collections
from babelrank.reporting.sections import Section
from babelrank.reporting.stored_tables import StoredRanks
from babelrank.reporting.summary import MACRO_LABELS
from babelrank.reporting.tables import Column, Entry, Link, Table

_NOTE = (
    "Figures are macro averages of mAP, uncut, and the rank distance (spread). In brackets are 95 % intervals of the "
    "bootstrap over groups of questions that share an article, where a collection says which do, else over questions "
    "with their translations (1,000 resamples); they are about these checkpoints. Differences from the start are "
    "paired."
)
_BIAS = ("language_effect", "rank_ratio", "merge_gap", "own_first")
_CLAIMS = (
    "Intervals of claims allow for other questions and other seeds: the variance between seeds is pooled over all runs "
    "that have several. p: that the difference is just what is claimed, corrected over all claims of this page (Holm). "
    "A claim has held if p is below 0.05 and the difference is larger, in each comparison. With one seed of a run a "
    "claim cannot hold: it stays open, unless p says that it did not hold."
)


@dataclass(frozen=True)
class ExperimentPage:
    """What an experiment's page shows: a title, a text in Markdown, what the figures are, and sections."""

    title: str
    text: str
    note: str
    sections: list[Section]


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
    results = {name: find_report(name, reports) for run in experiment.runs for name in run.reports}
    comparisons = [
        _Comparison(
            experiment,
            name,
            folder,
            measures_of(name, find_collections(list(results.values()), name)[0]),
            cache(partial(_find, name, reports)),
            estimates,
            report_name,
        )
        for name in experiment.collections
    ]
    found = [comparison.differences() for comparison in comparisons]
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
    shown: MeasureSet
    table_of: Callable[[str], StoredRanks]
    estimates: Estimates
    report_name: str

    @property
    def claims(self) -> list[Claim]:
        """The claims that are tested on the collection."""
        return [each for each in self.experiment.claims if self.collection in (each.collections or [self.collection])]

    def differences(self) -> list[list[RecipeDifference]]:
        """Return, for each claim, the differences from the runs that its run should be better than."""
        return [[self._difference(claim, other) for other in claim.better_than] for claim in self.claims]

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
            self._bias(),
            Table(f"Published ({experiment.source})", [Column("run"), *values], published),
            Table("Claims", claims, list(map(self._judge, self.claims, tested))),
        ]
        return Section(self.collection, "", tables=[table for table in tables if table.rows])

    def _bias(self) -> Table:
        rows: list[list[Entry]] = []
        for run in self.experiment.runs:
            for report in run.reports:
                found = self.estimates.of(self.table_of(report), self.shown)
                if found.bias:
                    figures = [found.bias.measures.get(measure) for measure in _BIAS]
                    values = [figure.value if figure else None for figure in figures]
                    rows.append([run.label, Link(report, f"{report}/{self.report_name}"), *values])
        columns = [Column("run"), Column("report"), *bias_columns(_BIAS)]
        return Table("Language bias, report by report", columns, rows)

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
        experiment = self.experiment
        weights = [0.0] * len(experiment.runs)
        for gain, sign in ((Gain(run=claim.run, better_than=other), 1), (claim.more_than, -1)):
            if gain:
                weights[experiment.recipe(gain.run)] += sign
                weights[experiment.recipe(gain.better_than)] -= sign * claim.times
        with self._naming(claim.run):
            return self.estimates.contrast(
                [self._tables(run.label) for run in experiment.runs],
                weights,
                claim.figure,
                margin=-claim.by if claim.figure == RANK_DISTANCE else claim.by,
                languages=claim.languages,
                than_languages=claim.more_than_languages,
                fixed=experiment.untrained,
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
        runs, untrained = self.experiment.runs, self.experiment.untrained
        few = any(len(run.reports) < 2 for n, run in enumerate(runs) if run.label in claim.runs and n not in untrained)
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
