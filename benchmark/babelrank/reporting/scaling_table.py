"""Models of one collection -> a table of how their figures go with their number of parameters."""

from collections.abc import Sequence

from babelrank.analysis.bootstrap import MACRO_FIGURES, RANK_DISTANCE
from babelrank.analysis.scaling import POWER_LAW, ScalingFit, ScalingPoint, fit_scaling
from babelrank.reporting.html import Column, Table
from babelrank.reporting.markdown import show_parameters
from babelrank.reporting.results import CollectionResults, ModelResults
from babelrank.reporting.summary import MACRO_LABELS, show_change, show_interval, show_score

_FEWEST_SIZES = 3


def scaling_table(models: Sequence[tuple[ModelResults, CollectionResults]]) -> Table | None:
    """Fit each macro figure to the models' sizes; None with fewer than three different sizes."""
    rows = []
    ends: tuple[float, float] | None = None
    for figure in MACRO_FIGURES:
        points = _points(models, figure)
        sizes = {point.parameters for point in points}
        if len(sizes) < _FEWEST_SIZES:
            continue
        fit = fit_scaling(points)
        ends = min(sizes), max(sizes)
        rows.append(
            [
                f"mAP {MACRO_LABELS[figure]}" if figure != RANK_DISTANCE else MACRO_LABELS[figure],
                _show_law(figure, fit),
                *(show_interval(figure, fit.predict(size)) for size in ends),
                fit.r_squared,
                len(points),
            ]
        )
    if ends is None:
        return None
    return Table(
        caption="Scaling: laws fitted to the number of parameters by least squares, with 95 % intervals of the mean. "
        "Models differ in more than size, and variants of one model count each.",
        columns=[
            Column("figure"),
            Column("law"),
            *(Column(f"at {show_parameters(round(size))}") for size in ends),
            Column("R²", show_score),
            Column("models", "{:,.0f}".format),
        ],
        rows=rows,
    )


def _points(models: Sequence[tuple[ModelResults, CollectionResults]], figure: str) -> list[ScalingPoint]:
    points = []
    for model, result in models:
        macro = result.macro
        value = macro["multilingual"][figure] if figure == RANK_DISTANCE else macro[figure]["mAP"]
        if model.parameters and value is not None:
            points.append(ScalingPoint(model.name, model.parameters, value))
    return points


def _show_law(figure: str, fit: ScalingFit) -> str:
    if fit.form == POWER_LAW:
        exponent = fit.coefficients["c"]
        return f"power law, exponent −{exponent.value:.2f} (−{exponent.high:.2f} to −{exponent.low:.2f})"
    return f"log-linear, {show_change(figure, fit.coefficients['b'])} for ten times the size"
