"""Matrices of values by language: heatmaps in HTML and SVG, tables elsewhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.settings import Cell, Matrix
from babelrank.reporting.formatting import settle, show_count
from babelrank.reporting.languages import language_name
from babelrank.reporting.tables import Column, Show, Table, number_in, show_cell

# Digits of packed numbers: characters that neither JSON nor HTML escapes.
DIGITS = "".join(char for char in map(chr, range(ord("!"), ord("~") + 1)) if char not in "\"&'<>\\")
_LEAST_STEPS = 4  # of packed numbers, from one shown text to the next
STEPS = 32  # colours of a scale in scales.css; with more, neighbours look the same
Palette = Literal["viridis", "viridis_r", "cividis", "cividis_r"]


@dataclass(frozen=True)
class Margin:
    """A column to the right of a matrix, or a row below it, on the same colour scale.

    Attributes
    ----------
    label
        Header.
    meaning
        Name in place of a language's, such as ``all languages``.
    values
        One value per row (or column) of the matrix.
    n
        Number of observations of each value; empty if unknown.
    """

    label: str
    meaning: str
    values: Sequence[Cell]
    n: Sequence[int] | None = None


@dataclass(frozen=True)
class MatrixView:
    """A matrix of values: a heatmap in HTML and SVG, a table elsewhere.

    Attributes
    ----------
    label
        One or two words for the switch, unique in its section. Tooltips show it with the value.
    title
        Caption of the table.
    rows, columns
        Language codes, or any other names.
    values
        Shape (rows, columns).
    show
        Formats a value for a cell.
    legend
        Meaning of the colours, with the direction: ``mAP (higher is better)``.
    note
        Explanation of the values.
    precise
        Formats a value for the tooltip; by default as in the cell.
    colours
        Colour scale. If lower is better, it is a reversed one (``_r``), so bright is always better. ``cividis`` is for
        values that are neither better nor worse.
    limits
        Bounds of the scale; by default those of the values.
    logarithmic
        Whether ratios matter more than differences. All values must be above 0.
    n
        Number of observations of each cell; empty if unknown.
    unit
        Unit of `n`.
    intervals
        95 % interval of each cell, row by row, with the margin on the right; None for all or for a cell if unknown.
    right, below
        Additional column on the right, additional row at the bottom.
    join
        Text between the names of a row and a column.
    finer
        The matrix of single languages, if this one has groups of languages. A page shows its cells on demand.
    """

    label: str
    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Matrix
    show: Show
    legend: str
    note: str = ""
    precise: Show | None = None
    colours: Palette = "viridis"
    limits: tuple[float | None, float | None] = (None, None)
    logarithmic: bool = False
    n: Sequence[Sequence[int]] | None = None
    unit: str = "queries"
    intervals: Sequence[Sequence[Interval | None]] | None = None
    right: Margin | None = None
    below: Margin | None = None
    join: str = "→"
    finer: "MatrixView | None" = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Ends of the colour scale; None where there is no value."""
        known = [value for row in self.grid for value in row if value is not None]
        if not known:
            return None
        low, high = self.limits
        return min(known) if low is None else low, max(known) if high is None else high

    @property
    def grid(self) -> Matrix:
        """The values with the margins, NaN as None. The cell where both margins meet is empty."""
        return [[number_in(value) for value in row] for row in self._with_margins(self.values, "values")]

    @property
    def steps(self) -> list[list[int | None]]:
        """Number of each cell's colour, from 0 to `STEPS` − 1."""
        bounds = self.bounds
        return [
            [None if value is None or not bounds else self._step(value, bounds) for value in row] for row in self.grid
        ]

    @property
    def table(self) -> Table:
        """The bare values as a table."""
        names = [*map(language_name, self.rows), *([self.below.label] if self.below else [])]
        return Table(
            caption=self.title,
            columns=[Column(""), *(Column(code, self.show) for code in self._labels(self.columns, self.right))],
            rows=[[name, *row] for name, row in zip(names, self.grid, strict=True)],
            note=self.note,
            footer=1 if self.below else 0,
        )

    @property
    def count_table(self) -> Table:
        """The number of observations of each cell as a table."""
        return Table(
            caption=f"Number of {self.unit} in each cell",
            columns=[Column(""), *(Column(code, show_count) for code in self._labels(self.columns, self.right))],
            rows=[
                [language_name(code), *counts]
                for code, counts in zip(self.rows, self._with_margins(self.n or (), "n"), strict=True)
            ],
        )

    def data(self) -> dict[str, object]:
        """Return the tooltips by cell of the grid, as JSON."""
        show = self.precise or self.show
        return {
            "label": self.label,
            "join": self.join,
            "unit": self.unit,
            "rows": [*map(language_name, self.rows), *([self.below.meaning] if self.below else [])],
            "columns": [*map(language_name, self.columns), *([self.right.meaning] if self.right else [])],
            # If the cell shows the full value, the page's script reads it there.
            "values": self.precise and [[show_cell(value, show) for value in row] for row in self.grid],
            "n": None if self.n is None else self._with_margins(self.n, "n"),
            "intervals": self.intervals
            and [
                [each and [show(settle(each.low)), show(settle(each.high))] for each in row] for row in self.intervals
            ],
            "cells": self.finer and self.finer.cells(),
        }

    def cells(self) -> dict[str, object]:
        """Return the values and how they are shown, for a page's script, as JSON.

        A row is one text with `width` `DIGITS` for each value, the number of steps from `low` to it, and spaces where
        there is none: a fifth of the length that numbers have. A row of a symmetric matrix ends at its diagonal. All
        values in a step have the same text in a cell. The page shows the middle of the step, and so writes this text.
        """
        text, known = self.show(0.5), [value for row in self.grid for value in row if value is not None]
        percent, decimals = text.endswith("%"), len(text.partition(".")[2])
        digits = 2 if percent else decimals

        def shown(value: float) -> int:
            """Return the text of a value as a number of its last digit's units."""
            return round(value * 100 if percent else round(value, decimals) * 10**decimals)

        low, high = shown(min(known, default=0.0)), shown(max(known, default=1.0))
        units = high - low + 1
        width = next(width for width in count(2) if len(DIGITS) ** width >= _LEAST_STEPS * units)
        steps = len(DIGITS) ** width // units // 2 * 2  # in a unit; even, as high ranks are shown without decimals

        def pack(value: float) -> str:
            step = math.floor((value * 10**digits - shown(value) + 0.5) * steps)
            number = (shown(value) - low) * steps + min(max(step, 0), steps - 1)
            return "".join(DIGITS[number // len(DIGITS) ** place % len(DIGITS)] for place in reversed(range(width)))

        def packed(values: Sequence[Cell]) -> str:
            return "".join(" " * width if each is None else pack(each) for each in map(number_in, values))

        symmetric = [*map(list, self.values)] == [*map(list, zip(*self.values, strict=True))]

        def margin(side: Margin | None) -> object:
            return side and {"label": side.label, "meaning": side.meaning, "values": packed(side.values)}

        return {
            "codes": list(self.rows),
            "values": [packed(row[: i + 1] if symmetric else row) for i, row in enumerate(self.values)],
            "right": margin(self.right),
            "below": margin(self.below),
            "width": width,
            "low": (low - 0.5) / 10**digits,
            "step": 1 / (steps * 10**digits),
            "bounds": self.bounds or (0.0, 1.0),
            "logarithmic": self.logarithmic,
            "reversed": self.colours.endswith("_r"),
            "percent": percent,
            "signed": text.startswith("+"),
            "decimals": decimals,
        }

    def _labels(self, codes: Sequence[str], margin: Margin | None) -> list[str]:
        return [*codes, *([margin.label] if margin else [])]

    def _step(self, value: float, bounds: tuple[float, float]) -> int:
        share = self._share(value, bounds)
        return round((1 - share if self.colours.endswith("_r") else share) * (STEPS - 1))

    def _share(self, value: float, bounds: tuple[float, float]) -> float:
        """Return how far a value is on the way between two bounds, from 0 to 1."""
        low, high = bounds
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return settle(_within((value - low) / (high - low))) if high > low else 1.0

    def _with_margins(self, matrix: Sequence[Sequence[Any]], what: Literal["values", "n"]) -> list[list[Any]]:
        right, below = (None if side is None else getattr(side, what) for side in (self.right, self.below))
        rows = [list(row) for row in matrix]
        if self.right:
            rows = [[*row, right[i] if right else None] for i, row in enumerate(rows)]
        if self.below:
            foot = list(below) if below else [None] * len(self.columns)
            rows.append([*foot, None] if self.right else foot)
        return rows


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)
