"""The folder of reports as a whole: regenerate pages, build and publish the website, remove and rename reports."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from babelrank.analysis.margins import PRACTICAL_MARGIN
from babelrank.api.inputs import reports_folder, watched_by
from babelrank.files import as_path
from babelrank.observer import Observer, Progress
from babelrank.reporting.names import LEADERBOARD, LEADERBOARD_PAGE
from babelrank.reporting.snapshot import Snapshot, take_snapshot

# Other modules are imported in functions, so that it takes no time to find that nothing changed.
if TYPE_CHECKING:
    from babelrank.reporting.publication import Repository

_EXPERIMENTS = "experiments"  # folder next to that of the reports
# What is counted, and its unit.
_REPORTS, _EXPERIMENT_PAGES, _LEADERBOARD = (
    ("reports", "reports"),
    ("pages of experiments", "experiments"),
    ("leaderboard", "collections"),
)


def refresh_pages(
    reports: str | Path | None = None, *, margin: float = PRACTICAL_MARGIN, observer: Observer | None = None
) -> list[Path]:
    """Regenerate the leaderboard and the pages of experiments and reports that are out of date.

    The leaderboard is written next to the folder of reports. Experiments are read from ``experiments/`` there.

    Parameters
    ----------
    reports
        As for `load_report`.
    margin
        Differences up to this do not matter in practice. Models that differ by less share a letter on the leaderboard.
    observer
        Receives the progress; None shows it on standard error.

    Returns
    -------
    list of Path
        The files that changed.

    Raises
    ------
    ReportError
        A report or an experiment cannot be read, or a page cannot be written.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     [path.name for path in babelrank.refresh_pages(f"{folder}/reports")]
    ['leaderboard.md', 'leaderboard.html']
    """
    folder = reports_folder(reports)
    before = _snapshot(folder, margin)
    if before.is_remembered(folder):
        return []
    from babelrank.reporting.experiment import write_experiments
    from babelrank.reporting.leaderboard import write_leaderboard
    from babelrank.reporting.refresh import refresh_reports

    changed = []
    with watched_by(observer) as watching:
        if folder.is_dir():
            changed = refresh_reports(folder, with_leaderboard=True, on_progress=_counting(watching, *_REPORTS))
        experiments = folder.parent / _EXPERIMENTS
        changed = [*write_experiments(experiments, folder, _counting(watching, *_EXPERIMENT_PAGES)), *changed]
        # The leaderboard comes last, as it fills in the ranks.
        counted = _counting(watching, *_LEADERBOARD)
        board = write_leaderboard(folder, folder.parent, margin=margin, on_progress=counted)
    changed = list(dict.fromkeys([*board, *changed]))
    after = _snapshot(folder, margin)
    if folder.is_dir() and after.inputs == before.inputs:  # no other process wrote a report in between
        after.remember(folder)
    return changed


def remove_reports(*models: str, reports: str | Path | None = None) -> list[Path]:
    """Remove reports, and refresh the leaderboard if there is one; return the removed folders.

    Parameters
    ----------
    models
        Full names of models, or of folders in `reports`.
    reports
        As for `load_report`.

    Raises
    ------
    ReportError
        A report does not exist, or an experiment needs it. Nothing is removed then.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = babelrank.submit("use-multilingual-v3", "sample:en", reports=f"{folder}/reports")
    ...     [path.name for path in babelrank.remove_reports("use-multilingual-v3", reports=f"{folder}/reports")]
    ['use-multilingual-v3']
    """
    from babelrank.reporting import moving

    folder = reports_folder(reports)
    found = moving.find_own(models, folder, folder.parent / _EXPERIMENTS)
    with moving.set_aside(found, folder):
        _refresh(folder)
    return found


def rename_report(model: str, name: str, reports: str | Path | None = None) -> Path:
    """Rename a report, and refresh the leaderboard if there is one; return its new folder.

    Parameters
    ----------
    model
        As for `remove_reports`.
    name
        New name of the model in reports. The name of the folder is made from it.
    reports
        As for `load_report`.

    Raises
    ------
    ReportError
        The report does not exist, an experiment needs it, or the new name is not valid or already taken. Nothing is
        changed then.
    """
    from babelrank.reporting import moving

    folder = reports_folder(reports)
    (found,) = moving.find_own([model], folder, folder.parent / _EXPERIMENTS)
    place = moving.copy_renamed(found, name)
    with moving.set_aside([found], folder, place):
        _refresh(folder)
    return place


def _counting(observer: Observer, what: str, unit: str) -> Progress:
    """Return a function as `Observer.counting` does, which is asked for only if there is something to count."""
    counting = cache(lambda: observer.counting(what, unit))
    return lambda done, total: counting()(done, total)


def _snapshot(folder: Path, margin: float) -> Snapshot:
    boards = (folder.parent / name for name in (LEADERBOARD, LEADERBOARD_PAGE))
    return take_snapshot(folder, folder.parent / _EXPERIMENTS, boards, margin)


def _refresh(folder: Path) -> None:
    from babelrank.reporting.refresh import refresh_reports

    if (folder.parent / LEADERBOARD).exists():
        refresh_pages(folder)
    else:
        refresh_reports(folder)


def check_pages(
    reports: str | Path | None = None, *, margin: float = PRACTICAL_MARGIN, observer: Observer | None = None
) -> Iterator[Path]:
    """Yield the files that `refresh_pages` would write, and rank tables that are missing or damaged. Change nothing.

    Parameters
    ----------
    reports
        As for `load_report`.
    margin, observer
        As for `refresh_pages`.

    Yields
    ------
    Path
        Each file as soon as it is found. A damaged rank table is yielded before the error that it causes.

    Raises
    ------
    ReportError
        A report, a rank table or an experiment cannot be read.
    """
    folder = reports_folder(reports)
    if _snapshot(folder, margin).is_remembered(folder):
        return
    from babelrank.reporting.cache import FILE_NAME, Cache
    from babelrank.reporting.experiment import check_experiments
    from babelrank.reporting.leaderboard import check_leaderboard
    from babelrank.reporting.refresh import check_reports

    known = Cache(folder / FILE_NAME)
    checks: dict[tuple[str, str], Callable[[Progress], list[str]]] = {
        _REPORTS: lambda counted: check_reports(folder, known, counted),
        _LEADERBOARD: lambda counted: check_leaderboard(
            folder, folder.parent, known, margin=margin, on_progress=counted
        ),
        _EXPERIMENT_PAGES: lambda counted: check_experiments(folder.parent / _EXPERIMENTS, folder, known, counted),
    }
    for counts, check in checks.items():
        with watched_by(observer) as watching:
            stale = check(_counting(watching, *counts))
        yield from map(Path, stale)


def build_site(folder: str | Path, reports: str | Path | None = None) -> Path:
    """Build a static website of the leaderboard, all reports and all experiments; return its index page.

    Parameters
    ----------
    folder
        Folder for the site; created if needed. Other files in it are kept.
    reports
        As for `load_report`.

    Raises
    ------
    ReportError
        A report or an experiment cannot be read, or the folder cannot be written or is within `reports`.
    """
    from babelrank.reporting.site import build_site as build

    found = reports_folder(reports)
    return build(found, found.parent / _EXPERIMENTS, as_path(folder))


def publish(
    name: str,
    reports: str | Path | None = None,
    *,
    title: str | None = None,
    private: bool = False,
    dry_run: bool = False,
) -> "list[Repository]":
    """Upload the website to the Hub as a static Space, and results with rank tables as a data set.

    Files of an earlier upload that no longer exist here are deleted; other files of the repositories are kept.

    Parameters
    ----------
    name
        ``ORG/NAME`` of both repositories; created if needed.
    reports
        As for `load_report`.
    title
        Title of the Space and the data set; by default NAME.
    private
        Whether new repositories are private.
    dry_run
        List the files without uploading them.

    Returns
    -------
    list of Repository
        The data set and the Space, with their files.

    Raises
    ------
    ReportError
        The name is not valid, there are no reports, one cannot be read, or the Hub refuses.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     report = babelrank.evaluate("use-multilingual-v3", "sample:de,en").save(f"{folder}/reports")
    ...     dataset, space = babelrank.publish("my-team/leaderboard", f"{folder}/reports", dry_run=True)
    >>> "reports/use-multilingual-v3/results.json" in dataset.files, "index.html" in space.files
    (True, True)
    """
    from babelrank.reporting.publication import publish as run

    folder = reports_folder(reports)
    shown = title or name.rpartition("/")[2]
    return run(name, folder, folder.parent / _EXPERIMENTS, title=shown, private=private, dry_run=dry_run)
