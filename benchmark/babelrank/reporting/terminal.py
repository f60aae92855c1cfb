"""Show tables, and the progress of an evaluation or a training run, in a terminal."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
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
from rich.table import Table as RichTable
from rich.text import Text

from babelrank.encoding.protocol import Role
from babelrank.encoding.representations import Progress as EncodingProgress
from babelrank.observer import Observer
from babelrank.reporting.formatting import show_count
from babelrank.reporting.results import Results
from babelrank.reporting.summary import summary_table
from babelrank.reporting.tables import Column, Entry, Table

if TYPE_CHECKING:
    from babelrank.training.dry_run import ScheduleSummary
    from babelrank.training.schedule import Schedule

# Of what a training run measures.
_SHOWN = ("eval_loss", *(f"eval_{name}" for name in ("multilingual_map", "rank_ratio", "merge_gap")))
_SHOWN += ("Mo. mAP", "Cr. mAP", "Mul. mAP", "rank distance")
_LINE_EVERY = 30.0  # seconds between lines of progress without a terminal, so a log shows that work continues
_ROLES = {Role.QUERY: "queries", Role.DOCUMENT: "passages"}


class ProgressBars(Observer):
    """Progress bars by collection and role, with texts, rate and remaining time, and messages above them.

    If the console is a file or a pipe, lines from time to time show the same.
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.tasks:
            self._progress.stop()

    def log(self, message: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def encoding(self, collection: str) -> EncodingProgress:
        """Return a function that moves the bars of one collection."""
        bars = {}

        def show(role: Role, done: int, total: int) -> None:
            if role not in bars:
                bars[role] = self._add(f"{collection} {_ROLES[role]}", total=total)
            self._update(bars[role], completed=done)

        return show

    def counting(self, what: str, unit: str) -> Callable[[int, int], None]:
        """Return a function that moves another bar. It receives the number of finished items and of all items."""
        bar = self._add(what, total=None, unit=unit)
        return lambda done, total: self._update(bar, completed=done, total=total)

    def training(self, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        """Return a function that moves the bar of a training run, and prints measurements between steps."""
        bar = self._add("training", total=steps, unit="steps", digits=2)

        def show(step: int, logs: Mapping[str, float]) -> None:
            loss = {"description": f"training, loss {logs['loss']:.4f}"} if "loss" in logs else {}
            self._update(bar, completed=step, **loss)
            if not loss and "train_runtime" not in logs:
                measured = ", ".join(f"{name} {logs[name]:,.4g}" for name in logs if name in _SHOWN)
                self.log(f"step {step}: {measured}")

        return show

    def _add(self, label: str, *, total: int | None, **fields: Any) -> TaskID:
        self._progress.start()  # with the first bar: without one, there would be an empty line at the end
        return self._progress.add_task(label, total=total, **fields)

    def _update(self, bar: TaskID, **changes: Any) -> None:
        self._progress.update(bar, **changes)
        if not self._progress.console.is_terminal and self._clock() - self._told >= _LINE_EVERY:
            self._told = self._clock()
            task = next(task for task in self._progress.tasks if task.id == bar)
            columns = [column for column in self._progress.columns if isinstance(column, ProgressColumn)]
            shown = [str(column.render(task)).strip() for column in columns if not isinstance(column, BarColumn)]
            self.log(f"{' '.join(part for part in shown if part)} left")


def table_terminal(table: Table, *, padding: tuple[int, int] = (0, 1)) -> RichTable:
    """Return a table for a terminal: caption above, note below, numbers aligned to the right.

    Parameters
    ----------
    padding
        Spaces to the left and the right of a cell.
    """
    shown = RichTable(
        title=Text(table.caption, style="bold") if table.caption else None,
        title_justify="left",
        caption=Text(table.note) if table.note else None,
        caption_justify="left",
        box=box.SIMPLE,
        padding=(0, padding[1], 0, padding[0]),
    )
    for i, label in enumerate(table.labels):
        shown.add_column(label, justify="right" if table.is_numeric(i) else "left", no_wrap=table.columns[i].numeric)
    for row in table.rows:
        shown.add_row(*map(Text, table.texts(row)))
    return shown


def text_lines(lines: Iterable[str]) -> Iterator[Text]:
    """Yield lines for a terminal, wrapped, without markup or colours."""
    yield from map(Text, lines)


def summary_tables(results: Results) -> Iterator[RichTable]:
    """Yield one table per collection: macro averages by task, and the rank distance if there is one."""
    for name, collection in results.collections.items():
        table = summary_table(name, collection)
        yield table_terminal(replace(table, caption=f"{results.model.name} on {name}"))


def schedule_tables(schedule: "Schedule", summary: "ScheduleSummary") -> Iterator[RichTable]:
    """Yield what a schedule holds: batches by kind, source and language, then triplets by pair of languages."""
    batches: list[list[Entry]] = [
        [kind, source, language or "by triplet", count] for (kind, source, language), count in summary.batches.items()
    ]
    labels = ("batches", "examples", "language", "number")
    yield table_terminal(Table("Schedule", [Column(label, show_count) for label in labels], batches))
    yield table_terminal(
        Table(
            f"Triplets of the first {summary.counted:,} batches: query language ↓, passage language →",
            [Column(""), *(Column(language, show_count) for language in schedule.languages)],
            [[language, *row] for language, row in zip(schedule.languages, summary.pairs.tolist(), strict=True)],
        )
    )


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        unit, digits = task.fields.get("unit", "texts"), task.fields.get("digits", 0)
        return Text(f"{speed:,.{digits}f} {unit}/s" if speed else "", style="progress.data.speed")
