"""The settings of the protocol and their scores: monolingual and cross-lingual pairs, and the multilingual pool.

A setting is a query language with a passage language (xx→xx monolingual, xx→yy cross-lingual) or with the pool of all
languages (xx→all, multilingual). Its score is the mean over its queries. Macro averages give settings equal weight,
micro averages give queries equal weight.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.measures import MEASURES
from babelrank.ranking.rank_lists import RankLists
from babelrank.ranking.table import RankTable

Cell = float | None  # None where a setting has no queries
Matrix = list[list[Cell]]


@dataclass(frozen=True)
class PairScores:
    """Scores of the monolingual and cross-lingual settings; rows are query languages, columns passage languages.

    Attributes
    ----------
    n
        Number of queries of each setting: those with a relevant passage in the passage language.
    scores
        By measure: mean over the setting's queries.
    """

    n: list[list[int]]
    scores: dict[str, Matrix]


@dataclass(frozen=True)
class PoolScores:
    """Scores of the multilingual settings, one per query language.

    Attributes
    ----------
    n
        Number of queries of each setting.
    scores
        By measure: mean over the setting's queries.
    micro
        By measure: mean over all queries of all languages, as LAReQA reports its multilingual mAP.
    """

    n: list[int]
    scores: dict[str, list[Cell]]
    micro: dict[str, Cell]


def score_pairs(ranks: RankTable) -> PairScores:
    """Score every pair of languages."""
    size = len(ranks.languages)
    query_lang, passage_lang = (codes[ranks.pair_lists.first_rows] for codes in ranks.language_codes)
    n, means = _means_by_cell(ranks.pair_lists, query_lang * size + passage_lang, size * size)
    return PairScores(
        n.reshape(size, size).tolist(), {name: as_cells(values.reshape(size, size)) for name, values in means.items()}
    )


def score_pool(ranks: RankTable) -> PoolScores:
    """Score every query language against the pool of all languages."""
    n, means = _means_by_cell(ranks.pool_lists, ranks.lang_of_query, len(ranks.languages))
    micro = {name: float(np.nansum(values * n) / n.sum()) if n.any() else None for name, values in means.items()}
    return PoolScores(n.tolist(), {name: as_cells(values[None])[0] for name, values in means.items()}, micro)


def macro_averages(pairs: PairScores, pool: PoolScores) -> dict[str, dict[str, float | None]]:
    """Mean over the settings of each kind: ``monolingual``, ``cross_lingual`` and ``multilingual``, by measure."""
    diagonal = np.eye(len(pairs.n), dtype=bool)
    averages: dict[str, dict[str, float | None]] = {"monolingual": {}, "cross_lingual": {}, "multilingual": {}}
    for name in MEASURES:
        matrix = np.array(pairs.scores[name], dtype=float)
        averages["monolingual"][name] = mean_or_none(matrix[diagonal])
        averages["cross_lingual"][name] = mean_or_none(matrix[~diagonal])
        averages["multilingual"][name] = mean_or_none(np.array(pool.scores[name], dtype=float))
    return averages


def as_cells(matrix: np.ndarray) -> Matrix:
    """Turn an array into nested lists, with None for NaN."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in matrix]


def mean_or_none(values: np.ndarray) -> float | None:
    """Return the mean without NaN; None if all values are NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _means_by_cell(lists: RankLists, cell_of_list: np.ndarray, cells: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    n = np.bincount(cell_of_list, minlength=cells)
    divisor = np.where(n == 0, np.nan, n)
    means = {
        name: np.bincount(cell_of_list, weights=measure(lists), minlength=cells) / divisor
        for name, measure in MEASURES.items()
    }
    return n, means
