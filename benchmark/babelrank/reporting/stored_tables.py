"""The tables beside a results.json, which holds their digests: what is read is what was written with it."""

import hashlib
from pathlib import Path

from babelrank.errors import ReportError
from babelrank.ranking.table import RelevantRanks, read_ranks
from babelrank.ranking.top_table import TopRanks, read_top
from babelrank.reporting.results import RanksFile, TableFile, TopFile


def read_stored_ranks(folder: Path, stored: RanksFile) -> RelevantRanks:
    """Read the rank table in a report's folder.

    Raises
    ------
    ReportError
        It is missing or cannot be read, or is not the one of which results.json has the digest.
    """
    return read_ranks(_checked(folder, stored))


def read_stored_top(folder: Path, stored: TopFile) -> TopRanks:
    """Read the table of top passages in a report's folder.

    Raises
    ------
    ReportError
        As `read_stored_ranks`.
    """
    return read_top(_checked(folder, stored))


def is_whole(folder: Path, stored: TableFile) -> bool:
    """Return whether a table is there, and the one of which results.json has the digest."""
    try:
        return file_digest(folder / stored.file) == stored.sha256
    except OSError:
        return False


def file_digest(path: Path) -> str:
    """Return a file's SHA-256 (hex)."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checked(folder: Path, stored: TableFile) -> Path:
    path = folder / stored.file
    if not is_whole(folder, stored):
        raise ReportError(
            f"{path}: missing, or not what results.json has the digest of. Bring the file back, or submit the model on "
            "this collection again."
        )
    return path
