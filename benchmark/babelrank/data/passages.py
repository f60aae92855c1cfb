"""Stream passages in blocks of ids, languages and texts, never all in memory.

In: files of records (JSON lines, compressed or not, or Parquet), one after another. Out: blocks of any size, starting
at any block.
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

BLOCK = 1024  # passages; a block and its vectors fit into the processor's cache


@dataclass(frozen=True)
class PassageLayout:
    """The fields of a record that make a passage.

    The text is ``title`` and ``text`` joined by a space, stripped of white space at the ends, as in BEIR (Thakur et
    al. 2021, arXiv 2104.08663). Both may be null or empty, but ``text`` must be a field. The language is canonical, see
    `language_facts.canonical_code`.

    Attributes
    ----------
    ids
        Fields that may hold the id, a string or an integer. The first that a file has is read.
    language
        Language of all passages; None if each record has a ``lang``.
    """

    ids: tuple[str, ...]
    language: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the fields that are read."""
        return (*self.ids, "title", "text", *(() if self.language else ("lang",)))

    def __str__(self) -> str:
        """Return the format of a record, for errors."""
        return show_record((self.ids[0], *self.columns[len(self.ids) :]))


@dataclass(frozen=True)
class PassageBlock:
    """Consecutive passages of a stream.

    Attributes
    ----------
    start
        Position of the first passage in the stream, from 0.
    ids, langs, texts
        One value per passage. A text may be empty.
    """

    start: int
    ids: list[str]
    langs: list[str]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.ids)


_Passage = tuple[int, str, str, str]  # line in the file, id, language, text; a class would be a tenth slower


@dataclass(frozen=True)
class PassageSource:
    """Passages in files. The object is small, and can be sent to another process or machine.

    Attributes
    ----------
    files
        Files in the order of reading. Files on the Hub are downloaded when they are reached.
    layout
        Layout of their records.
    counts
        Number of records in each file. If empty, starting in the middle is slower.
    repeats
        Positions of records that are exact copies of an earlier one, sorted. They are skipped.
    spellings
        Canonical language codes by their spelling in the files; filled while reading.
    """

    files: tuple[Records, ...]
    layout: PassageLayout
    counts: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()
    spellings: Spellings = field(default_factory=Spellings, compare=False)

    def count(self) -> int:
        """Return the number of passages. They are counted without parsing if necessary."""
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
            Number of the first block. Earlier ones are not parsed.

        Raises
        ------
        DataError
            A file cannot be read, is cut off, or has an invalid passage. The message names the file and the line.
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
        # Each copy before a passage moves its record one further.
        behind = np.asarray(self.repeats, dtype=np.int64) - np.arange(len(self.repeats))
        start += int(np.searchsorted(behind, start, side="right"))
        repeats = frozenset(self.repeats)
        records = chain.from_iterable(passages for _, passages in self._records(start))
        return (record for number, record in enumerate(records, start=start) if number not in repeats)

    def _records(self, start: int) -> Iterator[tuple[Records, Iterator[_Passage]]]:
        """Yield files and their passages, starting at a record."""
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
        """Make passages from a file's records. Errors name the line."""
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
                    problem = f"the title must be a str, got {type(record['title']).__name__}"
                raise DataError(f"{file.name}:{place}: {problem}; expected {self.layout}.") from error
            yield passage


def _join(record: Any) -> str:
    title, text = record.get("title"), record.get("text")
    if text is None:
        if "text" not in record and "title" not in record:
            raise KeyError("text")
        text = ""
    joined = " ".join((title, text)) if title else text
    if type(joined) is not str:
        raise TypeError(f"the text must be a str, got {type(joined).__name__}")
    return joined.strip()


def show_record(fields: Iterable[str]) -> str:
    """Return the format of a record with some fields, for errors."""
    return "{" + ", ".join(f'"{name}": …' for name in fields) + "}"


def read_id(value: Any) -> str:
    """Return an id as a string, without ASCII white space at its ends.

    Raises
    ------
    TypeError, ValueError
        The id is neither a string nor an integer, or it is empty.
    """
    if type(value) is not str:
        if type(value) is not int:
            raise TypeError(f"an id must be a str or an int, got {value!r}")
        return str(value)
    name = value.strip(SPACE)
    if not name:
        raise ValueError("empty id")
    return name


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8. Half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
