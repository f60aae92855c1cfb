"""The main job: encoder and collections in, report out.

Data flows one way: collection -> representations -> ranks -> analysis -> report.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from babelrank.analysis.errors import find_errors, gather_texts, select_worst
from babelrank.analysis.space import measure_space
from babelrank.analysis.summary import analyse
from babelrank.data.catalog import open_collection, parse_spec
from babelrank.data.collection import Collection
from babelrank.data.download import fetch_if_ours
from babelrank.data.families import expand_names, is_family
from babelrank.data.streamed import StreamedCollection, collect
from babelrank.encoding.corpus import EncoderSource
from babelrank.encoding.protocol import EncoderInfo, EncoderOptions, Role
from babelrank.encoding.registry import load_encoder
from babelrank.encoding.representations import Representations, encode
from babelrank.encoding.store import SIZE_LIMIT, default_store, prune
from babelrank.encoding.transforms import Transform, parse_transform
from babelrank.ranking.exact_ranks import rank_dense
from babelrank.ranking.ranks import top_passages
from babelrank.ranking.table import RelevantRanks
from babelrank.ranking.top_table import TopRanks, rank_with_top
from babelrank.ranking.trec import write_qrels, write_run
from babelrank.reporting.markdown import source_of
from babelrank.reporting.names import check_name, collection_stem, default_name, public_label, slug
from babelrank.reporting.provenance import Seconds, current_environment
from babelrank.reporting.report import check_writable, write_report
from babelrank.reporting.results import (
    CollectionResults,
    ModelResults,
    Results,
    collection_results,
    model_results,
)
from babelrank.streaming import Observer, Streaming, choose_way, evaluate_streamed, write_streamed_runs
from babelrank.training.checkpoint import trained_languages

TOP_K = 100  # passages per query in an exported run
_IDENTIFYING = ("revision", "similarity")  # options that tell submissions apart without being settings of the encoder
_SPARE_SECONDS = 24 * 3600.0  # what another submission may still be at is not pruned


@dataclass(frozen=True)
class Submission:
    """What a submission left behind: its results, as far as this call made them, and the folder of the report."""

    results: Results
    folder: Path


def submit(
    model: str,
    collections: Sequence[str],
    reports: Path,
    observer: Observer,
    *,
    options: EncoderOptions | None = None,
    adapter: str | None = None,
    transforms: Sequence[str] = (),
    name: str | None = None,
    data: Path | None = None,
    store: Path | None = None,
    runs: Path | None = None,
    streaming: Streaming | None = None,
    seen: Sequence[str] | None = None,
    texts: bool = True,
) -> Submission:
    """Evaluate a model on collections and write its report.

    Parameters
    ----------
    model, options, adapter
        See `load_encoder`.
    transforms
        Applied to the representations, one after another; see `encoding.transforms`.
    collections
        Specifications, see `data.catalog.parse_spec` and `data.families.parse_collection_name`.
    reports
        Folder in which the report's folder is made.
    name
        What reports call the model; by default its own name with the options that change the figures.
    data, store
        Folders of the collections and of the representations.
    runs
        Folder for TREC runs of the multilingual setting, with qrels; none by default.
    streaming
        How to evaluate collections of a family (``beir:``, ``miracl:``, ``mine:``) without holding them in memory; by
        default those are streamed that would not fit.
    seen
        Languages that the model was trained on, as ISO 639-1 codes; by default what a checkpoint of `babelrank train`
        says of itself, if it is one.
    texts
        Whether the report holds the texts of the worst questions, of collections whose licence is known.

    Raises
    ------
    BabelrankError
        Whatever is wrong with the collections, the model, or the place for the report is found before anything is
        encoded, where it can be.
    """
    options, streaming = options or EncoderOptions(), streaming or Streaming()
    streaming.open()  # an engine that cannot be had is refused now; it is entered when there is work for it
    chosen = [parse_transform(text) for text in transforms]
    if name is not None:
        check_name(name)
    collections = expand_names(collections)
    own = [parse_spec(text) for text in collections if not is_family(text)]
    for source in {parsed.source.name: parsed.source for parsed in own}.values():
        fetch_if_ours(source, data, observer.announce)
    loaded = {found.name: found for found in (open_collection(spec, data) for spec in collections)}
    observer.announce(f"loading {public_label(model)}")
    began = time.perf_counter()
    encoder = load_encoder(model, options, adapter=adapter)
    load_seconds = time.perf_counter() - began
    described = _describe(model, encoder.info, options, chosen, name)
    described = replace(described, seen=trained_languages(Path(model)) if seen is None else sorted(set(seen)))
    check_writable(reports, described)
    ways = {found.name: _choose_way(found, encoder.info, streaming, chosen, observer) for found in loaded.values()}
    observer.announce(f"{described.name}: adapter {described.adapter}, {described.similarity}, {described.settings}")
    again = EncoderSource(model, options, adapter, encoder.info.fingerprint, Path.cwd())
    evaluated: dict[str, CollectionResults] = {}
    tables: dict[str, RelevantRanks] = {}
    tops: dict[str, TopRanks] = {}
    for found in loaded.values():
        sizes = f"{len(found.queries):,} queries, {sum(found.pool_sizes.values()):,} passages"
        observer.announce(f"{found.name}: {sizes}")
        for note in found.notes:
            observer.announce(f"{found.name}: {note}")
        if isinstance(found, StreamedCollection) and ways[found.name]:
            write = partial(write_streamed_runs, runs, TOP_K, slug(described.name), encoder.info) if runs else None
            tables[found.name], evaluated[found.name] = evaluate_streamed(
                found,
                encoder,
                again,
                streaming,
                observer,
                store=store,
                load_seconds=load_seconds,
                write_runs=write,
            )
            continue
        collection = collect(found) if isinstance(found, StreamedCollection) else found
        representations = encode(encoder, collection, store=store, progress=observer.encoding(collection.name))
        for transform in chosen:
            representations = transform.apply(representations, collection)
        tables[collection.name], tops[collection.name], evaluated[collection.name] = _evaluate(
            collection, representations, load_seconds, with_texts=texts
        )
        if runs is not None:
            _write_runs(runs, collection, representations, slug(described.name))
    for shelf in prune(store or default_store(), SIZE_LIMIT, spare_seconds=_SPARE_SECONDS):
        observer.announce(f"removed {shelf.folder}, used longest ago, since the store was full")
    results = Results(described, evaluated, current_environment(encoder.info.device))
    return Submission(results, write_report(reports, results, tables, tops))


def _choose_way(
    collection: Collection | StreamedCollection,
    info: EncoderInfo,
    streaming: Streaming,
    transforms: Sequence[Transform],
    observer: Observer,
) -> bool:
    """Tell whether a collection is streamed, and say so."""
    if not isinstance(collection, StreamedCollection):
        if streaming.asked_for:
            observer.announce(f"{collection.name}: evaluated in memory; only beir:, miracl: and mine: can be streamed")
        return False
    streams, reason = choose_way(collection, info, streaming, transforms)
    observer.announce(f"{collection.name}: {reason}")
    return streams


def _describe(
    model: str, info: EncoderInfo, options: EncoderOptions, transforms: Sequence[Transform], name: str | None
) -> ModelResults:
    applied: dict[str, object] = {"transforms": [transform.name for transform in transforms]} if transforms else {}
    info = replace(info, settings={**info.settings, **applied})
    asked = {**options.overrides, **applied}
    # What was asked for and changes no figure, such as a time-out, is no part of the name.
    telling = {key: value for key, value in asked.items() if key in info.settings or key in _IDENTIFYING}
    return model_results(
        info, name=name or default_name(info.name, telling), submitted_as=public_label(model), options=asked
    )


def _evaluate(
    collection: Collection, representations: Representations, load_seconds: float, *, with_texts: bool
) -> tuple[RelevantRanks, TopRanks, CollectionResults]:
    began = time.perf_counter()
    ranks, top = rank_with_top(collection, representations)
    if is_family(collection.name):  # as where passages stay on disk, to the bit
        ranks = rank_dense(collection, representations)
    ranked = time.perf_counter()
    analysis = analyse(ranks)
    space = measure_space(collection, representations) if len(collection.languages) > 1 else None
    # Texts go into the report, and from there anywhere: only those of which the licence is known.
    with_texts = with_texts and source_of(collection.name) is not None
    texts = gather_texts(select_worst(find_errors(ranks, top)), collection) if with_texts else None
    seconds = Seconds(
        load=load_seconds,
        encode_query=representations.seconds[Role.QUERY],
        encode_document=representations.seconds[Role.DOCUMENT],
        rank=ranked - began,
        analyse=time.perf_counter() - ranked,
    )
    return (
        ranks,
        top,
        collection_results(
            collection,
            analysis,
            texts_encoded=representations.texts_encoded,
            texts_truncated=representations.texts_truncated,
            seconds=seconds,
            space=space,
            texts=texts,
        ),
    )


def _write_runs(folder: Path, collection: Collection, representations: Representations, tag: str) -> None:
    stem = collection_stem(collection.name)
    write_run(folder / f"{stem}.{tag}.run", collection, top_passages(representations, TOP_K), tag)
    write_qrels(folder / f"{stem}.qrels", collection)
