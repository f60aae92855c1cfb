"""The central table of the harness: one row per query and relevant passage, with its ranks.

Every measure and every bias statistic comes from this table, without encoder or scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from babelrank.data.pool import code_languages
from babelrank.files import as_path
from babelrank.ranking.rank_lists import RankLists
from babelrank.ranking.table_file import RANK_TYPES, TEXT_TYPES, TableFormat

_FORMAT = TableFormat("rank table", b"babelrank", 1, TEXT_TYPES | {"grade": "int64"} | RANK_TYPES)
COLUMNS = tuple(_FORMAT.types)


@dataclass(frozen=True)
class RankTable:
    """Ranks of the relevant passages.

    Attributes
    ----------
    table
        Columns `COLUMNS`; ranks start at 1 and are float64, halves under ties, and infinite for missing passages.
    languages
        ISO 639-1 codes, sorted.
    pool_sizes
        Number of passages by language; they sum to the size of the pool.
    tied
        Number of rows with the same score as another passage of the pool.
    """

    table: pd.DataFrame
    languages: tuple[str, ...]
    pool_sizes: dict[str, int]
    tied: int

    @cached_property
    def found(self) -> "RankTable":
        """The rows with a finite rank: passages that are in the corpus, or in a run."""
        held = np.isfinite(self.table["rank_in_pool"].to_numpy())
        return self if held.all() else replace(self, table=self.table[held].reset_index(drop=True))

    def with_missing(self, missing: pd.DataFrame | None) -> "RankTable":
        """Add relevant passages that the corpus lacks, as not retrieved: with infinite ranks.

        Parameters
        ----------
        missing
            See `Collection.missing`; None adds nothing.
        """
        if missing is None:
            return self
        columns = {"lang": "query_lang", "question": "query_id"}
        rows = missing.rename(columns=columns).assign(passage_lang=missing["lang"], **dict.fromkeys(RANK_TYPES, np.inf))
        return replace(self, table=pd.concat([self.table, rows[list(COLUMNS)]], ignore_index=True))

    @cached_property
    def language_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions in `languages` of each row's query language and passage language: int64."""
        query, passage = (code_languages(self.table[name], self.languages) for name in ("query_lang", "passage_lang"))
        return query, passage

    @cached_property
    def query_numbers(self) -> np.ndarray:
        """A number for each row's query: 0, 1, … in order of language and id; int64."""
        query_lang, _ = self.language_codes
        identity = self.table["query_id"].factorize()[0]
        numbers: np.ndarray = np.unique(query_lang * (identity.max(initial=0) + 1) + identity, return_inverse=True)[1]
        return numbers

    @cached_property
    def lang_of_query(self) -> np.ndarray:
        """Position in `languages` of each query, in order of `query_numbers`: int64."""
        langs: np.ndarray = self.language_codes[0][self.pool_lists.first_rows]
        return langs

    @cached_property
    def pair_lists(self) -> RankLists:
        """Ranks among the passages of a language: a list for each query and each language of its relevant passages."""
        _, passage_lang = self.language_codes
        _, lists = np.unique(self.query_numbers * len(self.languages) + passage_lang, return_inverse=True)
        return self._group("rank_in_language", lists)

    @cached_property
    def pool_lists(self) -> RankLists:
        """Ranks in the pool: a list for each query."""
        return self._group("rank_in_pool", self.query_numbers)

    def _group(self, column: str, lists: np.ndarray) -> RankLists:
        return RankLists.group(self.table[column].to_numpy(), self.table["grade"].to_numpy(), lists)

    def write(self, path: str | Path) -> None:
        """Write the table as Parquet; the other attributes go into the file's metadata."""
        _FORMAT.write(
            as_path(path),
            self.table,
            {"languages": list(self.languages), "pool_sizes": self.pool_sizes, "tied": self.tied},
        )


def read_ranks(path: Path) -> RankTable:
    """Read a table that `RankTable.write` wrote.

    Raises
    ------
    ReportError
        The file is missing, damaged, or in another format.
    """
    return _FORMAT.read(path, _restore)


def _restore(table: pd.DataFrame, metadata: Mapping[str, Any]) -> RankTable:
    if table[list(RANK_TYPES)].isna().to_numpy().any() or table.empty:
        raise ValueError("a relevant passage has no rank, or there is none")
    return RankTable(table, tuple(metadata["languages"]), dict(metadata["pool_sizes"]), int(metadata["tied"]))
