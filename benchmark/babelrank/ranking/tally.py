"""Count what outscores each relevant passage, and list the best passages of each query, in one pass over the scores.

For a window of queries and a tile of passages, scores are computed once and scanned while they are in the cache.
Nothing is sorted, and there is no loop over language pairs. Tallies of parts of a collection add up, so the passages
may be in memory, on disk or on several machines. The results have the same bits, as they depend on exact scores only.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from babelrank.environment import available_cores
from babelrank.ranking.dense import DenseScorer
from babelrank.ranking.exact_scores import NO_POSITION, Rows
from babelrank.ranking.lanes import LANES
from babelrank.ranking.listing import insert_all
from babelrank.ranking.panels import Panel, Scorer
from babelrank.ranking.scan import scan_tile
from babelrank.ranking.tile import Best, Counts, Tile, Workspace, make_bands, make_workspace

MEMORY_LIMIT = 2 * 2**30
_TILE_PASSAGES = 16_384  # scored and scanned at a time by one thread
# Scores held by one thread. With 32 MB, products take longer; with 96, it takes long to get the memory.
_TILE_BYTES = 48 * 2**20
_TILE_SHARE = 10  # of the memory, for the tiles of all threads together
_PAIRS = 1 << 18  # of a query and a passage, scored exactly at a time by one thread
_MIN_QUERIES = 32  # scored at a time by one thread; smaller products are slow
_POOL_RESERVE, _GROUP_RESERVE = 6, 2  # extra places for passages that tie with the last


@dataclass(frozen=True)
class Targets:
    """Scores to rank, such as those of relevant passages.

    Attributes
    ----------
    query_rows
        Row of the query: int64, shape (targets,), ascending.
    positions
        Position of the passage: int64, shape (targets,).
    scores
        Exact scores, float32, shape (targets,); NaN until an exact scorer has computed them.
    groups
        Group to count in, in addition to the whole pool: int64, shape (targets,).
    """

    query_rows: np.ndarray
    positions: np.ndarray
    scores: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.query_rows)


@dataclass(frozen=True)
class Lists:
    """The best passages of each query, of the pool or of each group.

    Attributes
    ----------
    depth
        Number of correct places; later ones hold ties with the last of them.
    scores, positions
        float32 and int64, shape (queries, groups, places): best first, equal scores by position; free places have the
        score −∞ and the position `NO_POSITION`.
    """

    depth: int
    scores: np.ndarray
    positions: np.ndarray

    @classmethod
    def empty(cls, queries: int, groups: int, depth: int, reserve: int) -> "Lists":
        """Make lists without entries."""
        shape = (queries, groups, depth + reserve if depth else 0)
        return cls(depth, np.full(shape, -np.inf, np.float32), np.full(shape, NO_POSITION, np.int64))

    def tied(self, depth: int) -> np.ndarray:
        """Return in which lists entries up to place `depth` share a score: bool, shape (queries, groups)."""
        tied = np.zeros(self.scores.shape[:2], dtype=np.bool_)
        for place in range(min(depth, self.scores.shape[2] - 1)):
            score = self.scores[:, :, place + 1]
            tied |= (score == self.scores[:, :, place]) & (score > -np.inf)
        return tied

    def overflowing(self, depth: int) -> np.ndarray:
        """Return which lists have no room for all ties with place `depth`: bool, shape (queries, groups)."""
        last = self.scores[:, :, -1]
        full: np.ndarray = (last > -np.inf) & (last == self.scores[:, :, depth - 1])
        return full


@dataclass(frozen=True)
class Tally:
    """Counts and lists.

    Attributes
    ----------
    above, equal
        Number of passages with a higher score than a target, and with the same one (including the target), in the
        target's group and in the pool: int32, shape (targets, 2).
    pool, by_group
        Lists of the best passages.
    """

    above: np.ndarray
    equal: np.ndarray
    pool: Lists
    by_group: Lists

    @property
    def mid_ranks(self) -> np.ndarray:
        """Rank of each target in its group and in the pool: float64, shape (targets, 2)."""
        ranks: np.ndarray = self.above + (self.equal + 1) / 2
        return ranks

    def add(self, part: "Tally") -> None:
        """Add the tally of another part of the collection."""
        np.add(self.above, part.above, out=self.above)
        np.add(self.equal, part.equal, out=self.equal)
        for mine, other in ((self.pool, part.pool), (self.by_group, part.by_group)):
            places = mine.scores.shape[2]
            if places:
                insert_all(
                    mine.scores.reshape(-1, places),
                    mine.positions.reshape(-1, places),
                    other.scores.reshape(-1, places),
                    other.positions.reshape(-1, places),
                )


@dataclass(frozen=True)
class Request:
    """What to count and list.

    Attributes
    ----------
    targets
        Scores to rank.
    groups
        Group (language) of each passage by position: unsigned integers; None if there is one group.
    group_count
        Number of groups.
    pool_depth, group_depth
        Number of passages listed for each query, of the pool and of each group; 0 for none.
    left_out
        Position of the passage to leave out for each query, −1 for none: int64, shape (queries,); None to keep all.
    """

    targets: Targets
    groups: np.ndarray | None = None
    group_count: int = 1
    pool_depth: int = 0
    group_depth: int = 0
    left_out: np.ndarray | None = None

    def empty(self, queries: int) -> Tally:
        """Return a tally of no passages."""
        shape = (len(self.targets), 2)
        return Tally(
            np.zeros(shape, np.int32),
            np.zeros(shape, np.int32),
            Lists.empty(queries, 1, self.pool_depth, _POOL_RESERVE),
            Lists.empty(queries, self.group_count, self.group_depth, _GROUP_RESERVE),
        )


def no_targets() -> Targets:
    """Return no targets, for lists alone."""
    none = np.empty(0, np.int64)
    return Targets(none, none, np.empty(0, np.float32), none)


def score_targets(
    scorer: Scorer, query_rows: np.ndarray, positions: np.ndarray, groups: np.ndarray, threads: int | None = None
) -> Targets:
    """Return targets with the exact scores of pairs; an exact scorer's panel computes them later instead."""
    query_rows, positions, groups = (each.astype(np.int64) for each in (query_rows, positions, groups))
    if isinstance(scorer, DenseScorer):
        return Targets(query_rows, positions, scorer.pair_scores(query_rows, positions, threads), groups)
    return Targets(query_rows, positions, np.full(len(query_rows), np.nan, np.float32), groups)


def tally(scorer: Scorer, request: Request, *, memory: int = MEMORY_LIMIT, threads: int | None = None) -> Tally:
    """Count and list all passages of a scorer.

    Parameters
    ----------
    memory
        Bytes that ranking may use in addition to the memory that the process uses already.
    threads
        Number of threads; by default one per available core.

    Raises
    ------
    SearchError
        The memory is too small.
    """
    queries, _ = scorer.shape
    total = request.empty(queries)
    starts = np.searchsorted(request.targets.query_rows, np.arange(queries + 1)).astype(np.int64)
    workers = threads or available_cores()
    tile_bytes = min(_TILE_BYTES, memory // (_TILE_SHARE * workers))
    held = workers * tile_bytes + 3 * sum(
        part.nbytes for part in (total.above, total.equal, total.pool.scores, total.by_group.scores)
    )
    buffers = [np.empty(0, np.float32)] * workers  # kept from panel to panel, as new memory is slow
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        for panel in scorer.panels(request.groups, request.group_count, memory=memory, held=held):
            # Tiles of equal size; above all, not of a power of two, with which products take 8 % longer.
            tile = len(panel) if scorer.exact else -(-len(panel) // -(-len(panel) // _TILE_PASSAGES))
            most = max(1, tile_bytes // (4 * tile))
            rounds = max(1, -(-queries // (workers * most)))  # equal for all threads, so none waits
            rows = min(most, max(_MIN_QUERIES, -(-queries // (workers * rounds))))
            windows = iter([slice(start, min(start + rows, queries)) for start in range(0, queries, rows)])

            def work(worker: int, panel: Panel, windows: Iterator[slice], rows: int, tile: int) -> None:
                if buffers[worker].size < rows * tile + LANES:
                    buffers[worker] = np.empty(rows * tile + LANES, dtype=np.float32)
                workspace = make_workspace(_PAIRS, tile, max(total.pool.depth, total.by_group.depth))
                for window in windows:
                    _scan(scorer, request, panel, window, tile, starts, total, buffers[worker], workspace)

            for future in [executor.submit(work, worker, panel, windows, rows, tile) for worker in range(workers)]:
                future.result()
    return total


def _scan(
    scorer: Scorer,
    request: Request,
    panel: Panel,
    window: slice,
    width: int,
    starts: np.ndarray,
    total: Tally,
    buffer: np.ndarray,
    workspace: Workspace,
) -> None:
    """Score a window of queries with a panel, tile by tile, and add counts and list entries to their rows."""
    wanted = slice(starts[window.start], starts[window.stop])
    targets = request.targets
    if wanted.start == wanted.stop and not (request.pool_depth or request.group_depth):
        return
    left_out = np.empty(0, np.int64) if request.left_out is None else panel.columns(request.left_out[window])
    columns, margins = panel.columns(targets.positions[wanted]), scorer.margins[window]
    counts = Counts(
        starts[window.start : window.stop + 1] - starts[window.start],
        columns,
        targets.groups[wanted],
        targets.scores[wanted],
        total.above[wanted],
        total.equal[wanted],
    )
    bands = make_bands(counts, margins, scorer.code)
    for start in range(0, len(panel), width):
        tile = slice(start, min(start + width, len(panel)))
        shape = window.stop - window.start, tile.stop - tile.start
        values = buffer[: shape[0] * shape[1]].reshape(shape)  # contiguous: otherwise loops are not vectorised
        panel.score(window, tile, values)
        rows = np.flatnonzero((left_out >= tile.start) & (left_out < tile.stop))
        values[rows, left_out[rows] - tile.start] = -np.inf
        if scorer.exact:  # one tile holds the whole pool
            counts.scores[:] = values[targets.query_rows[wanted] - window.start, columns]
            bands = make_bands(counts, margins, scorer.code)
        scan_tile(
            Tile(
                values,
                margins,
                scorer.code,
                Rows(scorer.queries[window], scorer.lengths[window]),
                Rows(panel.vectors[tile], panel.lengths[tile]),
                panel.positions[tile],
                np.clip(panel.edges - tile.start, 0, tile.stop - tile.start),
            ),
            counts._replace(columns=columns - tile.start),
            bands,
            *(
                Best(lists.depth, lists.scores[window], lists.positions[window])
                for lists in (total.pool, total.by_group)
            ),
            workspace,
            _PAIRS,
        )
