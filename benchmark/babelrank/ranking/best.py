"""Find the best passages of each query exactly, for run files and as a reference for approximate indexes."""

from dataclasses import dataclass

import numpy as np

from babelrank.errors import SearchError
from babelrank.ranking.panels import Scorer
from babelrank.ranking.tally import MEMORY_LIMIT, Lists, Request, no_targets, tally


@dataclass(frozen=True)
class TopPassages:
    """The best passages of the pool for each query.

    Attributes
    ----------
    positions
        int64, shape (queries, k): positions in the collection, best first; equal scores by position.
    scores
        float32, shape (queries, k): product, cosine, or negative distance; −∞ in places without a passage.
    """

    positions: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, lists: Lists, k: int) -> "TopPassages":
        """Take the first `k` places of lists of the pool."""
        return cls(lists.positions[:, 0, :k].copy(), lists.scores[:, 0, :k].copy())

    def of_queries(self, rows: np.ndarray) -> "TopPassages":
        """Return the lists of some queries."""
        return TopPassages(self.positions[rows], self.scores[rows])

    def without(self, self_matches: np.ndarray, k: int) -> "TopPassages":
        """Return the first `k` of each list after removing the query's own passage (−1: none)."""
        own = (self.positions == self_matches[:, None]) & (self_matches[:, None] >= 0)
        order = np.argsort(own, axis=1, kind="stable")[:, :k]
        scores = np.where(own, np.float32(-np.inf), self.scores)
        return TopPassages(*(np.take_along_axis(column, order, axis=1) for column in (self.positions, scores)))

    def ranks(self, query_rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Return the mid-ranks of some passages in their queries' lists; infinite if not listed.

        Parameters
        ----------
        query_rows, positions
            Integers, shape (pairs,): row of the query, position of the passage.

        Returns
        -------
        numpy.ndarray
            float64, shape (pairs,). Passages tied with the last one of a list, but not listed, do not count.
        """
        scores = self.scores[query_rows]
        found = self.positions[query_rows] == positions[:, None]
        own = np.where(found, scores, -np.inf).max(axis=1, initial=-np.inf)[:, None]
        ranks = ((scores > own).sum(axis=1) + (scores >= own).sum(axis=1) + 1) / 2
        return np.where(found.any(axis=1), ranks, np.inf)


def find_best(
    scorer: Scorer,
    k: int,
    *,
    self_matches: np.ndarray | None = None,
    memory: int = MEMORY_LIMIT,
    threads: int | None = None,
) -> TopPassages:
    """Return the `k` best passages of the pool for each query, exactly; all passages if there are fewer.

    Parameters
    ----------
    self_matches
        Position of the passage to leave out for each query, −1 for none: int64, shape (queries,). If only some queries
        leave one out and the pool has at most `k` passages, their lists end with a free place: a score of −∞.
    memory, threads
        See `rank`.

    Raises
    ------
    SearchError
        `k` is below 1, or the memory is too small.
    """
    if k < 1:
        raise SearchError(f"k must be at least 1, got {k}.")
    every_query = self_matches is not None and bool((self_matches >= 0).all())
    k = min(k, scorer.shape[1] - every_query)
    request = Request(no_targets(), pool_depth=k, left_out=self_matches)
    return TopPassages.of(tally(scorer, request, memory=memory, threads=threads).pool, k)
