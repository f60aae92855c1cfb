"""Evaluating a collection whose passages stay on disk: stream, shards, exact ranks, under a bound on memory.

The figures are those of the way in memory (`evaluation`), to the bit where an encoder gives a text the same vector
whatever stands beside it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.encoding.corpus import EncodedCorpus, EncoderSource, encode_corpus, encoding_bytes, plan_corpus
from babelrank.encoding.protocol import Encoder, EncoderInfo, Role
from babelrank.encoding.representations import EncodedTexts, encode_texts
from babelrank.encoding.shards import open_shards
from babelrank.encoding.store import default_store
from babelrank.encoding.vectors import Kind
from babelrank.engines.protocol import Engine, open_engine
from babelrank.environment import available_memory, resident_memory
from babelrank.errors import EncoderError, SearchError
from babelrank.evaluation import Evaluation, Observer, RunExport
from babelrank.ranking.exact_ranks import Thresholds, rank_streamed
from babelrank.ranking.own_passages import top_without_own
from babelrank.ranking.pool_ranks import Counts
from babelrank.ranking.search import Top, search
from babelrank.ranking.search_blocks import MEMORY_LIMIT
from babelrank.ranking.table import RelevantRanks
from babelrank.ranking.trec import run_of, save_run, write_qrels
from babelrank.reporting.provenance import Seconds
from babelrank.reporting.results import CollectionResults, collection_results

# What the way in memory takes, about. A text of n characters is a string of n to 4n bytes, with its id, its language
# and what pandas keeps of the three; its vector is there as stored, as collected and as compared.
_TEXT_BYTES_PER_CHARACTER = 2
_TEXT_BYTES_PER_PASSAGE = 400
_VECTOR_COPIES = 3
_SHARE_OF_FREE = 0.7  # of the memory that is free: more would push out what others need
_SEARCH_BYTES = 256 * 2**20  # that ranking needs at least, whatever the corpus
_SLACK = 32 * 2**20  # what allocators keep
_WHAT_STREAMS = "only dense vectors without transforms stream"


@dataclass(frozen=True)
class Streaming:
    """What a user asks of the streamed way.

    Attributes
    ----------
    memory
        Bytes that this process, and the local workers with it, may hold; None leaves it to what is free.
    engine, workers, address
        See `open_engine`; None if they were not given.
    """

    memory: int | None = None
    engine: str | None = None
    workers: int | None = None
    address: str | None = None

    @property
    def asked_for(self) -> bool:
        """Whether a collection is to be streamed even if it would fit."""
        return self != Streaming()

    def open(self) -> AbstractContextManager[Engine]:
        """Return the engine, see `open_engine`."""
        return open_engine(self.engine or "local", self.workers, self.address)


def choose_way(
    collection: Collection, info: EncoderInfo, streaming: Streaming, transforms: Sequence[object]
) -> tuple[bool, str]:
    """Decide whether a collection is streamed, and say why.

    Raises
    ------
    EncoderError
        Streaming was asked for, but the representations are not dense, or transforms are to be applied.
    """
    if info.kind is not Kind.DENSE and not streaming.asked_for:
        # What they take is not known beforehand: a vector may have billions of places, and a few that are not 0.
        return False, f"evaluated in memory, as {_WHAT_STREAMS}"
    size, free = estimate_memory(collection, info.dimension), available_memory()
    known = "an unknown amount" if free is None else f"{free / 1e9:,.3g} GB"
    estimate = f"in memory it would take about {size / 1e9:,.3g} GB, {known} are free"
    if streaming.asked_for:
        plan_corpus(collection, info)  # which refuses what is not dense
        if transforms:
            raise EncoderError(
                "--transform: transforms are fitted on all vectors at once, so they cannot be streamed. Without "
                "--memory, --engine and --workers the collection is evaluated in memory."
            )
        return True, f"streamed, as asked; {estimate}"
    if free is None or size <= _SHARE_OF_FREE * free:
        return False, f"evaluated in memory; {estimate}"
    if transforms:
        return False, f"evaluated in memory all the same, as {_WHAT_STREAMS}; {estimate}"
    return True, f"streamed; {estimate}"


def estimate_memory(collection: Collection, dimension: int) -> int:
    """Return about how many bytes the collection and its vectors take when all is in memory."""
    per_passage = _TEXT_BYTES_PER_PASSAGE + 4 * _VECTOR_COPIES * dimension
    return _TEXT_BYTES_PER_CHARACTER * collection.passages.characters + per_passage * len(collection.passages)


def evaluate_streamed(
    collection: Collection,
    encoder: Encoder,
    source: EncoderSource,
    streaming: Streaming,
    observer: Observer,
    *,
    store: Path | None = None,
    load_seconds: float = 0.0,
    export: RunExport | None = None,
) -> Evaluation:
    """Encode, rank and analyse a collection.

    Parameters
    ----------
    encoder, source
        Loaded, and how workers load it.
    load_seconds
        What loading it took.

    Raises
    ------
    EncoderError, EngineError
        As `encode_corpus`.
    SearchError
        The memory bound is too low; says what takes how much.
    """
    with streaming.open() as engine:
        limit = _check_memory(streaming.memory, collection, encoder, engine)
        queries, corpus = encode_streamed(collection, encoder, source, engine, observer, store=store)
        vectors = np.asarray(queries.vectors)
        began = time.perf_counter()
        count = partial(_count, engine, limit)
        ranks = rank_streamed(collection, vectors, corpus.shards, encoder.info.similarity, count)
        seconds = time.perf_counter() - began
    if export is not None:
        own = collection.self_matches
        depth = export.depth + (own is not None)
        top = search(vectors, corpus.shards, depth, encoder.info.similarity, memory_limit=_left(limit))
        _export(export, collection, top if own is None else top_without_own(top, own, export.depth))
    return Evaluation(_results(collection, ranks, queries, corpus, load_seconds, seconds), ranks)


def encode_streamed(
    collection: Collection,
    encoder: Encoder,
    source: EncoderSource,
    engine: Engine,
    observer: Observer,
    *,
    store: Path | None = None,
) -> tuple[EncodedTexts, EncodedCorpus]:
    """Encode the queries into memory, and the passages into shards on disk.

    Raises
    ------
    EncoderError, EngineError
        As `encode_texts` and `encode_corpus`.
    """
    root = store or default_store()
    progress = observer.encoding(collection.name)
    texts = collection.queries["text"].tolist()
    queries = encode_texts(encoder, texts, Role.QUERY, root, partial(progress, Role.QUERY))
    corpus = encode_corpus(
        collection,
        encoder,
        source,
        root,
        engine,
        on_passages=partial(progress, Role.DOCUMENT),
        announce=lambda message: observer.announce(f"{collection.name}: {message}"),
    )
    return queries, corpus


def _export(export: RunExport, collection: Collection, top: Top) -> None:
    """Write the best passages of each query, and the judgements, in TREC's format."""
    ids = collection.passages.ids(np.unique(top.positions))
    named = np.array([ids[position] for position in top.positions.ravel().tolist()], dtype=object)
    run = run_of(collection.labels, named.reshape(top.positions.shape), top.scores)
    save_run(export.run_file(collection.name), run, export.tag)
    write_qrels(export.qrels_file(collection.name), collection)


@dataclass(frozen=True)
class ShardCounting:
    """The job of counting the passages above some scores, shard by shard."""

    folder: Path
    thresholds: Thresholds
    memory_limit: int
    uses_gpu: ClassVar[bool] = False

    def open(self) -> Callable[[int], Counts]:
        """Look up the shards."""
        shards = open_shards(self.folder, verify=False)
        return lambda number: self.thresholds.count([shards[number]], memory_limit=self.memory_limit)


def _count(engine: Engine, limit: int | None, thresholds: Thresholds, shards: Sequence[Any]) -> Counts:
    memory = _left(limit)
    if not engine.spreads_search:
        return thresholds.count(shards, memory_limit=memory)
    groups = thresholds.group_count if thresholds.groups is not None else 1
    total = Counts(*(np.zeros((len(thresholds.scores), groups), dtype=np.int64) for _ in range(2)))

    def add(_: int, counts: Counts) -> None:
        np.add(total.above, counts.above, out=total.above)
        np.add(total.equal, counts.equal, out=total.equal)

    engine.run(ShardCounting(shards[0].path.parent, thresholds, memory), range(len(shards)), add)
    return total


def _check_memory(limit: int | None, collection: Collection, encoder: Encoder, engine: Engine) -> int | None:
    """Return the bytes that this process may hold, if there is a bound that can be kept."""
    if limit is None:
        return None
    held = resident_memory()
    queries = 3 * 4 * encoder.info.dimension * len(collection.queries)
    # A worker loads the model as this process has; while workers encode, this process does not.
    needed = max(
        held
        + queries
        + (engine.processes or 1) * encoding_bytes(plan_corpus(collection, encoder.info))
        + engine.processes * held,
        held + queries + _SEARCH_BYTES + _SLACK,
    )
    if needed > limit:
        workers = f", as does each of {engine.processes} workers" if engine.processes else ""
        raise SearchError(
            f"--memory {limit / 1e6:,.0f} MB is too low: the program with the model and {collection.name}'s queries "
            f"holds {held / 1e6:,.0f} MB already{workers}, and the work needs more beside. From "
            f"{needed / 1e6:,.0f} MB on it can be done, if the model itself takes no more for a batch."
        )
    return limit


def _left(limit: int | None) -> int:
    """Return the bytes that ranking may take."""
    if limit is not None:
        return limit - resident_memory() - _SLACK
    free = available_memory()
    return MEMORY_LIMIT if free is None else max(_SEARCH_BYTES, min(MEMORY_LIMIT, free // 2))


def _results(
    collection: Collection,
    ranks: RelevantRanks,
    queries: EncodedTexts,
    corpus: EncodedCorpus,
    load_seconds: float,
    rank_seconds: float,
) -> CollectionResults:
    began = time.perf_counter()
    analysis = analyse(ranks)
    return collection_results(
        collection,
        analysis,
        texts_encoded={Role.QUERY.value: queries.encoded, Role.DOCUMENT.value: corpus.texts},
        texts_truncated={Role.QUERY.value: queries.truncated, Role.DOCUMENT.value: corpus.truncated},
        seconds=Seconds(
            load=load_seconds,
            encode_query=queries.seconds,
            encode_document=corpus.seconds,
            rank=rank_seconds,
            analyse=time.perf_counter() - began,
        ),
    )
