"""Laws over the number of parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from babelrank.analysis.scaling import LOG_LINEAR, POWER_LAW, ScalingPoint, fit_families, fit_scaling
from babelrank.errors import ReportError


def points(sizes, values):
    return [ScalingPoint(f"m{i}", n, v) for i, (n, v) in enumerate(zip(sizes, values, strict=True))]


SIZES = np.geomspace(1e6, 1e10, 9)


@pytest.mark.parametrize(("a", "b", "c"), [(0.9, -3.0, 0.2), (100.0, 5e4, 0.3), (0.7, -200.0, 0.5)])
def test_a_known_power_law_is_recovered(a, b, c):
    fit = fit_scaling(points(SIZES, a + b * SIZES**-c))
    assert fit.form == POWER_LAW
    found = {name: interval.value for name, interval in fit.coefficients.items()}
    assert found["a"] == pytest.approx(a)
    assert found["b"] * fit.reference ** found["c"] == pytest.approx(b)
    assert found["c"] == pytest.approx(c)
    assert fit.r_squared == pytest.approx(1)
    assert fit.predict(1e12).value == pytest.approx(a + b * 1e12**-c)


def test_the_interval_of_a_noisy_power_law_holds_the_truth_19_times_in_20():
    generator = np.random.default_rng(0)
    held, rounds = np.zeros(3), 200
    for _ in range(rounds):
        fit = fit_scaling(points(SIZES, 0.9 - 3 * SIZES**-0.2 + generator.normal(0, 0.002, len(SIZES))))
        assert fit.form == POWER_LAW
        truth = (0.9, -3 * fit.reference**-0.2, 0.2)
        held += [i.low <= value <= i.high for i, value in zip(fit.coefficients.values(), truth, strict=True)]
    assert (np.abs(held / rounds - 0.95) < 0.05).all()


def test_the_line_agrees_with_ordinary_least_squares():
    """Coefficients, their intervals, R² and the interval of the mean, as statsmodels has them."""
    sizes, values = np.array([2e6, 3e7, 3e7, 5e8, 4e9]), np.array([0.41, 0.55, 0.52, 0.63, 0.7])
    fit = fit_scaling(points(sizes, values))
    design = np.stack([np.ones_like(sizes), np.log10(sizes / fit.reference)], axis=1)
    other = OLS(values, design).fit()
    assert fit.r_squared == pytest.approx(other.rsquared)
    for interval, value, bounds in zip(fit.coefficients.values(), other.params, other.conf_int(), strict=True):
        assert (interval.value, interval.low, interval.high) == pytest.approx((value, *bounds))
    mean = other.get_prediction([[1.0, np.log10(1e9 / fit.reference)]])
    found = fit.predict(1e9)
    assert (found.value, found.low, found.high) == pytest.approx((mean.predicted[0], *mean.conf_int()[0]))


def test_a_straight_line_is_not_taken_for_a_power_law():
    noise = np.array([0.01, -0.02, 0.015, -0.005, 0.01, -0.015, 0.02, -0.01, 0.005])
    fit = fit_scaling(points(SIZES, 0.05 * np.log10(SIZES) + noise))
    assert fit.form == LOG_LINEAR
    slope = stats.linregress(np.log10(SIZES), 0.05 * np.log10(SIZES) + noise)
    assert fit.coefficients["b"].value == pytest.approx(slope.slope)


def test_laws_are_of_one_family_with_four_sizes():
    sizes = 10.0 ** np.arange(5, 10)
    families = ["a", "a", "a", "b", "a"]
    members = [
        ScalingPoint(f"m{i}", n, 0.1 * i, family) for i, (n, family) in enumerate(zip(sizes, families, strict=True))
    ]
    laws = fit_families([*members, ScalingPoint("other", 1e10, 0.9), *points([1e5, 1e6, 1e7, 1e8], [1, 2, 3, 4])])
    assert list(laws) == ["a"]
    assert [point.label for point in laws["a"].points] == ["m0", "m1", "m2", "m4"]
    assert laws["a"].coefficients == fit_scaling([members[i] for i in (0, 1, 2, 4)]).coefficients


def test_equal_values_make_a_flat_line_without_r_squared():
    fit = fit_scaling(points(SIZES, np.full(len(SIZES), 0.3)))
    assert (fit.form, fit.r_squared) == (LOG_LINEAR, None)
    assert fit.coefficients["b"].value == pytest.approx(0)
    assert fit.predict(1e11).value == pytest.approx(0.3)


@settings(max_examples=20)
@given(st.permutations(range(9)))
def test_the_order_of_the_points_does_not_matter(order):
    given = points(SIZES, 0.9 - 3 * SIZES**-0.2)
    assert fit_scaling([given[i] for i in order]).coefficients == fit_scaling(given).coefficients


@pytest.mark.parametrize(
    ("sizes", "values", "message"),
    [
        ([], [], "at least 4 different sizes, got 0"),
        ([1e6, 1e6, 1e7, 1e8], [0.1, 0.2, 0.2, 0.3], "at least 4 different sizes, got 3"),
        ([1e6, 0, 1e8], [0.1, 0.2, 0.3], "m1: 0 parameters"),
        ([1e6, 1e7, 1e8], [0.1, float("nan"), 0.3], "m1: .* value nan"),
    ],
)
def test_what_cannot_be_fitted_is_refused(sizes, values, message):
    with pytest.raises(ReportError, match=message):
        fit_scaling(points(sizes, values))


@pytest.mark.parametrize("size", [0, -1, float("inf"), float("nan")])
def test_there_is_no_prediction_for_an_impossible_size(size):
    with pytest.raises(ReportError, match="positive and finite"):
        fit_scaling(points(SIZES, 0.9 - 3 * SIZES**-0.2)).predict(size)
