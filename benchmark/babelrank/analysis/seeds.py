"""Test whether one training recipe is better than another, with differences that allow for questions and seeds.

In: a measure of each checkpoint of the recipes, with the influence of each cluster of questions. Out: a contrast of
their means with an interval and a p-value. An interval over questions alone is about these checkpoints: with other
seeds, either recipe may come out ahead. All recipes with several seeds help to estimate the variance between seeds.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.clusters import FEWEST
from babelrank.analysis.comparison import standard_errors
from babelrank.analysis.influence import Influence, weighted_sum

_LEVEL = 0.95


@dataclass(frozen=True)
class SeedSpread:
    """Variation of a macro measure between seeds of one recipe.

    Attributes
    ----------
    deviation
        Standard deviation, pooled over recipes.
    freedom
        Degrees of freedom of the estimate: seeds minus recipes.
    """

    deviation: float
    freedom: int


@dataclass(frozen=True)
class RecipeDifference:
    """Difference of a macro measure between two recipes, or between the gains of two changes.

    Attributes
    ----------
    interval
        The difference of the means over seeds, with its 95 % interval.
    p
        Two-sided p-value that the difference is the given margin. Correct it over all claims of a page
        (`comparison.holm`).
    seeds
        Number of checkpoints of each recipe with a non-zero weight.
    with_seeds
        Whether the interval includes the variance between seeds. Without it the difference is one of checkpoints, and
        does not support claims about recipes.
    """

    interval: Interval
    p: float
    seeds: tuple[int, ...]
    with_seeds: bool


def pool_seeds(recipes: Sequence[Sequence[Influence]]) -> SeedSpread | None:
    """Estimate the variance between seeds from all recipes with two checkpoints or more; None if there is none.

    Parameters
    ----------
    recipes
        The same measure of each recipe's checkpoints, on one collection.
    """
    values = [[run.value for run in runs] for runs in recipes if len(runs) > 1]
    freedom = sum(len(each) - 1 for each in values)
    if not freedom:
        return None
    squares = sum(float(np.var(each)) * len(each) for each in values)
    return SeedSpread(float(np.sqrt(squares / freedom)), freedom)


def contrast_recipes(
    recipes: Sequence[Sequence[Influence]],
    weights: Sequence[float],
    spread: SeedSpread | None,
    *,
    margin: float = 0.0,
    fixed: Collection[int] = (),
) -> RecipeDifference:
    """Compare recipes in a macro measure: Σ w_r f_r, where f_r is the mean over the checkpoints of recipe r.

    Weights of 1 and −1 give the difference between two recipes; 1, −1, −1, 1 give the difference between the gains of
    two changes. The variance is that over clusters of questions, plus σ² Σ w_r² / n_r for the n_r seeds of each recipe.
    The interval uses Student's t, with the degrees of freedom of such a sum after Satterthwaite (1946, Biometrics
    Bulletin 2, 110–114).

    Parameters
    ----------
    recipes
        The measure of each recipe's checkpoints, with different seeds.
    weights
        w_r, one for each recipe; 0 leaves a recipe out.
    spread
        Result of `pool_seeds` on this collection; None ignores the variance between seeds.
    margin
        Difference under the null hypothesis of `p`.
    fixed
        Positions of models that were not trained here and have no other seeds.

    Returns
    -------
    RecipeDifference
        Values are NaN without queries. There are no bounds with too few clusters.

    Raises
    ------
    ReportError
        The checkpoints did not rank for the same questions.
    """
    chosen = {number: weight for number, weight in enumerate(weights) if weight}
    counts = tuple(len(recipes[number]) for number in chosen)
    means = [weighted_sum([(1 / len(recipes[number]), run) for run in recipes[number]]) for number in chosen]
    total = weighted_sum(list(zip(chosen.values(), means, strict=True)))
    value, clusters = total.value, len(total.deviations)
    error = standard_errors(total.deviations[:, None], np.zeros(clusters))[0]
    seeds = [weight**2 / len(recipes[number]) for number, weight in chosen.items() if number not in fixed]
    between = 0.0 if spread is None else spread.deviation**2 * sum(seeds)
    deviation = float(np.sqrt(error**2 + between))
    if deviation == 0:
        return RecipeDifference(Interval(value, value, value), float(value == margin), counts, spread is not None)
    squares = error**4 / (clusters - 1) + (between**2 / spread.freedom if spread is not None else 0.0)
    freedom = deviation**4 / squares
    half = float(stdtrit(freedom, (1 + _LEVEL) / 2)) * deviation if clusters >= FEWEST else float("nan")
    p = float(2 * stdtr(freedom, -abs(value - margin) / deviation))
    return RecipeDifference(Interval(value, value - half, value + half), p, counts, spread is not None)
