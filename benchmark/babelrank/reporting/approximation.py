"""What an approximate search costs, as text: the index first, then accuracy and evenness by language."""

from collections.abc import Iterator
from itertools import chain

from rich import box
from rich.table import Table
from rich.text import Text

from babelrank.analysis.settings import Cell
from babelrank.pipelines.approximation import ApproximateSearch
from babelrank.reporting.languages import language_name
from babelrank.reporting.markdown import escape
from babelrank.reporting.summary import NO_VALUE, show_rank, show_score
from babelrank.reporting.terminal import align_right

FIGURES = ("nDCG@10", "rank distance", "listed")
LABELS = ("language", "queries")
VALUES = ("exact", "approximate", "change")


def index_lines(found: ApproximateSearch) -> list[str]:
    """Say what was built and searched, and what it took."""
    search, sample = found.search, len(found.search.sample)
    trained = f", trained on {search.trained_on:,}" if search.trained_on else ""
    parameters = f" with {search.parameters}" if search.parameters else ""
    return [
        f"{found.model} on {found.collection}: index {search.factory}{parameters}, {search.rows:,} passages{trained}.",
        f"Built in {search.build_seconds:,.2f} s; takes {search.nbytes / 1e6:,.1f} MB.",
        f"Search of {len(search.top.positions):,} queries: {search.search_seconds:,.3f} s; exact search of {sample:,}: "
        f"{search.exact_seconds:,.3f} s.",
        f"Recall@{found.cost.k} against exact search, measured on {sample:,} queries: {search.mean_recall:.4f}.",
    ]


def cost_rows(found: ApproximateSearch) -> Iterator[tuple[str, ...]]:
    """Yield a row for each language, then one for their means: `LABELS`, then the `VALUES` of each of `FIGURES`."""
    cost = found.cost
    parts = (cost.exact, cost.approximate, cost.difference)
    for place, lang in enumerate(cost.languages):
        cells = ((part.ndcg[place], part.rank_distance[place], part.listed[place]) for part in parts)
        yield (language_name(lang), f"{cost.queries[place]:,}", *_cells(*cells))
    macro = ((part.macro["nDCG@10"], part.macro["rank_distance"], part.macro["listed"]) for part in parts)
    yield ("mean", f"{sum(cost.queries):,}", *_cells(*macro))


def cost_tables(found: ApproximateSearch) -> Iterator[Table]:
    """Yield a table of each of `FIGURES`, for a terminal."""
    rows = list(cost_rows(found))
    for place, figure in enumerate(FIGURES):
        table = Table(*LABELS, *VALUES, title=Text(figure, style="bold"), title_justify="left", box=box.SIMPLE)
        first = len(LABELS) + place * len(VALUES)
        for row in rows:
            table.add_row(*row[: len(LABELS)], *row[first : first + len(VALUES)])
        yield align_right(table)


def notes(found: ApproximateSearch) -> str:
    """Say how the columns are to be read."""
    return (
        f"Lists of {found.cost.k} passages. Rank distance (lower is better): over queries with at least two relevant "
        f"passages; one that is not listed counts as ranked {found.cost.k + 1}. Listed: share of the relevant passages "
        "in the language that are in the lists. nDCG@10 and rank distance are by query language, listed by passage "
        "language."
    )


def render_approximation(found: ApproximateSearch) -> str:
    """Return all of it as Markdown."""
    columns = [*LABELS, *(f"{figure} {value}" for figure in FIGURES for value in VALUES)]
    lines = [
        f"# Approximate search: {escape(found.search.factory)}",
        "",
        *chain.from_iterable((escape(line), "") for line in index_lines(found)),
        f"| {' | '.join(columns)} |",
        f"| --- |{' ---: |' * (len(columns) - 1)}",
        *(f"| {' | '.join(map(escape, row))} |" for row in cost_rows(found)),
        "",
        notes(found),
    ]
    return "\n".join(lines) + "\n"


def _cells(
    exact: tuple[Cell, Cell, Cell], approximate: tuple[Cell, Cell, Cell], change: tuple[Cell, Cell, Cell]
) -> Iterator[str]:
    for place, (show, digits) in enumerate(((show_score, 4), (show_rank, 1), (show_score, 4))):
        yield show(exact[place])
        yield show(approximate[place])
        value = change[place]
        yield NO_VALUE if value is None else f"{value:+,.{digits}f}".replace("-", "−")
