"""What all measures of language bias share: values by query language, their mean, intervals, and possible range.

In: a value for each query, or for each resample. Out: `BiasMeasure`. Intervals come from the bootstrap over clusters of
questions (by default, each question with its translations). Macro values are means over the query languages.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from babelrank.analysis.bootstrap import RESAMPLES, Interval, draw_weights, percentile_interval
from babelrank.analysis.clusters import query_clusters, warn_of_few
from babelrank.analysis.settings import Cell
from babelrank.ranking.table import RankTable


@dataclass(frozen=True)
class BiasMeasure:
    """One measure of language bias.

    Attributes
    ----------
    n
        Number of queries behind the value, by query language.
    by_language
        Value with its 95 % interval, by query language; None without queries.
    macro
        Mean over the query languages.
    floor, ceiling
        Smallest and largest possible value; None if not fixed.
    shuffled
        Macro value after shuffling the languages of each query's relevant passages: the value of an encoder with the
        same ranks but no bias. None if the rank table does not determine it.
    clusters
        Number of clusters of questions that the intervals resample.
    warning
        A sentence if there are too few clusters for intervals, which then have no bounds.
    """

    n: list[int]
    by_language: list[Interval | None]
    macro: Interval | None
    floor: Cell
    ceiling: Cell
    shuffled: Cell
    clusters: int
    warning: str | None


class Resampler:
    """Sum values of queries over query languages, for all queries and for each resample of clusters.

    Parameters
    ----------
    query_lang
        int64, shape (queries,): position of each query's language, below `size`.
    cluster
        int64, shape (queries,): cluster of each query.
    clusters
        Number of all clusters, including those without any of these queries.
    """

    def __init__(self, query_lang: np.ndarray, cluster: np.ndarray, *, size: int, clusters: int, seed: int = 0) -> None:
        self.n: list[int] = np.bincount(query_lang, minlength=size).tolist()
        self.query_lang, self.clusters, self._size = query_lang, clusters, size
        self._group, self._seed = cluster * size + query_lang, seed

    @classmethod
    def of(
        cls, ranks: RankTable, query: np.ndarray, query_lang: np.ndarray, clusters: np.ndarray | None, seed: int = 0
    ) -> Self:
        """Return the resampler of queries by their numbers, int64, shape (queries,).

        Parameters
        ----------
        clusters
            Cluster of each row of `ranks` (see `clusters.clusters`); None to resample questions.

        Raises
        ------
        ReportError
            The clusters do not fit the table.
        """
        found = query_clusters(ranks, clusters)
        count = int(found.max(initial=-1)) + 1
        return cls(query_lang, found[query], size=len(ranks.languages), clusters=count, seed=seed)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum values of shape (queries, …) over each query language: shape (1 + resamples, languages, …)."""
        return self._resample(self._parts(values))

    def sums_in_turn(self, values: np.ndarray) -> Iterator[np.ndarray]:
        """Yield `sums` of each query language, which take much memory together: shape (1 + resamples, …)."""
        parts = self._parts(values)
        return (self._resample(parts[:, lang]) for lang in range(self._size))

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Sum values of shape (queries, …) over each query language: shape (languages, …)."""
        totals: np.ndarray = self._parts(values).sum(axis=0)
        return totals

    def _parts(self, values: np.ndarray) -> np.ndarray:
        """Sum values over each cluster and query language: shape (clusters, languages, …)."""
        parts = np.zeros((self.clusters * self._size, *values.shape[1:]))
        np.add.at(parts, self._group, values)
        return parts.reshape(self.clusters, self._size, *values.shape[1:])

    def _resample(self, parts: np.ndarray) -> np.ndarray:
        """Sum the parts of shape (clusters, …) over all clusters and each resample: shape (1 + resamples, …)."""
        weights = draw_weights(self.clusters, RESAMPLES, self._seed)
        sums: np.ndarray = weights @ parts.reshape(self.clusters, math.prod(parts.shape[1:]))
        return sums.reshape(len(sums), *parts.shape[1:])

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of values of shape (queries,) in each query language: (1 + resamples, languages)."""
        return divide(self.sums(values), self.sums(np.ones(len(values))))

    def measure(
        self,
        values: np.ndarray,
        *,
        floor: Cell,
        ceiling: Cell,
        shuffled: Cell,
        average: Callable[[np.ndarray], np.ndarray] | None = None,
        centre: bool = False,
    ) -> BiasMeasure:
        """Turn values by resample and query language into a measure.

        Parameters
        ----------
        values
            Shape (1 + resamples, languages); the first row is for all queries; NaN without queries.
        average
            Average of the languages to use instead of the arithmetic mean: shape (resamples, languages) to
            (resamples,).
        centre
            Whether to shift the resampled values so that their mean equals the value. Resampling inflates measures that
            cannot be below 0.
        """
        macro = (average or mean_known)(values)
        columns = [*values.T, macro]
        intervals = [self.interval(column, centre=centre) for column in columns]
        return BiasMeasure(
            self.n, intervals[:-1], intervals[-1], floor, ceiling, shuffled, self.clusters, warn_of_few(self.clusters)
        )

    def interval(self, values: np.ndarray, *, centre: bool = False) -> Interval | None:
        """Return the first of the values with an interval from the others, None for NaN; see `measure`."""
        if np.isnan(values[0]):
            return None
        if centre:
            values = np.concatenate([values[:1], values[1:] - np.nanmean(values[1:]) + values[0]])
        return percentile_interval(values, self.clusters)


class LeaveOneOut(Resampler):
    """Sums without each cluster in turn, for the jackknife (Tukey 1958): the resamples are as many as the clusters."""

    def _resample(self, parts: np.ndarray) -> np.ndarray:
        """Sum the parts of shape (clusters, …) over all clusters and all but each: shape (1 + clusters, …)."""
        total = parts.sum(axis=0, keepdims=True)
        return np.concatenate([total, total - parts])


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; NaN where the denominator is 0."""
    quotient: np.ndarray = numerator / np.where(denominator == 0, np.nan, denominator)
    return quotient


def mean_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis, ignoring NaN; NaN if all values are NaN."""
    known = ~np.isnan(values)
    return divide(values.sum(axis=-1, where=known), known.sum(axis=-1))


def number_or_none(value: float) -> Cell:
    """Return None for NaN."""
    return None if np.isnan(value) else float(value)
