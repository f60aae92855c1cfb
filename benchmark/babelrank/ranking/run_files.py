"""Read run files: lines in TREC's format, and JSON as in mteb, ranx and pytrec_eval.

JSON runs are ``{query: {passage: score}}``. Predictions that mteb saves have one of these for each subset and split of
a task: ``{"mteb_model_meta": {…}, subset: {split: {query: {passage: score}}}}``. All may be compressed.
"""

import math
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from babelrank.data.records import read_json, read_rows
from babelrank.errors import DataError, unknown_choice
from babelrank.ranking.trec import Run, number_ids

_COLUMNS = "query-id Q0 passage-id rank score tag"
_JSON = "a JSON run is {query: {passage: score}}, by itself or, as mteb saves it, within {subset: {split: …}}"
_META = "mteb_model_meta"


def read_run(path: Path, *, subset: str | None = None, split: str | None = None) -> Run:
    """Read a run, compressed or not. A repeated line counts once; only ASCII white space separates columns.

    Parameters
    ----------
    subset, split
        Which run of an mteb file to read; not needed if there is one. Other files contain one run.

    Raises
    ------
    DataError
        The file cannot be read, is truncated or empty, a line has other columns, a score is not a number, or a query
        has a passage twice with different scores; the message names the line. An mteb file lacks the subset or split,
        or has several.
    """
    _, first = next(read_rows(path), (0, ""))
    if first.lstrip().startswith("{") and not _is_line(first):
        return _read_json_run(path, subset, split)
    names: dict[str, str] = {}  # one string for each id, shared by its lines
    queries, passages, scores = [], [], array("f")
    for number, line in read_rows(path):
        cells = line.encode().split()
        if len(cells) != 6:
            raise DataError(f"{path}:{number}: {line[:80]!r} is not {_COLUMNS!r}.")
        query, passage = cells[0].decode(), cells[2].decode()
        queries.append(names.setdefault(query, query))
        passages.append(names.setdefault(passage, passage))
        try:
            scores.append(_read_score(cells[4]))
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}.") from error
    if not scores:
        raise DataError(f"{path}: is empty; a run has lines of {_COLUMNS!r}, or is JSON.")
    run = Run(np.array(queries, object), np.array(passages, object), np.frombuffer(scores, dtype=np.float32))
    pairs = number_ids(run.queries) * len(run) + number_ids(run.passages)
    repeated = pd.Series(pairs).duplicated().to_numpy()
    return _without_repeats(path, run, pairs, repeated) if repeated.any() else run


def _is_line(text: str) -> bool:
    """Return whether a line is in TREC's format: an id may begin with a brace."""
    cells = text.encode().split()
    return len(cells) == 6 and cells[1].upper() == b"Q0"


def _read_score(value: Any) -> float:
    """Read a number from JSON, or from bytes; it may be infinite."""
    try:
        is_number = b"_" not in value if isinstance(value, bytes) else not isinstance(value, (bool, str))
        score = float(value if is_number else "")
    except (TypeError, ValueError) as error:
        raise ValueError(f"score {_show(value)} is not a number") from error
    if math.isnan(score):
        raise ValueError(f"score {_show(value)} cannot be sorted")
    return score


def _show(value: Any) -> str:
    return repr(value.decode() if isinstance(value, bytes) else value)[:80]


def _without_repeats(path: Path, run: Run, pairs: np.ndarray, repeated: np.ndarray) -> Run:
    """Remove lines that repeat an earlier one; raise an error if their scores differ."""
    _, first, line_of = np.unique(pairs, return_index=True, return_inverse=True)
    other = np.flatnonzero(run.scores != run.scores[first[line_of]])
    if len(other):
        line, before = int(other[0]), int(first[line_of[other[0]]])
        numbers = [number for place, (number, _) in enumerate(read_rows(path)) if place in (before, line)]
        raise DataError(
            f"{path}:{numbers[1]}: query {run.queries[line]!r} has passage {run.passages[line]!r} with another score "
            f"on line {numbers[0]}."
        )
    note = f"{repeated.sum():,} lines are repeated; each counts once"
    return Run(run.queries[~repeated], run.passages[~repeated], run.scores[~repeated], (note,))


def _read_json_run(path: Path, subset: str | None, split: str | None) -> Run:
    content = read_json(path)
    system = ""
    if _META in content or _is_nested(content):
        meta = content.get(_META)
        system = str(meta.get("model_name") or "") if isinstance(meta, dict) else ""
        subsets = {name: each for name, each in content.items() if name != _META}
        content = _choose(path, "split", _choose(path, "subset", subsets, subset), split)
    queries, passages, scores = [], [], array("f")
    names: dict[str, str] = {}
    for query, found in _items(path, content):
        for passage, score in _items(path, found, query):
            queries.append(query)
            passages.append(names.setdefault(passage, passage))
            try:
                scores.append(_read_score(score))
            except ValueError as error:
                raise DataError(f"{path}: query {query!r}, passage {passage!r}: {error}.") from error
    if not scores:
        raise DataError(f"{path}: is empty; {_JSON}.")
    scored = np.frombuffer(scores, dtype=np.float32)
    return Run(np.array(queries, object), np.array(passages, object), scored, system=system)


def _is_nested(content: Mapping[str, Any]) -> bool:
    """Return whether there are subsets and splits above the queries."""
    inner = (each for found in content.values() if isinstance(found, dict) for each in found.values())
    return any(isinstance(each, dict) for each in inner)


def _choose(path: Path, kind: str, found: Any, name: str | None) -> Any:
    """Return the part of an mteb file with a name, or its only part."""
    parts = dict(_items(path, found))
    if name is not None and name not in parts:
        raise DataError(f"{path}: " + unknown_choice(kind, name, parts))
    if name is None and len(parts) != 1:
        known = ", ".join(parts) or "none"
        raise DataError(f"{path}: has {len(parts)} {kind}s ({known}); --{kind} names one.")
    return parts[name] if name is not None else next(iter(parts.values()))


def _items(path: Path, found: Any, query: str | None = None) -> Iterable[tuple[str, Any]]:
    if not isinstance(found, dict):
        where = "" if query is None else f": query {query!r}"
        raise DataError(f"{path}{where}: {type(found).__name__} instead of an object; {_JSON}.")
    return found.items()
