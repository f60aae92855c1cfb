"""Which heatmaps a report has: what each shows, and how; `plots` draws them."""

from collections.abc import Callable
from dataclasses import dataclass

from babelrank.analysis.settings import Matrix
from babelrank.reporting.figures import figures_of
from babelrank.reporting.names import collection_stem
from babelrank.reporting.parts import Palette
from babelrank.reporting.results import CollectionResults


@dataclass(frozen=True)
class Heatmap:
    """A figure with a row per query language and a column per passage language.

    Attributes
    ----------
    name
        Part of file names.
    title
        What it shows.
    label
        Of the colour bar.
    caption
        A sentence for the report.
    matrix
        The values.
    show
        A value as text that fits a cell.
    colours
        A sequential map, one that is safe for colour-blind readers and falls or rises in grey, too.
    limits
        Bounds of the scale, if the values' own are not to be its.
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

    def file_name(self, collection: str, suffix: str = "svg") -> str:
        """Return the name of the figure's file, such as ``xquad-r.mean-rank.svg``."""
        return f"{collection_stem(collection)}.{self.name}.{suffix}"


def heatmaps_of(name: str, collection: CollectionResults) -> tuple[Heatmap, ...]:
    """Return the heatmaps that a collection has: of one language there are none, and without bias none of ranks."""
    figures = figures_of(name, collection)
    if not figures.has_pool:
        return ()
    return HEATMAPS if figures.has_bias else HEATMAPS[:1]


def _show_rank(rank: float) -> str:
    return f"{rank:.1f}" if rank < 99.95 else f"{rank:,.0f}"


HEATMAPS = (
    Heatmap(
        name="pairs",
        title="mAP by query and passage language",
        label="mAP (higher is better)",
        caption="mAP of each pair of languages; monolingual settings on the diagonal.",
        matrix=lambda collection: collection.pairs.scores["mAP"],
        show=lambda score: f"{score:.2f}",
        colours="viridis",
    ),
    Heatmap(
        name="mean-rank",
        title="mean rank in the pool of each language's relevant passage",
        label="mean rank in the pool (lower is better)",
        caption="Mean rank, in the pool of all languages, of the relevant passage of each passage language. Without "
        "language bias a row has one colour.",
        matrix=lambda collection: collection.favoured.mean_rank,
        show=_show_rank,
        colours="viridis_r",  # bright is better, as in the map of mAP
        logarithmic=True,
    ),
    Heatmap(
        name="share-first",
        title="share of queries for which a passage language comes first",
        label="share of queries",
        caption="Share of queries for which, of all relevant passages in the pool, that of the passage language ranks "
        "first. Without language bias each cell of a row has the same share.",
        matrix=lambda collection: collection.favoured.share_first,
        show=lambda share: f"{share:.0%}",
        colours="cividis",
        limits=(0.0, None),
    ),
)
