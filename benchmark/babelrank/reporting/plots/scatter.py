"""Draw models by language bias and accuracy, one panel per collection."""

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.errors import ReportError
from babelrank.reporting.measures import measures_of
from babelrank.reporting.plots.points import Point, draw_panels, draw_points
from babelrank.reporting.plots.quantities import DISTANCE, Quantity, find_quantity
from babelrank.reporting.plots.style import TEXT, PlotStyle, Size, plot_styles
from babelrank.reporting.results import Results, catalog_order

# By collection, model and figure.
Intervals = Mapping[str, Mapping[str, Mapping[str, Interval]]]


def draw_scatter(
    models: Sequence[Results], figure: str = "multilingual", *, intervals: Intervals | None = None, size: Size = TEXT
) -> Figure:
    """Draw each model as a point: rank distance (logarithmic) against another macro figure.

    Parameters
    ----------
    models
        Each is drawn for the collections that it has, if it has both figures there.
    figure
        Of the vertical axis: one of `analysis.bootstrap.MACRO_MEASURES`.
    intervals
        By collection, model and figure: crosses are drawn where there are some.

    Raises
    ------
    ReportError
        The figure is unknown, or there is nothing to draw.
    """
    quantity = find_quantity(figure)
    names = {name for model in models for name, each in model.collections.items() if measures_of(name, each).has_bias}
    styles = dict(zip([model.model.name for model in models], plot_styles(len(models)), strict=True))
    known = {
        name: _points(models, name, figure, (intervals or {}).get(name, {}), styles)
        for name in sorted(names, key=catalog_order)
    }
    drawn = {name: points for name, points in known.items() if points}
    if not drawn:
        raise ReportError(f"no model has both {quantity.title} and rank distance.")
    panels = [
        partial(_draw_panel, name=name, points=points, quantity=quantity, size=size) for name, points in drawn.items()
    ]
    return draw_panels(f"{quantity.title} against rank distance (spread)", panels, styles, size)


def _draw_panel(axes: Axes, name: str, points: Sequence[Point], quantity: Quantity, size: Size) -> None:
    draw_points(axes, points, quantity, DISTANCE.show, size)
    axes.set_title(name, loc="left")
    axes.set_xlabel("rank distance (log scale, lower is better)")


def _points(
    models: Sequence[Results],
    collection: str,
    figure: str,
    intervals: Mapping[str, Mapping[str, Interval]],
    styles: Mapping[str, PlotStyle],
) -> list[Point]:
    """Return the points of the models that have both figures."""
    points, vertical = [], find_quantity(figure)
    for model in models:
        name, results = model.model.name, model.collections.get(collection)
        known = intervals.get(name, {})
        x, y = (DISTANCE.macro(results), vertical.macro(results)) if results else (None, None)
        if x is not None and y is not None and x > 0:  # a distance of 0, where all tie, has no logarithm
            points.append(Point(x, y, known.get(RANK_DISTANCE), known.get(figure), styles[name]))
    return points
