"""Compute everything that a report says about one encoder on one collection from a rank table."""

from dataclasses import dataclass

from babelrank.analysis.bias import FavouredLanguages, RankDistance, language_preference, measure_rank_distance
from babelrank.analysis.settings import PairScores, PoolScores, macro_averages, score_pairs, score_pool
from babelrank.ranking.table import RankTable


@dataclass(frozen=True, repr=False)
class Analysis:
    """Scores and bias of one encoder on one collection.

    Attributes
    ----------
    languages
        Order of all rows and columns.
    macro
        ``monolingual``, ``cross_lingual``, ``multilingual`` -> measure -> mean over settings; the rank distance is
        among the multilingual ones.
    """

    languages: list[str]
    macro: dict[str, dict[str, float | None]]
    pairs: PairScores
    pool: PoolScores
    rank_distance: RankDistance
    favoured: FavouredLanguages

    def __repr__(self) -> str:
        shown = (f"{kind} mAP {scores['mAP']:.3f}" for kind, scores in self.macro.items() if scores["mAP"] is not None)
        return f"<Analysis of {len(self.languages)} languages: {', '.join(shown)}>"


def analyse(ranks: RankTable) -> Analysis:
    """Reduce a rank table to scores by setting, their averages, and language bias."""
    pairs, pool, distance = score_pairs(ranks), score_pool(ranks), measure_rank_distance(ranks)
    macro = macro_averages(pairs, pool)
    macro["multilingual"].update(distance.macro)
    return Analysis(list(ranks.languages), macro, pairs, pool, distance, language_preference(ranks))
