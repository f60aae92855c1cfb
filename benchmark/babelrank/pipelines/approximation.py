"""Measure an approximate index on a model and a collection: time, memory, recall, and accuracy by language."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from babelrank.analysis.approximation import ApproximateSearch, ApproximationCost, measure_cost
from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.encoding.corpus import EncoderSource
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.representations import encode
from babelrank.encoding.vector_block import array_block
from babelrank.encoding.vectors import Kind
from babelrank.engines.local import ThisProcess
from babelrank.errors import SearchError
from babelrank.observer import Observer
from babelrank.pipelines.evaluation import encode_streamed
from babelrank.ranking.approximate import Approximation, measure_approximation
from babelrank.ranking.tally import MEMORY_LIMIT


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
    """Search a collection with an approximate index and exactly, and compare the results.

    Parameters
    ----------
    model, options, adapter
        See `load_encoder`.
    collection
        One specification, see `load_collection`. Passages that can be streamed stay on disk.
    factory, parameters
        Index and search parameters, as for `measure_approximation`.
    k
        Passages retrieved per query.
    sample
        Number of queries to compare, drawn at random; by default all.
    memory
        Memory limit for the index or a search, in bytes.

    Raises
    ------
    BabelrankError
        The collection, the model or the index is not valid, or the representations are not dense.
    """
    options = options or EncoderOptions()
    loaded = load_collection(collection, data)
    observer.log(f"{loaded.name}: {sum(loaded.pool_sizes.values()):,} passages")
    encoder = load_encoder(model, options, adapter=adapter)
    if encoder.info.kind != Kind.DENSE:
        raise SearchError(f"FAISS needs dense vectors; {encoder.info.name} returns {encoder.info.kind} ones.")
    source = EncoderSource(model, options, adapter, encoder.info.fingerprint, Path.cwd())
    represented = (
        encode(encoder, loaded, store=store, progress=observer.encoding(loaded.name))
        if loaded.passages.in_memory
        else encode_streamed(loaded, encoder, source, ThisProcess(), observer, store=store)
    )
    queries, passages = np.asarray(represented.queries), represented.passages
    shards = passages if isinstance(passages, Sequence) else [array_block(np.asarray(passages))]
    observer.log(f"{loaded.name}: index {factory}")
    found = measure_approximation(
        queries,
        shards,
        factory,
        k,
        encoder.info.similarity,
        parameters=parameters,
        sample=sample or len(queries),
        self_matches=loaded.self_matches,
        memory_limit=memory or MEMORY_LIMIT,
    )
    return ApproximateSearch(encoder.info.name, loaded.name, found, _measure_cost(loaded, found))


def _measure_cost(collection: Collection, found: Approximation) -> ApproximationCost:
    """Compare the lists of the sampled queries."""
    place = np.full(len(collection.queries), -1)
    place[found.sample] = np.arange(len(found.sample))
    code = {lang: number for number, lang in enumerate(collection.languages)}
    qrels = collection.qrels[place[collection.qrels["query"]] >= 0]
    rows = qrels["query"].to_numpy()
    return measure_cost(
        found.exact,
        found.top.of_queries(found.sample),
        query_rows=place[rows],
        positions=qrels["passage"].to_numpy(),
        grades=qrels["grade"].to_numpy(),
        query_langs=collection.queries["lang"].map(code).to_numpy()[rows],
        passage_langs=qrels["passage_lang"].map(code).to_numpy(),
        languages=collection.languages,
    )
