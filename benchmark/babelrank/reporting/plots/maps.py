"""Languages on a map for papers: what is shown says `babelrank.reporting.maps`."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from babelrank.reporting.maps import EAST, NORTH, SOUTH, WEST, LanguageMap, language_maps
from babelrank.reporting.plots.style import Size, add_title, house_style, new_figure, title_lines
from babelrank.reporting.results import Results

_BAR = 0.45  # inches for the scale below a map


def draw_map(results: Results, collection: str, *, size: Size) -> Figure:
    """Draw the maps of a collection one below the other."""
    maps = language_maps(collection, results.collections[collection])
    title = [results.model.name, f"{collection}: languages on a map"]
    panel = size.width * (NORTH - SOUTH) / (EAST - WEST) + _BAR
    with house_style(size):
        figure = new_figure(size, size.inches(title_lines(title, size) + 1) + len(maps) * panel)
        for axes, each in zip(figure.subplots(len(maps), squeeze=False).ravel(), maps, strict=True):
            _draw_panel(figure, axes, each, size)
        add_title(figure, title, size.characters(), size.font)
    return figure


def _draw_panel(figure: Figure, axes: Axes, shown: LanguageMap, size: Size) -> None:
    scale, colours = Normalize(*shown.bounds), mpl.colormaps[shown.colours]
    spots = shown.spots
    axes.scatter(
        [WEST + spot.x for spot in spots],
        [NORTH - spot.y for spot in spots],
        c=[spot.value for spot in spots],
        cmap=colours,
        norm=scale,
        s=(size.width * 3) ** 1.2,
        edgecolor="0.2",
        linewidth=size.line * 0.4,
        zorder=2,
    )
    axes.set(xlim=(WEST, EAST), ylim=(SOUTH, NORTH), title=shown.title, aspect="equal")
    axes.xaxis.set_major_locator(FixedLocator(list(range(-150, EAST, 30))))
    axes.yaxis.set_major_locator(FixedLocator(list(range(SOUTH, NORTH + 1, 20))))
    axes.grid(visible=True)
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=axes, shrink=0.8, extend="max" if shown.limits else "neither"
    )
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
