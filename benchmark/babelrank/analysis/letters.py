"""Mark encoders that do not differ significantly with a shared letter.

In: the contribution of each question to each setting, by encoder. Out: letters, a for the best, and the smallest
difference that the tests can detect. Both are about these checkpoints; other seeds of the same recipe may differ by
more.
"""

import re
from collections.abc import Sequence
from itertools import combinations
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
from babelrank.analysis.margins import PRACTICAL_MARGIN

POWER = 0.8


def find_letters(
    encoders: Sequence[QuestionScores],
    figure: str,
    *,
    recipes: Sequence[str] = (),
    margin: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Return the letters of each encoder. Give encoders from best to worst.

    Two encoders differ if a paired permutation test of the measure, over questions or clusters of questions, is
    significant at 5 % after Holm's correction over all pairs. `display` assigns the letters.

    Parameters
    ----------
    figure
        One of `bootstrap.MACRO_MEASURES`.
    recipes
        Recipe of each encoder. Runs of one recipe, such as two seeds, are not compared, and have the same letters: a
        recipe differs from another encoder if each of its runs does.
    margin
        The largest difference that does not matter in practice, in units of the measure. Only encoders that differ
        significantly by more get different letters.

    Raises
    ------
    ReportError
        The encoders did not rank for the same questions.
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
    """Return the place of each encoder, best first: 1 plus the number of significantly better encoders before it.

    Encoders that do not differ from the first share the first place. An encoder that differs from few has a lower place
    than one before it that differs from more. Without letters, places are 1, 2, 3, …

    Examples
    --------
    >>> places(["a", "ab", "c", "abd"])
    [1, 1, 3, 2]
    """
    groups = [set(re.findall(r"[a-z]\d*", each)) for each in letters]
    return [1 + (sum(not group & before for before in groups[:i]) if group else i) for i, group in enumerate(groups)]


def significantly_best(
    encoders: Sequence[QuestionScores],
    figures: Sequence[tuple[str, Sequence[str]]],
) -> list[int | None]:
    """Return by measure the position of the encoder that is significantly better than all others, or None.

    Better means by more than `PRACTICAL_MARGIN`, which does not apply to the rank distance. Paired permutation tests
    compare the best encoder with each other one, at 5 % after Holm's correction over these tests. With fewer than two
    encoders, or too few clusters, the result is None.

    Parameters
    ----------
    figures
        Each one of `bootstrap.MACRO_MEASURES`, with its query languages; all languages if empty.

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
            margin=0.0 if figure == RANK_DISTANCE else PRACTICAL_MARGIN,
            shares=first.by_cluster(shares_of(figure, first, languages)),
        )
        best.append(top if (holm(p_values) < SIGNIFICANT).all() else None)  # False for NaN
    return best


def minimal_detectable_difference(encoders: Sequence[QuestionScores], figure: str) -> float:
    """Return the difference that a test at 5 % detects with 80 % power, for the median pair of the encoders.

    It is (t₀.₉₇₅ + t₀.₈) standard errors of a paired difference, with Student's t of clusters − 1 degrees of freedom
    (Bloom 1995, Evaluation Review 19, 547–556). Holm's correction over many pairs needs a larger difference.

    Parameters
    ----------
    figure
        One of `bootstrap.MACRO_MEASURES`.

    Returns
    -------
    float
        In units of the measure; NaN with fewer than two encoders or two clusters.

    Raises
    ------
    ReportError
        The encoders did not rank for the same questions.
    """
    pairs = np.array(list(combinations(range(len(encoders)), 2)), dtype=np.int64).reshape(-1, 2)
    if not len(pairs) or encoders[0].cluster_count < 2:
        return float("nan")
    columns, shares = _columns(encoders, figure)
    errors = standard_errors(columns[:, pairs[:, 0]] - columns[:, pairs[:, 1]], shares)
    return float(np.median(errors) * stdtrit(len(columns) - 1, [1 - SIGNIFICANT / 2, POWER]).sum())


def _columns(encoders: Sequence[QuestionScores], figure: str) -> tuple[np.ndarray, np.ndarray]:
    """Return each cluster's contribution to the measure by encoder, shape (clusters, encoders), and its share."""
    for other in encoders[1:]:
        require_paired(encoders[0], other)
    columns = np.stack([contributions_to(figure, encoder) for encoder in encoders], axis=1)
    return encoders[0].by_cluster(columns), encoders[0].by_cluster(shares_of(figure, encoders[0]))


def display(apart: np.ndarray) -> list[str]:
    """Return letters so that two encoders share a letter exactly if they do not differ: a compact letter display.

    Insert and absorb after Piepho 2004 (Journal of Computational and Graphical Statistics 13:456): each pair that
    differs splits the groups that contain both, and groups within others are removed.

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
