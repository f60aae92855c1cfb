"""Texts -> representations: each distinct text once per role, kept on disk, checked as it comes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from scipy.sparse import csr_array

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Concurrent, Encoder, EncoderInfo, PoolWeighting, Role, Similarity, Truncating
from babelrank.encoding.store import Shelf, default_store, text_key
from babelrank.encoding.vector_block import VectorBlock
from babelrank.encoding.vectors import (
    Kind,
    MultiVectors,
    Vectors,
    as_float32,
    concatenate,
    count,
    row_of_value,
    take,
    values,
)
from babelrank.errors import EncoderError

# Texts per call of the encoder and per segment on disk. A chunk should be large enough that the encoder's own batching
# loses nothing at the seams and small enough that an interruption costs seconds: its size follows the encoder's speed,
# down to what an encoder needs at once.
FIRST_CHUNK = 256
_SMALLEST_CHUNK = 64
_CHUNK_SECONDS = 5.0
_CHUNK_GROWTH = (0.5, 16.0)  # from one chunk to the next, as the time of a small one says little about a large one
_TYPES = {Kind.DENSE: np.ndarray, Kind.SPARSE: csr_array, Kind.MULTI_VECTOR: MultiVectors}


class Progress(Protocol):
    """Is told how far an encoding has come."""

    def __call__(self, role: Role, done: int, total: int) -> None:
        """`done` of `total` texts that had to be encoded now have a vector."""


@dataclass(frozen=True)
class Representations:
    """Vectors of a collection's queries and passages, row by row.

    Attributes
    ----------
    queries, passages
        One row per query and per passage, of one kind; dense ones are float32 of shape (rows, dimension).
    similarity
        How the two are compared.
    texts_encoded
        By role, how many texts the encoder saw; 0 if all came from the store.
    seconds
        By role, time spent inside the encoder.
    texts_truncated
        By role, share of the distinct texts that are longer than the encoder reads; None if it cannot tell.
    passages_in_language
        The passages as they weigh among those of their own language, where that differs from `passages`.
    """

    queries: Vectors
    passages: Vectors | Sequence[VectorBlock]
    similarity: Similarity
    texts_encoded: dict[str, int]
    seconds: dict[str, float]
    texts_truncated: dict[str, float | None] = field(default_factory=dict)
    passages_in_language: Vectors | None = None


@dataclass(frozen=True)
class EncodedTexts:
    """Vectors of texts, row by row, and what they took; see `Representations`."""

    vectors: Vectors
    encoded: int
    seconds: float
    truncated: float | None


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
        The encoder returned something that is not one finite representation per text, or the store cannot be written.
    """
    root = store or default_store()
    queries, passages = (
        encode_texts(encoder, side["text"].tolist(), role, root, partial(progress or _ignore, role))
        for role, side in ((Role.QUERY, collection.queries), (Role.DOCUMENT, collection.passages.frame))
    )
    sides = {Role.QUERY.value: queries, Role.DOCUMENT.value: passages}
    representations = Representations(
        queries.vectors,
        passages.vectors,
        encoder.info.similarity,
        texts_encoded={role: side.encoded for role, side in sides.items()},
        seconds={role: side.seconds for role, side in sides.items()},
        texts_truncated={role: side.truncated for role, side in sides.items()},
    )
    return _weigh(representations, encoder, collection) if isinstance(encoder, PoolWeighting) else representations


def encode_texts(
    encoder: Encoder, texts: Sequence[str], role: Role, store: Path, progress: Callable[[int, int], None]
) -> EncodedTexts:
    """Encode the texts of one side.

    Parameters
    ----------
    store, progress
        See `encode`; `progress` gets the texts done and all that had to be encoded.

    Raises
    ------
    EncoderError
        As `encode`.
    """
    keys = [text_key(text) for text in texts]
    distinct = dict(zip(keys, texts, strict=True))
    function = encoder.encode_query if role is Role.QUERY else encoder.encode_document
    encoded, rows, count, seconds = _encode_distinct(
        Shelf(store, encoder.info, role), distinct, function, encoder.info, least_chunk(encoder), progress
    )
    vectors = take(encoded, np.array([rows[key] for key in keys], dtype=np.int64))
    return EncodedTexts(vectors, count, seconds, _share_truncated(encoder, list(distinct.values()), role))


def _encode_distinct(
    shelf: Shelf,
    distinct: dict[bytes, str],
    function: Callable[[Sequence[str]], Vectors],
    info: EncoderInfo,
    least: int,
    progress: Callable[[int, int], None],
) -> tuple[Vectors, dict[bytes, int], int, float]:
    """Return vectors, the row of each text by its key, how many texts were encoded now, and the seconds it took."""
    rows, stored = shelf.read()
    parts = [] if stored is None else [stored]
    first = 0 if stored is None else count(stored)
    missing = [key for key in distinct if key not in rows]
    missing.sort(key=lambda key: length_class(distinct[key]), reverse=True)
    seconds, done, size = 0.0, 0, max(least, FIRST_CHUNK)
    while done < len(missing):
        progress(done, len(missing))
        keys = missing[done : done + size]
        chunk = [distinct[key] for key in keys]
        began = time.perf_counter()
        vectors = check_vectors(function(chunk), chunk, info)
        elapsed = time.perf_counter() - began
        _store(shelf, keys, vectors)
        rows.update(zip(keys, range(first + done, first + done + len(keys)), strict=True))
        parts.append(vectors)
        done += len(chunk)
        seconds += elapsed
        size = max(least, _next_size(size, elapsed))
    if missing:
        progress(done, len(missing))
    return concatenate(parts), rows, len(missing), seconds


def least_chunk(encoder: Encoder) -> int:
    """Return how many texts a call of the encoder should have at least."""
    return encoder.texts_at_once if isinstance(encoder, Concurrent) else 1


def length_class(text: str) -> int:
    """Return what texts are sorted by before they are encoded, the highest first.

    Alike lengths together waste little padding, and encoders that pad sort each chunk again; the longest first show
    early whether memory suffices. Within a doubling of length the order stays: tokenizers remember words, and are a
    sixth faster where texts of one language stand together.
    """
    return len(text).bit_length()


def _weigh(representations: Representations, encoder: PoolWeighting, collection: Collection) -> Representations:
    """Weigh the passages in the pool of all languages, and in that of their own."""
    counts = cast("csr_array", representations.passages)
    codes = collection.passages.lang_codes
    order = np.argsort(codes, kind="stable")
    by_language = concatenate([encoder.weigh(counts[np.flatnonzero(codes == code)]) for code in np.unique(codes)])
    in_language = take(by_language, np.argsort(order))
    return replace(representations, passages=encoder.weigh(counts), passages_in_language=in_language)


def _share_truncated(encoder: Encoder, texts: list[str], role: Role) -> float | None:
    return encoder.count_truncated(texts, role) / len(texts) if isinstance(encoder, Truncating) else None


def _next_size(size: int, elapsed: float) -> int:
    least, most = _CHUNK_GROWTH
    growth = min(most, max(least, _CHUNK_SECONDS / max(elapsed, 1e-9)))
    return max(_SMALLEST_CHUNK, int(size * growth))


def _ignore(*_: object) -> None:
    pass


def _store(shelf: Shelf, keys: list[bytes], vectors: Vectors) -> None:
    try:
        shelf.add(keys, vectors)
    except OSError as error:
        raise EncoderError(
            f"{shelf.folder}: representations cannot be stored ({error.strerror}). --store DIR names another folder; "
            "what was stored before is kept."
        ) from error


def check_vectors(vectors: object, texts: Sequence[str], info: EncoderInfo) -> Vectors:
    """Return `vectors` as float32 if they are what an encoder owes for `texts`.

    Raises
    ------
    EncoderError
        Not of the kind that the encoder announced, not floating point, of another number of rows or dimension, or not
        finite.
    """
    where = f"encoder {info.name!r}"
    expected = _TYPES[info.kind]
    if not isinstance(vectors, expected):
        raise EncoderError(f"{where} returned a {type(vectors).__name__}, expected a {expected.__name__}.")
    numbers = values(vectors)
    if not np.issubdtype(numbers.dtype, np.floating):
        raise EncoderError(f"{where} returned {numbers.dtype} values, expected floating point.")
    shape = (count(vectors), *_row_shape(vectors)) if numbers.ndim == 2 or info.kind is Kind.SPARSE else numbers.shape
    if len(shape) != 2 or shape[0] != len(texts):
        raise EncoderError(
            f"{where} returned shape {shape} for {len(texts)} texts, expected ({len(texts)}, {info.dimension})."
        )
    if shape[1] != info.dimension:
        raise EncoderError(f"{where} returned dimension {shape[1]}, expected {info.dimension}.")
    if isinstance(vectors, MultiVectors) and (np.diff(vectors.offsets) < 1).any():
        empty = texts[int((np.diff(vectors.offsets) < 1).argmax())]
        raise EncoderError(f"{where} returned no vector at all for {empty[:80]!r}.")
    vectors = as_float32(vectors)
    finite = np.isfinite(values(vectors))
    broken = np.flatnonzero(~finite.all(axis=tuple(range(1, finite.ndim))))
    if len(broken):
        texts_broken = {row_of_value(vectors, row) for row in broken.tolist()}
        raise EncoderError(
            f"{where} returned NaN or infinity for {len(texts_broken)} of {len(texts)} texts, the first of them "
            f"{texts[min(texts_broken)][:80]!r}."
        )
    return vectors


def _row_shape(vectors: Vectors) -> tuple[int, ...]:
    return (vectors.shape[1],) if isinstance(vectors, csr_array) else values(vectors).shape[1:]
