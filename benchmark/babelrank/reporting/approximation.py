"""The report on an approximate search: the index, then accuracy by language."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from rich.table import Table as RichTable

from babelrank.analysis.approximation import ApproximateSearch
from babelrank.reporting.formatting import settle, show_count, show_precisely, show_rank
from babelrank.reporting.languages import language_name
from babelrank.reporting.markdown import escape, table_markdown
from babelrank.reporting.tables import Column, Entry, Show, Table
from babelrank.reporting.terminal import table_terminal

FIGURES = ("nDCG@10", "rank distance", "listed")
LABELS = ("language", "queries")
VALUES = ("exact", "approximate", "change")
_SHOWN: dict[str, tuple[Show, int]] = dict(
    zip(FIGURES, ((show_precisely, 4), (show_rank, 1), (show_precisely, 4)), strict=True)
)


def index_lines(found: ApproximateSearch) -> list[str]:
    """Return lines on the index, the search, and their cost."""
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


def cost_table(found: ApproximateSearch) -> Table:
    """Return a row for each language and one for their means: of each of `FIGURES` its `VALUES`."""
    cost = found.cost
    parts = (cost.exact, cost.approximate, cost.difference)
    values = [[part.ndcg, part.rank_distance, part.listed] for part in parts]
    means = [[part.macro["nDCG@10"], part.macro["rank_distance"], part.macro["listed"]] for part in parts]
    rows: list[list[Entry]] = [
        [language_name(lang), cost.queries[i], *(part[f][i] for f in range(len(FIGURES)) for part in values)]
        for i, lang in enumerate(cost.languages)
    ]
    return Table(
        "",
        [
            Column(LABELS[0], key="label"),
            Column(LABELS[1], show_count, key="label"),
            *(
                Column(value, partial(_change, digits=digits) if value == "change" else show, figure, figure)
                for figure, (show, digits) in _SHOWN.items()
                for value in VALUES
            ),
        ],
        [*rows, ["mean", sum(cost.queries), *(part[f] for f in range(len(FIGURES)) for part in means)]],
        note=notes(found),
    )


def cost_tables(found: ApproximateSearch) -> Iterator[RichTable]:
    """Yield a table of each of `FIGURES`, for a terminal."""
    table = cost_table(found)
    for figure in FIGURES:
        yield table_terminal(replace(table.select(["label", figure]), caption=figure, note=""))


def notes(found: ApproximateSearch) -> str:
    """Explain the columns."""
    return (
        f"Lists have {found.cost.k} passages. Rank distance (lower is better) is over queries with at least two "
        f"relevant passages; a passage that is not listed has rank {found.cost.k + 1}. Listed: share of the relevant "
        "passages in the language that are in the lists. nDCG@10 and rank distance are by query language, listed is by "
        "passage language."
    )


def render_approximation(found: ApproximateSearch) -> str:
    """Return the report as Markdown."""
    title, lines = f"# Approximate search: {escape(found.search.factory)}", map(escape, index_lines(found))
    return "\n\n".join([title, *lines, table_markdown(cost_table(found)), notes(found)]) + "\n"


def _change(value: float, *, digits: int) -> str:
    return f"{settle(value):+,.{digits}f}".replace("-", "−")
