"""The public functions: evaluate a model, read and compare reports, make a leaderboard, train."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from babelrank.analysis.bootstrap import MACRO_FIGURES, RANK_DISTANCE
from babelrank.analysis.measures import MEASURES
from babelrank.comparison import Comparison, compare_results
from babelrank.data.collection import Collection
from babelrank.encoding.protocol import EncoderOptions, parse_similarity
from babelrank.errors import EncoderError, ReportError, unknown_choice
from babelrank.observer import Observer
from babelrank.pipelines.modes import Streaming
from babelrank.pipelines.submission import submit as run_submission
from babelrank.reporting.measures import measures_of
from babelrank.reporting.report import find_folder, read_reports
from babelrank.reporting.results import catalog_order
from babelrank.result import Result, read_result

DEFAULT_COLLECTIONS = ("xquad-r", "mlqa-r")
_BOARD = ["collection", "model", "measure", *MACRO_FIGURES, "parameters", "folder"]


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
    seen: Sequence[str] | None = None,
    texts: bool = True,
    reports: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Result:
    """Evaluate a model within, across and over languages.

    Parameters
    ----------
    model
        A name on the Hub, a folder, a ``SentenceTransformer``, ``SparseEncoder`` or ``MultiVectorEncoder``, an object
        with ``encode_query`` and ``encode_document``, or a function from a list of texts to an array of shape
        (texts, dimension).
    collection
        A specification such as ``xquad-r``, ``mlqa-r:de,en`` or ``beir:scifact``, a `Collection`, or a list of these.
    name
        What the result calls the model.
    adapter
        Which adapter loads a name or folder; found by default.
    transforms
        Applied to dense vectors one after another, such as ``["center"]``.
    data, store
        Folders of the collections and of the stored representations; by default the user's.
    runs
        Folder for TREC runs of the multilingual setting, with qrels.
    streaming
        How collections that do not fit into memory are streamed.
    seen
        Languages that the model was trained on, as codes.
    texts
        Whether the result keeps the texts of the worst questions, where the collection's licence is known.
    reports
        Folder in which to write the report; None writes nothing (see `Result.save`).
    observer
        Told how the work proceeds; None shows progress on standard error.
    options
        Fields of `EncoderOptions`, such as ``query_prompt``, ``max_length``, ``similarity``, ``batch_size``,
        ``device``, ``revision`` or ``trust_remote_code``.

    Returns
    -------
    Result

    Raises
    ------
    BabelrankError
        The model, a collection or an option is not valid; found before anything is encoded, where it can be.

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
    known = EncoderOptions.__dataclass_fields__
    if unknown := next((each for each in options if each not in known), None):
        raise EncoderError(unknown_choice("option", unknown, known))
    if "similarity" in options:
        options["similarity"] = parse_similarity(options["similarity"])
    collections: Sequence[Any] = (
        collection if isinstance(collection, Sequence) and not isinstance(collection, str) else [collection]
    )

    with _watching(observer) as watching:
        return run_submission(
            str(model) if isinstance(model, Path) else model,
            collections,
            _path(reports),
            watching,
            options=EncoderOptions(**options),
            adapter=adapter,
            transforms=transforms,
            name=name,
            data=_path(data),
            store=_path(store),
            runs=_path(runs),
            streaming=streaming,
            seen=seen,
            texts=texts,
        )


def load_report(model: str | Path, reports: str | Path = "reports") -> Result:
    """Read a report.

    Parameters
    ----------
    model
        Path of the report's folder, or the model's name (or its folder's) in `reports`.

    Raises
    ------
    ReportError
        There is no such report, it is damaged, or of a version that cannot be read.

    Examples
    --------
    >>> import babelrank
    >>> babelrank.load_report("reports/bm25").collections
    ('xquad-r', 'mlqa-r', 'beir:scifact')
    """
    return read_result(find_folder(str(model), Path(reports)))


def compare(
    *models: str | Path | Result,
    collections: str | Sequence[str] = (),
    measure: str | None = None,
    margin: float = 0.0,
    reports: str | Path = "reports",
) -> Comparison:
    """Test whether models differ, by paired permutation tests over their questions.

    Parameters
    ----------
    models
        Two or more results, or reports as `load_report` takes them.
    collections
        By default all that the models share.
    measure
        By default the first that reports show of a collection.
    margin
        Differences up to this do not matter in practice; tests are about what goes beyond.

    Raises
    ------
    ReportError
        Fewer than two models, no collection in common, or they were evaluated on different files.

    Examples
    --------
    >>> import babelrank
    >>> found = babelrank.compare("reports/bm25", "reports/use-multilingual-v3", collections="mlqa-r")
    >>> found.to_frame()["figure"].tolist()
    ['monolingual', 'cross_lingual', 'multilingual', 'rank_distance']
    """
    results = [each if isinstance(each, Result) else load_report(each, reports) for each in models]
    chosen = [collections] if isinstance(collections, str) else list(collections)
    return compare_results(results, chosen, measure=measure, margin=margin)


def leaderboard(reports: str | Path = "reports", *, measure: str | None = None) -> pd.DataFrame:
    """Return the macro figures of all reports: one row per model and collection, best first.

    Parameters
    ----------
    measure
        By default the first that reports show of each collection.

    Returns
    -------
    DataFrame
        Columns ``collection``, ``model``, ``measure``, ``monolingual``, ``cross_lingual``, ``multilingual``,
        ``rank_distance``, ``parameters`` and ``folder``. NaN where a collection has no such figure.

    Raises
    ------
    ReportError
        There is no such folder, or a report in it cannot be read.

    Examples
    --------
    >>> import babelrank
    >>> board = babelrank.leaderboard("reports")
    >>> board["collection"].drop_duplicates().tolist()
    ['xquad-r', 'mlqa-r', 'beir:scifact']
    """
    rows = []
    for folder, results in read_reports(Path(reports)).items():
        for name, found in results.collections.items():
            shown = measures_of(name, found)
            chosen = measure or shown.headline[0]
            if chosen not in MEASURES:
                raise ReportError(unknown_choice("measure", chosen, MEASURES))
            macro: dict[str, float | None] = {task: found.macro[task][chosen] for task in shown.tasks}
            if shown.has_bias:
                macro[RANK_DISTANCE] = found.macro["multilingual"][RANK_DISTANCE]
            model = {"model": results.model.name, "parameters": results.model.parameters, "folder": str(folder)}
            rank = {"_order": catalog_order(name), "_score": -(macro[shown.tasks[-1]] or 0.0)}
            rows.append({"collection": name, "measure": chosen, **macro, **model, **rank})
    board = pd.DataFrame(rows)
    if board.empty:
        return pd.DataFrame(columns=_BOARD)
    board = board.sort_values(["_order", "_score", "model"], ignore_index=True)
    return board.reindex(columns=_BOARD).astype(dict.fromkeys(MACRO_FIGURES, float))


def train(config: str | Path, *, data: str | Path | None = None, observer: Any = None) -> Path:
    """Train a checkpoint on hybrid batches, or continue the run that was begun; return its folder.

    Parameters
    ----------
    config
        Configuration of the run in TOML; see experiments/.
    data
        Folder of the test collections, with which training texts are compared.
    observer
        Told how training proceeds; None shows progress on standard error.

    Raises
    ------
    TrainingError
        The configuration or the data is not valid, or training diverged.
    """
    from babelrank.training.config_file import load_config
    from babelrank.training.run import train as run_training

    settings = load_config(Path(config))
    with _watching(observer) as watching:
        return run_training(settings, watching, _path(data))


@contextmanager
def _watching(observer: Any) -> Iterator[Any]:
    """Yield the observer, or one that shows progress on standard error."""
    if observer is not None:
        yield observer
        return
    from rich.console import Console

    from babelrank.reporting.terminal import ProgressBars

    with ProgressBars(Console(stderr=True)) as bars:
        yield bars


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path).expanduser()
