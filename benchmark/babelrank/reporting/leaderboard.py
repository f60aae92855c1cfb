"""reports/ -> leaderboard.md: every model that was submitted, by collection."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from babelrank.data.catalog import Source
from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.reporting.markdown import render_template, source_of
from babelrank.reporting.report import REPORT_NAME, lock_reports, read_reports
from babelrank.reporting.results import CollectionResults, ModelResults, catalog_order


@dataclass(frozen=True)
class Entry:
    """One model on one collection; `link` leads to its report."""

    model: ModelResults
    result: CollectionResults
    link: str


@dataclass(frozen=True)
class Section:
    """Entries that can be compared: on the same files, candidates and languages; best multilingual mAP first."""

    title: str
    source: Source | None
    entries: list[Entry]


def render_leaderboard(reports: Path, root: Path | None = None) -> str:
    """Return the leaderboard's Markdown.

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
    prefix = os.path.relpath(reports.absolute(), (root or reports.parent).absolute())
    groups: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for folder, results in read_reports(reports).items():
        link = quote(Path(prefix, folder.name, REPORT_NAME).as_posix())
        for name, result in results.collections.items():
            groups[name, result.sha256].append(Entry(results.model, result, link))
    names = [name for name, _ in groups]
    sections = [
        # One name with two digests: the files were another version's, and the figures cannot be compared.
        Section(
            name if names.count(name) == 1 else f"{name} (files {digest[:8]})",
            source_of(name),
            sorted(groups[name, digest], key=_best_first),
        )
        for name, digest in sorted(groups, key=lambda key: (catalog_order(key[0]), key[1]))
    ]
    return render_template("leaderboard.md.j2", sections=sections)


def write_leaderboard(reports: Path, target: Path) -> None:
    """Write the leaderboard of `reports` to `target`; whole, or not at all.

    Raises
    ------
    ReportError
        A report cannot be read, or `target` cannot be written.
    """
    with lock_reports(reports):
        content = render_leaderboard(reports, target.parent)
        try:
            atomic_write(target, content)
        except OSError as error:
            raise ReportError(f"{target}: cannot be written ({error.strerror}).") from error


def is_stale(reports: Path, target: Path) -> bool:
    """Return whether `target` is missing or differs from what the reports say.

    Raises
    ------
    ReportError
        A report cannot be read.
    """
    content = render_leaderboard(reports, target.parent)
    return not target.is_file() or target.read_bytes() != content.encode()


def _best_first(entry: Entry) -> tuple[bool, float, str]:
    score = entry.result.macro["multilingual"]["mAP"]
    return score is None, -(score or 0.0), entry.model.name
