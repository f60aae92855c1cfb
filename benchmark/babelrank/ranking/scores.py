"""Representations -> blocks of scores. What differs between kinds of representation differs here, and nowhere else.

Passages with the same representation get the same score to the bit, wherever in the pool they stand: a matrix product
alone does not promise that, and ties would then be broken by position.
"""

from collections.abc import Callable, Hashable, Iterable
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from babelrank.encoding.protocol import Similarity, check_comparable
from babelrank.encoding.vectors import Kind, MultiVectors, Vectors, unit_rows
from babelrank.ranking.kernels import add_token_maxima, sparse_products

# Similarities of query tokens to passage tokens that are held at a time, by one thread (float32, 16 MB).
_TOKEN_PANEL = 4 << 20


class Scorer(Protocol):
    """Scores blocks of queries against the whole pool, in float32; higher is nearer."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""

    def block(self, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        """Score queries `start` to `stop` into `out`: float32, shape (at least stop − start, passages)."""


def make_scorer(queries: Vectors, passages: Vectors, similarity: Similarity) -> Scorer:
    """Return what scores these representations.

    Raises
    ------
    EncoderError
        The kind of representation has no such similarity.
    """
    return _SCORERS[type(queries)](queries, passages, similarity)


class DenseScorer:
    """One matrix product per block."""

    def __init__(self, queries: np.ndarray, passages: np.ndarray, similarity: Similarity) -> None:
        if similarity is Similarity.COSINE:
            queries, passages = unit_rows(queries), unit_rows(passages)
        self._queries = np.ascontiguousarray(queries)
        self._passages = np.ascontiguousarray(passages)
        # −‖q − p‖² = 2 q·p − ‖p‖² − ‖q‖²: the last term is the same for all passages of a query.
        squares = np.einsum("ij,ij->i", passages, passages)
        self._offset = squares / 2 if similarity is Similarity.EUCLIDEAN else None
        self._copies, self._originals = _repeats(map(bytes, self._passages))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""
        return len(self._queries), len(self._passages)

    def block(self, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        """Score queries `start` to `stop` into `out`."""
        scores = np.matmul(self._queries[start:stop], self._passages.T, out=out[: stop - start])
        if self._offset is not None:
            scores -= self._offset
        if len(self._copies):
            scores[:, self._copies] = scores[:, self._originals]
        return scores


class SparseScorer:
    """Products over an inverted index. Terms are added in one order for all passages, so equal ones score equal."""

    def __init__(self, queries: csr_array, passages: csr_array, similarity: Similarity) -> None:
        if similarity is Similarity.COSINE:
            queries, passages = _normalise_sparse(queries), _normalise_sparse(passages)
        terms = np.unique(passages.indices)
        index = _with_columns(passages, terms).tocsc()
        queries = _with_columns(queries, terms)
        squares = np.asarray(passages.multiply(passages).sum(axis=1), dtype=np.float32)
        self._offset = squares / 2 if similarity is Similarity.EUCLIDEAN else None
        self.shape = (queries.shape[0], passages.shape[0])
        self._starts = queries.indptr.astype(np.int64)
        self._queries = (queries.indices.astype(np.int64), queries.data)
        self._index = (index.indptr.astype(np.int64), index.indices.astype(np.int64), index.data)

    def block(self, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        """Score queries `start` to `stop` into `out`."""
        scores = out[: stop - start]
        sparse_products(self._starts[start : stop + 1], *self._queries, *self._index, scores)
        if self._offset is not None:
            scores -= self._offset
        return scores


class MaxSimScorer:
    """Late interaction: per query token the nearest passage token, summed over the query's tokens."""

    def __init__(self, queries: MultiVectors, passages: MultiVectors, similarity: Similarity) -> None:
        check_comparable(Kind.MULTI_VECTOR, similarity)
        if similarity is Similarity.COSINE:
            queries = MultiVectors(unit_rows(queries.tokens), queries.offsets)
            passages = MultiVectors(unit_rows(passages.tokens), passages.offsets)
        self._queries, self._passages = queries, passages
        self._copies, self._originals = _repeats(
            bytes(passages.tokens[start:stop]) for start, stop in pairwise(passages.offsets.tolist())
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""
        return len(self._queries), len(self._passages)

    def block(self, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        """Score queries `start` to `stop` into `out`."""
        scores = out[: stop - start]
        scores[:] = 0
        query_starts = self._queries.offsets[start : stop + 1]
        tokens = self._queries.tokens[query_starts[0] : query_starts[-1]]
        offsets = self._passages.offsets
        width = max(1, _TOKEN_PANEL // max(1, len(tokens)))
        first = 0
        while first < len(self._passages):
            # As many whole passages as fit, and at least one.
            last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + width, side="right")) - 1)
            panel = self._passages.tokens[offsets[first] : offsets[last]]
            add_token_maxima(
                tokens @ panel.T,
                query_starts - query_starts[0],
                offsets[first : last + 1] - offsets[first],
                scores[:, first:last],
            )
            first = last
        if len(self._copies):
            scores[:, self._copies] = scores[:, self._originals]
        return scores


_SCORERS: dict[type, Callable[[Any, Any, Similarity], Scorer]] = {
    np.ndarray: DenseScorer,
    csr_array: SparseScorer,
    MultiVectors: MaxSimScorer,
}


def _normalise_sparse(vectors: csr_array) -> csr_array:
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1), dtype=np.float32))
    scale = np.repeat(np.where(norms == 0, 1, norms), np.diff(vectors.indptr))
    return csr_array((vectors.data / scale, vectors.indices, vectors.indptr), shape=vectors.shape)


def _with_columns(vectors: csr_array, terms: np.ndarray) -> csr_array:
    """Keep the columns `terms` (sorted), renumbered from 0; a hashed vocabulary is far wider than what occurs."""
    places = np.searchsorted(terms, vectors.indices).clip(max=max(len(terms) - 1, 0))
    kept = terms[places] == vectors.indices if len(terms) else np.zeros(len(vectors.indices), dtype=np.bool_)
    indptr = np.concatenate([[0], np.cumsum(kept)])[vectors.indptr]
    return csr_array(
        (vectors.data[kept].astype(np.float32, copy=False), places[kept], indptr), shape=(vectors.shape[0], len(terms))
    )


def _repeats(keys: Iterable[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of keys that stand earlier too, and the positions where they stand first."""
    first: dict[Hashable, int] = {}
    pairs = [(row, original) for row, key in enumerate(keys) if (original := first.setdefault(key, row)) != row]
    copies, originals = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return copies, originals
