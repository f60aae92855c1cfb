"""Texts -> representations: each distinct text once per role, kept on disk, checked as it comes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Encoder, EncoderInfo, Role, Similarity
from babelrank.encoding.store import Shelf, default_store, text_key
from babelrank.errors import EncoderError

# Texts per call of the encoder and per segment on disk. A chunk should be large enough that the encoder's own batching
# loses nothing at the seams and small enough that an interruption costs seconds: its size follows the encoder's speed.
FIRST_CHUNK = 256
_SMALLEST_CHUNK = 64
_CHUNK_SECONDS = (2.0, 10.0)


class Progress(Protocol):
    """Is told how far an encoding has come."""

    def __call__(self, role: Role, done: int, total: int) -> None:
        """`done` of `total` texts that had to be encoded now have a vector."""


@dataclass(frozen=True)
class Representations:
    """Vectors of a collection's queries and passages, row by row.

    Attributes
    ----------
    queries
        float32, shape (queries, dimension).
    passages
        float32, shape (passages, dimension).
    similarity
        How the two are compared.
    texts_encoded
        By role, how many texts the encoder saw; 0 if all came from the store.
    seconds
        By role, time spent inside the encoder.
    """

    queries: np.ndarray
    passages: np.ndarray
    similarity: Similarity
    texts_encoded: dict[str, int]
    seconds: dict[str, float]


def encode(
    encoder: Encoder,
    collection: Collection,
    *,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Representations:
    """Encode a collection, reading from the store what is there and adding what is not.

    Parameters
    ----------
    store
        Folder of the store; by default the user's cache folder.
    progress
        Called before the first chunk and after each.

    Raises
    ------
    EncoderError
        The encoder returned something that is not one finite vector per text, or the store cannot be written.
    """
    root = store or default_store()
    sides = {
        Role.QUERY: (collection.queries["text"].tolist(), encoder.encode_query),
        Role.DOCUMENT: (collection.passages["text"].tolist(), encoder.encode_document),
    }
    vectors, counts, seconds = {}, {}, {}
    for role, (texts, function) in sides.items():
        shelf = Shelf(root, encoder.info, role)
        vectors[role], counts[role.value], seconds[role.value] = _encode_role(
            shelf, texts, function, encoder.info, partial(progress or _ignore, role)
        )
    return Representations(vectors[Role.QUERY], vectors[Role.DOCUMENT], encoder.info.similarity, counts, seconds)


def _encode_role(
    shelf: Shelf,
    texts: list[str],
    function: Callable[[Sequence[str]], np.ndarray],
    info: EncoderInfo,
    progress: Callable[[int, int], None],
) -> tuple[np.ndarray, int, float]:
    distinct = {text_key(text): text for text in texts}
    rows, stored = shelf.read()
    missing = [text for key, text in distinct.items() if key not in rows]
    missing.sort(key=len, reverse=True)  # alike lengths together waste no padding; the longest first shows memory early
    parts = [stored.reshape(-1, info.dimension)]
    seconds, done, size = 0.0, 0, FIRST_CHUNK
    while done < len(missing):
        progress(done, len(missing))
        chunk = missing[done : done + size]
        began = time.perf_counter()
        vectors = check_vectors(function(chunk), chunk, info)
        elapsed = time.perf_counter() - began
        _store(shelf, chunk, vectors)
        rows.update((text_key(text), row) for row, text in enumerate(chunk, start=len(stored) + done))
        parts.append(vectors)
        done += len(chunk)
        seconds += elapsed
        size = _next_size(size, elapsed)
    progress(done, len(missing))
    matrix = np.concatenate(parts)
    return matrix[[rows[text_key(text)] for text in texts]], len(missing), seconds


def _ignore(*_: object) -> None:
    pass


def _next_size(size: int, elapsed: float) -> int:
    shortest, longest = _CHUNK_SECONDS
    if elapsed < shortest:
        return size * 2
    return max(size // 2, _SMALLEST_CHUNK) if elapsed > longest else size


def _store(shelf: Shelf, texts: list[str], vectors: np.ndarray) -> None:
    try:
        shelf.add(texts, vectors)
    except OSError as error:
        raise EncoderError(
            f"{shelf.folder}: representations cannot be stored ({error.strerror}). --store DIR names another folder; "
            "what was stored before is kept."
        ) from error


def check_vectors(vectors: object, texts: Sequence[str], info: EncoderInfo) -> np.ndarray:
    """Return `vectors` as float32 if they are what an encoder owes for `texts`.

    Raises
    ------
    EncoderError
        Not an array, not floating point, of another shape than (len(texts), dimension), or not finite.
    """
    where = f"encoder {info.name!r}"
    if not isinstance(vectors, np.ndarray):
        raise EncoderError(f"{where} returned a {type(vectors).__name__}, expected a NumPy array.")
    if not np.issubdtype(vectors.dtype, np.floating):
        raise EncoderError(f"{where} returned {vectors.dtype} values, expected floating point.")
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise EncoderError(
            f"{where} returned shape {vectors.shape} for {len(texts)} texts, expected ({len(texts)}, {info.dimension})."
        )
    if vectors.shape[1] != info.dimension:
        raise EncoderError(f"{where} returned dimension {vectors.shape[1]}, expected {info.dimension}.")
    vectors = vectors.astype(np.float32, copy=False)
    broken = ~np.isfinite(vectors).all(axis=1)
    if broken.any():
        text = texts[int(broken.argmax())]
        raise EncoderError(
            f"{where} returned NaN or infinity for {int(broken.sum())} of {len(texts)} texts, the first of them "
            f"{text[:80]!r}."
        )
    return vectors
