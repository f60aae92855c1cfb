"""Which of many encoders differ significantly? Those that share a letter do not.

In: what each question adds to each setting, by encoder. Out: letters, a the best, and how large a difference would have
to be to be found. Both are about these checkpoints; other seeds of the same recipe may differ by more.
"""

import re
from collections.abc import Sequence
from itertools import accumulate, combinations
from string import ascii_lowercase

import numpy as np
from scipy.special import stdtrit

from babelrank.analysis.bootstrap import RANK_DISTANCE, QuestionScores, require_paired
from babelrank.analysis.comparison import (
    SIGNIFICANT,
    contributions_to,
    holm,
    permutation_test,
    shares_of,
    standard_errors,
)

POWER = 0.8
PRACTICAL_MARGIN = 0.001  # smaller differences of an accuracy may look alike where three decimals are shown


def find_letters(
    encoders: Sequence[QuestionScores],
    figure: str,
    *,
    recipes: Sequence[str] = (),
    margin: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Return the letters of each encoder, in the order given, which should be from best to worst.

    Two encoders differ if a paired permutation test of the figure, over questions or clusters of them, is significant
    at 5 % after Holm's correction over all pairs; the letters are those of `display`.

    Parameters
    ----------
    figure
        One of `bootstrap.MACRO_MEASURES`.
    recipes
        What each encoder is a run of. Runs of one recipe, such as two seeds, are not compared, and have the same
        letters: a recipe differs from another encoder if each of its runs does.
    margin
        The largest difference that does not matter in practice, in units of the figure: only encoders that differ by
        significantly more get different letters.

    Raises
    ------
    ReportError
        They did not rank for the same questions.
    """
    numbers = combinations(range(len(encoders)), 2)
    pairs = [(i, j) for i, j in numbers if not recipes or recipes[i] != recipes[j]]
    apart = np.zeros((len(encoders), len(encoders)), dtype=bool)
    if pairs:
        columns, shares = _columns(encoders, figure)
        p_values = permutation_test(columns, np.array(pairs), margin=margin, shares=shares, seed=seed)
        for (i, j), p_value in zip(pairs, holm(p_values), strict=True):
            apart[i, j] = apart[j, i] = p_value < SIGNIFICANT
    for recipe in set(recipes):
        runs = [i for i, each in enumerate(recipes) if each == recipe]
        together = np.logical_and.reduce(apart[runs], axis=0)
        apart[runs], apart[:, runs] = together, together[:, None]
    return display(apart)


def places(letters: Sequence[str]) -> list[int]:
    """Return the place of each encoder, best first: one more than the encoders before it that are significantly better.

    Encoders that do not differ from the first share the first place, and places do not fall. Without letters they are
    1, 2, 3, …

    Examples
    --------
    >>> places(["a", "ab", "b", "c"])
    [1, 1, 2, 4]
    """
    groups = [set(re.findall(r"[a-z]\d*", each)) for each in letters]
    better = [sum(not group & before for before in groups[:i]) if group else i for i, group in enumerate(groups)]
    return [1 + most for most in accumulate(better, max)]


def significantly_best(
    encoders: Sequence[QuestionScores],
    figures: Sequence[tuple[str, Sequence[str]]],
    *,
    margin: float = PRACTICAL_MARGIN,
    seed: int = 0,
) -> list[int | None]:
    """Return which encoder is significantly better than all others, by its position, for each figure; None if none is.

    The best is compared with each other by paired permutation tests, at 5 % after Holm's correction over these. With
    fewer than two encoders, or too few clusters, there is none.

    Parameters
    ----------
    figures
        Each one of `bootstrap.MACRO_MEASURES`, with the query languages that count; all if there are none.
    margin
        As in `find_letters`; it does not apply to the rank distance.

    Raises
    ------
    ReportError
        The encoders did not rank for the same questions.
    """
    if len(encoders) < 2 or encoders[0].warning:
        return [None] * len(figures)
    for other in encoders[1:]:
        require_paired(encoders[0], other)
    first, best = encoders[0], []
    for figure, languages in figures:
        columns = np.stack([contributions_to(figure, encoder, languages) for encoder in encoders], axis=1)
        totals = columns.sum(axis=0) * (-1 if figure == RANK_DISTANCE else 1)
        top = int(np.argmax(totals))
        p_values = permutation_test(
            first.by_cluster(columns),
            np.array([(top, j) for j in range(len(encoders)) if j != top]),
            margin=0.0 if figure == RANK_DISTANCE else margin,
            shares=first.by_cluster(shares_of(figure, first, languages)),
            seed=seed,
        )
        best.append(top if (holm(p_values) < SIGNIFICANT).all() else None)  # NaN is not
    return best


def minimal_detectable_difference(encoders: Sequence[QuestionScores], figure: str) -> float:
    """Return the difference that a test at 5 % would find in 80 % of the cases, for the median pair of the encoders.

    It is (t₀.₉₇₅ + t₀.₈) standard errors of a paired difference, with Student's t of clusters − 1 degrees of freedom
    (Bloom 1995, Evaluation Review 19, 547–556). Holm's correction over many pairs asks for more.

    Parameters
    ----------
    figure
        One of `bootstrap.MACRO_MEASURES`.

    Returns
    -------
    float
        In units of the figure; NaN with fewer than two encoders or two clusters.

    Raises
    ------
    ReportError
        They did not rank for the same questions.
    """
    pairs = np.array(list(combinations(range(len(encoders)), 2)), dtype=np.int64).reshape(-1, 2)
    if not len(pairs) or encoders[0].cluster_count < 2:
        return float("nan")
    columns, shares = _columns(encoders, figure)
    errors = standard_errors(columns[:, pairs[:, 0]] - columns[:, pairs[:, 1]], shares)
    return float(np.median(errors) * stdtrit(len(columns) - 1, [1 - SIGNIFICANT / 2, POWER]).sum())


def _columns(encoders: Sequence[QuestionScores], figure: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what each cluster adds to the figure of each encoder, shape (clusters, encoders), and its share."""
    for other in encoders[1:]:
        require_paired(encoders[0], other)
    columns = np.stack([contributions_to(figure, encoder) for encoder in encoders], axis=1)
    return encoders[0].by_cluster(columns), encoders[0].by_cluster(shares_of(figure, encoders[0]))


def display(apart: np.ndarray) -> list[str]:
    """Return letters such that two share one exactly if they do not differ: a compact letter display.

    Insert and absorb after Piepho 2004 (Journal of Computational and Graphical Statistics 13:456): each pair that is
    different splits the groups that hold both, and groups within others go.

    Parameters
    ----------
    apart
        Symmetric; bool, shape (encoders, encoders).
    """
    groups = [frozenset(range(len(apart)))]
    for i, j in np.argwhere(np.triu(apart)).tolist():
        split = [part for group in groups for part in ((group - {i}, group - {j}) if {i, j} <= group else (group,))]
        groups = [group for group in dict.fromkeys(split) if not any(group < other for other in split)]
    groups.sort(key=sorted)
    return ["".join(_letter(g) for g, group in enumerate(groups) if i in group) for i in range(len(apart))]


def _letter(number: int) -> str:
    """Return a to z, then a1 to z1, and so on."""
    turn, place = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(turn) if turn else "")
