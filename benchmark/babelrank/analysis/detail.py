"""Rank table -> everything that follows from it, beyond the summary in results.json.

It is computed when a report is rendered, so that a new analysis serves old reports.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, QuestionScores, question_scores
from babelrank.analysis.consistency import Consistency, measure_consistency
from babelrank.analysis.friedman import FriedmanTests, compare_languages
from babelrank.analysis.groups import DistanceCorrelation, Group, correlate_with_distances, find_groups
from babelrank.analysis.language_bias import LanguageBias, measure_language_bias
from babelrank.analysis.list_consistency import ListConsistency, compare_lists
from babelrank.analysis.preference import LanguagePreference, measure_preference
from babelrank.analysis.summary import analyse
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable


@dataclass(frozen=True)
class Detail:
    """One encoder on one collection in which languages can be compared, in more detail.

    Attributes
    ----------
    figures
        What each question adds to each setting, in one measure; `figures.warning` says if intervals are too sure.
    bias
        How much the passage's language decides.
    preference
        Which passage languages stand high.
    tests
        Whether passage languages differ more than by chance.
    consistency
        Whether a question's translations put its answers in the same order.
    lists
        Whether they retrieve the same passages; None without a table of top passages.
    groups
        Macro figures by script, family, genus, resources and training of the languages; see `groups.find_groups`.
    score_by_distance, rank_by_distance
        By kind of typological distance, how the cross-lingual mAP, and the mean rank in the pool, go with it.
    """

    figures: QuestionScores
    bias: LanguageBias
    preference: LanguagePreference
    tests: FriedmanTests
    consistency: Consistency
    lists: ListConsistency | None
    groups: dict[str, tuple[Group, ...]]
    score_by_distance: dict[str, DistanceCorrelation]
    rank_by_distance: dict[str, DistanceCorrelation]


def analyse_in_detail(
    ranks: RankTable,
    measure: str = DEFAULT_MEASURE,
    *,
    seen: Collection[str] | None = None,
    clusters: np.ndarray | None = None,
    top: TopTable | None = None,
) -> Detail:
    """Reduce a rank table to everything that a report shows beyond its results.

    Parameters
    ----------
    measure
        That which has the intervals.
    seen
        Languages that the encoder was trained on; None if that is not known.
    clusters
        Cluster of each row, which intervals and tests draw; None to draw questions.
    top
        The best passages of the same queries.
    """
    figures = question_scores(ranks, measure, clusters=clusters)
    summary = analyse(ranks)
    return Detail(
        figures,
        measure_language_bias(ranks, top, clusters=clusters),
        measure_preference(ranks),
        compare_languages(ranks, clusters=clusters),
        measure_consistency(ranks),
        compare_lists(top) if top else None,
        find_groups(figures, seen=seen),
        correlate_with_distances(summary.pairs.scores["mAP"], summary.languages),
        correlate_with_distances(summary.favoured.mean_rank, summary.languages),
    )
