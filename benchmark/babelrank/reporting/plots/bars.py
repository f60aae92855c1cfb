"""Draw a macro average by query language, as bars or as a radar."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from babelrank.errors import ReportError
from babelrank.reporting.languages import language_name
from babelrank.reporting.plots.groups import GroupedAxes, grouped_axes
from babelrank.reporting.plots.quantities import Quantity, find_quantity
from babelrank.reporting.plots.style import (
    ROUND,
    TEXT,
    Size,
    add_legend,
    add_title,
    house_style,
    new_figure,
    plan_legend,
    plot_styles,
    title_lines,
)
from babelrank.reporting.results import Results, find_collections

_LEAST_NUMBER = 4.5  # points; smaller numbers are not readable and left out
_ROOM = 1.02  # beyond the longest bar, where there are no numbers
_DIGIT = 0.64  # width of a digit of DejaVu Sans, in font sizes
_LANGUAGES_FOR_RADAR = 3


def draw_bars(models: Sequence[Results], collection: str, figure: str = "multilingual", *, size: Size = TEXT) -> Figure:
    """Draw a bar per query language and model, with its value if there is room.

    Parameters
    ----------
    figure
        One of `analysis.bootstrap.MACRO_MEASURES`.

    Raises
    ------
    ReportError
        The figure is unknown, or a model was not evaluated on the collection, or on a different version of it.
    """
    found, quantity = find_collections(models, collection), find_quantity(figure)
    values = np.stack([quantity.by_language(results) for results in found], axis=1)  # (languages, models)
    styles, names = plot_styles(len(models)), [model.model.name for model in models]
    legend = plan_legend(names, size) if len(models) > 1 else None
    title = [*([] if legend else names), f"{collection}: {quantity.title} by query language"]
    with house_style(size):
        grouped = grouped_axes(found[0].languages, len(models), title, quantity.label, legend, size)
        draw = grouped.axes.bar if grouped.vertical else grouped.axes.barh
        for member, style in enumerate(styles):
            draw(
                grouped.places[:, member],
                np.nan_to_num(values[:, member]),  # a bar without a value gets a dash in place of a number
                grouped.thickness,
                color=style.colour,
                hatch=style.hatch,
                edgecolor="black",
                linewidth=size.line * 0.4,
            )
        shown = [["–" if np.isnan(value) else quantity.show(float(value)) for value in row] for row in values]
        room = _add_numbers(grouped, values, shown, size)
        highest = float(np.max(values, where=~np.isnan(values), initial=0.0)) or 1.0
        grouped.axes.set(**{f"{grouped.side}lim": (0, highest * room)})
        axis = grouped.axes.yaxis if grouped.vertical else grouped.axes.xaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: quantity.show(value)))
        axis.set_major_locator(MaxNLocator(5, steps=ROUND))
        if legend:
            handles = [Patch(facecolor=style.colour, hatch=style.hatch, edgecolor="black") for style in styles]
            add_legend(grouped.figure, handles, legend)
    return grouped.figure


def draw_radar(
    models: Sequence[Results], collection: str, figure: str = "multilingual", *, size: Size = TEXT
) -> Figure:
    """Draw a macro figure on a spoke per query language, a line per model; the rank distance on a logarithmic scale.

    Parameters and errors are those of `draw_bars`. Fewer than three languages are also an error.
    """
    found, quantity = find_collections(models, collection), find_quantity(figure)
    codes = found[0].languages
    if len(codes) < _LANGUAGES_FOR_RADAR:
        raise ReportError(
            f"{collection}: a radar needs at least {_LANGUAGES_FOR_RADAR} languages, got {len(codes)}; draw bars."
        )
    values = np.stack([quantity.by_language(results) for results in found])  # (models, languages)
    styles, names = plot_styles(len(models)), [model.model.name for model in models]
    legend = plan_legend(names, size) if len(models) > 1 else None
    title = [*([] if legend else names), f"{collection}: {quantity.label} by query language"]
    around = size.inches(title_lines(title, size) + 3) + (legend.height if legend else 0.0)
    angles = np.linspace(0, 2 * np.pi, len(codes), endpoint=False)
    with house_style(size):
        drawn = new_figure(size, around + min(size.width, 5.0) * 0.75)
        axes = cast("PolarAxes", drawn.add_subplot(projection="polar"))
        axes.set(theta_offset=np.pi / 2, theta_direction=-1)
        for row, style in zip(values, styles, strict=True):
            radii = np.log10(row) if quantity.logarithmic else row
            axes.plot(
                np.append(angles, angles[0]),
                np.append(radii, radii[0]),
                color=style.colour,
                linestyle=style.dashes,
                marker=style.marker,
                markersize=size.marker * 0.8,
                clip_on=False,
                zorder=style.depth,
            )
        _scale_spokes(axes, values[~np.isnan(values)], quantity, size)
        around_names = [language_name(code) for code in codes]
        axes.set_xticks(angles, [name.replace(" (", "\n(") if size.is_narrow else name for name in around_names])
        for angle, text in zip(angles, axes.get_xticklabels(), strict=True):
            side = np.round(np.sin(angle), 6)
            text.set_horizontalalignment("left" if side > 0 else "right" if side < 0 else "center")
        axes.tick_params(axis="x", pad=-size.font * 0.2)
        axes.spines["polar"].set_visible(False)
        add_title(drawn, title, size.characters(), size.font)
        if legend:
            handles = [
                Line2D([], [], color=style.colour, linestyle=style.dashes, marker=style.marker) for style in styles
            ]
            add_legend(drawn, handles, legend)
    return drawn


def _add_numbers(grouped: GroupedAxes, values: np.ndarray, shown: Sequence[Sequence[str]], size: Size) -> float:
    """Write each bar's value at its end; return how far the axis must reach, in lengths of the longest bar."""
    font = min(size.small, grouped.points * (0.9 if grouped.vertical else 0.95))
    if font < _LEAST_NUMBER:
        return _ROOM
    for place, value in np.ndenumerate(values):
        end = 0.0 if np.isnan(value) else float(value)
        spot = float(grouped.places[place])
        grouped.axes.annotate(
            shown[place[0]][place[1]],
            (spot, end) if grouped.vertical else (end, spot),
            xytext=(0, font * 0.3) if grouped.vertical else (font * 0.3, 0),
            textcoords="offset points",
            rotation=90 if grouped.vertical else 0,
            ha="center" if grouped.vertical else "left",
            va="bottom" if grouped.vertical else "center_baseline",
            fontsize=font,
        )
    longest = (max(len(text) for row in shown for text in row) + 1) * font * _DIGIT
    return 1 / (1 - min(longest / grouped.length, 0.5))


def _scale_spokes(axes: PolarAxes, known: np.ndarray, quantity: Quantity, size: Size) -> None:
    """Put round numbers on rings, written between the first two spokes."""
    if quantity.logarithmic:
        low, high = (np.log10(known.min()), np.log10(known.max())) if len(known) else (0.0, 1.0)
        rings = np.arange(np.floor(low), np.ceil(high) + 1)
        axes.set_ylim(rings[0], max(high, rings[0] + 1) + 0.05)
        rings = rings[1:]
    else:
        high = float(known.max()) if len(known) else 1.0
        rings = np.asarray(MaxNLocator(5, steps=ROUND).tick_values(0.0, high))
        axes.set_ylim(0.0, high * 1.03)
    bottom, top = axes.get_ylim()
    rings = rings[(rings > bottom) & (rings <= top)]
    axes.set_yticks(rings, [quantity.show(10.0**ring if quantity.logarithmic else ring) for ring in rings])
    axes.set_rlabel_position(np.degrees(axes.get_xticks()[1]) / 2)
    axes.tick_params(axis="y", labelsize=size.small)
    for text in axes.get_yticklabels():
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.75})
        text.set(horizontalalignment="center", zorder=5)
