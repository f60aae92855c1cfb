"""Rank the relevant passages and list the best passages of each query: every setting in one pass.

Both tables come from the same scores, in memory or on disk, for dense, sparse and multi-vectors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from babelrank.data.collection import Collection
from babelrank.data.pool import Passages
from babelrank.encoding.representations import Representations
from babelrank.encoding.vector_block import VectorBlock
from babelrank.encoding.vectors import Vectors, take
from babelrank.errors import SearchError
from babelrank.ranking.best import TopPassages
from babelrank.ranking.dense import number_by_first_use
from babelrank.ranking.panels import Scorer
from babelrank.ranking.scores import make_scorer
from babelrank.ranking.table import RankTable
from babelrank.ranking.table_file import RANK_TYPES
from babelrank.ranking.tally import MEMORY_LIMIT, Lists, Request, Tally, Targets, score_targets, tally
from babelrank.ranking.top_table import LANGUAGE_DEPTH, POOL_DEPTH, TopTable

# Counts and lists all passages of a scorer: `tally`, or a function that distributes the work over machines.
Tallier = Callable[[Scorer, Request], Tally]


@dataclass(frozen=True)
class Ranking:
    """Results of one pass over the scores.

    Attributes
    ----------
    ranks
        Ranks of the relevant passages, one row per relevant passage of a query.
    top
        The best passages of each query, relevant or not.
    best
        The best passages of the pool, up to `run_depth`; None if it is 0.
    """

    ranks: RankTable
    top: TopTable
    best: TopPassages | None = None


def rank(
    collection: Collection,
    representations: Representations,
    *,
    pool_depth: int = POOL_DEPTH,
    language_depth: int = LANGUAGE_DEPTH,
    run_depth: int = 0,
    memory: int = MEMORY_LIMIT,
    threads: int | None = None,
    tallier: Tallier | None = None,
) -> Ranking:
    """Rank every relevant passage of every query, in its language and in the pool, and list the best passages.

    Ranks start at 1; equal scores share the mean of their ranks. Dense vectors are compared by exact scores: double
    precision, rounded to float32. Results do not depend on threads, memory or the order of the work.

    Parameters
    ----------
    representations
        Representations of this collection's queries and passages, row by row.
    pool_depth, language_depth
        Number of passages listed for each query, of the pool (at least 1) and of each language.
    run_depth
        Number of passages per query in `Ranking.best`; 0 for none.
    memory
        Bytes that ranking may use in addition to the vectors.
    threads
        Number of threads; by default one per available core.
    tallier
        Function that counts; by default in this process.

    Raises
    ------
    SearchError
        The representations belong to another collection, a depth is below 1, or the memory is too small.

    Examples
    --------
    >>> import babelrank
    >>> collection = babelrank.load_collection("sample:de,en")
    >>> encoder = babelrank.load_encoder("use-multilingual-v3")
    >>> ranking = babelrank.rank(collection, babelrank.encode(encoder, collection))
    >>> len(ranking.ranks.table) == len(collection.qrels)
    True
    """
    if pool_depth < 1 or language_depth < 0:
        raise SearchError(
            f"pool_depth must be at least 1 and language_depth at least 0, got {pool_depth} and {language_depth}."
        )

    def work(scorer: Scorer, request: Request) -> Tally:
        return tallier(scorer, request) if tallier else tally(scorer, request, memory=memory, threads=threads)

    several = len(collection.languages) > 1
    codes = collection.passages.lang_codes if several else None
    rows, positions = (collection.qrels[side].to_numpy(np.int64) for side in ("query", "passage"))
    langs = np.zeros(len(positions), np.int64) if codes is None else codes[positions]

    def count(
        passages: Vectors | Sequence[VectorBlock], depths: tuple[int, int]
    ) -> tuple[Tally, dict[str, pd.DataFrame]]:
        scorer = make_scorer(representations.queries, passages, representations.similarity)
        shape = len(collection.queries), len(collection.passages)
        if scorer.shape != shape:
            raise SearchError(f"{scorer.shape} (query, passage) vectors, but {collection.name} has {shape}.")
        targets = score_targets(scorer, rows, positions, langs, threads)
        request = Request(targets, codes, len(collection.languages), *depths, collection.self_matches)
        total = work(scorer, request)

        def recount(ties: Targets) -> Tally:
            again = replace(request, targets=ties, pool_depth=0, group_depth=0)
            if scorer.exact:  # the last bits of its scores may depend on which queries are scored together
                return work(scorer, again)
            rows, query_rows = np.unique(ties.query_rows, return_inverse=True)
            few = make_scorer(take(representations.queries, rows), passages, representations.similarity)
            left_out = None if request.left_out is None else request.left_out[rows]
            return work(few, replace(again, targets=replace(ties, query_rows=query_rows), left_out=left_out))

        lists = {}
        if total.pool.depth:
            lists["rank_in_pool"] = _entries(total.pool, "rank_in_pool", pool_depth, recount)
        if total.by_group.depth:
            lists["rank_in_language"] = _entries(total.by_group, "rank_in_language", language_depth, recount)
        return total, lists

    weighted, depth = representations.passages_in_language, max(pool_depth, run_depth)
    if weighted is None:
        in_pool, lists = count(representations.passages, (depth, language_depth))
        in_language = in_pool
    else:  # passages weigh differently in the pool of their own language
        in_pool, lists = count(representations.passages, (depth, 0))
        in_language, own_lists = count(weighted, (0, language_depth))
        lists |= own_lists
    ranks = _rank_table(collection, in_pool, in_language)
    best = TopPassages.of(in_pool.pool, run_depth) if run_depth else None
    return Ranking(ranks, _top_table(collection, lists, pool_depth, language_depth), best)


def _entries(lists: Lists, rank: str, depth: int, count: Callable[[Targets], Tally]) -> pd.DataFrame:
    """Return the wanted entries of lists: columns query, passage (positions) and their mid-ranks.

    Parameters
    ----------
    count
        Counts the passages with the same score as some entries, if a list is too short for all of them.
    """
    wanted = lists.scores[:, :, :depth]
    ranks = np.broadcast_to(np.arange(1.0, depth + 1), wanted.shape).copy()
    queries, groups = np.nonzero(lists.tied(depth))
    if len(queries):  # lists with ties
        scores, entries = lists.scores[queries, groups], wanted[queries, groups]
        above, equal = np.zeros(entries.shape, np.int32), np.zeros(entries.shape, np.int32)
        for place in range(scores.shape[1]):  # all places at once would take more memory and time
            above += scores[:, place, None] > entries
            equal += scores[:, place, None] == entries
        full = np.flatnonzero(lists.overflowing(depth)[queries, groups])
        if len(full):
            last = queries[full], groups[full], depth - 1
            ties = Targets(queries[full], lists.positions[last], lists.scores[last], groups[full])
            exact = count(ties).equal[:, tuple(RANK_TYPES).index(rank)]
            equal[full] = np.where(entries[full] == ties.scores[:, None], exact[:, None], equal[full])
        ranks[queries, groups] = above + (equal + 1) / 2
    found = wanted > -np.inf
    return pd.DataFrame(
        {
            "query": np.repeat(np.arange(len(found)), found.sum(axis=(1, 2))),
            "passage": lists.positions[:, :, :depth][found],
            rank: ranks[found],
        }
    )


def _rank_table(collection: Collection, in_pool: Tally, in_language: Tally) -> RankTable:
    qrels = collection.qrels
    queries, rows = collection.queries, qrels["query"].to_numpy()
    table = pd.DataFrame(
        {
            "query_lang": queries["lang"].array.take(rows),
            "query_id": queries["question"].array.take(rows),
            "passage_lang": qrels["passage_lang"].array,
            "passage_id": qrels["passage_id"].array,
            "grade": qrels["grade"].to_numpy(),
            "rank_in_language": in_language.mid_ranks[:, 0],
            "rank_in_pool": in_pool.mid_ranks[:, 1],
        }
    )
    return RankTable(table, collection.languages, collection.pool_sizes, tied=int((in_pool.equal[:, 1] > 1).sum()))


def _top_table(
    collection: Collection, lists: dict[str, pd.DataFrame], pool_depth: int, language_depth: int
) -> TopTable:
    size = len(collection.passages)
    keys = {name: (found["query"] * size + found["passage"]).to_numpy() for name, found in lists.items()}
    rows = np.sort(np.concatenate(list(keys.values())), kind="stable")  # faster, as each list is in order of queries
    rows = rows[np.diff(rows, prepend=-1) > 0]  # np.unique hashes, ten times slower
    ranks = {name: np.full(len(rows), np.nan) for name in RANK_TYPES}
    for name, found in lists.items():
        ranks[name][np.searchsorted(rows, keys[name])] = found[name]
    queries, positions = collection.queries, rows % size
    codes = collection.passages.lang_codes[positions].astype(np.int64)
    columns = {
        "query_lang": queries["lang"].array.take(rows // size),
        "query_id": queries["question"].array.take(rows // size),
        "passage_lang": pd.Series(collection.languages, dtype="str").array.take(codes),
        "passage_id": _ids(collection.passages, positions),
    }
    frame = pd.DataFrame(columns | ranks)
    return TopTable(frame, collection.languages, collection.pool_sizes, pool_depth, language_depth)


def _ids(passages: Passages, positions: np.ndarray) -> ExtensionArray:
    """Return the ids of passages; those on disk are read once."""
    rows, distinct = number_by_first_use(positions, len(passages))
    ids = passages.ids(distinct)
    return pd.Series([ids[position] for position in distinct.tolist()], dtype="str").array.take(rows)
