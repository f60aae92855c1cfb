"""Tables -> LaTeX for papers, with booktabs."""

from collections.abc import Sequence
from itertools import accumulate

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.tables import Entry, Show, Table, is_bounded, number_in, show_bounds, show_cell

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
    """Return the rows as LaTeX, with intervals in a small font."""
    return [
        [
            _cell(cell, column.show, bold=(i, j) in table.bold)
            for j, (cell, column) in enumerate(zip(row, table.columns, strict=True))
        ]
        for i, row in enumerate(table.rows)
    ]


def _cell(cell: Entry, show: Show, *, bold: bool) -> str:
    shown = _dashed(show_cell(number_in(cell) if isinstance(cell, Interval) else cell, show))
    text = f"\\textbf{{{shown}}}" if bold else shown
    bounds = f" {{\\scriptsize ({_dashed(show_bounds(cell, show))})}}" if is_bounded(cell) else ""
    return f"{text}{bounds}"


def _header(text: str) -> str:
    return escape(text).replace("↑", r"($\uparrow$)").replace("↓", r"($\downarrow$)")


def _dashed(text: str) -> str:
    """Write a text; between numbers stands a dash."""
    return escape(text).replace("–", "--")


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
