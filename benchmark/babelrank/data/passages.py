"""Passages as a stream: blocks of ids, languages and texts, never all in memory.

In: files of records (``.jsonl``, ``.jsonl.gz``, ``.parquet``), one after another. Out: blocks of any size, from any
block on; and, from one pass over all, what must be known of them before work begins.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from babelrank.data.folders import DataFile
from babelrank.data.records import count_records, read_records
from babelrank.errors import DataError

BLOCK = 1024  # passages: a block and what is made of it stay in the cache
_SHOWN = 3  # examples in an error
_SEPARATOR = b"\0"


@dataclass(frozen=True)
class PassageLayout:
    """Which fields of a record make a passage.

    Its text is ``title`` and ``text`` with a space between, without white space at the ends, as BEIR has it (Thakur et
    al. 2021, arXiv 2104.08663); both may be missing or empty, but not absent from the record.

    Attributes
    ----------
    id
        Field of the id: a string, or an integer, which becomes one.
    language
        Of all passages; None if each record says its own in ``lang``.
    """

    id: str
    language: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that are read."""
        return (self.id, "title", "text", *(() if self.language else ("lang",)))


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
        Passages of each file; empty if they were not counted yet, which makes a start in the middle slower.
    """

    files: tuple[DataFile, ...]
    layout: PassageLayout
    counts: tuple[int, ...] = ()

    def count(self) -> int:
        """Count the passages without parsing them, unless they were counted before."""
        return sum(self.counted().counts)

    def counted(self) -> "PassageSource":
        """Return the source with its files' counts."""
        if self.counts or not self.files:
            return self
        return replace(self, counts=tuple(count_records(file.local()) for file in self.files))

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
        for _, passages in self._from(start):
            for _, name, lang, text in passages:
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
        """Return ``file:line`` of passages, by their position in the stream."""
        wanted = set(positions)
        lines = (f"{file.name}:{place}" for file, passages in self._from(0) for place, *_ in passages)
        return {position: line for position, line in enumerate(lines) if position in wanted}

    def ids(self, positions: Collection[int]) -> dict[int, str]:
        """Return the ids of passages, by their position in the stream."""
        wanted = set(map(int, positions))
        numbered = (pair for block in self.blocks() for pair in enumerate(block.ids, start=block.start))
        return {position: name for position, name in numbered if position in wanted}

    def _from(self, start: int) -> Iterator[tuple[DataFile, Iterator[_Passage]]]:
        """Read from a position on: files, and their passages."""
        for number, file in enumerate(self.files):
            if self.counts and self.counts[number] <= start:
                start -= self.counts[number]
                continue
            path = file.local()
            if start and not self.counts and (count := count_records(path)) <= start:
                start -= count
                continue
            yield file, _read_passages(path, start, self.layout)
            start = 0


@dataclass(frozen=True)
class Survey:
    """What one pass over all passages tells.

    Attributes
    ----------
    counts
        Passages of each file.
    pool_sizes
        Passages by language; languages sorted.
    lang_codes
        uint16, shape (passages,): place of each passage's language in `pool_sizes`; empty if all have the same.
    characters
        Of all texts together.
    without_text
        How many have an empty text.
    found
        Position and language of the passages that were looked for, by id.
    sha256
        Digest of ids, languages and texts in their order: the same from whatever files they were read.
    """

    counts: tuple[int, ...]
    pool_sizes: dict[str, int]
    lang_codes: np.ndarray
    characters: int
    without_text: int
    found: dict[str, tuple[int, str]]
    sha256: str

    @property
    def count(self) -> int:
        """Number of passages."""
        return sum(self.pool_sizes.values())


def survey(
    source: PassageSource, wanted: Collection[str] = (), *, on_progress: Callable[[int], None] = lambda _: None
) -> Survey:
    """Read all passages once; keep eight bytes of each (ten if languages are mixed), and the ids that are wanted.

    Parameters
    ----------
    wanted
        Ids to look for.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        As `PassageSource.blocks` does; an id stands twice (names both lines); there is no passage, or none has a text.
    """
    seen = _Seen()
    counts = [0] * len(source.files)
    for number, file in enumerate(source.files):
        for block in replace(source, files=(file,), counts=()).blocks():
            seen.add(replace(block, start=seen.count), wanted)
            counts[number] += len(block)
            on_progress(seen.count)
    names = ", ".join(file.name for file in source.files) or "nowhere"
    if seen.without_text == seen.count:
        raise DataError(f"{names}: {'no passage has a text' if seen.count else 'holds no passages'}.")
    _require_unique(source, seen.id_hashes)
    return seen.survey(tuple(counts))


def survey_block(block: PassageBlock, wanted: Collection[str] = ()) -> Survey:
    """Return what `survey` does, of passages in memory with unique ids."""
    seen = _Seen()
    seen.add(block, wanted)
    return seen.survey((len(block),))


@dataclass
class _Seen:
    """What a survey gathers."""

    count: int = 0
    characters: int = 0
    without_text: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    found: dict[str, tuple[int, str]] = field(default_factory=dict)
    id_hashes: "array[int]" = field(default_factory=lambda: array("q"))
    _langs: dict[str, int] = field(default_factory=dict)  # by language, in the order in which they were met
    _codes: "array[int]" = field(default_factory=lambda: array("H"))
    _digests: tuple[Any, ...] = field(default_factory=lambda: tuple(hashlib.sha256() for _ in range(3)))

    def add(self, block: PassageBlock, wanted: Collection[str]) -> None:
        """Take the next passages."""
        self.count += len(block)
        self.characters += sum(map(len, block.texts))
        self.without_text += block.texts.count("")
        self.languages.update(block.langs)
        self._add_codes(block.langs)
        self.found.update(
            (name, (block.start + i, block.langs[i])) for i, name in enumerate(block.ids) if name in wanted
        )
        self.id_hashes.extend(map(hash, block.ids))
        for digest, values in zip(self._digests, _columns(block), strict=True):
            digest.update("\0".join(values).encode())
            digest.update(_SEPARATOR)

    def survey(self, counts: tuple[int, ...]) -> Survey:
        """Return what was gathered from files of so many passages."""
        return Survey(
            counts=counts,
            pool_sizes=dict(sorted(self.languages.items())),
            lang_codes=self._lang_codes(),
            characters=self.characters,
            without_text=self.without_text,
            found=self.found,
            sha256=self._digest(),
        )

    def _lang_codes(self) -> np.ndarray:
        """Return the place of each passage's language among the sorted ones; empty if there is one language."""
        place = {lang: number for number, lang in enumerate(sorted(self._langs))}
        codes: np.ndarray = np.array([place[lang] for lang in self._langs], dtype=np.uint16)
        own: np.ndarray = codes[np.asarray(self._codes)]
        return own

    def _add_codes(self, langs: list[str]) -> None:
        """Keep languages once there are several."""
        for lang in dict.fromkeys(langs):
            self._langs.setdefault(lang, len(self._langs))
        if len(self._langs) > 1:
            before = self.count - len(langs) - len(self._codes)  # passages, all of the first language
            self._codes.frombytes(bytes(before * self._codes.itemsize))
            self._codes.extend(map(self._langs.__getitem__, langs))

    def _digest(self) -> str:
        """Return the digest of all that was added, however it was cut into blocks."""
        return hashlib.sha256(b"".join(digest.digest() for digest in self._digests)).hexdigest()


def _require_unique(source: PassageSource, id_hashes: "array[int]") -> None:
    """Refuse ids that stand twice; equal hashes are only a hint, and the ids are then looked at. Sorts the hashes."""
    hashes = np.frombuffer(id_hashes, dtype=np.int64)
    hashes.sort()
    suspects = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    if not suspects:
        return
    first: dict[str, int] = {}
    repeated = [
        (name, first[name], position)
        for block in source.blocks()
        for position, name in enumerate(block.ids, start=block.start)
        if hash(name) in suspects and first.setdefault(name, position) != position
    ]
    if not repeated:
        return
    places = source.places({place for _, *pair in repeated[:_SHOWN] for place in pair})
    shown = "; ".join(f"{name!r} at {places[one]} and {places[other]}" for name, one, other in repeated[:_SHOWN])
    raise DataError(f"passage ids stand more than once ({len(repeated):,} times in all): {shown}.")


def _read_passages(path: Path, skip: int, layout: PassageLayout) -> Iterator[_Passage]:
    """Make passages of records; errors name the line."""
    name, language = layout.id, layout.language
    for place, record in read_records(path, skip, layout.columns):
        try:
            passage = place, read_id(record[name]), language or read_language(record["lang"]), _join(record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"no field {error}" if isinstance(error, KeyError) else str(error)
            if not isinstance(record, dict):
                problem = f"a {type(record).__name__}"
            expected = ", ".join(f'"{each}": …' for each in layout.columns)
            raise DataError(f"{path}:{place}: {problem}, where a passage is {{{expected}}}.") from error
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


def read_id(value: Any) -> str:
    """Return an id as a string.

    Raises
    ------
    TypeError, ValueError
        It is neither a string nor an integer, or it is empty.
    """
    if type(value) is not str:
        if type(value) is not int:
            raise TypeError(f"an id should be a str or an int, is {value!r}")
        return str(value)
    if not value.strip():
        raise ValueError("an empty id")
    return value


def read_language(value: Any) -> str:
    """Return a language's code.

    Raises
    ------
    ValueError
        It is not shaped like one.
    """
    if not isinstance(value, str) or not value.replace("-", "").isalnum() or not value.isascii() or len(value) < 2:
        raise ValueError(f"{value!r} is no language code such as 'de' or 'zh-Hant'")
    return value


def is_unicode(text: str) -> bool:
    """Tell whether a text can be encoded; half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(block: PassageBlock) -> tuple[list[str], list[str], list[str]]:
    return block.ids, block.langs, block.texts
