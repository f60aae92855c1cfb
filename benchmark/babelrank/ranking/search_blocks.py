"""Queries and shards in; blocks that fit in memory, approximate values, and by how much these may be off, out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import VectorBlock
from babelrank.errors import SearchError
from babelrank.ranking.exact_scores import CODES, row_lengths

MEMORY_LIMIT = 2 * 2**30
TILE_QUERIES, TILE_PASSAGES = 256, 16_384  # 16 MB of values, what one thread makes and looks at in one go
# What FAISS, BLAS and the tiles take besides vectors and results.
_WORKSPACE = 160 * 2**20
_MAX_BLOCK_BYTES = 256 * 2**20  # of single precision; larger blocks save nothing
_MIN_BLOCK_ROWS = 256
_UNIT_TOLERANCE = 1e-6  # vectors that an encoder normalised in single precision are this near to length 1
_ROUND_OFF = 2.0**-24  # of single precision
_LARGEST_VALUE = 1e37  # a tenth of what single precision holds


@dataclass(frozen=True)
class Block:
    """Passages in memory.

    Attributes
    ----------
    first
        Position in the corpus of the first.
    exact
        float32, shape (passages, dimension): as they are.
    fed
        The same shape: as fast products compare them, which is normalised if the similarity is the cosine.
    """

    first: int
    exact: np.ndarray
    fed: np.ndarray


class Corpus:
    """The shards in the order of positions, and what follows from the lengths of their vectors.

    Raises
    ------
    SearchError
        No shards, shards that overlap, or of several dimensions.
    """

    def __init__(self, shards: Sequence[VectorBlock], similarity: Similarity) -> None:
        if not shards:
            raise SearchError("no shards to search.")
        self.similarity, self.code = similarity, CODES[similarity]
        self.shards = sorted(shards, key=lambda shard: shard.start)
        self.dimension = self.shards[0].dimension
        self.rows = sum(map(len, self.shards))
        end = 0
        for shard in self.shards:
            if shard.dimension != self.dimension:
                raise SearchError(f"shards of dimension {self.dimension} and {shard.dimension}.")
            if shard.start < end:
                raise SearchError(f"shards overlap: one begins at {shard.start}, another ends at {end}.")
            end = shard.start + len(shard)
        self.longest = max(shard.lengths[1] for shard in self.shards)
        spread = max(abs(length - 1) for shard in self.shards for length in shard.lengths)
        # Unit vectors are compared as they are: a copy of the corpus would cost more than their last bits are worth.
        self.normalises = similarity is Similarity.COSINE and spread > _UNIT_TOLERANCE
        self.spread = 0.0 if self.normalises else spread

    def block_rows(self, limit: int, *, held: int, sorts: bool = False) -> int:
        """Return how many passages to read at a time, when `held` bytes of the limit are taken otherwise.

        If the caller `sorts` blocks, it needs another copy of each.

        Raises
        ------
        SearchError
            Not even a small block fits; says how much is needed.
        """
        # Single precision and perhaps a normalised copy; the next block may come before the last is gone.
        row_bytes = (2 + sorts) * 4 * self.dimension * (1 + self.normalises) + 64
        needed = held + _WORKSPACE + _MIN_BLOCK_ROWS * row_bytes
        if needed > limit:
            raise SearchError(
                f"a memory limit of {limit / 1e6:,.0f} MB is too low: this takes {needed / 1e6:,.0f} MB. Fewer queries "
                "at a time or a smaller k need less."
            )
        return min(int(limit - held - _WORKSPACE) // row_bytes, max(1, _MAX_BLOCK_BYTES // (4 * self.dimension)))

    def blocks(self, rows: int) -> Iterator[Block]:
        """Read the corpus, at most so many passages at a time; the next are fetched while one block is worked on."""
        windows = [(shard, window) for shard in self.shards for window in slices(len(shard), rows)]
        for (shard, window), following in zip(windows, [*windows[1:], None], strict=True):
            if following:
                following[0].prefetch(following[1].start, following[1].stop)
            exact = np.ascontiguousarray(shard.read(window.start, window.stop), dtype=np.float32)
            fed = _unit_rows(exact, row_lengths(exact)) if self.normalises else exact
            yield Block(shard.start + window.start, exact, fed)
            del exact, fed


class Queries:
    """The queries, as they are and as fast products compare them, and by how much such products may be off.

    Attributes
    ----------
    exact, fed
        float32, shape (queries, dimension): see `Block`.
    lengths
        float64, shape (queries,): Euclidean lengths.
    margins
        float64, shape (queries,): no approximate value with a passage of the corpus is further from the exact one.

    Raises
    ------
    SearchError
        Queries of another dimension, or not finite; vectors too long for single precision.
    """

    def __init__(self, queries: np.ndarray, corpus: Corpus) -> None:
        if queries.ndim != 2 or queries.shape[1] != corpus.dimension:
            raise SearchError(f"queries of shape {queries.shape}, but passages of dimension {corpus.dimension}.")
        self.exact = np.ascontiguousarray(queries, dtype=np.float32)
        if not np.isfinite(self.exact).all():
            raise SearchError("queries are not finite.")
        self.lengths = row_lengths(self.exact)
        self.fed = self.exact
        if corpus.similarity is Similarity.COSINE:
            self.fed = _unit_rows(self.exact, self.lengths)
            largest, spread = np.full(len(self), 1 + corpus.spread), corpus.spread
        elif corpus.similarity is Similarity.DOT:
            largest, spread = self.lengths * corpus.longest, 0.0
        else:
            largest, spread = (self.lengths + corpus.longest) ** 2, 0.0
        if largest.max(initial=0) > _LARGEST_VALUE:
            raise SearchError(f"vectors as long as {corpus.longest:.3g} cannot be compared in single precision.")
        # γₙ for the product and the few operations around it, and what underflows; then what is no unit vector, quite.
        n = corpus.dimension + 32
        self.margins: np.ndarray = 1.01 * n * (_ROUND_OFF * largest + 2.0**-124) + spread

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return len(self) * (2 * 4 * int(self.exact.shape[1]) + 32)

    def values(self, chosen: slice | np.ndarray, passages: Block, tile: slice, similarity: Similarity) -> np.ndarray:
        """Return approximate values of some queries and a tile of a block: float32, shape (queries, passages)."""
        values: np.ndarray = self.fed[chosen] @ passages.fed[tile].T
        if similarity is Similarity.EUCLIDEAN:  # −‖q − p‖² = 2 q·p − ‖p‖² − ‖q‖²
            values *= 2
            values -= row_lengths(passages.exact[tile]).astype(np.float32) ** 2
            values -= (self.lengths[chosen].astype(np.float32) ** 2)[:, None]
        return values


def slices(total: int, size: int) -> list[slice]:
    """Cut 0 … total − 1 into pieces of at most `size`."""
    return [slice(start, min(start + size, total)) for start in range(0, total, max(1, size))]


def shift(window: slice, by: int) -> slice:
    """Move a slice."""
    return slice(window.start + by, window.stop + by)


def _unit_rows(vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Divide in double precision, so that very short vectors lose nothing; a zero vector stays zero."""
    unit = np.empty_like(vectors)
    np.divide(vectors, np.where(lengths == 0, 1.0, lengths)[:, None], out=unit, casting="same_kind")
    return unit
