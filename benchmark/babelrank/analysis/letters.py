"""Which of many encoders can be told apart? Those that share a letter are in a statistical tie.

In: what each question adds to each setting, by encoder. Out: letters, a the best.
"""

from collections.abc import Sequence
from itertools import combinations
from string import ascii_lowercase

import numpy as np

from babelrank.analysis.bootstrap import QuestionFigures, require_paired
from babelrank.analysis.comparison import contributions_to, holm, permutation_test

SIGNIFICANT = 0.05


def find_letters(encoders: Sequence[QuestionFigures], figure: str, *, seed: int = 0) -> list[str]:
    """Return the letters of each encoder, in the order given, which should be from best to worst.

    Two encoders are told apart if a paired permutation test of the figure is significant at 5 % after Holm's correction
    over all pairs; the letters are those of `display`.

    Parameters
    ----------
    figure
        One of `bootstrap.MACRO_FIGURES`.

    Raises
    ------
    ReportError
        They did not rank for the same questions.
    """
    pairs = list(combinations(range(len(encoders)), 2))
    apart = np.zeros((len(encoders), len(encoders)), dtype=bool)
    if pairs:
        for i, j in pairs:
            require_paired(encoders[i], encoders[j])
        columns = np.stack([contributions_to(figure, encoder) for encoder in encoders], axis=1)
        corrected = holm(permutation_test(columns, np.array(pairs), seed=seed))
        for (i, j), p_value in zip(pairs, corrected, strict=True):
            apart[i, j] = apart[j, i] = p_value < SIGNIFICANT
    return display(apart)


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
