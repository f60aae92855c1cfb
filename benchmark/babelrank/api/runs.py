"""Score, fuse and re-rank TREC runs, and measure what an approximate index costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babelrank.analysis.approximation import ApproximateSearch
from babelrank.api.inputs import optional_path, watched_by
from babelrank.files import as_path, atomic_write
from babelrank.observer import Observer
from babelrank.pipelines.approximation import approximate as measure_search
from babelrank.pipelines.runs import evaluate_file, fuse_files, open_collection, rerank_file
from babelrank.ranking import reranking
from babelrank.reporting.approximation import cost_tables, index_lines, notes, render_approximation
from babelrank.reporting.names import public_label
from babelrank.reporting.run_evaluation import RunEvaluation, as_json

if TYPE_CHECKING:
    from rich.console import RenderableType


def score_run(
    run: str | Path,
    collection: str,
    *,
    name: str | None = None,
    missing: str = "count",
    data: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> RunEvaluation:
    """Score a TREC run as trec_eval does, by language where there are several.

    Parameters
    ----------
    run
        File with lines ``query Q0 passage rank score tag``; may be gzipped.
    collection
        Specification of the collection that the run is of, such as ``beir:scifact``.
    name
        What the result calls the run; by default the file's name.
    missing
        Relevant passages that the corpus lacks, and judged queries with nothing relevant: ``count`` them as not
        retrieved, as trec_eval and published figures do, or ``ignore`` them, as `evaluate` does.
    data
        Folder of the collections; by default the user's.
    out
        File for the result as JSON.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    BabelrankError
        The run is malformed or of another collection, or the collection or an option is unknown.

    Examples
    --------
    >>> import babelrank
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     result = babelrank.evaluate("use-multilingual-v3", "sample:en", runs=folder)
    ...     (run,) = Path(folder).glob("*.run")
    ...     scored = babelrank.score_run(run, "sample:en")
    >>> scored.queries
    28
    """
    with watched_by(observer) as watching:
        loaded = open_collection(collection, optional_path(data), watching.log, missing)
        return _written(evaluate_file(as_path(run), loaded, name), out)


def fuse_runs(
    runs: Sequence[str | Path],
    collection: str,
    *,
    method: str = "rrf",
    weights: Sequence[float] | None = None,
    depth: int = 1000,
    run_out: str | Path = "fused.run",
    name: str | None = None,
    missing: str = "count",
    data: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> RunEvaluation:
    """Fuse TREC runs into one, write it, and score it.

    Parameters
    ----------
    runs
        Two files or more.
    method
        ``rrf`` (reciprocal ranks) or ``weighted`` (scores scaled to 0 to 1).
    weights
        One for each run; by default they weigh the same.
    depth
        Passages kept for each query.
    run_out
        File of the fused run.
    collection, name, missing, data, out, observer
        As for `score_run`.

    Raises
    ------
    BabelrankError
        A run is malformed or of another collection, or they cannot be fused that way.
    """
    with watched_by(observer) as watching:
        loaded = open_collection(collection, optional_path(data), watching.log, missing)
        paths = [as_path(run) for run in runs]
        fused = fuse_files(paths, loaded, method=method, weights=weights, out=as_path(run_out), name=name, depth=depth)
        return _written(fused, out)


def rerank_run(
    run: str | Path,
    model: str,
    collection: str,
    *,
    top: int = 100,
    max_length: int | None = None,
    batch_size: int = 32,
    device: str | None = None,
    run_out: str | Path = "reranked.run",
    name: str | None = None,
    missing: str = "count",
    data: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> RunEvaluation:
    """Sort a TREC run's best passages again with a cross-encoder, write the new run, and score it.

    Parameters
    ----------
    model
        A CrossEncoder of sentence-transformers: its folder, or its name on the Hub.
    top
        Passages of each query that are scored again.
    max_length
        Tokens of question and passage together; by default the model's own.
    batch_size
        Pairs that the model reads at once.
    device
        As PyTorch names it, such as ``cpu`` or ``cuda:1``.
    run_out
        File of the new run.
    run, collection, name, missing, data, out, observer
        As for `score_run`.

    Raises
    ------
    BabelrankError
        The run is malformed or of another collection, or the model cannot be loaded.
    """
    with watched_by(observer) as watching:
        loaded = open_collection(collection, optional_path(data), watching.log, missing)
        score = reranking.load_cross_encoder(model, device=device, max_length=max_length, batch_size=batch_size)
        reranked = rerank_file(
            as_path(run),
            loaded,
            score,
            top=top,
            out=as_path(run_out),
            name=name or f"{public_label(model)} on the top {top}",
            on_progress=watching.counting("pairs scored", "pairs"),
        )
        return _written(reranked, out)


@dataclass(frozen=True)
class ApproximationReport:
    """What an approximate index costs: time, memory, recall, nDCG and rank distance by language.

    Attributes
    ----------
    found
        The measurements.
    """

    found: ApproximateSearch

    def to_markdown(self) -> str:
        """Return the report as Markdown."""
        return render_approximation(self.found)

    def __rich__(self) -> "RenderableType":
        from rich.console import Group

        from babelrank.reporting.terminal import text_lines

        tables = cost_tables(self.found)
        return Group(*text_lines(index_lines(self.found)), *tables, *text_lines([notes(self.found)]))


def approximate(
    model: str,
    index: str,
    collection: str = "xquad-r",
    *,
    parameters: str = "",
    top: int = 100,
    sample: int | None = None,
    adapter: str | None = None,
    data: str | Path | None = None,
    store: str | Path | None = None,
    memory: int | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> ApproximationReport:
    """Search a collection by an approximate index and exactly, and compare.

    Parameters
    ----------
    model, adapter
        As for `load_encoder`; the model returns dense vectors.
    index
        FAISS's name of the index, such as ``IVF64,Flat`` or ``HNSW32``.
    collection
        Specification of one collection.
    parameters
        Of the search, such as ``nprobe=16``; several separated by commas.
    top
        Passages per list; at least 10.
    sample
        Number of queries that are compared, drawn at random; by default all.
    data, store
        Folders of the collections and of the stored representations; by default the user's.
    memory
        Bytes that the index, or a search, may take.
    out
        File for the report as Markdown.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    BabelrankError
        The collection, the model or the index is not valid, or the vectors are not dense.
    """
    with watched_by(observer) as watching:
        found = measure_search(
            model,
            collection,
            index,
            watching,
            parameters=parameters,
            k=top,
            sample=sample,
            adapter=adapter,
            data=optional_path(data),
            store=optional_path(store),
            memory=memory,
        )
    report = ApproximationReport(found)
    if out is not None:
        atomic_write(as_path(out), report.to_markdown())
    return report


def _written(evaluation: RunEvaluation, out: str | Path | None) -> RunEvaluation:
    if out is not None:
        atomic_write(as_path(out), as_json(evaluation))
    return evaluation
