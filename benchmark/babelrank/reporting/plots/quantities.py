"""The macro averages that can be drawn: their values by query language, their means, and their formats."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bootstrap import RANK_DISTANCE
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.errors import ReportError, unknown_choice
from babelrank.reporting.results import CollectionResults
from babelrank.reporting.summary import macro_value


@dataclass(frozen=True)
class Quantity:
    """A macro figure, as plots show it.

    Attributes
    ----------
    figure
        One of `MACRO_MEASURES`.
    title
        What it is.
    label
        Of an axis.
    by_language
        Its values by query language: float64, shape (languages,), NaN where there is none.
    show
        A value as text.
    logarithmic
        Whether ratios matter more than differences.
    """

    figure: str
    title: str
    label: str
    by_language: Callable[[CollectionResults], np.ndarray]
    show: Callable[[float], str]
    logarithmic: bool = False

    def macro(self, collection: CollectionResults) -> Cell:
        """Return the mean over all languages from the results; None if it is undefined."""
        return macro_value(collection, self.figure)


def _pairs(collection: CollectionResults) -> np.ndarray:
    return np.array(collection.pairs.scores["mAP"], dtype=float)


def _cross_lingual(collection: CollectionResults) -> np.ndarray:
    scores = _pairs(collection)
    np.fill_diagonal(scores, np.nan)
    means = [mean_or_none(row) for row in scores]
    return np.array(means, dtype=float)


def _score(score: float) -> str:
    return f"{score:.2f}"


def show_count(value: float) -> str:
    """Write a rank or a distance: whole, with commas; one decimal below 10, where that is not 0."""
    return f"{value:,.1f}".removesuffix(".0") if value < 9.95 else f"{value:,.0f}"


QUANTITIES = {
    quantity.figure: quantity
    for quantity in (
        Quantity(
            "monolingual",
            "monolingual mAP (Mo.)",
            "mAP, Mo. (higher is better)",
            lambda collection: np.diag(_pairs(collection)),
            _score,
        ),
        Quantity("cross_lingual", "cross-lingual mAP (Cr.)", "mAP, Cr. (higher is better)", _cross_lingual, _score),
        Quantity(
            "multilingual",
            "multilingual mAP (Mul.)",
            "mAP, Mul. (higher is better)",
            lambda collection: np.array(collection.pool.scores["mAP"], dtype=float),
            _score,
        ),
        Quantity(
            RANK_DISTANCE,
            "rank distance",
            "rank distance (lower is better)",
            lambda collection: np.array(collection.rank_distance.mean, dtype=float),
            show_count,
            logarithmic=True,
        ),
    )
}
DISTANCE = QUANTITIES[RANK_DISTANCE]


def find_quantity(name: str) -> Quantity:
    """Return the quantity of a macro figure.

    Raises
    ------
    ReportError
        `name` is not one of `MACRO_MEASURES`.
    """
    if name not in QUANTITIES:
        raise ReportError(unknown_choice("figure", name, QUANTITIES))
    return QUANTITIES[name]
