"""Measure from the ranks in the multilingual pool whether the encoder favours some languages."""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.preference import best_ranks
from babelrank.analysis.settings import Cell, Matrix, as_cells, mean_or_none
from babelrank.ranking.table import RankTable


@dataclass(frozen=True)
class RankDistance:
    """Rank distance, the language bias of arXiv 2408.10536 (lower is better), over queries with |R| ≥ 2.

    The distance of a query is the difference between the ranks of its worst and its best relevant passage in the pool.
    With |R| relevant passages it cannot fall below |R| − 1 unless some of them tie, and it grows with the pool.

    Attributes
    ----------
    n
        Number of queries with at least two relevant passages, by query language.
    mean, median
        Mean and median of the distance, by query language.
    floor
        Mean of |R| − 1, by query language.
    normalised
        Mean of (distance − (|R| − 1)) / (|D| − |R|), by query language: 0 at the floor, 1 if the relevant passages
        are at both ends of the pool, below 0 if they tie.
    """

    n: list[int]
    mean: list[Cell]
    median: list[Cell]
    floor: list[Cell]
    normalised: list[Cell]

    @property
    def macro(self) -> dict[str, float | None]:
        """Means over the query languages, under the names that results give them."""
        columns = {
            "rank_distance": self.mean,
            "rank_distance_median": self.median,
            "rank_distance_floor": self.floor,
            "rank_distance_normalised": self.normalised,
        }
        return {name: mean_or_none(np.array(values, dtype=float)) for name, values in columns.items()}


@dataclass(frozen=True)
class FavouredLanguages:
    """How high each passage language ranks. Rows are query languages, columns passage languages.

    Attributes
    ----------
    n
        Number of queries with a relevant passage in the column's language and at least one in another language.
    mean_rank
        Mean rank in the pool of the best-ranked relevant passage in the column's language.
    share_first
        Share of those queries for which a passage in the column's language ranks first among all relevant ones. Tied
        passages share the query.
    """

    n: list[list[int]]
    mean_rank: Matrix
    share_first: Matrix


@dataclass(frozen=True)
class QueryDistances:
    """The rank distance of each query with |R| ≥ 2.

    Attributes
    ----------
    query
        int64, shape (queries,): the query's number in `RankTable.query_numbers`.
    distance
        float64, shape (queries,).
    floor
        int64, shape (queries,): |R| − 1.
    lang
        int64, shape (queries,): position of the query's language.
    """

    query: np.ndarray
    distance: np.ndarray
    floor: np.ndarray
    lang: np.ndarray


def query_distances(ranks: RankTable) -> QueryDistances:
    """Return the rank distance of each query with |R| ≥ 2. It is undefined if a run lacks a relevant passage."""
    lists, size = ranks.pool_lists, ranks.pool_lists.sizes
    ends = np.cumsum(size)
    best, worst = lists.ranks[ends - size], lists.ranks[ends - 1]
    counted = np.flatnonzero((size >= 2) & np.isfinite(worst))
    return QueryDistances(counted, worst[counted] - best[counted], size[counted] - 1, ranks.lang_of_query[counted])


def measure_rank_distance(ranks: RankTable) -> RankDistance:
    """Compute the rank distance by query language."""
    queries = query_distances(ranks)
    distance, floor, lang = queries.distance, queries.floor, queries.lang
    room = sum(ranks.pool_sizes.values()) - (floor + 1)
    excess = (distance - floor) / np.where(room == 0, np.nan, room)
    groups = [lang == i for i in range(len(ranks.languages))]
    return RankDistance(
        n=[int(group.sum()) for group in groups],
        mean=[mean_or_none(distance[group]) for group in groups],
        median=[float(np.median(distance[group])) if group.any() else None for group in groups],
        floor=[mean_or_none(floor[group].astype(float)) for group in groups],
        normalised=[mean_or_none(excess[group]) for group in groups],
    )


def language_preference(ranks: RankTable) -> FavouredLanguages:
    """Compare the ranks in the pool of the passage languages, by query language."""
    best = best_ranks(ranks)
    present = ~np.isnan(best.rank)
    first = best.rank == np.fmin.reduce(best.rank, axis=1, keepdims=True)
    share = first / first.sum(axis=1, keepdims=True)
    by_lang = (best.query_lang == np.arange(len(ranks.languages))[:, None]).astype(float)  # (languages, queries)
    n = by_lang @ present
    divisor = np.where(n == 0, np.nan, n)
    return FavouredLanguages(
        n=n.astype(int).tolist(),
        mean_rank=as_cells(by_lang @ np.nan_to_num(best.rank) / divisor),
        share_first=as_cells(by_lang @ share / divisor),
    )
