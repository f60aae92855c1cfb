"""Measure from a rank table how often the query's own language ranks first, with intervals.

`preference` has the same values by language pair; here they are measures of bias, with their possible range. The
protocol of MLAIRE (arXiv 2605.07249) asks the same question. Its formulas are not given here, as they could not be
verified against the paper.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bias_measure import BiasMeasure, Resampler, mean_known, number_or_none
from babelrank.analysis.preference import best_ranks, own_ranks
from babelrank.ranking.table import RankTable


@dataclass(frozen=True)
class OwnLanguagePreference:
    """How high the query's own language ranks, over queries with relevant passages in it and in another language.

    Attributes
    ----------
    first
        Share of the queries for which the own language ranks first; languages that share the first rank share the
        query.
    above
        Mean share of the other languages that rank below the own one; a tie counts ½.
    """

    first: BiasMeasure
    above: BiasMeasure


def measure_own_language(
    ranks: RankTable, *, clusters: np.ndarray | None = None, seed: int = 0
) -> OwnLanguagePreference:
    """Measure the preference for passages in the query's language, by query language.

    Parameters
    ----------
    clusters
        Cluster of each row (see `clusters.clusters`) for the intervals; None to resample questions.

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    own = own_ranks(best_ranks(ranks))
    resampler = Resampler.of(ranks, own.query, own.query_lang, clusters, seed)
    chance = number_or_none(float(mean_known(resampler.means(1 / own.languages)[0])))
    return OwnLanguagePreference(
        resampler.measure(resampler.means(own.first), floor=0.0, ceiling=1.0, shuffled=chance),
        resampler.measure(resampler.means(own.above), floor=0.0, ceiling=1.0, shuffled=None if chance is None else 0.5),
    )
