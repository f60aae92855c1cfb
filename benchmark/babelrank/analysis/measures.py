"""Compute each measure for each query from the ranks of its relevant passages.

All measures take the ranks of a query's relevant passages in one list (a language's passages, or the pool). They need
neither scores nor the passages between. Definitions follow ir-measures (https://ir-measur.es) and trec_eval: nDCG has
linear gain. A tied rank is a mid-rank, and the formulas use it unchanged. A passage below the
cutoff of a list has the rank infinity.
"""

from collections.abc import Callable

import numpy as np

from babelrank.ranking.rank_lists import RankLists


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
