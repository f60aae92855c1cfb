"""Measure what approximate search costs against exact search: nDCG, rank distance, and passages by language.

An approximate index loses passages, and not always evenly. If the passages of one language lie in a region of the space
that the index seldom visits, they are lost more often than others.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.measures import ndcg_at
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.ranking.approximate import Approximation
from babelrank.ranking.best import TopPassages
from babelrank.ranking.rank_lists import RankLists


@dataclass(frozen=True)
class ListQuality:
    """Quality of lists of k passages, by language.

    Attributes
    ----------
    ndcg
        nDCG@10, by query language: mean over its queries with a relevant passage.
    rank_distance
        By query language: mean difference between the ranks of a query's worst and best relevant passage, over queries
        with at least two (arXiv 2408.10536). A passage that is not listed counts as ranked k + 1, so this is a lower
        bound of the uncut rank distance.
    listed
        Share of the relevant passages that are listed, by passage language.
    """

    ndcg: list[Cell]
    rank_distance: list[Cell]
    listed: list[Cell]

    @property
    def macro(self) -> dict[str, float | None]:
        """Means over the languages."""
        columns = {"nDCG@10": self.ndcg, "rank_distance": self.rank_distance, "listed": self.listed}
        return {name: mean_or_none(np.array(values, dtype=float)) for name, values in columns.items()}


@dataclass(frozen=True)
class ApproximationCost:
    """Quality of approximate search compared with exact search.

    Attributes
    ----------
    languages
        ISO 639-1 codes; the order of all lists.
    k
        Length of the lists.
    queries, pairs
        By query language: queries with a relevant passage, and with at least two.
    exact, approximate
        Quality of the exact and of the approximate lists.
    """

    languages: tuple[str, ...]
    k: int
    queries: list[int]
    pairs: list[int]
    exact: ListQuality
    approximate: ListQuality

    @property
    def difference(self) -> ListQuality:
        """Approximate minus exact. A loss is negative in nDCG and listed, and positive in rank distance."""
        return ListQuality(
            *(
                [None if a is None or b is None else a - b for a, b in zip(ours, theirs, strict=True)]
                for ours, theirs in (
                    (self.approximate.ndcg, self.exact.ndcg),
                    (self.approximate.rank_distance, self.exact.rank_distance),
                    (self.approximate.listed, self.exact.listed),
                )
            )
        )


@dataclass(frozen=True)
class ApproximateSearch:
    """Measurements of one approximate search.

    Attributes
    ----------
    model, collection
        Names.
    search
        The index: seconds, bytes, recall.
    cost
        Change in the lists of the same queries, compared with exact search.
    """

    model: str
    collection: str
    search: Approximation
    cost: ApproximationCost


def measure_cost(
    exact: TopPassages,
    approximate: TopPassages,
    *,
    query_rows: np.ndarray,
    positions: np.ndarray,
    grades: np.ndarray,
    query_langs: np.ndarray,
    passage_langs: np.ndarray,
    languages: tuple[str, ...],
) -> ApproximationCost:
    """Compare the accuracy and language bias of two lists of k passages per query.

    Parameters
    ----------
    exact, approximate
        Lists of the same queries, row by row, with the same k.
    query_rows, positions, grades
        The qrels, shape (judgements,): row of the query, position of the passage, and grade. Grades of 0 or below are
        ignored.
    query_langs, passage_langs
        Integers, shape (judgements,): positions in `languages` of the query's and the passage's language.

    Raises
    ------
    ValueError
        The lists differ in shape.
    """
    if exact.positions.shape != approximate.positions.shape:
        raise ValueError(f"lists of shapes {exact.positions.shape} and {approximate.positions.shape}.")
    relevant = grades > 0
    query_rows, positions, grades, query_langs, passage_langs = (
        column[relevant] for column in (query_rows, positions, grades, query_langs, passage_langs)
    )
    _, first, lists = np.unique(query_rows, return_index=True, return_inverse=True)
    lang_of_query = query_langs[first]
    size = np.bincount(lists, minlength=len(first))
    k = exact.positions.shape[1]

    def assess(top: TopPassages) -> ListQuality:
        ranks = top.ranks(query_rows, positions)
        ndcg = ndcg_at(RankLists.group(ranks, grades, lists), 10)
        cut = np.minimum(ranks, k + 1)
        worst, best = np.full(len(size), -np.inf), np.full(len(size), np.inf)
        np.maximum.at(worst, lists, cut)
        np.minimum.at(best, lists, cut)
        distance = np.where(size > 1, worst - best, np.nan)
        return ListQuality(
            *(
                [mean_or_none(values[langs == lang]) for lang in range(len(languages))]
                for values, langs in (
                    (ndcg, lang_of_query),
                    (distance, lang_of_query),
                    (np.isfinite(ranks).astype(float), passage_langs),
                )
            )
        )

    return ApproximationCost(
        languages,
        k,
        queries=np.bincount(lang_of_query, minlength=len(languages)).tolist(),
        pairs=np.bincount(lang_of_query[size > 1], minlength=len(languages)).tolist(),
        exact=assess(exact),
        approximate=assess(approximate),
    )
