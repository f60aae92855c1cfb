"""Axes with a group per query language and, in each, a place per model: side by side, or below each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from babelrank.reporting.languages import language_name
from babelrank.reporting.plots.style import LegendPlan, Side, Size, add_title, clean_axes, new_figure, title_lines, wrap

_FILLED = 0.86  # of a group's width
_MOST = 6.6  # inches of rows: a page holds no more next to title and legend


@dataclass(frozen=True)
class GroupedAxes:
    """A figure with one pair of axes, and the places on it.

    Attributes
    ----------
    figure, axes
        What to draw on.
    places
        Along the axis of the groups: float64, shape (groups, members).
    thickness
        Of a member, in the axis' units.
    points, length
        Of a member, and of the axis of the values: in points, roughly, as labels have yet to be laid out.
    vertical
        Whether groups stand side by side and values go upwards.
    """

    figure: Figure
    axes: Axes
    places: np.ndarray
    thickness: float
    points: float
    length: float
    vertical: bool

    @property
    def side(self) -> Side:
        """Which axis that of the values is."""
        return "y" if self.vertical else "x"


def grouped_axes(
    codes: Sequence[str], members: int, title: Sequence[str], label: str, legend: LegendPlan | None, size: Size
) -> GroupedAxes:
    """Lay out axes for the query languages `codes` with `members` models each; narrow figures get rows."""
    count, vertical = len(codes), not size.is_narrow
    around = size.inches(title_lines(title, size) + (6 if vertical else 4)) + (legend.height if legend else 0.0)
    rows = count * max(members * size.small, 2 * size.small) * 1.05 / 72 / _FILLED
    height = size.width * 0.36 if vertical else min(rows, _MOST)
    figure = new_figure(size, around + height)
    axes = figure.add_subplot()
    names = [language_name(code) for code in codes]
    centres = np.arange(count, dtype=float)
    thickness = _FILLED / members
    places = centres[:, None] + (np.arange(members) - (members - 1) / 2) * thickness
    if vertical:
        axes.set_xticks(centres, names, rotation=35, ha="right", rotation_mode="anchor")
        extent, length = size.width - size.inches(5), figure.get_figheight() - around
        axes.set(xlim=(-0.5, count - 0.5), ylabel="\n".join(wrap(label, size.characters(length))))
    else:
        axes.set_yticks(centres, names)
        axes.set(ylim=(count - 0.5, -0.5), xlabel=label)
        extent, length = height, size.width - size.inches(11)
    axes.tick_params(axis="x" if vertical else "y", length=0)
    clean_axes(axes, grid="y" if vertical else "x")
    add_title(figure, title, size.characters(), size.font)
    return GroupedAxes(figure, axes, places, thickness, extent / count * thickness * 72, length * 72, vertical)
