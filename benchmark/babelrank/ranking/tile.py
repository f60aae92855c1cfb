"""What the inner loop works on: scores of some queries with some passages, and what to count and to list."""

from typing import NamedTuple

import numba
import numpy as np

from babelrank.ranking.exact_scores import Rows, band
from babelrank.ranking.lanes import LANES


class Tile(NamedTuple):
    """Scores of some queries with some passages.

    Attributes
    ----------
    values
        float32, shape (queries, passages): approximate values; −∞ for a passage that is left out. Modified in place.
        At least `LANES` more values are behind them in memory, as `lanes` reads that many at a time.
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


class Bands(NamedTuple):
    """The targets of `Counts`, ascending for each query; arrays of shape (targets,).

    Attributes
    ----------
    order
        int64: places of the targets in `Counts`.
    scores
        float32: exact scores.
    lows, highs
        float32: a passage with an approximate score between them may be on either side of the target.
    """

    order: np.ndarray
    scores: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


class Pairs(NamedTuple):
    """Queries and passages that need exact scores, query by query; arrays of shape (room,).

    Attributes
    ----------
    queries, columns
        int32: row and column in the tile.
    values, scores
        float32: the tile's approximate score, and the exact one, NaN until it is computed.
    bands
        int32: first of the query's bands in which the score may be, or which is above it.
    listed
        bool: whether the passage may be among the best.
    known, places
        bool and int32, shape (passages,): whether the current query has a pair of the passage, and which.
    held
        int64, shape (1,): number of pairs.
    """

    queries: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    scores: np.ndarray
    bands: np.ndarray
    listed: np.ndarray
    known: np.ndarray
    places: np.ndarray
    held: np.ndarray


class Workspace(NamedTuple):
    """Arrays that all tiles of a thread share, as new memory costs more than what is done with it.

    Attributes
    ----------
    pairs
        Room for pairs.
    owners
        int32, shape (passages,): group of each passage.
    maxima
        float32, shape (passages,): highest score of each piece for the current query.
    peaks
        float32, shape (passages,): highest score of each block for the current query.
    highest
        Scratch: float32, as long as the deepest list.
    found, cells
        Scratch: int64 and uint16, shape (passages,). Like `maxima` and `peaks`, they have `LANES` more places.
    """

    pairs: Pairs
    owners: np.ndarray
    maxima: np.ndarray
    peaks: np.ndarray
    highest: np.ndarray
    found: np.ndarray
    cells: np.ndarray


class Scan(NamedTuple):
    """A tile, what to count and to list in it, and what the steps share.

    Attributes
    ----------
    begins, firsts
        int64, shapes (pieces + 1,) and (groups + 1,): start of each piece of a group, and each group's first piece.
    blocks
        int64, shape (blocks + 1,): the piece that holds the first passage of each block, and the last piece.
    maxima
        The workspace's, as long as there are pieces.
    """

    tile: Tile
    wanted: Counts
    bands: Bands
    pool: Best
    by_group: Best
    begins: np.ndarray
    firsts: np.ndarray
    blocks: np.ndarray
    maxima: np.ndarray
    workspace: Workspace


@numba.njit(nogil=True, cache=True, error_model="numpy")
def make_bands(wanted: Counts, margins: np.ndarray, code: int) -> Bands:
    """Return the bands of all targets; `margins` and `code` are those of a `Tile`."""
    size = wanted.scores.size
    order, scores = np.empty(size, np.int64), np.empty(size, np.float32)
    bands = Bands(order, scores, np.empty(size, np.float32), np.empty(size, np.float32))
    for query in range(margins.size):
        start, end = wanted.starts[query], wanted.starts[query + 1]
        order[start:end] = start + np.argsort(wanted.scores[start:end])
        for k in range(start, end):
            scores[k] = wanted.scores[order[k]]
            bands.lows[k], bands.highs[k] = band(scores[k], margins[query], code)
    return bands


def make_workspace(pairs: int, passages: int, depth: int) -> Workspace:
    """Return arrays for tiles of up to some passages.

    Parameters
    ----------
    pairs
        Number of pairs that are scored exactly at a time; those of one more query find room.
    depth
        Length of the deepest list.
    """
    room = pairs + passages
    return Workspace(
        Pairs(
            np.empty(room, np.int32),
            np.empty(room, np.int32),
            np.empty(room, np.float32),
            np.empty(room, np.float32),
            np.empty(room, np.int32),
            np.empty(room, np.bool_),
            np.empty(passages, np.bool_),
            np.empty(passages, np.int32),
            np.zeros(1, np.int64),
        ),
        np.empty(passages, np.int32),
        np.empty(passages + LANES, np.float32),
        np.empty(passages + LANES, np.float32),
        np.empty(depth, np.float32),
        np.empty(passages + LANES, np.int64),
        np.empty(passages + LANES, np.uint16),
    )


@numba.njit(nogil=True, cache=True, error_model="numpy")
def add_pair(pairs: Pairs, query: int, column: int, value: np.float32, score: np.float32, band: int) -> None:
    """Add a pair unless it is there."""
    if pairs.known[column]:
        return
    place = pairs.held[0]
    pairs.known[column], pairs.places[column] = True, place
    pairs.queries[place], pairs.columns[place] = query, column
    pairs.values[place], pairs.scores[place] = value, score
    pairs.bands[place], pairs.listed[place] = band, False
    pairs.held[0] += 1
