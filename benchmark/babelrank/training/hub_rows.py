"""Rows of a data set on the Hub, or of a local folder that the `datasets` library reads.

Two layouts are supported: one table with a column per language (MKQA, or a struct of translations), and one
configuration per language with aligned rows (mMARCO).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from babelrank.errors import TrainingError
from babelrank.training.examples import NEGATIVE, PASSAGE, QUERY, Column, Texts

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

LANGUAGE = "{lang}"  # stands for the language in the name of a column
_ROWS_AT_ONCE = 16_384


class HubRows:
    """Rows in tables that the `datasets` library keeps on disk.

    Attributes
    ----------
    name
        Name of the data set.
    fingerprint
        Fingerprint by `datasets`, with the columns that are used.
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
        """Open a data set; download it if necessary.

        Parameters
        ----------
        name
            Name on the Hub, or a local folder.
        query, passage, negatives
            Columns; ``{lang}`` in them stands for the language, and a dot steps into a struct: ``queries.{lang}``.
        languages
            Languages to read.
        configs
            Language -> configuration, if each language has its own.

        Raises
        ------
        TrainingError
            The data set cannot be loaded, lacks a column, or its configurations differ in length.
        """
        self.name = name
        self._columns = [(QUERY, query), (PASSAGE, passage), *((NEGATIVE, column) for column in negatives)]
        self._tables = _load_tables(name, languages, configs, split, revision)
        lengths = {lang: len(table) for lang, table in self._tables.items()}
        if len(set(lengths.values())) > 1:
            raise TrainingError(f"{name}: configurations should have the same rows, but their lengths are {lengths}.")
        for lang, table in self._tables.items():
            for _, column in self._columns:
                _require_column(table, column.replace(LANGUAGE, lang), name)
        versions = [f"{lang}:{table._fingerprint}" for lang, table in self._tables.items()]
        self.fingerprint = " ".join((*versions, query, passage, *negatives))

    def __len__(self) -> int:
        return len(next(iter(self._tables.values())))

    def scan(self) -> Iterator[tuple[int, list[Column]]]:
        """Yield all rows, language by language, in Arrow batches; see `Rows.scan`."""
        for lang, table in self._tables.items():
            names = [(side, column.replace(LANGUAGE, lang)) for side, column in self._columns]
            first = 0
            for batch in _read_batches(table, sorted({column.partition(".")[0] for _, column in names})):
                columns = [Column(side, lang, *_present(_values(batch, column))) for side, column in names]
                yield first, [column for column in columns if len(column.texts)]
                first += batch.num_rows

    def read(self, row: int) -> tuple[str, Texts, Texts]:
        """Return identifier, question and passage of one row."""
        rows = {lang: table[row] for lang, table in self._tables.items()}
        return f"{self.name}/{row}", _texts(rows, self._columns[0][1]), _texts(rows, self._columns[1][1])

    def read_negatives(self, rows: Sequence[int]) -> Sequence[Texts]:
        """Return the hard negatives of some rows; each is read on access."""
        return _Negatives(self, rows) if rows else ()

    def read_negative(self, row: int, number: int) -> Texts:
        """Return the negative of one row in the column with this number."""
        rows = {lang: table[row] for lang, table in self._tables.items()}
        return _texts(rows, self._columns[2 + number][1])

    @property
    def negatives_per_row(self) -> int:
        """Number of columns with hard negatives."""
        return len(self._columns) - 2


class _Negatives(Sequence[Texts]):
    """Hard negatives in some rows, read on access: an example can have hundreds, and a batch needs one or two."""

    def __init__(self, source: HubRows, rows: Sequence[int]) -> None:
        self._source, self._rows = source, rows

    def __len__(self) -> int:
        return len(self._rows) * self._source.negatives_per_row

    @overload
    def __getitem__(self, number: int) -> Texts: ...
    @overload
    def __getitem__(self, number: slice) -> list[Texts]: ...
    def __getitem__(self, number: int | slice) -> Texts | list[Texts]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        row, column = divmod(number, self._source.negatives_per_row)
        return self._source.read_negative(self._rows[row], column)


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
    except Exception as error:  # of the Hub, of the network, of the files, from several libraries
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


def _read_batches(table: "Dataset", columns: Sequence[str]) -> Iterator["pa.Table"]:
    """Yield some columns of a table, a few rows at a time.

    Files are read, not mapped into memory, because mapped pages count as memory of the process. Part of a split, such
    as ``train[:10%]``, is read from the mapping, because its files hold more rows.
    """
    import pyarrow as pa

    files = [file["filename"] for file in table.cache_files] if str(table.split).isidentifier() else []
    if not files:
        yield from table.select_columns(list(columns)).with_format("arrow").iter(_ROWS_AT_ONCE)
    for file in files:
        with pa.OSFile(file) as source, pa.ipc.open_stream(source) as reader:
            waiting: list[pa.RecordBatch] = []
            for batch in reader:
                waiting.append(batch.select(list(columns)))
                if sum(each.num_rows for each in waiting) >= _ROWS_AT_ONCE:
                    yield pa.Table.from_batches(waiting)
                    waiting = []
            if waiting:
                yield pa.Table.from_batches(waiting)


def _values(batch: "pa.Table", column: str) -> "pa.ChunkedArray":
    """Return a column; a dot in its name steps into a struct."""
    import pyarrow.compute as pc

    top, *fields = column.split(".")
    values = batch.column(top)
    return pc.struct_field(values, fields) if fields else values


def _present(values: "pa.ChunkedArray") -> tuple[np.ndarray, list[str]]:
    """Return the rows and the texts that are not blank; nothing if the column does not hold texts."""
    import pyarrow as pa

    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return np.zeros(0, dtype=np.int64), []
    found = [(row, text) for row, text in enumerate(values.to_pylist()) if text and not text.isspace()]
    return np.array([row for row, _ in found], dtype=np.int64), [text for _, text in found]


def _texts(rows: Mapping[str, Any], column: str) -> dict[str, str]:
    found = {lang: _value(row, column.replace(LANGUAGE, lang)) for lang, row in rows.items()}
    return {lang: text for lang, text in found.items() if isinstance(text, str) and text.strip()}


def _value(row: Any, column: str) -> Any:
    for part in column.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(part)
    return row
