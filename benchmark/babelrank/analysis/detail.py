"""Analyse a rank table in more detail than the summary in results.json.

Reports compute it when they are rendered, so a new analysis also applies to old reports.
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
from babelrank.analysis.typology import MEASURED, Explanation, explain_retrieval, language_traits
from babelrank.encoding.fertility import Fertility
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable


@dataclass(frozen=True)
class Detail:
    """Detailed analysis of one encoder on one collection with languages to compare.

    Attributes
    ----------
    figures
        Contribution of each question to each setting, in one measure; `figures.warning` says if intervals are too
        narrow.
    bias
        Effect of the passage's language on its rank.
    preference
        Ranks of the passage languages.
    tests
        Whether passage languages differ more than by chance.
    consistency
        Whether a question's translations rank its answers in the same order.
    lists
        Whether a question's translations retrieve the same passages; None without a table of top passages.
    groups
        Macro measures by script, family, genus, resources and training of the languages, by typological distance and by
        their tokens; see `groups.find_groups`.
    score_by_distance, rank_by_distance
        By kind of typological distance, its correlation with the cross-lingual mAP and with the mean rank in the pool.
    explanations
        Which traits of languages the mAP depends on; see `typology.explain_retrieval`.
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
    explanations: dict[str, Explanation]


def analyse_in_detail(
    ranks: RankTable,
    measure: str = DEFAULT_MEASURE,
    *,
    seen: Collection[str] | None = None,
    clusters: np.ndarray | None = None,
    top: TopTable | None = None,
    fertility: Fertility | None = None,
) -> Detail:
    """Compute from a rank table everything that a report shows beyond its results.

    Parameters
    ----------
    measure
        Measure with intervals.
    seen
        Languages that the encoder was trained on; None if unknown.
    clusters
        Cluster of each row for intervals and tests; None to resample questions.
    top
        The best passages of the same queries.
    fertility
        Tokens that the encoder makes of the languages; None if unknown.
    """
    figures = question_scores(ranks, measure, clusters=clusters)
    summary = analyse(ranks)
    scores, traits = summary.pairs.scores["mAP"], language_traits(summary.languages, seen, fertility)
    return Detail(
        figures,
        measure_language_bias(ranks, top, clusters=clusters),
        measure_preference(ranks),
        compare_languages(ranks, clusters=clusters),
        measure_consistency(ranks),
        compare_lists(top) if top else None,
        find_groups(figures, seen=seen, traits={name: traits[name] for name in MEASURED if name in traits}),
        correlate_with_distances(scores, summary.languages),
        correlate_with_distances(summary.favoured.mean_rank, summary.languages),
        explain_retrieval(scores, summary.languages, traits),
    )
