"""Results -> Markdown. What comes out of a results file is escaped: it may have been written by anyone."""

import json
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from itertools import chain
from typing import Any

import jinja2

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.settings import Cell
from babelrank.data.catalog import source_of
from babelrank.encoding.protocol import EncoderOptions
from babelrank.reporting.figures import figures_of
from babelrank.reporting.heatmaps import heatmaps_of
from babelrank.reporting.languages import language_name
from babelrank.reporting.names import default_name
from babelrank.reporting.parts import Section, show_cell
from babelrank.reporting.results import CollectionResults, ModelResults, Results
from babelrank.reporting.summary import (
    MACRO_LABELS,
    NO_VALUE,
    bias_row,
    show_parameters,
    show_range,
    show_rank,
    show_score,
    summary_rows,
    summary_score,
)

# What Markdown takes for its own: GitHub's, with tables, formulas, short codes, and links made of bare addresses.
_SPECIAL = re.compile(
    r"[\\`*\[\]<>|~&$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore within a word is none
    r"|:(?=//|[\w+-]+:)|@(?=[\w-]+\.\w)|(?<=www)\.",
    re.IGNORECASE,
)
_SUBMIT_OPTIONS = frozenset(field.name for field in fields(EncoderOptions))
HASHED = 2**31  # columns: so many are places of hashes, not a vocabulary
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FOLDER_DIGEST = re.compile(r"[0-9a-f]{64}")


class Markdown(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Markdown:
    """Turn anything into one line of Markdown that shows it as it is."""
    return text if isinstance(text, Markdown) else Markdown(_SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split())))


def code(text: object) -> Markdown:
    """Show a text as code, also inside a table."""
    visible = "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}"
        for character in str(text)
    )
    ticks = "`" * (_longest_run(visible) + 1)
    pad = " " if visible.startswith("`") or visible.endswith("`") else ""
    return Markdown(f"{ticks}{pad}{visible}{pad}{ticks}".replace("|", "\\|"))


def fence(text: str, language: str = "") -> Markdown:
    """Show lines as a block of code, whatever is in them."""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return Markdown(f"{ticks}{language}\n{text}\n{ticks}")


def render_markdown(
    results: Results,
    intervals: Mapping[str, Mapping[str, Interval]] | None = None,
    sections: Mapping[str, Sequence[Section]] | None = None,
    leaderboard: str | None = None,
) -> str:
    """Return a report.md: it follows from the arguments alone, which are those of `html_report.render_report_html`."""
    return render_template(
        "report.md.j2",
        results=results,
        intervals=intervals or {},
        sections=sections or {},
        model=results.model,
        settings={key: json.dumps(value, ensure_ascii=False) for key, value in results.model.settings.items()},
        command=fence(reproducing_command(results), "sh"),
        is_folder=is_folder(results.model),
        leaderboard=leaderboard and Markdown(leaderboard),
    )


def reproducing_command(results: Results) -> str:
    """Return the command line that gives these results again, in as many lines as it takes."""
    model = results.model
    options = dict(model.options)
    if _COMMIT.fullmatch(model.fingerprint):
        options["revision"] = model.fingerprint  # a branch may have moved on
    parts = [
        ["babelrank", "submit", f"./{model.submitted_as}" if is_folder(model) else model.submitted_as],
        ["--adapter", model.adapter],
        *(["--collection", name] for name in results.collections),
        *chain.from_iterable(_as_arguments(key, value) for key, value in options.items()),
    ]
    if model.seen is not None:
        parts.append(["--seen", ",".join(model.seen)])
    if any(_leaves_out_texts(name, collection) for name, collection in results.collections.items()):
        parts.append(["--no-texts"])
    if default_name(model.submitted_as, options) != model.name:
        parts.append(["--name", model.name])
    return " \\\n  ".join(map(shlex.join, parts))


def _leaves_out_texts(name: str, collection: CollectionResults) -> bool:
    """Return whether texts could have been kept, as those of top passages are, but were not wanted."""
    return source_of(name) is not None and collection.top is not None and collection.texts is None


def _as_arguments(key: str, value: object) -> list[list[str]]:
    """Return the arguments that set an option: of `babelrank submit`, or of one adapter."""
    if isinstance(value, list):
        return [[f"--{key.removesuffix('s')}", str(item)] for item in value]
    if key in _SUBMIT_OPTIONS:
        return [[f"--{key.replace('_', '-')}", str(value)]]
    return [["--option", f"{key}={value}"]]


def render_template(template: str, **values: Any) -> str:
    """Fill in one of the templates beside this module."""
    return _templates().get_template(template).render(values)


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
        cell=show_cell,
        code=code,
        count=lambda value: f"{value:,}",
        dimension=lambda value: f"{value:,}" if value < HASHED else NO_VALUE,
        language=language_name,
        languages=lambda codes: ", ".join(map(language_name, codes)),
        parameters=show_parameters,
        rank=show_rank,
        score=show_score,
        bold=lambda text: Markdown(f"**{escape(text)}**"),
        seconds=show_seconds,
        share=lambda value: f"{value:.2%}",
    )
    environment.globals.update(
        MACRO_LABELS=MACRO_LABELS,
        Markdown=Markdown,
        show_range=show_range,
        heatmaps_of=heatmaps_of,
        NO_VALUE=NO_VALUE,
        bias_row=bias_row,
        common_n=_common_n,
        figures_of=figures_of,
        source_of=source_of,
        split=split_by_pool,
        summary_rows=summary_rows,
        summary_score=summary_score,
    )
    return environment


def split_by_pool(
    collections: Mapping[str, CollectionResults],
) -> tuple[dict[str, CollectionResults], dict[str, CollectionResults]]:
    """Return the collections that have a pool of several languages, and those of one language."""
    pooled = {name: each for name, each in collections.items() if figures_of(name, each).has_pool}
    return pooled, {name: each for name, each in collections.items() if name not in pooled}


def _common_n(collection: CollectionResults) -> int | None:
    """Return the number of queries that all settings have; None if they differ."""
    numbers = {n for row in (*collection.pairs.n, collection.pool.n) for n in row}
    return numbers.pop() if len(numbers) == 1 else None


def is_folder(model: ModelResults) -> bool:
    """Return whether a model was submitted from a folder, of which the fingerprint is the digest."""
    return _FOLDER_DIGEST.fullmatch(model.fingerprint) is not None


def show_seconds(value: Cell) -> str:
    """Write a duration."""
    if value is None:
        return NO_VALUE
    return f"{value:.2f} s" if value < 10 else f"{value:,.1f} s" if value < 100 else f"{value:,.0f} s"


def _longest_run(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, re.findall(r"`+", text)), default=0)
