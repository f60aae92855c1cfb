"""The tables of the leaderboard: one per collection, and one for collections side by side.

Collections of MIRACL and BEIR are shown side by side, one column each and their average, as in Tables 12 and 13 of
arXiv 2408.10536. Variants of a model are grouped under it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.analysis.letters import places
from babelrank.data.catalog import source_of
from babelrank.data.spec import LAREQA
from babelrank.encoding.protocol import Role
from babelrank.reporting.cache import Cache
from babelrank.reporting.estimates import BiasSummary
from babelrank.reporting.formatting import (
    HASHED,
    show_count,
    show_parameters,
    show_rank,
    show_score,
    show_signed,
    show_significant,
)
from babelrank.reporting.html_page import anchor
from babelrank.reporting.languages import language_name
from babelrank.reporting.measures import SOURCE_TITLES
from babelrank.reporting.results import CollectionResults, ModelResults
from babelrank.reporting.scaling_table import scaling_table
from babelrank.reporting.standings import Standing, Standings
from babelrank.reporting.summary import TASK_LABELS, summary_rows, with_interval
from babelrank.reporting.tables import Column, Entry, Link, Table
from babelrank.reporting.variants import find_heads

SIDE_BY_SIDE = ("miracl", "beir")
AVERAGE = "average"
EFFECT = "language_effect"
SEARCHED = "searched"
GROUP = "group"
_DESCRIPTIONS = {
    "miracl": "Monolingual retrieval of Wikipedia passages with MIRACL's dev queries of each language (Zhang et al. "
    "2023, arXiv 2210.09984).",
    "beir": "Collections in BEIR's layout (Thakur et al. 2021, arXiv 2104.08663), each in one language.",
}
_BIAS = (
    Column("effect η²", show_score, "language bias ↓", EFFECT),
    Column("favoured most", group="language bias ↓", key="most"),
    Column("least", group="language bias ↓", key="least"),
    Column("rank distance (spread)", show_rank, "spread ↓", RANK_DISTANCE),
)
_SIZE = (
    Column("parameters", show_parameters, "size", "parameters"),
    Column("dimension", show_count, "size", "dimension"),
)
_COST = (  # columns that are shown if a report has them
    Column("texts/s", show_significant, "cost", "speed"),
    Column("bytes/vector", show_count, "cost", "bytes"),
    Column("max. length", show_count, "cost", "length"),
)


@dataclass(frozen=True)
class Board:
    """A table of comparable models, best first. Variants follow their base model.

    Attributes
    ----------
    title, note
        Heading and description.
    table
        Table whose columns have keys: ``<measure>/<label>`` for scores, ``<measure>/group`` for letters.
    models
        Model of each row.
    heads
        Name of the model under which each row is grouped: its own or its base model's.
    measures, labels
        There is a column for each measure and label. A label is a task or a collection.
    headline
        Measures shown in leaderboard.md.
    main
        Label by which models are sorted.
    has_pool, has_bias
        Whether there is a pool of several languages, and whether there are columns on language bias.
    scaling
        Table of scaling laws.
    results
        Matrices by model, if there is a pool. The page's language picker uses them.
    """

    title: str
    note: str
    table: Table
    models: list[ModelResults]
    heads: list[str]
    measures: tuple[str, ...]
    labels: tuple[str, ...]
    headline: tuple[str, ...]
    main: str
    has_pool: bool = False
    has_bias: bool = False
    scaling: Table | None = None
    results: Mapping[str, CollectionResults] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Id of the board's element in a page."""
        return anchor(self.title)

    @property
    def languages(self) -> Sequence[str]:
        """Languages in the order of the matrices; empty without matrices."""
        return next((result.languages for result in self.results.values()), ())

    @property
    def markdown_tables(self) -> list[tuple[str, Table]]:
        """Tables of leaderboard.md, each with its title: base models by each headline measure, then their variants."""
        found = []
        grouped = list(zip(self.table.rows, self.heads, self.models, strict=True))
        variants = dict.fromkeys(head for _, head, model in grouped if head != model.name)
        for measure in self.headline:
            for group in ("", *variants):
                rows = [
                    row
                    for row, head, model in grouped
                    if (head == group and model.name != head if group else model.name == head)
                ]
                table = self._by_measure(measure, rows)
                title = f"{len(rows)} variant{'s' if len(rows) > 1 else ''} of {group}, {measure} ↑" if group else ""
                found.append((title or f"{measure} ↑", table))
        return found

    def _by_measure(self, measure: str, rows: Sequence[Sequence[Entry]]) -> Table:
        """Return a table with the columns of one measure, sorted and numbered by it."""
        keys = ["#", "name", *(f"{measure}/{label}" for label in (GROUP, *self.labels))]
        keys += [column.key for column in (*_BIAS, _SIZE[0], *_COST)]
        table = replace(self.table, rows=rows).select(keys)
        with_interval = (f"{measure}/{self.main}", EFFECT)
        rows = [
            [
                cell.value if isinstance(cell, Interval) and column.key not in with_interval else cell
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ]
        columns = [replace(each, group="", label=_label(each)) for each in table.columns]
        return numbered(replace(table, columns=columns, rows=rows), f"{measure}/{self.main}", f"{measure}/{GROUP}")


def make_boards(standings: Sequence[Standings], cache: Cache | None = None) -> list[Board]:
    """Return the boards in the leaderboard's order. `cache` holds what was computed before."""
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


def numbered(table: Table, main: str, letters: str) -> Table:
    """Return a table sorted by the column with the key `main`, and numbered by that with letters (see `places`)."""
    keys = [column.key for column in table.columns]
    score = keys.index(main)
    rows = sorted(table.rows, key=lambda row: -_number(row[score]))  # ties keep their order
    known = [str(row[keys.index(letters)] or "") for row in rows] if letters in keys else [""] * len(rows)
    ranks = places(known)
    return replace(table, rows=[[place, *row[1:]] for place, row in zip(ranks, rows, strict=True)])


def _collection_board(standings: Standings, cache: Cache | None) -> Board:
    shown, first, source = standings.shown, standings.entries[0].result, source_of(standings.name)
    labels = tuple(row.label for row in summary_rows(first))
    told = f"{source.description} ({source.citation}; licence: {source.licence}). " if source else ""
    size = len(first.languages)
    languages = f"{size} language{'s' if size > 1 else ''}: {', '.join(map(language_name, first.languages))}"

    def cells(entry: Standing, measure: str) -> list[Entry]:
        intervals = entry.estimates[measure].intervals if measure in entry.estimates else {}
        return [with_interval(row.scores[measure], intervals.get(row.task)) for row in summary_rows(entry.result)]

    main = TASK_LABELS[shown.main[0]]
    board = _make(
        standings.title,
        f"{told}Candidates: {first.candidates}; {languages}.{_certainty([standings], main)}",
        {entry.model.name: entry for entry in standings.entries},
        cells,
        standings,
        labels,
        main,
    )
    models = [(each.model, each.result) for each in standings.entries]
    return replace(
        board,
        headline=shown.headline[:1] if shown.has_pool else shown.headline,
        scaling=scaling_table(models, cache) if shown.has_bias else None,
        results={model.name: result for model, result in models} if shown.has_pool else {},
    )


def _side_by_side(source: str, sections: Sequence[Standings]) -> Board:
    entries = {entry.model.name: entry for section in sections for entry in section.entries}
    by_section = [{entry.model.name: entry for entry in section.entries} for section in sections]
    names = [section.title.removeprefix(f"{source}:") for section in sections]
    task = sections[0].shown.main[0]

    def cells(entry: Standing, measure: str) -> list[Entry]:
        found: list[Entry] = []
        for section in by_section:
            here = section.get(entry.model.name)
            intervals = here.estimates[measure].intervals if here and measure in here.estimates else {}
            found.append(with_interval(here.result.macro[task][measure], intervals.get(task)) if here else None)
        if len(sections) == 1:
            return found
        known = [_number(cell) for cell in found if cell is not None]
        return [*found, sum(known) / len(known) if len(known) == len(found) else None]

    labels = (*names, AVERAGE) if len(names) > 1 else tuple(names)
    note = " A model that was not evaluated on all collections has no average." if len(names) > 1 else ""
    standings = replace(sections[0], entries=list(entries.values()))
    if len(names) > 1:  # letters are of one collection
        standings = replace(standings, entries=[replace(entry, letters={}) for entry in standings.entries])
        entries = {entry.model.name: entry for entry in standings.entries}
    certainty = _certainty(sections, names[0]) if len(names) == 1 else ""
    title, note = SOURCE_TITLES[source], f"{_DESCRIPTIONS[source]}{note}{certainty}"
    return _make(title, note, entries, cells, standings, labels, labels[-1], measures=standings.shown.headline)


def _make(
    title: str,
    note: str,
    entries: Mapping[str, Standing],
    cells: Callable[[Standing, str], list[Entry]],
    standings: Standings,
    labels: tuple[str, ...],
    main: str,
    *,
    measures: tuple[str, ...] = (),
) -> Board:
    """Return a board of models by name. `cells` returns a model's scores in a measure, one cell per label."""
    shown = standings.shown
    measures = measures or shown.measures
    lettered = [measure for measure in measures if any(entry.letters.get(measure) for entry in entries.values())]
    columns = [Column("#", show_count, key="#"), Column("model", key="name")]
    for measure in measures:
        if measure in lettered:
            columns.append(Column(GROUP, group=f"{measure} ↑", key=f"{measure}/{GROUP}"))
        columns += [Column(label, show_score, f"{measure} ↑", f"{measure}/{label}") for label in labels]
    columns += _BIAS if shown.has_bias else ()
    sizes = {name: _sizes(entry) for name, entry in entries.items()}
    ends = (*_SIZE, *_COST)
    kept = [i for i, column in enumerate(ends) if column in _SIZE or any(row[i] is not None for row in sizes.values())]
    columns += [ends[i] for i in kept]
    rows: dict[str, list[Entry]] = {}
    for name, entry in entries.items():
        row: list[Entry] = [None, _linked(entry)]
        for measure in measures:
            row += [entry.letters.get(measure) or None] if measure in lettered else []
            row += cells(entry, measure)
        row += _bias(entry, standings) if shown.has_bias else []
        rows[name] = [*row, *(sizes[name][i] for i in kept)]
    score = [column.key for column in columns].index(f"{measures[0]}/{main}")
    order = sorted(rows, key=lambda name: (-_number(rows[name][score]), name))
    heads = find_heads([entries[name].model for name in order])
    first = [name for name in order if heads[name] == name]
    grouped = [name for head in first for name in (head, *(each for each in order if heads[each] == head != each))]
    table = numbered(
        Table(title, columns, [rows[name] for name in first]), f"{measures[0]}/{main}", f"{measures[0]}/{GROUP}"
    )
    numbers = {name: row[0] for name, row in zip(first, table.rows, strict=True)}
    return Board(
        title=title,
        note=note,
        table=replace(table, rows=[[numbers.get(name), *rows[name][1:]] for name in grouped]),
        models=[entries[name].model for name in grouped],
        heads=[heads[name] for name in grouped],
        measures=measures,
        labels=labels,
        headline=measures,
        main=main,
        has_pool=shown.has_pool,
        has_bias=shown.has_bias,
    )


def _certainty(sections: Sequence[Standings], label: str) -> str:
    """Return a sentence on the smallest detectable difference, or on why there are no intervals."""
    standings = sections[0]
    measure = standings.shown.headline[0]
    warnings = [each.estimates[measure].warning for each in standings.entries if measure in each.estimates]
    if warnings and warnings[0]:
        return f" {warnings[0]} Intervals and letters are left out."
    least = standings.detectable.get(measure)
    if least is None:
        return ""
    return (
        f" A test of two of these models detects a difference of {show_score(least)} in {label} ({measure}) with 80 % "
        "power (median over pairs, before correction)."
    )


def _bias(entry: Standing, standings: Standings) -> list[Entry]:
    """Return the cells on language bias."""
    found: BiasSummary | None = getattr(entry.estimates.get(standings.shown.headline[0]), "bias", None)
    distance = entry.result.macro["multilingual"][RANK_DISTANCE]
    if found is None or not found.favoured:
        return [None, None, None, distance]
    ends = [f"{lang} {show_signed(effect)}" for lang, effect in (found.favoured[0], found.favoured[-1])]
    return [found.effect, *ends, distance]


def _sizes(entry: Standing) -> list[Entry]:
    """Return the cells on size and cost. If queries have another maximum length, the one of passages is shown."""
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


def _number(cell: Entry) -> float:
    """Return the number in a score's cell; if there is none, a number below all scores."""
    value = cell.value if isinstance(cell, Interval) else cell
    return value if isinstance(value, float | int) else -1.0


def _linked(entry: Standing) -> Link:
    model = entry.model
    note = model.adapter if model.kind == model.adapter else f"{model.adapter}, {model.kind}"
    return Link(model.name, entry.link, note, SEARCHED if entry.recipe else "")


def _label(column: Column) -> str:
    """Return a column header for a table without column groups."""
    if column.key == EFFECT:
        return "language effect η² ↓"
    if column.label == GROUP or column.key in ("most", "least"):
        return column.label
    return f"{column.label} {column.group[-1] if column.group.endswith(('↑', '↓')) else ''}".strip()
