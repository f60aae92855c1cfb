"""Parallel examples: a question and the passages that answer it, each in some languages.

Input: rows of a file or of a data set on the Hub, each with a question and one passage. Output: examples by number, and
the languages of each. Rows with the same question are one example with several passages. Rows are read once, to check
and to index them; texts are read on access.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from babelrank.training.membership import RowSet
from babelrank.training.row_lists import RowLists
from babelrank.training.texts import TextHasher

QUERY, PASSAGE, NEGATIVE = "query", "passage", "negative"
Texts = Mapping[str, str]  # language -> text
Progress = Callable[[int, int], None]  # rows done, rows in all

_NAMED = 5  # examples named in a message


@dataclass(frozen=True)
class Example:
    """A question with its passages, and their translations.

    Attributes
    ----------
    id
        Identifier of its first row in the data set.
    query, passage
        Language -> text; languages can be missing.
    negatives
        Passages that do not answer the question, each by language; read on access.
    other_passages
        Further passages that answer the question.
    """

    id: str
    query: Texts
    passage: Texts
    negatives: Sequence[Texts] = ()
    other_passages: tuple[Texts, ...] = ()

    @property
    def passages(self) -> tuple[Texts, ...]:
        """All passages that answer the question."""
        return (self.passage, *self.other_passages)


@dataclass(frozen=True)
class Column:
    """Texts of one kind in one language, from rows that are read together.

    Attributes
    ----------
    side
        `QUERY`, `PASSAGE` or `NEGATIVE`.
    lang
        Language code.
    rows
        Row of each text, counted from the first of the rows; a row can have several negatives.
    texts
        The texts, none of them blank.
    """

    side: str
    lang: str
    rows: np.ndarray
    texts: Sequence[str]


class Rows(Protocol):
    """A data set, row by row."""

    @property
    def name(self) -> str:
        """Name in summaries and errors."""

    @property
    def fingerprint(self) -> str:
        """A string that changes if the rows change."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def scan(self) -> Iterator[tuple[int, list[Column]]]:
        """Yield the number of a row, and the texts of this row and the following ones, until all rows are read.

        Columns that are read together share their first row; those of other languages can follow later.
        """

    def read(self, row: int) -> tuple[str, Texts, Texts]:
        """Return identifier, question and passage of one row."""

    def read_negatives(self, rows: Sequence[int]) -> Sequence[Texts]:
        """Return the hard negatives of some rows. Each has at least one text."""


@dataclass(frozen=True)
class KnownTexts:
    """Texts to look for in a data set: those of a test collection, or of the validation examples.

    Attributes
    ----------
    name
        Name in messages.
    hashes
        `hash_text` of each text, sorted; uint64.
    """

    name: str
    hashes: np.ndarray

    @classmethod
    def of(cls, name: str, texts: Sequence[str]) -> "KnownTexts":
        """Hash texts."""
        return cls(name, np.unique(TextHasher().hash_texts(texts)))


@dataclass(frozen=True)
class Index:
    """The rows of each example.

    Attributes
    ----------
    passages
        Rows of each example with different passages; the first one has the question.
    negatives
        Rows of each example with different hard negatives.
    languages
        `QUERY` and `PASSAGE` -> language -> the examples with such a text.
    shared
        Name of `KnownTexts` -> the examples that have one of these texts, ascending; int64.
    found
        Name of `KnownTexts` -> hashes of the texts that were found; uint64.
    """

    passages: RowLists
    negatives: RowLists
    languages: Mapping[str, Mapping[str, RowSet]]
    shared: Mapping[str, np.ndarray] = field(default_factory=dict)
    found: Mapping[str, np.ndarray] = field(default_factory=dict)


class ExampleSet:
    """The examples of a data set."""

    def __init__(self, rows: Rows, index: Index) -> None:
        self._rows = rows
        self.index = index

    @property
    def name(self) -> str:
        """Name in summaries and errors."""
        return self._rows.name

    @property
    def fingerprint(self) -> str:
        """A string that changes if the examples change."""
        return self._rows.fingerprint

    @property
    def queries(self) -> Mapping[str, RowSet]:
        """Language -> the examples with a question in it."""
        return self.index.languages[QUERY]

    @property
    def passages(self) -> Mapping[str, RowSet]:
        """Language -> the examples with a passage in it."""
        return self.index.languages[PASSAGE]

    @property
    def rows(self) -> int:
        """Number of rows that the examples were made from."""
        return len(self._rows)

    def __len__(self) -> int:
        return len(self.index.passages)

    def __getitem__(self, number: int) -> Example:
        rows = self.index.passages[number]
        name, query, passage = self._rows.read(rows[0])
        others = tuple(self._rows.read(row)[2] for row in rows[1:])
        return Example(name, query, passage, self._rows.read_negatives(self.index.negatives[number]), others)

    def name_some(self, numbers: Sequence[int]) -> list[str]:
        """Return the identifiers of the first few of these examples."""
        return [self._rows.read(self.index.passages[number][0])[0] for number in numbers[:_NAMED]]
