"""Read and write tables of ranks as Parquet files: columns of a known format, with metadata."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from babelrank.errors import ReportError
from babelrank.files import atomic_write

Table = TypeVar("Table")

# Columns that all tables of ranks have: query, passage and ranks, which are halves under ties.
TEXT_TYPES = dict.fromkeys(("query_lang", "query_id", "passage_lang", "passage_id"), "str")
RANK_TYPES = dict.fromkeys(("rank_in_language", "rank_in_pool"), "float64")
_MOST = 2**40  # passages of a language: sums stay within 64 bits


@dataclass(frozen=True)
class TableFormat:
    """Format of a kind of table.

    Attributes
    ----------
    name
        Name of such a table in messages.
    key
        Name of the file's metadata.
    version
        Version in the metadata; files of other versions are rejected.
    types
        Types of the columns, by name, in the file's order.
    """

    name: str
    key: bytes
    version: int
    types: Mapping[str, str]

    def write(self, path: Path, frame: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
        """Write a table without its index.

        Parameters
        ----------
        metadata
            JSON values.

        Raises
        ------
        OSError
            The folder is not writable or the disk is full; `path` is then unchanged.
        """
        table = pa.Table.from_pandas(frame[list(self.types)], preserve_index=False)
        sink = pa.BufferOutputStream()
        pq.write_table(
            table.replace_schema_metadata({self.key: json.dumps({"format": self.version, **metadata})}),
            sink,
            compression="zstd",
            compression_level=19,
            write_page_checksum=True,
        )
        atomic_write(path, sink.getvalue().to_pybytes())

    def read(self, path: Path, make: Callable[[pd.DataFrame, Mapping[str, Any]], Table]) -> Table:
        """Return the result of `make` on a table and its metadata.

        Raises
        ------
        ReportError
            The file is missing, damaged, or in another format.
        """
        try:
            table = pq.read_table(path, page_checksum_verification=True)
            metadata = dict(json.loads((table.schema.metadata or {}).get(self.key, b"{}")))
            if metadata.get("format") != self.version or table.column_names != list(self.types):
                raise ReportError(f"{path}: not a {self.name} of format {self.version}.")
            frame = table.to_pandas().astype(dict(self.types))
            _check(frame, metadata)
            return make(frame, metadata)
        except (OSError, KeyError, TypeError, ValueError, RecursionError, AttributeError, pa.ArrowException) as error:
            raise ReportError(f"{path}: no readable {self.name} ({error}).") from error


def _check(frame: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
    """Reject values that analyses do not support: a report may come from anywhere."""
    languages, sizes = metadata["languages"], metadata["pool_sizes"]
    if not languages or not all(type(lang) is str for lang in languages) or languages != sorted(set(languages)):
        raise ValueError(f"languages must be a sorted list of codes, got {languages!r}")
    if list(sizes) != languages or not all(type(size) is int and 0 <= size < _MOST for size in sizes.values()):
        raise ValueError(f"pool_sizes should have a number of passages for each language, is {sizes!r}")
    for column in TEXT_TYPES:
        if frame[column].isna().any():
            raise ValueError(f"{column} holds an empty cell")
    for column in ("query_lang", "passage_lang"):
        if not frame[column].isin(languages).all():
            raise ValueError(f"{column} holds a language that is not one of {', '.join(languages)}")
    for column in RANK_TYPES:
        if (frame[column] < 1).any():
            raise ValueError(f"{column} holds a rank below 1")
