"""Panels: parts of the collection in memory that can be scored. All kinds of scorers yield panels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

# Scores queries (a slice) with passages (a slice of the panel) into an array of that shape.
Score = Callable[[slice, slice, np.ndarray], None]


@dataclass(frozen=True)
class Panel:
    """Passages in memory, sorted by group (language).

    Attributes
    ----------
    positions
        Position in the collection of each passage: int64, shape (passages,), ascending within each group.
    edges
        First row of each group, and the end: int64, shape (groups + 1,).
    score
        Scores some queries with some of the passages: float32, shape (queries, passages).
    vectors, lengths
        The original vectors, float32 of shape (passages, dimension), and their Euclidean lengths, float64; both empty
        if `score` is exact.
    """

    positions: np.ndarray
    edges: np.ndarray
    score: Score
    vectors: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.positions, kind="stable")

    def columns(self, positions: np.ndarray) -> np.ndarray:
        """Return the row in the panel of passages by position, −1 for those elsewhere: int64."""
        places = np.searchsorted(self.positions, positions, sorter=self._order)
        found = self._order[np.minimum(places, len(self) - 1)]
        columns: np.ndarray = np.where(self.positions[found] == positions, found, -1)
        return columns


class Scorer(Protocol):
    """Scores all queries with all passages.

    Attributes
    ----------
    exact
        Whether a panel's scores are exact; if so, there is only one panel.
    queries, lengths
        float32, shape (queries, dimension), and their Euclidean lengths, float64; no columns if scores are exact.
    margins
        Largest error of a panel's scores: float64, shape (queries,).
    code
        Similarity, one of `exact_scores.CODES`.
    """

    exact: bool
    queries: np.ndarray
    lengths: np.ndarray
    margins: np.ndarray
    code: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of queries and of passages."""

    def panels(self, groups: np.ndarray | None, count: int, *, memory: int, held: int) -> Iterator[Panel]:
        """Read the passages.

        Parameters
        ----------
        groups
            Group of each passage by position; None if there is one group.
        count
            Number of groups.
        memory, held
            Bytes that ranking may use, and bytes of them that are in use already.

        Raises
        ------
        SearchError
            The memory is too small; the message says how much is needed.
        """
