"""Representations on disk: each text's vector is computed once, and what was computed is never lost.

A shelf holds the vectors of one encoder (weights, settings) in one role. It is a folder of immutable segments, each a
safetensors file that is named by the checksum of its content. Segments are added, never changed, so any number of
processes may write to a shelf at once, and a process that dies leaves whole segments only. A damaged segment does not
match its name and is deleted when it is met.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from platformdirs import user_cache_path
from safetensors.numpy import load, save

from babelrank.encoding.protocol import EncoderInfo, Role
from babelrank.files import atomic_write

_FORMAT = 1  # raise it when segments change, so that old ones are not read
_KEY_BYTES = 16


def default_store() -> Path:
    """Return the user's cache folder for representations."""
    return user_cache_path("babelrank") / "representations"


def text_key(text: str) -> bytes:
    """Return the key of a text on a shelf: 128 bits of BLAKE2b."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


class Shelf:
    """Vectors of one encoder in one role, by text.

    Parameters
    ----------
    root
        The store; shelves lie in it side by side.
    info
        The encoder. Its name does not matter; its weights, settings and dimension do.
    role
        Query or document.
    """

    def __init__(self, root: Path, info: EncoderInfo, role: Role) -> None:
        identity: dict[str, Any] = {
            "format": _FORMAT,
            "adapter": info.adapter,
            "fingerprint": info.fingerprint,
            "dimension": info.dimension,
            "role": role.value,
            "settings": dict(info.settings),
        }
        canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False)
        self.folder = root / hashlib.sha256(canonical.encode()).hexdigest()[:32]
        self._description = json.dumps({"model": info.name, **identity}, indent=2, ensure_ascii=False) + "\n"

    def read(self) -> tuple[dict[bytes, int], np.ndarray]:
        """Return the rows by text key, and the vectors: float32, shape (texts, dimension)."""
        segments = [tensors for path in sorted(self.folder.glob("*.safetensors")) if (tensors := _read_segment(path))]
        rows: dict[bytes, int] = {}
        start = 0
        for tensors in segments:
            packed = tensors["keys"].tobytes()
            count = len(tensors["keys"])
            rows.update((packed[i * _KEY_BYTES : (i + 1) * _KEY_BYTES], start + i) for i in range(count))
            start += count
        if not segments:
            return rows, np.empty((0, 0), dtype=np.float32)
        return rows, np.concatenate([tensors["vectors"] for tensors in segments])

    def add(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Store float32 vectors of shape (len(texts), dimension) as one segment; whole, or not at all.

        Raises
        ------
        OSError
            No space, or no permission to write.
        """
        keys = np.frombuffer(b"".join(map(text_key, texts)), dtype=np.uint8).reshape(len(texts), _KEY_BYTES)
        content = save({"keys": keys, "vectors": np.ascontiguousarray(vectors, dtype=np.float32)})
        description = self.folder / "encoder.json"
        if not description.exists():
            atomic_write(description, self._description)
        atomic_write(self.folder / f"{_checksum(content)}.safetensors", content)

    def clear(self) -> None:
        """Delete the shelf."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _checksum(content: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(content)


def _read_segment(path: Path) -> dict[str, np.ndarray] | None:
    content = path.read_bytes()
    if _checksum(content) != path.stem:
        path.unlink(missing_ok=True)
        return None
    tensors: dict[str, np.ndarray] = load(content)
    return tensors
