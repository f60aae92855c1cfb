"""A scatter plot of accuracy and language bias as SVG, with the same bytes on every machine."""

import math
from collections.abc import Sequence

from babelrank.reporting.html_page import templates

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#7A5195",
    "#8C8C00",
    "#A50026",
)
_WANTED_TICKS = 5


def scatter_svg(title: str, points: Sequence[tuple[str, float, float]]) -> str:
    """Return a plot of labels with an accuracy (across) and a language effect (upwards); both axes begin at 0.

    Points with the same label have the same colour, such as those of a training run with several seeds.
    """
    labels = list(dict.fromkeys(label for label, *_ in points))
    across, upwards = (_ticks(max(values)) for values in zip(*((x, y) for _, x, y in points), strict=True))
    return (
        templates()
        .get_template("scatter.svg.j2")
        .render(
            title=title,
            labels=labels,
            points=[(labels.index(label), x / across[-1], y / upwards[-1]) for label, x, y in points],
            across=[(f"{tick:g}", tick / across[-1]) for tick in across],
            upwards=[(f"{tick:g}", tick / upwards[-1]) for tick in upwards],
            colours=_COLOURS,
        )
    )


def _ticks(highest: float) -> list[float]:
    """Return round numbers from 0 to at least the highest value."""
    highest = max(highest, 1e-3)
    rough = highest / _WANTED_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(step * n, 10) for n in range(math.ceil(highest / step - 1e-9) + 1)]
