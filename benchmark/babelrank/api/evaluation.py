"""Evaluate a model in memory, submit it to a leaderboard, or diagnose which languages it ranks first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelrank.api.inputs import encoder_options, reports_folder, watched_by
from babelrank.data.collection import Collection
from babelrank.data.language_facts import parse_languages
from babelrank.files import as_path, atomic_write, optional_path
from babelrank.observer import Observer
from babelrank.pipelines.diagnosis import diagnose as run_diagnosis
from babelrank.pipelines.diagnosis import open_unjudged
from babelrank.pipelines.models import load_model, open_transforms
from babelrank.pipelines.modes import Streaming
from babelrank.pipelines.submission import submit as run_submission
from babelrank.reporting.diagnosis import Diagnosis
from babelrank.reporting.leaderboard import write_leaderboard
from babelrank.reporting.names import LEADERBOARD
from babelrank.result import Result
from babelrank.training.contamination import count_shared

DEFAULT_COLLECTIONS = ("xquad-r", "mlqa-r")
_DEFAULT_NAME = "reports"  # of the folder of reports: a leaderboard belongs next to it


def evaluate(
    model: object,
    collection: str | Collection | Sequence[str | Collection] = DEFAULT_COLLECTIONS,
    *,
    name: str | None = None,
    adapter: str | None = None,
    transforms: Sequence[str] = (),
    data: str | Path | None = None,
    store: str | Path | None = None,
    runs: str | Path | None = None,
    streaming: Streaming | None = None,
    seen: str | Sequence[str] | None = None,
    base_model: str | None = None,
    family: str | None = None,
    texts: bool = True,
    reports: str | Path | None = None,
    leaderboard: bool = False,
    replace: bool = False,
    missing: str | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Result:
    """Evaluate how well a model retrieves within and across languages, and which languages it favours.

    Parameters
    ----------
    model
        A name on the Hub, a folder, a ``SentenceTransformer``, ``SparseEncoder`` or ``MultiVectorEncoder``, an object
        with ``encode_query`` and ``encode_document``, or a function from a list of texts to an array of shape
        (texts, dimension).
    collection
        A specification such as ``xquad-r``, ``mlqa-r:de,en`` or ``beir:scifact``, a `Collection`, a retrieval task of
        mteb, or a list of these.
    name
        Name of the model in the result.
    adapter
        Adapter that loads a name or folder; found automatically by default.
    transforms
        Transforms of dense vectors, applied in this order, such as ``["center"]``, or ``["center@ntrex:lead:de,en"]``
        to fit it to another collection.
    data, store
        Folders of the collections and of the stored representations; by default the user's.
    runs
        Folder for TREC runs of the multilingual setting, with qrels.
    streaming
        How collections that do not fit into memory are streamed.
    seen
        Languages that the model was trained on: codes, or one string with commas.
    base_model
        Name of the model that this one is a variant of. Leaderboards group variants under it. By default taken from
        a checkpoint of `train`, or the model without its transforms.
    family
        Name of a family of models that differ only in size. Scaling laws are fitted per family.
    texts
        Whether the result quotes the worst questions, if the collection's licence is known.
    reports
        Folder of reports to write to; None writes nothing (see `Result.save` and `submit`).
    leaderboard
        Whether to refresh the leaderboard next to `reports` after the report is written.
    replace
        Whether to replace scores in the report that come from a different version of the collection.
    missing
        Whether to ``count`` relevant passages that the corpus lacks, and judged queries without a relevant passage,
        as not retrieved (as trec_eval, BEIR and published results do), or to ``ignore`` them. By default they count,
        but a collection is refused if more than 5 % of its judgements name unknown queries or passages.
    observer
        Receives the progress; None shows it on standard error.
    options
        Fields of `EncoderOptions`, such as ``query_prompt``, ``max_length``, ``similarity``, ``batch_size``,
        ``device``, ``revision`` or ``trust_remote_code``.

    Returns
    -------
    Result

    Raises
    ------
    BabelrankError
        The model, a collection or an option is not valid. Most errors are found before anything is encoded.

    Examples
    --------
    >>> import babelrank
    >>> import numpy as np
    >>> def letters(texts):
    ...     return np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz "] for text in texts])
    >>> result = babelrank.evaluate(letters, "sample:de,en")
    >>> result.pairs("mAP").shape
    (2, 3)
    """
    collections: Sequence[Any] = (
        collection if isinstance(collection, Sequence) and not isinstance(collection, str) else [collection]
    )
    folder = optional_path(reports)
    with watched_by(observer) as watching:
        result = run_submission(
            str(model) if isinstance(model, Path) else model,
            collections,
            folder,
            watching,
            options=encoder_options(options),
            adapter=adapter,
            transforms=transforms,
            name=name,
            data=optional_path(data),
            store=optional_path(store),
            runs=optional_path(runs),
            streaming=streaming,
            seen=_read_languages(seen),
            base_model=base_model,
            family=family,
            texts=texts,
            with_leaderboard=leaderboard,
            replace_figures=replace,
            missing=missing,
            count_shared=count_shared,
        )
        if folder is not None and leaderboard:
            write_leaderboard(folder, folder.resolve().parent)
        return result


def submit(
    model: object,
    collection: str | Collection | Sequence[str | Collection] = DEFAULT_COLLECTIONS,
    *,
    reports: str | Path | None = None,
    leaderboard: bool | None = None,
    observer: Observer | None = None,
    **settings: Any,
) -> Result:
    """Evaluate a model, write its report, and refresh the leaderboard.

    Parameters
    ----------
    model, collection, settings
        As `evaluate` takes them.
    reports
        Folder of the reports; by default ``BABELRANK_REPORTS``, else ``./reports``.
    leaderboard
        Whether to refresh the leaderboard next to the folder of reports. By default yes if `reports` is given or
        the folder is called ``reports``.
    observer
        Receives the progress; None shows it on standard error.

    Returns
    -------
    Result
        The results; ``.folder`` is the folder of the report.

    Raises
    ------
    BabelrankError
        As for `evaluate`; or the folder cannot be written or holds another model's report. Most errors are found
        before anything is encoded.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     result = babelrank.submit("use-multilingual-v3", "sample:de,en", reports=f"{folder}/reports")
    >>> result.folder.name
    'use-multilingual-v3'
    """
    folder = reports_folder(reports)
    refreshed = (reports is not None or folder.name == _DEFAULT_NAME) if leaderboard is None else leaderboard
    with watched_by(observer) as watching:
        ending = f", and the leaderboard to {folder.parent / LEADERBOARD}" if refreshed else ""
        watching.log(f"The report is written to {folder}{ending}.")
        return evaluate(model, collection, reports=folder, leaderboard=refreshed, observer=watching, **settings)


def diagnose(
    model: object,
    collection: str | Collection,
    *,
    name: str | None = None,
    adapter: str | None = None,
    transforms: Sequence[str] = (),
    data: str | Path | None = None,
    store: str | Path | None = None,
    streaming: Streaming | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Diagnosis:
    """Find out which languages a model ranks first in a mixed-language corpus. No qrels are needed.

    For each query language, compare the share of each passage language in the top 1, 10 and 100 with its share of the
    corpus. Intervals come from a bootstrap over questions, each with its translations.

    Parameters
    ----------
    collection
        Specification such as ``local:DIR``, or a `Collection`. Its ``qrels.tsv`` is not read and may be missing.
    out
        File for the shares as CSV.
    model, name, adapter, transforms, data, store, streaming, observer, options
        As for `evaluate`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    BabelrankError
        The model, the collection or an option is not valid, or all passages are in one language. Most errors are found
        before anything is encoded.

    Examples
    --------
    >>> import babelrank
    >>> import pandas as pd
    >>> queries = pd.DataFrame({"id": ["q"], "lang": ["de"], "text": ["Wer lief nach Hause?"]})
    >>> passages = pd.DataFrame(
    ...     {"id": [1, 2], "lang": ["de", "en"], "text": ["Ann lief nach Hause.", "Stocks fell on Monday."]}
    ... )
    >>> mixed = babelrank.Collection.from_frames(queries, passages, name="mixed")
    >>> found = babelrank.diagnose("use-multilingual-v3", mixed)
    >>> found.to_frame().query("query == 'de' and depth == 1")[["passage", "share", "corpus"]].values.tolist()
    [['de', 1.0, 0.5], ['en', 0.0, 0.5]]
    """
    with watched_by(observer) as watching:
        chosen = open_transforms(transforms, optional_path(data), watching)
        loaded = open_unjudged(collection, optional_path(data), watching)
        named = str(model) if isinstance(model, Path) else model
        vectors = optional_path(store)
        ready = load_model(
            named,
            watching,
            options=encoder_options(options),
            adapter=adapter,
            transforms=chosen,
            name=name,
            store=vectors,
        )
        found = run_diagnosis(ready, loaded, watching, store=vectors, streaming=streaming or Streaming())
    if out is not None:
        atomic_write(as_path(out), found.to_frame().to_csv(index=False))
    return found


def _read_languages(seen: str | Sequence[str] | None) -> list[str] | None:
    """Return language codes in canonical form; None stays None."""
    if seen is None or isinstance(seen, str):
        return None if seen is None else parse_languages(seen)
    return parse_languages(",".join(seen)) if seen else []
