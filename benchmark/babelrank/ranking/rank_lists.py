"""Group the ranks of relevant passages by query, as measures need them."""

from dataclasses import dataclass
from functools import cached_property

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
    rows
        int64, shape (judgements,): position of each judgement before it was sorted.
    """

    ranks: np.ndarray
    grades: np.ndarray
    lists: np.ndarray
    count: int
    rows: np.ndarray

    @classmethod
    def group(cls, ranks: np.ndarray, grades: np.ndarray, lists: np.ndarray) -> "RankLists":
        """Sort judgements into lists; `lists` numbers them 0 … count − 1 with no gaps."""
        order = np.lexsort((ranks, lists))
        return cls(ranks[order], grades[order], lists[order], int(lists.max(initial=-1)) + 1, order)

    @cached_property
    def sizes(self) -> np.ndarray:
        """|R| of each list: int64, shape (count,)."""
        return np.bincount(self.lists, minlength=self.count)

    @cached_property
    def positions(self) -> np.ndarray:
        """Place of each judgement in its list, from 1: int64, shape (judgements,)."""
        positions: np.ndarray = np.arange(len(self.lists)) - self._starts[self.lists] + 1
        return positions

    @property
    def first_rows(self) -> np.ndarray:
        """One row of each list: int64, shape (count,). Columns that are the same for a list are read there."""
        rows: np.ndarray = self.rows[self._starts]
        return rows

    @property
    def _starts(self) -> np.ndarray:
        starts: np.ndarray = np.cumsum(self.sizes) - self.sizes
        return starts

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum of `values` (one per judgement) over each list: float64, shape (count,)."""
        sums: np.ndarray = np.bincount(self.lists, weights=values, minlength=self.count)
        return sums
