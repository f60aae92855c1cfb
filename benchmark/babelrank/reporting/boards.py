"""The tables of the leaderboard: one per collection, and one for collections side by side.

Collections of MIRACL and BEIR are shown side by side, one column each and their average, as in Tables 12 and 13 of
arXiv 2408.10536. Variants of a model are grouped under it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.analysis.letters import places
from babelrank.analysis.margins import PRACTICAL_MARGIN
from babelrank.analysis.settings import Cell
from babelrank.data.catalog import source_of
from babelrank.data.spec import LAREQA
from babelrank.reporting.cache import Cache
from babelrank.reporting.estimates import BiasSummary, Estimates
from babelrank.reporting.formatting import (
    show_count,
    show_rank,
    show_score,
    show_signed,
)
from babelrank.reporting.html_page import anchor
from babelrank.reporting.languages import language_name
from babelrank.reporting.measures import SOURCE_TITLES
from babelrank.reporting.model_columns import OPTIONAL, SIZE, model_cells
from babelrank.reporting.results import NOT_COMPARED, TRAINED_ON, CollectionResults, ModelResults
from babelrank.reporting.scaling_table import scaling_table
from babelrank.reporting.standings import Standing, Standings
from babelrank.reporting.stored_tables import StoredRanks
from babelrank.reporting.summary import TASK_LABELS, summary_rows, with_interval
from babelrank.reporting.tables import Column, Entry, Link, Table
from babelrank.reporting.variants import find_heads

SIDE_BY_SIDE = ("miracl", "beir")
AVERAGE = "average"
EFFECT = "language_effect"
SEARCHED, UNCHECKED, TRAINED = "searched", "unchecked", "trained on"
GROUP = "group"
Cells = dict[str, Entry]  # of one model, by the key of the column
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


@dataclass(frozen=True)
class Board:
    """A table of comparable models, best first. Variants follow their base model.

    Attributes
    ----------
    title, note
        Heading and description.
    table
        Table whose columns have keys: ``<measure>/<label>`` for scores, ``<measure>/<label>/group`` for their letters.
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
        keys = ["#", "name", *(column.key for column in (*_BIAS, SIZE[0], *OPTIONAL))]
        keys += [column.key for column in self.table.columns if column.key.startswith(f"{measure}/")]
        table = replace(self.table, rows=rows).select(keys)
        with_interval = (EFFECT, *(f"{measure}/{label}" for label in ([self.main] if self.has_pool else self.labels)))
        rows = [
            [
                cell.value if isinstance(cell, Interval) and column.key not in with_interval else cell
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ]
        columns = [replace(each, group="", label=_label(each)) for each in table.columns]
        return numbered(replace(table, columns=columns, rows=rows), f"{measure}/{self.main}")


def make_boards(
    standings: Sequence[Standings], estimates: Estimates | None = None, *, margin: float = PRACTICAL_MARGIN
) -> list[Board]:
    """Return the boards in the leaderboard's order.

    Parameters
    ----------
    estimates
        Gives intervals and letters of averages over collections.
    margin
        The largest difference that does not matter in practice: letters separate only beyond it.
    """
    known = estimates or Estimates()
    by_source = {source: [each for each in standings if each.shown.source == source] for source in SOURCE_TITLES}
    return [
        *(_collection_board(each, known.cache) for each in by_source[LAREQA]),
        *(_side_by_side(source, by_source[source], estimates, margin) for source in SIDE_BY_SIDE if by_source[source]),
        *(
            _collection_board(each, known.cache)
            for source, several in by_source.items()
            if source not in (LAREQA, *SIDE_BY_SIDE)
            for each in several
        ),
    ]


def numbered(table: Table, main: str) -> Table:
    """Return a table sorted by the column with the key `main`, and numbered by its letters (see `places`)."""
    keys, letters = [column.key for column in table.columns], f"{main}/{GROUP}"
    score = keys.index(main)
    rows = sorted(table.rows, key=lambda row: -_number(row[score]))  # ties keep their order
    known = [str(row[keys.index(letters)] or "") for row in rows] if letters in keys else [""] * len(rows)
    ranks = places(known)
    return replace(table, rows=[[place, *row[1:]] for place, row in zip(ranks, rows, strict=True)])


def _collection_board(standings: Standings, cache: Cache) -> Board:
    shown, first, source = standings.shown, standings.entries[0].result, source_of(standings.name)
    labels = tuple(row.label for row in summary_rows(first))
    told = f"{source.description} ({source.citation}; licence: {source.licence}). " if source else ""
    size = len(first.languages)
    languages = f"{size} language{'s' if size > 1 else ''}: {', '.join(map(language_name, first.languages))}"
    main = TASK_LABELS[shown.main[0]]
    cells = {
        entry.model.name: {
            key: cell
            for measure in shown.measures
            for row in summary_rows(entry.result)
            for key, cell in _scored(entry, measure, row.task, row.label, row.scores[measure], main).items()
        }
        for entry in standings.entries
    }
    certainty = _certainty(_warning(standings), standings.detectable.get(shown.headline[0]), main, shown.headline[0])
    note = f"{told}Candidates: {first.candidates}; {languages}.{certainty}"
    entries = {entry.model.name: entry for entry in standings.entries}
    board = _make(standings.title, note, entries, cells, standings, shown.measures, labels, main)
    models = [(each.model, each.result) for each in standings.entries]
    return replace(
        board,
        headline=shown.headline[:1] if shown.has_pool else shown.headline,
        scaling=scaling_table(models, cache) if shown.has_bias else None,
        results={model.name: result for model, result in models} if shown.has_pool else {},
    )


def _side_by_side(source: str, sections: Sequence[Standings], estimates: Estimates | None, margin: float) -> Board:
    """Return a board with a column for each collection, and one for the average; each with its own letters."""
    names = [section.title.removeprefix(f"{source}:") for section in sections]
    by_name = {
        name: {entry.model.name: entry for entry in each.entries} for name, each in zip(names, sections, strict=True)
    }
    entries = {model: entry for section in by_name.values() for model, entry in section.items()}
    (task, *_), measures = sections[0].shown.main, sections[0].shown.headline
    cells: dict[str, Cells] = {model: {} for model in entries}
    for name, section in by_name.items():
        for model, entry in section.items():
            for measure in measures:
                cells[model] |= _scored(entry, measure, task, name, entry.result.macro[task][measure], name)
    labels, note, least = tuple(names), "", sections[0].detectable.get(measures[0])
    if len(names) > 1:
        labels, note = (*names, AVERAGE), " A model that was not evaluated on all collections has no average."
        complete = set.intersection(*map(set, by_name.values()))
        on_all = {model: [each[model] for each in by_name.values()] for model in complete}
        for measure in reversed(measures):  # the first is described
            least = _add_average(cells, on_all, measure, task, estimates, margin)
    warning = next(filter(None, map(_warning, sections)), "")
    note = f"{_DESCRIPTIONS[source]}{note}{_certainty(warning, least, labels[-1], measures[0])}"
    return _make(SOURCE_TITLES[source], note, entries, cells, sections[0], measures, labels, labels[-1])


def _scored(entry: Standing, measure: str, task: str, label: str, score: Cell, main: str) -> Cells:
    """Return the cells of a score with its interval, and, if its label is the main one, of its letters."""
    intervals = entry.estimates[measure].intervals if measure in entry.estimates else {}
    cells: Cells = {f"{measure}/{label}": with_interval(score, intervals.get(task))}
    letters = entry.letters.get(measure, "") if label == main else ""
    return cells | ({f"{measure}/{label}/{GROUP}": letters} if letters else {})


def _add_average(
    cells: Mapping[str, Cells],
    models: Mapping[str, Sequence[Standing]],
    measure: str,
    task: str,
    estimates: Estimates | None,
    margin: float,
) -> Cell:
    """Add the average of models over their standings on all collections; return the difference that can be found."""
    key = f"{measure}/{AVERAGE}"
    tables: dict[str, list[StoredRanks]] = {}
    for name, standings in models.items():
        scores = [each.result.macro[task][measure] or 0.0 for each in standings]
        cells[name][key] = sum(scores) / len(scores)
        stored = [StoredRanks(each.folder, each.result.ranks, measure) for each in standings if each.result.ranks]
        tables |= {name: stored} if len(stored) == len(standings) else {}
    if estimates is None or not tables:
        return None
    order = sorted(tables, key=lambda name: (-_number(cells[name][key]), name))
    recipes = [next((each.recipe for each in models[name] if each.recipe), name) for name in order]
    letters, least = estimates.letters([tables[name] for name in order], task, recipes=recipes, margin=margin)
    for name, letter in zip(order, letters, strict=True):
        cells[name] |= {key: estimates.average(tables[name], task), f"{key}/{GROUP}": letter or None}
    return least


def _make(
    title: str,
    note: str,
    entries: Mapping[str, Standing],
    cells: Mapping[str, Cells],
    standings: Standings,
    measures: Sequence[str],
    labels: Sequence[str],
    main: str,
) -> Board:
    """Return a board of models by name. `cells` holds their scores and letters, by the keys of the columns."""
    shown = standings.shown
    score_columns = [
        column
        for measure in measures
        for label in labels
        for column in (
            Column(GROUP, group=f"{measure} ↑", key=f"{measure}/{label}/{GROUP}"),
            Column(label, show_score, f"{measure} ↑", f"{measure}/{label}"),
        )
    ]
    if shown.has_pool:  # one letter a measure, first of its columns
        score_columns.sort(key=lambda column: (measures.index(column.key.split("/")[0]), column.label != GROUP))
    found = {
        name: {**cells[name], **(_bias(each, standings) if shown.has_bias else {}), **model_cells(each)}
        for name, each in entries.items()
    }
    filled = {key for row in found.values() for key, cell in row.items() if cell is not None}
    columns = [Column("#", show_count, key="#"), Column("model", key="name")]
    columns += [column for column in score_columns if column.label != GROUP or column.key in filled]
    columns += [*(_BIAS if shown.has_bias else ()), *SIZE, *(column for column in OPTIONAL if column.key in filled)]
    key = f"{measures[0]}/{main}"
    order = sorted(found, key=lambda name: (-_number(found[name].get(key)), name))
    heads = find_heads([entries[name].model for name in order])
    first = [name for name in order if heads[name] == name]
    grouped = [name for head in first for name in (head, *(each for each in order if heads[each] == head != each))]
    rows = {
        name: [None, _linked(entries[name], standings.name), *(found[name].get(column.key) for column in columns[2:])]
        for name in grouped
    }
    table = numbered(Table(title, columns, [rows[name] for name in first]), key)
    numbers = {name: row[0] for name, row in zip(first, table.rows, strict=True)}
    return Board(
        title=title,
        note=note,
        table=replace(table, rows=[[numbers.get(name), *rows[name][1:]] for name in grouped]),
        models=[entries[name].model for name in grouped],
        heads=[heads[name] for name in grouped],
        measures=tuple(measures),
        labels=tuple(labels),
        headline=tuple(measures),
        main=main,
        has_pool=shown.has_pool,
        has_bias=shown.has_bias,
    )


def _warning(standings: Standings) -> str:
    """Return why there are no intervals; empty if there are."""
    measure = standings.shown.headline[0]
    warnings = [each.estimates[measure].warning for each in standings.entries if measure in each.estimates]
    return next(filter(None, warnings), "")


def _certainty(warning: str, least: Cell, label: str, measure: str) -> str:
    """Say why there are no intervals, or what difference can be found."""
    if warning or least is None:
        return f" {warning}" if warning else ""
    return (
        f" A test of two of these models detects a difference of {show_score(least)} in {label} ({measure}) with 80 % "
        "power (median over pairs, before correction)."
    )


def _bias(entry: Standing, standings: Standings) -> Cells:
    """Return the cells on language bias."""
    found: BiasSummary | None = getattr(entry.estimates.get(standings.shown.headline[0]), "bias", None)
    cells: Cells = {RANK_DISTANCE: entry.result.macro["multilingual"][RANK_DISTANCE]}
    if found is None or not found.favoured:
        return cells
    most, least = (f"{lang} {show_signed(effect)}" for lang, effect in (found.favoured[0], found.favoured[-1]))
    return {EFFECT: found.effect, "most": most, "least": least, **cells}


def _number(cell: Entry) -> float:
    """Return the number in a score's cell; if there is none, a number below all scores."""
    value = cell.value if isinstance(cell, Interval) else cell
    return value if isinstance(value, float | int) else -1.0


def _linked(entry: Standing, collection: str) -> Link:
    """Return a link to a report, with a badge if the model's score may be too good."""
    model = entry.model
    named = {
        badge: [entry.partition(" (")[0] for entry in model.notes.get(key, "").split(", ")]
        for badge, key in ((TRAINED, TRAINED_ON), (UNCHECKED, NOT_COMPARED))
    }
    badges = [*(badge for badge, names in named.items() if collection in names), *([SEARCHED] if entry.recipe else [])]
    note = model.adapter if model.kind == model.adapter else f"{model.adapter}, {model.kind}"
    return Link(model.name, entry.link, note, badges[0] if badges else "")


def _label(column: Column) -> str:
    """Return a column header for a table without column groups."""
    if column.key == EFFECT:
        return "language effect η² ↓"
    if column.label == GROUP or column.key in ("most", "least"):
        return column.label
    return f"{column.label} {column.group[-1] if column.group.endswith(('↑', '↓')) else ''}".strip()
