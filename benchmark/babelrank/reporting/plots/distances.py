"""Draw the distribution of the rank distance over queries, by query language and model."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from babelrank.analysis.bias import query_distances
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable
from babelrank.reporting.languages import language_name
from babelrank.reporting.plots.groups import grouped_axes
from babelrank.reporting.plots.quantities import show_count
from babelrank.reporting.plots.style import (
    TEXT,
    Size,
    add_legend,
    add_title,
    clean_axes,
    house_style,
    new_figure,
    plan_legend,
    plot_styles,
    scale_log,
    set_plain,
    title_lines,
)

_WHISKERS = (5.0, 95.0)  # percentiles
_SHARES = np.linspace(0, 1, 101)  # enough for a curve a few inches wide
_ROOM = 1.3  # between the ends of an axis and what it shows, as a factor
_LABEL = "rank distance"
_KEY = "box: quartiles; line: 5 % to 95 %; bar: median; diamond: mean"


def draw_distance_boxes(tables: Mapping[str, RankTable], collection: str, *, size: Size = TEXT) -> Figure:
    """Draw a box plot per query language and model, of the rank distances of the queries with |R| ≥ 2.

    Boxes are quartiles, whiskers the 5th and the 95th percentile. A diamond is the mean, which reports show as the rank
    distance (arXiv 2408.10536). The axis is logarithmic.

    Parameters
    ----------
    tables
        Rank tables on one collection, by the model's name.
    collection
        Name in the title.

    Raises
    ------
    ReportError
        There is no table, the languages of the tables differ, or no query has two relevant passages.
    """
    distances = _by_language(tables)
    codes, styles = next(iter(tables.values())).languages, plot_styles(len(tables))
    legend = plan_legend(list(tables), size) if len(tables) > 1 else None
    title = [*([] if legend else tables), f"{collection}: {_LABEL} of the queries, by query language", _KEY]
    with house_style(size):
        label = f"{_LABEL} (log scale, lower is better)"
        grouped = grouped_axes(codes, len(tables), title, label, legend, size)
        for member, (groups, style) in enumerate(zip(distances.values(), styles, strict=True)):
            known = [
                (group, place) for group, place in zip(groups, grouped.places[:, member], strict=True) if len(group)
            ]
            grouped.axes.boxplot(
                [group for group, _ in known],
                positions=[place for _, place in known],
                widths=grouped.thickness * 0.78,
                whis=_WHISKERS,
                orientation="vertical" if grouped.vertical else "horizontal",
                manage_ticks=False,
                patch_artist=True,
                showfliers=False,
                showcaps=False,
                showmeans=True,
                boxprops={"facecolor": style.colour, "hatch": style.hatch, "linewidth": size.line * 0.5},
                medianprops={"color": "white" if style.colour == "#000000" else "black", "linewidth": size.line * 1.2},
                whiskerprops={"color": "#555555", "linewidth": size.line * 0.7},
                meanprops={
                    "marker": "D",
                    "markersize": min(grouped.points * 0.4, size.marker),
                    "markerfacecolor": "white",
                    "markeredgecolor": "black",
                    "markeredgewidth": size.line * 0.5,
                },
            )
        drawn = np.concatenate([np.percentile(group, _WHISKERS) for group in _filled(distances)])
        drawn = np.append(drawn, [group.mean() for group in _filled(distances)])
        scale_log(grouped.axes, grouped.side, _bounds(drawn), show_count, most=5)
        handles = [Patch(facecolor=style.colour, hatch=style.hatch, edgecolor="black") for style in styles]
        if legend:
            add_legend(grouped.figure, handles, legend)
    return grouped.figure


def draw_distance_curves(tables: Mapping[str, RankTable], collection: str, *, size: Size = TEXT) -> Figure:
    """Draw the cumulative distribution of the rank distances: a panel per query language, a curve per model.

    Parameters, errors and the axis are those of `draw_distance_boxes`.
    """
    distances = _by_language(tables)
    codes, styles = next(iter(tables.values())).languages, plot_styles(len(tables))
    legend = plan_legend(list(tables), size) if len(tables) > 1 else None
    title = [
        *([] if legend else tables),
        f"{collection}: share of queries within a {_LABEL} (log scale, lower is better)",
    ]
    columns = min(2 if size.is_narrow else 4, len(codes))
    rows = -(-len(codes) // columns)
    values = np.concatenate(_filled(distances))
    bounds = _bounds(values)
    around = size.inches(title_lines(title, size) + 3) + (legend.height if legend else 0.0)
    with house_style(size):
        figure = new_figure(size, around + rows * size.width / columns * (0.62 if size.is_narrow else 0.8))
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for position, axes in enumerate(panels.ravel()):
            if position >= len(codes):
                axes.set_visible(False)
                continue
            for groups, style in zip(distances.values(), styles, strict=True):
                if len(groups[position]):
                    known = np.quantile(groups[position], _SHARES)
                    axes.plot(known, _SHARES, color=style.colour, linestyle=style.dashes, zorder=style.depth)
            clean_axes(axes, grid="both")
            set_plain(axes.set_title("", loc="left", pad=size.font * 0.3), language_name(codes[position]))
            scale_log(axes, "x", bounds, _short, most=3)
            axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
            axes.yaxis.set_minor_locator(NullLocator())
            # Panels above an empty place have to show the shared axis, too.
            if position + columns >= len(codes):
                axes.tick_params(labelbottom=True)
                axes.set_xlabel(_LABEL)
            if position % columns == 0:
                axes.set_ylabel("queries")
        add_title(figure, title, size.characters(), size.font)
        if legend:
            add_legend(figure, [Line2D([], [], color=style.colour, linestyle=style.dashes) for style in styles], legend)
    return figure


def _by_language(tables: Mapping[str, RankTable]) -> dict[str, list[np.ndarray]]:
    """Return each model's distances, one array per query language."""
    if not tables:
        raise ReportError("a figure needs at least one rank table.")
    first, *others = tables.values()
    for table in others:
        if table.languages != first.languages:
            raise ReportError(
                f"rank tables of different languages cannot be drawn together: {', '.join(first.languages)} and "
                f"{', '.join(table.languages)}."
            )
    distances = {
        name: [queries.distance[queries.lang == i] for i in range(len(first.languages))]
        for name, queries in ((name, query_distances(table)) for name, table in tables.items())
    }
    if not _filled(distances):
        raise ReportError("rank distance: no query has two relevant passages.")
    return distances


def _filled(distances: Mapping[str, Sequence[np.ndarray]]) -> list[np.ndarray]:
    return [group for groups in distances.values() for group in groups if len(group)]


def _bounds(values: np.ndarray) -> tuple[float, float]:
    """Return an axis' ends; the lower one is 0 where there are distances of 0, which equal scores have."""
    return float(values.min()) / _ROOM, max(float(values.max()), 1.0) * _ROOM


def _short(value: float) -> str:
    """Write a tick of a small panel: ``10``, ``1k``."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
