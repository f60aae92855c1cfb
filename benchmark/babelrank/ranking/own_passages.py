"""A query's own passage, which has its id, left out of what is found for it: of scores, of counts, and of lists.

Where a query is itself a passage, as in ArguAna and Quora, it finds itself first; BEIR's evaluator drops that line. In
a collection that asks for it the passage stands behind all others, so that ranks are those among the others.

`own` is everywhere int64, shape (queries,): the position of each query's own passage, −1 where it has none.
"""

import numpy as np

from babelrank.ranking.pool_ranks import Counts
from babelrank.ranking.scores import Scorer
from babelrank.ranking.search import Top


class WithoutOwn:
    """A scorer for which a query's own passage scores −∞."""

    def __init__(self, scorer: Scorer, own: np.ndarray) -> None:
        self._scorer = scorer
        self._own = own

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""
        return self._scorer.shape

    def block(self, start: int, stop: int, out: np.ndarray) -> np.ndarray:
        """Score queries `start` to `stop` into `out`."""
        scores = self._scorer.block(start, stop, out)
        rows = np.flatnonzero(self._own[start:stop] >= 0)
        scores[rows, self._own[start:stop][rows]] = -np.inf
        return scores


def counts_without_own(
    counts: Counts,
    scores: np.ndarray,
    own_scores: np.ndarray,
    is_own: np.ndarray,
    own_groups: np.ndarray,
    sizes: np.ndarray,
) -> Counts:
    """Return what stands above and beside some passages, the queries' own passages behind all others.

    Parameters
    ----------
    counts
        Of all passages.
    scores, own_scores
        float32, shape (scores,): of the passages, and of their queries' own passages; NaN where a query has none.
    is_own
        bool, shape (scores,): whether the passage is its query's own.
    own_groups
        Integers, shape (scores,): the group of the query's own passage.
    sizes
        Integers, shape (groups,): passages of each group.
    """
    above, equal = counts.above.copy(), counts.equal.copy()
    rows = np.arange(len(scores))
    above[rows, own_groups] -= ~is_own & (own_scores > scores)
    equal[rows, own_groups] -= ~is_own & (own_scores == scores)
    last = rows[is_own]
    above[last], equal[last] = sizes, 0
    above[last, own_groups[last]] -= 1
    equal[last, own_groups[last]] = 1
    return Counts(above, equal)


def top_without_own(top: Top, own: np.ndarray, k: int) -> Top:
    """Return the first `k` of each list once the query's own passage stands at the end, where its score is −∞."""
    is_own = (top.positions == own[:, None]) & (own[:, None] >= 0)
    order = np.argsort(is_own, axis=1, kind="stable")
    scores = np.where(is_own, np.float32(-np.inf), top.scores)
    return Top(*(np.take_along_axis(column, order, axis=1)[:, :k] for column in (scores, top.positions)))
