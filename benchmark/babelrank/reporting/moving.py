"""Remove or rename reports. They are checked first, hidden at once, and restored after an error."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from babelrank.errors import ReportError, unknown_choice
from babelrank.files import atomic_write
from babelrank.reporting.experiment_file import experiment_folders, read_experiment
from babelrank.reporting.names import slug
from babelrank.reporting.report import lock_reports, report_folders, sibling
from babelrank.reporting.results_file import FILE_NAME, dump, read_results


def find_own(names: Sequence[str], reports: Path, experiments: Path) -> list[Path]:
    """Return the folders of reports by the full names of models or folders.

    Raises
    ------
    ReportError
        A report does not exist, an experiment needs it, or no name is given.
    """
    known = {folder.name: folder for folder in report_folders(reports) if (folder / FILE_NAME).is_file()}
    by_model = {read_results(folder / FILE_NAME).model.name: folder for folder in known.values()}
    users = {
        name: folder
        for folder in experiment_folders(experiments)
        for run in read_experiment(folder).runs
        for name in run.reports
    }
    found = []
    for name in names:
        folder = known.get(name) or by_model.get(name)
        if folder is None:
            raise ReportError(f"{reports}: " + unknown_choice("report", name, [*known, *by_model]))
        if folder.name in users:
            raise ReportError(
                f"{folder}: the experiment in {users[folder.name]} needs this report; change the experiment first."
            )
        found.append(folder)
    if not found:
        raise ReportError("name at least one report.")
    return list(dict.fromkeys(found))


@contextmanager
def set_aside(folders: Sequence[Path], reports: Path, replacement: Path | None = None) -> Iterator[None]:
    """Hide reports within the block and delete them at the end. After an error they are restored.

    Parameters
    ----------
    replacement
        What `copy_renamed` returned: the copy gets its place.
    """
    with lock_reports(reports):
        for folder in folders:
            folder.rename(sibling(folder, "old"))
        if replacement is not None:
            sibling(replacement, "new").rename(replacement)
    try:
        yield
    except BaseException:
        with lock_reports(reports):
            if replacement is not None:
                shutil.rmtree(replacement, ignore_errors=True)
            for folder in folders:
                sibling(folder, "old").rename(folder)
        raise
    for folder in folders:
        shutil.rmtree(sibling(folder, "old"), ignore_errors=True)


def copy_renamed(folder: Path, name: str) -> Path:
    """Make a hidden copy of a report under another name; return the path that the copy is for.

    Raises
    ------
    ReportError
        The name is not valid, or another report has its folder.
    """
    place = folder.with_name(slug(name))
    if place != folder and place.exists():
        raise ReportError(f"{place}: another report exists there.")
    fresh = sibling(place, "new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(folder, fresh, symlinks=True)
    results = read_results(folder / FILE_NAME)
    atomic_write(fresh / FILE_NAME, dump(replace(results, model=replace(results.model, name=name))))
    return place
