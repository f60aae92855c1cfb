"""Models of one collection -> a table of how their figures go with their number of parameters."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from babelrank.analysis.bootstrap import MACRO_FIGURES, RANK_DISTANCE
from babelrank.analysis.scaling import POWER_LAW, ScalingFit, ScalingPoint, fit_scaling
from babelrank.reporting.html import Column, Table
from babelrank.reporting.markdown import show_parameters
from babelrank.reporting.results import CollectionResults, ModelResults
from babelrank.reporting.summary import MACRO_LABELS, show_change, show_score

_FEWEST_SIZES = 3


def scaling_table(models: Sequence[tuple[ModelResults, CollectionResults]]) -> Table | None:
    """Fit each macro figure to the models' sizes; None with fewer than three different sizes."""
    fits: dict[str, ScalingFit] = {}
    for figure in MACRO_FIGURES:
        points = _points(models, figure)
        if len({point.parameters for point in points}) >= _FEWEST_SIZES:
            fits[figure] = fit_scaling(points)
    if not fits:
        return None
    return Table(
        caption="Scaling: laws fitted to the number of parameters by least squares, with 95 % intervals. Models of "
        "one size, such as variants of one model, count once, by their mean. Models differ in more than size.",
        columns=[
            Column("figure"),
            Column("law"),
            Column("what size does"),
            Column("R²", show_score),
            Column("sizes", "{:,.0f}".format),
        ],
        rows=[
            [
                MACRO_LABELS[figure] if figure == RANK_DISTANCE else f"mAP {MACRO_LABELS[figure]}",
                fit.form,
                _show_effect(figure, fit),
                fit.r_squared,
                len(fit.points),
            ]
            for figure, fit in fits.items()
        ],
    )


def _points(models: Sequence[tuple[ModelResults, CollectionResults]], figure: str) -> list[ScalingPoint]:
    """Return one point for each size: variants of a model are no evidence of what size does."""
    by_size: defaultdict[int, list[float]] = defaultdict(list)
    for model, result in models:
        macro = result.macro
        value = macro["multilingual"][figure] if figure == RANK_DISTANCE else macro[figure]["mAP"]
        if model.parameters and value is not None:
            by_size[model.parameters].append(value)
    return [ScalingPoint(show_parameters(size), size, fmean(values)) for size, values in by_size.items()]


def _show_effect(figure: str, fit: ScalingFit) -> str:
    if fit.form == POWER_LAW:
        exponent = fit.coefficients["c"]
        return f"exponent −{exponent.value:.2f} (−{exponent.high:.2f} to −{exponent.low:.2f})"
    return f"tenfold: {show_change(figure, fit.coefficients['b'])}"
