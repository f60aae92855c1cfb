"""Intervals of shares."""

import doctest

import pytest
from statsmodels.stats.proportion import proportion_confint

from babelrank.analysis import proportions
from babelrank.analysis.proportions import wilson_intervals


@pytest.mark.parametrize(("hits", "count"), [(0, 3), (3, 4), (40, 40), (17, 1190)])
def test_intervals_are_those_of_statsmodels(hits, count):
    ((found,),) = wilson_intervals([[hits]], [[count]])
    assert (found.low, found.high) == pytest.approx(proportion_confint(hits, count, method="wilson"))
    assert found.value == hits / count
    assert doctest.testmod(proportions).failed == 0


def test_where_nothing_was_counted_there_is_no_interval():
    assert wilson_intervals([[0, 1]], [[0, 0]]) == [[None, None]]
