"""Run files in, figures out: somebody else's run, several fused, or one re-ranked; each a system of its own.

Data flows one way: file -> run in trec_eval's order -> ranks -> figures.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelrank.data.collection import Collection
from babelrank.data.download import fetch_if_ours
from babelrank.data.loading import load_collection
from babelrank.errors import DataError, unknown_choice
from babelrank.ranking.fusion import fuse
from babelrank.ranking.reranking import PairScorer, rerank
from babelrank.ranking.runs import Resolved, resolve
from babelrank.ranking.trec import Run, read_run, save_run
from babelrank.reporting.names import check_name, slug
from babelrank.reporting.run_evaluation import RunEvaluation, evaluate_run

MISSING = ("count", "ignore")
_SUFFIX = re.compile(r"(\.run|\.trec|\.txt|\.tsv)?(\.gz|\.bz2|\.xz|\.zst)?$")


@dataclass(frozen=True)
class RunFile:
    """A run file, read; `name` is what reports call it: by default the file's name without its suffix."""

    name: str
    resolved: Resolved


def open_collection(
    spec: str, data: Path | None, announce: Callable[[str], None], missing: str = MISSING[0]
) -> Collection:
    """Load what runs are scored against, downloading what babelrank knows where to get.

    Parameters
    ----------
    missing
        One of `MISSING`: ``count`` relevant passages that the corpus lacks as not retrieved, and judged queries with
        nothing relevant as 0, as trec_eval and published figures have it; or ``ignore`` both, as `submit` does.

    Raises
    ------
    DataError
        See `load_collection`; `missing` is none of `MISSING`.
    """
    if missing not in MISSING:
        raise DataError("--missing: " + unknown_choice("way", missing, MISSING))
    fetch_if_ours(spec, data, announce)
    collection = load_collection(spec, data)
    return collection if missing == "ignore" else collection.with_missing()


def open_run(path: Path, collection: Collection, name: str | None = None) -> RunFile:
    """Read a run and look up its queries and passages.

    Raises
    ------
    DataError
        It is malformed, or not of this collection; see `read_run` and `resolve`.
    ReportError
        The name is not a valid one.
    """
    return RunFile(check_name(name or _SUFFIX.sub("", path.name)), resolve(read_run(path), collection, str(path)))


def evaluate_file(path: Path, collection: Collection, name: str | None = None) -> RunEvaluation:
    """Score a run file; see `open_run` for what can be wrong with it."""
    run = open_run(path, collection, name)
    return evaluate_run(run.name, run.resolved, collection)


def fuse_files(
    paths: Sequence[Path],
    collection: Collection,
    *,
    method: str,
    weights: Sequence[float] | None,
    out: Path,
    name: str | None = None,
    depth: int,
) -> RunEvaluation:
    """Fuse run files into one, write that to `out`, and score it.

    Raises
    ------
    BabelrankError
        A run is malformed or not of this collection, or they cannot be fused as asked; see `open_run` and `fuse`.
    """
    runs = [open_run(path, collection) for path in paths]
    fused = fuse([run.resolved.run for run in runs], method, weights, depth=depth)
    return _write(fused, collection, name or f"{method} of {', '.join(run.name for run in runs)}", out)


def rerank_file(
    path: Path,
    collection: Collection,
    score: PairScorer,
    *,
    top: int,
    out: Path,
    name: str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RunEvaluation:
    """Re-rank a run file, write the run to `out`, and score it.

    Raises
    ------
    BabelrankError
        The run is malformed or not of this collection, or cannot be re-ranked; see `open_run` and `rerank`.
    """
    resolved = open_run(path, collection).resolved
    questions = collection.queries["text"].tolist()
    return _write(rerank(resolved, questions, score, top=top, on_progress=on_progress), collection, name, out)


def _write(run: Run, collection: Collection, name: str, out: Path) -> RunEvaluation:
    check_name(name)
    resolved = resolve(run, collection, name)
    save_run(out, resolved.run, slug(name))
    return evaluate_run(name, resolved, collection)
