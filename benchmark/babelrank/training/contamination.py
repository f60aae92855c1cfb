"""Units that hold a text of a test collection, to be kept out of training.

Texts are compared as they read: without regard to case, spacing, punctuation, or how Unicode composes a character.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

from babelrank.data.collection import Collection
from babelrank.files import atomic_write
from babelrank.training.membership import RowSet
from babelrank.training.units import Units

_EXAMPLES = 5  # units named in a message
_REPORTED_EVERY = 1_000  # units
_FORMAT = 1  # raise it when `normalise` changes, so that what was found before is looked for again


@dataclass(frozen=True)
class Contamination:
    """What a data set shares with test collections.

    Attributes
    ----------
    rows
        Its units that hold a text of theirs.
    ids
        Of the first few of them.
    by_collection
        Collection -> units that share a text with it.
    """

    rows: np.ndarray
    ids: tuple[str, ...]
    by_collection: Mapping[str, int]


class _Letters(dict[int, int | None]):
    """A table for `str.translate` that drops punctuation, separators and controls, filled in as characters come."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code))[0] in "PZC" else code
        self[code] = kept
        return kept


_LETTERS = _Letters()


def normalise(text: str) -> str:
    """Return the letters, marks, digits and symbols of a text, compatibly composed, in lower case."""
    kept = unicodedata.normalize("NFKC", text).translate(_LETTERS)
    return unicodedata.normalize("NFKC", kept.casefold())  # folding takes some letters apart, such as ΐ


def find_contamination(
    units: Units,
    collections: Sequence[Collection],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Contamination:
    """Find the units of which a text, in any language, is a query or a passage of a collection; negatives count.

    Parameters
    ----------
    on_progress
        Called now and then with how many units are compared, and how many there are.
    """
    known = {collection.name: _texts(collection) for collection in collections}
    found: dict[str, int] = dict.fromkeys(known, 0)
    rows, ids = [], []
    for row in range(len(units)):
        if row % _REPORTED_EVERY == 0:
            on_progress(row, len(units))
        unit = units[row]
        texts = {normalise(text) for side in (unit.query, unit.passage, *unit.negatives) for text in side.values()}
        shared = [name for name, theirs in known.items() if not theirs.isdisjoint(texts)]
        for name in shared:
            found[name] += 1
        if shared:
            rows.append(row)
            ids.append(unit.id)
    on_progress(len(units), len(units))
    return Contamination(np.array(rows, dtype=np.int64), tuple(ids[:_EXAMPLES]), found)


def recall_contamination(
    units: Units,
    collections: Sequence[Collection],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    cache: Path | None = None,
) -> Contamination:
    """Return what `find_contamination` finds, from the last time that these units were compared with these collections.

    Of several processes that ask at once, one compares and the others wait.

    Parameters
    ----------
    on_progress
        See `find_contamination`.
    cache
        Folder of what was found; by default in the user's cache folder. One that cannot be written is done without.
    """
    if not collections:
        return find_contamination(units, collections, on_progress)
    folder = cache or user_cache_path("babelrank") / "contamination"
    kept = folder / f"{_identify(units, collections)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(kept.with_suffix(".lock")).acquire()
    except OSError:
        return find_contamination(units, collections, on_progress)
    with lock:
        with suppress(OSError, ValueError, TypeError, KeyError):  # none yet, or a damaged one: made anew
            known = json.loads(kept.read_bytes())
            return Contamination(np.array(known["rows"], dtype=np.int64), tuple(known["ids"]), known["by_collection"])
        found = find_contamination(units, collections, on_progress)
        with suppress(OSError):  # a full disk costs the comparison, next time
            atomic_write(kept, json.dumps(asdict(found) | {"rows": found.rows.tolist()}, ensure_ascii=False))
        return found


def _identify(units: Units, collections: Sequence[Collection]) -> str:
    """Return a digest of all that decides what units and collections share."""
    what: list[Any] = [_FORMAT, unicodedata.unidata_version, units.fingerprint]
    what += [sorted(side) for side in (units.queries, units.passages)]
    what += [[collection.name, collection.candidates, collection.sha256] for collection in collections]
    return hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()[:32]


def _texts(collection: Collection) -> set[str]:
    """Return the texts of a collection, those of punctuation alone aside: they would match any other such text."""
    tables = (collection.queries, collection.passages.frame)
    return {normalise(text) for table in tables for text in table["text"]} - {""}


def without(sets: Mapping[str, RowSet], rows: Iterable[int], size: int) -> dict[str, RowSet]:
    """Return the row sets, by language, less `rows`."""
    dropped = np.zeros(size, dtype=bool)
    dropped[list(rows)] = True
    removed = RowSet.of(dropped)
    return {lang: members - removed for lang, members in sets.items()}
