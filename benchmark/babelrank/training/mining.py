"""Parallel examples and an encoder -> the same examples with hard negatives, by language and across languages.

For each language of passages, the nearest passages of other examples are found twice: for the question in that
language, and for the question in each other language. A passage with nearly the score of the true one may be true as
well. It is left out by a margin relative to the score of the true passage (NV-Retriever, arXiv 2407.15831).
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from babelrank.encoding.checks import encode_checked
from babelrank.encoding.protocol import Encoder
from babelrank.encoding.vectors import Kind
from babelrank.errors import TrainingError
from babelrank.files import atomic_stream
from babelrank.observer import Observer
from babelrank.training.disk_errors import explain_disk_errors
from babelrank.training.examples import PASSAGE, QUERY, ExampleSet
from babelrank.training.texts import TextHasher

_UNTYPED: Any = faiss  # for calls that its type stubs get wrong

_AT_ONCE = 8_192  # examples with texts and candidates in memory at once
_EXACT_UP_TO = 20_000  # passages in a language; above it, an inverted file is searched
_PROBES = 16  # searched lists of about 4·√passages; finds 99 % of the nearest 64 if texts cluster
_TRAINED_ON = 64  # passages per list

Encode = Callable[[Sequence[str], str], np.ndarray]  # texts, role -> vectors of unit length


@dataclass(frozen=True)
class MiningSettings:
    """Settings of the mining.

    Attributes
    ----------
    count
        Number of negatives per language of passages for the question in that language, and again for the question in
        other languages.
    margin
        The cosine of a negative with the question is below this share of the true passage's, for every question that
        finds it; NV-Retriever's best value is 0.95.
    depth
        Number of nearest passages of a language that are considered.
    across
        Whether questions in other languages are used, too.
    """

    count: int = 4
    margin: float = 0.95
    depth: int = 64
    across: bool = True

    def __post_init__(self) -> None:
        for name in ("count", "depth"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.margin <= 1:
            raise TrainingError(f"margin must be above 0 and at most 1, got {self.margin}.")


@dataclass
class MiningSummary:
    """Summary of the mining.

    Attributes
    ----------
    examples
        Number of examples.
    negatives
        Language -> number of negatives.
    without
        Number of examples without any negative.
    too_near
        Number of passages that were left out because they may answer the question.
    """

    examples: int
    negatives: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    without: int = 0
    too_near: int = 0

    def __str__(self) -> str:
        counts = ", ".join(f"{lang} {count:,}" for lang, count in sorted(self.negatives.items())) or "none"
        return (
            f"negatives: {counts}; {self.too_near:,} passages were left out as too similar to the true one; "
            f"{self.without:,} of {self.examples:,} examples have no negatives"
        )


class Pool:
    """The passages in one language, ready to be searched.

    Attributes
    ----------
    examples
        Example of each passage, ascending; int64.
    texts
        The passages.
    """

    def __init__(self, examples: np.ndarray, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Take the passages and their vectors of unit length: float32, shape (passages, dimension)."""
        self.examples, self.texts = examples, texts
        self._vectors = vectors
        self._index = _make_index(vectors) if len(vectors) > _EXACT_UP_TO else None

    def search(self, queries: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest passages, best first: cosines and positions, −1 for none; shape (queries, depth)."""
        if self._index is not None:
            found: tuple[np.ndarray, np.ndarray] = self._index.search(queries, depth)
        else:
            depth = min(depth, len(self._vectors))
            found = _UNTYPED.knn(queries, self._vectors, depth, metric=faiss.METRIC_INNER_PRODUCT)
        return found

    def score_positives(self, queries: np.ndarray, examples: np.ndarray) -> np.ndarray:
        """Return the lowest cosine of each query with the passages of its example; shape (queries,)."""
        begins, ends = (np.searchsorted(self.examples, examples, side) for side in ("left", "right"))
        lengths = ends - begins
        starts = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(begins - starts, lengths)
        scores = np.einsum("ij,ij->i", np.repeat(queries, lengths, axis=0), self._vectors[places])
        lowest: np.ndarray = np.minimum.reduceat(scores, starts)
        return lowest


class SharedTexts:
    """The examples that share a question or a passage in any language. They are not negatives of one another."""

    def __init__(self) -> None:
        self._hasher = TextHasher()
        self._seen: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {QUERY: [], PASSAGE: []}

    def add(self, side: str, examples: np.ndarray, texts: Sequence[str]) -> None:
        """Add the questions or passages of some examples."""
        self._seen[side].append((self._hasher.hash_texts(texts), examples))

    def find(self) -> dict[int, set[tuple[str, int]]]:
        """Return the texts that each example shares with others; examples without such texts are left out."""
        found: dict[int, set[tuple[str, int]]] = defaultdict(set)
        for side, seen in self._seen.items():
            hashes, examples = (np.concatenate([each[i] for each in seen]) for i in (0, 1))
            _, text = np.unique(hashes, return_inverse=True)
            pairs = np.unique(np.stack([text, examples]), axis=1)
            for number, example in pairs[:, np.bincount(pairs[0])[pairs[0]] > 1].T.tolist():
                found[example].add((side, number))
        return found


def mine_negatives(
    examples: ExampleSet, encoder: Encoder, output: Path, settings: MiningSettings, observer: Observer
) -> MiningSummary:
    """Write examples with their mined and their existing hard negatives, as JSON lines.

    Each negative is in one language: that of the passages it competes with. Vectors and texts of the passages stay in
    memory; examples and questions are read and written a few thousand at a time.

    Raises
    ------
    BabelrankError
        The model does not return dense vectors, an example is not valid, or the output exists or cannot be written.
    """
    if output.exists():
        raise TrainingError(f"{output}: exists; choose another output.")
    encode = _make_encode(encoder)
    pools, shared = read_pools(examples, encode, observer.counting("passages encoded", "examples"))
    summary, progress = MiningSummary(len(examples)), observer.counting("examples mined", "examples")
    with explain_disk_errors(output), atomic_stream(output) as lines:
        for numbers in _chunks(len(examples)):
            progress(numbers.start, len(examples))
            chunk = {number: examples[number] for number in numbers}
            queries = {}
            for lang in sorted({lang for each in chunk.values() for lang in each.query}):
                asked = [number for number, each in chunk.items() if lang in each.query]
                vectors = encode([chunk[number].query[lang] for number in asked], QUERY)
                queries[lang] = np.array(asked), vectors
            mined = find_negatives(queries, pools, shared, settings, summary)
            for number, example in chunk.items():
                own, *others = example.passages
                negatives = [*example.negatives, *mined.get(number, ())]
                summary.without += not negatives
                line = {"id": example.id, "query": example.query, "passage": own, "negatives": negatives}
                rest = [{"id": example.id, "query": example.query, "passage": passage} for passage in others]
                for each in (line, *rest):
                    lines.write(f"{json.dumps(each, ensure_ascii=False)}\n".encode())
        progress(len(examples), len(examples))
    return summary


def read_pools(
    examples: ExampleSet, encode: Encode, on_progress: Callable[[int, int], None]
) -> tuple[dict[str, Pool], dict[int, set[tuple[str, int]]]]:
    """Encode all passages; return those of each language, and the texts that several examples share."""
    shared = SharedTexts()
    numbers: dict[str, list[int]] = defaultdict(list)
    texts: dict[str, list[str]] = defaultdict(list)
    vectors: dict[str, list[np.ndarray]] = defaultdict(list)
    for chunk in _chunks(len(examples)):
        on_progress(chunk.start, len(examples))
        new: dict[tuple[str, str], tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        for number in chunk:
            example = examples[number]
            for side, parallels in ((QUERY, (example.query,)), (PASSAGE, example.passages)):
                for lang, text in ((lang, text) for parallel in parallels for lang, text in parallel.items()):
                    new[side, lang][0].append(number)
                    new[side, lang][1].append(text)
        for (side, lang), (owners, found) in new.items():
            shared.add(side, np.array(owners), found)
            if side == PASSAGE:
                numbers[lang] += owners
                texts[lang] += found
                vectors[lang].append(encode(found, PASSAGE))
    on_progress(len(examples), len(examples))
    pools = {
        lang: Pool(np.array(numbers[lang]), texts[lang], np.concatenate(vectors.pop(lang))) for lang in sorted(texts)
    }
    return pools, shared.find()


def find_negatives(
    queries: Mapping[str, tuple[np.ndarray, np.ndarray]],
    pools: Mapping[str, Pool],
    shared: Mapping[int, set[tuple[str, int]]],
    settings: MiningSettings,
    summary: MiningSummary,
) -> dict[int, list[dict[str, str]]]:
    """Return the hard negatives of some examples, by their number.

    Parameters
    ----------
    queries
        Language -> numbers of the examples with a question in it, and its vectors of unit length.
    pools
        Language -> all passages in it.
    shared
        See `SharedTexts.find`.
    summary
        Updated in place.
    """
    negatives: dict[int, list[dict[str, str]]] = defaultdict(list)
    for lang, pool in pools.items():
        finds: dict[int, list[_Find]] = defaultdict(list)
        for asked, (numbers, vectors) in queries.items():
            if asked == lang or settings.across:
                for number, find in _search(pool, numbers, vectors, asked == lang, settings):
                    finds[number].append(find)
        for number, found in finds.items():
            for position in _choose(number, found, pool, shared, settings, summary):
                negatives[number].append({lang: pool.texts[position]})
                summary.negatives[lang] += 1
    return negatives


@dataclass(frozen=True)
class _Find:
    """The passages that one question finds in one language.

    `near` are positions of passages within the margin; `others` those beyond it, best first, each with its cosine
    relative to that of the true passage.
    """

    own_language: bool
    near: list[int]
    others: list[tuple[float, int]]


def _search(
    pool: Pool, numbers: np.ndarray, vectors: np.ndarray, own_language: bool, settings: MiningSettings
) -> Iterator[tuple[int, _Find]]:
    """Yield each example that has a passage in the pool's language, with the passages that its question finds."""
    kept = np.isin(numbers, pool.examples)
    if not kept.any():
        return
    numbers, vectors = numbers[kept], vectors[kept]
    true = pool.score_positives(vectors, numbers)
    scores, positions = pool.search(vectors, settings.depth)
    limits = true - (1 - settings.margin) * np.abs(true)
    near = (scores >= limits[:, None]).sum(axis=1)  # scores descend
    gaps = scores - true[:, None]
    for number, count, row, places in zip(numbers.tolist(), near.tolist(), gaps, positions, strict=True):
        found = int((places >= 0).sum())
        others = zip(row[count:found].tolist(), places[count:found].tolist(), strict=True)
        yield number, _Find(own_language, places[: min(count, found)].tolist(), list(others))


def _choose(
    number: int,
    finds: Sequence[_Find],
    pool: Pool,
    shared: Mapping[int, set[tuple[str, int]]],
    settings: MiningSettings,
    summary: MiningSummary,
) -> list[int]:
    """Return positions of an example's negatives: first those of the question in the same language, nearest first."""
    own_texts = shared.get(number, set())

    def is_same(position: int) -> bool:
        other = int(pool.examples[position])
        return other == number or bool(own_texts and own_texts & shared.get(other, set()))

    near = {position for find in finds for position in find.near}
    summary.too_near += sum(not is_same(position) for position in near)
    chosen: dict[str, int] = {}  # by text, so that each is used once
    for own_language in (True, False):
        candidates = sorted((each for f in finds if f.own_language is own_language for each in f.others), reverse=True)
        wanted = len(chosen) + settings.count
        for _, position in candidates:
            if len(chosen) == wanted:
                break
            if position not in near and not is_same(position):
                chosen.setdefault(pool.texts[position], position)
    return list(chosen.values())


def _make_encode(encoder: Encoder) -> Encode:
    if encoder.info.kind is not Kind.DENSE:
        raise TrainingError(f"mining needs dense vectors; {encoder.info.name} returns {encoder.info.kind} ones.")

    def encode(texts: Sequence[str], role: str) -> np.ndarray:
        function = encoder.encode_query if role == QUERY else encoder.encode_document
        vectors = np.array(encode_checked(function, texts, encoder.info), dtype=np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return vectors

    return encode


def _make_index(vectors: np.ndarray) -> Any:
    """Return an inverted file of uncompressed vectors: cosines are exact, and few of the nearest are missed."""
    lists = 2 ** round(np.log2(4 * np.sqrt(len(vectors))))
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    inverted = faiss.extract_index_ivf(index)
    inverted.cp.max_points_per_centroid = _TRAINED_ON
    inverted.nprobe = _PROBES
    sample = np.random.default_rng(0).permutation(len(vectors))[: lists * _TRAINED_ON]
    index.train(vectors[np.sort(sample)])
    index.add(vectors)
    return index


def _chunks(size: int) -> Iterator[range]:
    return (range(first, min(first + _AT_ONCE, size)) for first in range(0, size, _AT_ONCE))
