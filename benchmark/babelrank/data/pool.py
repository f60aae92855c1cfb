"""The passages of a collection: in memory, or on disk as a stream.

Both have the same order and positions, so code that reads blocks works with either.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import ClassVar, Protocol

import numpy as np
import pandas as pd

from babelrank.data.passages import BLOCK, PassageBlock, PassageSource
from babelrank.data.records import SPACE


def code_languages(column: pd.Series, languages: Sequence[str]) -> np.ndarray:
    """Return the position of each language in `languages`: int64, −1 where it is not one of them.

    Examples
    --------
    >>> code_languages(pd.Series(["en", "de", "en"]), ["de", "en"])
    array([1, 0, 1])
    """
    numbers, different = column.factorize(use_na_sentinel=False)  # columns of text are slow to look up in
    codes: np.ndarray = pd.Index(languages).get_indexer(different)[numbers].astype(np.int64)
    return codes


@dataclass(frozen=True)
class Passage:
    """A passage that was looked up by its id."""

    lang: str
    text: str


class PassageReader(Protocol):
    """A reader of passages for another process. It can be pickled, and is small if they are on disk."""

    def blocks(self, size: int = BLOCK, first: int = 0) -> Iterator[PassageBlock]:
        """Yield the passages in blocks of `size`, starting at block number `first`."""


class Passages(PassageReader, Protocol):
    """The passages of a collection in a fixed order. Positions count from 0.

    Attributes
    ----------
    in_memory
        Whether `frame` is in memory, so reading is free.
    """

    in_memory: ClassVar[bool]

    def __len__(self) -> int: ...

    @property
    def lang_codes(self) -> np.ndarray:
        """Index of each passage's language in the collection's `languages`: uint16, shape (passages,)."""

    @property
    def characters(self) -> int:
        """Total number of characters of all texts."""

    @property
    def spaced_id(self) -> str | None:
        """An id with ASCII white space, which TREC formats do not allow; None if there is none."""

    @property
    def frame(self) -> pd.DataFrame:
        """Columns ``lang``, ``id``, ``text``, one row per passage. Reads all passages if they are on disk."""

    @property
    def reader(self) -> PassageReader:
        """The same passages for another process."""

    def __getitem__(self, column: str) -> pd.Series:
        """Return a column of `frame`."""

    def ids(self, positions: Collection[int]) -> dict[int, str]:
        """Return the ids of passages by their positions."""

    def find(self, ids: Collection[str]) -> dict[str, Passage]:
        """Return the passages with these ids. Unknown ids are ignored."""


@dataclass(frozen=True, eq=False)
class MemoryPassages:
    """Passages in memory.

    Attributes
    ----------
    frame
        Columns ``lang``, ``id``, ``text``; the index counts from 0.
    languages
        Languages of the collection.
    """

    frame: pd.DataFrame
    languages: tuple[str, ...]
    in_memory: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, column: str) -> pd.Series:
        return self.frame[column]

    @cached_property
    def lang_codes(self) -> np.ndarray:
        """See `Passages`."""
        return code_languages(self.frame["lang"], self.languages).astype(np.uint16)

    @property
    def characters(self) -> int:
        """See `Passages`."""
        return int(self.frame["text"].str.len().sum())

    @property
    def spaced_id(self) -> str | None:
        """See `Passages`."""
        spaced = self.frame["id"][self.frame["id"].str.contains(f"[{SPACE}]")]
        return None if spaced.empty else str(spaced.iloc[0])

    @property
    def reader(self) -> PassageReader:
        """See `Passages`."""
        return self

    def blocks(self, size: int = BLOCK, first: int = 0) -> Iterator[PassageBlock]:
        """See `PassageReader`."""
        for start in range(first * size, len(self), size):
            rows = self.frame.iloc[start : start + size]
            yield PassageBlock(start, *(rows[name].tolist() for name in ("id", "lang", "text")))

    def ids(self, positions: Collection[int]) -> dict[int, str]:
        """See `Passages`."""
        places = [int(position) for position in positions]
        return dict(zip(places, self.frame["id"].iloc[places].tolist(), strict=True))

    def find(self, ids: Collection[str]) -> dict[str, Passage]:
        """See `Passages`."""
        found = self.frame[self.frame["id"].isin(list(ids))]
        return dict(zip(found["id"], map(Passage, found["lang"], found["text"]), strict=True))


@dataclass(frozen=True, eq=False)
class StreamedPassages:
    """Passages that stay on disk and are read from their files each time.

    Attributes
    ----------
    source
        The files, with their passages counted.
    lang_codes, characters, spaced_id
        See `Passages`.
    """

    source: PassageSource
    lang_codes: np.ndarray
    characters: int
    spaced_id: str | None = None
    in_memory: ClassVar[bool] = False

    def __len__(self) -> int:
        return self.source.count()

    def __getitem__(self, column: str) -> pd.Series:
        return self.frame[column]

    @property
    def frame(self) -> pd.DataFrame:
        """See `Passages`."""
        blocks = list(self.blocks())
        columns = {"lang": [block.langs for block in blocks], "id": [block.ids for block in blocks]}
        columns["text"] = [block.texts for block in blocks]
        return pd.DataFrame({name: list(chain.from_iterable(parts)) for name, parts in columns.items()}, dtype="str")

    @property
    def reader(self) -> PassageReader:
        """See `Passages`."""
        return self.source

    def blocks(self, size: int = BLOCK, first: int = 0) -> Iterator[PassageBlock]:
        """See `PassageReader`; errors are those of `PassageSource.blocks`."""
        return self.source.blocks(size, first)

    def ids(self, positions: Collection[int]) -> dict[int, str]:
        """See `Passages`."""
        return self.source.ids(positions)

    def find(self, ids: Collection[str]) -> dict[str, Passage]:
        """See `Passages`; reads all passages once."""
        wanted = frozenset(ids)
        return {
            name: Passage(lang, text)
            for block in self.blocks()
            for name, lang, text in zip(block.ids, block.langs, block.texts, strict=True)
            if name in wanted
        }
