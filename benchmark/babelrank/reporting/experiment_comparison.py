"""The runs of an experiment on one collection: measures, language bias, space, and results of the claims."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.comparison import SIGNIFICANT
from babelrank.analysis.influence import BIAS_FIGURES
from babelrank.analysis.seeds import RecipeDifference
from babelrank.errors import ReportError
from babelrank.reporting.bias_section import bias_columns
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.experiment_file import (
    FILE_NAME,
    LOWER_IS_BETTER,
    Claim,
    Experiment,
    ExperimentRun,
    Figure,
    Gain,
)
from babelrank.reporting.formatting import NO_VALUE, settle, show_bias, show_change, show_macro, show_p, show_signed
from babelrank.reporting.measures import MeasureSet
from babelrank.reporting.results import CollectionResults
from babelrank.reporting.sections import Section
from babelrank.reporting.space_section import SPACE_FIGURES, space_figures
from babelrank.reporting.stored_tables import StoredRanks
from babelrank.reporting.summary import MACRO_LABELS
from babelrank.reporting.tables import Column, Entry, Link, Table

_BIAS = ("language_effect", "rank_ratio", "merge_gap", "own_first")
_FEWEST_CORRELATED = 5  # reports
CLAIM_COLUMNS = (Column("claim"), Column("better than, by"), Column("p, Holm", numeric=True), Column("verdict"))


@dataclass(frozen=True)
class Judgement:
    """Result of a claim, as text: the claim, the gains of a run over others, p-values, and a verdict."""

    claim: str
    gains: str
    p: str
    verdict: str

    @property
    def row(self) -> list[Entry]:
        """Row of a table with this result."""
        return [self.claim, self.gains, self.p, self.verdict]


@dataclass(frozen=True)
class Comparison:
    """The runs of an experiment on one collection.

    Attributes
    ----------
    folder
        Folder of the experiment.
    results
        Results on the collection, by report.
    shown
        Measures of the collection.
    table_of
        Returns a report's rank table.
    report_name
        Name of a report's page, for links.
    """

    experiment: Experiment
    collection: str
    folder: Path
    results: Mapping[str, CollectionResults]
    shown: MeasureSet
    table_of: Callable[[str], StoredRanks]
    estimates: Estimates
    report_name: str

    @property
    def claims(self) -> list[Claim]:
        """The claims that are tested on the collection: those about it, in figures that it has."""
        figures = (*self.shown.macro, *(BIAS_FIGURES if self.shown.has_bias else ()))
        return [
            each
            for each in self.experiment.claims
            if self.collection in (each.collections or [self.collection]) and each.figure in figures
        ]

    def differences(self) -> list[list[RecipeDifference]]:
        """Return, for each claim, the differences between its run and the runs that it should outperform."""
        return [[self._difference(claim, other) for other in claim.better_than] for claim in self.claims]

    def judge(self, tested: Sequence[Sequence[tuple[RecipeDifference, float]]]) -> list[Judgement]:
        """Return the results of the claims; `tested` has the differences of each claim with corrected p-values."""
        return list(map(self._judge, self.claims, tested))

    def section(self, judgements: Sequence[Judgement]) -> Section:
        """Return the section of the collection."""
        experiment, runs = self.experiment, self.experiment.runs
        figures = self.shown.macro
        values = [Column(MACRO_LABELS[figure], partial(show_macro, figure)) for figure in figures]
        changes = [Column(MACRO_LABELS[figure], numeric=True) for figure in figures]
        report = [Column("run"), Column("report")]
        rows: list[list[Entry]] = [[self._link(run), *self._intervals(run.label)] for run in runs]
        changed: list[list[Entry]] = [
            [run.label, *map(show_change, figures, self._intervals(run.label, experiment.start))]
            for run in runs
            if run.label != experiment.start
        ]
        seeds = [[*start, *self._of_report(name)] for start, name in self._reports(only_seeds=True)]
        published: list[list[Entry]] = [
            [entry.label, *(value for name, value in entry.of(self.collection).items() if name in figures)]
            for entry in experiment.published
            if self.collection in entry.figures
        ]
        tables = [
            Table("", [Column("run"), *values], rows),
            Table(f"Change from {experiment.start}, of these checkpoints", [Column("run"), *changes], changed),
            Table("Seed by seed", [*report, *values], seeds),
            Table("Language bias, report by report", [*report, *bias_columns(_BIAS)], self._bias()),
            self._space(report),
            Table(f"Published ({experiment.source})", [Column("run"), *values], published),
            Table("Claims", CLAIM_COLUMNS, [each.row for each in judgements]),
        ]
        return Section(self.collection, "", tables=[table for table in tables if table.rows])

    def points(self) -> list[tuple[str, float, float]]:
        """Return multilingual mAP and language effect of each report that has both, with the label of its run."""
        found: list[tuple[str, float, float]] = []
        for run in self.experiment.runs if self.shown.has_pool else ():
            for report in run.reports:
                bias = self.estimates.of(self.table_of(report), self.shown).bias
                score = self.results[report].macro["multilingual"]["mAP"]
                if bias and bias.effect is not None and score is not None:
                    found.append((run.label, score, bias.effect.value))
        return found

    def _reports(self, *, only_seeds: bool = False) -> Iterator[tuple[list[Entry], str]]:
        """Yield the first cells of each report's row, and its name."""
        for run in self.experiment.runs:
            for report in run.reports if run.repeats or not only_seeds else ():
                yield [run.label, Link(report, f"{report}/{self.report_name}")], report

    def _bias(self) -> list[list[Entry]]:
        rows: list[list[Entry]] = []
        for start, report in self._reports():
            if bias := self.estimates.of(self.table_of(report), self.shown).bias:
                figures = [bias.measures.get(measure) for measure in _BIAS]
                rows.append([*start, *(figure.value if figure else None for figure in figures)])
        return rows

    def _space(self, report: list[Column]) -> Table:
        """Return the alignment of languages in each report, and its correlation with accuracy."""
        found = [
            (start, space_figures(space), self.results[name].macro["multilingual"]["mAP"])
            for start, name in self._reports()
            if self.shown.has_pool and (space := self.results[name].space) and space.undefined is None
        ]
        note = ""
        if len(found) >= _FEWEST_CORRELATED:
            scores = pd.Series([score for *_, score in found], dtype=float).rank()
            correlations = [
                f"{name} {show_signed(pd.Series([each[i] for _, each, _ in found], dtype=float).rank().corr(scores))}"
                for i, name in enumerate(SPACE_FIGURES)
                if None not in [each[i] for _, each, _ in found]
            ]
            note = (
                f"Rank correlation (Spearman) with multilingual mAP over these {len(found)} reports, which are not "
                f"independent of each other: {', '.join(correlations)}."
            )
        columns = [*report, *map(partial(Column, show=show_bias), SPACE_FIGURES)]
        return Table(
            "Embedding space, report by report", columns, [[*start, *each] for start, each, _ in found], note=note
        )

    def _link(self, run: ExperimentRun) -> Link:
        note = f"mean of {len(run.reports)} seeds" if run.repeats else ""
        return Link(run.label, f"{run.report}/{self.report_name}", note)

    def _tables(self, label: str) -> list[StoredRanks]:
        run = next(run for run in self.experiment.runs if run.label == label)
        with self._naming(label):
            return [self.table_of(report) for report in run.reports]

    def _of_report(self, report: str) -> list[Interval]:
        return [self.estimates.interval([self.table_of(report)], figure) for figure in self.shown.macro]

    def _intervals(self, label: str, other: str = "") -> list[Interval]:
        return [self._interval(label, figure, other) for figure in self.shown.macro]

    def _interval(self, label: str, figure: str, other: str = "") -> Interval:
        with self._naming(label):
            against = self._tables(other) if other else ()
            return self.estimates.interval(self._tables(label), figure, against=against)

    def _difference(self, claim: Claim, other: str) -> RecipeDifference:
        gains = [(Gain(run=claim.run, better_than=other), 1)]
        gains += [(claim.more_than, -1)] if claim.more_than else []
        weights: dict[str, float] = defaultdict(float)
        for gain, sign in gains:
            weights[gain.run] += sign
            weights[gain.better_than] -= sign * claim.times
        found = self._contrast(claim, weights, margin=-claim.by if claim.figure in LOWER_IS_BETTER else claim.by)
        # A merge gap or a language effect may be negative; then a share of it means nothing.
        shared = [gain.better_than for gain, _ in gains if claim.times != 1]
        if any(self._contrast(claim, {label: 1.0}).interval.low <= 0 for label in shared):
            return replace(found, interval=Interval(math.nan, math.nan, math.nan), p=math.nan)
        return found

    def _contrast(self, claim: Claim, weights: Mapping[str, float], margin: float = 0.0) -> RecipeDifference:
        runs = self.experiment.runs
        with self._naming(claim.run):
            return self.estimates.contrast(
                [self._tables(run.label) for run in runs],
                [weights.get(run.label, 0.0) for run in runs],
                claim.figure,
                margin=margin,
                languages=claim.languages,
                than_languages=claim.more_than_languages,
                fixed=self.experiment.untrained,
            )

    @contextmanager
    def _naming(self, label: str) -> Iterator[None]:
        """Name the run in errors about it."""
        try:
            yield
        except ReportError as error:
            raise ReportError(f"{self.folder / FILE_NAME}: run {label!r}, {self.collection}: {error}") from error

    def _judge(self, claim: Claim, tested: Sequence[tuple[RecipeDifference, float]]) -> Judgement:
        """Return a claim, the gains of its run over each of the others, and whether the claim holds."""
        gains = [_as_gain(claim.figure, found.interval) for found, _ in tested]
        beyond = [settle(gain.value) > claim.by for gain in gains]
        certain = [p < SIGNIFICANT for _, p in tested]
        runs, untrained = self.experiment.runs, self.experiment.untrained
        few = any(len(run.reports) < 2 for n, run in enumerate(runs) if run.label in claim.runs and n not in untrained)
        if any(math.isnan(gain.value) for gain in gains):
            verdict = "not defined"
        elif not all(gain.is_known for gain in gains):
            verdict = "open (few questions)"
        elif any(sure and not better for sure, better in zip(certain, beyond, strict=True)):
            verdict = "did not hold"
        else:
            verdict = "held" if all(certain) and not few else "open"
        times = f"{claim.times:.2f} × " if claim.times != 1 else ""
        shown = [
            f"{times}{other}: {show_change(claim.figure, gain)}"
            for other, gain in zip(claim.better_than, gains, strict=True)
        ]
        p_values = [NO_VALUE if math.isnan(p) else show_p(p) for _, p in tested]
        verdict = f"{verdict} (one seed)" if few else verdict
        return Judgement(claim.text, "; ".join(shown), "; ".join(p_values), verdict)


def _as_gain(figure: Figure, difference: Interval) -> Interval:
    """Return a difference, negated if lower is better."""
    if figure not in LOWER_IS_BETTER:
        return difference
    return Interval(-difference.value, -difference.high, -difference.low)
