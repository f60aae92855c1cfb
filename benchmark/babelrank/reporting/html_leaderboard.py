"""The leaderboard's sections -> leaderboard.html: to be sorted, filtered, and seen as a plot.

In: what leaderboard.md is made of, with what was computed from the rank tables besides. Out: the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.analysis.settings import Cell
from babelrank.data.spec import LAREQA
from babelrank.reporting.family_table import AVERAGE, FamilyRow, FamilyTable
from babelrank.reporting.figures import Figures
from babelrank.reporting.html_page import anchor, render_page
from babelrank.reporting.html_report import REPORT_PAGE
from babelrank.reporting.languages import language_name
from babelrank.reporting.markdown import HASHED
from babelrank.reporting.parts import Table
from babelrank.reporting.results import ModelResults
from babelrank.reporting.summary import (
    NO_VALUE,
    SETTING_LABELS,
    bias_row,
    settle,
    show_parameters,
    show_range,
    show_score,
    summary_rows,
)

if TYPE_CHECKING:
    from babelrank.reporting.leaderboard import Entry, Section

_GROUP_NOTE = (
    "Models that share a letter cannot be told apart by what they are sorted by, Mul. (mAP) where there is a pool of "
    "several languages: paired permutation tests over questions, at 5 % after Holm’s correction over all pairs."
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
    """A table of models that can be compared.

    Attributes
    ----------
    id
        Of its element.
    title, note
        What it is called, and what it is about.
    measures, labels
        There is a column for each measure and label: a kind of setting, or a collection of a family.
    main
        The label by which models are sorted, in the first measure.
    has_bias, has_groups
        Whether there are columns of language bias, and of groups.
    lines
        The best first.
    """

    id: str
    title: str
    note: str
    measures: tuple[str, ...]
    labels: tuple[str, ...]
    main: str
    has_bias: bool
    has_groups: bool
    lines: list[Line]


def render_leaderboard_html(
    sections: "Sequence[Section]",
    groups: Mapping[Key, str] | None = None,
    intervals: Mapping[Key, Mapping[str, Interval]] | None = None,
    group_note: str = _GROUP_NOTE,
    *,
    tables: Sequence[FamilyTable] = (),
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
        By title of a section and name of a model: intervals of the macro figures (`bootstrap.MACRO_FIGURES`).
    group_note
        What it means to share a letter, in a sentence.
    tables
        Families whose collections stand side by side.
    scaling
        By title of a section: how its models' figures go with their sizes.
    """
    groups, intervals = groups or {}, intervals or {}
    boards = [_section_board(section, groups, intervals) for section in sections]
    after = sum(section.figures.family == LAREQA for section in sections)
    boards[after:after] = map(_family_board, tables)
    measures = dict.fromkeys(measure for board in boards for measure in board.measures)
    return render_page(
        "leaderboard.html.j2",
        styles=("base.css", "leaderboard.css"),
        scripts=("common.js", "scatter.js", "leaderboard.js"),
        boards=boards,
        collections=[(board.id, board.title) for board in boards],
        measure_choices=[(measure, measure) for measure in measures],
        has_pool=any(section.figures.has_pool for section in sections),
        has_bias=any(board.has_bias for board in boards),
        kinds=sorted({line.kind for board in boards for line in board.lines}),
        has_groups=any(groups.values()),
        has_intervals=any(intervals.values()),
        group_note=group_note,
        scaling=scaling or {},
        data={board.id: [_data(line) for line in board.lines] for board in boards},
    )


def _keyed(section: "Section") -> list[tuple[Key, "Entry"]]:
    return [((section.title, entry.model.name), entry) for entry in section.entries]


def _section_board(
    section: "Section", groups: Mapping[Key, str], intervals: Mapping[Key, Mapping[str, Interval]]
) -> Board:
    source, first, figures = section.source, section.entries[0].result, section.figures
    told = f"{source.description} ({source.citation}; licence: {source.licence}). " if source else ""
    size = len(first.languages)
    languages = f"{size} language{'s' if size > 1 else ''}: {', '.join(map(language_name, first.languages))}"
    return Board(
        id=anchor(section.title),
        title=section.title,
        note=f"{told}Candidates: {first.candidates}; {languages}.",
        measures=figures.measures,
        labels=tuple(row.label for row in summary_rows(first)),
        main=SETTING_LABELS[figures.main[0]],
        has_bias=figures.has_bias,
        has_groups=any(groups.values()),
        lines=[_line(entry, figures, groups.get(key, ""), intervals.get(key, {})) for key, entry in _keyed(section)],
    )


def _family_board(table: FamilyTable) -> Board:
    return Board(
        id=anchor(table.title),
        title=table.title,
        note=f"{table.meaning} A model that was not evaluated on all of them has no average.",
        measures=table.measures,
        labels=table.columns,
        main=AVERAGE,
        has_bias=False,
        has_groups=False,
        lines=[_family_line(row, table) for row in table.rows],
    )


def _family_line(row: FamilyRow, table: FamilyTable) -> Line:
    scores = {
        f"{measure}/{column}": score
        for measure in table.measures
        for column, score in zip(table.columns, row.scores[measure], strict=True)
    }
    return _model_line(row.model, row.link, scores, {column: show_score(score) for column, score in scores.items()})


def _line(entry: "Entry", figures: Figures, group: str, intervals: Mapping[str, Interval]) -> Line:
    rows, macro = summary_rows(entry.result), entry.result.macro["multilingual"]
    values: dict[str, str | Cell] = {
        "group": group or None,
        **{f"{measure}/{row.label}": row.scores[measure] for measure in figures.measures for row in rows},
    }
    texts = {column: show_score(score) for column, score in values.items() if not isinstance(score, str)}
    texts["group"] = group or NO_VALUE
    columns = {kind: f"{figures.headline[0]}/{SETTING_LABELS[kind]}" for kind in figures.kinds}
    if figures.has_bias:
        bias = bias_row(entry.result)
        values |= {RANK_DISTANCE: macro[RANK_DISTANCE], "normalised": macro["rank_distance_normalised"]}
        texts |= {RANK_DISTANCE: bias["mean"], "normalised": bias["normalised"]}
        columns[RANK_DISTANCE] = RANK_DISTANCE
    known = {columns[figure]: (figure, interval) for figure, interval in intervals.items() if figure in columns}
    return replace(
        _model_line(entry.model, entry.link, values, texts),
        intervals={column: interval for column, (_, interval) in known.items()},
        ranges={column: show_range(figure, interval) for column, (figure, interval) in known.items()},
    )


def _model_line(model: ModelResults, link: str, values: Mapping[str, str | Cell], texts: Mapping[str, str]) -> Line:
    dimension = model.dimension if model.dimension < HASHED else None
    return Line(
        name=model.name,
        adapter=model.adapter,
        kind=model.kind,
        link=f"{link.rpartition('/')[0]}/{REPORT_PAGE}",
        values={"name": model.name, "parameters": model.parameters, "dimension": dimension, **values},
        texts={
            "parameters": show_parameters(model.parameters),
            "dimension": NO_VALUE if dimension is None else f"{dimension:,}",
            **texts,
        },
        intervals={},
        ranges={},
    )


def _data(line: Line) -> dict[str, object]:
    """Return what the page's script sorts, filters and draws."""
    values = {key: settle(value) if isinstance(value, float) else value for key, value in line.values.items()}
    return {
        "kind": line.kind,
        "link": line.link,
        "values": values,
        "intervals": {column: [settle(each.low), settle(each.high)] for column, each in line.intervals.items()},
        "texts": {column: line.texts[column] for column in line.texts if "/M" in column or column == RANK_DISTANCE},
        "ranges": line.ranges,
    }
