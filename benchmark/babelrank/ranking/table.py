"""The hinge of the harness: one row per query and relevant passage, with its ranks.

Every measure and every bias statistic follows from this table, with no encoder and no scores.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from babelrank.errors import ReportError
from babelrank.files import atomic_write

_METADATA_KEY = b"babelrank"
_FORMAT = 1
COLUMNS = ("query_lang", "query_id", "passage_lang", "passage_id", "grade", "rank_in_language", "rank_in_pool")
_TEXT_COLUMNS = ["query_lang", "query_id", "passage_lang", "passage_id"]


@dataclass(frozen=True)
class RelevantRanks:
    """Ranks of the relevant passages.

    Attributes
    ----------
    table
        Columns `COLUMNS`; ranks start at 1 and are float64, halves under ties.
    languages
        ISO 639-1 codes, sorted.
    pool_sizes
        Passages by language; they sum to the size of the pool.
    tied
        Number of rows whose score another passage of the pool has too.
    """

    table: pd.DataFrame
    languages: tuple[str, ...]
    pool_sizes: dict[str, int]
    tied: int

    @cached_property
    def language_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions in `languages` of each row's query language and passage language: int64."""
        query, passage = (
            pd.Categorical(self.table[column], categories=list(self.languages)).codes.astype(np.int64)
            for column in ("query_lang", "passage_lang")
        )
        return query, passage

    @cached_property
    def query_numbers(self) -> np.ndarray:
        """A number for each row's query: 0, 1, … in order of language and id; int64."""
        query_lang, _ = self.language_codes
        identity = self.table["query_id"].factorize()[0]
        numbers: np.ndarray = np.unique(query_lang * (identity.max(initial=0) + 1) + identity, return_inverse=True)[1]
        return numbers

    def write(self, path: Path) -> None:
        """Write the table as Parquet; the rest goes into the file's metadata."""
        metadata = {
            "format": _FORMAT,
            "languages": list(self.languages),
            "pool_sizes": self.pool_sizes,
            "tied": self.tied,
        }
        table = pa.Table.from_pandas(self.table[list(COLUMNS)], preserve_index=False)
        sink = pa.BufferOutputStream()
        pq.write_table(
            table.replace_schema_metadata({_METADATA_KEY: json.dumps(metadata)}),
            sink,
            compression="zstd",
            compression_level=19,
            write_page_checksum=True,
        )
        atomic_write(path, sink.getvalue().to_pybytes())


def read_ranks(path: Path) -> RelevantRanks:
    """Read a table that `RelevantRanks.write` wrote.

    Raises
    ------
    ReportError
        The file is missing, damaged, or of another format.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        metadata = dict(json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}")))
        if metadata.get("format") != _FORMAT or list(table.column_names) != list(COLUMNS):
            raise ReportError(f"{path}: not a rank table of format {_FORMAT}.")
        frame = table.to_pandas()
        frame[_TEXT_COLUMNS] = frame[_TEXT_COLUMNS].astype("str")
        return RelevantRanks(frame, tuple(metadata["languages"]), dict(metadata["pool_sizes"]), int(metadata["tied"]))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:  # damage shows in many ways
        raise ReportError(f"{path}: no readable rank table ({error}).") from error
