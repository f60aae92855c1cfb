"""Rows in JSON lines: ``{"id": str, "query": {lang: text}, "passage": {lang: text}}``.

A line can have ``"negatives": [{lang: text}, …]`` as well.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from babelrank.errors import TrainingError
from babelrank.training.examples import NEGATIVE, PASSAGE, QUERY, Column, Texts

_KEYS = ("id", "query", "passage")
_LINES_AT_ONCE = 16_384


class JsonlRows:
    """Rows in a JSONL file.

    Attributes
    ----------
    name
        Name of the file.
    fingerprint
        SHA-256 (hex) of the file, and the languages that are read.
    """

    def __init__(self, path: Path, languages: Sequence[str] = ()) -> None:
        """Find where each line starts.

        Parameters
        ----------
        languages
            Ignore texts in other languages; by default, all texts are kept.

        Raises
        ------
        TrainingError
            The file cannot be read, or is empty.
        """
        self.name = path.name
        self._path = path
        self._languages = frozenset(languages)
        digest = hashlib.sha256()
        offsets: list[int] = []
        numbers: list[int] = []
        offset = 0
        try:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    digest.update(line)
                    if not line.isspace():
                        offsets.append(offset)
                        numbers.append(number)
                    offset += len(line)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read ({error.strerror}).") from error
        if not offsets:
            raise TrainingError(f"{path}: holds no examples.")
        self.fingerprint = " ".join((digest.hexdigest(), *sorted(self._languages)))
        self._offsets, self._numbers = np.array(offsets, dtype=np.int64), np.array(numbers, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._offsets)

    def scan(self) -> Iterator[tuple[int, list[Column]]]:
        """Yield all rows; see `Rows.scan`.

        Raises
        ------
        TrainingError
            A line is not a valid example; the error names the line.
        """
        with self._path.open("rb") as lines:
            for first in range(0, len(self), _LINES_AT_ONCE):
                count = min(_LINES_AT_ONCE, len(self) - first)
                found: dict[tuple[str, str], tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
                for row in range(count):
                    _, query, passage, negatives = self._parse(lines, first + row)
                    sides = [(QUERY, query), (PASSAGE, passage), *((NEGATIVE, texts) for texts in negatives)]
                    for side, texts in sides:
                        for lang, text in texts.items():
                            rows, kept = found[side, lang]
                            rows.append(row)
                            kept.append(text)
                yield first, [Column(*key, np.array(rows), texts) for key, (rows, texts) in found.items()]

    def read(self, row: int) -> tuple[str, Texts, Texts]:
        """Return identifier, question and passage of one row."""
        with self._path.open("rb") as lines:
            return self._parse(lines, row)[:3]

    def read_negatives(self, rows: Sequence[int]) -> tuple[Texts, ...]:
        """Return the hard negatives of some rows."""
        if not rows:
            return ()
        with self._path.open("rb") as lines:
            return tuple(texts for row in rows for texts in self._parse(lines, row)[3] if texts)

    def _parse(self, lines: BinaryIO, row: int) -> tuple[str, Texts, Texts, list[Texts]]:
        lines.seek(int(self._offsets[row]))
        line, where = lines.readline(), f"{self._path}, line {self._numbers[row]}"
        try:
            raw = json.loads(line)
            if b"\\u" in line:
                json.dumps(raw, ensure_ascii=False).encode()  # fails for half of a surrogate pair
        except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or too deep
            raise TrainingError(f"{where}: not JSON ({error}).") from error
        return parse_example(raw, where, self._languages)


def parse_example(
    raw: Any, where: str, languages: frozenset[str] = frozenset()
) -> tuple[str, Texts, Texts, list[Texts]]:
    """Check an example from JSON; return identifier, question, passage and hard negatives.

    Parameters
    ----------
    where
        Location of the example, for errors.
    languages
        Ignore texts in other languages; an empty set keeps all texts.

    Raises
    ------
    TrainingError
        A field is missing or of another type, or a text is empty.
    """
    if not isinstance(raw, dict):
        keys = ", ".join(_KEYS)
        raise TrainingError(f"{where}: an example is a JSON object with {keys}, this is {type(raw).__name__}.")
    if not isinstance(raw.get("id"), str | int):
        raise TrainingError(f"{where}: 'id' should be a string or a number, is {_kind_of(raw, 'id')}.")
    negatives = raw.get("negatives", [])
    if not isinstance(negatives, list):
        raise TrainingError(f"{where}: 'negatives' should be a list, is {_kind_of(raw, 'negatives')}.")
    return (
        str(raw["id"]),
        _texts(raw, "query", where, languages),
        _texts(raw, "passage", where, languages),
        [_texts({f"negatives[{i}]": text}, f"negatives[{i}]", where, languages) for i, text in enumerate(negatives)],
    )


def _texts(raw: Any, field: str, where: str, languages: frozenset[str]) -> dict[str, str]:
    texts = raw.get(field)
    if not isinstance(texts, dict) or not texts:
        raise TrainingError(f"{where}: {field!r} should be an object of texts by language, is {_kind_of(raw, field)}.")
    for lang, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise TrainingError(f"{where}: {field}.{lang} should be a text, is {_kind_of(texts, lang)}.")
    return {lang: text for lang, text in texts.items() if not languages or lang in languages}


def _kind_of(raw: Any, field: str) -> str:
    if field not in raw:
        return "missing"
    value = raw[field]
    return type(value).__name__ if value and str(value).strip() else f"empty ({value!r})"
