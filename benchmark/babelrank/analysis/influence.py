"""Macro measures of a checkpoint, with the influence of each cluster of questions on them.

In: scores by question, and for measures of language bias the rank table. Out: `Influence`, from which the variance of
any sum of measures follows, such as the difference between two checkpoints or between two gains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import pandas as pd

from babelrank.analysis.bias_measure import mean_known
from babelrank.analysis.bootstrap import QuestionScores, require_paired
from babelrank.analysis.comparison import contributions_to, shares_of
from babelrank.analysis.language_effect import eta_squared_without, log_rank_ratio_without
from babelrank.analysis.merge_gap import merge_gap_without
from babelrank.ranking.table import RankTable


def _geometric_mean(values: np.ndarray) -> np.ndarray:
    means: np.ndarray = np.exp(mean_known(values))
    return means


# By measure of language bias: values by sample and query language, and their mean over query languages.
_Without = Callable[[RankTable, np.ndarray], np.ndarray]
_BIAS: MappingProxyType[str, tuple[_Without, Callable[[np.ndarray], np.ndarray]]] = MappingProxyType(
    {
        "language_effect": (eta_squared_without, mean_known),
        "rank_ratio": (log_rank_ratio_without, _geometric_mean),
        "merge_gap": (merge_gap_without, mean_known),
    }
)
BIAS_FIGURES = tuple(_BIAS)


@dataclass(frozen=True)
class Influence:
    """A macro measure, and what each cluster of questions changes in it.

    Attributes
    ----------
    value
        The measure on all questions.
    deviations
        Influence of each cluster: shape (clusters,), of sum 0. The measure has the variance K / (K − 1) · Σ d² over K
        clusters.
    scores
        Scores of the same questions. Only values of the same questions can be subtracted.
    """

    value: float
    deviations: np.ndarray
    scores: QuestionScores

    def __sub__(self, other: Self) -> "Influence":
        """Return the difference of two measures.

        Raises
        ------
        ReportError
            They are not of the same questions.
        """
        return weighted_sum([(1.0, self), (-1.0, other)])


def influence_on_mean(scores: QuestionScores, figure: str, languages: Sequence[str] = ()) -> Influence:
    """Return one of `bootstrap.MACRO_MEASURES`, linearised as a ratio of sums.

    With the contribution c_k of a cluster, the share w_k of its questions and the value m = Σ c_k, its influence is
    c_k − m w_k.

    Parameters
    ----------
    languages
        Only settings with queries in these languages.
    """
    contributions = contributions_to(figure, scores, languages)
    value = float(contributions.sum())
    deviations = contributions - value * shares_of(figure, scores, languages)
    return Influence(value, scores.by_cluster(deviations), scores)


def influence_on_bias(
    scores: QuestionScores, ranks: RankTable, figure: str, languages: Sequence[str] = ()
) -> Influence:
    """Return one of `BIAS_FIGURES`, by the jackknife over clusters (Tukey 1958, Ann. Math. Statist. 29, 614).

    With the value t_k without cluster k and the mean t of these, its influence is (K − 1) / K · (t − t_k). For a mean
    of equal clusters this is the same as in `influence_on_mean`.

    Parameters
    ----------
    scores
        Scores of the same rank table; their clusters are left out in turn.
    languages
        Only queries in these languages.
    """
    without, average = _BIAS[figure]
    question = pd.factorize(ranks.table["query_id"].to_numpy(dtype=object), sort=True)[0]
    chosen = [not languages or lang in languages for lang in ranks.languages]
    values = average(without(ranks, scores.cluster_numbers[question])[:, chosen])
    count = scores.cluster_count
    return Influence(float(values[0]), (count - 1) / count * (values[1:].mean() - values[1:]), scores)


def weighted_sum(terms: Sequence[tuple[float, Influence]]) -> Influence:
    """Return the sum of measures of the same questions, each times its weight.

    Raises
    ------
    ReportError
        They are not of the same questions.
    """
    first = terms[0][1].scores
    for _, each in terms[1:]:
        require_paired(first, each.scores)
    value = sum(weight * each.value for weight, each in terms)
    return Influence(value, np.sum([weight * each.deviations for weight, each in terms], axis=0), first)
