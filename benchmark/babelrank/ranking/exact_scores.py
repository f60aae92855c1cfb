"""The score of a query and a passage, to the bit: the same however the corpus is cut, on any machine.

A matrix product adds in an order that depends on the shapes of the blocks, so its last bits do too. The exact score is
added up in double precision in one fixed order and then rounded to single. The product of two float32 numbers is exact
in double precision, so that nothing else can differ. Fast approximate scores only choose which pairs are worth it.

Within this module a *value* is what is compared: the product, the cosine, or the negative squared distance, in double
precision. A *score* is what a reader sees: the value in float32, or the negative distance.
"""

import numba
import numpy as np

from babelrank.encoding.protocol import Similarity

# Similarities as the compiled loops know them.
CODES = {Similarity.DOT: 0, Similarity.COSINE: 1, Similarity.EUCLIDEAN: 2}
_COSINE = CODES[Similarity.COSINE]
_EUCLIDEAN = CODES[Similarity.EUCLIDEAN]

NO_POSITION = np.iinfo(np.int64).max  # of places in a list that no passage has taken; they score −∞

# Two values with the same score differ by less than this share: float32 has 24 bits, the square of a distance 23.
_ROUNDING = 2.0**-21


_LANES = 64  # sums that do not wait for one another; the order of additions is fixed


# Products are exact in double precision, so fusing them with the sums changes no bit.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _product(a: np.ndarray, i: int, b: np.ndarray, j: int, sums: np.ndarray) -> float:
    """Return the product of row i of `a` and row j of `b`; `sums` is scratch, see `scratch`."""
    size = a.shape[1]
    complete = size - size % _LANES
    for lane in range(_LANES):
        sums[lane] = 0.0
    for start in range(0, complete, _LANES):
        for lane in range(_LANES):
            sums[lane] += np.float64(a[i, start + lane]) * np.float64(b[j, start + lane])
    for k in range(complete, size):
        sums[k - complete] += np.float64(a[i, k]) * np.float64(b[j, k])
    total = 0.0
    for lane in range(_LANES):
        total += sums[lane]
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scratch() -> np.ndarray:
    """Return an array for the sums of one thread."""
    return np.empty(_LANES)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _squared_distance(a: np.ndarray, i: int, b: np.ndarray, j: int) -> float:
    total = 0.0
    for k in range(a.shape[1]):
        difference = np.float64(a[i, k]) - np.float64(b[j, k])
        total += difference * difference
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def to_score(value: float, code: int) -> np.float32:
    """Return the score of a value."""
    return np.float32(0.0 - np.sqrt(-value)) if code == _EUCLIDEAN else np.float32(value)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def to_value(score: np.float32, code: int) -> float:
    """Return the value of a score, as far as its rounding tells."""
    value = float(score)
    return -value * value if code == _EUCLIDEAN else value


@numba.njit(nogil=True, cache=True, error_model="numpy")
def lowest_value(score: np.float32, margin: float, code: int) -> float:
    """Return the approximate value below which the exact score is surely below `score`."""
    value: float = to_value(score, code)
    return value - margin - abs(value) * _ROUNDING if value > -np.inf else value


@numba.njit(nogil=True, cache=True, error_model="numpy")
def exact_score(
    queries: np.ndarray,
    i: int,
    length: float,
    passages: np.ndarray,
    j: int,
    passage_length: float,
    code: int,
    sums: np.ndarray,
) -> np.float32:
    """Score row i of `queries` and row j of `passages`, of these lengths. A zero vector's cosine is always 0."""
    if code == _EUCLIDEAN:
        distance: np.float32 = to_score(-_squared_distance(queries, i, passages, j), code)
        return distance
    product = _product(queries, i, passages, j, sums)
    if code == _COSINE:
        lengths = length * passage_length
        product = product / lengths if lengths > 0 else 0.0
    score: np.float32 = np.float32(product)
    return score


@numba.njit(nogil=True, cache=True, error_model="numpy")
def row_lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the Euclidean length of each row of float32 vectors: float64, shape (rows,)."""
    lengths, sums = np.empty(len(vectors)), scratch()
    for row in range(len(vectors)):
        lengths[row] = np.sqrt(_product(vectors, row, vectors, row, sums))
    return lengths


@numba.njit(nogil=True, cache=True, error_model="numpy")
def score_pairs(
    queries: np.ndarray,
    rows: np.ndarray,
    lengths: np.ndarray,
    passages: np.ndarray,
    passage_rows: np.ndarray,
    passage_lengths: np.ndarray,
    code: int,
) -> np.ndarray:
    """Score pairs of rows of two float32 arrays of vectors; returns float32, shape (pairs,)."""
    scores, sums = np.empty(len(rows), np.float32), scratch()
    for n in range(len(rows)):
        i, j = rows[n], passage_rows[n]
        scores[n] = exact_score(queries, i, lengths[i], passages, j, passage_lengths[j], code, sums)
    return scores
