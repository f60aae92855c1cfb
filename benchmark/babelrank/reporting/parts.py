"""What reports are made of, in Markdown as in HTML: sections of plain data, with tables and matrices.

A `Section` has a title, a caption that says in words how its figures come about, and any number of `MatrixView`,
`Table` and `QuestionList`. Whoever has a new analysis to show makes a section of it, and hands it to
`markdown.render_markdown` and `html_report.render_report_html`. In HTML a section with several matrices shows one at a
time, with a switch; in print, only the chosen one::

    Section(
        title="Consistency",
        caption="Share of questions whose first passage is the same in two query languages.",
        matrices=[
            MatrixView(
                label="agreement",
                title="Agreement of two query languages",
                rows=["de", "en"],
                columns=["de", "en"],
                values=[[1.0, 0.62], [0.62, 1.0]],
                show=show_share,
                legend="share of questions",
                n=[[500, 480], [480, 500]],
                join="with",
            )
        ],
        tables=[
            Table(
                caption="By query language",
                columns=[Column("query language"), Column("agreement", show_share), Column("p", lambda p: f"{p:.1g}")],
                rows=[["German (de)", 0.62, 0.001], ["English (en)", 0.62, None]],
                bars=Bars(length=1, limit=1.0),
            )
        ],
    )

Texts are plain: each page escapes them, whatever is in them. None, and NaN, are shown as a dash.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.settings import Cell, Matrix
from babelrank.reporting.languages import language_name
from babelrank.reporting.summary import NO_VALUE, settle

STEPS = 32  # colours of a scale, as scales.css has them: more cannot be told apart side by side
Palette = Literal["viridis", "viridis_r", "cividis", "cividis_r"]
Show = Callable[[float], str]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    label
        Its header.
    show
        A number as text; texts among its cells are shown as they are.
    """

    label: str
    show: Show = str


@dataclass(frozen=True)
class Bars:
    """Bars drawn into a table, one a row, all on one linear scale from 0.

    Attributes
    ----------
    length
        Number of the column (from 0) that a bar is as long as.
    marks
        Numbers of the columns that are marked upon it: the first as a line, the second as a dotted one.
    limit
        What a bar of full length stands for; by default the largest of those columns' values.
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
        What the table shows.
    columns
        From left to right.
    rows
        Texts and numbers, as many as there are columns.
    bars
        Of some of its columns; none by default.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell]]
    bars: Bars | None = None

    def is_numeric(self, column: int) -> bool:
        """Return whether a column holds numbers."""
        return any(isinstance(row[column], int | float) for row in self.rows)

    def bar_places(self, row: Sequence[str | Cell]) -> list[Cell]:
        """Return where a row's bar ends and where its marks stand, from 0 to 100."""
        if self.bars is None:
            return []
        shown = self.bars.columns
        limit = self.bars.limit or max((_number(line[i]) or 0.0 for line in self.rows for i in shown), default=0.0)
        places = [_number(row[i]) for i in shown]
        return [None if place is None else _within(place / (limit or 1.0)) * 100 for place in places]


@dataclass(frozen=True)
class Margin:
    """A column beside a matrix, or a row below it, on the same colour scale.

    Attributes
    ----------
    label
        Its header.
    meaning
        What takes the place of a language's name, such as ``all languages``.
    values
        One per row, or per column, of the matrix.
    n
        Observations of each value; none if they cannot be told.
    """

    label: str
    meaning: str
    values: Sequence[Cell]
    n: Sequence[int] | None = None


@dataclass(frozen=True)
class MatrixView:
    """A matrix of figures: in HTML a table with coloured cells, in Markdown the bare figures.

    Attributes
    ----------
    label
        A word or two for the switch; unique in its section. Tooltips give it with the value.
    title
        What the matrix shows: the table's caption.
    rows, columns
        ISO 639-1 codes, or any other names.
    values
        Shape (rows, columns).
    show
        A value as text that fits a cell.
    legend
        What the colours say, with the direction: ``mAP (higher is better)``.
    note
        How the values come about, in words.
    precise
        A value as text for the tooltip; by default as in the cell.
    colours
        Scale; where lower is better take a reversed one (``_r``), so that bright is always better. ``cividis`` is for
        what is neither better nor worse.
    limits
        Bounds of the scale, if the values' own are not to be its.
    logarithmic
        Whether ratios matter more than differences; values above 0 only.
    n
        Observations of each cell; none if they cannot be told.
    unit
        What `n` counts.
    intervals
        95 % interval of each cell; None, as a whole or in a cell, where it is not known.
    beside, below
        A column more on the right, a row more at the foot.
    join
        Stands between the names of a row and a column.
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
    beside: Margin | None = None
    below: Margin | None = None
    join: str = "→"

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
        """The values with the margins, NaN as None; where both margins would meet there is nothing."""
        return [[_number(value) for value in row] for row in self._with_margins(self.values, "values")]

    @property
    def steps(self) -> list[list[int | None]]:
        """Number of each cell's colour, from 0 to `STEPS` − 1."""
        bounds = self.bounds
        return [
            [None if value is None or not bounds else self._step(value, bounds) for value in row] for row in self.grid
        ]

    def data(self) -> dict[str, object]:
        """Return what a tooltip tells, by cell of the grid: as JSON."""
        show = self.precise or self.show
        ends = self.beside.meaning if self.beside else "", self.below.meaning if self.below else ""
        return {
            "label": self.label,
            "join": self.join,
            "unit": self.unit,
            "rows": [*map(language_name, self.rows), *filter(None, ends[1:])],
            "columns": [*map(language_name, self.columns), *filter(None, ends[:1])],
            # Where a cell has all there is to tell, the page's script reads it there.
            "values": self.precise
            and [[NO_VALUE if value is None else show(value) for value in row] for row in self.grid],
            "n": None if self.n is None else self._with_margins(self.n, "n"),
            "intervals": self.intervals
            and [
                [each and [show(settle(each.low)), show(settle(each.high))] for each in row] for row in self.intervals
            ],
        }

    def _step(self, value: float, bounds: tuple[float, float]) -> int:
        low, high = bounds
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        share = _within((value - low) / (high - low)) if high > low else 1.0
        return round((1 - share if self.colours.endswith("_r") else share) * (STEPS - 1))

    def _with_margins(self, matrix: Sequence[Sequence[Any]], what: Literal["values", "n"]) -> list[list[Any]]:
        beside, below = (None if side is None else getattr(side, what) for side in (self.beside, self.below))
        rows = [list(row) for row in matrix]
        if self.beside:
            rows = [[*row, beside[i] if beside else None] for i, row in enumerate(rows)]
        if self.below:
            foot = list(below) if below else [None] * len(self.columns)
            rows.append([*foot, None] if self.beside else foot)
        return rows


@dataclass(frozen=True)
class Passage:
    """A passage in a ranking.

    Attributes
    ----------
    rank
        As text.
    what
        What it is, in a few words: ``the answer``.
    lang
        Its language.
    name
        Its id.
    text
        What it says; None if that is not known.
    """

    rank: str
    what: str
    lang: str
    name: str
    text: str | None


@dataclass(frozen=True)
class Question:
    """A question with the passages that are shown of its ranking.

    Attributes
    ----------
    lang, name, text
        As a passage's.
    passages
        Best first, the answer last.
    """

    lang: str
    name: str
    text: str | None
    passages: Sequence[Passage]


@dataclass(frozen=True)
class QuestionList:
    """Questions by setting, folded up until they are wanted.

    Attributes
    ----------
    title
        What they are.
    settings
        Name of a setting, such as ``de→en``, and its questions.
    """

    title: str
    settings: Sequence[tuple[str, Sequence[Question]]]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    title
        Its heading; unique among the sections of a collection.
    caption
        What the figures mean and how they come about, in words.
    matrices
        Shown one at a time.
    tables
        Below the matrices.
    questions
        Below the tables.
    """

    title: str
    caption: str
    matrices: Sequence[MatrixView] = ()
    tables: Sequence[Table] = ()
    questions: Sequence[QuestionList] = ()


def show_share(share: float) -> str:
    """Write a share as a percentage."""
    return f"{share:.0%}"


def show_cell(value: str | Cell, show: Show) -> str:
    """Write a cell: a text as it is, a number by `show`, a dash where there is none."""
    if isinstance(value, str):
        return value
    number = _number(value)
    return NO_VALUE if number is None else show(number)


def _number(value: str | Cell) -> Cell:
    """Return a number that is one, settled: not a text, and not NaN."""
    return None if value is None or isinstance(value, str) or math.isnan(value) else settle(value)


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)
