"""Load a collection by its specification."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from babelrank.data.afriqa import load_afriqa
from babelrank.data.beir import load_beir
from babelrank.data.catalog import DATA_VARIABLE, SOURCES, Source, data_folder, local_files, source_folder
from babelrank.data.collection import Collection
from babelrank.data.download import fetch_if_ours
from babelrank.data.ir_data_sets import load_ir_datasets
from babelrank.data.joining import UNKNOWN_SHARE
from babelrank.data.lareqa import load_lareqa
from babelrank.data.local import load_local
from babelrank.data.miracl import load_miracl
from babelrank.data.mteb_tasks import load_mteb, load_task
from babelrank.data.ntrex import load_ntrex
from babelrank.data.spec import (
    BEIR,
    HUB,
    IR_DATASETS,
    LAREQA,
    MTEB,
    Spec,
    known_languages,
    parse_spec,
    parse_specs,
)
from babelrank.data.table import SUFFIXES, load_table
from babelrank.data.variants import select_variant
from babelrank.errors import DataError
from babelrank.files import as_path, check_printable, optional_path

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval

_Progress = Callable[[int], None]
_SHOWN = 3  # files in an error


def load_collection(
    spec: "str | Spec | AbsTaskRetrieval",
    data: str | Path | None = None,
    *,
    judged: bool = True,
    allow_mismatch: bool = False,
    on_progress: _Progress = lambda _: None,
) -> Collection:
    """Load a collection by its specification.

    Passages of ``miracl:``, ``beir:`` and ``local:``, and those of a single subset, are read once and stay on disk.
    `Collection.with_passages_in_memory` reads them into memory.

    Parameters
    ----------
    spec
        See `spec.parse_spec`; or a retrieval task of mteb.
    data
        Folder with the published files in ``xquad-r/``, ``ntrex/`` and so on; by default ``BABELRANK_DATA``, else the
        user's data folder, to which `babelrank data fetch` downloads.
    judged
        Whether to read the qrels of a ``local:`` folder. Without them, only `diagnose` can use the collection.
    allow_mismatch
        Whether more than 5 % of the judgements may name queries or passages that the collection lacks.
    on_progress
        Called from time to time with the number of passages read.

    Raises
    ------
    DataError
        The collection is unknown, missing or damaged, its parts do not belong together, or the specification names
        several.

    Examples
    --------
    >>> load_collection("sample:de,en").pool_sizes
    {'de': 70, 'en': 70}
    """
    if not isinstance(spec, (str, Spec)):
        if not hasattr(spec, "metadata"):
            raise DataError(
                f"expected a specification such as 'xquad-r', a Collection or a task of mteb, got {spec!r}."
            )
        return load_task(spec, on_progress)
    parsed = parse_spec(spec) if isinstance(spec, str) else spec
    place = as_path(parsed.place) if parsed.source == "local" else None
    if not judged and place is not None and place.is_dir():
        collection = load_local(place, judged=False, on_progress=on_progress)
    elif parsed.source in _LAYOUTS:
        collection = _load_published(parsed, optional_path(data))
    else:
        collection = _LOADERS[parsed.source](parsed, optional_path(data), on_progress)
    check_printable(collection.name, "collection", DataError)
    if collection.mismatch and judged and not allow_mismatch:
        raise DataError(
            f"{collection.mismatch} With more than {UNKNOWN_SHARE:.0%}, queries, passages and qrels probably do not "
            "belong together. If they do, choose --missing count or --missing ignore."
        )
    return select_variant(collection, parsed.variant) if parsed.variant else collection


def load_collections(
    specs: Iterable[str],
    data: Path | None = None,
    *,
    allow_mismatch: bool = False,
    log: Callable[[str], None] = lambda _: None,
) -> dict[str, Collection]:
    """Load collections to evaluate together, by their names. Published collections are downloaded if necessary.

    Parameters
    ----------
    specs
        See `spec.parse_specs`. A collection that is named twice is loaded once.
    data, allow_mismatch
        As in `load_collection`.
    log
        Called with a line on each downloaded file.

    Raises
    ------
    DataError
        As for `load_collection`; or two collections would have the same name.
    """
    parsed = dict.fromkeys(parse_specs(specs))
    for spec in parsed:
        fetch_if_ours(str(spec), data, log)
    loaded: dict[str, tuple[Spec, Collection]] = {}
    for spec in parsed:
        collection = load_collection(spec, data, allow_mismatch=allow_mismatch)
        other, earlier = loaded.setdefault(collection.name, (spec, collection))
        if earlier.sha256 != collection.sha256:
            raise DataError(
                f"{other} and {spec} would both be called {collection.name}. Rename one folder, link to it by another "
                "name, or evaluate them into separate reports with --out."
            )
    return {name: collection for name, (_, collection) in loaded.items()}


def describe_collection(collection: Collection) -> list[str]:
    """Return lines that describe a collection's contents and what was left out."""
    queries, pools = collection.query_counts, collection.pool_sizes
    across = (
        collection.queries["lang"].to_numpy()[collection.qrels["query"]] != collection.qrels["passage_lang"].to_numpy()
    )
    return [
        f"{collection.name}: {len(collection.queries):,} queries, {len(collection.passages):,} passages, "
        f"{len(collection.qrels):,} relevant pairs, {int(across.sum()):,} of them across languages",
        *(f"  {lang}: {queries[lang]:,} queries, {pools[lang]:,} passages" for lang in collection.languages),
        *(f"  {note}" for note in collection.notes),
    ]


def _load_published(spec: Spec, data: Path | None) -> Collection:
    source = SOURCES[spec.place]
    folder = source_folder(source, data)
    files = local_files(source, folder)
    known = known_languages(source)
    needed = {known[lang] for lang in spec.languages or known}
    missing = sorted((needed | (source.sha256.keys() - set(known.values()))) - files.keys())
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more files" if missing[_SHOWN:] else "")
        raise DataError(
            f"{folder}: {shown} missing. Download the collection with `babelrank data fetch {source.name}`, or set "
            f"--data DIR (or {DATA_VARIABLE}) to a folder with the published files in {source.name}/."
        )
    name = str(replace(spec, variant=""))
    return replace(
        _LAYOUTS[source.layout](name, source, folder, spec), licence=source.licence, description=source.description
    )


def _load_lareqa(name: str, source: Source, folder: Path, spec: Spec) -> Collection:
    files = {lang: folder / file for lang, file in known_languages(source).items() if (folder / file).is_file()}
    pinned = {lang: source.sha256[files[lang].name] for lang in files} if source.sha256 else {}
    return load_lareqa(name, files, candidates=spec.candidates, languages=spec.languages, sha256=pinned)


def _load_ntrex(name: str, source: Source, folder: Path, spec: Spec) -> Collection:
    return load_ntrex(name, folder, candidates=spec.candidates, languages=spec.languages, sha256=source.sha256)


def _load_afriqa(name: str, source: Source, folder: Path, spec: Spec) -> Collection:
    return load_afriqa(name, folder, languages=spec.languages, sha256=source.sha256)


def _load_miracl(spec: Spec, data: Path | None, on_progress: _Progress) -> Collection:
    folder = as_path(spec.place) if spec.place else None
    return load_miracl(spec.languages[0], data_folder(data), folder=folder, on_progress=on_progress)


def _load_beir(spec: Spec, data: Path | None, on_progress: _Progress) -> Collection:
    return load_beir(spec, data_folder(data), on_progress)


def _load_local(spec: Spec, _data: Path | None, on_progress: _Progress) -> Collection:
    place = as_path(spec.place)
    if not place.is_dir() and (place.name.lower().endswith(SUFFIXES) or place.is_file()):
        return load_table(place)
    return load_local(place, on_progress=on_progress)


_LAYOUTS = {LAREQA: _load_lareqa, "ntrex": _load_ntrex, "afriqa": _load_afriqa}
_LOADERS: dict[str, Callable[[Spec, Path | None, _Progress], Collection]] = {
    "miracl": _load_miracl,
    BEIR: _load_beir,
    HUB: _load_beir,
    MTEB: lambda spec, _data, on_progress: load_mteb(spec, on_progress),
    IR_DATASETS: lambda spec, _data, on_progress: load_ir_datasets(spec, on_progress),
    "local": _load_local,
}
