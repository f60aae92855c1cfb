"""Draw figures from results and rank tables, as SVG, PDF and PNG. Only this package and `curves` load matplotlib.

Each ``draw_…`` is a pure function that returns a figure of one of the `SIZES`; `write_figure` writes it. The same input
gives the same bytes with the same version of matplotlib.
"""

from babelrank.reporting.plots.bars import draw_bars, draw_radar
from babelrank.reporting.plots.differences import DIFFERENCES, DifferenceMap, draw_difference
from babelrank.reporting.plots.distances import draw_distance_boxes, draw_distance_curves
from babelrank.reporting.plots.heatmaps import draw_heatmap, shared_scale
from babelrank.reporting.plots.kinds import KINDS, PlotInputs, draw, plot
from babelrank.reporting.plots.quantities import QUANTITIES, Quantity
from babelrank.reporting.plots.scaling import ScalingPanel, draw_scaling
from babelrank.reporting.plots.scatter import draw_scatter
from babelrank.reporting.plots.style import COLUMN, FORMATS, SIZES, SLIDE, TEXT, Size, house_style, render, write_figure

__all__ = [
    "COLUMN",
    "DIFFERENCES",
    "FORMATS",
    "KINDS",
    "QUANTITIES",
    "SIZES",
    "SLIDE",
    "TEXT",
    "DifferenceMap",
    "PlotInputs",
    "Quantity",
    "ScalingPanel",
    "Size",
    "draw",
    "draw_bars",
    "draw_difference",
    "draw_distance_boxes",
    "draw_distance_curves",
    "draw_heatmap",
    "draw_radar",
    "draw_scaling",
    "draw_scatter",
    "house_style",
    "plot",
    "render",
    "shared_scale",
    "write_figure",
]
