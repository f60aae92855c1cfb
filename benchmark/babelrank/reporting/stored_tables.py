"""Read the tables next to a results.json, and check them against the digests in it."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, QuestionScores, clustered_scores
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable, read_ranks
from babelrank.ranking.top_table import TopTable, read_top
from babelrank.reporting.results import RanksFile, TableFile, TopFile


@dataclass(frozen=True)
class StoredRanks:
    """A rank table in a report's folder, and the measure that is taken from it."""

    folder: Path
    file: RanksFile
    measure: str = DEFAULT_MEASURE


@lru_cache(maxsize=128)  # of all reports on a few collections: about a megabyte each
def question_values(stored: StoredRanks) -> QuestionScores:
    """Return what each question adds to each setting; see `read_stored_ranks` for errors."""
    return clustered_scores(read_stored_ranks(stored.folder, stored.file), stored.measure)


def read_stored_ranks(folder: Path, stored: RanksFile) -> RankTable:
    """Read the rank table in a report's folder.

    Raises
    ------
    ReportError
        It is missing or cannot be read, or its checksum differs from results.json.
    """
    return read_ranks(checked_path(folder, stored))


def read_stored_top(folder: Path, stored: TopFile) -> TopTable:
    """Read the table of top passages in a report's folder.

    Raises
    ------
    ReportError
        As `read_stored_ranks`.
    """
    return read_top(checked_path(folder, stored))


def is_complete(folder: Path, stored: TableFile) -> bool:
    """Return whether a table is there with the checksum that results.json has."""
    try:
        return file_digest(folder / stored.file) == stored.sha256
    except OSError:
        return False


def file_digest(path: Path) -> str:
    """Return a file's SHA-256 (hex)."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checked_path(folder: Path, stored: TableFile) -> Path:
    """Return the path of a table.

    Raises
    ------
    ReportError
        It is missing, or its checksum differs from results.json.
    """
    path = folder / stored.file
    if not is_complete(folder, stored):
        raise ReportError(
            f"{path}: missing, or its checksum differs from results.json. Restore the file, or submit the model on "
            "this collection again."
        )
    return path
