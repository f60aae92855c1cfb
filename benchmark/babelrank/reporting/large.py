"""Shorten matrices and tables of many languages for a page: by families, and to the lowest and highest rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from babelrank.analysis.friedman import MOST_LANGUAGES
from babelrank.analysis.settings import Cell
from babelrank.data.language_facts import language_facts
from babelrank.reporting.matrices import Margin, MatrixView
from babelrank.reporting.tables import Table, number_in

_ENDS = 5  # rows at each end of a shortened table


def shorten(table: Table) -> Table:
    """Return the rows with the lowest and the highest values of a table of more than `MOST_LANGUAGES` languages.

    Rows are sorted by the second column. Footer rows are kept.
    """
    last = len(table.rows) - table.footer
    if last <= MOST_LANGUAGES:
        return table
    rows = sorted(table.rows[:last], key=lambda row: number_in(row[1]) or 0.0)
    note = f"The {_ENDS} lowest and the {_ENDS} highest of {last} languages; report.html lists all. {table.note}"
    return replace(table, rows=[*rows[:_ENDS], *rows[-_ENDS:], *table.rows[last:]], note=note)


def by_family(view: MatrixView) -> MatrixView:
    """Return a matrix over families of languages if there are more than `MOST_LANGUAGES` languages, else the view.

    A cell is the mean over the pairs of languages that have a value; where ratios matter, the geometric mean.
    """
    if max(len(view.rows), len(view.columns)) <= MOST_LANGUAGES:
        return view
    rows, columns = _find_families(view.rows), _find_families(view.columns)
    mean = _geometric_mean if view.logarithmic else _mean

    def margin(side: Margin | None, members: dict[str, list[int]]) -> Margin | None:
        if side is None:
            return None
        values = np.array(side.values, dtype=float)
        n = None if side.n is None else [sum(side.n[i] for i in places) for places in members.values()]
        return replace(side, values=[mean(values[places]) for places in members.values()], n=n)

    values = np.array(view.values, dtype=float)
    n = None
    if view.n is not None:
        counts = np.array(view.n)
        n = [[int(counts[np.ix_(i, j)].sum()) for j in columns.values()] for i in rows.values()]
    return replace(
        view,
        rows=list(rows),
        columns=list(columns),
        values=[[mean(values[np.ix_(i, j)]) for j in columns.values()] for i in rows.values()],
        n=n,
        intervals=None,
        finer=view if view.rows == view.columns else None,
        right=margin(view.right, rows),
        below=margin(view.below, columns),
        note=f"{view.note} Languages are grouped by family: each cell is the mean over its pairs of languages.".strip(),
    )


def _find_families(languages: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each family's languages, by its name; a language of unknown family stands for itself."""
    families: dict[str, list[int]] = {}
    for place, lang in enumerate(languages):
        families.setdefault(language_facts(lang).family or lang, []).append(place)
    return dict(sorted(families.items()))


def _mean(values: np.ndarray) -> Cell:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _geometric_mean(values: np.ndarray) -> Cell:
    known = values[~np.isnan(values)]
    return float(np.exp(np.log(known).mean())) if known.size else None
