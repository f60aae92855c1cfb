"""Count the passages of a tile that outscore each target of a query.

All passages are compared with each target of a query if it has few. If it has many, or if many passages nearly tie with
them, the range of scores is split into cells: the number of passages in each cell gives the number above a target,
except for those in the target's cell.

Scores of a tile may be off by a margin. A passage in a target's band, on either side of which it may be, is not
counted: it is added to the pairs that need an exact score. If the tile's scores are exact, ties are counted, too.
"""

import numba
import numpy as np

from babelrank.ranking.lanes import LANES, above, at_least, count, first, first_lanes
from babelrank.ranking.tile import Scan, add_pair

_BLOCK = 4 * LANES  # passages compared with one target after the other while they are in the cache
_FEW, _NEAR = 32, 64  # targets of a query, and passages in their bands; with more, cells are faster
_CELLS, _TARGET_CELLS = 256, 16  # at least, and per target: so many that a target's cell holds few passages
_MOST_CELLS = 1 << 15  # twice as many are numbered in two bytes
_UNKNOWN = np.float32(np.nan)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def find_blocks(begins: np.ndarray) -> np.ndarray:
    """Return the piece that holds the first passage of each block, and the last piece; `begins` is that of `Scan`."""
    size = begins[-1]
    blocks = np.empty(-(-size // _BLOCK) + 1, np.int64)
    for block in range(blocks.size):
        column = min(block * _BLOCK, size - 1)
        blocks[block] = np.searchsorted(begins, column, side="right") - 1
    return blocks


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count(row: np.ndarray, begin: int, end: int, low: np.float32, high: np.float32) -> tuple[int, int]:
    """Return how many values from `begin` to `end` are above `high`, and how many are from `low` to `high`."""
    higher, others, rest = 0, 0, (end - begin) % LANES
    for start in range(begin, end - rest, LANES):
        higher += count(above(row, start, high))
        others += count(at_least(row, start, low))
    if rest > 0:
        lanes = first_lanes(rest)
        higher += count(above(row, end - rest, high) & lanes)
        others += count(at_least(row, end - rest, low) & lanes)
    return higher, others - higher


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _find_peaks(maxima: np.ndarray, blocks: np.ndarray, peaks: np.ndarray) -> None:
    """Write the highest value of each block, or of the pieces that reach into it."""
    for block in range(blocks.size - 1):
        peaks[block] = maxima[blocks[block]]
        for piece in range(blocks[block] + 1, blocks[block + 1] + 1):
            peaks[block] = max(peaks[block], maxima[piece])


# Arrays alone, no tuples of them: these make Numba count references in the loop, which takes a third longer.
@numba.njit(nogil=True, cache=True, error_model="numpy")
def _compare(
    row: np.ndarray,
    size: int,
    peaks: np.ndarray,
    lows: np.ndarray,
    highs: np.ndarray,
    counts: np.ndarray,
    hits: np.ndarray,
    owners: np.ndarray,
) -> int:
    """Count the values of a row above each band and in it.

    Parameters
    ----------
    size
        Number of passages.
    peaks
        See `_find_peaks`.
    counts
        int32, shape (2, bands): changed to the number of values above each band, and in it.
    hits, owners
        Changed to the first passage of each block with values in a band, and to that band.

    Returns
    -------
    int
        Number of such blocks and bands.
    """
    held, blocks = 0, -(-size // _BLOCK)
    for k in range(lows.size):
        low, high, higher, others = lows[k], highs[k], 0, 0
        for start in range(0, blocks, LANES):
            # The blocks to look at, as bits: a branch would be unpredictable.
            bits = at_least(peaks, start, low) & first_lanes(min(LANES, blocks - start))
            near = 0
            while bits != 0:
                block = first(bits)
                begin = (start + block) * _BLOCK
                more, reach = 0, 0
                if begin + _BLOCK <= size:
                    for i in range(_BLOCK // LANES):  # a loop of known length is faster
                        more += count(above(row, begin + i * LANES, high))
                        reach += count(at_least(row, begin + i * LANES, low))
                else:
                    more, within = _count(row, begin, size, low, high)
                    reach = more + within
                higher += more
                others += reach
                near |= (reach > more) << block
                bits &= bits - 1
            while near != 0:
                hits[held], owners[held] = (start + first(near)) * _BLOCK, k
                held += 1
                near &= near - 1
        counts[0, k], counts[1, k] = higher, others - higher
    return held


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _compare_with_each(scan: Scan, query: int) -> bool:
    """Count as `count_above` does, comparing each target with all passages.

    Returns
    -------
    bool
        False if so many passages are in bands that cells are faster; nothing is counted then.
    """
    wanted, bands, row, pairs = scan.wanted, scan.bands, scan.tile.values[query], scan.workspace.pairs
    start, end = wanted.starts[query], wanted.starts[query + 1]
    lows, highs, exact = bands.lows[start:end], bands.highs[start:end], scan.tile.margins[query] == 0
    counts, size = np.empty((2, end - start), np.int32), scan.tile.positions.size
    peaks, hits, owners = scan.workspace.peaks, scan.workspace.found, scan.workspace.cells
    _find_peaks(scan.maxima, scan.blocks, peaks)
    held = _compare(row, size, peaks, lows, highs, counts, hits, owners)
    if counts[1].sum() > _NEAR and not exact:
        return False
    for k in range(start, end):
        i = bands.order[k]
        wanted.above[i, 1] += counts[0, k - start]
        if exact:
            wanted.equal[i, 1] += counts[1, k - start]
    for n in range(0 if exact else held):
        end, k = min(hits[n] + _BLOCK, size), owners[n]
        for at in range(hits[n], end, LANES):
            bits = at_least(row, at, lows[k]) & ~above(row, at, highs[k])
            while bits != 0:
                column = at + first(bits)
                if column < end:
                    add_pair(pairs, query, column, row[column], _UNKNOWN, start + k)
                bits &= bits - 1
    return True


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
def _count_in_cells(scan: Scan, query: int) -> None:
    """Count as `count_above` does, for many targets."""
    tile, wanted, bands, begins, maxima, cells = (
        scan.tile,
        scan.wanted,
        scan.bands,
        scan.begins,
        scan.maxima,
        scan.workspace.cells,
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
                scan.workspace.found[near] = begins[piece] + i
                near += np.uint64(undecided[cell])
    decided = 0
    for cell in range(1, 2 * half):
        below[cell] += below[cell - 1]
        if not undecided[cell]:
            decided += sizes[cell]
        sizes[cell] = decided

    # Passages in undecided cells by how many bands are below them; those in a band tie, or need an exact score.
    steps, ties = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    for column in scan.workspace.found[:near]:
        score, k = row[column], below[cells[column]]
        k += highs[k] < score  # no branch, as a score is as often above the only band in its cell as not
        while highs[k] < score:
            k += 1
        steps[k] += 1
        if lows[k] <= score:
            if exact:
                ties[k] += 1
            else:
                add_pair(scan.workspace.pairs, query, column, score, _UNKNOWN, start + k)
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
            higher, near = _count(tile.values[query], edge[group], edge[group + 1], bands.lows[k], bands.highs[k])
            wanted.above[i, 0] += higher
            if tile.margins[query] == 0:
                wanted.equal[i, 0] += near
