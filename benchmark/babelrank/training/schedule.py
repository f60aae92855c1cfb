"""The texts of each batch: a pure function of the examples, the settings and a seed.

Input: the languages of each example. Output: for any step, the examples of its batch and the language of each text. No
draw depends on earlier steps, so a schedule can be replayed, and started at any step.

Kinds of batches, after arXiv 2408.10536 and LAReQA (arXiv 2004.05484):

==============  ========================================================================================
X-X             one language for the whole batch, drawn uniformly among the languages
X-Y             query and passage of every triplet differ in language
X-X mixed       query and passage of a triplet share a language, the triplets of a batch do not
==============  ========================================================================================

A hybrid schedule makes each batch X-X with probability α, else X-Y.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from babelrank.errors import TrainingError
from babelrank.training.membership import RowSet, in_any, in_several
from babelrank.training.permutation import permute


class BatchKind(StrEnum):
    """How the languages of a batch are drawn."""

    MONOLINGUAL = "X-X"
    CROSS_LINGUAL = "X-Y"
    MIXED = "X-X mixed"


_KINDS = tuple(BatchKind)


@dataclass(frozen=True)
class Source:
    """A data set, as the schedule sees it.

    Attributes
    ----------
    name
        Unique name, in summaries and errors.
    size
        Number of examples.
    queries, passages
        Language -> the examples with such a text.
    weight
        Number of examples that it counts as; by default its number of examples. If only a share of its examples fits a
        kind of batch, that share of the weight counts: in English batches, a set counts with its English examples.
    """

    name: str
    size: int
    queries: Mapping[str, RowSet]
    passages: Mapping[str, RowSet]
    weight: float | None = None

    @cached_property
    def usable(self) -> int:
        """Number of examples with a question and a passage."""
        return len(in_any(self.queries.values(), self.size) & in_any(self.passages.values(), self.size))


@dataclass(frozen=True)
class ScheduleSettings:
    """Settings of a schedule.

    Attributes
    ----------
    kinds
        Kind -> probability of a batch of this kind; they sum to 1.
    batch_size
        Triplets per batch.
    seed
        Any non-negative integer.
    languages
        Languages of the X-X batches; all languages of the sources by default.
    """

    kinds: Mapping[BatchKind, float]
    batch_size: int
    seed: int
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """The examples of one step, and the languages of their texts.

    Attributes
    ----------
    step
        Counted from 0.
    kind
        How its languages were drawn.
    source
        Position of its data set among the sources.
    examples
        Numbers of examples of the data set, all different; int64, shape (batch_size,).
    query_languages, passage_languages
        Positions in the schedule's languages; int64, shape (batch_size,).
    """

    step: int
    kind: BatchKind
    source: int
    examples: np.ndarray
    query_languages: np.ndarray
    passage_languages: np.ndarray


@dataclass(frozen=True)
class _Stream:
    """The examples from which one kind of batch is drawn, shuffled again for every pass over them.

    A batch never spans two passes, so that no example occurs in it twice.
    """

    kind: BatchKind
    source: int
    language: int  # of an X-X batch; -1 for other kinds
    examples: RowSet
    key: int

    def draw(self, ordinal: int, batch_size: int, seed: int) -> np.ndarray:
        """Return the examples of this stream's batch number `ordinal`."""
        epoch, index = divmod(ordinal, len(self.examples) // batch_size)
        positions = np.arange(index * batch_size, (index + 1) * batch_size)
        return self.examples.select(permute(positions, len(self.examples), _mix(seed, self.key, epoch)))


class Schedule:
    """The batches of a training run, made on access.

    Attributes
    ----------
    languages
        The languages, by their position in a `Batch`.
    sources
        The sources, by their position in a `Batch`.
    settings
        Settings of the schedule.
    """

    def __init__(self, sources: Sequence[Source], settings: ScheduleSettings, steps: int) -> None:
        """Plan `steps` batches; a longer plan begins with the same batches.

        Raises
        ------
        TrainingError
            The examples cannot fill a batch of a configured kind.
        """
        self.languages = languages_of(sources)
        self.sources = tuple(sources)
        self.settings = settings
        _check_settings(settings, self.languages)
        streams = {kind: self._find_streams(kind) for kind in settings.kinds if settings.kinds[kind] > 0}
        self._streams = [stream for found in streams.values() for stream in found]
        self._stream_of, self._ordinal_of = self._plan(streams, steps)

    def __len__(self) -> int:
        return len(self._stream_of)

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(step)
        stream = self._streams[self._stream_of[step]]
        size, seed = self.settings.batch_size, self.settings.seed
        examples = stream.draw(int(self._ordinal_of[step]), size, seed)
        generator = np.random.Generator(np.random.Philox(key=_mix(seed, len(self._streams), step)))
        queries, passages = self._draw_languages(stream, examples, generator)
        return Batch(step, stream.kind, stream.source, examples, queries, passages)

    def __iter__(self) -> Iterator[Batch]:
        return (self[step] for step in range(len(self)))

    @property
    def drawn(self) -> list[int]:
        """Positions of the sources that can fill a batch; nothing is drawn from the others."""
        return sorted({stream.source for stream in self._streams})

    def count_batches(self) -> dict[tuple[BatchKind, str, str], int]:
        """Return the number of batches by kind, source and language; the language is empty except for X-X."""
        counts = np.bincount(self._stream_of, minlength=len(self._streams))
        return {
            (stream.kind, self.sources[stream.source].name, self._language_name(stream)): int(counts[i])
            for i, stream in enumerate(self._streams)
        }

    def describe(self, batch: Batch) -> str:
        """Describe a batch in a few words."""
        sides = (batch.query_languages, batch.passage_languages)
        queries, passages = (", ".join(sorted({self.languages[i] for i in side})) for side in sides)
        return f"batch {batch.step}, {batch.kind}, {self.sources[batch.source].name}, {queries} → {passages}"

    def _language_name(self, stream: _Stream) -> str:
        return self.languages[stream.language] if stream.language >= 0 else ""

    def _find_streams(self, kind: BatchKind) -> list[_Stream]:
        """Return the streams of one kind that can fill a batch.

        Raises
        ------
        TrainingError
            There is no such stream, or an X-X batch in some language cannot be filled.
        """
        wanted = self.settings.languages or self.languages
        languages = [self.languages.index(lang) for lang in wanted] if kind is BatchKind.MONOLINGUAL else [-1]
        streams = []
        for language in languages:
            found = []
            largest = 0
            for i, source in enumerate(self.sources):
                examples = _ELIGIBLE[kind](source, self.languages[language])
                largest = max(largest, len(examples))
                if len(examples) >= self.settings.batch_size:
                    found.append(_Stream(kind, i, language, examples, _mix(_KINDS.index(kind), i, language + 1)))
            if not found:
                where = f" in {self.languages[language]}" if language >= 0 else ""
                raise TrainingError(
                    f"schedule: no {kind} batch of {self.settings.batch_size}{where} can be made: no set of examples "
                    f"has more than {largest} that fit. Lower schedule.batch_size"
                    + (", or name the languages in schedule.languages." if language >= 0 else ".")
                )
            streams += found
        return streams

    def _plan(self, streams: Mapping[BatchKind, list[_Stream]], steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the stream of every step, and its number of earlier batches; int32 and int64, shape (steps,).

        Each decision has its own generator, so that a longer plan begins with the shorter one.
        """
        draws = [
            np.random.default_rng(child).random(steps) for child in np.random.SeedSequence(self.settings.seed).spawn(3)
        ]
        kinds = list(streams)
        kind_of = _choose(draws[0], [self.settings.kinds[kind] for kind in kinds])
        stream_of = np.empty(steps, dtype=np.int32)
        for k, kind in enumerate(kinds):
            languages = sorted({stream.language for stream in streams[kind]})
            language_of = _choose(draws[1], [1.0] * len(languages))
            for j, language in enumerate(languages):
                here = (kind_of == k) & (language_of == j)
                options = [i for i, s in enumerate(self._streams) if s.kind is kind and s.language == language]
                weights = [self._weight(self._streams[i]) for i in options]
                stream_of[here] = np.array(options, dtype=np.int32)[_choose(draws[2][here], weights)]
        return stream_of, _count_before(stream_of)

    def _weight(self, stream: _Stream) -> float:
        """Return how often a stream is drawn, relative to others of its kind and language."""
        source = self.sources[stream.source]
        return len(stream.examples) * (1.0 if source.weight is None else source.weight / source.usable)

    def _draw_languages(
        self, stream: _Stream, examples: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        if stream.kind is BatchKind.MONOLINGUAL:
            same = np.full(len(examples), stream.language)
            return same, same
        source = self.sources[stream.source]
        queries, passages = (self._have(side, examples) for side in (source.queries, source.passages))
        allowed = queries[:, :, None] & passages[:, None, :]
        differ = ~np.eye(len(self.languages), dtype=bool)
        allowed &= differ if stream.kind is BatchKind.CROSS_LINGUAL else ~differ
        choices = np.cumsum(allowed.reshape(len(examples), -1), axis=1)
        drawn = np.floor(generator.random(len(examples)) * choices[:, -1]).astype(np.int64)
        query, passage = np.divmod((choices > drawn[:, None]).argmax(axis=1), len(self.languages))
        return query, passage

    def _have(self, side: Mapping[str, RowSet], examples: np.ndarray) -> np.ndarray:
        """Tell which of `examples` have a text in which language; bool, shape (examples, languages)."""
        nowhere = np.zeros(len(examples), dtype=bool)
        return np.stack([side[lang].contains(examples) if lang in side else nowhere for lang in self.languages], axis=1)


def languages_of(sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the languages of queries or passages, in alphabetical order."""
    return tuple(sorted({lang for source in sources for lang in (*source.queries, *source.passages)}))


def _check_settings(settings: ScheduleSettings, languages: Sequence[str]) -> None:
    if not languages:
        raise TrainingError("examples: none has a text in the configured languages.")
    if settings.batch_size < 2:
        raise TrainingError(f"schedule.batch_size: {settings.batch_size}: in-batch negatives need at least 2 triplets.")
    for lang in settings.languages:
        if lang not in languages:
            raise TrainingError(f"schedule.languages: no example has {lang!r}; there are {', '.join(languages)}.")


def _monolingual(source: Source, language: str) -> RowSet:
    if language not in source.queries or language not in source.passages:
        return RowSet.of(np.zeros(source.size, dtype=bool))
    return source.queries[language] & source.passages[language]


def _mixed(source: Source, _: str) -> RowSet:
    return in_any((_monolingual(source, lang) for lang in source.queries), source.size)


def _cross_lingual(source: Source, _: str) -> RowSet:
    """Return the examples that have a query and a passage in different languages."""
    size, sides = source.size, (source.queries.values(), source.passages.values())
    usable = in_any(sides[0], size) & in_any(sides[1], size)
    several = in_several(sides[0], size) | in_several(sides[1], size)
    return usable & (several | (usable - _mixed(source, "")))


_ELIGIBLE = {
    BatchKind.MONOLINGUAL: _monolingual,
    BatchKind.CROSS_LINGUAL: _cross_lingual,
    BatchKind.MIXED: _mixed,
}


def _choose(draws: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Turn draws from [0, 1) into positions in `weights`, in proportion to them; int64."""
    bounds = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(bounds, draws, side="right"), len(weights) - 1)


def _count_before(values: np.ndarray) -> np.ndarray:
    """Return for each value how often it occurs before its position; int64."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(values) else np.zeros(0, dtype=np.int64)
    runs = np.diff(np.r_[starts, len(values)])
    before = np.empty(len(values), dtype=np.int64)
    before[order] = np.arange(len(values)) - np.repeat(starts, runs)
    return before


def _mix(*parts: int) -> int:
    """Combine several integers into one seed for a generator."""
    low, high = np.random.SeedSequence(parts).generate_state(2, np.uint64)
    return int(low) | int(high) << 64
