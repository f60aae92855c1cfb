"""The inner loop: how many passages of each language outscore, or equal, each relevant passage."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count_slice(scores, threshold):
    """Return how many of `scores` are above, and how many at least, `threshold`."""
    above = np.int32(0)
    at_least = np.int32(0)
    for score in scores:
        above = np.int32(above + np.int32(score > threshold))
        at_least = np.int32(at_least + np.int32(score >= threshold))
    return above, at_least


@numba.njit(nogil=True, cache=True, error_model="numpy")
def count_ranks(scores, bounds, starts, passages, passage_langs, in_language, in_pool, tied):
    """Rank the relevant passages of a block of queries.

    The rank of a passage is ``1 + #{higher} + ½ · #{others with the same score}``, which is
    ``(#{higher} + #{at least as high} + 1) / 2`` when the passage itself is counted among the latter.

    Parameters
    ----------
    scores
        float32, shape (queries, pool): higher is nearer.
    bounds
        int64, shape (languages + 1,): where each language's passages begin in the pool.
    starts
        int64, shape (queries + 1,): where each query's relevant passages begin in the arrays below.
    passages, passage_langs
        int64, shape (judgements,): position in the pool, index of its language.
    in_language, in_pool
        float64, shape (judgements,): filled with the ranks.
    tied
        bool, shape (judgements,): filled with whether another passage of the pool has the same score.
    """
    for query in range(len(scores)):
        row = scores[query]
        for judgement in range(starts[query], starts[query + 1]):
            threshold = row[passages[judgement]]
            own = passage_langs[judgement]
            above, at_least = np.int64(0), np.int64(0)
            for lang in range(len(bounds) - 1):
                a, b = _count_slice(row[bounds[lang] : bounds[lang + 1]], threshold)
                above += a
                at_least += b
                if lang == own:
                    in_language[judgement] = (a + b + 1) / 2
            in_pool[judgement] = (above + at_least + 1) / 2
            tied[judgement] = at_least - above > 1
