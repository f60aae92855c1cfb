"""reports/ -> models that can be compared, by collection, with intervals and groups."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from babelrank.analysis.bootstrap import Interval
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.measures import MeasureSet, measures_of
from babelrank.reporting.pages import REPORT_NAME
from babelrank.reporting.report import read_reports
from babelrank.reporting.results import CollectionResults, ModelResults, catalog_order
from babelrank.reporting.stored_tables import StoredRanks


@dataclass(frozen=True)
class Standing:
    """One model on one collection.

    Attributes
    ----------
    model, result
        The model and its results.
    link
        Where its report.md is, seen from the leaderboard.
    folder
        Of its report.
    intervals
        Of the macro figures; empty without a rank table.
    letters
        Models of a group that share one cannot be told apart by what sorts them; see `analysis.letters`.
    """

    model: ModelResults
    result: CollectionResults
    link: str
    folder: Path
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    letters: str = ""


@dataclass(frozen=True)
class Standings:
    """Models that can be compared, on the same files, candidates and languages; the best first (`MeasureSet.main`).

    Attributes
    ----------
    title, name
        What the collection is called here, and its name.
    entries
        The models.
    shown
        Which measures there are.
    """

    title: str
    name: str
    entries: list[Standing]
    shown: MeasureSet


def read_standings(reports: Path, root: Path, estimates: Estimates | None = None) -> list[Standings]:
    """Return the standings on every collection for a leaderboard in `root`.

    Parameters
    ----------
    estimates
        Gives intervals and letters; without, there are none.

    Raises
    ------
    ReportError
        A report or a rank table cannot be read, or is of another schema version.
    """
    prefix = os.path.relpath(reports.absolute(), root.absolute())
    groups: defaultdict[tuple[str, str], list[Standing]] = defaultdict(list)
    for folder, results in read_reports(reports).items():
        link = quote(Path(prefix, folder.name, REPORT_NAME).as_posix())
        for name, result in results.collections.items():
            groups[name, result.sha256].append(Standing(results.model, result, link, folder))
    names = [name for name, _ in groups]
    found = []
    for name, digest in sorted(groups, key=lambda key: (catalog_order(key[0]), key[1])):
        entries = groups[name, digest]
        shown = measures_of(name, entries[0].result)
        entries.sort(key=lambda entry: _place(entry, shown))
        # One name with two digests: the files were another version's, and the figures cannot be compared.
        title = name if names.count(name) == 1 else f"{name} (files {digest[:8]})"
        found.append(Standings(title, name, _estimated(entries, shown, estimates) if estimates else entries, shown))
    return found


def _estimated(entries: list[Standing], shown: MeasureSet, estimates: Estimates) -> list[Standing]:
    task, measure = shown.main
    tables = [
        StoredRanks(entry.folder, entry.result.ranks, measure) if entry.result.ranks else None for entry in entries
    ]
    letters = iter(estimates.letters([table for table in tables if table], task))
    return [
        Standing(entry.model, entry.result, entry.link, entry.folder, estimates.intervals(table), next(letters))
        if table
        else entry
        for entry, table in zip(entries, tables, strict=True)
    ]


def _place(entry: Standing, shown: MeasureSet) -> tuple[bool, float, str]:
    task, measure = shown.main
    score = entry.result.macro[task][measure]
    return score is None, -(score or 0.0), entry.model.name
