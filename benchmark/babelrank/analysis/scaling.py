"""Fit a law of a measure over the number of parameters, within a family of models.

In: one point per encoder, its size with a measure of accuracy (mAP) or of bias. Out: a power law, or a straight line
over the logarithm of the size if the points support no more, with confidence intervals. Unlike models differ in more
than size, so only models of one family are fitted together, and only with four sizes or more.
"""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from babelrank.analysis.bootstrap import Interval
from babelrank.errors import ReportError

POWER_LAW = "power law"
LOG_LINEAR = "log-linear"
FEWEST_SIZES = 4  # a power law has three coefficients; with fewer sizes intervals are meaningless
_EXPONENTS = np.geomspace(0.01, 10, 200)  # start of the search; a steeper law would be a step
_LEVEL = 0.95


@dataclass(frozen=True)
class ScalingPoint:
    """One encoder.

    Attributes
    ----------
    label
        Its name.
    parameters
        Size: number of parameters.
    value
        Value of the measure.
    family
        Family of the model, such as ``multilingual-e5``; None if unknown.
    """

    label: str
    parameters: float
    value: float
    family: str | None = None


@dataclass(frozen=True)
class ScalingFit:
    """A law fitted by least squares with equal weights.

    Attributes
    ----------
    form
        ``power law``, y = a + b · (N / N₀)^(−c), after Kaplan et al. 2020, arXiv 2001.08361, with a limit a as in
        Hoffmann et al. 2022, arXiv 2203.15556; or ``log-linear``, y = a + b · log₁₀(N / N₀), the limit of a power law
        as c goes to 0.
    reference
        N₀, the geometric mean of the sizes, which makes the coefficients less dependent on each other than 1 would.
    coefficients
        a, b and, for a power law, c, each with its 95 % confidence interval.
    r_squared
        1 − residual / total sum of squares; None if all values are the same.
    points
        Fitted points, by size.
    covariance
        Covariance of the coefficients, shape (coefficients, coefficients).

    Notes
    -----
    Intervals use Student's t with n − (number of coefficients) degrees of freedom. They are exact for the line under
    normal errors, and use the delta method for the power law (with the covariance that scipy.optimize.curve_fit
    linearises at the fit). The points are not resampled: with four to a dozen encoders, too many resamples have too few
    different sizes for a fit.
    """

    form: str
    reference: float
    coefficients: dict[str, Interval]
    r_squared: float | None
    points: tuple[ScalingPoint, ...]
    covariance: np.ndarray

    def predict(self, parameters: float) -> Interval:
        """Return the law's mean at a size with its 95 % confidence interval, which is not a prediction interval.

        Raises
        ------
        ReportError
            The size is not positive and finite.
        """
        if not 0 < parameters < np.inf:
            raise ReportError(f"{parameters}: a number of parameters is positive and finite.")
        size = np.array([parameters / self.reference])
        estimate = np.array([interval.value for interval in self.coefficients.values()])
        law, gradient = (_power, _power_gradient) if self.form == POWER_LAW else (_line, _line_gradient)
        slope = gradient(size, *estimate)[0]
        half = _t(len(self.points) - len(estimate)) * float(np.sqrt(max(slope @ self.covariance @ slope, 0.0)))
        value = float(law(size, *estimate)[0])
        return Interval(value, value - half, value + half)


def fit_families(points: Sequence[ScalingPoint]) -> dict[str, ScalingFit]:
    """Fit a law to each family of models with four sizes or more."""
    families: defaultdict[str, list[ScalingPoint]] = defaultdict(list)
    for point in points:
        if point.family:
            families[point.family].append(point)
    return {
        family: fit_scaling(members)
        for family, members in families.items()
        if len({point.parameters for point in members}) >= FEWEST_SIZES
    }


def fit_scaling(points: Sequence[ScalingPoint]) -> ScalingFit:
    """Fit a law to a measure over the number of parameters.

    The law is a power law if the confidence interval of its exponent is above 0; otherwise log-linear.

    Raises
    ------
    ReportError
        There are fewer than four sizes, or a size or value is not a finite number.
    """
    ordered = tuple(sorted(points, key=lambda point: (point.parameters, point.label)))
    for point in ordered:
        if not (0 < point.parameters < np.inf and np.isfinite(point.value)):
            raise ReportError(
                f"{point.label}: {point.parameters} parameters with value {point.value}; "
                "a size is positive, and both are finite."
            )
    sizes = np.array([point.parameters for point in ordered], dtype=float)
    values = np.array([point.value for point in ordered], dtype=float)
    different = len(np.unique(sizes))
    if different < FEWEST_SIZES:
        raise ReportError(f"a scaling law takes encoders of at least {FEWEST_SIZES} different sizes, got {different}.")
    reference = float(np.exp(np.log(sizes).mean()))
    relative = sizes / reference
    found = _fit_power(relative, values)
    estimate, covariance = found or _fit_line(relative, values)
    fitted = (_power if found else _line)(relative, *estimate)
    half = _t(len(ordered) - len(estimate)) * np.sqrt(np.diag(covariance))
    residual, total = float(((values - fitted) ** 2).sum()), float(((values - values.mean()) ** 2).sum())
    return ScalingFit(
        form=POWER_LAW if found else LOG_LINEAR,
        reference=reference,
        coefficients={
            name: Interval(float(value), float(value - width), float(value + width))
            for name, value, width in zip("abc", estimate, half, strict=False)
        },
        r_squared=1 - residual / total if _vary(values) else None,
        points=ordered,
        covariance=covariance,
    )


def _fit_line(sizes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of ordinary least squares and their covariance."""
    design = _line_gradient(sizes)
    estimate, *_ = np.linalg.lstsq(design, values)
    residual = float(((values - design @ estimate) ** 2).sum())
    return estimate, np.linalg.inv(design.T @ design) * residual / (len(values) - design.shape[1])


def _fit_power(sizes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the coefficients of a power law and their covariance; None if the points do not determine its exponent."""
    from scipy.optimize import OptimizeWarning, curve_fit  # takes a quarter of a second to import

    if not _vary(values):
        return None
    # For a given exponent the law is linear in a and b: curve_fit starts from the best exponent of a grid.
    designs = np.stack([np.ones((len(_EXPONENTS), len(sizes))), sizes ** -_EXPONENTS[:, None]], axis=2)
    linear = (np.linalg.pinv(designs) @ values[:, None])[..., 0]
    losses = ((values - (designs @ linear[..., None])[..., 0]) ** 2).sum(axis=1)
    best = int(losses.argmin())
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("error", OptimizeWarning)  # no covariance
            estimate, covariance = curve_fit(
                _power, sizes, values, p0=[*linear[best], _EXPONENTS[best]], jac=_power_gradient, method="lm"
            )
    except (RuntimeError, OptimizeWarning):  # RuntimeError: no convergence
        return None
    half = _t(len(values) - len(estimate)) * np.sqrt(covariance[2, 2])
    return (estimate, covariance) if half < estimate[2] < _EXPONENTS[-1] else None


def _vary(values: np.ndarray) -> bool:
    return bool(np.ptp(values) > 1e-12 * np.abs(values).max())  # less is rounding


def _power(sizes: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    law: np.ndarray = a + b * sizes**-c
    return law


def _power_gradient(sizes: np.ndarray, *coefficients: float) -> np.ndarray:
    """Return the derivatives by a, b and c: shape (sizes, 3)."""
    _, b, c = coefficients
    return np.stack([np.ones_like(sizes), sizes**-c, -b * np.log(sizes) * sizes**-c], axis=1)


def _line(sizes: np.ndarray, a: float, b: float) -> np.ndarray:
    line: np.ndarray = a + b * np.log10(sizes)
    return line


def _line_gradient(sizes: np.ndarray, *_coefficients: float) -> np.ndarray:
    """Return the derivatives by a and b: shape (sizes, 2)."""
    return np.stack([np.ones_like(sizes), np.log10(sizes)], axis=1)


def _t(freedom: int) -> float:
    """Return the half-width of the interval in standard errors."""
    return float(stdtrit(freedom, (1 + _LEVEL) / 2))
