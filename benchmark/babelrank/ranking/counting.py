"""The inner loops: how many passages of each language outscore, or equal, a relevant one, and which are the best."""

import numba
import numpy as np


# Reordering sums lets the compiler count in vector registers, nine times as fast as with integers; sums of ones are
# exact in float32 up to 2²⁴, far above the passages of one language that are ranked in exact blocks.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _count_slice(scores: np.ndarray, threshold: np.float32) -> tuple[np.float32, np.float32]:
    """Return how many of `scores` are above, and how many at least, `threshold`."""
    above = np.float32(0)
    at_least = np.float32(0)
    for i in range(scores.size):
        above += np.float32(1) if scores[i] > threshold else np.float32(0)
        at_least += np.float32(1) if scores[i] >= threshold else np.float32(0)
    return above, at_least


@numba.njit(nogil=True, cache=True, error_model="numpy")
def count_ranks(
    scores: np.ndarray,
    bounds: np.ndarray,
    starts: np.ndarray,
    passages: np.ndarray,
    passage_langs: np.ndarray,
    in_language: np.ndarray,
    in_pool: np.ndarray,
    tied: np.ndarray,
) -> None:
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
            above, at_least = 0.0, 0.0
            for lang in range(len(bounds) - 1):
                a, b = _count_slice(row[bounds[lang] : bounds[lang + 1]], threshold)
                above += a
                at_least += b
                if lang == own:
                    in_language[judgement] = (a + b + 1) / 2
            in_pool[judgement] = (above + at_least + 1) / 2
            tied[judgement] = at_least - above > 1


@numba.njit(nogil=True, cache=True, error_model="numpy")
def keep_best(
    scores: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    columns: np.ndarray,
    passages: np.ndarray,
    ranks: np.ndarray,
) -> None:
    """List the best passages of some parts of the pool for a block of queries, best first, with their mid-ranks.

    Of equal scores, those that come first in the pool are kept; the others count in the ranks all the same.

    Parameters
    ----------
    scores
        float32, shape (queries, pool): higher is nearer.
    starts, stops
        int64, shape (parts,): where each part lies in the pool.
    columns
        int64, shape (parts + 1,): where each part's list stands among the columns below; none is longer than its part.
    passages
        int64, shape (queries, columns): filled with positions in the pool.
    ranks
        float64, shape (queries, columns): filled with ranks in the part.
    """
    for query in range(len(scores)):
        row = scores[query]
        for part in range(len(starts)):
            best = passages[query, columns[part] : columns[part + 1]]
            best_ranks = ranks[query, columns[part] : columns[part + 1]]
            if not len(best):
                continue
            held = 0
            last = np.float32(0)  # score of the last that is held, once the list is full
            for i in range(starts[part], stops[part]):
                score = row[i]
                if held == len(best) and not score > last:
                    continue
                place = held if held < len(best) else held - 1
                held = place + 1
                while place > 0 and row[best[place - 1]] < score:
                    best[place] = best[place - 1]
                    place -= 1
                best[place] = i
                last = row[best[held - 1]]
            _, at_least = _count_slice(row[starts[part] : stops[part]], last)
            first = 0
            while first < held:  # from the first of equal scores to the first of the next
                following = first + 1
                while following < held and row[best[following]] == row[best[first]]:
                    following += 1
                end = following if following < held else at_least
                best_ranks[first:following] = (first + 1 + end) / 2
                first = following
