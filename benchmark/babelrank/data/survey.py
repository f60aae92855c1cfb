"""One pass over all passages that checks them and collects counts, languages and a digest."""

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from babelrank.data.passages import PassageBlock, PassageSource
from babelrank.data.records import SPACE
from babelrank.errors import DataError

_SHOWN = 3  # examples in an error
_SEPARATOR = b"\0"
_SPACE = re.compile(f"[{SPACE}]")


@dataclass(frozen=True)
class Survey:
    """The result of one pass over all passages.

    Attributes
    ----------
    counts
        Number of records in each file.
    repeats
        Positions of records that are exact copies of an earlier one; they do not count as passages.
    pool_sizes
        Number of passages by language, sorted by language.
    lang_codes
        Index of each passage's language in `pool_sizes`: uint16, shape (passages,); empty if there is one language.
    characters
        Total number of characters of all texts.
    without_text
        Number of passages with an empty text.
    found
        Position and language of the passages that were looked for, by id.
    spaced_id
        An id with ASCII white space, which TREC's formats cannot hold; None if there is none.
    sha256
        Digest of ids, languages and texts in order, independent of how files divide them.
    """

    counts: tuple[int, ...]
    repeats: tuple[int, ...]
    pool_sizes: dict[str, int]
    lang_codes: np.ndarray
    characters: int
    without_text: int
    found: dict[str, tuple[int, str]]
    spaced_id: str | None
    sha256: str

    @property
    def count(self) -> int:
        """Number of passages."""
        return sum(self.pool_sizes.values())


def survey(
    source: PassageSource, wanted: Set[str] = frozenset(), *, on_progress: Callable[[int], None] = lambda _: None
) -> Survey:
    """Read all passages once. Keep eight bytes per passage (ten if there are several languages) and the wanted ids.

    Parameters
    ----------
    wanted
        Ids to look for.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        As for `PassageSource.blocks`; or an id is used for two passages (the message names both lines), or there are
        no passages or none with a text.
    """
    seen = _Seen()
    counts = []
    for file in source.files:
        before = seen.count
        for block in replace(source, files=(file,), counts=()).blocks():
            seen.add(replace(block, start=seen.count), wanted)
            on_progress(seen.count)
        counts.append(seen.count - before)
    names = ", ".join(file.name for file in source.files) or "nowhere"
    if seen.without_text == seen.count:
        raise DataError(f"{names}: {'no passage has a text' if seen.count else 'holds no passages'}.")
    repeats = _find_repeats(source, seen.id_hashes)
    if repeats:
        seen = _Seen()
        for block in replace(source, counts=tuple(counts), repeats=repeats).blocks():
            seen.add(block, wanted)
    return seen.survey(tuple(counts), repeats)


def survey_block(block: PassageBlock, wanted: Set[str] = frozenset()) -> Survey:
    """Return the same as `survey`, for passages in memory with unique ids."""
    seen = _Seen()
    seen.add(block, wanted)
    return seen.survey((len(block),))


@dataclass
class _Seen:
    """The state of a survey."""

    count: int = 0
    characters: int = 0
    without_text: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    found: dict[str, tuple[int, str]] = field(default_factory=dict)
    spaced_id: str | None = None
    id_hashes: "array[int]" = field(default_factory=lambda: array("q"))
    _langs: dict[str, int] = field(default_factory=dict)  # by language, in order of first occurrence
    _codes: "array[int]" = field(default_factory=lambda: array("H"))
    _digests: tuple[Any, ...] = field(default_factory=lambda: tuple(hashlib.sha256() for _ in range(3)))

    def add(self, block: PassageBlock, wanted: Set[str]) -> None:
        """Add the next passages."""
        self.count += len(block)
        self.without_text += block.texts.count("")
        self.languages.update(block.langs)
        self._add_codes(block.langs)
        if not wanted.isdisjoint(block.ids):  # most blocks have no wanted id
            self.found.update(
                (name, (block.start + i, block.langs[i])) for i, name in enumerate(block.ids) if name in wanted
            )
        self.id_hashes.extend(map(hash, block.ids))
        columns = ["\0".join(values) for values in (block.ids, block.langs, block.texts)]
        self.characters += len(columns[2]) - max(0, len(block) - 1)
        if self.spaced_id is None and _SPACE.search(columns[0]):
            self.spaced_id = next(filter(_SPACE.search, block.ids))
        for digest, column in zip(self._digests, columns, strict=True):
            digest.update(column.encode())
            digest.update(_SEPARATOR)

    def survey(self, counts: tuple[int, ...], repeats: tuple[int, ...] = ()) -> Survey:
        """Return the survey of files with these numbers of records."""
        return Survey(
            counts=counts,
            repeats=repeats,
            pool_sizes=dict(sorted(self.languages.items())),
            lang_codes=self._lang_codes(),
            characters=self.characters,
            without_text=self.without_text,
            found=self.found,
            spaced_id=self.spaced_id,
            sha256=self._digest(),
        )

    def _lang_codes(self) -> np.ndarray:
        """Return the index of each passage's language among the sorted ones; empty if there is one language."""
        place = {lang: number for number, lang in enumerate(sorted(self._langs))}
        codes: np.ndarray = np.array([place[lang] for lang in self._langs], dtype=np.uint16)
        own: np.ndarray = codes[np.asarray(self._codes)]
        return own

    def _add_codes(self, langs: list[str]) -> None:
        """Store languages once there are several."""
        for lang in dict.fromkeys(langs):
            self._langs.setdefault(lang, len(self._langs))
        if len(self._langs) > 1:
            before = self.count - len(langs) - len(self._codes)  # passages, all of the first language
            self._codes.frombytes(bytes(before * self._codes.itemsize))
            self._codes.extend(map(self._langs.__getitem__, langs))

    def _digest(self) -> str:
        """Return the digest of all passages, independent of how blocks divide them."""
        return hashlib.sha256(b"".join(digest.digest() for digest in self._digests)).hexdigest()


def _find_repeats(source: PassageSource, id_hashes: "array[int]") -> tuple[int, ...]:
    """Return the positions of records that are exact copies of an earlier one; sorts the hashes.

    If hashes are equal, the ids are compared, too.

    Raises
    ------
    DataError
        An id is used for passages with different languages or texts.
    """
    hashes = np.frombuffer(id_hashes, dtype=np.int64)
    hashes.sort()
    suspects = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    if not suspects:
        return ()
    first: dict[str, tuple[int, int]] = {}
    repeats: list[tuple[str, int, int]] = []
    others: list[tuple[str, int, int]] = []
    for block in source.blocks():
        for position, passage in enumerate(zip(block.ids, block.langs, block.texts, strict=True), start=block.start):
            if hash(passage[0]) not in suspects:
                continue
            place, content = first.setdefault(passage[0], (position, hash(passage)))
            if place != position:
                (repeats if content == hash(passage) else others).append((passage[0], place, position))
    if others:
        places = source.places({place for _, *pair in others[:_SHOWN] for place in pair})
        shown = "; ".join(f"{name!r} at {places[one]} and {places[other]}" for name, one, other in others[:_SHOWN])
        raise DataError(f"passage ids are used for different passages ({len(others):,} times in all): {shown}.")
    return tuple(position for *_, position in repeats)
