"""Compute all measures of language bias from a rank table, with intervals."""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bias_measure import BiasMeasure
from babelrank.analysis.exposure import Exposure, measure_exposure
from babelrank.analysis.language_effect import LanguageEffect, measure_language_effect
from babelrank.analysis.merge_gap import measure_merge_gap
from babelrank.analysis.own_language import OwnLanguagePreference, measure_own_language
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable


@dataclass(frozen=True)
class LanguageBias:
    """All measures of language bias of one encoder on one collection; see the modules of the measures.

    Attributes
    ----------
    effect
        Language effect η², rank ratio and Kendall's W; which languages are favoured.
    merge_gap
        Cost of the shared pool compared with a merge of the languages' own rankings, in mAP.
    own_language
        How often the query's own language ranks first.
    exposure
        Shares of the languages in the first ten passages.
    """

    effect: LanguageEffect
    merge_gap: BiasMeasure
    own_language: OwnLanguagePreference
    exposure: Exposure

    @property
    def measures(self) -> dict[str, BiasMeasure]:
        """All measures by name."""
        measures = {
            "language_effect": self.effect.eta_squared,
            "rank_ratio": self.effect.rank_ratio,
            "merge_gap": self.merge_gap,
            "own_first": self.own_language.first,
            "own_above": self.own_language.above,
            "kendall_w": self.effect.concordance,
            "exposure_relevant": self.exposure.relevant.unevenness,
        }
        if self.exposure.irrelevant is not None:
            measures["exposure_irrelevant"] = self.exposure.irrelevant.unevenness
        return measures


def measure_language_bias(
    ranks: RankTable, top: TopTable | None = None, *, clusters: np.ndarray | None = None, seed: int = 0
) -> LanguageBias:
    """Compute all measures of language bias.

    Parameters
    ----------
    top
        The best passages of the same queries, for the exposure of irrelevant passages.
    clusters
        Cluster of each row (see `clusters.clusters`) for the intervals; None to resample questions.
    seed
        Seed of the resamples.

    Raises
    ------
    ReportError
        The clusters do not fit the table, or the two tables belong to different collections or encoders.
    """
    return LanguageBias(
        measure_language_effect(ranks, clusters=clusters, seed=seed),
        measure_merge_gap(ranks, clusters=clusters, seed=seed),
        measure_own_language(ranks, clusters=clusters, seed=seed),
        measure_exposure(ranks, top, clusters=clusters, seed=seed),
    )
