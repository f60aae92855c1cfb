"""The main job: encoder and collections in, report out.

Data flows one way: collection -> representations -> ranks -> analysis -> report.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from babelrank.checkpoints import base_model_of, trained_languages
from babelrank.data.collection import Collection
from babelrank.data.loading import load_collections
from babelrank.data.variants import with_variants
from babelrank.encoding.corpus import EncoderSource
from babelrank.encoding.objects import name_of, wrap_encoder
from babelrank.encoding.protocol import EncoderInfo, EncoderOptions, check_comparable
from babelrank.encoding.store import SIZE_LIMIT, default_store, prune
from babelrank.encoding.transforms import Transform, parse_transform
from babelrank.errors import DataError
from babelrank.observer import Observer
from babelrank.pipelines.evaluation import Evaluation, RunExport, evaluate_collection
from babelrank.pipelines.modes import Streaming, choose_mode
from babelrank.ranking.trec import check_exportable
from babelrank.reporting.names import check_name, default_name, public_label, slug
from babelrank.reporting.provenance import current_environment
from babelrank.reporting.report import check_writable
from babelrank.reporting.results import ModelResults, Results, model_results
from babelrank.result import Result

_IDENTIFYING = ("revision", "similarity")  # options that tell submissions apart without being settings of the encoder
_SPARE_SECONDS = 24 * 3600.0  # what another submission may still be at is not pruned


def submit(
    model: object,
    collections: Sequence[str | Collection],
    reports: Path | None,
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
    base_model: str | None = None,
    family: str | None = None,
    texts: bool = True,
    with_leaderboard: bool = False,
    replace_figures: bool = False,
) -> Result:
    """Evaluate a model on collections and write its report; see `babelrank.evaluate` and `babelrank.submit`.

    Parameters
    ----------
    reports
        Folder in which the report's folder is made; None to write nothing.
    streaming
        How to stream collections whose passages are on disk; by default those are streamed that would not fit.
    with_leaderboard
        See `write_report`.
    replace_figures
        Let figures replace those of other files that have the same collection's name in the model's report.

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
    loaded = _load_collections(collections, data, observer)
    if runs:
        for found in loaded:
            check_exportable(found)
    label = public_label(model) if isinstance(model, str) else None
    observer.log(f"loading {label or name_of(model)}")
    began = time.perf_counter()
    encoder = wrap_encoder(model, options, name=None if label else name, adapter=adapter)
    load_seconds = time.perf_counter() - began
    _check_fit(encoder.info, chosen)
    described = _describe(label or encoder.info.name, encoder.info, options, chosen, name)
    known = trained_languages(Path(model)) if isinstance(model, str) else None
    base = base_model or (base_model_of(Path(model)) if isinstance(model, str) else None)
    described = replace(
        described,
        seen=known if seen is None else sorted(set(seen)),
        base_model=base or (label if transforms else None),
        family=family,
    )
    if reports is not None:
        digests = {} if replace_figures else {found.name: found.sha256 for found in loaded}
        check_writable(reports, described, digests)
    streams = {found.name: _streams(found, encoder.info, streaming, chosen, observer) for found in loaded}
    observer.log(f"{described.name}: adapter {described.adapter}, {described.similarity}, {described.settings}")
    source = (
        EncoderSource(model, options, adapter, encoder.info.fingerprint, Path.cwd()) if isinstance(model, str) else None
    )
    export = RunExport(runs, slug(described.name)) if runs else None
    evaluations: dict[str, Evaluation] = {}
    for found in loaded:
        for message in (f"{len(found.queries):,} queries, {sum(found.pool_sizes.values()):,} passages", *found.notes):
            observer.log(f"{found.name}: {message}")
        evaluations[found.name] = evaluate_collection(
            found if streams[found.name] else found.with_passages_in_memory(),
            encoder,
            observer,
            transforms=chosen,
            store=store,
            load_seconds=load_seconds,
            with_texts=texts,
            export=export,
            streaming=streaming if streams[found.name] else None,
            source=source,
        )
    for entry in prune(store or default_store(), SIZE_LIMIT, spare_seconds=_SPARE_SECONDS):
        observer.log(f"removed {entry.folder}, used longest ago, since the store was full")
    results = Results(
        described,
        {name: each.results for name, each in evaluations.items()},
        current_environment(encoder.info.device),
    )
    result = Result(
        results,
        {name: each.ranking.ranks for name, each in evaluations.items()},
        {name: each.ranking.top for name, each in evaluations.items()},
        {name: each.errors for name, each in evaluations.items()},
    )
    return result if reports is None else result.written_to(reports, with_leaderboard=with_leaderboard)


def _load_collections(
    collections: Sequence[str | Collection], data: Path | None, observer: Observer
) -> list[Collection]:
    """Load what is named, each with the variants of its queries, downloading what babelrank knows where to get.

    Raises
    ------
    DataError
        There is none, or two are called the same.
    """
    if not collections:
        raise DataError("no collection is named, such as xquad-r.")
    given = [each for each in collections if not isinstance(each, str)]
    for each in given:
        if not isinstance(each, Collection):
            raise DataError(f"a collection is a specification such as 'xquad-r' or a Collection, not {each!r}.")
    named = load_collections([each for each in collections if isinstance(each, str)], data, log=observer.log)
    loaded = [version for each in (*named.values(), *given) for version in with_variants(each)]
    names = [each.name for each in loaded]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two collections are called {name!r}; evaluate them apart, or rename one.")
    return loaded


def _check_fit(info: EncoderInfo, transforms: Sequence[Transform]) -> None:
    """Check that the model's representations allow the requested similarity and transforms."""
    check_comparable(info.kind, info.similarity)
    dimension = info.dimension
    for transform in transforms:
        dimension = transform.check(info.kind, dimension)


def _streams(
    collection: Collection,
    info: EncoderInfo,
    streaming: Streaming,
    transforms: Sequence[Transform],
    observer: Observer,
) -> bool:
    """Tell whether a collection is streamed, and log why."""
    streamed, reason = choose_mode(collection, info, streaming, transforms)
    if reason:
        observer.log(f"{collection.name}: {reason}")
    return streamed


def _describe(
    label: str, info: EncoderInfo, options: EncoderOptions, transforms: Sequence[Transform], name: str | None
) -> ModelResults:
    applied: dict[str, object] = {"transforms": [transform.name for transform in transforms]} if transforms else {}
    info = replace(info, settings={**info.settings, **applied})
    asked = {**options.overrides, **applied}
    # What was asked for and changes no figure, such as a time-out, is no part of the name.
    telling = {key: value for key, value in asked.items() if key in info.settings or key in _IDENTIFYING}
    return model_results(info, name=name or default_name(info.name, telling), submitted_as=label, options=asked)
