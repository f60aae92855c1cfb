"""List the best passages of each query."""

import numba
import numpy as np

from babelrank.ranking.exact_scores import band
from babelrank.ranking.lanes import LANES, at_least, first, first_lanes, highest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _nth_highest(values: np.ndarray, begin: int, end: int, best: np.ndarray) -> np.float32:
    """Return the n-th highest value from `begin` to `end`, −∞ if there are fewer; `best` is scratch of length n."""
    best[:] = -np.inf
    lowest = best.size - 1
    if lowest == 0:
        for start in range(begin, end, LANES):
            best[0] = max(best[0], highest(values, start, first_lanes(min(LANES, end - start))))
    else:
        for i in range(begin, end):
            if values[i] > best[lowest]:
                place = lowest
                while place > 0 and best[place - 1] < values[i]:
                    best[place] = best[place - 1]
                    place -= 1
                best[place] = values[i]
    nth: np.float32 = best[lowest]
    return nth


@numba.njit(nogil=True, cache=True, error_model="numpy")
def lowest_listed(
    maxima: np.ndarray, begin: int, end: int, scores: np.ndarray, margin: float, code: int, best: np.ndarray
) -> np.float32:
    """Return the lowest approximate score with which a passage may be listed.

    As many pieces as the list has wanted places hold a passage at least as high as the n-th highest maximum; and
    nothing below the n-th place so far comes in.

    Parameters
    ----------
    begin, end
        Pieces that are looked at.
    scores
        Those of the list.
    best
        Scratch, as long as the list has wanted places.
    """
    if best.size == 0:
        return np.float32(np.inf)
    limit, _ = band(_nth_highest(maxima, begin, end, best), 2 * margin, code)
    listed, _ = band(scores[best.size - 1], margin, code)
    return max(limit, listed)


# Arrays alone, no tuples of them, as in `counting`.
@numba.njit(nogil=True, cache=True, error_model="numpy")
def find_listed(
    row: np.ndarray,
    begins: np.ndarray,
    firsts: np.ndarray,
    maxima: np.ndarray,
    in_pool: np.float32,
    listed: np.ndarray,
    margin: float,
    code: int,
    best: np.ndarray,
    found: np.ndarray,
) -> int:
    """Write the columns of passages that may be listed, in the pool or in their group, to `found`.

    Parameters
    ----------
    in_pool
        Lowest approximate score with which a passage may be listed in the pool.
    listed
        Scores of the groups' lists, shape (groups, places).
    best
        Scratch, as long as these lists have wanted places.

    Returns
    -------
    int
        Number of columns.
    """
    held = 0
    for group in range(firsts.size - 1):
        first_piece, last_piece = firsts[group], firsts[group + 1]
        if first_piece == last_piece:
            continue
        in_group = lowest_listed(maxima, first_piece, last_piece, listed[group], margin, code, best)
        lowest = min(in_pool, in_group)
        for piece in range(first_piece, last_piece):
            if maxima[piece] >= lowest:
                begin = begins[piece]
                bits = at_least(row, begin, lowest) & first_lanes(begins[piece + 1] - begin)
                while bits != 0:
                    column = begin + first(bits)
                    bits &= bits - 1
                    if row[column] > -np.inf:
                        found[held] = column
                        held += 1
    return held


@numba.njit(nogil=True, cache=True, error_model="numpy")
def insert(scores: np.ndarray, positions: np.ndarray, score: np.float32, position: int) -> None:
    """Insert a passage into a list ordered by score, then position; do nothing if it is listed already."""
    place = scores.size
    while place > 0 and (score > scores[place - 1] or (score == scores[place - 1] and position < positions[place - 1])):
        place -= 1
    if place == scores.size or (place > 0 and positions[place - 1] == position):
        return
    for i in range(scores.size - 1, place, -1):
        scores[i], positions[i] = scores[i - 1], positions[i - 1]
    scores[place], positions[place] = score, position


@numba.njit(nogil=True, cache=True, error_model="numpy")
def insert_all(
    scores: np.ndarray, positions: np.ndarray, other_scores: np.ndarray, other_positions: np.ndarray
) -> None:
    """Insert the entries of other lists into some lists: float32 and int64, shape (lists, places), both times."""
    for row in range(len(scores)):
        for place in range(other_scores.shape[1]):
            if other_scores[row, place] > -np.inf:
                insert(scores[row], positions[row], other_scores[row, place], other_positions[row, place])
