"""Intervals of shares from few observations."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from babelrank.analysis.bootstrap import Interval

_LEVEL = 0.95


def wilson_intervals(hits: Sequence[Sequence[float]], counts: Sequence[Sequence[float]]) -> list[list[Interval | None]]:
    """Return the 95 % interval of each share, hits over counts (Wilson 1927, JASA 22, 209–212); None without counts.

    The intervals assume independent observations: they are too narrow if questions share an article.

    Examples
    --------
    >>> ((interval,),) = wilson_intervals([[3]], [[4]])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.301, 0.954)
    """
    z = float(ndtri((1 + _LEVEL) / 2))
    k, n = np.array(hits, dtype=float), np.array(counts, dtype=float)
    n = np.where(n == 0, np.nan, n)
    share = k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    cells = np.stack([share, np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)], axis=2).tolist()
    return [[None if np.isnan(cell[0]) else Interval(*cell) for cell in row] for row in cells]
