"""Parallel units in a data set of the Hub, or in a local folder that the `datasets` library reads.

Two layouts are known: one table with a column per language (MKQA, or a struct of translations), and one configuration
per language whose rows are aligned (mMARCO).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from babelrank.errors import TrainingError
from babelrank.training.membership import RowSet
from babelrank.training.units import Unit

if TYPE_CHECKING:
    from datasets import Dataset

LANGUAGE = "{lang}"  # stands for the language in the name of a column
_ROWS_AT_ONCE = 65_536


class HubUnits:
    """Units in tables that the `datasets` library keeps on disk.

    Attributes
    ----------
    name
        Of the data set.
    fingerprint
        As `datasets` has it, with the columns that are used.
    queries, passages
        See `units.Units`.
    """

    def __init__(
        self,
        name: str,
        query: str,
        passage: str,
        languages: Sequence[str],
        *,
        configs: Mapping[str, str] | None = None,
        negatives: Sequence[str] = (),
        split: str = "train",
        revision: str | None = None,
    ) -> None:
        """Open a data set; it is downloaded if need be.

        Parameters
        ----------
        name
            On the Hub, or a local folder.
        query, passage, negatives
            Columns; ``{lang}`` in them stands for the language, and a dot steps into a struct: ``queries.{lang}``.
        languages
            Those that take part.
        configs
            Language -> configuration, if each language has one of its own.

        Raises
        ------
        TrainingError
            It cannot be loaded, lacks a column, or its configurations differ in length.
        """
        self.name = name
        self._languages = tuple(languages)
        self._columns = {"query": query, "passage": passage}
        self._negatives = tuple(negatives)
        self._tables = _load_tables(name, languages, configs, split, revision)
        lengths = {lang: len(table) for lang, table in self._tables.items()}
        if len(set(lengths.values())) > 1:
            raise TrainingError(f"{name}: configurations should have the same rows, but their lengths are {lengths}.")
        for lang, table in self._tables.items():
            for column in (query, passage, *negatives):
                _require_column(table, column.replace(LANGUAGE, lang), name)
        versions = [f"{lang}:{table._fingerprint}" for lang, table in self._tables.items()]
        self.fingerprint = " ".join((*versions, query, passage, *negatives))

    def __len__(self) -> int:
        return len(next(iter(self._tables.values())))

    def __getitem__(self, row: int) -> Unit:
        rows = {lang: table[row] for lang, table in self._tables.items()}
        negatives = [self._texts(rows, column) for column in self._negatives]
        return Unit(
            f"{self.name}/{row}",
            self._texts(rows, self._columns["query"]),
            self._texts(rows, self._columns["passage"]),
            tuple(texts for texts in negatives if texts),
        )

    @cached_property
    def queries(self) -> Mapping[str, RowSet]:
        """Language -> the units with a query in it."""
        return self._members("query")

    @cached_property
    def passages(self) -> Mapping[str, RowSet]:
        """Language -> the units with a passage in it."""
        return self._members("passage")

    def _texts(self, rows: Mapping[str, Any], column: str) -> dict[str, str]:
        found = {lang: _value(row, column.replace(LANGUAGE, lang)) for lang, row in rows.items()}
        return {lang: text for lang, text in found.items() if isinstance(text, str) and text.strip()}

    def _members(self, side: str) -> dict[str, RowSet]:
        members = {}
        for lang, table in self._tables.items():
            column = self._columns[side].replace(LANGUAGE, lang)
            top = column.partition(".")[0]
            present = [
                isinstance(text, str) and bool(text.strip())
                for rows in table.select_columns([top]).iter(_ROWS_AT_ONCE)
                for text in (_value({top: value}, column) for value in rows[top])
            ]
            members[lang] = RowSet.of(np.array(present, dtype=bool))
        return members


def _load_tables(
    name: str, languages: Sequence[str], configs: Mapping[str, str] | None, split: str, revision: str | None
) -> "dict[str, Dataset]":
    from datasets import load_dataset

    lacking = [lang for lang in languages if lang not in configs] if configs else []
    if lacking:
        known = ", ".join(configs or ())
        raise TrainingError(f"{name}: no configuration is given for {', '.join(lacking)}, only for {known}.")
    try:
        if not configs:
            table = load_dataset(name, split=split, revision=revision)
            return dict.fromkeys(languages, table)
        return {
            lang: load_dataset(name, configs[lang], split=split, revision=revision) for lang in languages or configs
        }
    except Exception as error:  # of the Hub, of the network, of the files: several libraries' own
        raise TrainingError(f"{name}: cannot be loaded ({type(error).__name__}: {error}).") from error


def _require_column(table: "Dataset", column: str, name: str) -> None:
    parts = column.split(".")
    features: Any = table.features
    for i, part in enumerate(parts):
        if not isinstance(features, Mapping) or part not in features:
            known = ", ".join(features) if isinstance(features, Mapping) else "none"
            within = f" in {'.'.join(parts[:i])}" if i else ""
            raise TrainingError(f"{name}: no column {column!r}; there are {known}{within}.")
        features = features[part]


def _value(row: Any, column: str) -> Any:
    for part in column.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(part)
    return row
