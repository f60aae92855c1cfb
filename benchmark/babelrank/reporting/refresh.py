"""Find files of reports that are out of date, and regenerate them."""

from pathlib import Path

from babelrank.files import atomic_write
from babelrank.observer import Progress, no_progress
from babelrank.reporting.cache import Cache, digest, open_cache
from babelrank.reporting.estimates import Estimates
from babelrank.reporting.maps import figure_files
from babelrank.reporting.pages import REPORT_NAME, has_leaderboard, read_estimates, render_markdown_of, render_report
from babelrank.reporting.report import damaged_tables, lock_reports, read_reports, report_folders
from babelrank.reporting.report_ranks import without_ranks
from babelrank.reporting.results import Results
from babelrank.reporting.results_file import FILE_NAME, read_results
from babelrank.reporting.stored_tables import file_digest


def check_reports(reports: Path, cache: Cache | None = None, on_progress: Progress = no_progress) -> list[str]:
    """Return the paths in `reports` that do not match their results.json.

    These are report.md files that differ, missing figures, missing rank tables, and tables with another checksum than
    in results.json. (A table of top passages may be missing; the page then has no errors.) HTML pages are ignored.

    Parameters
    ----------
    cache
        What is known of the reports.
    on_progress
        Receives the number of reports that were checked, and of all.

    Raises
    ------
    ReportError
        A results.json cannot be read.
    """
    stale, estimates, found = [], Estimates(cache), read_reports(reports)
    for number, (folder, results) in enumerate(found.items(), start=1):
        damaged = [path for collection in results.collections.values() for path in damaged_tables(folder, collection)]
        figures = [folder / file for each in results.collections.items() for file in figure_files(*each)]
        stale += damaged + [path for path in figures if not path.is_file()]
        page = folder / REPORT_NAME
        if not damaged and not _holds(page, render_markdown_of(results, folder, estimates)):
            stale.append(page)
        on_progress(number, len(found))
    return [str(path) for path in stale]


def refresh_reports(
    reports: Path, *, with_leaderboard: bool = False, on_progress: Progress = no_progress
) -> list[Path]:
    """Regenerate every report that is out of date, such as after a change of babelrank; return the files that changed.

    A report is up to date if neither its inputs nor its files have changed since it was generated. If this is
    interrupted, finished reports are not drawn again.

    Parameters
    ----------
    with_leaderboard
        Whether a leaderboard is written afterwards, to which pages can link. It fills in the ranks.
    on_progress
        Receives the number of finished reports, and of all.

    Raises
    ------
    ReportError
        A results.json cannot be read, or a folder cannot be written.
    """
    changed, folders = [], report_folders(reports)
    with open_cache(reports) as cache:
        for number, folder in enumerate(folders, start=1):
            with lock_reports(reports):  # one at a time, and read again: a submission may come in between
                results = read_results(folder / FILE_NAME)
                for name, content in draw_report(folder, results, cache, with_leaderboard=with_leaderboard).items():
                    if not _holds(folder / name, content):
                        atomic_write(folder / name, content)
                        changed.append(folder / name)
            cache.save()
            on_progress(number, len(folders))
    return changed


def draw_report(folder: Path, results: Results, cache: Cache, *, with_leaderboard: bool = False) -> dict[str, str]:
    """Return the pages and heatmaps of a report by file name, from its folder if they are up to date, else regenerated.

    Parameters
    ----------
    results
        As its results.json has them.
    cache
        Knows what the files followed from; it is told of those that are drawn.
    with_leaderboard
        Whether pages link to a leaderboard that does not exist yet.

    Raises
    ------
    ReportError
        A table cannot be read.
    """
    inputs = [
        FILE_NAME,
        *(file.file for each in results.collections.values() for file in (each.ranks, each.top) if file),
    ]
    origin = [
        "report",
        folder.name,
        with_leaderboard or has_leaderboard(folder),
        *(_digest_of(folder / name) for name in inputs),
    ]
    known: dict[str, str] = cache.once(origin, dict)
    current = {name: _read(folder / name) for name in known}
    if known and known == {name: digest(without_ranks(content)) for name, content in current.items()}:
        return current
    files = render_report(results, folder, with_leaderboard=with_leaderboard)
    cache.replace(origin, {name: digest(without_ranks(content)) for name, content in files.items()})
    read_estimates(results, folder, Estimates(cache))  # of which a check makes report.md again
    return files


def _holds(path: Path, content: str) -> bool:
    """Tell whether a file has this content, whatever ranks are filled in."""
    return path.is_file() and without_ranks(_read(path)) == without_ranks(content)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _digest_of(path: Path) -> str:
    return file_digest(path) if path.is_file() else ""
