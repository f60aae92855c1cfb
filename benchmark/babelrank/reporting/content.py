"""The content of a report that follows from its tables: intervals and sections."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from babelrank.analysis.bootstrap import QuestionScores, question_scores, setting_intervals
from babelrank.analysis.clusters import clusters
from babelrank.analysis.detail import analyse_in_detail
from babelrank.analysis.errors import Errors, Texts, attach_texts, find_errors, select_worst
from babelrank.analysis.friedman import MOST_LANGUAGES
from babelrank.data.catalog import source_of
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable
from babelrank.reporting.detail_sections import detail_sections
from babelrank.reporting.error_section import error_section
from babelrank.reporting.estimates import CollectionEstimates, estimate
from babelrank.reporting.heatmaps import CellIntervals
from babelrank.reporting.measures import measures_of
from babelrank.reporting.results import Results
from babelrank.reporting.sections import Section
from babelrank.reporting.space_section import space_section
from babelrank.reporting.stored_tables import read_stored_ranks, read_stored_top
from babelrank.reporting.variant_section import find_versions, variant_section

_REMEDY = "To add it, submit the model again without streaming; stored vectors are reused."
_TOO_MANY = f"Errors and the embedding space are only analysed for up to {MOST_LANGUAGES} languages."

# Of a collection: its rank table, its top passages, and the errors that were found in both.
InMemory = tuple[RankTable, TopTable | None, Errors | None]
Tables = Mapping[str, InMemory]  # by collection


@dataclass(frozen=True)
class Content:
    """Estimates, page sections, and intervals of the pairs by measure, made from the tables of a collection."""

    estimates: CollectionEstimates = field(default_factory=CollectionEstimates)
    sections: list[Section] = field(default_factory=list)
    cells: dict[str, CellIntervals] = field(default_factory=dict)


def make_content(results: Results, name: str, folder: Path, tables: InMemory | None = None) -> Content:
    """Analyse the tables of a collection.

    Parameters
    ----------
    results, name, folder
        The results, the collection, and the folder with the tables.
    tables
        Tables that are in memory already.

    Raises
    ------
    ReportError
        A table cannot be read.
    """
    collection = results.collections[name]
    shown = measures_of(name, collection)
    versions = {other: read_stored_ranks(folder, file) for other, file in find_versions(results, name).items()}
    if tables:
        ranks, top, errors = tables
    elif collection.ranks:
        ranks, top, errors = read_stored_ranks(folder, collection.ranks), None, None
    else:
        return Content()
    many = len(collection.languages) > MOST_LANGUAGES
    if top is None and collection.top and (folder / collection.top.file).exists():
        top = read_stored_top(folder, collection.top)
    measure, of_row = shown.headline[0], clusters(ranks)
    if not shown.has_bias:
        estimates = estimate(ranks, question_scores(ranks, measure, clusters=of_row), shown, versions=versions)
        sections = []
    else:
        detail = analyse_in_detail(
            ranks, measure, seen=results.model.seen, clusters=of_row, top=top, fertility=collection.fertility
        )
        estimates = estimate(ranks, detail.figures, shown, detail.bias, versions)
        sections = detail_sections(detail)
    if estimates.gains:
        sections = [variant_section(name, estimates.gains, measure), *sections]
    if not shown.has_pool:
        return Content(estimates, sections)
    if many:
        return Content(estimates, [*sections, Section("Not in this report", _TOO_MANY)])
    left_out = []
    if collection.space is None:
        left_out.append(f"Embedding space: not measured. {_REMEDY}")
    elif collection.space.undefined:
        left_out.append(f"Embedding space: {collection.space.undefined}")
    else:
        sections.append(space_section(collection.space))
    if top:
        errors = errors or find_errors(ranks, top)
        worst = attach_texts(select_worst(errors), collection.texts or Texts({}, {}))
        sections.append(error_section(errors, worst, source_of(name) if collection.texts else None))
    else:
        left_out.append(f"Errors: no table of top passages. {_REMEDY}")
    if left_out:
        sections.append(Section("Not in this report", " ".join(left_out)))
    scores = {each: question_scores(ranks, each, clusters=of_row) for each in shown.measures}
    return Content(estimates, sections, {each: _cell_intervals(found) for each, found in scores.items()})


def _cell_intervals(scores: QuestionScores) -> CellIntervals:
    """Return the intervals of all pairs and of the pool, by query language."""
    size = len(scores.languages)
    found = setting_intervals(scores, np.arange(size * (size + 1)))
    return [[*found[i * size : (i + 1) * size], found[size * size + i]] for i in range(size)]
