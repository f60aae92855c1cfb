"""A model, a collection and an approximate index in; what searching by it costs out: time, memory, recall, evenness."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelrank.analysis.approximation import ApproximationCost, measure_cost
from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.encoding.corpus import EncoderSource
from babelrank.encoding.protocol import Encoder, EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.representations import encode
from babelrank.encoding.vector_block import VectorBlock, array_block
from babelrank.encoding.vectors import Kind
from babelrank.engines.local import ThisProcess
from babelrank.errors import SearchError
from babelrank.evaluation import Observer
from babelrank.ranking.approximate import Approximation, measure_approximation
from babelrank.ranking.own_passages import top_without_own
from babelrank.ranking.search import Top
from babelrank.ranking.search_blocks import MEMORY_LIMIT
from babelrank.streaming import encode_streamed


@dataclass(frozen=True)
class ApproximateSearch:
    """What was measured.

    Attributes
    ----------
    model, collection
        Names.
    search
        The index: seconds, bytes, recall.
    cost
        What it does to the same queries' lists, against exact search.
    """

    model: str
    collection: str
    search: Approximation
    cost: ApproximationCost


@dataclass(frozen=True)
class _Judged:
    """Queries that were encoded, with the passages and the judgements, by position."""

    queries: np.ndarray
    shards: Sequence[VectorBlock]
    languages: tuple[str, ...]
    query_rows: np.ndarray
    positions: np.ndarray
    grades: np.ndarray
    query_langs: np.ndarray
    passage_langs: np.ndarray
    own: np.ndarray | None


def approximate(
    model: str,
    collection: str,
    factory: str,
    observer: Observer,
    *,
    parameters: str = "",
    k: int = 100,
    sample: int | None = None,
    options: EncoderOptions | None = None,
    adapter: str | None = None,
    data: Path | None = None,
    store: Path | None = None,
    memory: int | None = None,
) -> ApproximateSearch:
    """Search a collection by an approximate index and exactly, and compare.

    Parameters
    ----------
    model, options, adapter
        See `load_encoder`.
    collection
        One specification, see `load_collection`; passages of a family stay on disk.
    factory, parameters
        Of the index and of its search, as `measure_approximation` takes them.
    k
        Length of the lists.
    sample
        Queries that are compared, drawn at random; by default all.
    memory
        Bytes that the index, or a search, may take.

    Raises
    ------
    BabelrankError
        What is wrong with the collection, the model or the index; representations that are not dense.
    """
    options = options or EncoderOptions()
    loaded = load_collection(collection, data)
    observer.announce(f"{loaded.name}: {sum(loaded.pool_sizes.values()):,} passages")
    encoder = load_encoder(model, options, adapter=adapter)
    if encoder.info.kind is not Kind.DENSE:
        raise SearchError(f"{encoder.info.name}: indexes are of dense vectors, these are {encoder.info.kind}.")
    if not loaded.passages.in_memory:
        source = EncoderSource(model, options, adapter, encoder.info.fingerprint, Path.cwd())
        judged = _stream(loaded, encoder, source, store, observer)
    else:
        judged = _hold(loaded, encoder, store, observer)
    observer.announce(f"{loaded.name}: index {factory}")
    found = measure_approximation(
        judged.queries,
        judged.shards,
        factory,
        k,
        encoder.info.similarity,
        parameters=parameters,
        sample=sample or len(judged.queries),
        memory_limit=memory or MEMORY_LIMIT,
    )
    return ApproximateSearch(encoder.info.name, loaded.name, found, _measure_cost(judged, found))


def _stream(
    collection: Collection, encoder: Encoder, source: EncoderSource, store: Path | None, observer: Observer
) -> _Judged:
    queries, corpus = encode_streamed(collection, encoder, source, ThisProcess(), observer, store=store)
    relevant = collection.qrels
    code = {lang: place for place, lang in enumerate(collection.languages)}
    rows = relevant["query"].to_numpy()
    return _Judged(
        np.asarray(queries.vectors),
        corpus.shards,
        collection.languages,
        query_rows=rows,
        positions=relevant["passage"].to_numpy(),
        grades=relevant["grade"].to_numpy(),
        query_langs=collection.queries["lang"].map(code).to_numpy()[rows],
        passage_langs=relevant["passage_lang"].map(code).to_numpy(),
        own=collection.self_matches,
    )


def _hold(collection: Collection, encoder: Encoder, store: Path | None, observer: Observer) -> _Judged:
    encoded = encode(encoder, collection, store=store, progress=observer.encoding(collection.name))
    code = {lang: place for place, lang in enumerate(collection.languages)}
    rows, positions = (collection.qrels[side].to_numpy() for side in ("query", "passage"))
    return _Judged(
        np.asarray(encoded.queries),
        [array_block(np.asarray(encoded.passages))],
        collection.languages,
        query_rows=rows,
        positions=positions,
        grades=collection.qrels["grade"].to_numpy(),
        query_langs=collection.queries["lang"].map(code).to_numpy()[rows],
        passage_langs=collection.passages.lang_codes[positions].astype(np.int64),
        own=collection.self_matches,
    )


def _measure_cost(judged: _Judged, found: Approximation) -> ApproximationCost:
    """Compare the lists of the sampled queries."""
    place = np.full(len(judged.queries), -1)
    place[found.sample] = np.arange(len(found.sample))
    chosen = place[judged.query_rows] >= 0
    lists = [found.exact, Top(found.top.scores[found.sample], found.top.positions[found.sample])]
    if judged.own is not None:
        lists = [top_without_own(top, judged.own[found.sample], top.positions.shape[1]) for top in lists]
    return measure_cost(
        *lists,
        query_rows=place[judged.query_rows[chosen]],
        positions=judged.positions[chosen],
        grades=judged.grades[chosen],
        query_langs=judged.query_langs[chosen],
        passage_langs=judged.passage_langs[chosen],
        languages=judged.languages,
    )
