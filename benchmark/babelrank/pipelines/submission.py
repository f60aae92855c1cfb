"""The main job: evaluate an encoder on collections and write its report.

Data flows one way: collection -> representations -> ranks -> analysis -> report.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from babelrank.checkpoints import base_model_of, not_compared, trained_languages, training_cost
from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection, load_collections
from babelrank.data.variants import with_variants
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.store import SIZE_LIMIT, default_store, prune
from babelrank.errors import DataError
from babelrank.observer import Observer
from babelrank.pipelines.evaluation import Evaluation, RunExport, evaluate_collection
from babelrank.pipelines.missing import apply_missing
from babelrank.pipelines.models import load_model, open_transforms
from babelrank.pipelines.modes import Streaming
from babelrank.ranking.trec import check_exportable
from babelrank.reporting.names import check_name, slug
from babelrank.reporting.provenance import TrainingCost, current_environment
from babelrank.reporting.report import check_writable
from babelrank.reporting.results import NOT_COMPARED, TRAINED_ON, Results
from babelrank.result import Result

_SPARE_SECONDS = 24 * 3600.0  # entries used more recently are kept, as another submission may need them

# Folder of a checkpoint and collections -> training examples that have a text of a collection, and all, if known.
CountShared = Callable[[Path, Sequence[Collection]], Mapping[str, tuple[int, int]]]


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
    missing: str | None = None,
    count_shared: CountShared = lambda _folder, _collections: {},
) -> Result:
    """Evaluate a model on collections and write its report; see `babelrank.evaluate` and `babelrank.submit`.

    Parameters
    ----------
    reports
        Folder of reports to write to; None writes nothing.
    streaming
        How to stream collections with passages on disk. By default those are streamed that do not fit into memory.
    with_leaderboard
        See `write_report`.
    replace_figures
        Whether to replace measures in the report that come from a different version of the collection.
    missing
        See `apply_missing`.
    count_shared
        Counts the examples that a checkpoint was trained on, by collection: those that have a text of it, and all.

    Raises
    ------
    BabelrankError
        The collections, the model or the folder for the report are not valid. Most errors are found before anything
        is encoded.
    """
    streaming = streaming or Streaming()
    streaming.open()  # refuses an engine that is not available; it is entered when there is work for it
    if name is not None:
        check_name(name)
    chosen = open_transforms(transforms, data, observer)
    named = _load_collections(collections, data, observer, allow_mismatch=missing is not None)
    loaded = [apply_missing(each, missing) for each in named]
    if runs:
        for found in loaded:
            check_exportable(found)
    loaded_model = load_model(
        model, observer, options=options, adapter=adapter, transforms=chosen, name=name, store=store
    )
    encoder = loaded_model.encoder
    known = trained_languages(Path(model)) if isinstance(model, str) else None
    base = base_model or (base_model_of(Path(model)) if isinstance(model, str) else None)
    notes = dict(loaded_model.described.notes)
    if isinstance(model, str):
        notes |= _note_training_texts(Path(model), loaded, count_shared, observer)
    described = replace(
        loaded_model.described,
        notes=notes,
        seen=known if seen is None else sorted(set(seen)),
        base_model=base or (loaded_model.described.submitted_as if transforms and isinstance(model, str) else None),
        family=family,
        training_cost=TrainingCost(*cost) if isinstance(model, str) and (cost := training_cost(Path(model))) else None,
    )
    if reports is not None:
        digests = {} if replace_figures else {found.name: found.sha256 for found in loaded}
        check_writable(reports, described, digests)
    streams = {found.name: loaded_model.streams(found, streaming, observer) for found in loaded}
    observer.log(f"{described.name}: adapter {described.adapter}, {described.similarity}{_list(described.settings)}")
    export = RunExport(runs, slug(described.name)) if runs else None
    evaluations: dict[str, Evaluation] = {}
    for found in loaded:
        judged = found.with_missing()
        for message in (f"{len(judged.queries):,} queries, {sum(found.pool_sizes.values()):,} passages", *judged.notes):
            observer.log(f"{found.name}: {message}")
        evaluations[found.name] = evaluate_collection(
            found if streams[found.name] else found.with_passages_in_memory(),
            encoder,
            observer,
            transforms=chosen,
            store=store,
            load_seconds=loaded_model.load_seconds,
            with_texts=texts,
            export=export,
            streaming=streaming if streams[found.name] else None,
            source=loaded_model.source,
        )
    for entry in prune(store or default_store(), SIZE_LIMIT, spare_seconds=_SPARE_SECONDS):
        observer.log(f"removed {entry.folder}: the store is full, and this entry is the least recently used")
    results = Results(
        described,
        {name: each.results for name, each in evaluations.items()},
        current_environment(encoder.info.device),
    )
    result = Result(
        results,
        {name: each.ranking.ranks for name, each in evaluations.items()},
        {name: each.ranking.top for name, each in evaluations.items()},
        {name: each.errors for name, each in evaluations.items() if each.errors},
    )
    return result if reports is None else result.written_to(reports, with_leaderboard=with_leaderboard)


def _note_training_texts(
    folder: Path, collections: Sequence[Collection], count_shared: CountShared, observer: Observer
) -> dict[str, str]:
    """Note which collections a checkpoint was trained on texts of, and which its texts were not compared with."""
    unknown = not_compared(folder, [each.name for each in collections])
    counts = count_shared(folder, [each for each in collections if each.name in unknown]) if unknown else {}
    named = {
        NOT_COMPARED: [name for name in unknown if name not in counts],
        TRAINED_ON: [f"{name} ({some:,} of {total:,} examples)" for name, (some, total) in counts.items() if some],
    }
    notes = {key: ", ".join(names) for key, names in named.items() if names}
    for key, names in notes.items():
        observer.log(f"{key}: {names}; scores may be too high")
    return notes


def _load_collections(
    collections: Sequence[str | Collection], data: Path | None, observer: Observer, *, allow_mismatch: bool
) -> list[Collection]:
    """Load the named collections, each with its query variants, and download them if necessary.

    Raises
    ------
    DataError
        No collection is given, or two have the same name.
    """
    if not collections:
        raise DataError("no collection given; name one, such as xquad-r.")
    given = [
        each if isinstance(each, Collection) else load_collection(each, allow_mismatch=allow_mismatch)
        for each in collections
        if not isinstance(each, str)
    ]
    named = load_collections(
        [each for each in collections if isinstance(each, str)],
        data,
        allow_mismatch=allow_mismatch,
        log=observer.log,
    )
    loaded = [version for each in (*named.values(), *given) for version in with_variants(each)]
    names = [each.name for each in loaded]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two collections are called {name!r}; evaluate them separately, or rename one.")
    return loaded


def _list(settings: Mapping[str, object]) -> str:
    """Format settings as ``, name value``. Those that are not set are left out."""
    return "".join(f", {name} {value!r}" for name, value in settings.items() if value not in (None, "", [], {}))
