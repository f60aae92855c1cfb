"""Shared by all figures: sizes, fonts, colours, titles, axes, and writing files."""

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from babelrank.errors import ReportError, unknown_choice
from babelrank.files import atomic_write

Side = Literal["x", "y"]
Dashes = str | tuple[int, tuple[int, ...]]

ROUND = (1, 2, 5, 10)  # steps between ticks, times a power of ten
DPI = 300  # what printers ask for
FORMATS = ("svg", "pdf", "png")
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first comes with matplotlib, and draws PNGs
    "font.size": 8,
    "svg.fonttype": "none",  # text stays text: smaller, and can be searched
    "svg.hashsalt": "babelrank",  # ids would be random otherwise
    "pdf.fonttype": 42,  # TrueType: publishers refuse matplotlib's own default, Type 3
}
_NO_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
_EM = 0.6  # mean width of a character of DejaVu Sans, in font sizes
_KEY_WIDTH = 5  # characters that a legend's symbol takes, with the space around it
_POINTS = 72  # per inch
_LEGEND_SHARE = 0.35  # of a figure's height, where that is fixed
_LEGEND_SCALES = (1, 0.85, 0.7, 0.6, 0.5)  # of a legend's font, as it takes more than that

# The colours of Okabe & Ito (2008, https://jfly.uni-koeln.de/color/), which colour-blind readers can distinguish. Grey
# replaces yellow, which is too faint on white. Hatches, markers and dashes also differ, for print in black and white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#999999", "#000000")
_HATCHES = ("", "/////", "\\\\\\\\\\", "-----", "xxxxx", "|||||", "+++++", "", "///")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
_DASHES: tuple[Dashes, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class Size:
    """The size of a figure, by where it will be used.

    Attributes
    ----------
    name
        As options call it.
    width
        Inches.
    height
        Inches; None if it follows from the content.
    font
        Points, of labels.
    small
        Points, of numbers and names inside the axes.
    line
        Points, of axes and curves.
    marker
        Points.
    """

    name: str
    width: float
    height: float | None
    font: float
    small: float
    line: float
    marker: float

    @property
    def is_narrow(self) -> bool:
        """Whether languages have to stand below each other rather than side by side."""
        return self.width < 5

    def characters(self, width: float | None = None) -> int:
        """Return how many characters of a label fit into `width` inches, by default the figure's."""
        return max(int((width or self.width) * _POINTS / (_EM * self.font)), 8)

    def inches(self, lines: float) -> float:
        """Return the height of some lines of labels."""
        return lines * self.font * 1.35 / _POINTS


COLUMN = Size("column", 3.35, None, font=7, small=5.5, line=0.8, marker=4)
TEXT = Size("text", 7.0, None, font=8, small=6.5, line=1.0, marker=5)
SLIDE = Size("slide", 13.33, 7.5, font=15, small=12, line=2.0, marker=9)
SIZES = {size.name: size for size in (COLUMN, TEXT, SLIDE)}


@dataclass(frozen=True)
class PlotStyle:
    """How one model is drawn, wherever it appears in a figure.

    Attributes
    ----------
    colour, hatch, marker, dashes
        As matplotlib takes them.
    """

    colour: str
    hatch: str
    marker: str
    dashes: Dashes

    @property
    def depth(self) -> float:
        """Order in which lines are drawn: unbroken ones first, so that others on them can be seen."""
        return 2.0 if self.dashes == "-" else 2.1


def plot_styles(count: int) -> list[PlotStyle]:
    """Return a style for each of `count` models; no two are alike in all."""
    return [
        PlotStyle(*choice)
        for choice in islice(zip(cycle(_COLOURS), cycle(_HATCHES), cycle(_MARKERS), cycle(_DASHES), strict=True), count)
    ]


@contextmanager
def house_style(size: Size | None = None) -> Iterator[None]:
    """Use matplotlib's defaults and babelrank's style within the block, and restore the user's settings after it."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        if size:
            ticks = {f"{axis}tick.{which}.width": size.line * 0.8 for axis in "xy" for which in ("major", "minor")}
            mpl.rcParams.update(
                {
                    "font.size": size.font,
                    "axes.titlesize": size.font,
                    "axes.labelsize": size.font,
                    "xtick.labelsize": size.font,
                    "ytick.labelsize": size.font,
                    "legend.fontsize": size.font,
                    "axes.linewidth": size.line * 0.8,
                    "lines.linewidth": size.line * 1.3,
                    "lines.markersize": size.marker,
                    "patch.linewidth": size.line * 0.6,
                    "hatch.linewidth": size.line * 0.4,
                    "grid.linewidth": size.line * 0.5,
                    "grid.color": "#d5d5d5",
                    "axes.axisbelow": True,
                    **ticks,
                }
            )
        # A model's name may have characters that the font lacks, and users cannot change that.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def render(figure: Figure, suffix: str) -> bytes:
    """Return the content of a file of one of the `FORMATS`.

    Raises
    ------
    ReportError
        The format is another.
    """
    if suffix not in FORMATS:
        raise ReportError(unknown_choice("format", suffix, FORMATS))
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=suffix, dpi=DPI, metadata=_NO_METADATA[suffix])
    return buffer.getvalue()


def write_figure(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure to ``<stem>.<format>`` for each format; the folder is made if need be.

    Raises
    ------
    ReportError
        A format is unknown, or a file cannot be written.
    """
    contents = {stem.with_name(f"{stem.name}.{suffix}"): render(figure, suffix) for suffix in formats}
    for path, content in contents.items():
        try:
            atomic_write(path, content)
        except OSError as error:
            raise ReportError(
                f"{path}: cannot be written ({error.strerror}). Choose another folder with --out DIR."
            ) from error
    return list(contents)


def new_figure(size: Size, height: float) -> Figure:
    """Return an empty figure; `height` (inches) is that of sizes that have none of their own."""
    return Figure(figsize=(size.width, size.height or height), layout="constrained")


def add_title(figure: Figure, paragraphs: Sequence[str], characters: int, font: float) -> int:
    """Write a title, each paragraph on lines of its own; return the number of lines."""
    lines = [line for text in paragraphs for line in wrap(text, characters)]
    # A name may hold dollar signs: no formulas.
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=font, parse_math=False)
    return len(lines)


def title_lines(paragraphs: Sequence[str], size: Size) -> int:
    """Return how many lines `add_title` will need at a size."""
    return sum(len(wrap(text, size.characters())) for text in paragraphs)


@dataclass(frozen=True)
class LegendPlan:
    """How a legend below the axes is laid out.

    Attributes
    ----------
    names
        Broken into lines.
    columns
        Entries side by side.
    height
        Inches.
    font
        Points.
    """

    names: list[str]
    columns: int
    height: float
    font: float


def plan_legend(names: Sequence[str], size: Size) -> LegendPlan:
    """Lay out a legend that is no wider than the figure; where that has a height, smaller until the axes have room."""
    most = np.inf if size.height is None else size.height * _LEGEND_SHARE
    plans = [_lay_out(names, replace(size, font=size.font * scale)) for scale in _LEGEND_SCALES]
    return next((plan for plan in plans if plan.height <= most), plans[-1])


def _lay_out(names: Sequence[str], size: Size) -> LegendPlan:
    """Lay out a legend in a size's font, as low as can be without breaking words."""
    room, word = size.characters() - 2, max(len(word) for name in names for word in name.split())
    plans = []
    for columns in range(1, len(names) + 1):
        width = room // columns - _KEY_WIDTH
        if width >= word or columns == 1:
            wrapped = [wrap(name, max(width, 1)) for name in names]
            rows = -(-len(names) // columns)
            lines = max(sum(map(len, wrapped[i : i + rows])) for i in range(0, len(names), rows))
            used = -(-len(names) // rows)
            height = size.inches(lines * 1.15 + 1)
            plans.append(LegendPlan(["\n".join(part) for part in wrapped], used, height, size.font))
    return min(plans, key=lambda plan: plan.height)


def add_legend(figure: Figure, handles: Sequence[Artist], plan: LegendPlan) -> None:
    """Put a legend below the axes."""
    legend = figure.legend(
        handles=list(handles),
        labels=[str(i) for i in range(len(handles))],
        loc="outside lower center",
        ncols=plan.columns,
        fontsize=plan.font,
        frameon=False,
        handlelength=2.4,
        columnspacing=1.2,
    )
    for text, name in zip(legend.get_texts(), plan.names, strict=True):  # a name may begin with _ or hold $
        set_plain(text, name)


def wrap(text: str, characters: int) -> list[str]:
    """Break a text into lines; names of models are not broken at their hyphens."""
    return textwrap.wrap(text, characters, break_on_hyphens=False)


def set_plain(text: Text, content: str) -> None:
    """Let a text show what a user wrote, dollar signs and all."""
    text.set_parse_math(False)
    text.set_text(content)


def clean_axes(axes: Axes, *, grid: Literal["x", "y", "both"]) -> None:
    """Leave two spines and a grid along one axis, ``x`` or ``y``, or ``both``."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis=grid)


def scale_log(axes: Axes, side: Side, bounds: tuple[float, float], show: Callable[[float], str], most: int = 8) -> None:
    """Make an axis logarithmic, with at least three labels if its bounds leave room for round numbers.

    Parameters
    ----------
    bounds
        Of what is shown. If the lower one is 0, the axis is linear from there to 1.
    show
        A tick's label.
    most
        Labels there is room for.
    """
    low, high = bounds
    ticks = _log_ticks(max(low, 1.0) if low == 0 else low, high)
    ticks = ticks[:: -(-len(ticks) // most)]
    if low == 0:
        ticks = [0.0, *(ticks if len(ticks) < most else ticks[1:])]  # 1 stands close to 0
        getattr(axes, f"set_{side}scale")("symlog", linthresh=1.0, linscale=0.3)
    else:
        getattr(axes, f"set_{side}scale")("log")
    axes.set(**{f"{side}lim": bounds})
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _log_ticks(low: float, high: float) -> list[float]:
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for multiples in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        ticks = np.outer(decades, multiples).ravel()
        inside: list[float] = ticks[(ticks >= low) & (ticks <= high)].tolist()
        if len(inside) >= 3:
            return inside
    return [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


def legible_on(colour: tuple[float, float, float, float]) -> str:
    """Choose black or white text by the background's relative luminance (WCAG 2), for the higher contrast."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"
