"""Rows of a data set -> an index of its examples, made once and kept on disk."""

import json
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load, save

from babelrank.environment import user_cache_path
from babelrank.files import atomic_write
from babelrank.training.examples import NEGATIVE, PASSAGE, QUERY, ExampleSet, Index, KnownTexts, Progress, Rows
from babelrank.training.jsonl_rows import JsonlRows
from babelrank.training.membership import RowSet
from babelrank.training.permutation import mix_bits
from babelrank.training.row_lists import RowLists, group_rows
from babelrank.training.texts import NORMAL_FORM, TextHasher

_FORMAT = 1  # version of the indexes on disk


def read_examples(path: Path, languages: Sequence[str] = ()) -> ExampleSet:
    """Return the examples of a JSONL file; see `JsonlRows`."""
    return index_rows(JsonlRows(path, languages))


def index_rows(
    rows: Rows, known: Sequence[KnownTexts] = (), on_progress: Progress = lambda _done, _total: None
) -> ExampleSet:
    """Read all rows once: check them, group those with the same question, and look for known texts."""
    size, hasher = len(rows), TextHasher()
    keys = {side: np.zeros(size, dtype=np.uint64) for side in (QUERY, PASSAGE, NEGATIVE)}
    present: dict[str, dict[str, np.ndarray]] = {QUERY: {}, PASSAGE: {}, NEGATIVE: {}}
    flags = {each.name: np.zeros(size, dtype=bool) for each in known}
    found: dict[str, list[np.ndarray]] = {each.name: [np.zeros(0, dtype=np.uint64)] for each in known}
    for first, columns in rows.scan():
        on_progress(first, size)
        for column in columns:
            hashes, places = hasher.hash_texts(column.texts), column.rows + first
            # A sum, so that neither the order of languages nor of negatives matters.
            np.add.at(keys[column.side], places, mix_bits(hashes ^ _salt(column.lang)))
            present[column.side].setdefault(column.lang, np.zeros(size, dtype=bool))[places] = True
            for each in known:
                hit = np.isin(hashes, each.hashes)
                flags[each.name][places[hit]] = True
                found[each.name].append(hashes[hit])
    on_progress(size, size)
    nowhere = np.zeros(size, dtype=bool)
    asked = np.logical_or.reduce([nowhere, *present[QUERY].values()])
    keys[QUERY][~asked] = mix_bits(np.flatnonzero(~asked).astype(np.uint64))  # rows without a question stay apart
    example_of, passages = group_rows(keys[QUERY], keys[PASSAGE])
    refused = np.logical_or.reduce([nowhere, *present[NEGATIVE].values()])
    negatives = group_rows(keys[QUERY], keys[NEGATIVE], refused)[1]
    languages = {
        side: {lang: _members(example_of[found], len(passages)) for lang, found in sorted(present[side].items())}
        for side in (QUERY, PASSAGE)
    }
    shared = {name: np.unique(example_of[flag]) for name, flag in flags.items()}
    return ExampleSet(
        rows,
        Index(
            passages, negatives, languages, shared, {name: np.unique(np.concatenate(f)) for name, f in found.items()}
        ),
    )


def open_examples(
    rows: Rows,
    known: Sequence[KnownTexts] = (),
    on_progress: Progress = lambda _done, _total: None,
    *,
    cache: Path | None = None,
) -> ExampleSet:
    """Return the result of `index_rows`, from the cache if these rows were compared with these texts before.

    If several processes call it at once, one reads the rows and the others wait.

    Parameters
    ----------
    on_progress
        Called from time to time with the number of rows read, and the total.
    cache
        Folder of indexes; by default in the user's cache folder. If it cannot be written, nothing is kept.
    """
    folder = cache or user_cache_path("XDG_CACHE_HOME") / "examples"
    kept = folder / f"{_identify(rows, known)}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(kept.with_suffix(".lock")).acquire()
    except OSError:
        return index_rows(rows, known, on_progress)
    with lock:
        index = _load(kept)
        if index is not None:
            return ExampleSet(rows, index)
        examples = index_rows(rows, known, on_progress)
        with suppress(OSError):  # if the disk is full, the rows are read again next time
            _save(kept, examples.index)
        return examples


def _identify(rows: Rows, known: Sequence[KnownTexts]) -> str:
    what = [_FORMAT, NORMAL_FORM, rows.fingerprint]
    what += [[each.name, sha256(each.hashes.tobytes()).hexdigest()] for each in known]
    return sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()[:32]


def _salt(lang: str) -> np.uint64:
    return np.uint64(int.from_bytes(sha256(lang.encode()).digest()[:8], "little"))


def _members(numbers: np.ndarray, size: int) -> RowSet:
    mask = np.zeros(size, dtype=bool)
    mask[numbers] = True
    return RowSet.of(mask)


def _save(path: Path, index: Index) -> None:
    arrays = {
        "passages/starts": index.passages.starts,
        "passages/rows": index.passages.rows,
        "negatives/starts": index.negatives.starts,
        "negatives/rows": index.negatives.rows,
    }
    for side, sets in index.languages.items():
        arrays |= {f"languages/{side}/{lang}": members.bits for lang, members in sets.items()}
    for kind, by_name in (("shared", index.shared), ("found", index.found)):
        arrays |= {f"{kind}//{name}": values for name, values in by_name.items()}
    atomic_write(path, save(arrays))


def _load(path: Path) -> Index | None:
    """Return a cached index; None if it does not exist or is damaged."""
    with suppress(OSError, ValueError, KeyError, SafetensorError):
        arrays = load(path.read_bytes())
        passages, negatives = (
            RowLists(arrays.pop(f"{name}/starts"), arrays.pop(f"{name}/rows")) for name in ("passages", "negatives")
        )
        languages: dict[str, dict[str, RowSet]] = {QUERY: {}, PASSAGE: {}}
        kept: dict[str, dict[str, np.ndarray]] = {"shared": {}, "found": {}}
        for name, values in arrays.items():
            kind, side, last = name.split("/", 2)
            if kind == "languages":
                languages[side][last] = RowSet(values, len(passages))
            else:
                kept[kind][last] = values
        return Index(passages, negatives, languages, kept["shared"], kept["found"])
    return None
