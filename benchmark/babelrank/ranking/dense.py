"""Score dense vectors, in memory or in shards on disk: panels with approximate scores, and exact scores of pairs."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, repeat

import numpy as np
import pandas as pd

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.vector_block import VectorBlock
from babelrank.environment import available_cores
from babelrank.errors import SearchError
from babelrank.ranking.exact_scores import CODES, Rows, row_lengths, score_pairs
from babelrank.ranking.panels import Panel, Score

# Memory of BLAS and the tiles, without vectors and results.
_WORKSPACE = 160 * 2**20
_MAX_PANEL_BYTES = 256 * 2**20  # of float32 vectors; larger panels are no faster
_MIN_PANEL_ROWS = 256
_PAIRS = 1 << 14  # gathered at a time, by all threads together
_SPARSE = 8  # possible values for each value
_UNIT_TOLERANCE = 1e-6  # tolerance for vectors that an encoder normalised in float32
_ROUND_OFF = 2.0**-24  # of float32
_LARGEST_VALUE = 1e37  # a tenth of float32's largest value


@dataclass(frozen=True)
class CorpusBlock:
    """Consecutive passages in memory, perhaps sorted by group.

    Attributes
    ----------
    positions
        int64, shape (passages,).
    vectors, fed
        float32, shape (passages, dimension): original vectors, and those for products (normalised for cosine).
    lengths
        float64, shape (passages,): Euclidean lengths.
    """

    positions: np.ndarray
    vectors: np.ndarray
    fed: np.ndarray
    lengths: np.ndarray


class Corpus:
    """Vectors of the passages and values derived from their lengths.

    Raises
    ------
    SearchError
        There are no shards, or they overlap or have different dimensions.
    """

    def __init__(self, shards: Sequence[VectorBlock], similarity: Similarity) -> None:
        if not shards:
            raise SearchError("there are no vectors of passages.")
        self.similarity = similarity
        self.shards = sorted(shards, key=lambda shard: shard.start)
        for one, other in pairwise(self.shards):
            end = one.start + len(one)
            if one.dimension != other.dimension:
                raise SearchError(f"shards of dimension {one.dimension} and {other.dimension}.")
            if other.start < end:
                raise SearchError(f"shards overlap: one begins at {other.start}, another ends at {end}.")
        self.dimension = self.shards[0].dimension
        self.longest = max(shard.lengths[1] for shard in self.shards)
        spread = max(abs(length - 1) for shard in self.shards for length in shard.lengths)
        # Unit vectors are compared unchanged: exact last bits are not worth a copy of the passages.
        self.normalises = similarity == Similarity.COSINE and spread > _UNIT_TOLERANCE
        self.spread = spread if similarity == Similarity.COSINE and not self.normalises else 0.0

    def __len__(self) -> int:
        return sum(map(len, self.shards))

    def blocks(self, rows: int, groups: np.ndarray | None = None) -> Iterator[CorpusBlock]:
        """Yield blocks of at most `rows` passages; the next block is read from disk while the current one is in use.

        Parameters
        ----------
        groups
            Group of each passage by position; each block is then sorted by group. None keeps the order.
        """
        windows = [
            (shard, start, min(start + rows, len(shard)))
            for shard in self.shards
            for start in range(0, len(shard), rows)
        ]
        for (shard, start, stop), following in zip(windows, [*windows[1:], None], strict=True):
            if following:
                following[0].prefetch(following[1], following[2])
            vectors = np.ascontiguousarray(shard.read(start, stop), dtype=np.float32)
            positions = np.arange(shard.start + start, shard.start + stop)
            if groups is not None and (np.diff(groups[positions].astype(np.int64)) < 0).any():
                order = np.argsort(groups[positions], kind="stable")
                vectors, positions = vectors[order], positions[order]
            lengths = row_lengths(vectors)
            yield CorpusBlock(positions, vectors, unit_rows(vectors, lengths) if self.normalises else vectors, lengths)
            del vectors, positions


class DenseScorer:
    """One matrix product per tile, and exact scores of single pairs; see `panels.Scorer`.

    Raises
    ------
    SearchError
        Queries differ from the passages in dimension, or are not finite; or vectors are too long for float32.
    """

    exact = False

    def __init__(self, queries: np.ndarray, corpus: Corpus) -> None:
        self.corpus, self.code = corpus, CODES[corpus.similarity]
        if queries.ndim != 2 or queries.shape[1] != corpus.dimension:
            raise SearchError(f"queries of shape {queries.shape}, but passages of dimension {corpus.dimension}.")
        self.queries = np.ascontiguousarray(queries, dtype=np.float32)
        self.lengths = row_lengths(self.queries)
        if not np.isfinite(self.lengths).all():  # double precision holds the length of any finite vector
            raise SearchError("vectors of queries must be finite; some hold NaN or infinity.")
        self.fed, spread = self.queries, 0.0
        if corpus.similarity == Similarity.COSINE:
            spread = float(np.abs(self.lengths - 1).max(initial=0))  # unit vectors are used unchanged, as in `Corpus`
            if spread > _UNIT_TOLERANCE:
                self.fed, spread = unit_rows(self.queries, self.lengths), 0.0
            spread += corpus.spread + spread * corpus.spread
            largest = np.full(len(queries), 1 + spread)
        elif corpus.similarity == Similarity.DOT:
            largest = self.lengths * corpus.longest
        else:
            largest = (self.lengths + corpus.longest) ** 2
        if largest.max(initial=0) > _LARGEST_VALUE:
            raise SearchError(f"vectors as long as {corpus.longest:.3g} cannot be compared in float32.")
        # A sum of n products is off by at most γₙ Σ|aᵢ bᵢ| in any order of addition (Higham 2002, Accuracy and
        # Stability of Numerical Algorithms, §3.1). Underflow and inexact unit vectors add to this.
        n = corpus.dimension + 32
        self.margins: np.ndarray = 1.01 * n * (_ROUND_OFF * largest + 2.0**-124) + spread

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""
        return len(self.queries), len(self.corpus)

    def pair_scores(self, query_rows: np.ndarray, positions: np.ndarray, threads: int | None = None) -> np.ndarray:
        """Return the exact scores of single pairs, such as queries and their relevant passages.

        Parameters
        ----------
        query_rows, positions
            Integers, shape (pairs,): row of the query, position of the passage.
        threads
            Number of threads; by default one per available core.

        Returns
        -------
        numpy.ndarray
            float32, shape (pairs,).

        Raises
        ------
        SearchError
            A position is not in any shard.
        """
        scores = np.full(len(positions), np.nan, dtype=np.float32)
        workers = threads or available_cores()
        size = max(1, _PAIRS // workers)

        def work(shard: VectorBlock, pairs: np.ndarray) -> None:
            places = positions[pairs] - shard.start
            first = np.diff(places, prepend=-1) != 0
            vectors = np.ascontiguousarray(shard.read(0, len(shard))[places[first]], dtype=np.float32)
            passages, rows = Rows(vectors, row_lengths(vectors)), np.cumsum(first) - 1
            scores[pairs] = score_pairs(Rows(self.queries, self.lengths), query_rows[pairs], passages, rows, self.code)

        with ThreadPoolExecutor(workers) as executor:
            for shard in self.corpus.shards:
                inside = np.flatnonzero((positions >= shard.start) & (positions < shard.start + len(shard)))
                # Passages in the order in which queries name them: parallel passages, which the same queries name, are
                # adjacent, and these queries stay in the cache.
                numbers, distinct = number_by_first_use(positions[inside] - shard.start, len(shard))
                order = inside[np.argsort(numbers.astype(np.min_scalar_type(len(distinct))), kind="stable")]
                parts = [order[start : start + size] for start in range(0, len(order), size)]
                list(executor.map(work, repeat(shard), parts))
        if np.isnan(scores).any():
            raise SearchError(f"position {positions[np.isnan(scores)][0]} is in no shard.")
        return scores

    def panels(self, groups: np.ndarray | None, count: int, *, memory: int, held: int) -> Iterator[Panel]:
        """See `panels.Scorer`."""
        for block in self.corpus.blocks(self._panel_rows(memory, held, sorts=groups is not None), groups):
            own = np.zeros(len(block.positions), np.int64) if groups is None else groups[block.positions]
            edges = np.searchsorted(own, np.arange(count + 1)).astype(np.int64)
            yield Panel(block.positions, edges, self._score(block), block.vectors, block.lengths)

    def _score(self, block: CorpusBlock) -> Score:
        euclidean = self.corpus.similarity == Similarity.EUCLIDEAN
        squares = block.lengths.astype(np.float32) ** 2 if euclidean else np.empty(0, np.float32)

        def score(queries: slice, passages: slice, out: np.ndarray) -> None:
            np.matmul(self.fed[queries], block.fed[passages].T, out=out)
            if euclidean:  # −‖q − p‖² = 2 q·p − ‖p‖² − ‖q‖²
                out *= 2
                out -= squares[passages]
                out -= (self.lengths[queries].astype(np.float32) ** 2)[:, None]

        return score

    def _panel_rows(self, memory: int, held: int, *, sorts: bool) -> int:
        # Float32, a copy if normalised, the next panel while the last is still held, and copies for sorting.
        row_bytes = (2 + sorts) * 4 * self.corpus.dimension * (1 + self.corpus.normalises) + 64
        held += len(self.queries) * (2 * 4 * self.corpus.dimension + 32)
        needed = held + _WORKSPACE + _MIN_PANEL_ROWS * row_bytes
        if needed > memory:
            raise SearchError(
                f"a memory limit of {memory / 1e6:,.0f} MB is too low for ranking: it needs {needed / 1e6:,.0f} MB. "
                "Fewer queries or a smaller k need less."
            )
        most = int(memory - held - _WORKSPACE) // row_bytes
        return min(most, max(_MIN_PANEL_ROWS, _MAX_PANEL_BYTES // (4 * self.corpus.dimension)))


def unit_rows(vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Divide in double precision, so that very short vectors keep their precision; a zero vector stays zero."""
    unit = np.empty_like(vectors)
    np.divide(vectors, np.where(lengths == 0, 1.0, lengths)[:, None], out=unit, casting="same_kind")
    return unit


def number_by_first_use(values: np.ndarray, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each value, in the order in which values first occur: faster than hashing.

    Parameters
    ----------
    values
        Integers from 0 up to `end`, without it.

    Returns
    -------
    numbers
        int64, shape (values,).
    distinct
        int64: the value of each number.
    """
    if end > _SPARSE * len(values):  # an array over all would take more memory than the values
        numbers, distinct = pd.factorize(values)
        return numbers, distinct
    first = np.full(end, len(values))
    first[values[::-1]] = np.arange(len(values) - 1, -1, -1)
    distinct = np.flatnonzero(first < len(values))
    distinct = distinct[np.argsort(first[distinct])]
    first[distinct] = np.arange(len(distinct))
    return first[values], distinct
