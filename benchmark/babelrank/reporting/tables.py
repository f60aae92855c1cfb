"""Tables that are described once and rendered as HTML, Markdown, LaTeX and terminal output.

A `Table` knows its columns, how their numbers become text, its rows and its notes. The renderers are
those of pages (``parts.html.j2``), `markdown.table_markdown`, `terminal.table_terminal` and `latex.table_latex`::

    Table(
        caption="By query language",
        columns=[Column("query language"), Column("agreement", show_share), Column("p", show_p)],
        rows=[["German (de)", 0.62, 0.001], ["English (en)", Interval(0.6, 0.5, 0.7), None]],
        bars=Bars(length=1, limit=1.0),
    )

Texts are plain, and each renderer escapes them. None and NaN are shown as a dash.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.settings import Cell
from babelrank.reporting.formatting import NO_VALUE, settle

Show = Callable[[float], str]


@dataclass(frozen=True)
class Link:
    """A link. `note`, and `badge` in bold, are shown after it, outside the link."""

    text: str
    href: str
    note: str = ""
    badge: str = ""


@dataclass(frozen=True)
class Code:
    """A text that is shown as code."""

    text: str


Entry = str | Cell | Interval | Link | Code  # what a table's cell holds


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    label
        Header.
    show
        Formats a number. Texts are shown unchanged.
    group
        Header above this column and its neighbours of the same group.
    key
        Name for the page's script and `Table.select`.
    numeric
        Whether its texts are numbers.
    """

    label: str
    show: Show = str
    group: str = ""
    key: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Bars:
    """Bars in a table, one per row, on one linear scale from 0.

    Attributes
    ----------
    length
        Number of the column (from 0) that gives a bar's length.
    marks
        Numbers of the columns that are marked on it: the first as a line, the second as a dotted line.
    limit
        Value of a bar with full length; by default the largest value of those columns.
    """

    length: int
    marks: tuple[int, ...] = ()
    limit: float | None = None

    @property
    def columns(self) -> tuple[int, ...]:
        """Numbers of all columns that are drawn."""
        return self.length, *self.marks


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its header.

    Attributes
    ----------
    caption
        Title of the table.
    columns
        Columns from left to right.
    rows
        Rows with one cell per column.
    bars
        Bars of some of its columns; none by default.
    note
        Explanation below the table.
    footer
        Number of rows at the end that are means over the others.
    bold
        Rows and columns of the cells that LaTeX sets in bold.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Entry]]
    bars: Bars | None = None
    note: str = ""
    footer: int = 0
    bold: Collection[tuple[int, int]] = ()

    @property
    def labels(self) -> list[str]:
        """Headers of the columns in one line: with their group's, where there are several groups."""
        several = len({column.group for column in self.columns} - {""}) > 1
        return [
            f"{column.group} {column.label}".strip() if several else column.label or column.group
            for column in self.columns
        ]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Groups of neighbouring columns, each with its number of columns."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return found

    def is_numeric(self, column: int) -> bool:
        """Return whether a column holds numbers."""
        return self.columns[column].numeric or any(isinstance(row[column], int | float | Interval) for row in self.rows)

    def texts(self, row: Sequence[Entry]) -> list[str]:
        """Return a row's cells as plain texts."""
        return [show_cell(cell, column.show) for cell, column in zip(row, self.columns, strict=True)]

    def select(self, keys: Collection[str]) -> "Table":
        """Return the table with some of its columns only, by their keys."""
        kept = [i for i, column in enumerate(self.columns) if column.key in keys]
        return replace(
            self, columns=[self.columns[i] for i in kept], rows=[[row[i] for i in kept] for row in self.rows]
        )

    def bar_places(self, row: Sequence[Entry]) -> list[Cell]:
        """Return the positions of a row's bar end and marks, from 0 to 100."""
        if self.bars is None:
            return []
        shown = self.bars.columns
        limit = self.bars.limit or max((number_in(line[i]) or 0.0 for line in self.rows for i in shown), default=0.0)
        places = [number_in(row[i]) for i in shown]
        return [None if place is None else min(max(place / (limit or 1.0), 0.0), 1.0) * 100 for place in places]


def show_cell(cell: Entry, show: Show) -> str:
    """Format a cell: a text unchanged, a number by `show` with its interval, a missing value as a dash."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Link | Code):
        return cell.text
    number = number_in(cell)
    if number is None:
        return NO_VALUE
    return f"{show(number)} ({show_bounds(cell, show)})" if is_bounded(cell) else show(number)


def is_bounded(cell: Entry) -> TypeGuard[Interval]:
    """Return whether a cell is a figure with the bounds of an interval."""
    return isinstance(cell, Interval) and cell.is_known


def show_bounds(interval: Interval, show: Show) -> str:
    """Write the ends of an interval."""
    low, high = show(settle(interval.low)), show(settle(interval.high))
    return f"{low} to {high}" if {"−", "+"} & {*low, *high} else f"{low}–{high}"


def number_in(cell: Entry) -> Cell:
    """Return the number in a cell, settled; None for a text, and for NaN."""
    value = cell.value if isinstance(cell, Interval) else cell
    if value is None or isinstance(value, str | Link | Code) or math.isnan(value):
        return None
    return settle(value)
