"""Group reports into comparable models by collection, with intervals and letters."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from babelrank.analysis.margins import PRACTICAL_MARGIN
from babelrank.analysis.settings import Cell
from babelrank.observer import Progress, no_progress
from babelrank.reporting.estimates import CollectionEstimates, Estimates
from babelrank.reporting.experiment_file import experiment_folders, read_experiment
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
        Path of its report.md, relative to the leaderboard.
    folder
        Folder of its report.
    recipe
        Label of the run in an experiment that selected by this collection; empty if there is none.
    estimates
        Estimates by headline measure; empty without a rank table.
    letters
        Letters by headline measure. Models that share one do not differ significantly; see `analysis.letters`.
    """

    model: ModelResults
    result: CollectionResults
    link: str
    folder: Path
    recipe: str = ""
    estimates: Mapping[str, CollectionEstimates] = field(default_factory=dict)
    letters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Standings:
    """Comparable models: on the same files, candidates and languages. The best comes first (`MeasureSet.main`).

    Attributes
    ----------
    title, name
        What the collection is called here, and its name.
    entries
        The models.
    shown
        Which measures there are.
    detectable
        By headline measure, the difference that a test of two of the models finds in 80 % of cases.
    """

    title: str
    name: str
    entries: list[Standing]
    shown: MeasureSet
    detectable: Mapping[str, Cell] = field(default_factory=dict)


def read_standings(
    reports: Path,
    root: Path,
    estimates: Estimates | None = None,
    *,
    margin: float = PRACTICAL_MARGIN,
    on_progress: Progress = no_progress,
) -> list[Standings]:
    """Return the standings on every collection for a leaderboard in `root`.

    Parameters
    ----------
    root
        Experiments are looked for in its folder ``experiments``.
    estimates
        Source of intervals and letters; None for none.
    margin
        The largest difference that does not matter in practice: letters separate only beyond it.
    on_progress
        Receives the number of finished collections, and of all.

    Raises
    ------
    ReportError
        A report, a rank table or an experiment cannot be read, or is of another schema version.
    """
    prefix = os.path.relpath(reports.absolute(), root.absolute())
    recipes = find_recipes(root / "experiments")
    groups: defaultdict[tuple[str, str], list[Standing]] = defaultdict(list)
    for folder, results in read_reports(reports).items():
        link = quote(Path(prefix, folder.name, REPORT_NAME).as_posix())
        for name, result in results.collections.items():
            recipe = recipes.get((folder.name, name), "")
            groups[name, result.sha256].append(Standing(results.model, result, link, folder, recipe))
    names = [name for name, _ in groups]
    found: list[Standings] = []
    for name, digest in sorted(groups, key=lambda key: (catalog_order(key[0]), key[1])):
        on_progress(len(found), len(groups))
        shown = measures_of(name, groups[name, digest][0].result)
        # The same name with two digests: these are different versions of the files, and scores cannot be compared.
        title = name if names.count(name) == 1 else f"{name} (files {digest[:8]})"
        standings = Standings(title, name, groups[name, digest], shown)
        for measure in reversed(shown.headline):  # the first decides the order
            entries = sorted(standings.entries, key=lambda entry: _place(entry, shown.main[0], measure))
            standings = replace(standings, entries=entries)
            standings = _estimated(standings, measure, estimates, margin) if estimates else standings
        found.append(standings)
        on_progress(len(found), len(groups))
    return found


def find_recipes(experiments: Path) -> dict[tuple[str, str], str]:
    """Return the runs of experiments: a recipe by report folder and collection.

    A report that several experiments show belongs to the one that trains it.
    """
    found = [
        (run.config is not None, (report, collection), f"{folder.name}: {run.label}")
        for folder in experiment_folders(experiments)
        for experiment in [read_experiment(folder)]
        for run in (*experiment.runs, *experiment.earlier)
        if run.label != experiment.start
        for report in run.reports
        for collection in experiment.collections
    ]
    return {key: recipe for _, key, recipe in sorted(found, key=lambda each: each[0])}


def _estimated(standings: Standings, measure: str, estimates: Estimates, margin: float) -> Standings:
    """Add intervals and letters in one measure."""
    shown, first = standings.shown, standings.shown.headline[0]
    tables = {
        i: StoredRanks(entry.folder, entry.result.ranks, measure)
        for i, entry in enumerate(standings.entries)
        if entry.result.ranks
    }
    recipes = [standings.entries[i].recipe or str(i) for i in tables]
    letters, detectable = estimates.letters(
        [[each] for each in tables.values()], shown.main[0], recipes=recipes, margin=margin
    )
    known = dict(zip(tables, letters, strict=True))
    only = shown if measure == first else replace(shown, has_bias=False)  # bias is the same in every measure
    entries = [
        replace(
            entry,
            estimates={measure: estimates.of(tables[i], only), **entry.estimates},
            letters={measure: known[i], **entry.letters},
        )
        if i in tables
        else entry
        for i, entry in enumerate(standings.entries)
    ]
    return replace(standings, entries=entries, detectable={measure: detectable, **standings.detectable})


def _place(entry: Standing, task: str, measure: str) -> tuple[bool, float, str]:
    score = entry.result.macro[task][measure]
    return score is None, -(score or 0.0), entry.model.name
