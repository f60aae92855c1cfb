"""Tests of the null hypothesis that means are 0, from sums over independent clusters."""

import numpy as np
from scipy.special import fdtrc, stdtr

_NEGLIGIBLE = 1e-10  # relative to the largest eigenvalue: rounding leaves some 1e-15 instead of 0


def hotelling_test(sums: np.ndarray, freedom: int) -> float:
    """Return the p-value of Hotelling's test that all sums have the mean 0 (1931, Ann. Math. Statist. 2, 360–378).

    Parameters
    ----------
    sums
        Shape (clusters, variables).
    freedom
        Number of independent variables: one less than all for deviations that add up to 0.

    Returns
    -------
    float
        NaN unless there are more clusters than independent variables and all of these vary.
    """
    count = len(sums)
    if not 0 < freedom < count:
        return float("nan")
    mean = sums.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(sums, rowvar=False).reshape(sums.shape[1], -1))
    kept = values > _NEGLIGIBLE * values.max(initial=0.0)
    if kept.sum() != freedom:
        return float("nan")
    statistic = count * float(((mean @ vectors[:, kept]) ** 2 / values[kept]).sum())
    return float(fdtrc(freedom, count - freedom, statistic * (count - freedom) / (freedom * (count - 1))))


def t_test(sums: np.ndarray) -> np.ndarray:
    """Return two-sided p-values of t-tests that the sums of each variable have the mean 0.

    Parameters
    ----------
    sums
        Shape (clusters, …).

    Returns
    -------
    numpy.ndarray
        Shape (…): 1 where all sums are 0, 0 where they are otherwise constant. NaN with fewer than two clusters.
    """
    count = len(sums)
    if count < 2:
        return np.full(sums.shape[1:], np.nan)
    mean, error = sums.mean(axis=0), sums.std(axis=0, ddof=1) / np.sqrt(count)
    varies = error > 1e-12 * np.abs(sums).max(initial=0.0)
    p_values = 2 * stdtr(count - 1, -np.abs(mean) / np.where(varies, error, 1.0))
    found: np.ndarray = np.where(varies, p_values, (mean == 0).astype(float))
    return found
