"""Which figures `babelrank plot` draws: for each kind, what it takes and how its files are called."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure

from babelrank.analysis.bootstrap import MACRO_FIGURES, RANK_DISTANCE, find_intervals, question_figures
from babelrank.analysis.scaling import FEWEST_POINTS, fit_scaling, merge_sizes
from babelrank.errors import ReportError, unknown_choice
from babelrank.ranking.table import RelevantRanks
from babelrank.reporting.figures import figures_of
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.plots.bars import draw_bars, draw_radar
from babelrank.reporting.plots.differences import DIFFERENCES, draw_difference
from babelrank.reporting.plots.distances import draw_distance_boxes, draw_distance_curves
from babelrank.reporting.plots.quantities import QUANTITIES
from babelrank.reporting.plots.scaling import ScalingPanel, draw_scaling, scaling_points
from babelrank.reporting.plots.scatter import draw_scatter
from babelrank.reporting.plots.style import FORMATS, TEXT, Size, write_figure
from babelrank.reporting.results import Results, catalog_order


@dataclass(frozen=True)
class Material:
    """What there is to draw.

    Attributes
    ----------
    models
        In the order in which they are drawn.
    ranks
        Gives the rank table of a model, by its place in `models`, on a collection; read where a kind needs it.
    """

    models: Sequence[Results]
    ranks: Callable[[int, str], RelevantRanks]

    @property
    def collections(self) -> dict[str, list[int]]:
        """The models that have each collection in which languages can be compared, by their places."""
        known = {
            name for model in self.models for name, each in model.collections.items() if figures_of(name, each).has_bias
        }
        names = sorted(known, key=catalog_order)
        return {name: [i for i, model in enumerate(self.models) if name in model.collections] for name in names}


Drawn = Iterator[tuple[str, Figure]]


def _difference(material: Material, size: Size) -> Drawn:
    for name, having in material.collections.items():
        for i, j in combinations(having, 2):
            first, second = material.models[i], material.models[j]
            for difference in DIFFERENCES:
                pair = f"{slug(first.model.name)}.vs.{slug(second.model.name)}"
                yield (
                    f"{pair}.{collection_stem(name)}.{difference.name}",
                    draw_difference(first, second, name, difference, size=size),
                )


def _distance(material: Material, size: Size) -> Drawn:
    for name, having in material.collections.items():
        tables = {material.models[i].model.name: material.ranks(i, name) for i in having}
        yield f"{collection_stem(name)}.rank-distance", draw_distance_boxes(tables, name, size=size)
        yield f"{collection_stem(name)}.rank-distance-curves", draw_distance_curves(tables, name, size=size)


def _scatter(material: Material, size: Size) -> Drawn:
    intervals = {}
    for name, having in material.collections.items():
        known = {material.models[i].model.name: question_figures(material.ranks(i, name)) for i in having}
        intervals[name] = {model: find_intervals(figures) for model, figures in known.items()}
    if intervals:
        yield "accuracy-and-bias", draw_scatter(material.models, intervals=intervals, size=size)


def _scaling(material: Material, size: Size) -> Drawn:
    for name in material.collections:
        panels = []
        for figure in ("multilingual", RANK_DISTANCE):
            points, left_out = scaling_points(material.models, name, figure)
            sizes = merge_sizes(points)
            fit = fit_scaling(sizes) if len(sizes) >= FEWEST_POINTS else None
            law = f", {fit.form} with 95 % band" if fit else ""
            title = f"{name}: {QUANTITIES[figure].title}{law}"
            panels.append(ScalingPanel(title, figure, points, fit.predict if fit else None, left_out=left_out))
        yield f"{collection_stem(name)}.scaling", draw_scaling(panels, size=size)


def _by_language(draw: Callable[..., Figure], kind: str) -> Callable[[Material, Size], Drawn]:
    def drawn(material: Material, size: Size) -> Drawn:
        for name, having in material.collections.items():
            models = [material.models[i] for i in having]
            for figure in MACRO_FIGURES:
                stem = f"{collection_stem(name)}.{figure.replace('_', '-')}-{kind}"
                yield stem, draw(models, name, figure, size=size)

    return drawn


# What is drawn of several models together; each kind yields the stem of a file's name with its figure.
KINDS: dict[str, Callable[[Material, Size], Drawn]] = {
    "difference": _difference,
    "distance": _distance,
    "scatter": _scatter,
    "scaling": _scaling,
    "bars": _by_language(draw_bars, "bars"),
    "radar": _by_language(draw_radar, "radar"),
}


def plot(
    kind: str, material: Material, out: Path, *, size: Size = TEXT, formats: Sequence[str] = FORMATS
) -> Iterator[Path]:
    """Draw one kind of figure, and write each as soon as it is drawn.

    Parameters
    ----------
    kind
        One of `KINDS`.
    out
        Folder of the files; made if need be.

    Yields
    ------
    Path
        Each file that was written.

    Raises
    ------
    ReportError
        The kind or a format is unknown, there is nothing to draw, or a file cannot be written.
    """
    if kind not in KINDS:
        raise ReportError(unknown_choice("kind of figure", kind, KINDS))
    nothing = True
    for stem, figure in KINDS[kind](material, size):
        nothing = False
        yield from write_figure(figure, out / stem, formats)
    if nothing:
        raise ReportError(
            f"{kind}: nothing to draw. Figures show collections in which languages can be compared; a difference needs "
            "two models that have one in common."
        )
