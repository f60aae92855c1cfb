"""Count the passages of a tile that outscore each target of a query.

All passages are compared with each target of a query if it has few. If it has many, or if many passages nearly tie with
them, the range of scores is split into cells: the number of passages in each cell gives the number above a target,
except for those in the target's cell.

Scores of a tile may be off by a margin. A passage in a target's band, on either side of which it may be, is not
counted: it is added to the pairs that need an exact score. If the tile's scores are exact, ties are counted, too.
"""

import numba
import numpy as np

from babelrank.ranking.tile import Scan, add_pair

_PIECES = 8  # of passages, compared with one target after the other while they are in the cache
_FEW, _SEARCHES = 32, 32  # targets of a query, and searches for passages in bands; with more, cells are faster
_CELLS, _TARGET_CELLS = 256, 16  # at least, and per target: so many that a target's cell holds few passages
_MOST_CELLS = 1 << 15  # twice as many are numbered in two bytes
_UNKNOWN = np.float32(np.nan)


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
def _compare_with_each(scan: Scan, query: int) -> bool:
    """Count as `count_above` does, comparing each target with all passages.

    Returns
    -------
    bool
        False if so many passages are in bands that cells are faster; nothing is counted then.
    """
    tile, wanted, bands, pairs, begins, maxima = (
        scan.tile,
        scan.wanted,
        scan.bands,
        scan.pairs,
        scan.begins,
        scan.maxima,
    )
    row, exact = tile.values[query], tile.margins[query] == 0
    start, end = wanted.starts[query], wanted.starts[query + 1]
    above, equal = np.zeros(end - start, np.float32), np.zeros(end - start, np.float32)
    searches = _SEARCHES
    for first in range(0, maxima.size, _PIECES):
        last = min(first + _PIECES, maxima.size)
        begin, stop, highest = begins[first], begins[last], maxima[first]
        for piece in range(first + 1, last):
            highest = max(highest, maxima[piece])
        for k in range(start, end):
            low, high, column = bands.lows[k], bands.highs[k], wanted.columns[bands.order[k]]
            if highest < low:
                break  # the other targets are higher
            more, near = _count(row, begin, stop, low, high)
            above[k - start] += more
            equal[k - start] += near
            if not exact and near > (begin <= column < stop and pairs.known[column]):  # more than the target itself
                searches -= 1
                if searches < 0:
                    return False
                for piece in range(first, last):
                    if maxima[piece] >= low:
                        for other in range(begins[piece], begins[piece + 1]):
                            if low <= row[other] <= high:
                                add_pair(pairs, query, other, row[other], _UNKNOWN, k)
    for k in range(start, end):
        i = bands.order[k]
        wanted.above[i, 1] += np.int32(above[k - start])
        if exact:
            wanted.equal[i, 1] += np.int32(equal[k - start])
    return True


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count_in_cells(scan: Scan, query: int) -> None:
    """Count as `count_above` does, for many targets."""
    tile, wanted, bands, begins, maxima, cells = (
        scan.tile,
        scan.wanted,
        scan.bands,
        scan.begins,
        scan.maxima,
        scan.cells,
    )
    row, exact = tile.values[query], tile.margins[query] == 0
    start, end = wanted.starts[query], wanted.starts[query + 1]
    count = end - start
    lows, highs = np.full(count + 1, np.float32(np.inf)), np.full(count + 1, np.float32(np.inf))
    lows[:count], highs[:count] = bands.lows[start:end], bands.highs[start:end]

    # As many cells from the lowest bound to the highest score as below it; still lower scores share the first cell.
    base, top, half = lows[0], max(maxima.max(), highs[count - 1]), min(_CELLS + _TARGET_CELLS * count, _MOST_CELLS)
    scale = np.float32((half - 2) / max(top - base, np.float32(1e-30)))
    below, undecided = np.zeros(2 * half, np.int32), np.zeros(2 * half, np.bool_)
    for k in range(count):
        highest = _cell(highs[k], base, scale, half)
        below[highest + 1] += 1
        for cell in range(_cell(lows[k], base, scale, half), highest + 1):
            undecided[cell] = True

    # No branch depends on the cell of a score, as it is unpredictable. Two short loops are faster than one.
    sizes, near = np.zeros(2 * half, np.int32), np.uint64(0)
    _assign_cells(row, base, scale, half, cells)
    for piece in range(maxima.size):
        if maxima[piece] >= base:
            for cell in cells[begins[piece] : begins[piece + 1]]:
                sizes[cell] += 1
    for piece in range(maxima.size):
        if maxima[piece] >= base:
            for i, cell in enumerate(cells[begins[piece] : begins[piece + 1]]):
                scan.found[near] = begins[piece] + i
                near += np.uint64(undecided[cell])
    decided = 0
    for cell in range(1, 2 * half):
        below[cell] += below[cell - 1]
        if not undecided[cell]:
            decided += sizes[cell]
        sizes[cell] = decided

    # Passages in undecided cells by how many bands are below them; those in a band tie, or need an exact score.
    steps, ties = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    for column in scan.found[:near]:
        score, k = row[column], below[cells[column]]
        k += highs[k] < score  # no branch, as a score is as often above the only band in its cell as not
        while highs[k] < score:
            k += 1
        steps[k] += 1
        if lows[k] <= score:
            if exact:
                ties[k] += 1
            else:
                add_pair(scan.pairs, query, column, score, _UNKNOWN, start + k)
    higher = 0
    for k in range(count - 1, -1, -1):
        higher += steps[k + 1]
        wanted.above[bands.order[start + k], 1] += higher + decided - sizes[_cell(highs[k], base, scale, half)]
    if exact:
        for k in range(count):
            if k > 0 and lows[k] == lows[k - 1]:
                ties[k] = ties[k - 1]
            wanted.equal[bands.order[start + k], 1] += ties[k]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def count_above(scan: Scan, query: int) -> None:
    """Count the passages above each target of a query, in the pool and in the target's group if there are several.

    Passages in bands become pairs.
    """
    tile, wanted, bands = scan.tile, scan.wanted, scan.bands
    start, end = wanted.starts[query], wanted.starts[query + 1]
    if end - start > _FEW or not _compare_with_each(scan, query):
        _count_in_cells(scan, query)
    if tile.edges.size > 2:
        for k in range(start, end):
            i = bands.order[k]
            edge, group = tile.edges, wanted.groups[i]
            above, near = _count(tile.values[query], edge[group], edge[group + 1], bands.lows[k], bands.highs[k])
            wanted.above[i, 0] += np.int32(above)
            if tile.margins[query] == 0:
                wanted.equal[i, 0] += np.int32(near)
