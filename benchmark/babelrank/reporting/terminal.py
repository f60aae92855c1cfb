"""What a submission or a training run shows in a terminal: progress while it runs, the summary when it is done."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from babelrank.analysis.comparison import Comparison
from babelrank.encoding.protocol import Role
from babelrank.encoding.representations import Progress as EncodingProgress
from babelrank.reporting.figures import figures_of
from babelrank.reporting.languages import language_name
from babelrank.reporting.results import CollectionResults, Results
from babelrank.reporting.summary import (
    MACRO_LABELS,
    NO_VALUE,
    bias_row,
    show_change,
    show_difference,
    show_score,
    summary_rows,
)

if TYPE_CHECKING:
    from babelrank.training.dry_run import ScheduleSummary
    from babelrank.training.schedule import Schedule

_SHOWN = ("eval_loss", "Mo. mAP", "Cr. mAP", "Mul. mAP", "rank distance")  # of what a training run measures
_LINE_EVERY = 30.0  # seconds, where there is no terminal to draw bars in: a log should show that the work goes on
_ROLES = {Role.QUERY: "queries", Role.DOCUMENT: "passages"}


class ProgressBars:
    """One bar per collection and role, with texts, rate and time left; messages above them.

    Where the console is no terminal but a file or a pipe, a line now and then says the same.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told = clock()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def announce(self, message: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(message, markup=False, highlight=False)

    def encoding(self, collection: str) -> EncodingProgress:
        """Return what moves the bars of one collection."""
        bars = {}

        def show(role: Role, done: int, total: int) -> None:
            if role not in bars:
                bars[role] = self._progress.add_task(f"{collection} {_ROLES[role]}", total=total)
            self._update(bars[role], completed=done)

        return show

    def counting(self, what: str, unit: str) -> Callable[[int, int], None]:
        """Return what moves the bar of whatever else is counted; it takes how many are done, and how many there are."""
        bar = self._progress.add_task(what, total=None, unit=unit)
        return lambda done, total: self._update(bar, completed=done, total=total)

    def training(self, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        """Return what moves the bar of a training run, and prints what is measured between its steps."""
        bar = self._progress.add_task("training", total=steps, unit="steps", digits=2)

        def show(step: int, logs: Mapping[str, float]) -> None:
            loss = {"description": f"training, loss {logs['loss']:.4f}"} if "loss" in logs else {}
            self._update(bar, completed=step, **loss)
            if not loss and "train_runtime" not in logs:
                measured = ", ".join(f"{name} {logs[name]:,.4g}" for name in logs if name in _SHOWN)
                self.announce(f"step {step}: {measured}")

        return show

    def _update(self, bar: TaskID, **changes: Any) -> None:
        self._progress.update(bar, **changes)
        if not self._progress.console.is_terminal and self._clock() - self._told >= _LINE_EVERY:
            self._told = self._clock()
            task = next(task for task in self._progress.tasks if task.id == bar)
            columns = [column for column in self._progress.columns if isinstance(column, ProgressColumn)]
            shown = [str(column.render(task)).strip() for column in columns if not isinstance(column, BarColumn)]
            self.announce(f"{' '.join(part for part in shown if part)} left")


def schedule_tables(schedule: "Schedule", summary: "ScheduleSummary") -> Iterator[Table]:
    """Yield what a schedule holds: batches by kind, source and language, then triplets by pair of languages."""
    batches = Table("batches", "units", "language", "number", title="Schedule", title_justify="left", box=box.SIMPLE)
    batches.columns[3].justify = "right"
    for (kind, source, language), count in summary.batches.items():
        batches.add_row(kind, source, language or "by triplet", f"{count:,}")
    yield batches
    title = f"Triplets of the first {summary.counted:,} batches: query language ↓, passage language →"
    pairs = Table("", *schedule.languages, title=title, title_justify="left", box=box.SIMPLE)
    for language, row in zip(schedule.languages, summary.pairs.tolist(), strict=True):
        pairs.add_row(language, *(f"{count:,}" for count in row))
    yield align_right(pairs)


def comparison_tables(
    first: str, second: str, collection: str, measure: str, comparison: Comparison
) -> Iterator[Table]:
    """Yield how two models differ on a collection: macro figures with their tests, then gains by query language."""
    labels = {figure: MACRO_LABELS[figure] for figure in comparison.macro}
    macro = Table(
        "",
        "difference (95 %)",
        "p",
        "p, Holm",
        "d",
        "won / tied / lost",
        title=Text(f"{first} − {second} on {collection}, {measure}", style="bold"),
        title_justify="left",
        caption="p, Holm: over all figures and pairs of models. Settings at 5 %, Holm over those of a kind. "
        "d: Cohen's effect size. Rank distance: lower wins.",
        caption_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),  # with a difference on one line it fits 80 columns
    )
    for column in macro.columns[:2]:
        column.no_wrap = True
    gains = Table("query language", *labels.values(), box=box.SIMPLE)
    for figure, label in labels.items():
        found, tally = comparison.macro[figure], comparison.tallies[figure]
        macro.add_row(
            label,
            show_change(figure, found.interval),
            f"{found.p:.4f}",
            f"{found.p_holm:.4f}",
            NO_VALUE if math.isnan(found.effect) else f"{found.effect:+.2f}".replace("-", "−"),
            f"{tally.wins}/{tally.ties}/{tally.losses}",
        )
    for i, lang in enumerate(comparison.languages):
        values = (show_difference(figure, float(comparison.gains[figure][i])) for figure in labels)
        gains.add_row(language_name(lang), *values)
    yield align_right(macro)
    yield align_right(gains)


def align_right(table: Table, *, labels: int = 1) -> Table:
    """Let a table's columns end at one place, but for the first ones, which are labels; return it."""
    for column in table.columns[labels:]:
        column.justify = "right"
    return table


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit, digits = task.fields.get("unit", "texts"), task.fields.get("digits", 0)
        return Text(f"{speed:,.{digits}f} {unit}/s" if speed else "", style="progress.data.speed")


def summary_tables(results: Results) -> Iterator[Table]:
    """Yield one table per collection: macro averages by setting, then the rank distance, as far as there are any."""
    for name, collection in results.collections.items():
        yield _summary_table(name, results.model.name, collection)


def _summary_table(name: str, model: str, collection: CollectionResults) -> Table:
    rows, figures = summary_rows(collection), figures_of(name, collection)
    bias = ", ".join(f"{label} {value}" for label, value in bias_row(collection).items())
    table = Table(
        "",
        "macro average over",
        *(f"{measure} ↑" for measure in figures.measures),
        title=Text(f"{model} on {name}", style="bold"),
        title_justify="left",
        caption=f"Rank distance ↓ {bias}" if figures.has_bias else None,
        caption_justify="left",
        box=box.SIMPLE,
    )
    for row in rows:
        table.add_row(row.label, row.meaning, *(show_score(row.scores[measure]) for measure in figures.measures))
    return align_right(table, labels=2)
