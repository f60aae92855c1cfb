"""Format numbers for people, equally on every processor."""

import math

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.analysis.settings import Cell

NO_VALUE = "–"
HASHED = 2**31  # dimensions: so many are places of hashes, not a vocabulary
_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_DIFFERENCE_DIGITS = {RANK_DISTANCE: 0, "rank_ratio": 1}
_ROUNDED_UP = 0.9995  # of a unit, three digits say one of it rather than a thousand of the next


def settle(value: float, digits: int = 9) -> float:
    """Round to the significant digits that sums on different processors share.

    A value between two texts, such as .8125 with three decimals, then gives the same text on each.
    """
    return float(f"{value:.{digits}g}")


def show_score(value: Cell, decimals: int = 3) -> str:
    """Write a score between 0 and 1, or a dash where there is none."""
    return NO_VALUE if value is None else f"{settle(value):.{decimals}f}"


def show_precisely(value: Cell) -> str:
    """Write a score with four decimals."""
    return show_score(value, 4)


def show_rank(value: Cell) -> str:
    """Write a rank or a difference of ranks."""
    return NO_VALUE if value is None else f"{settle(value):,.1f}"


def show_count(value: Cell) -> str:
    """Write a whole number."""
    return NO_VALUE if value is None else f"{settle(value):,.0f}"


def show_significant(value: Cell) -> str:
    """Write a positive number with three significant digits, and no digits after the point beyond them."""
    if value is None:
        return NO_VALUE
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def show_share(share: float) -> str:
    """Write a share as a percentage."""
    return f"{settle(share):.0%}"


def show_number(value: float) -> str:
    """Write a number that may be negative, with two decimals."""
    return f"{settle(value):.2f}".replace("-", "−")


def show_bias(value: float) -> str:
    """Write a measure of language bias: three decimals, or a whole number from 10 on."""
    return (f"{settle(value):.3f}" if abs(value) < 10 else f"{settle(value):,.0f}").replace("-", "−")


def show_signed(value: float) -> str:
    """Write a correlation: two decimals and its sign."""
    return f"{round(settle(value), 2) + 0.0:+.2f}".replace("-", "−")  # never −0.00


def show_p(p: float) -> str:
    """Write a p-value: three decimals, and no more zeros than say something."""
    return "< 0.001" if p < 0.001 else f"{settle(p):.3f}"


def show_parameters(number: float | None) -> str:
    """Write a number of weights, such as 118 M."""
    if number is None:
        return NO_VALUE
    for unit, letter in _UNITS:
        if number >= _ROUNDED_UP * unit:
            return f"{number / unit:.3g} {letter}"
    return f"{number:.0f}"


def show_dimension(dimension: float) -> str:
    """Write the length of a vector; a dash where it is a number of hashes."""
    return show_count(dimension) if dimension < HASHED else NO_VALUE


def show_seconds(value: Cell) -> str:
    """Write a duration."""
    if value is None:
        return NO_VALUE
    return f"{value:.2f} s" if value < 10 else f"{value:,.1f} s" if value < 100 else f"{value:,.0f} s"


def show_macro(figure: str, value: Cell) -> str:
    """Write one of `MACRO_MEASURES`, or one end of its interval."""
    return show_count(value) if figure == RANK_DISTANCE else show_score(value)


def show_change(figure: str, interval: Interval) -> str:
    """Write the difference of two macro figures with its interval, if there is one."""
    value, low, high = (show_difference(figure, bound) for bound in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})" if interval.is_known else value


def show_difference(figure: str, difference: float) -> str:
    """Write the difference of two macro figures, or a dash where there is none (NaN)."""
    digits = _DIFFERENCE_DIGITS.get(figure, 3)
    return NO_VALUE if math.isnan(difference) else f"{settle(difference):+,.{digits}f}".replace("-", "−")
