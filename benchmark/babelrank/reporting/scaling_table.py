"""Models of one collection -> how their figures go with their number of parameters: points, and laws of families."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple
from functools import partial

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE
from babelrank.analysis.scaling import FEWEST_SIZES, POWER_LAW, ScalingPoint, fit_families
from babelrank.reporting.cache import Cache
from babelrank.reporting.formatting import show_change, show_count, show_score, show_signed
from babelrank.reporting.results import CollectionResults, ModelResults
from babelrank.reporting.summary import MACRO_LABELS, macro_value
from babelrank.reporting.tables import Column, Entry, Table
from babelrank.reporting.variants import base_names

Evaluated = tuple[ModelResults, CollectionResults]


def scaling_points(models: Sequence[Evaluated], figure: str) -> tuple[list[ScalingPoint], list[str]]:
    """Return a point for each base model, and the names of those without a number of parameters, or the figure.

    A base model and what was made of it count once: by the base model itself, or by its first variant.
    """
    groups: defaultdict[str, list[Evaluated]] = defaultdict(list)
    bases = base_names(model for model, _ in models)
    for model, result in models:
        groups[bases[model.name]].append((model, result))
    points, left_out = [], []
    for base, members in groups.items():
        model, result = next((each for each in members if each[0].name == base), members[0])
        value = macro_value(result, figure)
        if model.parameters and value is not None:
            points.append(ScalingPoint(model.name, model.parameters, value, model.family))
        else:
            left_out.append(model.name)
    return points, left_out


def scaling_table(models: Sequence[Evaluated], cache: Cache | None = None) -> Table | None:
    """Fit each macro figure to the sizes of each family; None if no family has four.

    Parameters
    ----------
    cache
        Knows what was fitted before.
    """
    rows: list[list[Entry]] = []
    for figure in MACRO_MEASURES:
        points, _ = scaling_points(models, figure)
        origin = ["scaling", figure, [astuple(point) for point in points]]
        label = MACRO_LABELS[figure] if figure == RANK_DISTANCE else f"mAP {MACRO_LABELS[figure]}"
        rows += [[label, *row] for row in (cache or Cache()).once(origin, partial(_fit, figure, points))]
    if not rows:
        return None
    return Table(
        caption="Scaling laws: least-squares fits to the number of parameters, with 95 % intervals, for families of "
        f"models with at least {FEWEST_SIZES} sizes. A model and its variants count once.",
        columns=[
            Column("figure"),
            Column("family"),
            Column("law"),
            Column("effect of size"),
            Column("R²", show_score),
            Column("models", show_count),
        ],
        rows=rows,
    )


def _fit(figure: str, points: Sequence[ScalingPoint]) -> list[list[Entry]]:
    """Return the law of each family: what size does, R² and the number of sizes."""
    rows: list[list[Entry]] = []
    for family, fit in fit_families(points).items():
        if fit.form == POWER_LAW:
            exponent = fit.coefficients["c"]
            value, low, high = (show_signed(-bound) for bound in (exponent.value, exponent.high, exponent.low))
            effect = f"exponent {value} ({low} to {high})"
        else:
            effect = f"tenfold: {show_change(figure, fit.coefficients['b'])}"
        rows.append([family, fit.form, effect, fit.r_squared, len(fit.points)])
    return rows
