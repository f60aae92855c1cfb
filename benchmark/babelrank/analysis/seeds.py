"""Is one training recipe better than another? Differences that allow for questions and for seeds.

In: what each question adds to each setting, for the checkpoints of two recipes. Out: the difference of their means with
an interval and a p-value. An interval over questions alone is about these checkpoints: trained again with another seed,
either recipe may come out otherwise. How much seeds matter is estimated from all recipes that were run with several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from babelrank.analysis.bootstrap import Interval, QuestionScores, mean_scores, require_paired
from babelrank.analysis.comparison import contributions_to, shares_of, standard_errors

_LEVEL = 0.95


@dataclass(frozen=True)
class SeedSpread:
    """How much a macro figure varies between seeds of one recipe.

    Attributes
    ----------
    deviation
        Standard deviation, pooled over recipes.
    freedom
        Degrees of freedom that it rests on: seeds less recipes.
    """

    deviation: float
    freedom: int


@dataclass(frozen=True)
class RecipeDifference:
    """How much higher a macro figure is for the first of two recipes.

    Attributes
    ----------
    interval
        The difference of the means over seeds, with its 95 % interval.
    p
        Two-sided, that the difference is the margin that was asked about; correct it over all claims of a page
        (`comparison.holm`).
    seeds
        How many checkpoints of each.
    with_seeds
        Whether the interval includes the variance between seeds. Without it the difference is one of checkpoints, and
        says nothing certain about recipes.
    """

    interval: Interval
    p: float
    seeds: tuple[int, int]
    with_seeds: bool


def pool_seeds(
    recipes: Sequence[Sequence[QuestionScores]], figure: str, languages: Sequence[str] = ()
) -> SeedSpread | None:
    """Estimate the variance between seeds from all recipes with two checkpoints or more; None if there is none.

    Parameters
    ----------
    recipes
        The checkpoints of each recipe, on one collection.
    figure, languages
        As in `bootstrap.find_interval`.
    """
    values = [[contributions_to(figure, run, languages).sum() for run in runs] for runs in recipes if len(runs) > 1]
    freedom = sum(len(each) - 1 for each in values)
    if not freedom:
        return None
    squares = sum(float(np.var(each)) * len(each) for each in values)
    return SeedSpread(float(np.sqrt(squares / freedom)), freedom)


def compare_recipes(
    first: Sequence[QuestionScores],
    second: Sequence[QuestionScores],
    figure: str,
    spread: SeedSpread | None,
    *,
    times: float = 1.0,
    margin: float = 0.0,
    languages: Sequence[str] = (),
    fixed: bool = False,
) -> RecipeDifference:
    """Compare the means of two recipes' checkpoints in a macro figure.

    The variance of the difference is that over clusters of questions, plus σ² / m + times² σ² / n between the m and n
    seeds. The interval is of Student's t, with the degrees of freedom of such a sum after Satterthwaite (1946,
    Biometrics Bulletin 2, 110–114).

    Parameters
    ----------
    first, second
        Checkpoints of each recipe, with other seeds.
    figure
        One of `bootstrap.MACRO_MEASURES`.
    spread
        What `pool_seeds` found on this collection; None leaves seeds out.
    times
        Multiplies what is subtracted.
    margin
        The difference that `p` is about.
    languages
        Only settings with queries in these.
    fixed
        Whether the second is no recipe but a model as it is, which has no other seeds.

    Returns
    -------
    RecipeDifference
        With NaN for figures without queries, or with fewer than two clusters.

    Raises
    ------
    ReportError
        The checkpoints did not rank for the same questions.
    """
    ours, theirs = mean_scores(first), mean_scores(second)
    require_paired(ours, theirs)
    contributions = contributions_to(figure, ours, languages) - times * contributions_to(figure, theirs, languages)
    shares = ours.by_cluster(shares_of(figure, ours, languages))
    error = standard_errors(ours.by_cluster(contributions)[:, None], shares)[0]
    between = 0.0 if spread is None else spread.deviation**2 * (1 / len(first) + (not fixed) * times**2 / len(second))
    value, deviation = float(contributions.sum()), float(np.sqrt(error**2 + between))
    seeds = (len(first), len(second))
    if deviation == 0:
        return RecipeDifference(Interval(value, value, value), float(value == margin), seeds, spread is not None)
    parts = error**4 / (ours.cluster_count - 1) + (between**2 / spread.freedom if spread is not None else 0.0)
    freedom = deviation**4 / parts
    half = float(stdtrit(freedom, (1 + _LEVEL) / 2)) * deviation
    p = float(2 * stdtr(freedom, -abs(value - margin) / deviation))
    return RecipeDifference(Interval(value, value - half, value + half), p, seeds, spread is not None)
