"""What was computed from files that have not changed: kept by digests, in a file that git does not see."""

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

FILE_NAME = ".cache.json"
_CODE_SUFFIXES = frozenset((".py", ".j2", ".css", ".js", ".csv"))
_LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "jinja2")


class Cache:
    """JSON values by what they follow from; those of another version of babelrank are not known."""

    def __init__(self, path: Path | None = None) -> None:
        self._path, self._values, self._changed = path, _read(path) if path else {}, False

    def once(self, origin: object, compute: Callable[[], Any]) -> Any:
        """Return what `compute` returns, calling it only if the value is not known.

        Parameters
        ----------
        origin
            All that the value follows from, as JSON: a name, digests of files, options.
        compute
            Returns the value, as JSON has it.
        """
        key = digest(json.dumps(origin, sort_keys=True))
        if key not in self._values:
            self._values[key], self._changed = compute(), True
        return self._values[key]

    def replace(self, origin: object, value: object) -> None:
        """Set a value, known or not."""
        key = digest(json.dumps(origin, sort_keys=True))
        self._changed |= self._values.get(key) != value
        self._values[key] = value

    def save(self) -> None:
        """Write the values to the file that they were read from."""
        if self._path and self._changed:
            stored = {"code": _code_digest(), "digest": _values_digest(self._values), "values": self._values}
            atomic_write(self._path, json.dumps(stored), flush=False)


@contextmanager
def open_cache(reports: Path) -> Iterator[Cache]:
    """Yield what is known of the reports in a folder, and save at the end what was added."""
    known = Cache(reports / FILE_NAME)
    yield known
    known.save()


def digest(content: str | bytes) -> str:
    """Return the SHA-256 of a content (hex)."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_bytes())
        whole = stored["code"] == _code_digest() and stored["digest"] == _values_digest(stored["values"])
        return dict(stored["values"]) if whole else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}  # what cannot be read is computed again


def _values_digest(values: dict[str, Any]) -> str:
    return digest(json.dumps(values))


@cache
def _code_digest() -> str:
    """Return the digest of babelrank's own files, and of the versions of what it computes with."""
    total = hashlib.sha256("".join(map(version, _LIBRARIES)).encode())
    with resources.as_file(resources.files("babelrank")) as package:
        for path in sorted(package.rglob("*")):
            if path.suffix in _CODE_SUFFIXES:
                total.update(path.read_bytes())
    return total.hexdigest()
