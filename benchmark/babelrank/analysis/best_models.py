"""Find the models that are as good as the best one, with paired tests over clusters of questions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bootstrap import Interval, QuestionScores, find_interval, require_paired
from babelrank.analysis.comparison import SIGNIFICANT, contributions_to, holm, permutation_test, shares_of


@dataclass(frozen=True)
class VersusBest:
    """A model compared with the best.

    Attributes
    ----------
    score
        Value of the measure, with its bootstrap interval.
    behind
        Value minus that of the best model, with its interval; None for the best model.
    p, p_holm
        p-value of the two-sided paired permutation test of the difference, and the same after Holm's correction over
        all models; None for the best model.
    """

    score: Interval
    behind: Interval | None = None
    p: float | None = None
    p_holm: float | None = None

    @property
    def is_tied(self) -> bool:
        """Whether the model is the best, or does not differ significantly from it."""
        return self.p_holm is None or self.p_holm >= SIGNIFICANT


def compare_with_best(
    encoders: Sequence[QuestionScores], figure: str, *, margin: float = 0.0, seed: int = 0
) -> list[VersusBest]:
    """Compare every model with the one that has the highest value.

    Parameters
    ----------
    encoders
        One or more encoders that ranked for the same questions.
    figure
        One of `MACRO_MEASURES` for which higher is better, or `ALL_PAIRS`.
    margin
        Largest difference that does not matter in practice, in units of `figure`.

    Raises
    ------
    ReportError
        The encoders did not rank for the same questions.
    """
    for other in encoders[1:]:
        require_paired(encoders[0], other)
    columns = np.stack([encoders[0].by_cluster(contributions_to(figure, each)) for each in encoders], axis=1)
    best = int(np.argmax(columns.sum(axis=0)))
    others = [place for place in range(len(encoders)) if place != best]
    found = [VersusBest(find_interval(each, figure, seed=seed)) for each in encoders]
    if others:
        shares = encoders[0].by_cluster(shares_of(figure, encoders[0]))
        pairs = np.array([(place, best) for place in others])
        p_values = permutation_test(columns, pairs, margin=margin, shares=shares, seed=seed)
        for place, p, corrected in zip(others, p_values.tolist(), holm(p_values).tolist(), strict=True):
            behind = find_interval(encoders[place], figure, against=encoders[best], seed=seed)
            found[place] = VersusBest(found[place].score, behind, p, corrected)
    return found
