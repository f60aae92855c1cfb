"""The leaderboard's sections -> leaderboard.html: to be sorted, filtered, and seen as a plot.

In: what leaderboard.md is made of, with what was computed from the rank tables besides. Out: the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from babelrank.analysis.bootstrap import MACRO_FIGURES, RANK_DISTANCE, Interval
from babelrank.analysis.measures import MEASURES
from babelrank.analysis.settings import Cell
from babelrank.reporting.html import Table
from babelrank.reporting.html_page import anchor, render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.markdown import HASHED, show_parameters
from babelrank.reporting.summary import NO_VALUE, bias_row, show_range, show_score, summary_rows

if TYPE_CHECKING:
    from babelrank.reporting.leaderboard import Entry, Section

# Columns of figures that have intervals.
_COLUMNS = dict(zip(MACRO_FIGURES, ("mAP/Mo.", "mAP/Cr.", "mAP/Mul.", RANK_DISTANCE), strict=True))
_GROUP_NOTE = (
    "Models that share a letter cannot be told apart by Mul. (mAP): paired permutation tests over questions, at 5 % "
    "after Holm’s correction over all pairs of models."
)

Key = tuple[str, str]  # title of a section, name of a model


@dataclass(frozen=True)
class Line:
    """A model's line in the table of one collection.

    Attributes
    ----------
    name, adapter, kind
        Of the model.
    link
        Address of its report's page.
    values
        By column, what to sort by: numbers or texts; None where there is nothing.
    texts
        By column, what to show.
    intervals
        By column, where they are known.
    ranges
        The same, as text.
    """

    name: str
    adapter: str
    kind: str
    link: str
    values: dict[str, str | Cell]
    texts: dict[str, str]
    intervals: dict[str, Interval]
    ranges: dict[str, str]


@dataclass(frozen=True)
class Board:
    """A section with the lines of its table; `id` is that of its element."""

    id: str
    section: "Section"
    lines: list[Line]


def render_leaderboard_html(
    sections: "Sequence[Section]",
    groups: Mapping[Key, str] | None = None,
    intervals: Mapping[Key, Mapping[str, Interval]] | None = None,
    group_note: str = _GROUP_NOTE,
    scaling: Mapping[str, Table] | None = None,
) -> str:
    """Return a leaderboard.html: it follows from the arguments alone.

    Parameters
    ----------
    sections
        As the leaderboard has them: models that can be compared, best first. Each report's page is taken to stand where
        the entry's link leads.
    groups
        By title of a section and name of a model: letters of the groups to which it belongs. Without any, there is no
        such column.
    intervals
        By title of a section and name of a model: intervals of the macro figures (`MACRO_FIGURES`).
    group_note
        What it means to share a letter, in a sentence.
    scaling
        By title of a section: how its models' figures go with their sizes.
    """
    groups, intervals = groups or {}, intervals or {}
    boards = [
        Board(
            anchor(section.title),
            section,
            [_line(entry, groups.get(key, ""), intervals.get(key, {})) for key, entry in _keyed(section)],
        )
        for section in sections
    ]
    return render_page(
        "leaderboard.html.j2",
        styles=("base.css", "leaderboard.css"),
        scripts=("common.js", "scatter.js", "leaderboard.js"),
        boards=boards,
        collections=[(board.id, board.section.title) for board in boards],
        measures=list(MEASURES),
        measure_choices=[(measure, measure) for measure in MEASURES],
        labels=[row.label for row in summary_rows(sections[0].entries[0].result)] if sections else [],
        kinds=sorted({line.kind for board in boards for line in board.lines}),
        has_groups=any(groups.values()),
        has_intervals=any(intervals.values()),
        group_note=group_note,
        scaling=scaling or {},
        data={board.id: [_data(line) for line in board.lines] for board in boards},
    )


def _keyed(section: "Section") -> list[tuple[Key, "Entry"]]:
    return [((section.title, entry.model.name), entry) for entry in section.entries]


def _line(entry: "Entry", group: str, intervals: Mapping[str, Interval]) -> Line:
    model, macro = entry.model, entry.result.macro["multilingual"]
    rows, bias = summary_rows(entry.result), bias_row(entry.result)
    scores = {f"{measure}/{row.label}": row.scores[measure] for measure in MEASURES for row in rows}
    dimension = model.dimension if model.dimension < HASHED else None
    return Line(
        name=model.name,
        adapter=model.adapter,
        kind=model.kind,
        link=f"{entry.link.rpartition('/')[0]}/{REPORT_PAGE}",
        values={
            "name": model.name,
            "parameters": model.parameters,
            "dimension": dimension,
            "group": group or None,
            **scores,
            RANK_DISTANCE: macro[RANK_DISTANCE],
            "normalised": macro["rank_distance_normalised"],
        },
        texts={
            "parameters": show_parameters(model.parameters),
            "dimension": NO_VALUE if dimension is None else f"{dimension:,}",
            "group": group or NO_VALUE,
            **{column: show_score(score) for column, score in scores.items()},
            RANK_DISTANCE: bias["mean"],
            "normalised": bias["normalised"],
        },
        intervals={_COLUMNS[figure]: interval for figure, interval in intervals.items()},
        ranges={_COLUMNS[figure]: show_range(figure, interval) for figure, interval in intervals.items()},
    )


def _data(line: Line) -> dict[str, object]:
    """Return what the page's script sorts, filters and draws."""
    return {
        "kind": line.kind,
        "link": line.link,
        "values": line.values,
        "intervals": {column: [interval.low, interval.high] for column, interval in line.intervals.items()},
        "texts": {column: line.texts[column] for column in line.texts if "/M" in column or column == RANK_DISTANCE},
        "ranges": line.ranges,
    }
