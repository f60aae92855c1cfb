"""Draw models as points with intervals: one panel per collection or figure, and a key with the models' names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.plots.quantities import Quantity
from babelrank.reporting.plots.style import (
    ROUND,
    PlotStyle,
    Size,
    add_legend,
    add_title,
    clean_axes,
    house_style,
    new_figure,
    plan_legend,
    scale_log,
    title_lines,
    wrap,
)

_PANEL_HEIGHT = 2.9  # inches
_MARGIN = 0.08  # of the extent of the points, on each side
_LEAST_STRETCH = 1.2  # of a logarithmic axis on each side


@dataclass(frozen=True)
class Point:
    """A model somewhere on axes.

    Attributes
    ----------
    x, y
        Where it is.
    x_interval, y_interval
        Bounds of both, if they are known.
    style
        Colour and marker.
    """

    x: float
    y: float
    x_interval: Interval | None
    y_interval: Interval | None
    style: PlotStyle

    @property
    def strokes(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """Ends of the lines that show the intervals."""
        across, up = self.x_interval, self.y_interval
        return [
            *([((across.low, self.y), (across.high, self.y))] if across and across.is_known else []),
            *([((self.x, up.low), (self.x, up.high))] if up and up.is_known else []),
        ]


def draw_panels(
    title: str, panels: Sequence[Callable[[Axes], None]], styles: Mapping[str, PlotStyle], size: Size
) -> Figure:
    """Return a figure with a panel for each function that draws one, and a key of the models below."""
    across = 1 if size.is_narrow else min(len(panels), 2)
    down = -(-len(panels) // across)
    key = plan_legend(list(styles), size)
    with house_style(size):
        figure = new_figure(size, size.inches(title_lines([title], size) + 0.5) + down * _PANEL_HEIGHT + key.height)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes, draw in zip(grid, panels, strict=False):
            draw(axes)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        add_title(figure, [title], size.characters(), size.font)
        handles = [
            Line2D([], [], color=style.colour, marker=style.marker, linestyle="", markeredgecolor="black")
            for style in styles.values()
        ]
        add_legend(figure, handles, key)
    return figure


def draw_points(
    axes: Axes,
    points: Sequence[Point],
    vertical: Quantity,
    show: Callable[[float], str],
    size: Size,
    room: np.ndarray | None = None,
) -> None:
    """Draw points with their intervals on axes of which the horizontal one is logarithmic.

    Parameters
    ----------
    vertical
        What the vertical axis shows.
    show
        Writes the horizontal axis' ticks.
    room
        What else has to fit onto the axes: shape (samples, 2).
    """
    for point in points:
        for (x0, y0), (x1, y1) in point.strokes:
            axes.plot([x0, x1], [y0, y1], color=point.style.colour, linewidth=size.line, solid_capstyle="butt")
        axes.plot(
            [point.x],
            [point.y],
            marker=point.style.marker,
            color=point.style.colour,
            markeredgecolor="black",
            markeredgewidth=size.line * 0.5,
            zorder=3,
        )
    ends = [end for point in points for stroke in point.strokes for end in stroke]
    spread = np.array([*((point.x, point.y) for point in points), *ends, *([] if room is None else room)], dtype=float)
    (left, bottom), (right, top) = spread.min(axis=0), spread.max(axis=0)
    stretch = max(float(right / left) ** _MARGIN, _LEAST_STRETCH)
    scale_log(axes, "x", (left / stretch, right * stretch), show, most=6)
    if vertical.logarithmic and bottom > 0:
        stretch = max(float(top / bottom) ** _MARGIN, _LEAST_STRETCH)
        scale_log(axes, "y", (bottom / stretch, top * stretch), vertical.show)
    else:
        margin = max(float(top - bottom) * _MARGIN, 0.01)
        axes.set_ylim(bottom - margin, top + margin)
        ticks = MaxNLocator(6, steps=ROUND).tick_values(bottom - margin, top + margin)
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if 0 <= tick <= top + margin]))
    height = axes.bbox.height / axes.figure.dpi  # inches, before titles and the like take their room
    axes.set_ylabel("\n".join(wrap(vertical.label, size.characters(height))))
    clean_axes(axes, grid="both")
