"""Compare texts: two are the same if they only differ in case, spacing, punctuation or composition."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xxhash

NORMAL_FORM = f"2, Unicode {unicodedata.unidata_version}"  # change it with `normalise`: hashes are kept on disk
_REMEMBERED = 32_768  # texts; a batch reads each text of its examples again
_KNOWN_AT_MOST = 1_000_000

_ASCII_DROPPED = bytes(code for code in range(128) if unicodedata.category(chr(code))[0] in "PZC")


class _Letters(dict[int, int | None]):
    """A table for `str.translate` that drops punctuation, separators and controls; filled as characters come."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code))[0] in "PZC" else code
        self[code] = kept
        return kept


_LETTERS = _Letters()


def normalise(text: str) -> str:
    """Return the letters, marks, digits and symbols of a text, compatibly composed, in lower case."""
    if text.isascii():
        return text.encode().lower().translate(None, _ASCII_DROPPED).decode()
    kept = unicodedata.normalize("NFKC", text).translate(_LETTERS)
    return unicodedata.normalize("NFKC", kept.casefold())  # folding decomposes some letters, such as ΐ


@lru_cache(_REMEMBERED)
def hash_text(text: str) -> int:
    """Return a hash in [1, 2⁶⁴) that texts share if they are the same.

    A text of only punctuation shares its hash only with identical texts.
    """
    return _hash(normalise(text) or text)


class TextHasher:
    """Hashes the texts of a data set. Many occur in several rows; each is normalised once.

    It caches the hashes of a million texts, in about 100 MB, and then clears the cache.
    """

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def hash_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return `hash_text` of each text; uint64, shape (len(texts),)."""
        if len(self._known) > _KNOWN_AT_MOST:
            self._known.clear()
        known = self._known
        hashes = np.empty(len(texts), dtype=np.uint64)
        for i, text in enumerate(texts):
            written = _hash(text)
            if written not in known:
                known[written] = _hash(normalise(text) or text)
            hashes[i] = known[written]
        return hashes


def _hash(text: str) -> int:
    return xxhash.xxh64_intdigest(text.encode("utf-8", "surrogatepass")) or 1
