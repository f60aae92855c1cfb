"""The kinds of figures of `babelrank plot`: their inputs and file names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure

from babelrank.analysis.bootstrap import MACRO_MEASURES, RANK_DISTANCE, clustered_scores, find_intervals
from babelrank.analysis.scaling import fit_families
from babelrank.errors import ReportError, unknown_choice
from babelrank.ranking.table import RankTable
from babelrank.reporting.heatmaps import HEATMAPS, heatmaps_of
from babelrank.reporting.maps import language_maps
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.plots.bars import draw_bars, draw_radar
from babelrank.reporting.plots.differences import DIFFERENCES, draw_difference
from babelrank.reporting.plots.distances import draw_distance_boxes, draw_distance_curves
from babelrank.reporting.plots.heatmaps import draw_heatmap, shared_scale
from babelrank.reporting.plots.maps import draw_map
from babelrank.reporting.plots.quantities import QUANTITIES
from babelrank.reporting.plots.scaling import ScalingPanel, draw_scaling
from babelrank.reporting.plots.scatter import draw_scatter
from babelrank.reporting.plots.style import FORMATS, TEXT, Size, write_figure
from babelrank.reporting.results import CollectionResults, Results, catalog_order, find_collections
from babelrank.reporting.scaling_table import scaling_points

HEATMAP_KIND = "heatmaps"  # all of them


@dataclass(frozen=True)
class PlotInputs:
    """The inputs of figures.

    Attributes
    ----------
    models
        Models in the order of drawing.
    ranks
        Function that returns the rank table of a model, by its index in `models`, on a collection. Only some kinds
        need it.
    """

    models: Sequence[Results]
    ranks: Callable[[int, str], RankTable]

    @property
    def collections(self) -> dict[str, list[int]]:
        """The models that have each collection in which languages can be compared, by their places."""
        return self._having(lambda name, each: measures_of(name, each).has_bias)

    @property
    def pooled(self) -> dict[str, list[int]]:
        """The same, of collections of several languages."""
        return self._having(lambda name, each: measures_of(name, each).has_pool)

    def only(self, collection: str) -> "PlotInputs":
        """Return the inputs with one collection alone."""
        models = [replace(each, collections={collection: each.collections[collection]}) for each in self.models]
        return replace(self, models=models)

    def _having(self, fits: Callable[[str, CollectionResults], bool]) -> dict[str, list[int]]:
        known = {name for model in self.models for name, each in model.collections.items() if fits(name, each)}
        names = sorted(known, key=catalog_order)
        return {name: [i for i, model in enumerate(self.models) if name in model.collections] for name in names}


Drawn = Iterator[tuple[str, Figure]]


def _heatmaps(*names: str) -> Callable[[PlotInputs, Size | None], Drawn]:
    def drawn(inputs: PlotInputs, size: Size | None) -> Drawn:
        for name, having in inputs.pooled.items():
            models = [inputs.models[i] for i in having]
            for heatmap in heatmaps_of(name, models[0].collections[name]):
                if heatmap.name not in names:
                    continue
                scale = shared_scale(heatmap, [model.collections[name] for model in models])
                for model in models:
                    stem = f"{slug(model.model.name)}.{collection_stem(name)}.{heatmap.name}"
                    yield stem, draw_heatmap(model, name, heatmap, scale, size)

    return drawn


def _difference(inputs: PlotInputs, size: Size) -> Drawn:
    for name, having in inputs.collections.items():
        for i, j in combinations(having, 2):
            first, second = inputs.models[i], inputs.models[j]
            for difference in DIFFERENCES:
                pair = f"{slug(first.model.name)}.vs.{slug(second.model.name)}"
                yield (
                    f"{pair}.{collection_stem(name)}.{difference.name}",
                    draw_difference(first, second, name, difference, size=size),
                )


def _distance(inputs: PlotInputs, size: Size) -> Drawn:
    for name, having in inputs.collections.items():
        tables = {inputs.models[i].model.name: inputs.ranks(i, name) for i in having}
        yield f"{collection_stem(name)}.rank-distance", draw_distance_boxes(tables, name, size=size)
        yield f"{collection_stem(name)}.rank-distance-curves", draw_distance_curves(tables, name, size=size)


def _scatter(inputs: PlotInputs, size: Size) -> Drawn:
    intervals = {}
    for name, having in inputs.collections.items():
        known = {inputs.models[i].model.name: clustered_scores(inputs.ranks(i, name)) for i in having}
        intervals[name] = {model: find_intervals(figures) for model, figures in known.items()}
    if intervals:
        yield "accuracy-and-bias", draw_scatter(inputs.models, intervals=intervals, size=size)


def _scaling(inputs: PlotInputs, size: Size) -> Drawn:
    for name, having in inputs.collections.items():
        models = [(inputs.models[i].model, inputs.models[i].collections[name]) for i in having]
        panels = []
        for figure in ("multilingual", RANK_DISTANCE):
            points, left_out = scaling_points(models, figure)
            title = f"{name}: {QUANTITIES[figure].title}"
            panels.append(ScalingPanel(title, figure, points, fit_families(points), left_out))
        yield f"{collection_stem(name)}.scaling", draw_scaling(panels, size=size)


def _maps(inputs: PlotInputs, size: Size) -> Drawn:
    for name, having in inputs.pooled.items():
        for model in (inputs.models[i] for i in having):
            if language_maps(name, model.collections[name]):
                yield f"{slug(model.model.name)}.{collection_stem(name)}.map", draw_map(model, name, size=size)


def _by_language(draw: Callable[..., Figure], kind: str) -> Callable[[PlotInputs, Size], Drawn]:
    def drawn(inputs: PlotInputs, size: Size) -> Drawn:
        for name, having in inputs.collections.items():
            models = [inputs.models[i] for i in having]
            for figure in MACRO_MEASURES:
                stem = f"{collection_stem(name)}.{figure.replace('_', '-')}-{kind}"
                yield stem, draw(models, name, figure, size=size)

    return drawn


# Each kind yields the stem of a file's name with its figure; heatmaps of several models share a colour scale.
KINDS: dict[str, Callable[..., Drawn]] = {
    HEATMAP_KIND: _heatmaps(*(heatmap.name for heatmap in HEATMAPS)),
    **{heatmap.name: _heatmaps(heatmap.name) for heatmap in HEATMAPS},
    "difference": _difference,
    "distance": _distance,
    "scatter": _scatter,
    "scaling": _scaling,
    "bars": _by_language(draw_bars, "bars"),
    "radar": _by_language(draw_radar, "radar"),
    "map": _maps,
}


def draw(kind: str, inputs: PlotInputs, *, collection: str | None = None, size: Size | None = None) -> Iterator[Figure]:
    """Yield the figures of one kind, without writing them.

    Parameters
    ----------
    kind
        One of `KINDS`.
    collection
        Collection to draw; by default all.
    size
        Size of the figures; by default `TEXT`, and for heatmaps a size that depends on the number of languages.

    Raises
    ------
    ReportError
        The kind is unknown, a model was not evaluated on the collection, or there is nothing to draw.
    """
    yield from (figure for _, figure in _drawn(kind, inputs, collection, size))


def plot(
    kind: str, inputs: PlotInputs, out: Path, *, size: Size | None = None, formats: Sequence[str] = FORMATS
) -> Iterator[Path]:
    """Draw one kind of figure, and write each figure as soon as it is drawn.

    Parameters
    ----------
    kind, size
        As for `draw`.
    out
        Folder for the files; created if needed.

    Yields
    ------
    Path
        Each file that was written.

    Raises
    ------
    ReportError
        The kind or a format is unknown, there is nothing to draw, or a file cannot be written.
    """
    for stem, figure in _drawn(kind, inputs, None, size):
        yield from write_figure(figure, out / stem, formats)


def _drawn(kind: str, inputs: PlotInputs, collection: str | None, size: Size | None) -> Drawn:
    if kind not in KINDS:
        raise ReportError(unknown_choice("kind of figure", kind, KINDS))
    if collection is not None:
        find_collections(inputs.models, collection)
        inputs = inputs.only(collection)
    is_heatmap = kind == HEATMAP_KIND or kind in {heatmap.name for heatmap in HEATMAPS}
    nothing = True
    for stem, figure in KINDS[kind](inputs, size or (None if is_heatmap else TEXT)):
        nothing = False
        yield stem, figure
    if nothing:
        raise ReportError(
            f"{kind}: nothing to draw. Figures need collections in which languages can be compared, and a difference "
            "needs two models with a common collection."
        )
