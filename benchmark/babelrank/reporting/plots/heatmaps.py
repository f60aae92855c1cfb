"""Draw the heatmaps of `babelrank.reporting.heatmaps` with matplotlib."""

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator

from babelrank.reporting.heatmaps import Heatmap
from babelrank.reporting.languages import language_name
from babelrank.reporting.plots.style import Size, add_title, house_style, legible_on, new_figure, title_lines
from babelrank.reporting.results import CollectionResults, Results

_CELL = (0.5, 0.36)  # inches: three digits at the font size below, in a figure that fits a page's width
_MARGIN = (2.6, 1.9)  # inches around the cells, for labels, title and colour bar
_MIN_SIZE = (5.6, 3.8)  # inches: room for the title where languages are few
_CHARACTERS_PER_INCH = 12  # of the title
_NUMBER = 7.5  # points
_TITLE = 9.0  # points
_MISSING_COLOUR = "#dddddd"
_DIGIT = 0.64  # width of a digit of DejaVu Sans, in font sizes


def shared_scale(heatmap: Heatmap, collections: Sequence[CollectionResults]) -> Normalize:
    """Return a colour scale that spans the values of all `collections`."""
    values = np.concatenate([_values(heatmap, collection).ravel() for collection in collections])
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    low, high = (low if heatmap.limits[0] is None else heatmap.limits[0]), (heatmap.limits[1] or high)
    if low == high:  # a scale needs an extent
        high = low * 1.1 or 1.0
    return LogNorm(low, high) if heatmap.logarithmic else Normalize(low, high)


def draw_heatmap(
    results: Results, collection: str, heatmap: Heatmap, scale: Normalize, size: Size | None = None
) -> Figure:
    """Draw a heatmap. Rows are query languages, columns passage languages. `size` is by default that of reports."""
    return draw_cells(
        _values(heatmap, results.collections[collection]),
        results.collections[collection].languages,
        colours=mpl.colormaps[heatmap.colours],
        scale=scale,
        show=heatmap.show,
        title=[results.model.name, f"{collection}: {heatmap.title}"],
        label=heatmap.label,
        show_tick=lambda value: heatmap.show(value).removesuffix(".0"),
        ticks=_ticks(scale, size) if heatmap.logarithmic else MaxNLocator(6),
        size=size,
    )


def _ticks(scale: Normalize, size: Size | None) -> Locator:
    """Return the ticks of a logarithmic colour bar: fewer where it lies below narrow axes and spans much."""
    is_crowded = size is not None and size.is_narrow and float(scale.vmax or 1) / float(scale.vmin or 1) > 100
    return LogLocator(subs=(1,) if is_crowded else (1, 2, 5))


def draw_cells(
    values: np.ndarray,
    codes: Sequence[str],
    *,
    colours: Colormap,
    scale: Normalize,
    show: Callable[[float], str],
    title: Sequence[str],
    label: str,
    show_tick: Callable[[float], str],
    ticks: Locator,
    size: Size | None,
) -> Figure:
    """Draw a matrix of languages with a number in each cell.

    Parameters
    ----------
    values
        Shape (languages, languages): rows are query languages, columns passage languages; NaN where there is no value.
    codes
        Of the languages.
    colours, scale
        Colour of a value.
    show
        A value as text that fits a cell.
    title
        Paragraphs.
    label, show_tick, ticks
        Of the colour bar.
    size
        None for one that follows from the number of languages.
    """
    count = len(codes)
    texts = [["–" if np.isnan(value) else show(float(value)) for value in row] for row in values]
    with house_style(size):
        if size is None:
            width, height = (
                max(least, margin + count * cell) for least, margin, cell in zip(_MIN_SIZE, _MARGIN, _CELL, strict=True)
            )
            figure = Figure(figsize=(width, height), layout="constrained")
            number, heading, characters = _NUMBER, _TITLE, int(width * _CHARACTERS_PER_INCH)
        else:
            number = _number_size(texts, size)
            heading, characters = size.font, size.characters()
            lines = title_lines(title, size) + (8 if size.is_narrow else 11)
            figure = new_figure(size, max(count, 4) * number * 2.2 / 72 + size.inches(lines))
        axes = figure.add_subplot()
        mesh = _fill(axes, values, texts, colours.with_extremes(bad=_MISSING_COLOUR), scale, number)
        names = [language_name(code) for code in codes]
        if size is not None and size.is_narrow:
            axes.set_xticks(np.arange(count) + 0.5, codes)
        else:
            axes.set_xticks(np.arange(count) + 0.5, names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(np.arange(count) + 0.5, names)
        axes.set(xlabel="passage language", ylabel="query language")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.invert_yaxis()
        add_title(figure, title, characters, heading)
        _add_bar(figure, axes, mesh, label, show_tick, ticks, below=size is not None and size.is_narrow)
    return figure


def _fill(
    axes: Axes, values: np.ndarray, texts: Sequence[Sequence[str]], colours: Colormap, scale: Normalize, number: float
) -> QuadMesh:
    mesh = axes.pcolormesh(np.ma.masked_invalid(values), norm=scale, cmap=colours, edgecolors="white", linewidth=0.6)
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column + 0.5,
            row + 0.5,
            texts[row][column],
            ha="center",
            va="center",
            fontsize=number,
            color="black" if np.isnan(value) else legible_on(colours(scale(value))),
        )
    return mesh


def _add_bar(
    figure: Figure,
    axes: Axes,
    mesh: ScalarMappable,
    label: str,
    show: Callable[[float], str],
    ticks: Locator,
    *,
    below: bool,
) -> None:
    bar = figure.colorbar(
        mesh,
        ax=axes,
        label=label,
        format=FuncFormatter(lambda value, _: show(value)),
        ticks=ticks,
        aspect=30,
        pad=0.02,
        location="bottom" if below else "right",
    )
    bar.minorticks_off()
    bar.outline.set_visible(False)


def _number_size(texts: Sequence[Sequence[str]], size: Size) -> float:
    """Return the font size at which the longest number fits its cell; no larger than the size's own."""
    cells = size.width - size.inches(11 if size.is_narrow else 20)  # next to labels and colour bar
    longest = max((len(text) for row in texts for text in row), default=1)
    return min(size.small + 0.5, cells / len(texts) * 72 / (longest * _DIGIT + 0.4))


def _values(heatmap: Heatmap, collection: CollectionResults) -> np.ndarray:
    """Return the cells as float64, shape (languages, languages), NaN where there is none."""
    return np.array(heatmap.matrix(collection), dtype=float)
