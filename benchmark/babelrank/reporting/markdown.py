"""Render tables and templates as Markdown. Values from results files are escaped, as anyone may have written them."""

import re
import unicodedata
from functools import cache
from typing import Any

import jinja2

from babelrank.reporting.languages import language_name
from babelrank.reporting.names import short_collection
from babelrank.reporting.tables import Code, Column, Entry, Link, Table, show_cell

GENERATED = "<!-- Made by `babelrank leaderboard` from the reports; changes made here by hand are lost. -->"
# Special characters of GitHub's Markdown, with tables, formulas, short codes, and bare addresses.
_SPECIAL = re.compile(
    r"[\\`*\[\]<>|~&$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore within a word is none
    r"|:(?=//|[\w+-]+:)|@(?=[\w-]+\.\w)|(?<=www)\.",
    re.IGNORECASE,
)


class Markdown(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Markdown:
    """Escape a value as one line of Markdown that shows it unchanged."""
    return text if isinstance(text, Markdown) else Markdown(_SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split())))


def code(text: object) -> Markdown:
    """Format a text as code, also inside a table."""
    visible = "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}"
        for character in str(text)
    )
    ticks = "`" * (_longest_run(visible) + 1)
    pad = " " if visible.startswith("`") or visible.endswith("`") else ""
    return Markdown(f"{ticks}{pad}{visible}{pad}{ticks}".replace("|", "\\|"))


def fence(text: str, language: str = "") -> Markdown:
    """Format lines as a block of code, whatever they contain."""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return Markdown(f"{ticks}{language}\n{text}\n{ticks}")


def table_markdown(table: Table) -> Markdown:
    """Return a table as GitHub's Markdown, without its caption and its note."""
    rules = ["---:" if table.is_numeric(i) else "---" for i in range(len(table.columns))]
    lines: list[list[str]] = [[escape(label) for label in table.labels], rules]
    lines += [[_entry(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    return Markdown("\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines))


def render_template(template: str, **values: Any) -> str:
    """Fill in one of the package's Markdown templates."""
    return _templates().get_template(template).render(values)


def _entry(cell: Entry, column: Column) -> str:
    if isinstance(cell, Link):
        badge = f", **{escape(cell.badge)}**" if cell.badge else ""
        return f"[{escape(cell.text)}]({cell.href}){escape(f', {cell.note}') if cell.note else ''}{badge}"
    return code(cell.text) if isinstance(cell, Code) else escape(show_cell(cell, column.show))


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("babelrank.reporting", "templates"),
        autoescape=jinja2.select_autoescape(),  # which is for HTML; `finalize` does it for Markdown
        finalize=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=code,
        languages=lambda codes: ", ".join(map(language_name, codes)),
        short=short_collection,
        table=table_markdown,
    )
    environment.globals.update(GENERATED=Markdown(GENERATED), Markdown=Markdown)
    return environment


def _longest_run(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, re.findall(r"`+", text)), default=0)
