"""Write results.json with one matrix row per line, and check it when it is read."""

import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from babelrank.errors import ReportError
from babelrank.files import check_printable
from babelrank.reporting.formatting import settle
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import check_name
from babelrank.reporting.results import (
    BIAS_MEASURES,
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    TASKS,
    CollectionResults,
    Results,
    catalog_order,
)

FILE_NAME = "results.json"
# Far below what one query changes, far above what the order of a sum does: two machines write the same figures.
DECIMALS = 6
_OTHER_LISTS = frozenset(("hubs", "notes", "occurrences"))  # not by language
_MAX_ISSUES = 5  # of an invalid file, that are told

_ADAPTER = TypeAdapter(Results)


def dump(results: Results) -> str:
    """Return the text of a results.json, with one matrix row per line. The same results give the same text.

    Raises
    ------
    ReportError
        A figure is NaN or infinite.
    """
    document = _ADAPTER.dump_python(results, mode="json")
    document["collections"] = {
        name: _rounded(document["collections"][name]) for name in sorted(document["collections"], key=catalog_order)
    }
    try:
        return _lay_out({"schema_version": document.pop("schema_version"), **document}) + "\n"
    except ValueError as error:
        raise ReportError(f"the results of {results.model.name!r} have NaN or infinity.") from error


@lru_cache(maxsize=64)  # a leaderboard, an experiment and the reports themselves all read the same files
def parse(text: str | bytes, source: str) -> Results:
    """Read and check the text of a results.json; `source` is what errors call it.

    What comes out is of the current version, whichever readable one the text is of.

    Raises
    ------
    ReportError
        Not JSON, of another schema version, or invalid: names the field.
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not JSON, or too deep
        raise ReportError(f"{source}: not JSON ({error}).") from error
    _check_version(document, source)
    try:
        results = _ADAPTER.validate_json(text)
    except ValidationError as error:
        issues = [f"{_place(issue['loc'])}: {issue['msg']}" for issue in error.errors(include_url=False)]
        more = f"; and {len(issues) - _MAX_ISSUES} more" if len(issues) > _MAX_ISSUES else ""
        raise ReportError(f"{source}: invalid. {'; '.join(issues[:_MAX_ISSUES])}{more}.") from error
    try:
        check_name(results.model.name)
        for name, collection in results.collections.items():
            for text in (name, *collection.languages):
                check_printable(text, "collection or language", ReportError)
            _check_shapes(name, collection, _place(("collections", name)))
    except ReportError as error:
        raise ReportError(f"{source}: invalid. {error}") from error
    return replace(results, schema_version=SCHEMA_VERSION)


def read_results(path: Path) -> Results:
    """Read a results.json.

    Raises
    ------
    ReportError
        It is missing, not JSON, of another schema version, or invalid.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ReportError(f"{path}: not found. `babelrank submit MODEL` writes it.") from error
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror}).") from error
    return parse(content, str(path))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of results.json, with a description of every field, from the dataclasses' docstrings."""
    schema = _ADAPTER.json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["schema_version"]["const"] = SCHEMA_VERSION
    schema["required"] = ["schema_version", *schema["required"]]
    for cls in _schema_classes(Results):
        section = schema if cls is Results else schema["$defs"][cls.__name__]
        section["description"], attributes = _read_docstring(cls)
        for base in filter(is_dataclass, cls.__bases__):
            attributes = _read_docstring(base)[1] | attributes
        for name, description in attributes.items():
            section["properties"][name]["description"] = description
    return schema


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_version(document: object, source: str) -> None:
    if not isinstance(document, dict) or "schema_version" not in document:
        raise ReportError(f"{source}: not a results file; it has no schema_version.")
    version = document["schema_version"]
    if version in READABLE_VERSIONS and type(version) is int:
        return
    newer = isinstance(version, int) and version > SCHEMA_VERSION
    remedy = (
        "It was written by a newer babelrank. Upgrade, or write to another folder with --out DIR."
        if newer
        else "Move the report away and submit the model again, or write to another folder with --out DIR."
    )
    readable = f"{READABLE_VERSIONS[0]} to {READABLE_VERSIONS[-1]}"
    raise ReportError(f"{source}: schema version {version!r}, but this babelrank reads versions {readable}. {remedy}")


def _check_shapes(name: str, collection: CollectionResults, where: str) -> None:
    """Check what types cannot say: sizes of rows and columns, and that every measure that is shown is there."""
    _check_sizes(collection, len(collection.languages), where)
    measures, languages = measures_of(name, collection).measures, tuple(collection.languages)
    _check_keys(
        {
            "queries": (collection.queries, languages),
            "passages": (collection.passages, languages),
            "macro": (collection.macro, TASKS),
            "micro": (collection.micro, TASKS[2:]),
            "pairs.scores": (collection.pairs.scores, measures),
            "pool.scores": (collection.pool.scores, measures),
        },
        where,
    )
    averages = {f"macro.{task}": (collection.macro[task], measures) for task in TASKS}
    averages["macro.multilingual"] = (collection.macro["multilingual"], (*measures, *BIAS_MEASURES))
    averages["micro.multilingual"] = (collection.micro["multilingual"], measures)
    _check_keys(averages, where)
    if collection.space is not None and collection.space.languages != collection.languages:
        raise ReportError(f"{where}.space.languages: not those of the collection, {', '.join(languages)}.")


def _check_sizes(value: object, size: int, where: str) -> None:
    """Check that rows, and rows and columns of matrices, hold a value for each language, wherever they are."""
    if is_dataclass(value):
        for item in fields(value):
            if item.name not in _OTHER_LISTS:
                _check_sizes(getattr(value, item.name), size, f"{where}.{item.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_sizes(item, size, f"{where}[{json.dumps(key)}]")
    elif isinstance(value, list):
        rows = [row for row in value if isinstance(row, list)]
        if rows and (len(value) != size or any(len(row) != size for row in rows)):
            raise ReportError(f"{where}: expected {size} rows of {size} values, one per language.")
        if len(value) != size:
            raise ReportError(f"{where}: {len(value)} values, expected {size}, one per language.")


def _check_keys(keyed: Mapping[str, tuple[Mapping[str, object], tuple[str, ...]]], where: str) -> None:
    for name, (mapping, keys) in keyed.items():
        missing = [key for key in keys if key not in mapping]
        if missing:
            raise ReportError(f"{where}.{name}: {', '.join(missing)} missing.")


def _place(location: tuple[int | str, ...]) -> str:
    """Write where a field stands as one would reach it in Python: ``collections["xquad-r"].pairs.n[0][1]``."""
    steps = (
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{json.dumps(step)}]" for step in location
    )
    return "".join(steps).removeprefix(".")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(settle(value, 12), DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _lay_out(value: Any, indent: str = "") -> str:
    """Write JSON with an object's fields on a line each, and a list of plain values on one."""
    inner = f"{indent}  "
    if isinstance(value, dict) and value:
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_lay_out(item, inner)}" for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [_lay_out(item, inner) for item in value]
    else:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(items) + f"\n{indent}{closing}"


def _schema_classes(root: type) -> list[type]:
    """List a dataclass and those that its fields hold."""
    found = [root]
    for cls in found:
        for item in fields(cls):
            candidates = (item.type, *getattr(item.type, "__args__", ()))
            found += [c for c in candidates if isinstance(c, type) and is_dataclass(c) and c not in found]
    return found


def _read_docstring(cls: type) -> tuple[str, dict[str, str]]:
    """Split a dataclass's docstring into what it says of the class and of each attribute."""
    summary, _, section = (inspect.getdoc(cls) or "").partition("\n\nAttributes\n----------\n")
    attributes = {}
    for names, text in re.findall(r"^(\S.*)\n((?:(?: .*)?(?:\n|\Z))+)", section, re.MULTILINE):
        attributes.update(dict.fromkeys(names.split(", "), " ".join(text.split())))
    return " ".join(summary.split()), attributes


if __name__ == "__main__":  # what `make schema` runs
    sys.stdout.write(json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n")
