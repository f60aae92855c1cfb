"""The heatmaps of a report as SVG. `plots` draws them for papers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.settings import Matrix, mean_or_none
from babelrank.reporting.formatting import show_precisely, show_rank
from babelrank.reporting.html_page import templates
from babelrank.reporting.matrices import STEPS, Margin, MatrixView, Palette
from babelrank.reporting.measures import measures_of
from babelrank.reporting.names import collection_stem
from babelrank.reporting.results import CollectionResults

CellIntervals = Sequence[Sequence[Interval | None]]  # of each query language: its pairs, then the pool
_COLOUR = re.compile(r"\.(\w+) \.s(\d+) \{ background: (#\w{6}); color: (#\w{3}) \}")


@dataclass(frozen=True)
class Heatmap:
    """A heatmap with a row per query language and a column per passage language.

    Attributes
    ----------
    name
        Part of file names.
    title
        Title of the heatmap.
    label
        Label of the colour bar.
    caption
        Sentence for the report.
    matrix
        Function that returns the values.
    show
        Formats a value for a cell.
    colours
        Sequential colour map that is safe for colour-blind readers and monotonic in grey.
    limits
        Bounds of the scale; by default those of the values.
    logarithmic
        Whether ratios matter more than differences.
    """

    name: str
    title: str
    label: str
    caption: str
    matrix: Callable[[CollectionResults], Matrix]
    show: Callable[[float], str]
    colours: Palette
    limits: tuple[float | None, float | None] = (None, None)
    logarithmic: bool = False

    def file_name(self, collection: str) -> str:
        """Return the name of the heatmap's file, such as ``xquad-r.mean-rank.svg``."""
        return f"{collection_stem(collection)}.{self.name}.svg"

    def view(self, collection: CollectionResults) -> MatrixView:
        """Return the heatmap as the view of a page."""
        if self is PAIRS:
            return pair_view(collection, "mAP")
        values = self.matrix(collection)
        means = [mean_or_none(column) for column in np.array(values, dtype=float).T]
        return MatrixView(
            label=self.name.replace("-", " "),
            title=self.title[0].upper() + self.title[1:],
            rows=collection.languages,
            columns=collection.languages,
            values=values,
            show=self.show,
            precise=show_rank if self.logarithmic else "{:.1%}".format,
            legend=self.label,
            note=self.caption,
            colours=self.colours,
            limits=self.limits,
            logarithmic=self.logarithmic,
            n=collection.favoured.n,
            below=Margin("mean", "mean over query languages", means),
        )


def pair_view(collection: CollectionResults, measure: str, intervals: CellIntervals | None = None) -> MatrixView:
    """Return a measure by query and passage language, with the pool of all languages on the right."""
    return MatrixView(
        label=measure,
        title=f"{measure} by query and passage language",
        rows=collection.languages,
        columns=collection.languages,
        values=collection.pairs.scores[measure],
        show=PAIRS.show,
        precise=show_precisely,
        legend=f"{measure} (higher is better)",
        limits=PAIRS.limits,
        n=collection.pairs.n,
        intervals=intervals,
        right=Margin("Mul.", "all languages", collection.pool.scores[measure], collection.pool.n),
    )


def heatmaps_of(name: str, collection: CollectionResults) -> tuple[Heatmap, ...]:
    """Return the heatmaps that a collection has: none with one language, and none of ranks if bias is undefined."""
    shown = measures_of(name, collection)
    if not shown.has_pool:
        return ()
    return HEATMAPS if shown.has_bias else HEATMAPS[:1]


def render_svg(view: MatrixView, title: Sequence[str]) -> str:
    """Return a heatmap as SVG, the same bytes on every machine, as its layout does not depend on fonts.

    Parameters
    ----------
    title
        Lines above the cells, such as the model's name and the measure.
    """
    return (
        templates()
        .get_template("heatmap.svg.j2")
        .render(view=view, title=title, colours=palette_colours(view.colours), steps=STEPS)
    )


@cache
def palette_colours(palette: Palette) -> list[tuple[str, str]]:
    """Return the colours of a scale from dark to bright, each with the colour of a text on it."""
    css = (resources.files("babelrank.reporting") / "templates" / "scales.css").read_text(encoding="utf-8")
    return [(ground, text) for name, _, ground, text in _COLOUR.findall(css) if name == palette.removesuffix("_r")]


def _show_rank(rank: float) -> str:
    return f"{rank:.1f}" if rank < 99.95 else f"{rank:,.0f}"


PAIRS = Heatmap(
    name="pairs",
    title="mAP by query and passage language",
    label="mAP (higher is better)",
    caption="mAP of each pair of languages; monolingual settings on the diagonal.",
    matrix=lambda collection: collection.pairs.scores["mAP"],
    show=lambda score: f"{score:.2f}",
    colours="viridis",
    limits=(0.0, 1.0),  # so that colours mean the same in every report
)
MEAN_RANK = Heatmap(
    name="mean-rank",
    title="mean rank in the pool of each language's relevant passage",
    label="mean rank in the pool (lower is better)",
    caption="Mean rank of the relevant passage of each passage language in the pool of all languages. Without "
    "language bias, a row has one colour.",
    matrix=lambda collection: collection.favoured.mean_rank,
    show=_show_rank,
    colours="viridis_r",  # bright is better, as in the map of mAP
    logarithmic=True,
)
SHARE_FIRST = Heatmap(
    name="share-first",
    title="share of queries for which a passage language comes first",
    label="share of queries",
    caption="Share of queries for which the relevant passage of the passage language ranks first among all "
    "relevant passages in the pool. Without language bias, a row has one colour.",
    matrix=lambda collection: collection.favoured.share_first,
    show=lambda share: f"{share:.0%}",
    colours="cividis",
    limits=(0.0, None),
)
HEATMAPS = (PAIRS, MEAN_RANK, SHARE_FIRST)
