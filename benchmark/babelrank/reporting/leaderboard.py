"""reports/ -> leaderboard.md and leaderboard.html: every model that was submitted, by collection."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from babelrank.analysis.bootstrap import Interval, find_intervals, question_figures
from babelrank.analysis.letters import find_letters
from babelrank.data.catalog import Source, source_of
from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.family_table import SIDE_BY_SIDE, tabulate
from babelrank.reporting.figures import FAMILY_TITLES, Figures, figures_of
from babelrank.reporting.html_leaderboard import Key, render_leaderboard_html
from babelrank.reporting.markdown import render_template
from babelrank.reporting.pages import LEADERBOARD, LEADERBOARD_PAGE, REPORT_NAME
from babelrank.reporting.report import lock_reports, read_reports
from babelrank.reporting.results import CollectionResults, ModelResults, catalog_order
from babelrank.reporting.scaling_table import scaling_table
from babelrank.reporting.stored_tables import read_stored_ranks


@dataclass(frozen=True)
class Entry:
    """One model on one collection; `link` leads to its report, which stands in `folder`."""

    model: ModelResults
    result: CollectionResults
    link: str
    folder: Path


@dataclass(frozen=True)
class Section:
    """Entries that can be compared: on the same files, candidates and languages; the best first (`Figures.main`)."""

    title: str
    source: Source | None
    entries: list[Entry]
    figures: Figures


@dataclass(frozen=True)
class Standings:
    """What the rank tables say of entries, by title of the section and name of the model; some may have no table.

    Attributes
    ----------
    intervals
        Of the macro figures.
    letters
        Models of a section that share one cannot be told apart by the figure that sorts them; see `analysis.letters`.
    """

    intervals: dict[Key, Mapping[str, Interval]]
    letters: dict[Key, str]


def render_leaderboard(reports: Path, root: Path | None = None) -> dict[str, str]:
    """Return the leaderboard's pages by file name, in Markdown and HTML.

    Parameters
    ----------
    reports
        Folder of all reports.
    root
        Folder in which the leaderboard will stand; links are relative to it. By default the one that holds `reports`.

    Raises
    ------
    ReportError
        A report cannot be read, or is of another schema version.
    """
    sections = read_sections(reports, root or reports.parent)
    standings = find_standings(sections)
    families = {family: [each for each in sections if each.figures.family == family] for family in FAMILY_TITLES}
    tables = [tabulate(family, families[family]) for family in SIDE_BY_SIDE if families[family]]
    own = [each for each in sections if each.figures.family not in SIDE_BY_SIDE]
    scaling = {
        section.title: table
        for section in own
        if section.figures.has_bias
        and (table := scaling_table([(entry.model, entry.result) for entry in section.entries]))
    }
    letters, intervals = standings.letters, standings.intervals
    return {
        LEADERBOARD: render_template(
            "leaderboard.md.j2", sections=own, tables=tables, letters=letters, scaling=scaling
        ),
        LEADERBOARD_PAGE: render_leaderboard_html(own, letters, intervals, tables=tables, scaling=scaling),
    }


def read_sections(reports: Path, root: Path) -> list[Section]:
    """Return the sections of a leaderboard that stands in `root`.

    Raises
    ------
    ReportError
        A report cannot be read, or is of another schema version.
    """
    prefix = os.path.relpath(reports.absolute(), root.absolute())
    groups: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for folder, results in read_reports(reports).items():
        link = quote(Path(prefix, folder.name, REPORT_NAME).as_posix())
        for name, result in results.collections.items():
            groups[name, result.sha256].append(Entry(results.model, result, link, folder))
    names = [name for name, _ in groups]
    sections = []
    for name, digest in sorted(groups, key=lambda key: (catalog_order(key[0]), key[1])):
        entries = groups[name, digest]
        figures = figures_of(name, entries[0].result)
        # One name with two digests: the files were another version's, and the figures cannot be compared.
        title = name if names.count(name) == 1 else f"{name} (files {digest[:8]})"
        sections.append(Section(title, source_of(name), _best_first(entries, figures), figures))
    return sections


def find_standings(sections: Sequence[Section]) -> Standings:
    """Read the rank tables, and find how sure the figures are and which models can be told apart.

    Raises
    ------
    ReportError
        A rank table cannot be read.
    """
    intervals: dict[Key, Mapping[str, Interval]] = {}
    letters: dict[Key, str] = {}
    for section in sections:
        kind, measure = section.figures.main
        tables = {
            (section.title, entry.model.name): question_figures(
                read_stored_ranks(entry.folder, entry.result.ranks), measure
            )
            for entry in section.entries
            if entry.result.ranks
        }
        for key, figures in tables.items():
            intervals[key] = find_intervals(figures)
        letters |= dict(zip(tables, find_letters(list(tables.values()), kind), strict=True))
    return Standings(intervals, letters)


def write_leaderboard(reports: Path, root: Path) -> list[Path]:
    """Write the leaderboard of `reports` into `root`, each page whole or not at all; return the pages.

    Raises
    ------
    ReportError
        A report cannot be read, or a page cannot be written.
    """
    with lock_reports(reports):
        pages = render_leaderboard(reports, root)
        for name, content in pages.items():
            try:
                atomic_write(root / name, content)
            except OSError as error:
                raise ReportError(f"{root / name}: cannot be written ({error.strerror}).") from error
    return [root / name for name in pages]


def check_leaderboard(reports: Path, root: Path) -> list[str]:
    """Return the pages in `root` that are missing or differ from what the reports say.

    Raises
    ------
    ReportError
        A report cannot be read.
    """
    return [
        str(root / name)
        for name, content in render_leaderboard(reports, root).items()
        if not (root / name).is_file() or (root / name).read_bytes() != content.encode()
    ]


def _best_first(entries: list[Entry], figures: Figures) -> list[Entry]:
    kind, measure = figures.main

    def place(entry: Entry) -> tuple[bool, float, str]:
        score = entry.result.macro[kind][measure]
        return score is None, -(score or 0.0), entry.model.name

    return sorted(entries, key=place)
