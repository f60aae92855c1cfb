"""Render pages as single HTML files.

A page needs no network, no other file, and no script to show its content; scripts only add convenience. All values are
escaped. The same data give the same bytes.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import jinja2

from babelrank.reporting.formatting import NO_VALUE
from babelrank.reporting.languages import language_name, short_name
from babelrank.reporting.tables import Code, Link, is_bounded, number_in, show_bounds, show_cell


def render_page(template: str, *, styles: Sequence[str], scripts: Sequence[str], **values: Any) -> str:
    """Fill in a page's template with its styles and scripts.

    The page's content security policy allows only these, by their digests.

    Parameters
    ----------
    template, styles, scripts
        Names of files in ``templates/``; the scripts run, as one, after the page is read.
    values
        What the template asks for.
    """
    style, body = ("\n".join(map(_read_asset, names)) for names in (styles, scripts))
    early, late = _read_asset("theme.js"), f'(() => {{\n"use strict";\n{body}}})();\n'
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(early)} {_digest(late)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return templates().get_template(template).render(policy=policy, style=style, early=early, late=late, **values)


def anchor(*names: str) -> str:
    """Return an id for an element, safe in a URL's fragment: ``mlqa-r:de,en``, ``R@10`` -> ``mlqa-r-de-en--r-10``.

    The ids that templates give begin with an underscore, so that no collection's name can be one of them.
    """
    return "--".join(map(_slug, names))


@cache
def templates() -> jinja2.Environment:
    """Return the templates of pages, which escape all that is filled in."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("babelrank.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        anchor=anchor,
        language=language_name,
        languages=lambda codes: ", ".join(map(language_name, codes)),
        place=lambda value: f"{value:.2f}".rstrip("0").rstrip("."),
        shown=show_cell,
        bounds=show_bounds,
        number=number_in,
        without_code=short_name,
    )
    environment.tests.update(
        link=lambda cell: isinstance(cell, Link),
        code=lambda cell: isinstance(cell, Code),
        interval=is_bounded,
    )
    environment.globals.update(NO_VALUE=NO_VALUE)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    return environment


def _slug(name: str) -> str:
    plain = "-".join(re.findall(r"[a-z0-9]+", name.lower()))
    return plain or hashlib.sha256(name.encode()).hexdigest()[:8]  # nothing that ASCII could spell


@cache
def _read_asset(name: str) -> str:
    return (resources.files("babelrank.reporting") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
