"""Models of one collection -> a table of how their figures go with their number of parameters."""

from collections.abc import Sequence

from babelrank.analysis.bootstrap import MACRO_FIGURES, RANK_DISTANCE
from babelrank.analysis.scaling import FEWEST_POINTS, POWER_LAW, ScalingFit, ScalingPoint, fit_scaling, merge_sizes
from babelrank.reporting.parts import Column, Table
from babelrank.reporting.results import CollectionResults, ModelResults
from babelrank.reporting.summary import MACRO_LABELS, macro_figure, show_change, show_score, show_signed


def scaling_table(models: Sequence[tuple[ModelResults, CollectionResults]]) -> Table | None:
    """Fit each macro figure to the models' sizes; None with fewer than three different sizes."""
    fits: dict[str, ScalingFit] = {}
    for figure in MACRO_FIGURES:
        points = merge_sizes(_points(models, figure))
        if len(points) >= FEWEST_POINTS:
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
    """Return a point for each model that has parameters and the figure."""
    values = [(model, macro_figure(result, figure)) for model, result in models]
    return [
        ScalingPoint(model.name, model.parameters, value)
        for model, value in values
        if model.parameters and value is not None
    ]


def _show_effect(figure: str, fit: ScalingFit) -> str:
    if fit.form == POWER_LAW:
        exponent = fit.coefficients["c"]
        return (
            f"exponent {show_signed(-exponent.value)} ({show_signed(-exponent.high)} to {show_signed(-exponent.low)})"
        )
    return f"tenfold: {show_change(figure, fit.coefficients['b'])}"
