"""Vector instructions against NumPy: comparisons, maxima, and bits."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelrank.ranking.lanes import ALL, LANES, above, at_least, count, first, first_lanes, highest

# Few values, so that many are equal to the bound.
VALUES = st.lists(
    st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 1e-38, 0.25, 3.0, np.inf]), min_size=LANES + 5, max_size=LANES + 5
)


@numba.njit
def compared(values, begin, bound):
    return at_least(values, begin, bound), above(values, begin, bound)


@numba.njit
def highest_of(values, begin, size):
    return highest(values, begin, first_lanes(size)), highest(values, begin, ALL)


@numba.njit
def counted(bits):
    return count(bits), first(bits)


def as_number(holds: np.ndarray) -> int:
    return int(sum(1 << int(place) for place in np.flatnonzero(holds)))


@given(values=VALUES, begin=st.integers(0, 5), bound=st.sampled_from([-np.inf, -0.0, 0.0, 0.25, np.inf]))
def test_each_bit_says_whether_one_value_reaches_the_bound_or_is_above_it(values, begin, bound):
    array = np.array(values, np.float32)
    reached, over = compared(array, begin, np.float32(bound))
    window = array[begin : begin + LANES]
    assert reached % 2**LANES == as_number(window >= np.float32(bound))
    assert over % 2**LANES == as_number(window > np.float32(bound))


@given(values=VALUES, begin=st.integers(0, 5), size=st.integers(1, LANES))
def test_the_highest_value_is_that_of_the_first_lanes_alone(values, begin, size):
    array = np.array(values, np.float32)
    of_some, of_all = highest_of(array, begin, size)
    assert of_some == array[begin : begin + size].max()
    assert of_all == array[begin : begin + LANES].max()


def test_what_lies_behind_the_lanes_does_not_matter():
    array = np.full(LANES, np.nan, np.float32)
    array[:3] = [1, 7, 2]
    assert highest_of(array, 0, 3)[0] == 7


@pytest.mark.parametrize(
    ("bits", "number", "lowest"), [(1, 1, 0), (0b1011000, 3, 3), (-1, 64, 0), (-(2**63), 1, 63), (2**62, 1, 62)]
)
def test_bits_are_counted_and_the_lowest_is_found(bits, number, lowest):
    assert counted(bits) == (number, lowest)


def test_the_first_lanes_are_the_lowest_bits():
    assert [first_lanes(size) % 2**LANES for size in (1, 2, 63, 64)] == [1, 3, 2**63 - 1, 2**64 - 1]
