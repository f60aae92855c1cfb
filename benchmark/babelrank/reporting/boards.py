"""Standings -> the tables of the leaderboard: one for each collection, and one for collections side by side.

Collections of MIRACL and BEIR stand side by side, a column each with their average, as in Tables 12 and 13 of arXiv
2408.10536.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.analysis.settings import Cell
from babelrank.data.catalog import source_of
from babelrank.data.spec import LAREQA
from babelrank.encoding.protocol import Role
from babelrank.reporting.cache import Cache
from babelrank.reporting.formatting import (
    HASHED,
    show_count,
    show_parameters,
    show_precisely,
    show_rank,
    show_score,
    show_significant,
)
from babelrank.reporting.html_page import anchor
from babelrank.reporting.languages import language_name
from babelrank.reporting.measures import SOURCE_TITLES
from babelrank.reporting.results import ModelResults
from babelrank.reporting.scaling_table import scaling_table
from babelrank.reporting.standings import Standing, Standings
from babelrank.reporting.summary import TASK_LABELS, summary_rows
from babelrank.reporting.tables import Column, Entry, Link, Table

SIDE_BY_SIDE = ("miracl", "beir")
AVERAGE = "average"
_MEANINGS = {
    "miracl": "Monolingual retrieval of Wikipedia's passages, MIRACL's dev queries of each language (Zhang et al. "
    "2023, arXiv 2210.09984).",
    "beir": "Collections in BEIR's layout (Thakur et al. 2021, arXiv 2104.08663), each in one language.",
}
_MODEL = ("#", "name")
_SIZE = ("parameters", "dimension")
_COST = ("speed", "bytes", "length")  # columns that are there if a report has them
_BIAS = (RANK_DISTANCE, "normalised")


@dataclass(frozen=True)
class Board:
    """A table of models that can be compared; the best first.

    Attributes
    ----------
    title, note
        What it is called, and what it is about.
    table
        Columns have keys: those of the scores are ``<measure>/<label>``.
    models
        Of the rows.
    measures, labels
        There is a column for each measure and label: a task, or a collection.
    headline
        The measures that leaderboard.md has.
    main
        The label by which models are sorted, in the first measure.
    has_pool, has_bias
        Whether there is a pool of several languages, and columns of language bias.
    scaling
        How figures go with the models' sizes.
    """

    title: str
    note: str
    table: Table
    models: list[ModelResults]
    measures: tuple[str, ...]
    labels: tuple[str, ...]
    headline: tuple[str, ...]
    main: str
    has_pool: bool = False
    has_bias: bool = False
    scaling: Table | None = None

    @property
    def id(self) -> str:
        """Id of its element in a page."""
        return anchor(self.title)

    @property
    def has_speed(self) -> bool:
        """Whether it is known of a model how fast it encodes."""
        return any(column.key == "speed" for column in self.table.columns)

    @property
    def markdown_tables(self) -> list[tuple[str, Table]]:
        """For each headline measure, its name and the columns that leaderboard.md has."""
        found = []
        for measure in self.headline:
            keys = [*_MODEL, "group", *(f"{measure}/{label}" for label in self.labels), *_BIAS, *_SIZE, *_COST]
            table = self.table.select(keys, with_intervals=False)
            columns = [
                replace(each, group="", label=f"{each.label} {_arrow(each.group)}".strip()) for each in table.columns
            ]
            found.append((measure, replace(table, columns=columns)))
        return found


def make_boards(standings: Sequence[Standings], cache: Cache | None = None) -> list[Board]:
    """Return the boards in the leaderboard's order; `cache` knows what was computed of them before."""
    by_source = {source: [each for each in standings if each.shown.source == source] for source in SOURCE_TITLES}
    return [
        *(_collection_board(each, cache) for each in by_source[LAREQA]),
        *(_side_by_side(source, by_source[source]) for source in SIDE_BY_SIDE if by_source[source]),
        *(
            _collection_board(each, cache)
            for source, several in by_source.items()
            if source not in (LAREQA, *SIDE_BY_SIDE)
            for each in several
        ),
    ]


def _collection_board(standings: Standings, cache: Cache | None) -> Board:
    shown, first, source = standings.shown, standings.entries[0].result, source_of(standings.name)
    labels = tuple(row.label for row in summary_rows(first))
    told = f"{source.description} ({source.citation}; licence: {source.licence}). " if source else ""
    size = len(first.languages)
    languages = f"{size} language{'s' if size > 1 else ''}: {', '.join(map(language_name, first.languages))}"
    scores = [
        Column(label, show_score, f"{measure} ↑", f"{measure}/{label}")
        for measure in shown.measures
        for label in labels
    ]
    bias = [
        Column("rank distance", show_rank, "language bias ↓", RANK_DISTANCE),
        Column("normalised", show_precisely, "language bias ↓", "normalised"),
    ]
    has_groups = any(entry.letters for entry in standings.entries)
    rows: list[list[Entry]] = [
        [
            place,
            _linked(entry.model, entry.link),
            *([entry.letters or None] if has_groups else []),
            *_scores(entry, standings),
            *_sizes(entry),
        ]
        for place, entry in enumerate(standings.entries, start=1)
    ]
    columns = [
        *_model_columns(),
        *([Column("group", key="group")] if has_groups else []),
        *scores,
        *(bias if shown.has_bias else []),
        *_size_columns(),
    ]
    return Board(
        title=standings.title,
        note=f"{told}Candidates: {first.candidates}; {languages}.",
        table=_without_empty(Table(standings.title, columns, rows)),
        models=[entry.model for entry in standings.entries],
        measures=shown.measures,
        labels=labels,
        headline=shown.headline[:1] if shown.has_pool else shown.headline,
        main=TASK_LABELS[shown.main[0]],
        has_pool=shown.has_pool,
        has_bias=shown.has_bias,
        scaling=scaling_table([(each.model, each.result) for each in standings.entries], cache)
        if shown.has_bias
        else None,
    )


def _side_by_side(source: str, sections: Sequence[Standings]) -> Board:
    measures = sections[0].shown.headline
    models = {entry.model.name: entry for section in sections for entry in section.entries}
    labels = (*(section.title.removeprefix(f"{source}:") for section in sections), AVERAGE)

    def scores_of(model: str, measure: str) -> list[Cell]:
        scores = [
            next((e.result.macro["monolingual"][measure] for e in section.entries if e.model.name == model), None)
            for section in sections
        ]
        known = [score for score in scores if score is not None]
        return [*scores, sum(known) / len(known) if len(known) == len(scores) else None]

    scores = {name: {measure: scores_of(name, measure) for measure in measures} for name in models}

    def place(name: str) -> tuple[bool, float, str]:
        average = scores[name][measures[0]][-1]
        return average is None, -(average or 0.0), name

    order = sorted(models, key=place)
    return Board(
        title=SOURCE_TITLES[source],
        note=f"{_MEANINGS[source]} A model that was not evaluated on all of them has no average.",
        table=_without_empty(
            Table(
                SOURCE_TITLES[source],
                [
                    *_model_columns(),
                    *(
                        Column(label, show_score, f"{each} ↑", f"{each}/{label}")
                        for each in measures
                        for label in labels
                    ),
                    *_size_columns(),
                ],
                [
                    [
                        number,
                        _linked(models[name].model, models[name].link),
                        *(score for measure in measures for score in scores[name][measure]),
                        *_sizes(models[name]),
                    ]
                    for number, name in enumerate(order, start=1)
                ],
            )
        ),
        models=[models[name].model for name in order],
        measures=measures,
        labels=labels,
        headline=measures,
        main=AVERAGE,
    )


def _scores(entry: Standing, standings: Standings) -> list[Entry]:
    """Return the cells of the measures, then of the language bias; the headline measure's with intervals."""
    shown, intervals = standings.shown, entry.intervals
    cells = [
        _estimate(row.scores[measure], intervals.get(row.task) if measure == shown.headline[0] else None)
        for measure in shown.measures
        for row in summary_rows(entry.result)
    ]
    if not shown.has_bias:
        return cells
    macro = entry.result.macro["multilingual"]
    return [*cells, _estimate(macro[RANK_DISTANCE], intervals.get(RANK_DISTANCE)), macro["rank_distance_normalised"]]


def _estimate(value: Cell, interval: Interval | None) -> Entry:
    return value if value is None or interval is None else Interval(value, interval.low, interval.high)


def _model_columns() -> list[Column]:
    return [Column("#", show_count, key="#"), Column("model", key="name")]


def _size_columns() -> list[Column]:
    return [
        Column("parameters", show_parameters, "size", "parameters"),
        Column("dimension", show_count, "size", "dimension"),
        Column("texts/s", show_significant, "cost", "speed"),
        Column("bytes/vector", show_count, "cost", "bytes"),
        Column("max. length", show_count, "cost", "length"),
    ]


def _without_empty(table: Table) -> Table:
    """Return the table without columns of costs that no report has."""
    known = [any(cell is not None for cell in cells) for cells in zip(*table.rows, strict=True)]
    keys = [column.key for column, has in zip(table.columns, known, strict=True) if has or column.key not in _COST]
    return table.select(keys)


def _linked(model: ModelResults, link: str) -> Link:
    note = model.adapter if model.kind == model.adapter else f"{model.adapter}, {model.kind}"
    return Link(model.name, link, note)


def _sizes(entry: Standing) -> list[Entry]:
    """Return the cells of the size, then of the cost; of a length for each role, that of passages."""
    model, cost = entry.model, entry.result.cost
    length = model.settings.get("max_length")
    if isinstance(length, dict):
        length = length.get(Role.DOCUMENT)
    return [
        model.parameters,
        model.dimension if model.dimension < HASHED else None,
        cost.texts_per_second if cost else None,
        cost.bytes_per_vector if cost else None,
        length if isinstance(length, int) else None,
    ]


def _arrow(group: str) -> str:
    """Return which way is better, where a header says so."""
    return group[-1] if group.endswith(("↑", "↓")) else ""
