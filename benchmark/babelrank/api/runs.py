"""Score, compare, fuse and re-rank runs, and measure approximate indexes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babelrank.analysis.approximation import ApproximateSearch
from babelrank.api.inputs import watched_by
from babelrank.comparison import Comparison
from babelrank.data.collection import Collection
from babelrank.errors import ReportError
from babelrank.files import as_path, atomic_write, optional_path
from babelrank.observer import Observer
from babelrank.pipelines import runs as run_pipeline
from babelrank.pipelines.approximation import approximate as measure_search
from babelrank.pipelines.runs import RunFile
from babelrank.ranking import reranking
from babelrank.reporting.approximation import cost_tables, index_lines, notes, render_approximation
from babelrank.reporting.names import public_label
from babelrank.reporting.run_evaluation import RunEvaluation, as_json, evaluate_run

if TYPE_CHECKING:
    from rich.console import RenderableType


def score_run(
    run: str | Path,
    collection: str | Collection,
    *,
    name: str | None = None,
    missing: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> RunEvaluation:
    """Score a run with trec_eval's measures, by language if there are several.

    Parameters
    ----------
    run
        Run file, which may be compressed: lines ``query Q0 passage rank score tag``, as pyserini writes them;
        JSON ``{query: {passage: score}}``, as used by ranx and pytrec_eval; or predictions saved by mteb.
    collection
        Specification of the run's collection, such as ``beir:scifact``, or a `Collection`.
    name
        Name of the run in the result; by default the model's name, if the file holds it, else the file's name.
    missing
        Whether to ``count`` relevant passages that the corpus lacks, and judged queries without a relevant passage,
        as not retrieved (as trec_eval and published results do), or to ``ignore`` them. By default as for `evaluate`.
    subset, split
        Which run to read from a file of mteb; not needed if there is only one.
    data
        Folder of the collections; by default the user's.
    out
        File for the result as JSON.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    BabelrankError
        The run is malformed or belongs to another collection, or the collection or an option is unknown.

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
        loaded, (opened,) = _open([run], collection, watching, [name], missing, subset, split, data)
        return _written(evaluate_run(opened.name, opened.resolved, loaded), out)


def compare_runs(
    *runs: str | Path,
    collection: str | Collection,
    names: Sequence[str] = (),
    measure: str | None = None,
    margin: float = 0.0,
    missing: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    data: str | Path | None = None,
    observer: Observer | None = None,
) -> Comparison:
    """Test whether runs differ, by the paired permutation tests of `compare`.

    Relevant passages that are not in a run count as not retrieved. The rank distance is compared only if all runs hold
    all relevant passages.

    Parameters
    ----------
    runs
        Two or more files, of any format that `score_run` reads.
    names
        One name per run; by default as for `score_run`.
    measure
        Measure to compare; by default nDCG@10. mAP is cut off at the end of a run, so it favours longer runs.
    margin
        Differences up to this do not matter in practice. Tests ask whether runs differ by more.
    collection, missing, subset, split, data, observer
        As for `score_run`.

    Raises
    ------
    BabelrankError
        There are fewer than two runs, two have the same name, a run is malformed or belongs to another collection, or
        an option is unknown.

    Examples
    --------
    >>> import babelrank, json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     result = babelrank.evaluate("use-multilingual-v3", "sample:en", runs=folder)
    ...     (run,) = Path(folder).glob("*.run")
    ...     first_only = Path(folder) / "first.run"
    ...     _ = first_only.write_text(run.read_text().splitlines()[0])
    ...     found = babelrank.compare_runs(run, first_only, collection="sample:en")
    >>> found.to_frame()["figure"].tolist()
    ['monolingual']
    """
    if names and len(names) != len(runs):
        raise ReportError(f"{len(names)} names for {len(runs)} runs; give one name per run.")
    with watched_by(observer) as watching:
        chosen: list[str | None] = list(names) or [None] * len(runs)
        loaded, opened = _open(runs, collection, watching, chosen, missing, subset, split, data)
        for run in opened:
            for note in run.resolved.notes:
                watching.log(f"{run.name}: {note}")
        compared = measure or "nDCG@10"
        found = run_pipeline.compare_runs(opened, loaded, compared, margin=margin)
        depths = {run.name: int(run.resolved.depths.max()) for run in opened}
        if len(set(depths.values())) > 1 and float(compared.partition("@")[2] or "inf") > min(depths.values()):
            shown = ", ".join(f"{name} {depth:,}" for name, depth in depths.items())
            watching.log(f"{compared} favours longer runs; passages for a query: {shown}")
        return found


def fuse_runs(
    runs: Sequence[str | Path],
    collection: str | Collection,
    *,
    method: str = "rrf",
    weights: Sequence[float] | None = None,
    depth: int = 1000,
    run_out: str | Path = "fused.run",
    name: str | None = None,
    missing: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> RunEvaluation:
    """Fuse runs into one, write it, and score it.

    Parameters
    ----------
    runs
        Two or more files, in any format that `score_run` reads.
    method
        ``rrf`` (reciprocal ranks) or ``weighted`` (scores scaled to 0 to 1).
    weights
        One weight per run; equal by default.
    depth
        Passages kept per query.
    run_out
        File for the fused run, in TREC format.
    collection, name, missing, subset, split, data, out, observer
        As for `score_run`.

    Raises
    ------
    BabelrankError
        A run is malformed or belongs to another collection, or the runs cannot be fused by this method.
    """
    with watched_by(observer) as watching:
        loaded, opened = _open(runs, collection, watching, [None] * len(runs), missing, subset, split, data)
        fused = run_pipeline.fuse_runs(
            opened, loaded, method=method, weights=weights, out=as_path(run_out), name=name, depth=depth
        )
        return _written(fused, out)


def rerank_run(
    run: str | Path,
    model: str,
    collection: str | Collection,
    *,
    top: int = 100,
    max_length: int | None = None,
    batch_size: int = 32,
    device: str | None = None,
    run_out: str | Path = "reranked.run",
    name: str | None = None,
    missing: str | None = None,
    subset: str | None = None,
    split: str | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> RunEvaluation:
    """Re-rank a run's top passages with a cross-encoder, write the new run, and score it.

    Parameters
    ----------
    model
        A CrossEncoder of sentence-transformers: its folder, or its name on the Hub.
    top
        Passages per query to re-rank.
    max_length
        Maximum number of tokens of query and passage together; by default the model's.
    batch_size
        Pairs per batch.
    device
        PyTorch device, such as ``cpu`` or ``cuda:1``.
    run_out
        File for the new run, in TREC format.
    run, collection, name, missing, subset, split, data, out, observer
        As for `score_run`.

    Raises
    ------
    BabelrankError
        The run is malformed or belongs to another collection, or the model cannot be loaded.
    """
    with watched_by(observer) as watching:
        loaded, (opened,) = _open([run], collection, watching, [None], missing, subset, split, data)
        score = reranking.load_cross_encoder(model, device=device, max_length=max_length, batch_size=batch_size)
        reranked = run_pipeline.rerank_run(
            opened,
            loaded,
            score,
            top=top,
            out=as_path(run_out),
            name=name or f"{public_label(model)} on the top {top}",
            on_progress=watching.counting("pairs scored", "pairs"),
        )
        return _written(reranked, out)


def _open(
    runs: Sequence[str | Path],
    collection: str | Collection,
    observer: Observer,
    names: Sequence[str | None],
    missing: str | None,
    subset: str | None,
    split: str | None,
    data: str | Path | None,
) -> tuple[Collection, list[RunFile]]:
    loaded = run_pipeline.open_collection(collection, optional_path(data), observer.log, missing)
    return loaded, [
        run_pipeline.open_run(as_path(run), loaded, name, subset=subset, split=split)
        for run, name in zip(runs, names, strict=True)
    ]


@dataclass(frozen=True)
class ApproximationReport:
    """The cost of an approximate index: time, memory, recall, nDCG and rank distance by language.

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
    """Search a collection with an approximate index and exactly, and compare the results.

    Parameters
    ----------
    model, adapter
        As for `load_encoder`. The model must return dense vectors.
    index
        FAISS index factory string, such as ``IVF64,Flat`` or ``HNSW32``.
    collection
        Specification of one collection.
    parameters
        Search parameters separated by commas, such as ``nprobe=16``.
    top
        Passages retrieved per query; at least 10.
    sample
        Number of queries to compare, drawn at random; by default all.
    data, store
        Folders of the collections and of the stored representations; by default the user's.
    memory
        Memory limit for the index or a search, in bytes.
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
