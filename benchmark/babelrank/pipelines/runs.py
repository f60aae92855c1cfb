"""Score, compare, fuse and re-rank run files.

Data flows one way: file -> run in trec_eval's order -> ranks -> measures.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from slugify import slugify

from babelrank.analysis.bootstrap import RANK_DISTANCE, clustered_scores
from babelrank.analysis.comparison import compare as compare_figures
from babelrank.analysis.settings import score_pairs
from babelrank.comparison import Comparison
from babelrank.data.collection import Collection
from babelrank.data.download import fetch_if_ours
from babelrank.data.loading import load_collection
from babelrank.errors import ReportError
from babelrank.pipelines.missing import apply_missing
from babelrank.ranking.fusion import fuse
from babelrank.ranking.reranking import PairScorer, rerank
from babelrank.ranking.run_files import read_run
from babelrank.ranking.runs import Resolved, rank_run, resolve
from babelrank.ranking.trec import Run, save_run
from babelrank.reporting.measures import tasks_of
from babelrank.reporting.names import MAX_LENGTH, check_name, find_problem, slug
from babelrank.reporting.run_evaluation import RunEvaluation, evaluate_run
from babelrank.result import check_measure

_SUFFIX = re.compile(r"(\.run|\.trec|\.txt|\.tsv|\.json)?(\.gz|\.bz2|\.xz|\.zst)?$")


@dataclass(frozen=True)
class RunFile:
    """The content of a run file, and its name in reports."""

    name: str
    resolved: Resolved


def open_collection(
    collection: str | Collection, data: Path | None, log: Callable[[str], None], missing: str | None = None
) -> Collection:
    """Load the collection of a run, and download it if necessary.

    Parameters
    ----------
    missing
        See `apply_missing`.

    Raises
    ------
    DataError
        See `load_collection` and `apply_missing`.
    """
    if isinstance(collection, str):
        fetch_if_ours(collection, data, log)
        collection = load_collection(collection, data, allow_mismatch=missing is not None)
    return apply_missing(collection, missing).with_missing()


def open_run(
    path: Path, collection: Collection, name: str | None = None, *, subset: str | None = None, split: str | None = None
) -> RunFile:
    """Read a run and look up its queries and passages; see `read_run` for `subset` and `split`.

    Raises
    ------
    DataError
        The run is malformed or belongs to another collection; see `read_run` and `resolve`.
    ReportError
        The name is not valid.
    """
    run = read_run(path, subset=subset, split=split)
    chosen = check_name(name) if name is not None else _default_name(run, path)
    return RunFile(chosen, resolve(run, collection, str(path)))


def compare_runs(runs: Sequence[RunFile], collection: Collection, measure: str, *, margin: float = 0.0) -> Comparison:
    """Test whether runs differ; see `babelrank.compare_runs`.

    The rank distance is compared only if the runs hold all relevant passages; otherwise it is unknown.

    Raises
    ------
    ReportError
        There are fewer than two runs, two have the same name, or the measure is unknown.
    """
    if len(runs) < 2:
        raise ReportError(f"compare needs at least two runs, got {len(runs)}.")
    names = [run.name for run in runs]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ReportError(f"two runs are called {repeated!r}; give each another --name.")
    tables = [rank_run(run.resolved, collection) for run in runs]
    tasks = tasks_of(collection.languages, score_pairs(tables[0]).n)
    check_measure(measure)
    scores = [clustered_scores(table, measure) for table in tables]
    if not all(np.isfinite(table.table["rank_in_pool"]).all() for table in tables):
        scores = [each.without(RANK_DISTANCE) for each in scores]
    has_distance = scores[0].counts[:, scores[0].settings(RANK_DISTANCE)].any()
    found = compare_figures(scores, (*tasks, RANK_DISTANCE) if has_distance else tasks, margin=margin)
    return Comparison(names, {collection.name: found}, {collection.name: measure})


def fuse_runs(
    runs: Sequence[RunFile],
    collection: Collection,
    *,
    method: str,
    weights: Sequence[float] | None,
    out: Path,
    name: str | None = None,
    depth: int,
) -> RunEvaluation:
    """Fuse runs into one, write it to `out`, and score it.

    Raises
    ------
    BabelrankError
        The runs cannot be fused by this method; see `fuse`.
    """
    fused = fuse([run.resolved.run for run in runs], method, weights, depth=depth)
    return _write(fused, collection, name or f"{method} of {', '.join(run.name for run in runs)}", out)


def rerank_run(
    run: RunFile,
    collection: Collection,
    score: PairScorer,
    *,
    top: int,
    out: Path,
    name: str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RunEvaluation:
    """Re-rank a run, write the new run to `out`, and score it.

    Raises
    ------
    BabelrankError
        The run cannot be re-ranked; see `rerank`.
    """
    questions = collection.queries["text"].tolist()
    return _write(rerank(run.resolved, questions, score, top=top, on_progress=on_progress), collection, name, out)


def _default_name(run: Run, path: Path) -> str:
    """Return the name of the system that a file names, else the file's name without its suffix, made valid."""
    stem = run.system or _SUFFIX.sub("", path.name)
    return stem if find_problem(stem) is None else slugify(stem)[:MAX_LENGTH] or "run"


def _write(run: Run, collection: Collection, name: str, out: Path) -> RunEvaluation:
    check_name(name)
    resolved = resolve(run, collection, name)
    save_run(out, resolved.run, slug(name))
    return evaluate_run(name, resolved, collection)
