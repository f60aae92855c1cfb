"""Read the configuration of a training run from TOML files. Errors speak in terms of the file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from babelrank.checkpoints import rename_config_keys
from babelrank.errors import TrainingError, unknown_choice
from babelrank.files import as_path, read_toml
from babelrank.training.config import TrainingConfig

EXTENDS = "extends"
TRUST = "trust_remote_code"

# Type of error -> message, where pydantic's own message speaks of Python.
_MESSAGES = {
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a configuration.

    A file can say ``extends = "other.toml"``: its tables are then merged over those of the other file. Environment
    variables in paths (``$HOME/examples.jsonl``) are filled in; relative paths start at the file's folder. Old names of
    keys are accepted, too: ``units`` for ``examples``, ``model.start`` for ``model.base_model``,
    ``model.average_with_start`` for ``model.average_with_base_model``.

    Parameters
    ----------
    overrides
        Merged over the file, in the same way as the file over the one that it extends.

    Raises
    ------
    TrainingError
        The file cannot be read, a key is unknown or missing, or a value is invalid.
    """
    raw: dict[str, Any] = _merge(_read(path, ()), _rename_old_keys(dict(overrides or {}), path))
    try:
        return TrainingConfig.model_validate(_as_tuples(raw))
    except ValidationError as error:
        problems = [f"{path}: {_explain(details)}" for details in error.errors() if not _follows(details)]
        raise TrainingError("\n".join(problems)) from error


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = as_path(path).resolve()
    if path in seen:
        raise TrainingError(f"{path}: extends itself, by way of {', '.join(map(str, seen))}.")
    raw = _rename_old_keys(read_toml(path, TrainingError), path)
    base = raw.pop(EXTENDS, None)
    if base is not None and not isinstance(base, str):
        raise TrainingError(f"{path}: {EXTENDS} must name a file, got {base!r}.")
    _fill_in_paths(raw, path)
    if base is None:
        return raw
    merged: dict[str, Any] = _merge(_read(path.parent / _expand(base, f"{path}: {EXTENDS}"), (*seen, path)), raw)
    return merged


def _rename_old_keys(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    try:
        return rename_config_keys(raw)
    except ValueError as error:
        raise TrainingError(f"{path}: {error}.") from error


def _fill_in_paths(raw: dict[str, Any], file: Path) -> None:
    """Make the paths of files and folders absolute, in place. Names on the Hub do not change."""
    given = raw.get("examples")
    entries = [(f"examples[{i}].", entry) for i, entry in enumerate(given)] if isinstance(given, list) else []
    paths = [("", raw, "output"), ("validation.", raw.get("validation"), "path")]
    names = [("model.", raw.get("model"), "base_model"), ("teacher.", raw.get("teacher"), "model")]
    for place, table, key in (*paths, *((place, entry, "path") for place, entry in entries)):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(file.parent / _expand(table[key], f"{file}: {place}{key}"))
    for place, table, key in (*names, *((place, entry, "hub") for place, entry in entries)):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = expand_name(table[key], file, f"{place}{key}")


def expand_name(text: str, file: Path, key: str) -> str:
    """Return the name or folder of a model or data set in a file, with environment variables filled in.

    A name that begins with a dot is relative to the file's folder.

    Raises
    ------
    TrainingError
        A variable is not set.
    """
    name = _expand(text, f"{file}: {key}")
    return str(file.parent / name) if name.startswith(".") else name


def _expand(text: str, where: str) -> str:
    if "\0" in text:
        raise TrainingError(f"{where}: {text!r} holds a null character, which no path can.")
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        raise TrainingError(f"{where}: {text!r} names an environment variable that is not set.")
    if not expanded.startswith("~"):
        return expanded
    try:
        return str(Path(expanded).expanduser())
    except RuntimeError as error:
        raise TrainingError(f"{where}: {text!r} names the home of a user that does not exist.") from error


def _merge(base: Any, over: Any) -> Any:
    """Return a table merged over another, or over each of a list of tables; other values replace the old ones."""
    if not isinstance(over, dict):
        return over
    if isinstance(base, list) and all(isinstance(each, dict) for each in base):
        return [_merge(each, over) for each in base]
    if not isinstance(base, dict):
        return over
    return {**base, **{key: _merge(base.get(key), value) for key, value in over.items()}}


def _as_tuples(value: Any) -> Any:
    """Turn the lists of TOML into tuples, as pydantic's strict mode requires."""
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _explain(details: Any) -> str:
    """Describe what is wrong with one key, in terms of the file."""
    place = _place(details["loc"])
    if details["type"] == "extra_forbidden":
        *tables, key = details["loc"]
        where = f"{_place(tables)}: " if tables else ""
        if key == TRUST:
            return f"{where}{TRUST!r} is not a key of a configuration: add --trust-remote-code to the command."
        return where + unknown_choice("key", str(key), _keys(tables))
    if details["type"] == "missing":
        return f"{place} is missing."
    if details["type"] == "value_error":
        message = details["msg"].removeprefix("Value error, ")
        return f"{place}: {message}." if place else f"{message}."
    given = details["input"]
    if details["type"] == "tuple_type" and isinstance(given, dict):
        return f"{place}: must be a list of tables, each under [[{place}]], got one table."
    if details["type"] == "string_pattern_mismatch":
        wanted = (
            "a repository such as 'ORG/NAME'"
            if "push" in details["loc"]
            else "a language code such as 'en' or 'zh-Hant'"
        )
        return f"{place}: must be {wanted}, got {given!r}."
    message = _MESSAGES.get(details["type"], details["msg"].replace("Input should", "must"))
    return f"{place}: {message}, got {list(given) if isinstance(given, tuple) else given!r}."


def _follows(details: Any) -> bool:
    """Tell whether an error only follows from others: pydantic counts only the valid items of a list."""
    return details["type"] == "too_short" and len(details["input"]) > 0


def _place(loc: Sequence[str | int]) -> str:
    """Return the path of a key, such as ``examples[0].path``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return "".join(parts).removeprefix(".")


def _keys(tables: list[Any]) -> list[str]:
    """Return the valid keys of a table."""
    model: Any = TrainingConfig
    for part in tables:
        if isinstance(part, str):
            model = _table_type(model.model_fields[part].annotation)
    return list(model.model_fields)


def add_defaults(table: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, as in JSON, with defaults for missing keys, table by table."""
    filled: dict[str, Any] = table.model_construct().model_dump(mode="json") | dict(given)
    for name, field in table.model_fields.items():
        value, inner = filled.get(name), _table_type(field.annotation)
        if inner and isinstance(value, dict):
            filled[name] = add_defaults(inner, value)
        elif inner and isinstance(value, list):
            filled[name] = [add_defaults(inner, each) if isinstance(each, dict) else each for each in value]
    return filled


def _table_type(annotation: Any) -> Any:
    """Return the table in an annotation such as ``Table | None`` or ``tuple[Table, …]``; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _table_type(part))), None)
