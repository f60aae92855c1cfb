"""Steps of a schedule -> texts -> model inputs.

Input: a schedule and its examples. Output: the batch of every step, which does not depend on the number of processes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
import xxhash
from torch.utils.data import BatchSampler, Dataset

from babelrank.training.examples import NEGATIVE, PASSAGE, QUERY, Example, ExampleSet, Texts
from babelrank.training.permutation import permute
from babelrank.training.schedule import Schedule
from babelrank.training.texts import hash_text

TRANSLATION = "translation"
TARGETS = "label"  # key under which sentence-transformers' trainer passes on inputs other than texts


@dataclass(frozen=True)
class Triplet:
    """One row of a batch.

    Attributes
    ----------
    query, passage
        The texts.
    query_language, passage_language
        Their language codes.
    example
        The example of the texts.
    step
        Step of the schedule.
    """

    query: str
    passage: str
    query_language: str
    passage_language: str
    example: Example
    step: int

    @property
    def parallel(self) -> Texts:
        """The passage in all its languages."""
        return next(texts for texts in self.example.passages if texts.get(self.passage_language) == self.passage)


class ScheduledTexts(Dataset[Triplet]):
    """The triplets of a schedule, by step and position in the batch."""

    def __init__(self, schedule: Schedule, examples: Sequence[ExampleSet]) -> None:
        self._schedule = schedule
        self._examples = examples
        self._last = schedule[0]

    def __len__(self) -> int:
        return len(self._schedule) * self._schedule.settings.batch_size

    def __getitem__(self, place: tuple[int, int]) -> Triplet:
        step, position = place
        if self._last.step != step:
            self._last = self._schedule[step]
        batch, languages = self._last, self._schedule.languages
        example = self._examples[batch.source][int(batch.examples[position])]
        query, passage = (languages[of[position]] for of in (batch.query_languages, batch.passage_languages))
        choices = [texts[passage] for texts in example.passages if passage in texts]
        chosen = choices[_draw(self._schedule.settings.seed, step, example) % len(choices)]
        return Triplet(example.query[query], chosen, query, passage, example, step)


class StepSampler(BatchSampler):
    """Yields the steps and positions of one batch after another."""

    def __init__(self, steps: int, batch_size: int) -> None:
        self._steps = steps
        self.batch_size = batch_size
        self.drop_last = False

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[Any]]:
        for step in range(self._steps):
            yield [(step, position) for position in range(self.batch_size)]


class Collator:
    """Triplets -> token ids by column, and the targets.

    Columns are the query and the passage, then the passage's translation and hard negatives if an objective needs them.
    All triplets have the same number of hard negatives. Targets mark equal queries, passages and hard negatives (see
    `hash_parallels`), and hold the teacher's texts.

    Attributes
    ----------
    prompts
        Prompts of ``query`` and ``passage``.
    max_length
        Maximum number of tokens of a text, by role.
    """

    def __init__(
        self,
        preprocess: Callable[..., dict[str, Any]],
        prompts: Mapping[str, str],
        max_length: Mapping[str, int],
        *,
        seed: int,
        translations: bool,
        negatives: int,
        teacher_language: str | None,
    ) -> None:
        """Take the model's preprocessing and the inputs that the objectives need.

        Parameters
        ----------
        negatives
            Hard negatives of each triplet.
        teacher_language
            Language of the teacher's texts: a code, ``own`` for the student's, ``all`` for all of the example's, or
            several of these, such as ``own+en``; None if there is no teacher.
        """
        self.valid_label_columns: list[str] = []
        self._preprocess = preprocess
        self.prompts = prompts
        self.max_length = max_length
        self._seed = seed
        self._translations = translations
        self._negatives = negatives
        self._teacher_language = teacher_language

    def __call__(self, triplets: Sequence[Triplet]) -> dict[str, Any]:
        """Return the columns of one batch, or of this process's share of it."""
        columns = {QUERY: [t.query for t in triplets], PASSAGE: [t.passage for t in triplets]}
        parallels: dict[str, Sequence[Sequence[Texts]]] = {
            QUERY: [[t.example.query] for t in triplets],
            PASSAGE: [t.example.passages for t in triplets],
        }
        if self._translations:
            columns[TRANSLATION] = [self._translate(t) for t in triplets]
        if self._negatives:
            negatives = [texts for t in triplets for texts in draw_negatives(t, self._negatives, self._seed)]
            languages = [t.passage_language for t in triplets for _ in range(self._negatives)]
            columns[NEGATIVE] = [texts[lang] for texts, lang in zip(negatives, languages, strict=True)]
            parallels[NEGATIVE] = [[texts] for texts in negatives]
        batch: dict[str, Any] = {}
        for column, texts in columns.items():
            role = QUERY if column == QUERY else PASSAGE
            features = self._preprocess(texts, prompt=self.prompts[role], max_length=self.max_length[role])
            batch |= {f"{column}_{key}": value for key, value in features.items()}
        batch[TARGETS] = {side: hash_parallels(texts) for side, texts in parallels.items()}
        if self._teacher_language:
            batch[TARGETS]["teacher"] = {
                QUERY: [self._read_by_teacher(t.example.query, t.query_language) for t in triplets],
                PASSAGE: [self._read_by_teacher(t.parallel, t.passage_language) for t in triplets],
            }
        return batch

    def _translate(self, triplet: Triplet) -> str:
        """Return the passage in another language, drawn in every step; the passage itself if it has no translation."""
        others = sorted(set(triplet.parallel) - {triplet.passage_language})
        if not others:
            return triplet.passage
        return triplet.parallel[others[_draw(self._seed, triplet.step, triplet.example) % len(others)]]

    def _read_by_teacher(self, texts: Texts, language: str) -> dict[str, str]:
        """Return the teacher's texts by language; the student's text if the example lacks them."""
        read: dict[str, str] = {}
        for wanted in str(self._teacher_language).split("+"):
            chosen = texts if wanted == "all" else [language if wanted == "own" else wanted]
            read |= {lang: texts[lang] for lang in chosen if lang in texts}
        return read or {language: texts[language]}


def draw_negatives(triplet: Triplet, wanted: int, seed: int = 0) -> list[Texts]:
    """Return hard negatives in the passage's language, drawn by seed, step and example.

    The negatives of an example have a random order. Each step takes the next `wanted` of them, so that all are used.
    If there are fewer than `wanted`, the passage fills the remaining places, and the loss ignores it. So all
    processes that share a batch have the same number.
    """
    negatives, lang = triplet.example.negatives, triplet.passage_language
    found: list[Texts] = []
    if size := len(negatives):
        key = xxhash.xxh64_intdigest(f"{seed}/{triplet.example.id}".encode())
        turns = (triplet.step * wanted + np.arange(size)) % size
        drawn = (negatives[number] for number in permute(turns, size, key).tolist())
        found = list(islice((texts for texts in drawn if lang in texts), wanted))
    return found + [triplet.parallel] * (wanted - len(found))


def hash_parallels(parallels: Sequence[Sequence[Texts]]) -> torch.Tensor:
    """Return hashes of each row's texts. Rows with the same text in any language share a hash.

    Parameters
    ----------
    parallels
        For each row, one or several texts by language.

    Returns
    -------
    Tensor
        int64, shape (rows, most texts of a row); padded with 0.
    """
    hashes = [sorted({hash_text(text) for texts in row for text in texts.values()}) for row in parallels]
    table = np.zeros((len(hashes), max(map(len, hashes), default=0)), dtype=np.uint64)
    for row, found in zip(table, hashes, strict=True):
        row[: len(found)] = found
    return torch.from_numpy(table.view(np.int64))


def _draw(seed: int, step: int, example: Example) -> int:
    return xxhash.xxh64_intdigest(f"{seed}/{step}/{example.id}".encode())
