"""Rerank a run's best passages with a cross-encoder."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from babelrank.encoding.model_files import find_model
from babelrank.errors import EncoderError, SearchError
from babelrank.ranking.runs import Resolved, trec_order
from babelrank.ranking.trec import Run

# Pairs of texts -> one score each, float32, shape (pairs,); higher is more relevant.
PairScorer = Callable[[Sequence[tuple[str, str]]], np.ndarray]
_CHUNK = 1024  # pairs between two reports of progress
_HEADLESS = ("Model", "ForMaskedLM", "ForPreTraining")  # endings of architectures without a score


def load_cross_encoder(
    model: str, *, device: str | None = None, max_length: int | None = None, batch_size: int = 32
) -> PairScorer:
    """Load a CrossEncoder of sentence-transformers: a folder, or a name on the Hub.

    Parameters
    ----------
    max_length
        Number of tokens of question and passage together; by default the model's limit.
    batch_size
        Number of pairs per batch.

    Raises
    ------
    EncoderError
        The model cannot be loaded, its weights are pickled or incomplete, or it gives more than one score for a pair.
    """
    from sentence_transformers import CrossEncoder

    from babelrank.encoding.loading import load_checked

    files = find_model(model, None)
    architectures = [str(name) for name in files.config.get("architectures") or []]
    if architectures and all(name.endswith(_HEADLESS) for name in architectures):
        # The library would add a head of random numbers.
        raise EncoderError(f"{model}: not a cross-encoder, but an encoder without a scoring head ({architectures[0]}).")
    limits = {} if max_length is None else {"max_length": max_length}
    encoder: Any = load_checked(
        lambda: CrossEncoder(files.location, revision=files.revision, device=device, **limits),
        files,
        trust_remote_code=False,
    )
    if encoder.num_labels != 1:
        raise EncoderError(
            f"{model}: returns {encoder.num_labels} scores for each pair; a cross-encoder must return one."
        )

    def score(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        scores: np.ndarray = encoder.predict(list(pairs), batch_size=batch_size, show_progress_bar=False)
        return scores.astype(np.float32)

    return score


def rerank(
    resolved: Resolved,
    questions: Sequence[str],
    score: PairScorer,
    *,
    top: int = 100,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Run:
    """Sort the best passages of each query by new scores.

    Passages below `top` keep their order after the reranked ones. Passages that are not in the collection have no text
    and are removed.

    Parameters
    ----------
    questions
        Texts of the collection's queries, by row.
    top
        Number of passages to score for each query.
    on_progress
        Called with the number of scored pairs and of all pairs.

    Returns
    -------
    Run
        Lines by query and best first, in trec_eval's order.

    Raises
    ------
    SearchError
        `top` is below 1.
    EncoderError
        A score is not finite, or the number of scores differs from that of pairs.
    """
    if top < 1:
        raise SearchError(f"--top must be at least 1, got {top}.")
    run = resolved.run
    there = np.array([name in resolved.passages for name in run.passages])
    upper = np.flatnonzero(there & (resolved.places <= top))
    lower = np.flatnonzero(there & (resolved.places > top))
    fresh = np.empty(len(upper), dtype=np.float32)
    for start in range(0, len(upper), _CHUNK):
        lines = upper[start : start + _CHUNK]
        pairs = [(questions[resolved.rows[line]], resolved.passages[run.passages[line]].text) for line in lines]
        scores = score(pairs)
        if scores.shape != (len(pairs),) or not np.isfinite(scores).all():
            raise EncoderError(
                f"the cross-encoder gave scores of shape {scores.shape} for {len(pairs)} pairs, or no numbers."
            )
        fresh[start : start + len(pairs)] = scores
        on_progress(start + len(pairs), len(upper))
    lowest = np.full(int(resolved.rows.max()) + 1, np.inf, dtype=np.float32)
    np.minimum.at(lowest, resolved.rows[upper], fresh)
    lowest[np.isinf(lowest)] = 0.0
    # Places below the lowest new score: the next float32 may be further than 1 away.
    below = lowest[resolved.rows[lower]] - resolved.places[lower] * np.maximum(1, np.abs(lowest[resolved.rows[lower]]))
    kept, scores = np.concatenate([upper, lower]), np.concatenate([fresh, below]).astype(np.float32)
    order = trec_order(resolved.rows[kept], run.passages[kept], scores)
    return Run(run.queries[kept][order], run.passages[kept][order], scores[order])
