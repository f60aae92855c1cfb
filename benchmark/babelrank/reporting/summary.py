"""What matters most of a collection's results, in a few rows: for the report and the leaderboard."""

import math
from dataclasses import dataclass
from itertools import product

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, RANK_DISTANCE, Interval
from babelrank.analysis.settings import Cell
from babelrank.reporting.figures import setting_kinds
from babelrank.reporting.results import BIAS_FIGURES, SETTING_KINDS, CollectionResults

NO_VALUE = "–"
# Of the rank distance, by the name under which macro averages hold it.
BIAS_LABELS = dict(zip(BIAS_FIGURES, ("mean", "median", "floor", "normalised"), strict=True))
# What the paper calls the means over each kind of setting.
SETTING_LABELS = dict(zip(SETTING_KINDS, ("Mo.", "Cr.", "Mul."), strict=True))
# Of the macro figures with intervals; the arrow says which way is better.
MACRO_LABELS = {figure: f"{SETTING_LABELS[figure]} ↑" for figure in SETTING_KINDS} | {RANK_DISTANCE: "rank distance ↓"}

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_ROUNDED_UP = 0.9995  # of a unit, three digits say one of it rather than a thousand of the next


@dataclass(frozen=True)
class SummaryRow:
    """Averages over one kind of setting.

    Attributes
    ----------
    label
        ``Mo.``, ``Cr.``, ``Mul.`` or ``Mul. micro``.
    meaning
        What it averages over.
    scores
        By measure.
    """

    label: str
    meaning: str
    scores: dict[str, Cell]


def summary_rows(collection: CollectionResults) -> list[SummaryRow]:
    """Return the macro averages of the kinds of setting that there are, and the micro average of the multilingual."""
    pairs = collection.pairs.n
    diagonal = [i == j for i, j in product(range(len(pairs)), repeat=2)]
    filled = [n > 0 for row in pairs for n in row]
    monolingual = sum(a and b for a, b in zip(filled, diagonal, strict=True))
    multilingual = sum(n > 0 for n in collection.pool.n)
    counts = zip(SETTING_LABELS.values(), (monolingual, sum(filled) - monolingual, multilingual), strict=True)
    rows = {
        kind: SummaryRow(label, f"{kind.replace('_', '-')}, {_settings(count)}", collection.macro[kind])
        for kind, (label, count) in zip(SETTING_KINDS, counts, strict=True)
    }
    shown = [rows[kind] for kind in setting_kinds(collection.languages, pairs)]
    if rows["multilingual"] in shown:
        queries = f"multilingual, {sum(collection.pool.n):,} queries"
        shown.append(SummaryRow("Mul. micro", queries, collection.micro["multilingual"]))
    return shown


def summary_score(collection: CollectionResults, label: str, measure: str) -> Cell:
    """Return one of the averages of `summary_rows`; None where there is no such row."""
    return next((row.scores[measure] for row in summary_rows(collection) if row.label == label), None)


def macro_figure(collection: CollectionResults, figure: str) -> Cell:
    """Return one of `MACRO_FIGURES` as the report has it: mAP of a kind of setting, or the rank distance."""
    if figure == RANK_DISTANCE:
        return collection.macro["multilingual"][RANK_DISTANCE]
    return collection.macro[figure][DEFAULT_MEASURE]


def bias_row(collection: CollectionResults) -> dict[str, str]:
    """Return the macro rank distance as text: ``mean``, ``median``, ``floor`` in ranks, ``normalised`` from 0 to 1."""
    macro = collection.macro["multilingual"]
    return {
        label: show_score(macro[name], 4) if label == "normalised" else show_rank(macro[name])
        for name, label in BIAS_LABELS.items()
    }


def settle(value: float) -> float:
    """Round to nine significant digits: processors add up in different orders, and their sums agree that far.

    A figure that lies exactly between two texts, such as .8125 with three decimals, is then the same text on each.
    """
    return float(f"{value:.9g}")


def show_score(value: Cell, decimals: int = 3) -> str:
    """Write a score between 0 and 1, or a dash where there is none."""
    return NO_VALUE if value is None else f"{settle(value):.{decimals}f}"


def show_rank(value: Cell) -> str:
    """Write a rank or a difference of ranks."""
    return NO_VALUE if value is None else f"{settle(value):,.1f}"


def show_signed(value: float) -> str:
    """Write a correlation: two decimals and its sign."""
    return f"{settle(value):+.2f}".replace("-", "−")


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


def show_interval(figure: str, interval: Interval) -> str:
    """Write a macro figure with its interval."""
    return f"{settle(interval.value):,.{_digits(figure)}f} ({show_range(figure, interval)})"


def show_range(figure: str, interval: Interval) -> str:
    """Write the interval of a macro figure without the figure."""
    digits = _digits(figure)
    return f"{settle(interval.low):,.{digits}f}–{settle(interval.high):,.{digits}f}"


def show_change(figure: str, interval: Interval) -> str:
    """Write the difference of two macro figures with its interval."""
    value, low, high = (show_difference(figure, bound) for bound in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"


def show_difference(figure: str, difference: float) -> str:
    """Write the difference of two macro figures, or a dash where there is none (NaN)."""
    return NO_VALUE if math.isnan(difference) else f"{settle(difference):+,.{_digits(figure)}f}".replace("-", "−")


def _settings(count: int) -> str:
    return f"{count} setting{'s' if count != 1 else ''}"


def _digits(figure: str) -> int:
    return 0 if figure == RANK_DISTANCE else 3
