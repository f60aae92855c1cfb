"""Results -> models by language bias and accuracy, a panel per collection."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from babelrank.analysis.bootstrap import RANK_DISTANCE, Interval
from babelrank.errors import ReportError
from babelrank.reporting.measures import measures_of
from babelrank.reporting.plots.points import NamedPoint, draw_points, label_points
from babelrank.reporting.plots.quantities import DISTANCE, find_quantity
from babelrank.reporting.plots.style import TEXT, Size, add_title, house_style, new_figure, plot_styles, title_lines
from babelrank.reporting.results import Results, catalog_order

# By collection, model and figure.
Intervals = Mapping[str, Mapping[str, Mapping[str, Interval]]]

_PANEL_HEIGHT = 2.9  # inches


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
    collections = sorted(names, key=catalog_order)
    known = {name: _points(models, name, figure, (intervals or {}).get(name, {})) for name in collections}
    drawn = {name: points for name, points in known.items() if points}
    if not drawn:
        raise ReportError(f"no model has both {quantity.title} and a rank distance.")
    title = [f"{quantity.title} against language bias"]
    across = 1 if size.is_narrow else min(len(drawn), 2)
    down = -(-len(drawn) // across)
    with house_style(size):
        canvas = new_figure(size, size.inches(title_lines(title, size) + 0.5) + down * _PANEL_HEIGHT)
        grid = canvas.subplots(down, across, squeeze=False).ravel()
        panels = []
        for axes, (name, points) in zip(grid, drawn.items(), strict=False):
            panels.append(draw_points(axes, points, quantity, DISTANCE.show, size))
            axes.set_title(name, loc="left")
            axes.set_xlabel("rank distance (log scale, lower is better)")
        for axes in grid[len(drawn) :]:
            axes.set_visible(False)
        add_title(canvas, title, size.characters(), size.font)
        label_points(canvas, panels, size)
    return canvas


def _points(
    models: Sequence[Results], collection: str, figure: str, intervals: Mapping[str, Mapping[str, Interval]]
) -> list[NamedPoint]:
    """Return the points of the models that have both figures."""
    points, vertical = [], find_quantity(figure)
    for model, style in zip(models, plot_styles(len(models)), strict=True):
        results, known = model.collections.get(collection), intervals.get(model.model.name, {})
        x, y = (DISTANCE.macro(results), vertical.macro(results)) if results else (None, None)
        if x is not None and y is not None and x > 0:  # a distance of 0, where all tie, has no logarithm
            points.append(NamedPoint(model.model.name, x, y, known.get(RANK_DISTANCE), known.get(figure), style))
    return points
