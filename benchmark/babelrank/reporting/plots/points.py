"""Points on axes, with intervals and names.

Where there is no free place for one of the names, all points are numbered and a key tells the names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.plots.labels import place_boxes
from babelrank.reporting.plots.quantities import Quantity
from babelrank.reporting.plots.style import ROUND, PlotStyle, Size, add_legend, clean_axes, plan_legend, scale_log, wrap

_MARGIN = 0.16  # of the extent of the points, on each side: room for names
_LEAST_STRETCH = 1.2  # of a logarithmic axis on each side
_NAME_WIDTH = 22  # characters to a line, at most
_LINE_HEIGHT = 1.25
_PADDING = 0.6  # font sizes around a name, both sides together
_NEAR = 1.2  # font sizes between point and name, up to which no line has to join them


@dataclass(frozen=True)
class NamedPoint:
    """A model somewhere on axes.

    Attributes
    ----------
    name
        Of the model.
    x, y
        Where it is.
    x_interval, y_interval
        Bounds of both, if they are known.
    style
        Colour and marker.
    """

    name: str
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
            *([((across.low, self.y), (across.high, self.y))] if across else []),
            *([((self.x, up.low), (self.x, up.high))] if up else []),
        ]


@dataclass(frozen=True)
class Panel:
    """Axes on which points were drawn.

    Attributes
    ----------
    axes
        With their final bounds.
    points
        On them.
    curve
        Data coordinates of what names should keep off, too: shape (samples, 2).
    """

    axes: Axes
    points: Sequence[NamedPoint]
    curve: np.ndarray


def draw_points(
    axes: Axes,
    points: Sequence[NamedPoint],
    vertical: Quantity,
    show: Callable[[float], str],
    size: Size,
    curve: np.ndarray | None = None,
    band: np.ndarray | None = None,
) -> Panel:
    """Draw points with their intervals on axes of which the horizontal one is logarithmic.

    Parameters
    ----------
    vertical
        What the vertical axis shows.
    show
        Writes the horizontal axis' ticks.
    curve
        What names should keep off: shape (samples, 2).
    band
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
    kept, bounds = (np.empty((0, 2)) if extra is None else extra for extra in (curve, band))
    ends = [end for point in points for stroke in point.strokes for end in stroke]
    spread = np.array([*((point.x, point.y) for point in points), *ends, *kept, *bounds], dtype=float)
    (left, bottom), (right, top) = spread.min(axis=0), spread.max(axis=0)
    stretch = max(float(right / left) ** _MARGIN, _LEAST_STRETCH)
    scale_log(axes, "x", (left / stretch, right * stretch), show, most=6)
    if vertical.logarithmic and bottom > 0:
        stretch = max(float(top / bottom) ** _MARGIN, _LEAST_STRETCH)
        scale_log(axes, "y", (bottom / stretch, top * stretch), vertical.show)
    else:
        room = max(float(top - bottom) * _MARGIN, 0.01)
        axes.set_ylim(bottom - room, top + room)
        ticks = MaxNLocator(6, steps=ROUND).tick_values(bottom - room, top + room)
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if 0 <= tick <= top + room]))
    height = axes.bbox.height / axes.figure.dpi  # inches, before titles and the like take their room
    axes.set_ylabel("\n".join(wrap(vertical.label, size.characters(height))))
    clean_axes(axes, grid="both")
    return Panel(axes, points, kept)


def label_points(figure: Figure, panels: Sequence[Panel], size: Size) -> None:
    """Write the names next to the points of all panels; the layout of the figure is final after this."""
    figure.draw_without_rendering()
    names = [["\n".join(wrap(point.name, _NAME_WIDTH)) for point in panel.points] for panel in panels]
    placed = [_arrange(panel, texts, size) for panel, texts in zip(panels, names, strict=True)]
    near = _NEAR
    if not all(clean for _, clean in placed):
        near = 0.0  # a number says less than a name: join each to its point
        styles = {point.name: point.style for panel in panels for point in panel.points}
        numbers = {name: str(i) for i, name in enumerate(styles, start=1)}
        plan = plan_legend([f"{number}  {name}" for name, number in numbers.items()], size)
        add_legend(figure, [_key(style) for style in styles.values()], plan)
        if size.height is None:
            figure.set_figheight(figure.get_figheight() + plan.height)
        figure.draw_without_rendering()
        names = [[numbers[point.name] for point in panel.points] for panel in panels]
        placed = [_arrange(panel, texts, size) for panel, texts in zip(panels, names, strict=True)]
    figure.set_layout_engine("none")
    for panel, texts, ((offsets, gaps), _) in zip(panels, names, placed, strict=True):
        for point, text, offset, gap in zip(panel.points, texts, offsets, gaps, strict=True):
            _write(panel.axes, point, text, offset, size, line=gap > near * size.small)


def _arrange(panel: Panel, texts: Sequence[str], size: Size) -> tuple[tuple[np.ndarray, np.ndarray], bool]:
    """Return the offsets of the texts' centres from their points, the gaps between, and whether they are free.

    Offsets, shape (points, 2), and gaps, shape (points,), are in typographic points.
    """
    axes, pixel = panel.axes, panel.axes.figure.dpi / 72
    points = axes.transData.transform([(point.x, point.y) for point in panel.points])
    boxes = np.array([_measure(axes, text, size) for text in texts]) + size.small * _PADDING * pixel
    ends = [stroke for point in panel.points for stroke in point.strokes]
    strokes = axes.transData.transform(np.array(ends, dtype=float).reshape(-1, 2)).reshape(-1, 2, 2)
    curve = axes.transData.transform(panel.curve) if len(panel.curve) else panel.curve
    pieces = np.stack([curve[:-1], curve[1:]], axis=1)
    half = size.marker * 0.75 * pixel
    obstacles = np.concatenate(
        [
            np.concatenate([points - half, points + half], axis=1),
            *(
                np.concatenate([lines.min(axis=1) - 0.5 * pixel, lines.max(axis=1) + 0.5 * pixel], axis=1)
                for lines in (strokes, pieces)
            ),
        ]
    )
    centres, clean = place_boxes(points, boxes, np.asarray(axes.bbox.extents), obstacles, size.small * pixel)
    offsets = (centres - points) / pixel
    gaps = np.hypot(*(np.abs(offsets) - boxes / pixel / 2).clip(0).T)
    return (offsets, gaps), clean


def _measure(axes: Axes, content: str, size: Size) -> tuple[float, float]:
    """Return width and height of a text, in pixels."""
    text = axes.text(0, 0, content, fontsize=size.small, parse_math=False, linespacing=_LINE_HEIGHT)
    extent = text.get_window_extent()
    text.remove()
    return extent.width, extent.height


def _write(axes: Axes, point: NamedPoint, content: str, offset: np.ndarray, size: Size, *, line: bool) -> None:
    arrow = {
        "arrowstyle": "-",
        "color": "#777777",
        "linewidth": size.line * 0.5,
        "shrinkA": 0,
        "shrinkB": size.marker * 0.6,
    }
    axes.annotate(
        content,
        xy=(point.x, point.y),
        xytext=tuple(offset),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=size.small,
        linespacing=_LINE_HEIGHT,
        parse_math=False,
        arrowprops=arrow if line else None,
    )


def _key(style: PlotStyle) -> Line2D:
    return Line2D([], [], color=style.colour, marker=style.marker, linestyle="", markeredgecolor="black")
