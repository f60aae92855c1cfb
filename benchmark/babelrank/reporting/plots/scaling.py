"""Draw scores against the number of parameters, with fitted scaling laws and their bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from babelrank.analysis.scaling import ScalingFit, ScalingPoint
from babelrank.errors import ReportError
from babelrank.reporting.formatting import show_parameters
from babelrank.reporting.plots.points import Point, draw_panels, draw_points
from babelrank.reporting.plots.quantities import Quantity, find_quantity
from babelrank.reporting.plots.style import TEXT, PlotStyle, Size, plot_styles, set_plain, wrap

_LOG_REACH = 3.0  # beyond the points, as a factor
_SAMPLES = 33  # of a law: enough for one without corners
_LAW = "#444444"


@dataclass(frozen=True)
class ScalingPanel:
    """One pair of axes.

    Attributes
    ----------
    title
        Such as the collection's name.
    figure
        What the values are: one of `analysis.bootstrap.MACRO_MEASURES`.
    points
        The models.
    laws
        Fitted to the models of a family, by its name.
    left_out
        Names of models without a number of parameters, or without the figure.
    """

    title: str
    figure: str
    points: Sequence[ScalingPoint]
    laws: Mapping[str, ScalingFit]
    left_out: Sequence[str] = ()


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
        raise ReportError("a figure needs at least one panel.")
    for panel in panels:
        find_quantity(panel.figure)
        if not panel.points or min(point.parameters for point in panel.points) <= 0:
            raise ReportError(f"{panel.title}: scaling needs models with a known number of parameters.")
    names = list(dict.fromkeys(point.label for panel in panels for point in panel.points))
    styles = dict(zip(names, plot_styles(len(names)), strict=True))
    room = size.characters(size.width / (1 if size.is_narrow else min(len(panels), 2)) * 0.85)
    draws = [partial(_draw_panel, panel=panel, styles=styles, room=room, size=size) for panel in panels]
    return draw_panels("Scaling with the number of parameters", draws, styles, size)


def _draw_panel(axes: Axes, panel: ScalingPanel, styles: Mapping[str, PlotStyle], room: int, size: Size) -> None:
    """Draw one panel; `room` is how many characters fit below it."""
    quantity, bands = find_quantity(panel.figure), [np.empty((0, 2))]
    # A law knows no bounds, figures do: the axes reach little further than the points.
    least, most = _reach([point.value for point in panel.points], quantity)
    for law in panel.laws.values():
        at = np.geomspace(law.points[0].parameters, law.points[-1].parameters, _SAMPLES)
        found = [law.predict(float(parameters)) for parameters in at]
        value, low, high = (np.array([getattr(each, name) for each in found]) for name in ("value", "low", "high"))
        axes.fill_between(at, np.maximum(low, least / 10), high, color=_LAW, alpha=0.15, linewidth=0, zorder=1)
        axes.plot(at, np.where(value > least / 10, value, np.nan), color=_LAW, linewidth=size.line * 1.2, zorder=2)
        edges = np.append(low, high)
        bands.append(np.stack([np.tile(at, 2), edges], axis=1)[(edges >= least) & (edges <= most)])
    points = [Point(each.parameters, each.value, None, None, styles[each.label]) for each in panel.points]
    draw_points(axes, points, quantity, show_parameters, size, np.concatenate(bands))
    laws = [f"{family}: {law.form} with 95 % band" for family, law in panel.laws.items()]
    set_plain(axes.set_title("", loc="left"), "\n".join(wrap("; ".join([panel.title, *laws]), room)))
    note = wrap(f"without parameters: {', '.join(panel.left_out)}", room) if panel.left_out else []
    set_plain(axes.set_xlabel(""), "\n".join(["parameters (log scale)", *note]))


def _reach(values: Sequence[float], quantity: Quantity) -> tuple[float, float]:
    """Return how far the axis of the values may go for the sake of a law."""
    if quantity.logarithmic:
        return min(values) / _LOG_REACH, max(values) * _LOG_REACH
    return 0.0, 1.0  # an mAP
