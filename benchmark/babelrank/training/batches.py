"""Steps of a schedule -> texts -> what the model reads.

In: a schedule and its units. Out: for every step the same batch, whatever the number of processes that share it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xxhash
from torch.utils.data import BatchSampler, Dataset

from babelrank.training.schedule import Schedule
from babelrank.training.units import Unit, Units

QUERY, PASSAGE, TRANSLATION, NEGATIVE = "query", "passage", "translation", "negative"
TARGETS = "label"  # the key under which sentence-transformers' trainer hands on what is no text


@dataclass(frozen=True)
class Example:
    """One triplet of a batch.

    Attributes
    ----------
    query, passage
        The texts.
    query_language, passage_language
        What they are in.
    unit
        What they are taken from.
    step
        Of the schedule.
    """

    query: str
    passage: str
    query_language: str
    passage_language: str
    unit: Unit
    step: int


class ScheduledTexts(Dataset[Example]):
    """The triplets of a schedule, by step and position in the batch."""

    def __init__(self, schedule: Schedule, units: Sequence[Units]) -> None:
        self._schedule = schedule
        self._units = units
        self._last = schedule[0]

    def __len__(self) -> int:
        return len(self._schedule) * self._schedule.settings.batch_size

    def __getitem__(self, place: tuple[int, int]) -> Example:
        step, position = place
        if self._last.step != step:
            self._last = self._schedule[step]
        batch, languages = self._last, self._schedule.languages
        unit = self._units[batch.source][int(batch.units[position])]
        query, passage = (languages[of[position]] for of in (batch.query_languages, batch.passage_languages))
        return Example(unit.query[query], unit.passage[passage], query, passage, unit, step)


class FixedTexts(Dataset[Example]):
    """Monolingual triplets in the order of their units, for validation."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._rows = [row for row in range(len(units)) if self._shared(row)]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: tuple[int, int]) -> Example:
        step, position = place
        row = self._rows[position]
        lang = self._shared(row)[0]
        unit = self._units[row]
        return Example(unit.query[lang], unit.passage[lang], lang, lang, unit, step)

    def _shared(self, row: int) -> list[str]:
        unit = self._units[row]
        return [lang for lang in unit.query if lang in unit.passage]


class StepSampler(BatchSampler):
    """Yields the places of one batch after another."""

    def __init__(self, sizes: Sequence[int], first_positions: Sequence[int] | None = None) -> None:
        """Take the size of every batch, and where each begins if positions run on from batch to batch."""
        self._sizes = sizes
        self._first = first_positions or [0] * len(sizes)
        self.batch_size = max(sizes)
        self.drop_last = False

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[list[Any]]:
        for step, (first, size) in enumerate(zip(self._first, self._sizes, strict=True)):
            yield [(step, first + i) for i in range(size)]


class Collator:
    """Examples -> token ids by column, and the targets beside them.

    Columns are the query, the passage, its translation if an objective wants one, and hard negatives, as many for each
    triplet, if it wants these. Targets hold two numbers for each query, passage and hard negative, one of which is
    equal for those that say the same: that of the text itself, and that of the unit's text in its first language, as
    units may share a passage, and be drawn in two languages. And they hold the texts that a teacher reads.
    """

    def __init__(
        self,
        preprocess: Callable[..., dict[str, Any]],
        prompts: dict[str, str],
        max_length: int,
        *,
        seed: int,
        translations: bool,
        negatives: int,
        teacher_language: str | None,
    ) -> None:
        """Take the model's own preprocessing and what the objectives want.

        Parameters
        ----------
        prompts
            Of ``query`` and ``passage``.
        teacher_language
            In which the teacher reads: a code, ``own`` for the student's, ``all`` for every one of the unit's, or
            several of these as in ``own+en``; None if there is no teacher.
        """
        self.valid_label_columns: list[str] = []
        self._preprocess = preprocess
        self._prompts = prompts
        self._max_length = max_length
        self._seed = seed
        self._translations = translations
        self._negatives = negatives
        self._teacher_language = teacher_language

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return the columns of one batch, or of this process's share of it."""
        columns = {QUERY: [e.query for e in examples], PASSAGE: [e.passage for e in examples]}
        if self._translations:
            columns[TRANSLATION] = [self._translate(e) for e in examples]
        parallels = {QUERY: [e.unit.query for e in examples], PASSAGE: [e.unit.passage for e in examples]}
        if self._negatives:
            negatives = [found for e in examples for found in _negatives(e, self._negatives)]
            columns[NEGATIVE] = [text for text, _ in negatives]
            parallels[NEGATIVE] = [texts for _, texts in negatives]
        batch: dict[str, Any] = {}
        for column, texts in columns.items():
            prompt = self._prompts[QUERY if column == QUERY else PASSAGE]
            features = self._preprocess(texts, prompt=prompt, max_length=self._max_length)
            batch |= {f"{column}_{key}": value for key, value in features.items()}
        batch[TARGETS] = {side: _numbers(columns[side], texts) for side, texts in parallels.items()}
        if self._teacher_language:
            batch[TARGETS]["teacher"] = {
                QUERY: [self._read_by_teacher(e.unit.query, e.query_language) for e in examples],
                PASSAGE: [self._read_by_teacher(e.unit.passage, e.passage_language) for e in examples],
            }
        return batch

    def _translate(self, example: Example) -> str:
        """Return the passage in another language, drawn anew in every step; the passage itself if there is none."""
        others = sorted(set(example.unit.passage) - {example.passage_language})
        if not others:
            return example.passage
        digest = xxhash.xxh64_intdigest(f"{self._seed}/{example.step}/{example.unit.id}".encode())
        return example.unit.passage[others[digest % len(others)]]

    def _read_by_teacher(self, texts: Mapping[str, str], language: str) -> dict[str, str]:
        """Return what the teacher reads by language: the student's own where the teacher's are lacking."""
        read: dict[str, str] = {}
        for wanted in str(self._teacher_language).split("+"):
            chosen = texts if wanted == "all" else [language if wanted == "own" else wanted]
            read |= {lang: texts[lang] for lang in chosen if lang in texts}
        return read or {language: texts[language]}


def _negatives(example: Example, wanted: int) -> list[tuple[str, Mapping[str, str]]]:
    """Return `wanted` hard negatives in the passage's language, and what each is in all languages.

    Where the unit has fewer, its passage stands for them, which the loss leaves out: all processes that share a batch
    then have as many.
    """
    lang = example.passage_language
    found = [(texts[lang], texts) for texts in example.unit.negatives if lang in texts][:wanted]
    return found + [(example.passage, example.unit.passage)] * (wanted - len(found))


def _numbers(texts: Sequence[str], parallels: Sequence[Mapping[str, str]]) -> torch.Tensor:
    """Return the number of each text, and of what it is in the first of its languages; int64, shape (len(texts), 2)."""
    pairs = [(text, parallel[min(parallel)]) for text, parallel in zip(texts, parallels, strict=True)]
    digests = np.array([[xxhash.xxh64_intdigest(text.encode()) for text in pair] for pair in pairs], dtype=np.uint64)
    return torch.from_numpy(digests.view(np.int64))
