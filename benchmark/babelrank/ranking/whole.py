"""Score the whole pool at once with sparse and multi-vector representations; the scores are exact.

Passages with the same representation get the same score to the bit, at any position in the pool.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import pairwise
from typing import cast

import numpy as np
from scipy.sparse import csr_array

from babelrank.encoding.protocol import Similarity, check_comparable
from babelrank.encoding.vectors import Kind, MultiVectors, take, unit_rows
from babelrank.ranking.exact_scores import CODES
from babelrank.ranking.kernels import add_token_maxima, sparse_products
from babelrank.ranking.panels import Panel, Score

# Similarities of query tokens to passage tokens held by one thread at a time (float32, 16 MB).
_TOKEN_PANEL = 4 << 20


class WholeScorer:
    """A scorer of the whole pool at once, with exact scores.

    Parameters
    ----------
    score_in
        Returns a function that scores the passages in an order of their positions.
    """

    exact = True
    code = CODES[Similarity.DOT]  # scores are compared as they are

    def __init__(self, shape: tuple[int, int], score_in: Callable[[np.ndarray], Score]) -> None:
        self.shape = shape
        self.queries, self.lengths = np.empty((shape[0], 0), np.float32), np.zeros(shape[0])
        self.margins = np.zeros(shape[0])
        self._score_in = score_in

    def panels(self, groups: np.ndarray | None, count: int, *, memory: int, held: int) -> Iterator[Panel]:
        """See `Scorer`; all passages are in memory already."""
        del memory, held
        size = self.shape[1]
        positions, edges = np.arange(size), np.array([0, size], dtype=np.int64)
        if groups is not None:
            positions = np.argsort(groups, kind="stable")
            edges = np.searchsorted(groups[positions], np.arange(count + 1)).astype(np.int64)
        yield Panel(positions, edges, self._score_in(positions), np.empty((size, 0), np.float32), np.zeros(size))


def sparse_scorer(queries: csr_array, passages: csr_array, similarity: Similarity) -> WholeScorer:
    """Score with an inverted index. Terms are added in one order for all passages, so equal passages score equal."""
    if similarity == Similarity.COSINE:
        queries, passages = _normalise_sparse(queries), _normalise_sparse(passages)
    terms = np.unique(passages.indices)
    weights, asked = _with_columns(passages, terms), _with_columns(queries, terms)
    squares = np.asarray(passages.multiply(passages).sum(axis=1), dtype=np.float32)
    starts, query_terms = asked.indptr.astype(np.int64), asked.indices.astype(np.int64)

    def score_in(order: np.ndarray) -> Score:
        table = weights[order].tocsc()
        index = (table.indptr.astype(np.int64), table.indices.astype(np.int64), table.data)
        offset = squares[order] / 2

        def score(rows: slice, _: slice, scores: np.ndarray) -> None:
            sparse_products(starts[rows.start : rows.stop + 1], query_terms, asked.data, *index, scores)
            if similarity == Similarity.EUCLIDEAN:
                # −‖q − p‖² = 2 q·p − ‖p‖² − ‖q‖²: the last term is the same for all passages of a query.
                scores -= offset

        return score

    return WholeScorer((queries.shape[0], passages.shape[0]), score_in)


def maxsim_scorer(queries: MultiVectors, passages: MultiVectors, similarity: Similarity) -> WholeScorer:
    """Score by late interaction: the sum over query tokens of the similarity to the nearest passage token."""
    check_comparable(Kind.MULTI_VECTOR, similarity)
    if similarity == Similarity.COSINE:
        queries = MultiVectors(unit_rows(queries.tokens), queries.offsets)
        passages = MultiVectors(unit_rows(passages.tokens), passages.offsets)

    def score_in(order: np.ndarray) -> Score:
        ordered = cast("MultiVectors", take(passages, order))
        offsets = ordered.offsets
        copies, originals = _repeats(bytes(ordered.tokens[start:stop]) for start, stop in pairwise(offsets.tolist()))

        def score(rows: slice, _: slice, scores: np.ndarray) -> None:
            scores[:] = 0
            starts = queries.offsets[rows.start : rows.stop + 1]
            tokens = queries.tokens[starts[0] : starts[-1]]
            width = max(1, _TOKEN_PANEL // max(1, len(tokens)))
            first = 0
            while first < len(ordered):
                # As many passages as fit, and at least one.
                last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + width, side="right")) - 1)
                add_token_maxima(
                    tokens @ ordered.tokens[offsets[first] : offsets[last]].T,
                    starts - starts[0],
                    offsets[first : last + 1] - offsets[first],
                    scores[:, first:last],
                )
                first = last
            if len(copies):
                # A product's last bits depend on the position, but copies of a passage must tie.
                scores[:, copies] = scores[:, originals]

        return score

    return WholeScorer((len(queries), len(passages)), score_in)


def _normalise_sparse(vectors: csr_array) -> csr_array:
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1), dtype=np.float32))
    scale = np.repeat(np.where(norms == 0, 1, norms), np.diff(vectors.indptr))
    return csr_array((vectors.data / scale, vectors.indices, vectors.indptr), shape=vectors.shape)


def _with_columns(vectors: csr_array, terms: np.ndarray) -> csr_array:
    """Keep the columns `terms` (sorted), renumbered from 0; a hashed vocabulary is far wider than the used terms."""
    places = np.searchsorted(terms, vectors.indices).clip(max=max(len(terms) - 1, 0))
    kept = terms[places] == vectors.indices if len(terms) else np.zeros(len(vectors.indices), dtype=np.bool_)
    indptr = np.concatenate([[0], np.cumsum(kept)])[vectors.indptr]
    return csr_array(
        (vectors.data[kept].astype(np.float32, copy=False), places[kept], indptr), shape=(vectors.shape[0], len(terms))
    )


def _repeats(keys: Iterable[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of keys that occur earlier too, and the positions of their first occurrences."""
    first: dict[Hashable, int] = {}
    pairs = [(row, original) for row, key in enumerate(keys) if (original := first.setdefault(key, row)) != row]
    copies, originals = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return copies, originals
