"""Measure which passage languages the encoder prefers, and whether it prefers the query's own, from pool ranks.

In: a rank table. Out: for each query language, how high each passage language ranks, and which of two ranks above the
other. The best relevant passage represents its language; only queries with relevant passages in two or more languages
count. The measures are meant for parallel passages, where each language has one: "without bias" means that swapping the
languages of a query's relevant passages would change nothing.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.settings import Cell, Matrix, as_cells, mean_or_none
from babelrank.ranking.table import RankTable

DEPTHS = (1, 10, 100)  # what a user reads: the first answer, the first page, the input of a reranker
_EVEN = 0.5  # how often one of two languages ranks above the other, without bias


@dataclass(frozen=True)
class BestRanks:
    """Rank of each language's best relevant passage, for queries with relevant passages in two languages or more.

    Attributes
    ----------
    query
        Number of each query in `RankTable.query_numbers`: int64, shape (queries,).
    query_lang
        Position of each query's language: int64, shape (queries,).
    rank
        Rank in the pool: float64, shape (queries, languages); NaN where a language has no relevant passage.
    """

    query: np.ndarray
    query_lang: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class OwnLanguage:
    """Preference for passages in the query's own language, by query language.

    Attributes
    ----------
    n
        Number of queries with a relevant passage in their own language, and at least one in another.
    above
        Mean over those queries of the share of the other languages that rank below the own one; a tie counts ½. From 0
        (always last) to 1 (always first); ½ without bias.
    first
        Share of those queries for which the own language ranks first, from 0 to 1; languages that share the first rank
        share the query.
    first_expected
        The same without bias: mean of 1 / number of languages with a relevant passage.
    """

    n: list[int]
    above: list[Cell]
    first: list[Cell]
    first_expected: list[Cell]

    @property
    def macro(self) -> dict[str, float | None]:
        """Means over the query languages, and their values without bias."""
        above = _mean_of_cells(self.above)
        return {
            "own_above": above,
            "own_above_expected": None if above is None else _EVEN,
            "own_first": _mean_of_cells(self.first),
            "own_first_expected": _mean_of_cells(self.first_expected),
        }


@dataclass(frozen=True)
class LanguagePreference:
    """How high each passage language ranks; rows are query languages, columns passage languages, unless noted.

    Attributes
    ----------
    n
        Number of queries with a relevant passage in the column's language, and at least one in another.
    reciprocal_rank
        Mean over those queries of 1 / rank in the pool. From 1 / |D| to 1; a row cannot be all ones, as only one
        passage is first.
    in_top
        By depth k (``1``, ``10``, ``100``): share of those queries with rank in the pool ≤ k. From 0 to 1; a row adds
        up to at most k if each query has all languages. A mid-rank of 1.5 is not within the first 1.
    share_of_top
        By depth k: the column's share of all hits of a query language within the top k (one passage per query and
        language), n · in_top / Σ over the row. From 0 to 1; a row adds up to 1.
    share_expected
        The same without bias: n / Σ over the row. In a random order any relevant passage is within the top k with the
        same chance k / |D|, however few passages its language has; so it differs from `share_of_pool`.
    share_of_pool
        By passage language, its share of the pool's passages: its expected share of a random top k, relevant or not.
    pair_n
        By query language, languages × languages: number of queries with a relevant passage in both.
    above
        By query language, languages × languages: share of those queries for which the row's passage ranks above the
        column's, P(rank_a < rank_b) + ½ P(rank_a = rank_b). From 0 to 1; ½ without bias; the mirrored cell is its
        complement; null on the diagonal.
    above_macro
        Languages × languages: mean of `above` over the query languages with a value.
    own
        Preference for the query's own language.
    """

    n: list[list[int]]
    reciprocal_rank: Matrix
    in_top: dict[str, Matrix]
    share_of_top: dict[str, Matrix]
    share_expected: Matrix
    share_of_pool: list[float]
    pair_n: list[list[list[int]]]
    above: list[Matrix]
    above_macro: Matrix
    own: OwnLanguage


def best_ranks(ranks: RankTable) -> BestRanks:
    """Find the best relevant passage of each query and language."""
    query, (_, passage_lang), lang = ranks.query_numbers, ranks.language_codes, ranks.lang_of_query
    best = np.full((len(lang), len(ranks.languages)), np.inf)
    np.minimum.at(best, (query, passage_lang), ranks.table["rank_in_pool"].to_numpy())
    best[np.isinf(best)] = np.nan
    compared = np.flatnonzero(np.isfinite(best).sum(axis=1) >= 2)
    return BestRanks(compared, lang[compared], best[compared])


def count_wins(best: BestRanks) -> np.ndarray:
    """Count the queries for which the row's passage ranks above the column's.

    Returns
    -------
    numpy.ndarray
        int64, shape (query languages, languages, languages); ties count for neither.
    """
    size = best.rank.shape[1]
    wins = np.zeros((size, size, size), dtype=np.int64)
    for lang in range(size):
        rank = best.rank[best.query_lang == lang]
        wins[lang] = (rank[:, :, None] < rank[:, None, :]).sum(axis=0)  # false where one is missing
    return wins


def count_pairs(best: BestRanks) -> np.ndarray:
    """Count the queries with a relevant passage in both: int64, shaped as `count_wins`; 0 on the diagonals."""
    size = best.rank.shape[1]
    present = np.isfinite(best.rank).astype(float)
    both = np.zeros((size, size, size), dtype=np.int64)
    for lang in range(size):
        rows = present[best.query_lang == lang]
        both[lang] = rows.T @ rows
    both[:, np.eye(size, dtype=bool)] = 0
    return both


def measure_preference(ranks: RankTable) -> LanguagePreference:
    """Compare the passage languages, by query language."""
    best = best_ranks(ranks)
    size = len(ranks.languages)
    by_lang = (best.query_lang == np.arange(size)[:, None]).astype(float)  # (languages, queries)
    n = by_lang @ np.isfinite(best.rank)
    found = {str(depth): by_lang @ (best.rank <= depth) for depth in DEPTHS}
    wins, pairs = count_wins(best), count_pairs(best)
    above = _EVEN + _divide(wins - wins.transpose(0, 2, 1), 2 * pairs)  # a tie is neither won nor lost
    known = ~np.isnan(above)
    pool = np.array([ranks.pool_sizes[lang] for lang in ranks.languages], dtype=float)
    return LanguagePreference(
        n=n.astype(int).tolist(),
        reciprocal_rank=as_cells(_divide(by_lang @ np.nan_to_num(1 / best.rank), n)),
        in_top={depth: as_cells(_divide(counts, n)) for depth, counts in found.items()},
        share_of_top={depth: as_cells(_share_of_row(counts, n)) for depth, counts in found.items()},
        share_expected=as_cells(_share_of_row(n, n)),
        share_of_pool=(pool / pool.sum()).tolist(),
        pair_n=pairs.tolist(),
        above=[as_cells(matrix) for matrix in above],
        above_macro=as_cells(_divide(np.where(known, above, 0.0).sum(axis=0), known.sum(axis=0))),
        own=_measure_own(best),
    )


@dataclass(frozen=True)
class OwnRanks:
    """Ranks of the own language of each query with a relevant passage in it; arrays of shape (queries,).

    Attributes
    ----------
    query, query_lang
        As in `BestRanks`.
    above
        Share of the other languages that rank below the own one; a tie counts ½.
    first
        1 if the own language ranks first, 1 / n if n languages including it share the first rank, 0 otherwise.
    languages
        Number of languages with a relevant passage.
    """

    query: np.ndarray
    query_lang: np.ndarray
    above: np.ndarray
    first: np.ndarray
    languages: np.ndarray


def own_ranks(best: BestRanks) -> OwnRanks:
    """Compare the own language of each query with the others."""
    own = best.rank[np.arange(len(best.rank)), best.query_lang]
    asked = ~np.isnan(own)
    own, rank = own[asked, None], best.rank[asked]
    languages = np.isfinite(rank).sum(axis=1)
    # The own language is among the columns and ties with itself: half a win too many.
    above = ((own < rank).sum(axis=1) + (own == rank).sum(axis=1) / 2 - 0.5) / (languages - 1)
    first = np.where((rank < own).any(axis=1), 0.0, 1 / (rank == own).sum(axis=1))
    return OwnRanks(best.query[asked], best.query_lang[asked], above, first, languages)


def _measure_own(best: BestRanks) -> OwnLanguage:
    own = own_ranks(best)
    groups = [own.query_lang == i for i in range(best.rank.shape[1])]
    return OwnLanguage(
        n=[int(group.sum()) for group in groups],
        above=[mean_or_none(own.above[group]) for group in groups],
        first=[mean_or_none(own.first[group]) for group in groups],
        first_expected=[mean_or_none(1 / own.languages[group]) for group in groups],
    )


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; NaN where the denominator is 0."""
    quotient: np.ndarray = numerator / np.where(denominator == 0, np.nan, denominator)
    return quotient


def _share_of_row(counts: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Divide each row by its sum; NaN where no query has a relevant passage in the language."""
    return np.where(n > 0, _divide(counts, counts.sum(axis=1, keepdims=True)), np.nan)


def _mean_of_cells(cells: list[Cell]) -> float | None:
    return mean_or_none(np.array(cells, dtype=float))
