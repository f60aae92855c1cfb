"""Passages as a stream: blocks of ids, languages and texts, never all in memory.

In: files of records (JSON lines, packed or not, or Parquet), one after another. Out: blocks of any size, from any block
on.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from babelrank.data.folders import Records
from babelrank.data.language_facts import Spellings
from babelrank.data.records import SPACE
from babelrank.errors import DataError

BLOCK = 1024  # passages: a block and what is made of it stay in the cache


@dataclass(frozen=True)
class PassageLayout:
    """Which fields of a record make a passage.

    Its text is ``title`` and ``text`` with a space between, without white space at the ends, as BEIR has it (Thakur et
    al. 2021, arXiv 2104.08663); both may be missing or empty, but not absent from the record. Its language is
    canonical, see `language_facts.canonical_code`.

    Attributes
    ----------
    ids
        Fields that may hold the id, a string or an integer, which becomes one; the first that a file has is read.
    language
        Of all passages; None if each record says its own in ``lang``.
    """

    ids: tuple[str, ...]
    language: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that are read."""
        return (*self.ids, "title", "text", *(() if self.language else ("lang",)))

    def __str__(self) -> str:
        """Show a record, for errors."""
        return show_record((self.ids[0], *self.columns[len(self.ids) :]))


@dataclass(frozen=True)
class PassageBlock:
    """Consecutive passages of a stream.

    Attributes
    ----------
    start
        Position of the first in the stream, from 0.
    ids, langs, texts
        One per passage; a text may be empty.
    """

    start: int
    ids: list[str]
    langs: list[str]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.ids)


_Passage = tuple[int, str, str, str]  # its line in the file, id, language, text: a class would cost a tenth of the rate


@dataclass(frozen=True)
class PassageSource:
    """Passages in files; small, whatever they hold, and can be sent to another process or machine.

    Attributes
    ----------
    files
        In the order in which they are read; on the Hub, each is downloaded when it is reached.
    layout
        Of their records.
    counts
        Records of each file; empty if they were not counted yet, which makes a start in the middle slower.
    repeats
        Positions of records that repeat an earlier one, word for word, sorted; they are passed over.
    spellings
        Language codes as the files spell them, with the canonical ones; filled on reading.
    """

    files: tuple[Records, ...]
    layout: PassageLayout
    counts: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()
    spellings: Spellings = field(default_factory=Spellings, compare=False)

    def count(self) -> int:
        """Count the passages without parsing them, unless they were counted before."""
        return sum(self.counted().counts) - len(self.repeats)

    def counted(self) -> "PassageSource":
        """Return the source with its files' counts."""
        if self.counts or not self.files:
            return self
        return replace(self, counts=tuple(file.count() for file in self.files))

    def blocks(self, size: int = BLOCK, first: int = 0) -> Iterator[PassageBlock]:
        """Read the passages in blocks.

        Parameters
        ----------
        size
            Passages per block; the last block may be smaller.
        first
            The block to begin with: what is before it is not parsed.

        Raises
        ------
        DataError
            A file cannot be read, is cut off, or holds what is no passage; names the file and the line.
        """
        start = first * size
        ids, langs, texts = [], [], []
        for _, name, lang, text in self._passages(start):
            ids.append(name)
            langs.append(lang)
            texts.append(text)
            if len(ids) == size:
                yield PassageBlock(start, ids, langs, texts)
                start += size
                ids, langs, texts = [], [], []
        if ids:
            yield PassageBlock(start, ids, langs, texts)

    def places(self, positions: Collection[int]) -> dict[int, str]:
        """Return ``file:line`` of records, by their position among all of them."""
        wanted = set(positions)
        lines = (f"{file.name}:{place}" for file, passages in self._records(0) for place, *_ in passages)
        return {position: line for position, line in enumerate(lines) if position in wanted}

    def ids(self, positions: Collection[int]) -> dict[int, str]:
        """Return the ids of passages, by their position in the stream."""
        wanted = set(map(int, positions))
        numbered = (pair for block in self.blocks() for pair in enumerate(block.ids, start=block.start))
        return {position: name for position, name in numbered if position in wanted}

    def _passages(self, start: int) -> Iterator[_Passage]:
        """Read passages from a position on."""
        if not self.repeats:
            return chain.from_iterable(passages for _, passages in self._records(start))
        # A passage's record is one further on for each repeat before it.
        behind = np.asarray(self.repeats, dtype=np.int64) - np.arange(len(self.repeats))
        start += int(np.searchsorted(behind, start, side="right"))
        repeats = frozenset(self.repeats)
        records = chain.from_iterable(passages for _, passages in self._records(start))
        return (record for number, record in enumerate(records, start=start) if number not in repeats)

    def _records(self, start: int) -> Iterator[tuple[Records, Iterator[_Passage]]]:
        """Read from a record on: files, and their passages."""
        for number, file in enumerate(self.files):
            if self.counts and self.counts[number] <= start:
                start -= self.counts[number]
                continue
            if start and not self.counts and (count := file.count()) <= start:
                start -= count
                continue
            yield file, self._read(file, start)
            start = 0

    def _read(self, file: Records, skip: int) -> Iterator[_Passage]:
        """Make passages of a file's records; errors name the line."""
        language, spellings, name = self.layout.language, self.spellings, ""
        for place, record in file.records(skip, self.layout.columns):
            try:
                name = name or next((each for each in self.layout.ids if each in record), self.layout.ids[0])
                lang = language or spellings.read(record["lang"])
                passage = place, read_id(record[name]), lang, _join(record)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                problem = f"no field {error}" if isinstance(error, KeyError) else str(error)
                if not isinstance(record, dict):
                    problem = f"a {type(record).__name__}"
                elif not isinstance(record.get("title", ""), str | None):
                    problem = f"the title should be a str, is {type(record['title']).__name__}"
                raise DataError(f"{file.name}:{place}: {problem}, where a passage is {self.layout}.") from error
            yield passage


def _join(record: Any) -> str:
    title, text = record.get("title"), record.get("text")
    if text is None:
        if "text" not in record and "title" not in record:
            raise KeyError("text")
        text = ""
    joined = " ".join((title, text)) if title else text
    if type(joined) is not str:
        raise TypeError(f"the text should be a str, is {type(joined).__name__}")
    return joined.strip()


def show_record(fields: Iterable[str]) -> str:
    """Show a record with some fields, for errors."""
    return "{" + ", ".join(f'"{name}": …' for name in fields) + "}"


def read_id(value: Any) -> str:
    """Return an id as a string, without ASCII white space at its ends.

    Raises
    ------
    TypeError, ValueError
        It is neither a string nor an integer, or it is empty.
    """
    if type(value) is not str:
        if type(value) is not int:
            raise TypeError(f"an id should be a str or an int, is {value!r}")
        return str(value)
    name = value.strip(SPACE)
    if not name:
        raise ValueError("an empty id")
    return name


def is_unicode(text: str) -> bool:
    """Tell whether a text can be encoded; half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
