"""Write the folder of a report atomically: results.json, tables, heatmaps and pages."""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from filelock import FileLock, Timeout

from babelrank.analysis.errors import Errors
from babelrank.errors import ReportError, unknown_choice
from babelrank.files import PART_SUFFIX, atomic_write
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable
from babelrank.reporting.names import collection_stem, find_problem, slug
from babelrank.reporting.pages import render_report
from babelrank.reporting.provenance import Environment
from babelrank.reporting.results import (
    NOT_COMPARED,
    TRAINED_ON,
    CollectionResults,
    ModelResults,
    RanksFile,
    Results,
    TopFile,
)
from babelrank.reporting.results_file import FILE_NAME, dump, parse, read_results
from babelrank.reporting.stored_tables import StoredRanks, file_digest, is_complete, read_stored_ranks

_LOCK_NAME = ".lock"
_LOCK_SECONDS = 3600  # far longer than a leaderboard takes, since a waiting process may hold hours of encoding
_LOGGER = logging.getLogger(__name__)
# Fields that identify a model. Names do not, since a folder can be renamed.
_IDENTITY = ("adapter", "fingerprint", "dimension", "similarity", "settings")


def check_writable(reports: Path, model: ModelResults, digests: Mapping[str, str] | None = None) -> None:
    """Check, before hours of encoding, that the model's report can be written. Nothing is changed.

    Parameters
    ----------
    digests
        SHA-256 of collections, by name, that must not replace others of the same name.

    Raises
    ------
    ReportError
        The folder cannot be created or written, or has a report of another model or schema version, an unreadable
        report, or scores of a different version of a collection.
    """
    folder = reports / slug(model.name)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise ReportError(f"{existing}: is a file, but a report needs a folder. Choose another with --out DIR.")
    if existing == folder:
        earlier = _read_earlier(folder)
        _check_identity(folder, earlier, model)
        for name, digest in (digests or {}).items():
            if name in earlier.collections and earlier.collections[name].sha256 != digest:
                raise ReportError(
                    f"{folder}: has scores of a different version of {name} (SHA-256 "
                    f"{earlier.collections[name].sha256[:8]}…, now {digest[:8]}…). If the files have changed, replace "
                    "the scores with --replace. Otherwise rename the folder, or choose another with --out DIR."
                )
    with _writing(reports):
        # Next to the report, or where the folder of all reports would have to be made.
        place = reports if existing == folder else existing
        Path(tempfile.mkdtemp(prefix=".", suffix=PART_SUFFIX, dir=place)).rmdir()


def write_report(
    reports: Path,
    results: Results,
    ranks: Mapping[str, RankTable],
    tops: Mapping[str, TopTable] | None = None,
    *,
    errors: Mapping[str, Errors] | None = None,
    with_leaderboard: bool = False,
) -> Path:
    """Write a model's report, or add to the one it has.

    Collections that were evaluated earlier are kept; those with the same name are replaced. Other files in the folder
    are kept.

    Parameters
    ----------
    reports
        Folder of all reports; made if need be.
    results
        One model's results on some collections.
    ranks
        The rank tables of the same collections.
    tops
        Tables of top passages, of some of these collections; without one, the report does not show errors.
    errors
        What `analysis.errors.find_errors` found in these tables, where that is known already.
    with_leaderboard
        Whether a leaderboard is written afterwards, to which pages can link.

    Returns
    -------
    Path
        The report's folder, ``reports/<slug>``.

    Raises
    ------
    ReportError
        The folder cannot be written, the disk is full, or the report that is there is of another model or schema
        version. Existing files are then unchanged.
    """
    if set(ranks) != set(results.collections):
        raise ReportError(
            f"rank tables of {', '.join(sorted(ranks)) or 'nothing'}, but results of "
            f"{', '.join(sorted(results.collections)) or 'nothing'}."
        )
    folder = reports / slug(results.model.name)
    fresh = sibling(folder, "new")
    with lock_reports(reports):
        _recover(folder)
        try:
            earlier = _read_earlier(folder) if folder.exists() else None
            if earlier is None:
                fresh.mkdir()
            else:
                _check_identity(folder, earlier, results.model)
                shutil.copytree(folder, fresh, symlinks=True)
            stored = {
                name: _store_tables(fresh, name, results.collections[name], table, (tops or {}).get(name))
                for name, table in ranks.items()
            }
            merged = _merge(earlier, replace(results, collections=stored))
            _check_tables(fresh, folder, merged)
            content = dump(merged)
            atomic_write(fresh / FILE_NAME, content)
            # What is drawn must follow from the file, which rounds.
            written = parse(content, FILE_NAME)
            tables = {name: (table, (tops or {}).get(name), (errors or {}).get(name)) for name, table in ranks.items()}
            for name, drawn in render_report(written, fresh, tables, with_leaderboard=with_leaderboard).items():
                atomic_write(fresh / name, drawn)
            _swap(fresh, folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return folder


def read_reports(reports: Path) -> dict[Path, Results]:
    """Return the results of every report by its folder, sorted. Hidden folders and plain files are ignored.

    Raises
    ------
    ReportError
        There is no such folder, or the results.json of one cannot be read.
    """
    return {folder: read_results(folder / FILE_NAME) for folder in report_folders(reports)}


def report_folders(reports: Path) -> list[Path]:
    """Return the folders of reports, sorted; errors are those of `read_reports`."""
    try:
        return sorted(path for path in reports.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise ReportError(f"{reports}: not a folder of reports ({error.strerror}).") from error


def find_report(model: str, reports: Path) -> Results:
    """Return a model's results.

    Parameters
    ----------
    model
        Its name, the name of its folder in `reports`, or the path of a report's folder.

    Raises
    ------
    ReportError
        There is no such report, or it cannot be read.
    """
    return read_results(find_folder(model, reports) / FILE_NAME)


def find_ranks(model: str, collection: str, reports: Path) -> RankTable:
    """Return the rank table of a model, named as for `find_report`, on a collection.

    Raises
    ------
    ReportError
        There is no such report, it is not about the collection, or it or the table cannot be read.
    """
    stored = find_stored_ranks(model, collection, reports)
    return read_stored_ranks(stored.folder, stored.file)


def find_stored_ranks(model: str, collection: str, reports: Path) -> StoredRanks:
    """Return where the rank table of a model is; errors are those of `find_ranks`, before the table is read."""
    folder = find_folder(model, reports)
    collections = read_results(folder / FILE_NAME).collections
    if collection not in collections:
        raise ReportError(f"{folder}: " + unknown_choice("collection", collection, collections))
    stored = collections[collection].ranks
    if stored is None:
        raise ReportError(f"{folder}: there is no rank table of {collection}.")
    return StoredRanks(folder, stored)


def find_folder(model: str, reports: Path) -> Path:
    """Return the folder of a report, named as for `find_report`.

    Raises
    ------
    ReportError
        There is none.
    """
    if (Path(model) / FILE_NAME).is_file():
        return Path(model)
    known = {path.parent.name for path in reports.glob(f"[!.]*/{FILE_NAME}")}
    names = [model] if find_problem(model) else [model, slug(model)]
    for name in names:
        if name in known:
            return reports / name
    raise ReportError(f"{reports}: " + unknown_choice("report", model, known))


@contextmanager
def lock_reports(reports: Path) -> Iterator[None]:
    """Keep other processes from writing reports or a leaderboard of them. Log a message if this has to wait.

    Raises
    ------
    ReportError
        The folder cannot be written, or another process does not finish.
    """
    with _writing(reports):
        reports.mkdir(parents=True, exist_ok=True)
        with _patient(FileLock(reports / _LOCK_NAME), reports):
            yield


def _patient(lock: FileLock, reports: Path) -> AbstractContextManager[object]:
    """Acquire a lock, at once or as soon as it is free."""
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        _LOGGER.warning("%s: another babelrank is writing here; waiting until it is done.", reports)
    try:
        return lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        raise ReportError(
            f"{reports}: another babelrank has been writing here for {_LOCK_SECONDS} s. Try again when it is done."
        ) from error


@contextmanager
def _writing(reports: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or reports
        raise ReportError(
            f"{where}: cannot be written ({error.strerror or error}). Choose another folder with --out DIR."
        ) from error


def _read_earlier(folder: Path) -> Results:
    try:
        return read_results(folder / FILE_NAME)
    except ReportError as error:
        raise ReportError(f"{error} It is in the folder of the new report; choose another with --name NAME.") from error


def _check_identity(folder: Path, earlier: Results, model: ModelResults) -> None:
    ours, theirs = _identity(model), _identity(earlier.model)
    differing = [
        f"{field} was {theirs.get(field, 'not set')!r}, now {ours.get(field, 'not set')!r}"
        for field in sorted(ours.keys() | theirs.keys())
        if (field in ours) != (field in theirs) or ours.get(field) != theirs.get(field)
    ]
    if differing:
        raise ReportError(
            f"{folder}: has a report of another model, {earlier.model.name!r}: {'; '.join(differing)}. "
            "Choose another name with --name NAME."
        )


def _identity(model: ModelResults) -> dict[str, object]:
    """Return the fields that identify a model, flattened, as JSON values."""
    values = {field: asdict(model)[field] for field in _IDENTITY}
    settings = values.pop("settings")
    return {**values, "similarity": model.similarity.value, **{f"setting {key}": settings[key] for key in settings}}


def _merge(earlier: Results | None, latest: Results) -> Results:
    if earlier is None:
        return latest
    kept = {
        name: replace(collection, environment=_own_environment(collection, earlier, latest))
        for name, collection in earlier.collections.items()
        if name not in latest.collections
    }
    # Adding a collection keeps the model's origin, unless a new one is given.
    known = {
        field: getattr(earlier.model, field) if getattr(latest.model, field) is None else getattr(latest.model, field)
        for field in ("seen", "base_model", "family")
    }
    notes = dict(latest.model.notes)
    for key in (NOT_COMPARED, TRAINED_ON):  # each names collections
        entries = [entry for entry in earlier.model.notes.get(key, "").split(", ") if entry.partition(" (")[0] in kept]
        if entries:
            notes[key] = ", ".join([*entries, *([notes[key]] if key in notes else [])])
    model = replace(latest.model, notes=notes, **known)
    return replace(latest, model=model, collections={**kept, **latest.collections})


def _own_environment(collection: CollectionResults, earlier: Results, latest: Results) -> Environment | None:
    environment = collection.environment or earlier.environment
    return None if environment == latest.environment else environment


def _store_tables(
    folder: Path, name: str, collection: CollectionResults, ranks: RankTable, top: TopTable | None
) -> CollectionResults:
    path, top_path = (folder / f"{collection_stem(name)}.{kind}.parquet" for kind in ("ranks", "top"))
    ranks.write(path)
    stored = RanksFile(path.name, file_digest(path), len(ranks.table), ranks.tied)
    if top is None:
        top_path.unlink(missing_ok=True)  # an earlier evaluation's
        return replace(collection, ranks=stored)
    top.write(top_path)
    kept = TopFile(top_path.name, file_digest(top_path), len(top.table), top.pool_depth, top.language_depth)
    return replace(collection, ranks=stored, top=kept)


def _check_tables(fresh: Path, folder: Path, results: Results) -> None:
    for name, collection in results.collections.items():
        for path in damaged_tables(fresh, collection):
            raise ReportError(
                f"{folder / path.name}: missing, or its checksum differs from results.json. Evaluate {name} again, "
                "too, or move the folder away."
            )


def damaged_tables(folder: Path, collection: CollectionResults) -> list[Path]:
    """Return the tables with a checksum that differs from results.json; one of top passages may be missing."""
    ranks, top = collection.ranks, collection.top
    damaged = [folder / ranks.file] if ranks and not is_complete(folder, ranks) else []
    if top and (folder / top.file).exists() and not is_complete(folder, top):
        damaged.append(folder / top.file)
    return damaged


def sibling(folder: Path, purpose: str) -> Path:
    """Return a hidden folder next to a report. The lock keeps other processes from using it."""
    return folder.with_name(f".{folder.name}.{purpose}{PART_SUFFIX}")


def _swap(fresh: Path, folder: Path) -> None:
    """Replace `folder` by `fresh`. If the second rename fails, the first is undone."""
    old = sibling(folder, "old")
    if not folder.exists():
        fresh.rename(folder)
        return
    folder.rename(old)
    try:
        fresh.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Clean up after a process that died while writing: restore the old report if the new one was not in place."""
    old = sibling(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    for leftover in (old, sibling(folder, "new")):
        shutil.rmtree(leftover, ignore_errors=True)
