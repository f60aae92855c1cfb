"""Models of one collection -> a table of how their figures go with their number of parameters."""

from collections.abc import Sequence
from functools import partial

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE
from babelrank.reporting.cache import Cache
from babelrank.reporting.formatting import show_change, show_count, show_score, show_signed
from babelrank.reporting.results import CollectionResults, ModelResults
from babelrank.reporting.summary import MACRO_LABELS, macro_value
from babelrank.reporting.tables import Column, Entry, Table

Point = tuple[str, int, float]  # a model, its number of parameters, a figure


def scaling_table(models: Sequence[tuple[ModelResults, CollectionResults]], cache: Cache | None = None) -> Table | None:
    """Fit each macro figure to the models' sizes; None with fewer than three different sizes.

    Parameters
    ----------
    cache
        Knows what was fitted before.
    """
    known, rows = cache or Cache(), []
    for figure in MACRO_MEASURES:
        points = _points(models, figure)
        fitted = known.once(["scaling", figure, points], partial(_fit, figure, points))
        if fitted:
            rows.append([MACRO_LABELS[figure] if figure == RANK_DISTANCE else f"mAP {MACRO_LABELS[figure]}", *fitted])
    if not rows:
        return None
    return Table(
        caption="Scaling: laws fitted to the number of parameters by least squares, with 95 % intervals. Models of "
        "one size, such as variants of one model, count once, by their mean. Models differ in more than size.",
        columns=[
            Column("figure"),
            Column("law"),
            Column("what size does"),
            Column("R²", show_score),
            Column("sizes", show_count),
        ],
        rows=rows,
    )


def _points(models: Sequence[tuple[ModelResults, CollectionResults]], figure: str) -> list[Point]:
    """Return a point for each model that has parameters and the figure."""
    values = [(model, macro_value(result, figure)) for model, result in models]
    return [(model.name, model.parameters, value) for model, value in values if model.parameters and value is not None]


def _fit(figure: str, points: Sequence[Point]) -> list[Entry]:
    """Return the law, what size does, R² and the number of sizes; nothing with too few sizes."""
    from babelrank.analysis.scaling import FEWEST_POINTS, POWER_LAW, ScalingPoint, fit_scaling, merge_sizes

    sizes = merge_sizes([ScalingPoint(*point) for point in points])
    if len(sizes) < FEWEST_POINTS:
        return []
    fit = fit_scaling(sizes)
    if fit.form == POWER_LAW:
        exponent = fit.coefficients["c"]
        value, low, high = (show_signed(-bound) for bound in (exponent.value, exponent.high, exponent.low))
        effect = f"exponent {value} ({low} to {high})"
    else:
        effect = f"tenfold: {show_change(figure, fit.coefficients['b'])}"
    return [fit.form, effect, fit.r_squared, len(fit.points)]
