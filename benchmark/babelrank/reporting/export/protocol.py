"""The interface of all formats of `babelrank export`: reports in, files by name out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from babelrank.ranking.table import RankTable
from babelrank.reporting.results import CollectionResults, Results, catalog_order

# (model's name, collection) -> rank table; see `report.find_ranks`.
RanksReader = Callable[[str, str], RankTable]
# A file's path relative to the folder of the export, with slashes, and its content.
File = tuple[str, str | bytes]
ALL_LANGUAGES = "all"  # in the place of a passage language: the pool


@dataclass(frozen=True)
class Options:
    """Options of exports. A format ignores those of other formats.

    Attributes
    ----------
    depth
        ``trec``: number of ranks in a run.
    pairs
        ``trec``: also write the monolingual and cross-lingual settings; ``latex``: also write a matrix of pairs for
        each model.
    intervals
        ``latex``: show bootstrap intervals of the macro figures.
    """

    depth: int = 100
    pairs: bool = False
    intervals: bool = False


Renderer = Callable[[Sequence[Results], RanksReader, Options], Iterator[File]]


def collection_names(results: Sequence[Results]) -> list[str]:
    """Return the collections that at least one of the models was evaluated on, as the catalog has them."""
    return sorted({name for each in results for name in each.collections}, key=catalog_order)


def evaluations(results: Sequence[Results]) -> Iterator[tuple[str, str, CollectionResults]]:
    """Yield model's name, collection's name, and figures; models as given, collections as the catalog has them."""
    for each in results:
        for name in sorted(each.collections, key=catalog_order):
            yield each.model.name, name, each.collections[name]
