"""Export reports to files for other tools and for papers.

In: results.json and rank tables, without the encoder or the collection. Out: files in a folder, the same bytes for the
same reports. A format is a module with a function that yields files; `FORMATS` lists them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from babelrank.errors import ReportError, unknown_choice
from babelrank.files import atomic_write
from babelrank.ranking.table import RankTable
from babelrank.reporting.export import csv_tables, latex_tables, model_card, mteb, trec
from babelrank.reporting.export.protocol import Options, RanksReader, Renderer
from babelrank.reporting.names import slug
from babelrank.reporting.report import find_ranks, find_report
from babelrank.reporting.results import Results, find_collections

__all__ = ["FORMATS", "Format", "Options", "RanksReader", "export_reports", "find_format"]


@dataclass(frozen=True)
class Format:
    """A format that reports can be exported to.

    Attributes
    ----------
    description
        One line on the output.
    render
        Function that yields the files.
    side_by_side
        Whether the models' scores are in one table, and so must be for the same data.
    """

    description: str
    render: Renderer
    side_by_side: bool

    def export(
        self, results: Sequence[Results], read_ranks: RanksReader, folder: Path, options: Options | None = None
    ) -> list[Path]:
        """Write the files atomically, and return their paths. Other files in `folder` are kept.

        Parameters
        ----------
        results
            One per model, in the order of the output.
        read_ranks
            Returns the rank table of a model, by its name, on a collection.

        Raises
        ------
        ReportError
            Two models have the same name, two reports cannot be compared, a rank table is missing, an option is not
            valid, or a file cannot be written.
        """
        _check_names(results)
        if self.side_by_side:
            for name in dict.fromkeys(name for each in results for name in each.collections):
                find_collections([each for each in results if name in each.collections], name)
        paths = []
        for name, content in self.render(results, read_ranks, options or Options()):
            path = folder / name
            try:
                atomic_write(path, content)
            except OSError as error:
                raise ReportError(f"{path}: cannot be written ({error.strerror or error}).") from error
            paths.append(path)
        return paths


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "csv": Format(
            "tidy tables: every figure of every setting, macro figures with intervals, language bias",
            csv_tables.render,
            side_by_side=True,
        ),
        "latex": Format(
            "booktabs tables, laid out as those of arXiv 2408.10536", latex_tables.render, side_by_side=True
        ),
        "trec": Format("qrels and runs that trec_eval takes", trec.render, side_by_side=True),
        "mteb": Format("JSON as MTEB writes a task's results", mteb.render, side_by_side=False),
        "model-card": Format("README.md for the Hub, with a model-index", model_card.render, side_by_side=False),
    }
)


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    ReportError
        The format is unknown. The message lists the valid ones.
    """
    if name not in FORMATS:
        raise ReportError(unknown_choice("format", name, FORMATS))
    return FORMATS[name]


def export_reports(
    models: Sequence[str],
    format_name: str,
    folder: Path,
    *,
    reports: Path,
    collections: Sequence[str] = (),
    options: Options | None = None,
) -> list[Path]:
    """Export the reports of some models, named as for `report.find_report`, and return the paths of what was written.

    Parameters
    ----------
    format_name
        One of `FORMATS`.
    folder
        Where the files go.
    reports
        Folder of the reports.
    collections
        Only these; by default, all that the reports are about.

    Raises
    ------
    ReportError
        There is no such format, report or collection, or what `Format.export` raises.
    """
    chosen = find_format(format_name)
    found = [find_report(model, reports) for model in models]
    known = {name for results in found for name in results.collections}
    for name in collections:
        if name not in known:
            raise ReportError(unknown_choice("collection", name, known))
    given_as = {results.model.name: model for model, results in zip(models, found, strict=True)}

    def read_ranks(model: str, collection: str) -> RankTable:
        return find_ranks(given_as[model], collection, reports)

    kept = [_only(results, collections or sorted(known)) for results in found]
    return chosen.export(kept, read_ranks, folder, options)


def _only(results: Results, collections: Sequence[str]) -> Results:
    kept = {name: collection for name, collection in results.collections.items() if name in collections}
    return replace(results, collections=kept)


def _check_names(results: Sequence[Results]) -> None:
    """Refuse two reports of one name: their rows would look the same, and one's files would replace the other's."""
    if not results:
        raise ReportError("nothing to export; name at least one model.")
    names = [each.model.name for each in results]
    for place, name in enumerate(names):
        for earlier in names[:place]:
            if slug(earlier) == slug(name):
                raise ReportError(f"two of the reports are of {earlier!r} and {name!r}: export each model once.")
