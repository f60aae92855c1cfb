"""Encode each distinct text once per role, check the results, and store them on disk."""

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
from babelrank.encoding.known_models import loaded
from babelrank.encoding.protocol import (
    Concurrent,
    Encoder,
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
from babelrank.files import as_path

# Texts per call of the encoder and per segment on disk. A chunk should be large enough for efficient batches, and small
# enough that an interruption costs only seconds. Its size follows the encoder's speed, with a minimum per encoder.
FIRST_CHUNK = 256
_SMALLEST_CHUNK = 64
_CHUNK_SECONDS = 5.0
_CHUNK_GROWTH = (
    0.5,
    16.0,
)  # limits from one chunk to the next, as the time of a small chunk is a poor estimate for a large one


# Receives the role, the number of encoded texts, and the number of all texts to encode.
Progress = Callable[[Role, int, int], None]


@dataclass(frozen=True, eq=False)
class Representations:
    """Vectors of a collection's queries and passages, row by row.

    Attributes
    ----------
    queries, passages
        One row per query and per passage, of one kind. Dense vectors are float32, shape (rows, dimension).
    similarity
        Similarity of queries and passages.
    texts_encoded
        Number of texts encoded in this run, by role; 0 if all came from the store.
    seconds
        Time inside the encoder, by role.
    texts_truncated
        Share of the distinct texts that are longer than the encoder reads, by role; None if unknown.
    passages_in_language
        The passages weighted in the pool of their language, if these weights differ from `passages`.
    bits
        Bits per number of a stored dense vector; fewer than in memory after quantisation.
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
        """Distinct texts encoded per second, of both roles; None if all vectors came from the store."""
        texts, seconds = sum(self.texts_encoded.values()), sum(self.seconds.values())
        return texts / seconds if texts and seconds else None

    @property
    def bytes_per_passage(self) -> float:
        """Mean size of a passage: numbers at `bits` each, plus the terms of sparse vectors."""
        passages = self.passages
        if isinstance(passages, csr_array):
            return float(passages.data.nbytes + passages.indices.nbytes) / max(1, count(passages))
        if isinstance(passages, MultiVectors):
            return float(passages.tokens.nbytes) / max(1, count(passages))
        dimension = passages.shape[1] if isinstance(passages, np.ndarray) else passages[0].dimension
        return float(dimension * self.bits / 8)


@dataclass(frozen=True)
class EncodedTexts:
    """Vectors of texts, row by row, and their cost; see `Representations`."""

    vectors: Vectors
    encoded: int
    seconds: float
    truncated: float | None


def encode(
    encoder: Encoder,
    collection: Collection,
    *,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Representations:
    """Encode a collection. Stored vectors are reused, and new ones are stored.

    Parameters
    ----------
    store
        Folder of the store; by default the user's cache folder.
    progress
        Called before the first chunk and after each chunk.

    Raises
    ------
    EncoderError
        The encoder does not return one finite representation per text, or the store cannot be written.
    """
    root = default_store() if store is None else as_path(store)
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
        See `encode`. `progress` receives the number of finished texts and of all texts to encode.

    Raises
    ------
    EncoderError
        As for `encode`.
    """
    keys = [text_key(text) for text in texts]
    distinct = dict(zip(keys, texts, strict=True))
    encoded, rows, count, seconds = _encode_distinct(
        encoder, role, StoreEntry(store, encoder.info, role), distinct, progress
    )
    vectors = take(encoded, np.array([rows[key] for key in keys], dtype=np.int64))
    return EncodedTexts(vectors, count, seconds, _share_truncated(encoder, list(distinct.values()), role))


def _encode_distinct(
    encoder: Encoder,
    role: Role,
    entry: StoreEntry,
    distinct: dict[bytes, str],
    progress: Callable[[int, int], None],
) -> tuple[Vectors, dict[bytes, int], int, float]:
    """Return vectors, the row of each text by its key, the number of texts encoded, and the seconds it took."""
    rows, stored = entry.read()
    parts = [] if stored is None else [stored]
    first = 0 if stored is None else count(stored)
    missing = [key for key in distinct if key not in rows]
    missing.sort(key=lambda key: length_class(distinct[key]), reverse=True)
    ready = loaded(encoder) if missing else encoder
    function = ready.encode_query if role is Role.QUERY else ready.encode_document
    variety = Variety(ready.info)
    waiting: list[tuple[list[bytes], Vectors]] = []  # stored once two texts have different vectors
    least = least_chunk(ready)
    seconds, done, size = 0.0, 0, max(least, FIRST_CHUNK)
    while done < len(missing):
        progress(done, len(missing))
        keys = missing[done : done + size]
        chunk = [distinct[key] for key in keys]
        began = time.perf_counter()
        vectors = encode_checked(function, chunk, ready.info)
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
    """Return the minimum number of texts per call of the encoder."""
    return encoder.texts_at_once if isinstance(encoder, Concurrent) else 1


def length_class(text: str) -> int:
    """Return the key by which texts are sorted before encoding, highest first.

    Similar lengths in a batch need little padding. Starting with the longest texts shows early whether memory suffices.
    Texts within a factor of two in length keep their order: tokenizers cache words, and are a sixth faster if texts of
    one language are together.
    """
    return len(text).bit_length()


def _weigh(representations: Representations, encoder: PoolWeighting, collection: Collection) -> Representations:
    """Weight the passages in the pool of all languages, and in the pool of their language."""
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
    """Store the waiting vectors."""
    try:
        while waiting:
            entry.add(*waiting.pop(0))
    except OSError as error:
        raise EncoderError(
            f"{entry.folder}: representations cannot be stored ({error.strerror}). Choose another folder with --store "
            "DIR. Earlier vectors are kept."
        ) from error
