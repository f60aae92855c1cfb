"""Compute each measure for each query from the ranks of its relevant passages.

All measures take the ranks of a query's relevant passages in one list (a language's passages, or the pool). They need
neither scores nor the passages between. Definitions follow ir-measures (https://ir-measur.es) and trec_eval: nDCG has
linear gain. A tied rank is a mid-rank, and the formulas use it unchanged. A passage below the
cutoff of a list has the rank infinity.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RankLists:
    """Ranks of relevant passages, grouped into lists: one list per query and ranked set of passages.

    Attributes
    ----------
    ranks
        float64, shape (judgements,): ascending within each list.
    grades
        shape (judgements,): in the same order.
    lists
        int64, shape (judgements,): the list each judgement belongs to; ascending.
    count
        Number of lists; each holds at least one judgement.
    """

    ranks: np.ndarray
    grades: np.ndarray
    lists: np.ndarray
    count: int

    @classmethod
    def group(cls, ranks: np.ndarray, grades: np.ndarray, lists: np.ndarray) -> "RankLists":
        """Sort judgements into lists; `lists` numbers them 0 … count − 1 with no gaps."""
        order = np.lexsort((ranks, lists))
        return cls(ranks[order], grades[order], lists[order], int(lists.max(initial=-1)) + 1)

    @property
    def sizes(self) -> np.ndarray:
        """|R| of each list: int64, shape (count,)."""
        return np.bincount(self.lists, minlength=self.count)

    @property
    def positions(self) -> np.ndarray:
        """Place of each judgement in its list, from 1: int64, shape (judgements,)."""
        first = np.cumsum(self.sizes) - self.sizes
        positions: np.ndarray = np.arange(len(self.lists)) - first[self.lists] + 1
        return positions

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum of `values` (one per judgement) over each list: float64, shape (count,)."""
        sums: np.ndarray = np.bincount(self.lists, weights=values, minlength=self.count)
        return sums


def average_precision(lists: RankLists) -> np.ndarray:
    """AP, uncut: mean over the relevant passages, sorted by rank, of i / rank_i (ir-measures: AP)."""
    precision: np.ndarray = lists.total(lists.positions / lists.ranks) / lists.sizes
    return precision


def recall_at(lists: RankLists, k: int) -> np.ndarray:
    """R@k: share of the relevant passages with a rank of at most k."""
    recall: np.ndarray = lists.total(lists.ranks <= k) / lists.sizes
    return recall


def reciprocal_rank_at(lists: RankLists, k: int) -> np.ndarray:
    """RR@k: 1 / rank of the best relevant passage, 0 if that is beyond k."""
    best = lists.positions == 1
    return lists.total(np.where(best & (lists.ranks <= k), 1 / lists.ranks, 0.0))


def ndcg_at(lists: RankLists, k: int) -> np.ndarray:
    """nDCG@k: Σ grade / log₂(rank + 1) over ranks up to k, by that of the ideal order (Järvelin & Kekäläinen 2002).

    At most 1: if many passages tie, all have their mean rank, and may gain more than fits into the first k.
    """
    gained = lists.total(np.where(lists.ranks <= k, lists.grades / np.log2(lists.ranks + 1), 0.0))
    order = np.lexsort((-lists.grades, lists.lists))
    positions = lists.positions
    ideal = lists.total(np.where(positions <= k, lists.grades[order] / np.log2(positions + 1), 0.0))
    ndcg: np.ndarray = np.minimum(gained / ideal, 1)
    return ndcg


# Measures by the name under which they are reported; each maps rank lists to one value per list. The mean over queries
# of AP is mAP.
MEASURES: dict[str, Callable[[RankLists], np.ndarray]] = {
    "mAP": average_precision,
    "R@1": lambda lists: recall_at(lists, 1),
    "R@10": lambda lists: recall_at(lists, 10),
    "R@100": lambda lists: recall_at(lists, 100),
    "MRR@10": lambda lists: reciprocal_rank_at(lists, 10),
    "nDCG@10": lambda lists: ndcg_at(lists, 10),
}
