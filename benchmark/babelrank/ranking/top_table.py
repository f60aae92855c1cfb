"""The table of the best passages of each query, kept with the rank table.

The rank table gives the rank of each answer; this table names the passages above it. One row per query and passage that
is among the best of the pool or among the best of its language, with its rank if it is listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from babelrank.ranking.table_file import RANK_TYPES, TEXT_TYPES, TableFormat

POOL_DEPTH = 10
LANGUAGE_DEPTH = 1  # at 3 the table of XQuAD-R takes twice the space, more than the ranks themselves
_FORMAT = TableFormat("table of top passages", b"babelrank-top", 1, TEXT_TYPES | RANK_TYPES)
COLUMNS = tuple(_FORMAT.types)


@dataclass(frozen=True)
class TopTable:
    """The best ranked passages of each query, relevant or not.

    Attributes
    ----------
    table
        Columns `COLUMNS`, by query and then in the pool's order. Ranks start at 1 and are float64, halves under ties,
        as in `RankTable`; NaN if the passage is not among the best of that list. Of equal scores at the end of a list,
        those that come first in the pool are kept.
    languages
        ISO 639-1 codes, sorted.
    pool_sizes
        Number of passages by language.
    pool_depth, language_depth
        Number of passages kept for each query, of the pool and of each language.
    """

    table: pd.DataFrame
    languages: tuple[str, ...]
    pool_sizes: dict[str, int]
    pool_depth: int
    language_depth: int

    def write(self, path: Path) -> None:
        """Write the table as Parquet, without the index; the other attributes go into the file's metadata.

        Raises
        ------
        OSError
            The folder is not writable or the disk is full; `path` is then unchanged.
        """
        metadata = {
            "languages": list(self.languages),
            "pool_sizes": self.pool_sizes,
            "pool_depth": self.pool_depth,
            "language_depth": self.language_depth,
        }
        _FORMAT.write(path, self.table, metadata)


def read_top(path: Path) -> TopTable:
    """Read a table that `TopTable.write` wrote.

    Raises
    ------
    ReportError
        The file is missing, damaged, or in another format.
    """
    return _FORMAT.read(path, _restore)


def _restore(table: pd.DataFrame, metadata: Mapping[str, Any]) -> TopTable:
    return TopTable(
        table,
        tuple(metadata["languages"]),
        dict(metadata["pool_sizes"]),
        int(metadata["pool_depth"]),
        int(metadata["language_depth"]),
    )
