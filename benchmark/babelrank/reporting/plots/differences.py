"""Draw where one of two models is better on a collection, by query and passage language."""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from babelrank.reporting.heatmaps import MEAN_RANK, PAIRS, Heatmap
from babelrank.reporting.plots.heatmaps import draw_cells
from babelrank.reporting.plots.style import ROUND, TEXT, Size
from babelrank.reporting.results import Results, find_collections


@dataclass(frozen=True)
class DifferenceMap:
    """A heatmap of A against B. Blue means that A is better, red that B is better.

    Attributes
    ----------
    of
        The heatmap of the compared values: log₂(A / B) if it is logarithmic, else A − B.
    title
        Title of the heatmap.
    label
        Label of the colour bar.
    show
        Formats a difference.
    colours
        Diverging colour map of matplotlib that is safe for colour-blind readers.
    """

    of: Heatmap
    title: str
    label: str
    show: Callable[[float], str]
    colours: str

    @property
    def name(self) -> str:
        """Part of file names."""
        return f"{self.of.name}-difference"


def _show_gain(difference: float) -> str:
    """Write a difference of scores with its sign: ``+.12``; scores of up to 1 need no leading 0."""
    text = f"{difference:+.2f}".replace("-", "−").replace("0.", ".", 1)
    return ".00" if text in {"+.00", "−.00"} else text


def _show_ratio(logarithm: float) -> str:
    """Write 2 to the power of `logarithm` as a factor, ``×3.2``, or a divisor, ``÷3.2``."""
    factor = 2.0 ** abs(logarithm)
    text = f"{factor:.1f}" if factor < 9.95 else f"{factor:,.0f}"
    return "1.0" if text == "1.0" else f"{'×' if logarithm > 0 else '÷'}{text}"


DIFFERENCES = (
    DifferenceMap(PAIRS, "mAP, A − B", "difference of mAP (blue: A is better)", _show_gain, "RdBu"),
    DifferenceMap(
        MEAN_RANK,
        "mean rank in the pool of each language's relevant passage, A as a multiple of B",
        "ratio of mean ranks (blue: A is better)",
        _show_ratio,
        "RdBu_r",  # a lower rank is better
    ),
)


def draw_difference(
    first: Results, second: Results, collection: str, difference: DifferenceMap = DIFFERENCES[0], *, size: Size = TEXT
) -> Figure:
    """Draw where one model is better than another. Rows are query languages, columns passage languages.

    Raises
    ------
    ReportError
        A model was not evaluated on the collection, or on a different version of it.
    """
    found = find_collections([first, second], collection)
    a, b = (np.array(difference.of.matrix(results), dtype=float) for results in found)
    values = np.log2(a / b) if difference.of.logarithmic else a - b
    most = float(np.max(np.abs(values), where=~np.isnan(values), initial=0.0)) or 1.0
    return draw_cells(
        values,
        found[0].languages,
        colours=mpl.colormaps[difference.colours],
        scale=Normalize(-most, most),
        show=difference.show,
        title=[f"A: {first.model.name}", f"B: {second.model.name}", f"{collection}: {difference.title}"],
        label=difference.label,
        show_tick=lambda value: difference.show(value).removesuffix(".0"),
        ticks=MaxNLocator(8, symmetric=True, steps=ROUND),
        size=size,
    )
