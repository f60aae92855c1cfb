"""Cache values computed from files, by the digests of these files. The cache file is ignored by git."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babelrank.files import atomic_write
from babelrank.observer import Progress

FILE_NAME = ".cache.json"
_CODE_SUFFIXES = frozenset((".py", ".j2", ".css", ".js", ".csv"))
_LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "jinja2")


class Cache:
    """JSON values by their inputs. Values of other versions of babelrank are ignored."""

    def __init__(self, path: Path | None = None) -> None:
        self._path, self._values, self._changed = path, _read(path) if path else {}, False
        if path:
            code_digest()  # of the code that computes the values, not of the code when they are saved

    def once(self, origin: object, compute: Callable[[], Any]) -> Any:
        """Return the result of `compute`, which is called only if the value is not cached.

        Parameters
        ----------
        origin
            All inputs of the value, as JSON: a name, digests of files, options.
        compute
            Function that returns the value as JSON.
        """
        key = digest(json.dumps(origin, sort_keys=True))
        if key not in self._values:
            self._values[key], self._changed = compute(), True
        return self._values[key]

    def replace(self, origin: object, value: object) -> None:
        """Set a value."""
        key = digest(json.dumps(origin, sort_keys=True))
        self._changed |= self._values.get(key) != value
        self._values[key] = value

    def saving(self, on_progress: Progress) -> Progress:
        """Return a function that saves new values whenever it receives progress, so that no interruption costs much."""

        def save(done: int, total: int) -> None:
            self.save()
            on_progress(done, total)

        return save

    def save(self) -> None:
        """Write the values to the file that they were read from."""
        if self._path and self._changed:
            stored = {"code": code_digest(), "digest": _values_digest(self._values), "values": self._values}
            atomic_write(self._path, json.dumps(stored), flush=False)
            self._changed = False


@contextmanager
def open_cache(reports: Path) -> Iterator[Cache]:
    """Yield the cache of the reports in a folder, and save new values at the end."""
    known = Cache(reports / FILE_NAME)
    yield known
    known.save()


def digest(content: str | bytes) -> str:
    """Return the SHA-256 of a content (hex)."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_bytes())
        whole = stored["code"] == code_digest() and stored["digest"] == _values_digest(stored["values"])
        return dict(stored["values"]) if whole else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}  # an unreadable cache is computed again


def _values_digest(values: dict[str, Any]) -> str:
    return digest(json.dumps(values))


@cache
def code_digest() -> str:
    """Return the digest of babelrank's own files, and of the versions of what it computes with."""
    total = hashlib.sha256("".join(map(version, _LIBRARIES)).encode())
    with resources.as_file(resources.files("babelrank")) as package:
        for path in sorted(package.rglob("*")):
            if path.suffix in _CODE_SUFFIXES:
                total.update(path.read_bytes())
    return total.hexdigest()
