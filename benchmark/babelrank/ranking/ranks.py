"""Representations -> ranks of the relevant passages: one pass over the scores gives every setting.

For a block of queries the whole pool is scored once. Each relevant passage is then ranked among its own language's
passages (monolingual and cross-lingual settings) and among all (multilingual setting) by counting what outscores it: no
sort, no loop over language pairs.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from babelrank.data.collection import Collection
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import count, take
from babelrank.environment import available_cores
from babelrank.ranking.counting import count_ranks
from babelrank.ranking.own_passages import WithoutOwn
from babelrank.ranking.scores import Scorer, make_scorer
from babelrank.ranking.table import RelevantRanks

# Bytes of scores that one thread holds at a time: smaller blocks repeat more of the work that BLAS does per product,
# larger ones fall out of the cache before they are counted (tried: 8, 16, 32, 64 MB).
_BLOCK_BYTES = 32 << 20
_MAX_BLOCK_BYTES = 512 << 20  # for all threads together

Consumer = Callable[[int, int, np.ndarray], None]  # of the queries from begin to end, and their scores


@dataclass(frozen=True)
class TopPassages:
    """The best passages of the pool for each query: the multilingual setting's run.

    Attributes
    ----------
    passages
        int64, shape (queries, k): positions in the pool, best first; equal scores in the pool's order.
    scores
        float32, shape (queries, k).
    """

    passages: np.ndarray
    scores: np.ndarray


def rank(collection: Collection, representations: Representations, *, threads: int | None = None) -> RelevantRanks:
    """Rank every relevant passage of every query, in its language and in the pool.

    Parameters
    ----------
    threads
        By default one per available core.

    Returns
    -------
    RelevantRanks
        One row per judgement of `collection.qrels`, in its order.

    Raises
    ------
    ValueError
        The representations are of another collection: the compiled loop would read beyond the scores.
    """
    in_pool, in_language = counters(collection, representations)
    for_each_block(make_collection_scorer(collection, representations), in_pool, threads)
    if in_language is not in_pool:
        own = make_collection_scorer(collection, representations, in_language=True)
        for_each_block(own, in_language, threads)
    return relevant_ranks(collection, in_pool, in_language)


class Counter:
    """Ranks the relevant passages block by block; to be handed to `for_each_block`.

    Attributes
    ----------
    in_language, in_pool
        float64, shape (judgements,): ranks, in the order of `collection.qrels`.
    tied
        bool, shape (judgements,): whether another passage of the pool has the same score.
    """

    def __init__(self, collection: Collection) -> None:
        self._bounds, order = language_order(collection)
        self._passages = np.argsort(order)[collection.qrels["passage"].to_numpy(np.int64)]
        self._langs = np.searchsorted(self._bounds, self._passages, side="right") - 1
        queries = collection.qrels["query"].to_numpy()
        self._starts = np.searchsorted(queries, np.arange(len(collection.queries) + 1)).astype(np.int64)
        size = len(self._passages)
        self.in_language, self.in_pool, self.tied = np.empty(size), np.empty(size), np.empty(size, np.bool_)

    def __call__(self, begin: int, end: int, scores: np.ndarray) -> None:
        """Rank what is relevant to the queries from `begin` to `end`, of which these are the scores."""
        window = slice(self._starts[begin], self._starts[end])
        count_ranks(
            scores,
            self._bounds,
            self._starts[begin : end + 1] - self._starts[begin],
            self._passages[window],
            self._langs[window],
            self.in_language[window],
            self.in_pool[window],
            self.tied[window],
        )


def language_order(collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    """Return where each language begins once passages are sorted by language, with the end; and what sorts them."""
    codes = collection.passages.lang_codes
    counts = np.bincount(codes, minlength=len(collection.languages))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), np.argsort(codes, kind="stable")


def counters(collection: Collection, representations: Representations) -> tuple[Counter, Counter]:
    """Return what counts ranks in the pool, and what counts those in the language: the same if passages weigh alike."""
    in_pool = Counter(collection)
    return in_pool, in_pool if representations.passages_in_language is None else Counter(collection)


def make_collection_scorer(
    collection: Collection, representations: Representations, *, in_language: bool = False
) -> Scorer:
    """Return what scores the pool, sorted by language; `in_language` as passages weigh among those of their own.

    Raises
    ------
    ValueError
        The representations are of another collection: compiled loops would read beyond the scores.
    """
    passages = representations.passages_in_language if in_language else None
    if passages is None:
        passages = representations.passages
    _, order = language_order(collection)
    if count(passages) == len(order) and (order[1:] < order[:-1]).any():
        passages = take(passages, order)
    scorer = make_scorer(representations.queries, passages, representations.similarity)
    shape = (len(collection.queries), len(collection.passages))
    if scorer.shape != shape:
        raise ValueError(f"{scorer.shape} (query, passage) vectors, but {collection.name} has {shape}.")
    own = collection.self_matches
    return scorer if own is None else WithoutOwn(scorer, np.where(own < 0, -1, np.argsort(order)[own]))


def relevant_ranks(collection: Collection, in_pool: Counter, in_language: Counter) -> RelevantRanks:
    """Make a table of what was counted."""
    query_rows = collection.qrels["query"].to_numpy()
    table = pd.DataFrame(
        {
            "query_lang": collection.queries["lang"].array.take(query_rows),
            "query_id": collection.queries["question"].array.take(query_rows),
            "passage_lang": collection.qrels["passage_lang"].array,
            "passage_id": collection.qrels["passage_id"].array,
            "grade": collection.qrels["grade"].to_numpy(np.int32),
            "rank_in_language": in_language.in_language,
            "rank_in_pool": in_pool.in_pool,
        }
    )
    tied = int(in_pool.tied.sum())
    return RelevantRanks(table, languages=collection.languages, pool_sizes=collection.pool_sizes, tied=tied)


def top_passages(
    representations: Representations, k: int = 100, *, own: np.ndarray | None = None, threads: int | None = None
) -> TopPassages:
    """Return each query's `k` best passages of the whole pool; all there are if there are fewer.

    Parameters
    ----------
    own
        int64, shape (queries,): the passage that is left out of each query's list, −1 for none. Where only some queries
        have one, in a pool of no more than `k`, it stands at the end, with a score of −∞.
    """
    scorer = make_scorer(representations.queries, representations.passages, representations.similarity)
    queries, pool = scorer.shape
    k = min(k, pool)
    if own is not None:
        scorer = WithoutOwn(scorer, own)
        k = min(k, pool - int((own >= 0).all()))
    best = TopPassages(np.empty((queries, k), dtype=np.int64), np.empty((queries, k), dtype=np.float32))

    def select(begin: int, end: int, scores: np.ndarray) -> None:
        # A partition finds the k-th best score; what lies above it is in, what equals it comes in by position.
        threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1]
        for row, limit, query in zip(scores, threshold, range(begin, end), strict=True):
            inside = np.flatnonzero(row >= limit)
            order = inside[np.argsort(-row[inside], kind="stable")][:k]
            best.passages[query], best.scores[query] = order, row[order]

    for_each_block(scorer, select, threads)
    return best


def for_each_block(scorer: Scorer, consume: Consumer, threads: int | None) -> None:
    """Score all queries, block by block, and hand (begin, end, scores) to `consume` in the thread that scored them.

    Each thread multiplies with one BLAS thread and consumes its block while it is still in the cache; threads never
    wait for one another.
    """
    queries, pool = scorer.shape
    workers = threads or available_cores()
    rows = max(1, min(_BLOCK_BYTES, _MAX_BLOCK_BYTES // workers) // (4 * max(pool, 1)))
    blocks = iter(range(0, queries, rows))

    def work() -> None:
        buffer = np.empty((rows, pool), dtype=np.float32)
        while (begin := next(blocks, None)) is not None:
            end = min(begin + rows, queries)
            consume(begin, end, scorer.block(begin, end, buffer))

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        for future in [executor.submit(work) for _ in range(workers)]:
            future.result()
