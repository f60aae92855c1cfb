"""Measure which languages a user sees: shares of the exposure of the first ten passages, against an even split.

In: a rank table for relevant passages, and the table of top passages for the others. Out: the exposure of each passage
language, by query language, and its distance from an even split. A passage at rank r has the exposure 1 / log₂(r + 1),
as in nDCG (Singh & Joachims 2018, arXiv 1802.07281); below the tenth rank it has none.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bias_measure import BiasMeasure, Resampler, divide, mean_known, number_or_none
from babelrank.analysis.settings import Matrix, as_cells
from babelrank.data.pool import code_languages
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable

DEPTH = 10


@dataclass(frozen=True)
class ExposureShares:
    """Exposure of the languages; rows are query languages, columns passage languages.

    Attributes
    ----------
    share
        Share of the column's language in the exposure of all these passages; None if there are none.
    target
        The even split. For relevant passages, each query's exposure is split evenly over the languages in which it has
        a relevant passage. For the others, all languages of the pool get the same share.
    unevenness
        Share of the exposure that would have to move to other languages to reach the target, ½ Σ_l |share − target|.
    """

    share: Matrix
    target: Matrix
    unevenness: BiasMeasure


@dataclass(frozen=True)
class Exposure:
    """Exposure within the first ten passages of the pool.

    Attributes
    ----------
    relevant
        Exposure of relevant passages.
    irrelevant
        Exposure of all others, which show bias that accuracy does not; None without a table of top passages.
    """

    relevant: ExposureShares
    irrelevant: ExposureShares | None


def measure_exposure(
    ranks: RankTable, top: TopTable | None = None, *, clusters: np.ndarray | None = None, seed: int = 0
) -> Exposure:
    """Measure how evenly languages are exposed, by query language.

    Parameters
    ----------
    top
        The best passages of the same queries.
    clusters
        Cluster of each row of `ranks` (see `clusters.clusters`) for the intervals; None to resample questions.

    Raises
    ------
    ReportError
        The clusters do not fit the table, or the two tables belong to different collections or encoders.
    """
    query, (_, passage_lang), lang = ranks.query_numbers, ranks.language_codes, ranks.lang_of_query
    size, count = len(ranks.languages), len(lang)
    resampler = Resampler.of(ranks, np.arange(count), lang, clusters, seed)
    seen = np.zeros((count, size))
    rank = ranks.table["rank_in_pool"].to_numpy()
    np.add.at(seen, (query, passage_lang), _exposure(rank))
    possible = np.zeros((count, size), dtype=bool)
    held = np.isfinite(rank)
    possible[query[held], passage_lang[held]] = True
    even = possible * (seen.sum(axis=1) / np.maximum(possible.sum(axis=1), 1))[:, None]
    # Shuffled within the query, the exposure of a language varies around the even share like the query's exposures.
    variance = possible * divide(((seen - even) ** 2).sum(axis=1), possible.sum(axis=1))[:, None]
    relevant = _shares(resampler, seen, even, np.nan_to_num(variance))
    if top is None:
        return Exposure(relevant, None)
    others, squares = _exposure_of_others(ranks, top)
    languages = np.array([ranks.pool_sizes[name] > 0 for name in ranks.languages])
    part = languages / max(int(languages.sum()), 1)
    return Exposure(
        relevant,
        _shares(resampler, others, others.sum(axis=1, keepdims=True) * part, squares[:, None] * (part * (1 - part))),
    )


def _exposure(rank: np.ndarray) -> np.ndarray:
    exposure: np.ndarray = np.where(rank <= DEPTH, 1 / np.log2(rank + 1), 0.0)
    return exposure


def _exposure_of_others(ranks: RankTable, top: TopTable) -> tuple[np.ndarray, np.ndarray]:
    """Return the exposure of irrelevant passages by query and language, and the sum of its squares by query."""
    if (ranks.languages, ranks.pool_sizes) != (top.languages, top.pool_sizes):
        raise ReportError("the rank table and the table of top passages are of different collections.")
    keys = ["query_lang", "query_id"]
    queries, rows = np.unique(ranks.query_numbers, return_index=True)
    numbers = ranks.table[keys].iloc[rows].assign(number=queries)
    listed = top.table[top.table["rank_in_pool"] <= DEPTH].merge(numbers, on=keys)
    answers = ranks.table.loc[ranks.table["rank_in_pool"] <= DEPTH, [*keys, "passage_id"]].assign(relevant=True)
    listed = listed.merge(answers, on=[*keys, "passage_id"], how="left")
    listed = listed[listed["relevant"].isna()]
    lang = code_languages(listed["passage_lang"], ranks.languages)
    number, exposure = listed["number"].to_numpy(), _exposure(listed["rank_in_pool"].to_numpy())
    seen = np.zeros((int(ranks.query_numbers.max(initial=-1)) + 1, len(ranks.languages)))
    np.add.at(seen, (number, lang), exposure)
    return seen, np.bincount(number, weights=exposure**2, minlength=len(seen))


def _shares(resampler: Resampler, seen: np.ndarray, even: np.ndarray, variance: np.ndarray) -> ExposureShares:
    """Compare exposure with its target; arrays have the shape (queries, languages).

    `variance` is that of each language's exposure around the target under shuffling. The mean absolute deviation of a
    sum of many terms is √(2/π) standard deviations.
    """
    shares, goals, totals, uneven = [], [], [], []
    for found, target in zip(resampler.sums_in_turn(seen), resampler.sums_in_turn(even), strict=True):
        total = found.sum(axis=-1, keepdims=True)
        share, goal = divide(found, total), divide(target, total)
        shares.append(share[0].copy())  # a view would keep the resamples
        goals.append(goal[0].copy())
        totals.append(total[0, 0])
        uneven.append(np.abs(share - goal).sum(axis=-1) / 2)
    spread = np.sqrt(resampler.totals(variance)).sum(axis=-1) * np.sqrt(2 / np.pi) / 2
    shuffled = number_or_none(float(mean_known(divide(spread, np.array(totals)))))
    least = number_or_none(float(mean_known(np.min(goals, axis=-1))))
    return ExposureShares(
        as_cells(np.array(shares)),
        as_cells(np.array(goals)),
        resampler.measure(
            np.stack(uneven, axis=1),
            floor=0.0,
            ceiling=None if least is None else 1 - least,
            shuffled=shuffled,
            centre=True,
        ),
    )
