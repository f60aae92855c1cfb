"""Exact scores of a query and a passage: the same bits for any split of the corpus, on any machine.

The order of additions in a matrix product depends on the shapes of the blocks, and so do its last bits. The exact score
is added up in double precision in one fixed order and then rounded to single. The product of two float32 numbers is
exact in double precision, so only the order of additions matters. In almost all cases every order gives the same
rounded score: sums use the fastest order first, and the fixed one only if rounding could go either way.

A *value* is the sum in double precision: the product, the cosine, or the negative squared distance. A *score* is the
reported number: the value in float32, or the negative distance.
"""

from typing import NamedTuple

import numba
import numpy as np

from babelrank.encoding.protocol import Similarity

# Codes of the similarities in compiled loops.
CODES = {Similarity.DOT: 0, Similarity.COSINE: 1, Similarity.EUCLIDEAN: 2}
_COSINE = CODES[Similarity.COSINE]
_EUCLIDEAN = CODES[Similarity.EUCLIDEAN]

NO_POSITION = np.iinfo(np.int64).max  # of free places in a list; they score −∞

# Two values with the same score differ by less than this ratio: float32 has 24 bits, the square of a distance 23.
_ROUNDING = 2.0**-21
_DOUBLE_ROUNDING = 2.0**-50  # for each addition of two sums in double precision, with a safety margin

_LANES = 64  # independent sums; the order of additions is fixed


class Rows(NamedTuple):
    """Vectors as compiled loops take them.

    Attributes
    ----------
    vectors
        float32, shape (rows, dimension).
    lengths
        Their Euclidean lengths: float64, shape (rows,).
    """

    vectors: np.ndarray
    lengths: np.ndarray


# Products are exact in double precision, so fused multiply-add changes no bit.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _product(a: np.ndarray, i: int, b: np.ndarray, j: int) -> float:
    """Return the product of row i of `a` and row j of `b`, added up in the fixed order."""
    size = a.shape[1]
    complete = size - size % _LANES
    sums = np.zeros(_LANES)
    for start in range(0, complete, _LANES):
        for lane in range(_LANES):
            sums[lane] += np.float64(a[i, start + lane]) * np.float64(b[j, start + lane])
    for k in range(complete, size):
        sums[k - complete] += np.float64(a[i, k]) * np.float64(b[j, k])
    total = 0.0
    for lane in range(_LANES):
        total += sums[lane]
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _product_in_any_order(a: np.ndarray, wide: np.ndarray) -> float:
    total = 0.0
    for k in range(a.size):
        total += np.float64(a[k]) * wide[k]
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _squared_distance(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for k in range(a.size):
        difference = np.float64(a[k]) - np.float64(b[k])
        total += difference * difference
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _squared_distance_in_any_order(a: np.ndarray, wide: np.ndarray) -> float:
    total = 0.0
    for k in range(a.size):
        difference = np.float64(a[k]) - wide[k]
        total += difference * difference
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def to_score(value: float, code: int) -> np.float32:
    """Return the score of a value."""
    return np.float32(0.0 - np.sqrt(max(-value, 0.0))) if code == _EUCLIDEAN else np.float32(value)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def band(score: np.float32, margin: float, code: int) -> tuple[np.float32, np.float32]:
    """Return the range of approximate scores within which the exact score may be on either side of `score`.

    Parameters
    ----------
    margin
        Largest error of approximate values; 0 if they are exact.
    """
    if margin == 0 or score == -np.inf:
        return score, score
    value = float(score)
    if code == _EUCLIDEAN:
        value *= -value
    # In float32 the bounds are rounded outwards: a 24-bit number's neighbour is at most a 2⁻²³rd away.
    spread = margin * 1.000001 + abs(value) * (_ROUNDING + 2.0**-22) + 1e-44
    low, high = to_score(value - spread, code), to_score(value + spread, code)
    if code == _EUCLIDEAN:
        low, high = np.float32(low * (1 + 2.0**-22)), np.float32(high * (1 - 2.0**-22))
    return low, high


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _score_in_fixed_order(queries: Rows, i: int, passages: Rows, j: int, code: int) -> np.float32:
    if code == _EUCLIDEAN:
        value = -_squared_distance(queries.vectors[i], passages.vectors[j])
    else:
        value = _product(queries.vectors, i, passages.vectors, j)
        if code == _COSINE:
            value /= queries.lengths[i] * passages.lengths[j]
    score: np.float32 = to_score(value, code)
    return score


@numba.njit(nogil=True, cache=True, error_model="numpy")
def row_lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the Euclidean length of each row of float32 vectors: float64, shape (rows,)."""
    lengths = np.empty(len(vectors))
    for row in range(len(vectors)):
        lengths[row] = np.sqrt(_product(vectors, row, vectors, row))
    return lengths


@numba.njit(nogil=True, cache=True, error_model="numpy")
def score_pairs(queries: Rows, rows: np.ndarray, passages: Rows, passage_rows: np.ndarray, code: int) -> np.ndarray:
    """Score pairs of rows, fastest if a passage's pairs are adjacent. A zero vector's cosine is always 0.

    Returns
    -------
    numpy.ndarray
        float32, shape (pairs,).
    """
    scores, wide, last = np.zeros(len(rows), np.float32), np.empty(passages.vectors.shape[1]), -1
    for n in range(len(rows)):
        row, query = rows[n], queries.vectors[rows[n]]
        if passage_rows[n] != last:
            last = passage_rows[n]
            wide[:] = passages.vectors[last]
        lengths = queries.lengths[row] * passages.lengths[last]
        if code == _EUCLIDEAN:
            value = -_squared_distance_in_any_order(query, wide)
            error = -value
        else:
            value = _product_in_any_order(query, wide)
            error = lengths
            if code == _COSINE:
                if lengths == 0:
                    continue
                value /= lengths
                error = 1.0
        error *= wide.size * _DOUBLE_ROUNDING
        scores[n] = to_score(value - error, code)
        if scores[n] != to_score(value + error, code):
            scores[n] = _score_in_fixed_order(queries, row, passages, last, code)
    return scores
