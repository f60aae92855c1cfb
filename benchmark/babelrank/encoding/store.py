"""The store of representations on disk. Each text is encoded once, and computed vectors are not lost.

An entry holds the vectors of one encoder (weights, settings) in one role. It is a folder of immutable segments. Each is
a safetensors file named by the checksum of its content. Segments are added, never changed, so any number of processes
may write to an entry, and a process that dies leaves only complete segments. A damaged segment does not match its name
and is deleted when it is found.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xxhash
from safetensors.numpy import load, save

from babelrank.encoding.protocol import EncoderInfo, Role
from babelrank.encoding.vectors import Vectors, concatenate, from_tensors, to_tensors
from babelrank.environment import user_cache_path
from babelrank.files import atomic_write

_FORMAT = 2  # increase it when the format changes, so old segments are not read
_KEY_BYTES = 16
_KEYS = "keys"
_DESCRIPTION = "encoder.json"
STORE_VARIABLE = "BABELRANK_STORE"
SIZE_LIMIT = 50 * 2**30  # default limit in bytes after a submission


def default_store() -> Path:
    """Return the folder of the store: ``BABELRANK_STORE``, or the user's cache."""
    return Path(os.environ.get(STORE_VARIABLE) or user_cache_path(STORE_VARIABLE) / "representations")


def text_key(text: str) -> bytes:
    """Return the key of a text in an entry: 128 bits of XXH3."""
    key: bytes = xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))
    return key


def entry_identity(info: EncoderInfo, role: Role) -> dict[str, Any]:
    """Return the encoder and role of an entry as JSON values. Without a fingerprint, they are unique on each call."""
    return {
        "format": _FORMAT,
        "adapter": info.adapter,
        "fingerprint": info.fingerprint or uuid4().hex,
        "dimension": info.dimension,
        "role": role.value,
        "settings": dict(info.settings),
    }


def entry_folder(root: Path, identity: Mapping[str, Any]) -> Path:
    """Return the folder for the vectors of an identity."""
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return root / hashlib.sha256(canonical.encode()).hexdigest()[:32]


def describe_entry(folder: Path, model: str, identity: Mapping[str, Any]) -> None:
    """Write the description of the encoder into an entry's folder, for `list_entries` and people, and record its use.

    Raises
    ------
    OSError
        No space, or no permission to write.
    """
    if (folder / _DESCRIPTION).exists():
        _mark_used(folder)
    else:
        content = json.dumps({"model": model, **identity}, indent=2, ensure_ascii=False) + "\n"
        atomic_write(folder / _DESCRIPTION, content)


class StoreEntry:
    """Vectors of one encoder in one role, by text.

    Parameters
    ----------
    root
        Folder of the store, with one folder per entry.
    info
        The encoder. Its weights, settings and dimension matter, not its name. Without a fingerprint nothing is stored.
    role
        Query or document.
    """

    def __init__(self, root: Path, info: EncoderInfo, role: Role) -> None:
        identity = entry_identity(info, role)
        self.folder = entry_folder(root, identity)
        self._keeps = bool(info.fingerprint)
        self._describe = partial(describe_entry, self.folder, info.name, identity)

    def read(self) -> tuple[dict[bytes, int], Vectors | None]:
        """Return the rows by text key, and the representations; None if there are none."""
        paths = sorted(self.folder.glob("*.safetensors")) if self._keeps else []
        segments = [tensors for path in paths if (tensors := _read_segment(path))]
        if not segments:
            return {}, None
        _mark_used(self.folder)
        packed = b"".join(tensors.pop(_KEYS).tobytes() for tensors in segments)
        keys = (packed[start : start + _KEY_BYTES] for start in range(0, len(packed), _KEY_BYTES))
        return {key: row for row, key in enumerate(keys)}, concatenate([from_tensors(tensors) for tensors in segments])

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store the float32 representations of texts, by their keys, as one segment, completely or not at all.

        Raises
        ------
        OSError
            No space, or no permission to write.
        """
        if not self._keeps:
            return
        packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), _KEY_BYTES)
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in to_tensors(vectors).items()}
        content = save({_KEYS: packed, **tensors})

        def write() -> None:
            self._describe()
            # Not flushed: if a power failure damages a segment, it does not match its name and is encoded again.
            atomic_write(self.folder / f"{_checksum(content)}.safetensors", content, flush=False)

        try:
            write()
        except FileNotFoundError:  # another process pruned the entry meanwhile
            write()


@dataclass(frozen=True)
class EntryState:
    """An entry of the store, for people.

    Attributes
    ----------
    folder
        Its folder.
    model, adapter, role
        The model of the representations, its adapter and the role.
    size
        Bytes on disk.
    used
        Time of the last use, in seconds since the epoch.
    """

    folder: Path
    model: str
    adapter: str
    role: str
    size: int
    used: float


def list_entries(root: Path) -> list[EntryState]:
    """Return the entries of a store, most recently used first. Unreadable fields are `?`."""
    entries = []
    for description in root.glob(f"*/{_DESCRIPTION}"):
        try:
            identity = _read_description(description)
            files = [path.stat() for path in description.parent.iterdir()]
        except OSError:  # pruned by another process while we look
            continue
        entries.append(
            EntryState(
                folder=description.parent,
                model=identity.get("model", "?"),
                adapter=identity.get("adapter", "?"),
                role=identity.get("role", "?"),
                size=sum(file.st_size for file in files),
                used=max(file.st_mtime for file in files),
            )
        )
    return sorted(entries, key=lambda entry: entry.used, reverse=True)


def prune(root: Path, limit: float, *, spare_seconds: float = 0.0) -> list[EntryState]:
    """Delete the least recently used entries until the store holds at most `limit` bytes; return the deleted ones.

    Parameters
    ----------
    spare_seconds
        Entries used within this time are kept, whatever the limit, as another process may be using them.
    """
    total, pruned = 0, []
    for entry in list_entries(root):
        total += entry.size
        if total > limit and entry.used < time.time() - spare_seconds:
            shutil.rmtree(entry.folder, ignore_errors=True)
            total -= entry.size
            pruned.append(entry)
    return pruned


def _mark_used(folder: Path) -> None:
    """Record that an entry is in use. The least recently used entries are pruned first."""
    with suppress(OSError):  # a store that cannot be written can still be read
        os.utime(folder / _DESCRIPTION)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return description if isinstance(description, dict) else {}


def _checksum(content: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(content)


def _read_segment(path: Path) -> dict[str, np.ndarray] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # another process pruned the entry, or met a damaged segment, while we look
        return None
    if _checksum(content) != path.stem:
        with suppress(OSError):  # a store that cannot be written can still be read
            path.unlink()
        return None
    tensors: dict[str, np.ndarray] = load(content)
    return tensors
