"""Texts -> representations: each distinct text once per role, kept on disk, checked as it comes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from scipy.sparse import csr_array

from babelrank.data.collection import Collection
from babelrank.encoding.checks import Variety, check_matrix, encode_checked
from babelrank.encoding.protocol import (
    Concurrent,
    Encoder,
    EncoderInfo,
    PoolWeighting,
    Role,
    Similarity,
    Truncating,
    parse_similarity,
)
from babelrank.encoding.store import StoreEntry, default_store, text_key
from babelrank.encoding.vector_block import VectorBlock
from babelrank.encoding.vectors import MultiVectors, Vectors, concatenate, count, take
from babelrank.errors import EncoderError

# Texts per call of the encoder and per segment on disk. A chunk should be large enough that the encoder's own batching
# loses nothing at the seams and small enough that an interruption costs seconds: its size follows the encoder's speed,
# down to what an encoder needs at once.
FIRST_CHUNK = 256
_SMALLEST_CHUNK = 64
_CHUNK_SECONDS = 5.0
_CHUNK_GROWTH = (0.5, 16.0)  # from one chunk to the next, as the time of a small one says little about a large one


# Receives the role, the texts that are encoded, and all that have to be.
Progress = Callable[[Role, int, int], None]


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
    bits
        What a number of a dense vector takes where vectors are kept; fewer than here after quantisation.
    """

    queries: Vectors
    passages: Vectors | Sequence[VectorBlock]
    similarity: Similarity = Similarity.COSINE
    texts_encoded: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    texts_truncated: dict[str, float | None] = field(default_factory=dict)
    passages_in_language: Vectors | None = None
    bits: int = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "similarity", parse_similarity(self.similarity) or Similarity.COSINE)
        for side in ("queries", "passages"):
            vectors = getattr(self, side)
            if isinstance(vectors, np.ndarray):
                object.__setattr__(self, side, check_matrix(vectors, side))

    @property
    def texts_per_second(self) -> float | None:
        """Distinct texts that the encoder read in a second, of both roles; None if all vectors came from the store."""
        texts, seconds = sum(self.texts_encoded.values()), sum(self.seconds.values())
        return texts / seconds if texts and seconds else None

    @property
    def bytes_per_passage(self) -> float:
        """Mean size of a passage: numbers at `bits` each, and of sparse ones the terms, too."""
        passages = self.passages
        if isinstance(passages, csr_array):
            return float(passages.data.nbytes + passages.indices.nbytes) / max(1, count(passages))
        if isinstance(passages, MultiVectors):
            return float(passages.tokens.nbytes) / max(1, count(passages))
        dimension = passages.shape[1] if isinstance(passages, np.ndarray) else passages[0].dimension
        return float(dimension * self.bits / 8)


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
        StoreEntry(store, encoder.info, role), distinct, function, encoder.info, least_chunk(encoder), progress
    )
    vectors = take(encoded, np.array([rows[key] for key in keys], dtype=np.int64))
    return EncodedTexts(vectors, count, seconds, _share_truncated(encoder, list(distinct.values()), role))


def _encode_distinct(
    entry: StoreEntry,
    distinct: dict[bytes, str],
    function: Callable[[Sequence[str]], Vectors],
    info: EncoderInfo,
    least: int,
    progress: Callable[[int, int], None],
) -> tuple[Vectors, dict[bytes, int], int, float]:
    """Return vectors, the row of each text by its key, how many texts were encoded now, and the seconds it took."""
    rows, stored = entry.read()
    parts = [] if stored is None else [stored]
    first = 0 if stored is None else count(stored)
    missing = [key for key in distinct if key not in rows]
    missing.sort(key=lambda key: length_class(distinct[key]), reverse=True)
    variety = Variety(info)
    waiting: list[tuple[list[bytes], Vectors]] = []  # stored once two texts have had different vectors
    seconds, done, size = 0.0, 0, max(least, FIRST_CHUNK)
    while done < len(missing):
        progress(done, len(missing))
        keys = missing[done : done + size]
        chunk = [distinct[key] for key in keys]
        began = time.perf_counter()
        vectors = encode_checked(function, chunk, info)
        elapsed = time.perf_counter() - began
        waiting.append((keys, vectors))
        if variety.add(chunk, vectors) or stored is not None:
            _store_all(entry, waiting)
        rows.update(zip(keys, range(first + done, first + done + len(keys)), strict=True))
        parts.append(vectors)
        done += len(chunk)
        seconds += elapsed
        size = max(least, _next_size(size, elapsed))
    if waiting:
        variety.require()
        _store_all(entry, waiting)
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


def _store_all(entry: StoreEntry, waiting: list[tuple[list[bytes], Vectors]]) -> None:
    """Store what waits, and forget it."""
    try:
        while waiting:
            entry.add(*waiting.pop(0))
    except OSError as error:
        raise EncoderError(
            f"{entry.folder}: representations cannot be stored ({error.strerror}). --store DIR names another folder; "
            "what was stored before is kept."
        ) from error
