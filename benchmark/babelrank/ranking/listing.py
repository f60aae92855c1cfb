"""List the best passages of each query."""

import numba
import numpy as np

from babelrank.ranking.exact_scores import band


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _nth_highest(values: np.ndarray, highest: np.ndarray) -> np.float32:
    """Return the n-th highest of some values, −∞ if there are fewer; `highest` is scratch of length n."""
    highest[:] = -np.inf
    lowest = highest.size - 1
    for value in values:
        if value > highest[lowest]:
            place = lowest
            while place > 0 and highest[place - 1] < value:
                highest[place] = highest[place - 1]
                place -= 1
            highest[place] = value
    nth: np.float32 = highest[lowest]
    return nth


@numba.njit(nogil=True, cache=True, error_model="numpy")
def lowest_listed(
    maxima: np.ndarray, depth: int, scores: np.ndarray, margin: float, code: int, highest: np.ndarray
) -> np.float32:
    """Return the lowest approximate score with which a passage may be listed.

    As many pieces as the list has wanted places hold a passage at least as high as the n-th highest maximum; and
    nothing below the n-th place so far comes in.
    """
    if depth == 0:
        return np.float32(np.inf)
    limit, _ = band(_nth_highest(maxima, highest[:depth]), 2 * margin, code)
    listed, _ = band(scores[depth - 1], margin, code)
    return max(limit, listed)


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
