"""TOML files -> a valid configuration of a training run, or what is wrong with it, in terms of the file."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from babelrank.errors import TrainingError, unknown_choice
from babelrank.training.config import TrainingConfig

EXTENDS = "extends"

# Kind of error -> what is said of it, where pydantic speaks of Python.
_MESSAGES = {
    "string_type": "should be a text",
    "string_pattern_mismatch": "should be a language code such as 'en' or 'zh-Hant'",  # no other text has a pattern
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "tuple_type": "should be a list",
    "too_short": "should not be empty",
    "dict_type": "should be a table",
    "model_type": "should be a table",
}


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a configuration.

    A file may say ``extends = "other.toml"``: it is then that file with what this one says put over it, table by table.
    Environment variables in paths (``$HOME/units.jsonl``) are filled in; relative paths start at the file's folder.

    Parameters
    ----------
    overrides
        Put over the file, as it is over the one that it extends.

    Raises
    ------
    TrainingError
        The file cannot be read, a key is unknown or missing, or a value is not what the key takes.
    """
    raw = _merge(_read(path, ()), dict(overrides or {}))
    try:
        return TrainingConfig.model_validate(_as_tuples(raw))
    except ValidationError as error:
        told = [f"{path}: {_explain(details)}" for details in error.errors() if not _follows(details)]
        raise TrainingError("\n".join(told)) from error


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise TrainingError(f"{path}: extends itself, by way of {', '.join(map(str, seen))}.")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not TOML ({error}).") from error
    base = raw.pop(EXTENDS, None)
    if base is not None and not isinstance(base, str):
        raise TrainingError(f"{path}: {EXTENDS} should name a file, is {base!r}.")
    _fill_in_paths(raw, path)
    return raw if base is None else _merge(_read(path.parent / base, (*seen, path)), raw)


def _fill_in_paths(raw: dict[str, Any], file: Path) -> None:
    """Make what names a file or folder absolute, in place; names of the Hub stay as they are."""
    units = raw.get("units")
    entries = [(f"units[{i}].", entry) for i, entry in enumerate(units)] if isinstance(units, list) else []
    paths = [("", raw, "output"), ("validation.", raw.get("validation"), "path")]
    names = [("model.", raw.get("model"), "start"), ("teacher.", raw.get("teacher"), "model")]
    for place, table, key in (*paths, *((place, entry, "path") for place, entry in entries)):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(file.parent / _expand(table[key], f"{file}: {place}{key}"))
    for place, table, key in (*names, *((place, entry, "hub") for place, entry in entries)):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            name = _expand(table[key], f"{file}: {place}{key}")
            table[key] = str(file.parent / name) if name.startswith(".") else name


def _expand(text: str, where: str) -> str:
    expanded = os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111  # of a text that may not be a path
    if "$" in expanded:
        raise TrainingError(f"{where}: {text!r} names an environment variable that is not set.")
    return expanded


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _as_tuples(value: Any) -> Any:
    """Turn the lists of TOML into tuples: pydantic's strict mode wants them so."""
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _explain(details: Any) -> str:
    """Say what is wrong with one key, in terms of the file."""
    place = _place(details["loc"])
    if details["type"] == "extra_forbidden":
        *tables, key = details["loc"]
        where = f"{_place(tables)}: " if tables else ""
        return where + unknown_choice("key", str(key), _keys(tables))
    if details["type"] == "missing":
        return f"{place} is missing."
    if details["type"] == "value_error":
        message = details["msg"].removeprefix("Value error, ")
        return f"{place}: {message}." if place else f"{message}."
    given = details["input"]
    if details["type"] == "tuple_type" and isinstance(given, dict):
        return f"{place}: should be a list of tables, each under [[{place}]], is one table."
    message = _MESSAGES.get(details["type"], details["msg"].replace("Input should", "should"))
    return f"{place}: {message}, is {list(given) if isinstance(given, tuple) else given!r}."


def _follows(details: Any) -> bool:
    """Tell whether an error only follows from others: pydantic counts but the valid items of a list."""
    return details["type"] == "too_short" and len(details["input"]) > 0


def _place(loc: Sequence[str | int]) -> str:
    """Write the way to a key as ``units[0].path``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return "".join(parts).removeprefix(".")


def _keys(tables: list[Any]) -> list[str]:
    """Return the keys that a table takes."""
    model: Any = TrainingConfig
    for part in tables:
        if isinstance(part, str):
            model = _table_type(model.model_fields[part].annotation)
    return list(model.model_fields)


def _table_type(annotation: Any) -> Any:
    """Return the table in an annotation such as ``Table | None`` or ``tuple[Table, …]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(found for part in getattr(annotation, "__args__", ()) if (found := _table_type(part)))
