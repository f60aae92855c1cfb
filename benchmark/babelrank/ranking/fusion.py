"""Fuse several runs into one: reciprocal rank fusion, and weighted scores."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from babelrank.errors import SearchError, unknown_choice
from babelrank.ranking.runs import trec_order
from babelrank.ranking.trec import Run, place_in_groups

RRF_K = 60  # Cormack et al. 2009, SIGIR, doi:10.1145/1571941.1572114: found on TREC's data, the usual value since
_Weigher = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (queries, scores) of lines in order -> value of each line


def fuse(runs: Sequence[Run], method: str, weights: Sequence[float] | None = None, *, depth: int | None = None) -> Run:
    """Fuse runs of the same queries.

    ``rrf``: the score of a passage is Σ weight / (60 + rank) over the runs that contain it (Cormack et al. 2009).
    ``weighted``: Σ weight · score, after scaling the scores of each query of each run to 0 … 1 (lowest and highest of
    its list; 1 if all are equal). A run adds 0 for passages that it lacks.

    Parameters
    ----------
    runs
        Two or more, with the same query ids.
    method
        One of `METHODS`.
    weights
        One positive weight per run; equal by default.
    depth
        Number of passages kept for each query; all by default.

    Returns
    -------
    Run
        Lines by query and best first, in trec_eval's order; independent of the order of the runs' lines.

    Raises
    ------
    SearchError
        There are fewer than two runs, the method is unknown, the weights are not one positive number per run, or
        ``weighted`` gets infinite scores.
    """
    if method not in METHODS:
        raise SearchError(unknown_choice("method of fusion", method, METHODS))
    if len(runs) < 2:
        raise SearchError("fusion needs at least two runs.")
    weights = [1.0] * len(runs) if weights is None else list(weights)
    if len(weights) != len(runs) or not all(np.isfinite(weight) and weight > 0 for weight in weights):
        raise SearchError(
            f"--weights must be {len(runs)} positive numbers, one for each run, got {', '.join(map(str, weights))}."
        )
    if method == "weighted" and not all(np.isfinite(run.scores).all() for run in runs):
        raise SearchError("infinite scores cannot be weighted; --method rrf fuses by ranks alone.")
    query_of, queries = pd.factorize(np.concatenate([run.queries for run in runs]), sort=True)
    passage_of, passages = pd.factorize(np.concatenate([run.passages for run in runs]))
    worth = np.empty(len(query_of))
    start = 0
    for run, weight in zip(runs, weights, strict=True):
        part = slice(start, start := start + len(run))
        order = trec_order(query_of[part], run.passages, run.scores)
        worth[part][order] = weight * METHODS[method](query_of[part][order], run.scores[order].astype(np.float64))
    keys, line_of = np.unique(query_of * len(passages) + passage_of, return_inverse=True)
    scores = np.bincount(line_of, weights=worth).astype(np.float32)
    fused_queries, fused_passages = queries[keys // len(passages)], passages[keys % len(passages)]
    order = trec_order(keys // len(passages), fused_passages, scores)
    if depth is not None:
        order = order[place_in_groups(keys[order] // len(passages)) <= depth]
    return Run(fused_queries[order], fused_passages[order], scores[order])


def _reciprocal_ranks(queries: np.ndarray, _scores: np.ndarray) -> np.ndarray:
    worth: np.ndarray = 1 / (RRF_K + place_in_groups(queries))
    return worth


def _normalised_scores(queries: np.ndarray, scores: np.ndarray) -> np.ndarray:
    _, first, lists = np.unique(queries, return_index=True, return_inverse=True)
    highest = scores[first][lists]
    lowest = np.minimum.reduceat(scores, first)[lists]
    extent = highest - lowest
    worth: np.ndarray = np.where(extent > 0, (scores - lowest) / np.where(extent > 0, extent, 1), 1.0)
    return worth


METHODS: dict[str, _Weigher] = {"rrf": _reciprocal_ranks, "weighted": _normalised_scores}
