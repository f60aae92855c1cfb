"""Representations -> blocks of scores. What differs between kinds of representation differs here, and nowhere else."""

import numpy as np

from babelrank.encoding.encode import Representations
from babelrank.encoding.protocol import Similarity


class Scorer:
    """Scores blocks of queries against the whole pool, in float32.

    Passages with the same vector get the same score to the bit, wherever in the pool they stand: a matrix product
    alone does not promise that, and ties would then be broken by position.
    """

    def __init__(self, representations: Representations) -> None:
        queries, passages = representations.queries, representations.passages
        if representations.similarity is Similarity.COSINE:
            queries, passages = _normalise(queries), _normalise(passages)
        self._queries = np.ascontiguousarray(queries)
        self._passages = np.ascontiguousarray(passages)
        self._offset = None
        if representations.similarity is Similarity.EUCLIDEAN:
            # −‖q − p‖² = 2 q·p − ‖p‖² − ‖q‖²: the last term is the same for all passages of a query.
            self._offset = np.einsum("ij,ij->i", passages, passages) / 2
        self._copies, self._originals = _repeated_rows(self._passages)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""
        return len(self._queries), len(self._passages)

    def block(self, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        """Score queries `start` to `stop` into `out`: float32, shape (at least stop − start, passages)."""
        scores = np.matmul(self._queries[start:stop], self._passages.T, out=out[: stop - start])
        if self._offset is not None:
            scores -= self._offset
        if len(self._copies):
            scores[:, self._copies] = scores[:, self._originals]
        return scores


def _normalise(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; a zero vector stays zero and scores 0 with everything."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.where(norms == 0, 1, norms)
    return unit


def _repeated_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of rows that stand earlier too, and the positions where they stand first."""
    first: dict[bytes, int] = {}
    pairs = [
        (row, original) for row, key in enumerate(map(bytes, matrix)) if (original := first.setdefault(key, row)) != row
    ]
    copies, originals = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return copies, originals
