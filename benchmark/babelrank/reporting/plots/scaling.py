"""Models by number of parameters -> how a figure goes with it, with a law that was fitted elsewhere and its band."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.scaling import ScalingPoint
from babelrank.errors import ReportError
from babelrank.reporting.formatting import show_parameters
from babelrank.reporting.plots.points import NamedPoint, Panel, draw_points, label_points
from babelrank.reporting.plots.quantities import Quantity, find_quantity
from babelrank.reporting.plots.style import (
    TEXT,
    PlotStyle,
    Size,
    add_title,
    house_style,
    new_figure,
    plot_styles,
    set_plain,
    title_lines,
    wrap,
)
from babelrank.reporting.results import Results

_PANEL_HEIGHT = 2.9  # inches
_LOG_REACH = 3.0  # beyond the points, as a factor
_SAMPLES = 33  # of a law: enough for one without corners
_LAW = "#444444"


@dataclass(frozen=True)
class ScalingPanel:
    """One pair of axes.

    Attributes
    ----------
    title
        Such as the collection's name and the law's form.
    figure
        What the values are: one of `analysis.bootstrap.MACRO_MEASURES`.
    points
        The models.
    predict
        The law: a number of parameters -> its mean there with its bounds, as `analysis.scaling.ScalingFit.predict`
        gives it; None if nothing was fitted.
    intervals
        Of the values, by model, where they are known.
    left_out
        Names of models without a number of parameters, or without the figure.
    """

    title: str
    figure: str
    points: Sequence[ScalingPoint]
    predict: Callable[[float], Interval] | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    left_out: Sequence[str] = ()


def scaling_points(
    models: Sequence[Results], collection: str, figure: str = "multilingual"
) -> tuple[list[ScalingPoint], list[str]]:
    """Return a point for each model that has parameters and the figure on the collection, and the others' names.

    Raises
    ------
    ReportError
        The figure is unknown.
    """
    quantity, points, left_out = find_quantity(figure), [], []
    for model in models:
        results = model.collections.get(collection)
        value = quantity.macro(results) if results else None
        if model.model.parameters and value is not None:
            points.append(ScalingPoint(model.model.name, model.model.parameters, value))
        else:
            left_out.append(model.model.name)
    return points, left_out


def draw_scaling(panels: Sequence[ScalingPanel], *, size: Size = TEXT) -> Figure:
    """Draw figures against numbers of parameters, a panel each.

    The parameters are on a logarithmic scale, and so is the rank distance. Where a law or its band leaves the range in
    which figures can be, it is cut.

    Raises
    ------
    ReportError
        There is no panel, a figure is unknown, or a panel has no point or one without parameters.
    """
    if not panels:
        raise ReportError("a figure needs a panel at least.")
    for panel in panels:
        find_quantity(panel.figure)
        if not panel.points or min(point.parameters for point in panel.points) <= 0:
            raise ReportError(f"{panel.title}: scaling is drawn for models with a known number of parameters only.")
    names = list(dict.fromkeys(point.label for panel in panels for point in panel.points))
    styles = dict(zip(names, plot_styles(len(names)), strict=True))
    title = ["Scaling with the number of parameters"]
    across = 1 if size.is_narrow else min(len(panels), 2)
    down = -(-len(panels) // across)
    with house_style(size):
        figure = new_figure(size, size.inches(title_lines(title, size) + 0.5) + down * _PANEL_HEIGHT)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        room = size.characters(size.width / across * 0.85)
        drawn = [_draw_panel(axes, panel, styles, room, size) for axes, panel in zip(grid, panels, strict=False)]
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        add_title(figure, title, size.characters(), size.font)
        label_points(figure, drawn, size)
    return figure


def _draw_panel(axes: Axes, panel: ScalingPanel, styles: Mapping[str, PlotStyle], room: int, size: Size) -> Panel:
    """Draw one panel; `room` is how many characters fit below it."""
    quantity = find_quantity(panel.figure)
    line = band = None
    if panel.predict:
        sizes = [point.parameters for point in panel.points]
        at = np.geomspace(min(sizes), max(sizes), _SAMPLES)
        found = [panel.predict(float(parameters)) for parameters in at]
        value, low, high = (np.array([getattr(each, name) for each in found]) for name in ("value", "low", "high"))
        # A law knows no bounds, figures do: the axes reach little further than the points.
        least, most = _reach([point.value for point in panel.points], quantity)
        axes.fill_between(at, np.maximum(low, least / 10), high, color=_LAW, alpha=0.15, linewidth=0, zorder=1)
        axes.plot(at, np.where(value > least / 10, value, np.nan), color=_LAW, linewidth=size.line * 1.2, zorder=2)
        edges = np.append(low, high)
        band = np.stack([np.tile(at, 2), edges], axis=1)[(edges >= least) & (edges <= most)]
        line = np.stack([at, value], axis=1)[(value >= least) & (value <= most)]
    points = [
        NamedPoint(
            point.label, point.parameters, point.value, None, panel.intervals.get(point.label), styles[point.label]
        )
        for point in panel.points
    ]
    drawn = draw_points(axes, points, quantity, show_parameters, size, line, band)
    set_plain(axes.set_title("", loc="left"), "\n".join(wrap(panel.title, room)))
    note = wrap(f"without parameters: {', '.join(panel.left_out)}", room) if panel.left_out else []
    set_plain(axes.set_xlabel(""), "\n".join(["parameters (log scale)", *note]))
    return drawn


def _reach(values: Sequence[float], quantity: Quantity) -> tuple[float, float]:
    """Return how far the axis of the values may go for the sake of a law."""
    if quantity.logarithmic:
        return min(values) / _LOG_REACH, max(values) * _LOG_REACH
    return 0.0, 1.0  # an mAP
