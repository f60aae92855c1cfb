"""Tables -> LaTeX for papers, with booktabs."""

from collections.abc import Sequence
from itertools import accumulate

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.settings import Cell
from babelrank.reporting.tables import Show, Table, number_in, show_bounds, show_cell

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "''",  # the straight one depends on the font's encoding
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
_PREAMBLE = r"% Made by `babelrank export`; needs \usepackage{booktabs,graphicx}."
# As wide as it is, but not wider than the line.
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def escape(text: str) -> str:
    """Turn any text into LaTeX that shows it, on one line."""
    return " ".join(text.split()).translate(_SPECIAL)


def mark_best(values: Sequence[Cell], show: Show, *, lower_is_better: bool = False) -> list[str]:
    """Show values side by side, the best in bold and the second underlined; values that look alike are marked alike."""
    texts = [show_cell(value, show) for value in values]
    seen = {text for text, value in zip(texts, values, strict=True) if value is not None}
    ranked = sorted(seen, key=lambda text: float(text.replace(",", "")), reverse=not lower_is_better)
    commands = dict(zip(ranked, (r"\textbf", r"\underline"), strict=False)) if len(ranked) > 1 else {}
    return [f"{commands[text]}{{{text}}}" if text in commands else _dashed(text) for text in texts]


def table_latex(tables: Sequence[Table], label: str) -> str:
    r"""Return tables of the same columns, one below the other in one floating table with the first's caption.

    Parameters
    ----------
    label
        What ``\ref{tab:...}`` calls it.
    """
    lines: list[str] = []
    for table in tables:
        lines += [r"\midrule" if lines else r"\toprule", *_head(table), r"\midrule"]
        rows = _cells(table)
        body = len(rows) - table.footer
        lines += [*map(_row, rows[:body]), *([r"\midrule", *map(_row, rows[body:])] if table.footer else [])]
    return "\n".join(
        [
            _PREAMBLE,
            r"\begin{table*}[t]",
            r"\centering",
            f"\\caption{{{escape(tables[0].caption)}}}",
            f"\\label{{tab:{label}}}",
            _FIT,
            f"\\begin{{tabular}}{{l{'r' * (len(tables[0].columns) - 1)}}}",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def _head(table: Table) -> list[str]:
    """Return the header: groups of columns with a rule below each, then the columns."""
    lines = []
    if any(group for group, _ in table.groups):
        ends = list(accumulate(width for _, width in table.groups))
        spans = [
            f"\\multicolumn{{{width}}}{{c}}{{{_header(group)}}}" if group else " & " * (width - 1)
            for group, width in table.groups
        ]
        rules = [
            f"\\cmidrule(lr){{{end - width + 1}-{end}}}"
            for (group, width), end in zip(table.groups, ends, strict=True)
            if group
        ]
        lines += [_row(spans), " ".join(rules)]
    return [*lines, _row([_header(column.label) for column in table.columns])]


def _cells(table: Table) -> list[list[str]]:
    """Return the rows with the best values marked, and intervals in a small font."""
    columns = table.columns
    cells = [[escape(show_cell(row[0], columns[0].show)), *([""] * (len(columns) - 1))] for row in table.rows]
    values = [[number_in(cell) for cell in row] for row in table.rows]
    rows, places = range(len(cells)), range(1, len(columns))
    if table.best == "columns":
        compared = [[(i, j) for i in rows] for j in places]
    elif table.best == "rows":
        groups = {column.group for column in columns[1:]}
        compared = [[(i, j) for j in places if columns[j].group == group] for i in rows for group in groups]
    else:
        compared = [[(i, j)] for i in rows for j in places]
    for spots in compared:
        column = columns[spots[0][1]]
        marked = mark_best([values[i][j] for i, j in spots], column.show, lower_is_better=column.lower_is_better)
        for (i, j), text in zip(spots, marked, strict=True):
            cell = table.rows[i][j]
            bounds = (
                f" {{\\scriptsize ({_dashed(show_bounds(cell, column.show))})}}" if isinstance(cell, Interval) else ""
            )
            cells[i][j] = f"{text}{bounds}"
    return cells


def _header(text: str) -> str:
    return escape(text).replace("↑", r"($\uparrow$)").replace("↓", r"($\downarrow$)")


def _dashed(text: str) -> str:
    """Write a number, or two with a dash between them."""
    return escape(text).replace("–", "--")


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
