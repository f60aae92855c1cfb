"""Which of many encoders can be told apart? Those that share a letter are in a statistical tie.

In: what each question adds to each setting, by encoder. Out: letters, a the best, and how large a difference would have
to be to be found. Both are about these checkpoints; other seeds of the same recipe may differ by more.
"""

from collections.abc import Sequence
from itertools import combinations
from string import ascii_lowercase

import numpy as np
from scipy.special import stdtrit

from babelrank.analysis.bootstrap import QuestionScores, require_paired
from babelrank.analysis.comparison import contributions_to, holm, permutation_test, shares_of, standard_errors

SIGNIFICANT = 0.05
POWER = 0.8


def find_letters(encoders: Sequence[QuestionScores], figure: str, *, margin: float = 0.0, seed: int = 0) -> list[str]:
    """Return the letters of each encoder, in the order given, which should be from best to worst.

    Two encoders are told apart if a paired permutation test of the figure, over questions or clusters of them, is
    significant at 5 % after Holm's correction over all pairs; the letters are those of `display`.

    Parameters
    ----------
    figure
        One of `bootstrap.MACRO_MEASURES`.
    margin
        The largest difference that does not matter in practice, in units of the figure: only encoders that differ by
        significantly more are told apart.

    Raises
    ------
    ReportError
        They did not rank for the same questions.
    """
    pairs = list(combinations(range(len(encoders)), 2))
    apart = np.zeros((len(encoders), len(encoders)), dtype=bool)
    if pairs:
        columns, shares = _columns(encoders, figure)
        p_values = permutation_test(columns, np.array(pairs), margin=margin, shares=shares, seed=seed)
        for (i, j), p_value in zip(pairs, holm(p_values), strict=True):
            apart[i, j] = apart[j, i] = p_value < SIGNIFICANT
    return display(apart)


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
    """Return letters such that two share one exactly if they are not told apart: a compact letter display.

    Insert and absorb after Piepho 2004 (Journal of Computational and Graphical Statistics 13:456): each pair that is
    told apart splits the groups that hold both, and groups within others go.

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
