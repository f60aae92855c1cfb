"""The inner loop: count what outscores the relevant passages in a tile of scores, and list the best passages.

Scores of a tile come from a fast matrix product, so they may be off by a margin. A passage is scored exactly
(`exact_scores`) only if the margin does not decide on which side of a relevant score it is, or if it may be listed.
These pairs of many queries are gathered and scored passage by passage, while the vectors are in the cache.
"""

import numba
import numpy as np

from babelrank.encoding.protocol import Similarity
from babelrank.ranking.counting import count_above, find_blocks
from babelrank.ranking.exact_scores import CODES, score_pairs, to_score
from babelrank.ranking.lanes import ALL, LANES, first_lanes, highest
from babelrank.ranking.listing import find_listed, insert, lowest_listed
from babelrank.ranking.tile import Bands, Best, Counts, Pairs, Scan, Tile, Workspace, add_pair

_EUCLIDEAN = CODES[Similarity.EUCLIDEAN]
_UNKNOWN = np.float32(np.nan)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _find_maxima(row: np.ndarray, begins: np.ndarray, maxima: np.ndarray) -> None:
    """Write the highest score of each piece."""
    for piece in range(maxima.size):
        begin, size = begins[piece], begins[piece + 1] - begins[piece]
        # A known number of lanes is faster.
        maxima[piece] = highest(row, begin, ALL) if size == LANES else highest(row, begin, first_lanes(size))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _cut(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split groups into pieces: return the start of each piece (and the last end), and each group's first piece."""
    firsts = np.zeros(edges.size, np.int64)
    for group in range(edges.size - 1):
        firsts[group + 1] = firsts[group] + -(-(edges[group + 1] - edges[group]) // LANES)
    begins = np.full(firsts[-1] + 1, edges[-1])
    for group in range(edges.size - 1):
        for piece in range(firsts[group], firsts[group + 1]):
            begins[piece] = edges[group] + (piece - firsts[group]) * LANES
    return begins, firsts


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _score(tile: Tile, pairs: Pairs) -> None:
    """Compute the exact scores of pairs that have none yet, passage by passage."""
    missing = np.flatnonzero(np.isnan(pairs.scores[: pairs.held[0]]))
    columns = pairs.columns[missing]
    ends = np.zeros(tile.positions.size + 1, np.int64)
    for column in columns:
        ends[column + 1] += 1
    ends = np.cumsum(ends)
    order = np.empty(missing.size, np.int64)
    for n in range(missing.size):
        order[ends[columns[n]]] = missing[n]
        ends[columns[n]] += 1
    pairs.scores[order] = score_pairs(
        tile.queries, pairs.queries[order], tile.passages, pairs.columns[order], tile.code
    )


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _settle(scan: Scan) -> None:
    """Count and list the passages of all pairs by their exact scores, and forget the pairs."""
    tile, wanted, bands, pairs, pool, by_group = (
        scan.tile,
        scan.wanted,
        scan.bands,
        scan.workspace.pairs,
        scan.pool,
        scan.by_group,
    )
    _score(tile, pairs)
    # A passage is above a run of the query's targets in the order of scores: one step up, and one down.
    steps, several = np.zeros(bands.order.size, np.int32), tile.edges.size > 2
    # Targets in one group are chained.
    heads, following, chained = np.empty(tile.edges.size - 1, np.int64), np.empty(bands.order.size, np.int64), -1
    for n in range(pairs.held[0]):
        query, column, value, score = pairs.queries[n], pairs.columns[n], pairs.values[n], pairs.scores[n]
        group, first, end = scan.workspace.owners[column], pairs.bands[n], wanted.starts[query + 1]
        if first < end:
            if several and query != chained:
                heads[:], chained = -1, query
                for k in range(wanted.starts[query], end):
                    following[k] = heads[wanted.groups[bands.order[k]]]
                    heads[wanted.groups[bands.order[k]]] = k
            steps[first] += 1
            k = first
            while k < end and bands.scores[k] < score:
                k += 1
            if k < end:
                steps[k] -= 1
            while k < end and bands.scores[k] == score:
                wanted.equal[bands.order[k], 1] += 1
                k += 1
            k = heads[group] if several else -1
            while k >= 0:
                if k >= first and bands.lows[k] <= value:
                    wanted.above[bands.order[k], 0] += np.int32(score > bands.scores[k])
                    wanted.equal[bands.order[k], 0] += np.int32(score == bands.scores[k])
                k = following[k]
        if pairs.listed[n]:
            insert(pool.scores[query, 0], pool.positions[query, 0], score, tile.positions[column])
            insert(by_group.scores[query, group], by_group.positions[query, group], score, tile.positions[column])
    for query in range(len(tile.values)):
        above = 0
        for k in range(wanted.starts[query], wanted.starts[query + 1]):
            above += steps[k]
            wanted.above[bands.order[k], 1] += above
    pairs.held[0] = 0


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _add_targets(scan: Scan, query: int) -> None:
    """Add a pair for each target in the tile, which has its exact score."""
    wanted, bands, row = scan.wanted, scan.bands, scan.tile.values[query]
    start = wanted.starts[query]
    for k in range(start, wanted.starts[query + 1]):
        i = bands.order[k]
        column, score = wanted.columns[i], wanted.scores[i]
        if 0 <= column < row.size and row[column] > -np.inf:
            row[column], first = score, k
            while first > start and bands.highs[first - 1] >= score:
                first -= 1
            add_pair(scan.workspace.pairs, query, column, score, score, first)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _list_best(scan: Scan, query: int) -> None:
    """List the best passages of a query; if scores are not exact, those that may be among them become pairs."""
    tile, pairs, pool, by_group = scan.tile, scan.workspace.pairs, scan.pool, scan.by_group
    row, margin, no_band = tile.values[query], tile.margins[query], scan.wanted.starts[query + 1]
    in_pool = lowest_listed(
        scan.maxima,
        0,
        scan.begins.size - 1,
        pool.scores[query, 0],
        margin,
        tile.code,
        scan.workspace.highest[: pool.depth],
    )
    found = find_listed(
        row,
        scan.begins,
        scan.firsts,
        scan.maxima,
        in_pool,
        by_group.scores[query],
        margin,
        tile.code,
        scan.workspace.highest[: by_group.depth],
        scan.workspace.found,
    )
    for column in scan.workspace.found[:found]:
        score = row[column]
        if margin > 0:
            add_pair(pairs, query, column, score, _UNKNOWN, no_band)
            pairs.listed[pairs.places[column]] = True
        else:
            group, position = scan.workspace.owners[column], tile.positions[column]
            insert(pool.scores[query, 0], pool.positions[query, 0], score, position)
            insert(by_group.scores[query, group], by_group.positions[query, group], score, position)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scan_tile(
    tile: Tile, wanted: Counts, bands: Bands, pool: Best, by_group: Best, workspace: Workspace, most_pairs: int
) -> None:
    """Count and list the passages of a tile for some queries; about `most_pairs` pairs are scored exactly at a time."""
    size = tile.positions.size
    begins, firsts = _cut(tile.edges)
    scan = Scan(
        tile,
        wanted,
        bands,
        pool,
        by_group,
        begins,
        firsts,
        find_blocks(begins),
        workspace.maxima[: begins.size - 1],
        workspace,
    )
    for group in range(tile.edges.size - 1):
        workspace.owners[tile.edges[group] : tile.edges[group + 1]] = group
    for query in range(len(tile.values)):
        row = tile.values[query]
        if tile.code == _EUCLIDEAN:
            for column in range(size):
                row[column] = to_score(row[column], tile.code)
        _find_maxima(row, begins, scan.maxima)
        workspace.pairs.known[:size] = False
        if wanted.starts[query] < wanted.starts[query + 1]:
            if tile.margins[query] > 0:
                _add_targets(scan, query)
            count_above(scan, query)
        _list_best(scan, query)
        if workspace.pairs.held[0] >= most_pairs:
            _settle(scan)
    _settle(scan)
    if tile.edges.size == 2:
        wanted.above[:, 0], wanted.equal[:, 0] = wanted.above[:, 1], wanted.equal[:, 1]
