"""The inner loop: count what outscores the relevant passages in a tile of scores, and list the best passages.

Scores of a tile come from a fast matrix product, so they may be off by a margin. A passage is scored exactly
(`exact_scores`) only if the margin does not decide on which side of a relevant score it is; the tile then keeps its
exact score. If a tile has exact scores from the start, the margin is 0.

All passages are compared with each target of a query if it has few. If it has many, or if many passages nearly tie with
them, the range of scores is split into cells: the number of passages in each cell gives the number above a target,
except for those in the target's cell.
"""

from typing import NamedTuple

import numba
import numpy as np

from babelrank.encoding.protocol import Similarity
from babelrank.ranking.exact_scores import CODES, Rows, band, exact_score, to_score

_PIECE = 32  # Passages per maximum in a vector loop; a scalar loop looks into the few pieces that matter.
_PIECES = 8  # compared with one target after the other while they are in the cache
_FEW, _SEARCHES = 32, 32  # targets of a query, and searches for undecided passages; with more, cells are faster
_CELLS, _TARGET_CELLS = 256, 8  # at least, and per target: so many that a target's cell holds few passages
_MOST_CELLS = 1 << 15  # twice as many are numbered in two bytes
_EUCLIDEAN = CODES[Similarity.EUCLIDEAN]


class Tile(NamedTuple):
    """Scores of some queries with some passages.

    Attributes
    ----------
    values
        float32, shape (queries, passages): approximate values; −∞ for a passage that is left out. Modified in place.
    margins
        float64, shape (queries,): largest error of a value.
    code
        Similarity, see `exact_scores.CODES`.
    queries, passages
        Vectors of queries and passages; without columns if `values` are exact.
    positions
        int64, shape (passages,): position of each passage in the collection.
    edges
        int64, shape (groups + 1,): start of each group (language).
    """

    values: np.ndarray
    margins: np.ndarray
    code: int
    queries: Rows
    passages: Rows
    positions: np.ndarray
    edges: np.ndarray


class Counts(NamedTuple):
    """Scores to rank, query by query, and their counts.

    Attributes
    ----------
    starts
        int64, shape (queries + 1,): start of each query's targets.
    columns
        int64, shape (targets,): column of each passage to rank, which may be outside the tile.
    groups
        int64, shape (targets,): group to count in, in addition to the whole tile.
    scores
        float32, shape (targets,): exact scores.
    above, equal
        int32, shape (targets, 2): passages with a higher and with the same score, in the group and in all; added to.
    """

    starts: np.ndarray
    columns: np.ndarray
    groups: np.ndarray
    scores: np.ndarray
    above: np.ndarray
    equal: np.ndarray


class Best(NamedTuple):
    """Lists of the best passages, best first.

    Attributes
    ----------
    depth
        Number of places that must be correct; the places after them hold ties with the last.
    scores, positions
        float32 and int64, shape (queries, groups, places): the best so far; changed.
    """

    depth: int
    scores: np.ndarray
    positions: np.ndarray


# The compiler counts fastest with sums of ones in float32; they are exact up to 2²⁴, far above a tile's passages.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _count(
    values: np.ndarray, begin: int, end: int, low: np.float32, high: np.float32
) -> tuple[np.float32, np.float32]:
    """Return how many values from `begin` to `end` are above `high`, and how many are from `low` to `high`."""
    above = np.float32(0)
    others = np.float32(0)
    for i in range(np.uint64(begin), np.uint64(end)):  # a slice and a signed index would both be slower
        above += np.float32(1) if values[i] > high else np.float32(0)
        others += np.float32(1) if values[i] >= low else np.float32(0)
    return above, others - above


# No score is NaN, and the order of maxima does not matter, so the compiler can use vector registers.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nnan", "nsz"})
def _find_maxima(row: np.ndarray, begins: np.ndarray, maxima: np.ndarray) -> None:
    """Write the highest score of each piece."""
    for piece in range(maxima.size):
        begin, size = begins[piece], begins[piece + 1] - begins[piece]
        best = row[begin]
        if size == _PIECE:  # a loop of known length is faster
            for i in range(1, _PIECE):
                best = best if best > row[begin + i] else row[begin + i]
        else:
            for i in range(1, size):
                best = best if best > row[begin + i] else row[begin + i]
        maxima[piece] = best


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _cut(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split groups into pieces: return the start of each piece (and the last end), and each group's first piece."""
    firsts = np.zeros(edges.size, np.int64)
    for group in range(edges.size - 1):
        firsts[group + 1] = firsts[group] + -(-(edges[group + 1] - edges[group]) // _PIECE)
    begins = np.full(firsts[-1] + 1, edges[-1])
    for group in range(edges.size - 1):
        for piece in range(firsts[group], firsts[group + 1]):
            begins[piece] = edges[group] + (piece - firsts[group]) * _PIECE
    return begins, firsts


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _refine(tile: Tile, query: int, column: int, known: np.ndarray) -> np.float32:
    """Return the exact score of a passage and store it in the tile; `known` marks stored ones."""
    if not known[column]:
        known[column] = True
        if tile.queries.vectors.shape[1]:
            tile.values[query, column] = exact_score(tile.queries, query, tile.passages, column, tile.code)
    score: np.float32 = tile.values[query, column]
    return score


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _cell(score: np.float32, base: np.float32, scale: np.float32, half: int) -> np.uint16:
    """Return the cell of a score, a non-decreasing function of the score."""
    return np.uint16(np.int32(max((score - base) * scale + np.float32(half), np.float32(0))))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _assign_cells(row: np.ndarray, base: np.float32, scale: np.float32, half: int, cells: np.ndarray) -> None:
    """Write the cell of each score."""
    for column in range(row.size):
        cells[column] = _cell(row[column], base, scale, half)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _compare_with_each(
    tile: Tile, query: int, begins: np.ndarray, maxima: np.ndarray, known: np.ndarray, wanted: Counts
) -> bool:
    """Count the passages of the tile above each target of a query; undecided passages get exact scores.

    Parameters
    ----------
    begins, maxima
        Start of each piece of the row, and its highest score.

    Returns
    -------
    bool
        False if so many passages are undecided that cells are faster; nothing is counted then.
    """
    row, start = tile.values[query], wanted.starts[query]
    count = wanted.starts[query + 1] - start
    bands, counts = np.empty((count, 2), np.float32), np.zeros((count, 2), np.float32)
    for k in range(count):
        bands[k, 0], bands[k, 1] = band(wanted.scores[start + k], tile.margins[query], tile.code)
    searches = _SEARCHES
    for first in range(0, maxima.size, _PIECES):
        last = min(first + _PIECES, maxima.size)
        begin, end, highest = begins[first], begins[last], maxima[first]
        for piece in range(first + 1, last):
            highest = max(highest, maxima[piece])
        for k in range(count):
            target, column, low, high = wanted.scores[start + k], wanted.columns[start + k], bands[k, 0], bands[k, 1]
            if highest < low:
                continue
            above, near = _count(row, begin, end, low, high)
            equal = near
            if low < high and near > (begin <= column < end and known[column]):  # more than the target itself
                searches -= 1
                if searches < 0:
                    return False
                equal = np.float32(0)
                for piece in range(first, last):
                    if maxima[piece] >= low:
                        for other in range(begins[piece], begins[piece + 1]):
                            if low <= row[other] <= high:
                                score = _refine(tile, query, other, known)
                                above += np.float32(score > target)
                                equal += np.float32(score == target)
            counts[k, 0] += above
            counts[k, 1] += equal
    for k in range(count):
        wanted.above[start + k, 1] += np.int32(counts[k, 0])
        wanted.equal[start + k, 1] += np.int32(counts[k, 1])
    return True


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count_in_cells(
    tile: Tile,
    query: int,
    begins: np.ndarray,
    maxima: np.ndarray,
    known: np.ndarray,
    wanted: Counts,
    found: np.ndarray,
    cells: np.ndarray,
) -> None:
    """Count as `_compare_with_each` does, for many targets.

    Parameters
    ----------
    found, cells
        Scratch: int64 and uint16, shape (passages,).
    """
    start, row = wanted.starts[query], tile.values[query]
    count = wanted.starts[query + 1] - start
    order = np.argsort(wanted.scores[start : start + count])
    scores, lows, highs = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    for k in range(count):
        scores[k] = wanted.scores[start + order[k]]
        lows[k], highs[k] = band(scores[k], tile.margins[query], tile.code)

    # As many cells from the lowest bound to the highest score as below it; still lower scores share the first cell.
    base, top, half = lows[0], max(maxima.max(), highs[-1]), min(_CELLS + _TARGET_CELLS * count, _MOST_CELLS)
    scale = np.float32((half - 2) / max(top - base, np.float32(1e-30)))
    below, undecided = np.zeros(2 * half, np.int32), np.zeros(2 * half, np.bool_)
    for k in range(count):
        below[_cell(scores[k], base, scale, half) + 1] += 1
        for cell in range(_cell(lows[k], base, scale, half), _cell(highs[k], base, scale, half) + 1):
            undecided[cell] = True

    # No branch depends on the cell of a score, as it is unpredictable. Two short loops are faster than one.
    held, near = np.zeros(2 * half, np.int32), np.uint64(0)
    _assign_cells(row, base, scale, half, cells)
    for piece in range(maxima.size):
        if maxima[piece] >= base:
            for cell in cells[begins[piece] : begins[piece + 1]]:
                held[cell] += 1
    for piece in range(maxima.size):
        if maxima[piece] >= base:
            for i, cell in enumerate(cells[begins[piece] : begins[piece + 1]]):
                found[near] = begins[piece] + i
                near += np.uint64(undecided[cell])
    decided = 0
    for cell in range(1, 2 * half):
        below[cell] += below[cell - 1]
        if not undecided[cell]:
            decided += held[cell]
        held[cell] = decided

    # Passages in undecided cells by how many targets are below them, and those that tie with each.
    steps, ties = np.zeros(count + 1, np.int64), np.zeros(count, np.int64)
    for column in found[:near]:
        score = row[column]
        k = below[_cell(score, base, scale, half)]
        while k < count and scores[k] < score:
            k += 1
        if (k > 0 and score <= highs[k - 1]) or (k < count and score >= lows[k]):
            score = _refine(tile, query, column, known)
            while k > 0 and scores[k - 1] >= score:
                k -= 1
            while k < count and scores[k] < score:
                k += 1
            if k < count and scores[k] == score:
                ties[k] += 1
        steps[k] += 1
    higher = 0
    for k in range(count - 1, -1, -1):
        higher += steps[k + 1]
        wanted.above[start + order[k], 1] += higher + decided - held[_cell(scores[k], base, scale, half)]
    for k in range(count):
        if k > 0 and scores[k] == scores[k - 1]:
            ties[k] = ties[k - 1]
        wanted.equal[start + order[k], 1] += ties[k]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count_groups(tile: Tile, query: int, wanted: Counts) -> None:
    """Count in the groups of a query's targets, after the pool: undecided passages then have exact scores."""
    for i in range(wanted.starts[query], wanted.starts[query + 1]):
        if tile.edges.size == 2:
            wanted.above[i, 0], wanted.equal[i, 0] = wanted.above[i, 1], wanted.equal[i, 1]
            continue
        group = wanted.groups[i]
        score = wanted.scores[i]
        above, equal = _count(tile.values[query], tile.edges[group], tile.edges[group + 1], score, score)
        wanted.above[i, 0] += np.int32(above)
        wanted.equal[i, 0] += np.int32(equal)


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
def _lowest_listed(
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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scan_tile(tile: Tile, wanted: Counts, pool: Best, by_group: Best) -> None:
    """Count and list the passages of a tile for some queries."""
    groups = tile.edges.size - 1
    begins, firsts = _cut(tile.edges)
    maxima, highest = np.empty(begins.size - 1, np.float32), np.empty(max(pool.depth, by_group.depth), np.float32)
    size = tile.positions.size
    known, found, cells = np.empty(size, np.bool_), np.empty(size, np.int64), np.empty(size, np.uint16)
    for query in range(len(tile.values)):
        row, margin = tile.values[query], tile.margins[query]
        if tile.code == _EUCLIDEAN:
            for column in range(row.size):
                row[column] = to_score(row[column], tile.code)
        _find_maxima(row, begins, maxima)
        known[:] = False
        if wanted.starts[query] < wanted.starts[query + 1]:
            for i in range(wanted.starts[query], wanted.starts[query + 1]):
                column = wanted.columns[i]
                if 0 <= column < row.size and row[column] > -np.inf:
                    row[column], known[column] = wanted.scores[i], True
            few = wanted.starts[query + 1] - wanted.starts[query] <= _FEW
            if not (few and _compare_with_each(tile, query, begins, maxima, known, wanted)):
                _count_in_cells(tile, query, begins, maxima, known, wanted, found, cells)
            _count_groups(tile, query, wanted)
        in_pool = _lowest_listed(maxima, pool.depth, pool.scores[query, 0], margin, tile.code, highest)
        for group in range(groups):
            first, last = firsts[group], firsts[group + 1]
            listed, positions = by_group.scores[query, group], by_group.positions[query, group]
            in_group = _lowest_listed(maxima[first:last], by_group.depth, listed, margin, tile.code, highest)
            lowest = min(in_pool, in_group)
            for piece in range(first, last):
                if maxima[piece] < lowest:
                    continue
                for column in range(begins[piece], begins[piece + 1]):
                    if row[column] >= lowest and row[column] > -np.inf:
                        score = _refine(tile, query, column, known)
                        insert(pool.scores[query, 0], pool.positions[query, 0], score, tile.positions[column])
                        insert(listed, positions, score, tile.positions[column])
