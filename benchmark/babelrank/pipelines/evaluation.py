"""Encode and rank a collection, in memory or streamed, and analyse the ranks.

Both modes give the same measures, bit for bit if the encoder gives a text the same vector in every batch.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from babelrank.analysis.errors import Errors, find_errors, gather_texts, select_worst
from babelrank.analysis.friedman import MOST_LANGUAGES
from babelrank.analysis.space import measure_space
from babelrank.analysis.summary import analyse
from babelrank.data.collection import Collection
from babelrank.encoding.corpus import EncoderSource, encode_corpus
from babelrank.encoding.fertility import measure_fertility
from babelrank.encoding.protocol import Encoder, Role
from babelrank.encoding.representations import Representations, encode, encode_texts
from babelrank.encoding.shards import Shard, open_shards
from babelrank.encoding.store import default_store
from babelrank.encoding.transforms import Transform
from babelrank.encoding.vectors import Kind
from babelrank.engines.protocol import Engine
from babelrank.environment import cpu_seconds
from babelrank.observer import Observer
from babelrank.pipelines.modes import Streaming, check_memory, ranking_memory
from babelrank.ranking.dense import Corpus, DenseScorer
from babelrank.ranking.panels import Scorer
from babelrank.ranking.rank import Ranking, Tallier, rank
from babelrank.ranking.tally import Request, Tally, tally
from babelrank.ranking.top_table import LANGUAGE_DEPTH
from babelrank.ranking.trec import write_qrels, write_run
from babelrank.reporting.make_results import collection_results
from babelrank.reporting.names import collection_stem
from babelrank.reporting.provenance import Seconds, measure_cost
from babelrank.reporting.results import CollectionResults


@dataclass(frozen=True)
class RunExport:
    """Where to write TREC runs of the multilingual setting, with qrels.

    Attributes
    ----------
    folder
        Folder for the files, which are named by collection and tag.
    tag
        Name of the system in the runs, without white space.
    depth
        Passages per query.
    """

    folder: Path
    tag: str
    depth: int = 100

    def run_file(self, collection: str) -> Path:
        """Return the path of a collection's run."""
        return self.folder / f"{collection_stem(collection)}.{self.tag}.run"

    def qrels_file(self, collection: str) -> Path:
        """Return the path of a collection's qrels."""
        return self.folder / f"{collection_stem(collection)}.qrels"


@dataclass(frozen=True)
class Evaluation:
    """The outcome for one collection: results, rank table, table of top passages, and errors.

    Errors and the embedding space are analysed for up to `MOST_LANGUAGES` languages.
    """

    results: CollectionResults
    ranking: Ranking
    errors: Errors | None


def evaluate_collection(
    collection: Collection,
    encoder: Encoder,
    observer: Observer,
    *,
    transforms: Sequence[Transform] = (),
    store: Path | None = None,
    load_seconds: Callable[[], float] = lambda: 0.0,
    with_texts: bool = True,
    export: RunExport | None = None,
    streaming: Streaming | None = None,
    source: EncoderSource | None = None,
) -> Evaluation:
    """Encode, rank and analyse a collection.

    Parameters
    ----------
    transforms
        Transforms of the representations, applied in this order; must be empty if the collection is streamed.
    load_seconds
        Returns the time that loading the encoder took so far.
    with_texts
        Whether results quote the worst questions, if the collection's licence is known. Results go into reports,
        which may be published.
    streaming
        How to stream; None keeps all vectors in memory.
    source
        How other processes load the encoder. Engines with other processes need it.

    Raises
    ------
    EncoderError, EngineError
        As for `encode` and `encode_corpus`; or a transform cannot be applied.
    SearchError
        The memory limit is too low.
    """
    began_cpu = cpu_seconds()
    depth = 0 if export is None else export.depth
    in_detail = len(collection.languages) <= MOST_LANGUAGES  # with more, lists of each pair would dominate the report
    represented = represent(
        collection, encoder, observer, transforms=transforms, store=store, streaming=streaming, source=source
    )
    with represented as (representations, memory, tallier):
        began = time.perf_counter()
        ranking = rank(
            collection,
            representations,
            language_depth=LANGUAGE_DEPTH if in_detail else 0,
            run_depth=depth,
            memory=memory,
            tallier=tallier,
        )
        ranking = replace(ranking, ranks=ranking.ranks.with_missing(collection.missing))
        ranked = time.perf_counter()
    tied, pairs = ranking.ranks.tied, len(ranking.ranks.table)
    if encoder.info.kind is Kind.DENSE and not transforms and tied > _MANY_TIES * pairs:
        observer.log(
            f"{collection.name}: {tied:,} of {pairs:,} relevant passages have the same score as another one. The model "
            "gives different texts the same vector; it may not know their script."
        )
    analysis = analyse(ranking.ranks)
    has_space = len(collection.languages) > 1 and streaming is None and in_detail
    space = measure_space(collection, representations, top=ranking.top) if has_space else None
    with_texts = with_texts and collection.licence is not None
    errors = find_errors(ranking.ranks, ranking.top) if in_detail else None
    texts = gather_texts(select_worst(errors), collection) if errors and with_texts else None
    seconds = Seconds(
        load=load_seconds(),
        encode_query=representations.seconds[Role.QUERY],
        encode_document=representations.seconds[Role.DOCUMENT],
        rank=ranked - began,
        analyse=time.perf_counter() - ranked,
    )
    if export is not None and ranking.best is not None:
        write_run(export.run_file(collection.name), collection, ranking.best, export.tag)
        write_qrels(export.qrels_file(collection.name), collection.with_missing())
    results = collection_results(
        collection.with_missing(),
        analysis,
        texts_encoded=representations.texts_encoded,
        texts_truncated=representations.texts_truncated,
        seconds=seconds,
        space=space,
        texts=texts,
        cost=measure_cost(representations, encoder.info.device, cpu_seconds() - began_cpu),
        fertility=measure_fertility(encoder, collection),
    )
    return Evaluation(results, ranking, errors)


_MANY_TIES = 0.02  # share of the ranks; dense vectors of different texts rarely tie
_Represented = tuple[Representations, int, Tallier | None]  # with the memory for ranking, and the object that counts


def represent(
    collection: Collection,
    encoder: Encoder,
    observer: Observer,
    *,
    transforms: Sequence[Transform] = (),
    store: Path | None = None,
    streaming: Streaming | None = None,
    source: EncoderSource | None = None,
) -> AbstractContextManager[_Represented]:
    """Return representations, the memory for ranking, and the object that counts; see `evaluate_collection`."""
    if streaming:
        return _streamed(collection, encoder, observer, streaming, source, store)
    return _in_memory(collection, encoder, observer, transforms, store)


@contextmanager
def _in_memory(
    collection: Collection,
    encoder: Encoder,
    observer: Observer,
    transforms: Sequence[Transform],
    store: Path | None,
) -> Iterator[_Represented]:
    representations = encode(encoder, collection, store=store, progress=observer.encoding(collection.name))
    for transform in transforms:
        if isinstance(transform.source, Collection):
            learnt = encode(encoder, transform.source, store=store, progress=observer.encoding(transform.source.name))
            transform = transform.learn(learnt, transform.source)
        representations = transform.apply(representations, collection)
    yield representations, ranking_memory(None), None


@contextmanager
def _streamed(
    collection: Collection,
    encoder: Encoder,
    observer: Observer,
    streaming: Streaming,
    source: EncoderSource | None,
    store: Path | None,
) -> Iterator[_Represented]:
    with streaming.open() as engine:
        limit = check_memory(streaming.memory, collection, encoder, engine)
        representations = encode_streamed(collection, encoder, source, engine, observer, store=store)
        memory = ranking_memory(limit)
        yield representations, memory, partial(_tally_shards, engine, memory) if engine.spreads_search else None


def encode_streamed(
    collection: Collection,
    encoder: Encoder,
    source: EncoderSource | None,
    engine: Engine,
    observer: Observer,
    *,
    store: Path | None = None,
) -> Representations:
    """Encode the queries into memory, and the passages into shards on disk.

    Raises
    ------
    EncoderError, EngineError
        As for `encode_texts` and `encode_corpus`.
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
        log=lambda message: observer.log(f"{collection.name}: {message}"),
    )
    query, document = Role.QUERY.value, Role.DOCUMENT.value
    return Representations(
        queries.vectors,
        corpus.shards,
        encoder.info.similarity,
        texts_encoded={query: queries.encoded, document: corpus.texts},
        seconds={query: queries.seconds, document: corpus.seconds},
        texts_truncated={query: queries.truncated, document: corpus.truncated},
    )


@dataclass(frozen=True)
class ShardTally:
    """The job that counts and lists passages, shard by shard. A task is the number of a shard."""

    folder: Path
    queries: np.ndarray
    similarity: Any
    request: Request
    memory: int
    uses_gpu: ClassVar[bool] = False

    def open(self) -> Callable[[int], Tally]:
        """Open the shards."""
        shards = open_shards(self.folder, verify=False)

        def work(number: int) -> Tally:
            scorer = DenseScorer(self.queries, Corpus([shards[number]], self.similarity))
            return tally(scorer, self.request, memory=self.memory)

        return work


def _tally_shards(engine: Engine, memory: int, scorer: Scorer, request: Request) -> Tally:
    """Count each shard in a task of an engine, and add up the results."""
    if not isinstance(scorer, DenseScorer):
        return tally(scorer, request, memory=memory)
    corpus = scorer.corpus
    (folder,) = {shard.path.parent for shard in corpus.shards if isinstance(shard, Shard)}
    total = request.empty(len(scorer.queries))
    job = ShardTally(folder, scorer.queries, corpus.similarity, request, memory)
    engine.run(job, range(len(corpus.shards)), lambda _, part: total.add(part))
    return total
