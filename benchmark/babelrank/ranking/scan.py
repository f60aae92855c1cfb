"""The inner loop: count what outscores the relevant passages in a tile of scores, and list the best passages.

Scores of a tile come from a fast matrix product, so they may be off by a margin. A passage is scored exactly
(`exact_scores`) only if the margin does not decide on which side of a relevant score it is, or if it may be listed.
These pairs of many queries are gathered and scored passage by passage, while the vectors are in the cache.
"""

import numba
import numpy as np

from babelrank.encoding.protocol import Similarity
from babelrank.ranking.counting import count_above
from babelrank.ranking.exact_scores import CODES, score_pairs, to_score
from babelrank.ranking.listing import insert, lowest_listed
from babelrank.ranking.tile import Bands, Best, Counts, Pairs, Tile, add_pair, make_bands, make_pairs

_PIECE = 32  # Passages per maximum in a vector loop; a scalar loop looks into the few pieces that matter.
_EUCLIDEAN = CODES[Similarity.EUCLIDEAN]
_UNKNOWN = np.float32(np.nan)


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
def _score(tile: Tile, pairs: Pairs, held: int) -> None:
    """Compute the exact scores of pairs that have none yet, passage by passage."""
    ends = np.zeros(tile.positions.size + 1, np.int64)
    for n in range(held):
        if np.isnan(pairs.scores[n]):
            ends[pairs.columns[n] + 1] += 1
    ends = np.cumsum(ends)
    order = np.empty(ends[-1], np.int64)
    for n in range(held):
        if np.isnan(pairs.scores[n]):
            order[ends[pairs.columns[n]]] = n
            ends[pairs.columns[n]] += 1
    pairs.scores[order] = score_pairs(
        tile.queries, pairs.queries[order], tile.passages, pairs.columns[order], tile.code
    )


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _settle(
    tile: Tile, pairs: Pairs, held: int, owners: np.ndarray, wanted: Counts, bands: Bands, pool: Best, by_group: Best
) -> None:
    """Count and list the passages of pairs by their exact scores.

    Parameters
    ----------
    owners
        Group of each passage.
    """
    _score(tile, pairs, held)
    for n in range(held):
        query, column, value, score = pairs.queries[n], pairs.columns[n], pairs.values[n], pairs.scores[n]
        k, end = pairs.bands[n], wanted.starts[query + 1]
        while k < end and bands.lows[k] <= value:
            i = bands.order[k]
            higher, same = np.int32(score > wanted.scores[i]), np.int32(score == wanted.scores[i])
            wanted.above[i, 1] += higher
            wanted.equal[i, 1] += same
            if tile.edges.size > 2 and owners[column] == wanted.groups[i]:
                wanted.above[i, 0] += higher
                wanted.equal[i, 0] += same
            k += 1
        if pairs.listed[n]:
            group, position = owners[column], tile.positions[column]
            insert(pool.scores[query, 0], pool.positions[query, 0], score, position)
            insert(by_group.scores[query, group], by_group.positions[query, group], score, position)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _add_targets(tile: Tile, query: int, wanted: Counts, bands: Bands, pairs: Pairs, held: int) -> int:
    """Add a pair for each target in the tile, which has its exact score; return how many pairs there are now."""
    row, start = tile.values[query], wanted.starts[query]
    for k in range(start, wanted.starts[query + 1]):
        i = bands.order[k]
        column, score = wanted.columns[i], wanted.scores[i]
        if 0 <= column < row.size and row[column] > -np.inf:
            row[column], first = score, k
            while first > start and bands.highs[first - 1] >= score:
                first -= 1
            held = add_pair(pairs, held, query, column, score, score, first)
    return held


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _list_best(
    tile: Tile,
    query: int,
    begins: np.ndarray,
    firsts: np.ndarray,
    maxima: np.ndarray,
    highest: np.ndarray,
    no_band: int,
    pairs: Pairs,
    held: int,
    pool: Best,
    by_group: Best,
) -> int:
    """List the best passages of a query; add a pair for each that may be one of them if scores are not exact.

    Parameters
    ----------
    begins, firsts, maxima
        See `_cut` and `_find_maxima`.
    highest
        Scratch as long as the deepest list.
    no_band
        Band of a passage that is in none.

    Returns
    -------
    int
        Number of pairs.
    """
    row, margin = tile.values[query], tile.margins[query]
    in_pool = lowest_listed(maxima, pool.depth, pool.scores[query, 0], margin, tile.code, highest)
    for group in range(firsts.size - 1):
        first, last = firsts[group], firsts[group + 1]
        listed, positions = by_group.scores[query, group], by_group.positions[query, group]
        in_group = lowest_listed(maxima[first:last], by_group.depth, listed, margin, tile.code, highest)
        lowest = min(in_pool, in_group)
        for piece in range(first, last):
            if maxima[piece] < lowest:
                continue
            for column in range(begins[piece], begins[piece + 1]):
                score = row[column]
                if score < lowest or score == -np.inf:
                    continue
                if margin > 0:
                    held = add_pair(pairs, held, query, column, score, _UNKNOWN, no_band)
                    pairs.listed[pairs.places[column]] = True
                else:
                    insert(pool.scores[query, 0], pool.positions[query, 0], score, tile.positions[column])
                    insert(listed, positions, score, tile.positions[column])
    return held


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scan_tile(tile: Tile, wanted: Counts, pool: Best, by_group: Best, most_pairs: int) -> None:
    """Count and list the passages of a tile for some queries; about `most_pairs` pairs are scored exactly at a time."""
    size = tile.positions.size
    begins, firsts = _cut(tile.edges)
    maxima, highest = np.empty(begins.size - 1, np.float32), np.empty(max(pool.depth, by_group.depth), np.float32)
    found, cells, owners = np.empty(size, np.int64), np.empty(size, np.uint16), np.empty(size, np.int32)
    for group in range(tile.edges.size - 1):
        owners[tile.edges[group] : tile.edges[group + 1]] = group
    bands, pairs, held = make_bands(wanted, tile.margins, tile.code), make_pairs(most_pairs + size, size), 0
    for query in range(len(tile.values)):
        row, end = tile.values[query], wanted.starts[query + 1]
        if tile.code == _EUCLIDEAN:
            for column in range(size):
                row[column] = to_score(row[column], tile.code)
        _find_maxima(row, begins, maxima)
        pairs.known[:] = False
        if wanted.starts[query] < end:
            if tile.margins[query] > 0:
                held = _add_targets(tile, query, wanted, bands, pairs, held)
            held = count_above(tile, query, begins, maxima, wanted, bands, pairs, held, found, cells)
        held = _list_best(tile, query, begins, firsts, maxima, highest, end, pairs, held, pool, by_group)
        if held >= most_pairs or query == len(tile.values) - 1:
            _settle(tile, pairs, held, owners, wanted, bands, pool, by_group)
            held = 0
    if tile.edges.size == 2:
        wanted.above[:, 0], wanted.equal[:, 0] = wanted.above[:, 1], wanted.equal[:, 1]
