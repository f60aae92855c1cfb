"""The inner loop: a tile of scores in, counts of what outscores the relevant passages and lists of the best out.

Scores of a tile come from a fast matrix product, so they may be off by a margin. Only passages within the margin of a
score that matters are scored exactly (`exact_scores`). Where a tile holds the scores themselves, the margin is 0.
"""

import numba
import numpy as np

from babelrank.ranking.exact_scores import exact_score, lowest_value, scratch, to_value

_PIECE = 32  # Passages of which a vector loop takes the maximum; a scalar loop looks into the few pieces that matter.


# Sums of ones in float32 are what the compiler counts fastest; they are exact up to 2²⁴, far above a tile's passages.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _count(values: np.ndarray, low: np.float32, high: np.float32) -> tuple[np.float32, np.float32]:
    """Return how many values are above `high`, and how many are at least `low`."""
    above = np.float32(0)
    near = np.float32(0)
    for i in range(values.size):
        above += np.float32(1) if values[i] > high else np.float32(0)
        near += np.float32(1) if values[i] >= low else np.float32(0)
    return above, near


# No score is NaN, and maxima may be taken in any order, so that the compiler can use vector registers.
@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nnan", "nsz"})
def _maximum(values: np.ndarray) -> np.float32:
    best: np.float32 = values[0]
    for i in range(1, values.size):
        best = max(best, values[i])
    return best


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _cut(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut groups into pieces: return where each piece begins (and the last ends), and each group's first piece."""
    firsts = np.zeros(edges.size, np.int64)
    for group in range(edges.size - 1):
        firsts[group + 1] = firsts[group] + -(-(edges[group + 1] - edges[group]) // _PIECE)
    begins = np.full(firsts[-1] + 1, edges[-1])
    for group in range(edges.size - 1):
        for piece in range(firsts[group], firsts[group + 1]):
            begins[piece] = edges[group] + (piece - firsts[group]) * _PIECE
    return begins, firsts


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
) -> float:
    """Return the approximate value from which on a passage may be listed.

    Parameters
    ----------
    maxima
        Of the pieces that are listed: as many values as places are wanted are no lower than that many of them.
    depth, scores
        Places wanted, and the list so far.
    highest
        Scratch of at least `depth` places.
    """
    if depth == 0:
        return np.inf
    limit = _nth_highest(maxima, highest[:depth])
    lowest: float = max(limit - 2 * margin - abs(limit) * 2.0**-20, lowest_value(scores[depth - 1], margin, code))
    return lowest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def insert(scores: np.ndarray, positions: np.ndarray, score: np.float32, position: int) -> None:
    """Put a passage into a list ordered by score, then position; do nothing if it is listed already."""
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
    """Put the entries of other lists into some lists: float32 and int64, shape (lists, places), both times."""
    for row in range(len(scores)):
        for place in range(other_scores.shape[1]):
            if other_scores[row, place] > -np.inf:
                insert(scores[row], positions[row], other_scores[row, place], other_positions[row, place])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def scan_tile(
    queries: np.ndarray,
    lengths: np.ndarray,
    passages: np.ndarray,
    passage_lengths: np.ndarray,
    code: int,
    values: np.ndarray,
    positions: np.ndarray,
    edges: np.ndarray,
    starts: np.ndarray,
    targets: np.ndarray,
    thresholds: np.ndarray,
    margins: np.ndarray,
    above: np.ndarray,
    equal: np.ndarray,
    pool_depth: int,
    pool_scores: np.ndarray,
    pool_positions: np.ndarray,
    group_depth: int,
    group_scores: np.ndarray,
    group_positions: np.ndarray,
) -> None:
    """Count and list the passages of a tile for a window of queries.

    Parameters
    ----------
    queries, lengths
        float32, shape (queries, dimension), and their Euclidean lengths, float64; without columns where `values` are
        the scores themselves.
    passages, passage_lengths
        The same for the tile's passages.
    code
        Similarity, see `exact_scores.CODES`.
    values
        float32, shape (queries, passages): approximate values; −∞ for a passage that is left out.
    positions
        int64, shape (passages,): of each passage in the collection.
    edges
        int64, shape (groups + 1,): where in the tile each group (language) begins.
    starts
        int64, shape (queries + 1,): where each query's thresholds begin.
    targets, thresholds
        int64 and float32, shape (thresholds,): column of each passage to rank, which may be outside the tile, and its
        exact score.
    margins
        float64, shape (queries,): by how much a value may be off.
    above, equal
        int64, shape (thresholds, groups): added to.
    pool_depth, group_depth
        How many places of the lists below must be right; the places behind them hold what ties with the last.
    pool_scores, pool_positions
        float32 and int64, shape (queries, places): the best so far, best first; changed.
    group_scores, group_positions
        The same by group, shape (queries, groups, places).
    """
    exact = queries.shape[1] > 0
    groups = edges.size - 1
    begins, firsts = _cut(edges)
    maxima, highest = np.empty(begins.size - 1, np.float32), np.empty(groups, np.float32)
    best = np.empty(max(pool_depth, group_depth), np.float32)
    sums = scratch()
    for query in range(len(values)):
        row, margin, length = values[query], margins[query], lengths[query]
        for group in range(groups):
            highest[group] = -np.inf
            for piece in range(firsts[group], firsts[group + 1]):
                maxima[piece] = _maximum(row[begins[piece] : begins[piece + 1]])
                highest[group] = max(highest[group], maxima[piece])
        for i in range(starts[query], starts[query + 1]):
            threshold = thresholds[i]
            low = high = threshold
            if exact:
                # To float32 the bounds are rounded outwards: a 24-bit number's neighbour is at most a 2⁻²³rd away.
                value = to_value(threshold, code)
                spread = (value - lowest_value(threshold, margin, code)) * 1.000001 + abs(value) * 2.0**-22 + 1e-44
                low, high = np.float32(value - spread), np.float32(value + spread)
            for group in range(groups):
                if highest[group] < low:
                    continue
                begin, end = edges[group], edges[group + 1]
                more, near = _count(row[begin:end], low, high)
                above[i, group] += np.int64(more)
                undecided = np.int64(near) - np.int64(more)
                if not exact:
                    equal[i, group] += undecided
                    continue
                own = targets[i]
                if begin <= own < end and low <= row[own] <= high:
                    undecided -= 1
                    equal[i, group] += 1
                for piece in range(firsts[group], firsts[group + 1]):
                    if undecided == 0:
                        break
                    if maxima[piece] < low:
                        continue
                    more, near = _count(row[begins[piece] : begins[piece + 1]], low, high)
                    if more == near:
                        continue
                    for j in range(begins[piece], begins[piece + 1]):
                        if low <= row[j] <= high and j != own:
                            undecided -= 1
                            score = exact_score(queries, query, length, passages, j, passage_lengths[j], code, sums)
                            above[i, group] += score > threshold
                            equal[i, group] += score == threshold
        in_pool = _lowest_listed(maxima, pool_depth, pool_scores[query], margin, code, best)
        for group in range(groups):
            first, last = firsts[group], firsts[group + 1]
            in_group = _lowest_listed(maxima[first:last], group_depth, group_scores[query, group], margin, code, best)
            lowest = min(in_pool, in_group)
            for piece in range(first, last):
                if maxima[piece] < lowest:
                    continue
                for column in range(begins[piece], begins[piece + 1]):
                    score = row[column]
                    if score < lowest or score == -np.inf:
                        continue
                    if exact:
                        score = exact_score(
                            queries, query, length, passages, column, passage_lengths[column], code, sums
                        )
                    insert(pool_scores[query], pool_positions[query], score, positions[column])
                    insert(group_scores[query, group], group_positions[query, group], score, positions[column])
