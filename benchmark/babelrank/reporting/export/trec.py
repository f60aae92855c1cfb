"""Qrels and runs for trec_eval and other tools that read TREC formats.

In: rank tables, which hold the ranks of the relevant passages and nothing of the others. Out: for each collection
``<collection>.multilingual.qrels`` and, for each model, ``<collection>.multilingual.<model>.run``; on request the same
for the pairs of languages, all pairs in one file (``….pairs.qrels``). Queries are called ``de:ID`` in the multilingual
setting (in a collection of one language, ``ID`` alone) and ``de-en:ID`` in a pair, query language first: `trec_eval -q`
then tells settings apart.

*Content of a run.* trec_eval sorts by score and ignores the ranks in a file. If a run had only the relevant passages,
they would move to the top. So every other rank above a relevant passage is filled with a placeholder,
``unjudged-RANK``, which is not in the qrels. A list ends with its last relevant passage within the depth; passages
below change no measure except the number of retrieved passages. A query without a relevant passage within the depth
keeps one placeholder, so it counts.

*Which measures are right.* Every measure with a cut-off up to the depth is right: recall, success, precision, nDCG,
and AP, which trec_eval divides by the number of relevant passages whatever the cut-off. Measures without a cut-off
(``map``, ``recip_rank``, ``ndcg``) are those at the depth, so at most the report's values. If the depth is the size of
the pool, they are the uncut ones.

*Ties.* A list has whole ranks, a rank table has mid-ranks. Relevant passages of one query that have the same rank r
take the places around it, in the order of their ids: g of them those from r − (g − 1) / 2 on, rounded up. If they tie
with each other alone, these are the places of the tie; if with other passages, too, the middle of them, or half a place
behind it. So only ranks that are tied can differ from the report's; it says how many these are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from babelrank.data.collection import query_labels
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable
from babelrank.ranking.trec import PLACEHOLDER, as_texts, check_ids, format_qrels, format_run
from babelrank.reporting.export.protocol import File, Options, RanksReader, collection_names
from babelrank.reporting.names import collection_stem, slug
from babelrank.reporting.results import Results


@dataclass(frozen=True)
class Lists:
    """Ranked lists, each of one query, that hold the relevant passages of a rank table's rows.

    Attributes
    ----------
    ids
        Of the queries, one per list.
    rows
        The list of each row; int64.
    places
        Where in its list each row's passage stands, from 1; int64.
    """

    ids: pa.Array
    rows: np.ndarray
    places: np.ndarray


def render(results: Sequence[Results], read_ranks: RanksReader, options: Options) -> Iterator[File]:
    """Yield the qrels of each collection and the runs of each model.

    Raises
    ------
    ReportError
        The depth is not positive, two models' tables are of different judgements, an id cannot stand in a run, or ranks
        of one list contradict each other.
    """
    if options.depth < 1:
        raise ReportError(f"--depth must be at least 1, got {options.depth}.")
    settings = ["multilingual", "pairs"] if options.pairs else ["multilingual"]
    for name in collection_names(results):
        stem = collection_stem(name)
        judged: dict[str, bytes] = {}
        for each in results:
            if name not in each.collections:
                continue
            model = slug(each.model.name)
            ranks = read_ranks(each.model.name, name)
            for setting in settings:
                lists = by_pair(ranks) if setting == "pairs" else by_query(ranks)
                qrels = write_qrels(ranks, lists)
                if setting not in judged:
                    judged[setting] = qrels
                    yield f"{stem}.{setting}.qrels", qrels
                elif judged[setting] != qrels:
                    raise ReportError(f"{name}: {each.model.name!r} has a rank table for different qrels.")
                yield f"{stem}.{setting}.{model}.run", write_run(ranks, lists, model, options.depth)


def by_query(ranks: RankTable) -> Lists:
    """Return the lists of the multilingual settings: each query's, over the pool."""
    query = ranks.query_numbers
    table = ranks.table
    return _lists(ranks, query, "rank_in_pool", query_labels(table["query_lang"], table["query_id"], ranks.languages))


def by_pair(ranks: RankTable) -> Lists:
    """Return the lists of the monolingual and cross-lingual settings: each query's, over each language."""
    _, passage_lang = ranks.language_codes
    pairs = ranks.query_numbers * len(ranks.languages) + passage_lang
    table = ranks.table
    labels = table["query_lang"] + "-" + table["passage_lang"] + ":" + table["query_id"]
    return _lists(ranks, pairs, "rank_in_language", labels.to_numpy(dtype=object))


def write_qrels(ranks: RankTable, lists: Lists) -> bytes:
    """Return ``query-id 0 passage-id grade`` lines, by query and passage."""
    queries = lists.ids.take(pa.array(lists.rows))
    passages = as_texts(ranks.table["passage_id"])
    order = np.lexsort((_order_of(passages), lists.rows))
    grades = ranks.table["grade"].to_numpy()[order]
    return format_qrels(queries.take(pa.array(order)), passages.take(pa.array(order)), grades)


def write_run(ranks: RankTable, lists: Lists, tag: str, depth: int) -> bytes:
    """Return ``query-id Q0 passage-id rank score tag`` lines, best first; the score is the rank with a minus sign."""
    depth = min(depth, sum(ranks.pool_sizes.values()))
    within = lists.places <= depth
    length = np.ones(len(lists.ids), dtype=np.int64)
    np.maximum.at(length, lists.rows[within], lists.places[within])
    start = np.cumsum(length) - length
    of_line = np.repeat(np.arange(len(length)), length)
    place = np.arange(len(of_line)) - start[of_line] + 1
    relevant = as_texts(ranks.table["passage_id"])
    placeholders = as_texts([f"{PLACEHOLDER}{i}" for i in range(1, depth + 1)])
    passages = pa.concat_arrays([relevant, placeholders])
    chosen = len(relevant) + place - 1
    chosen[start[lists.rows[within]] + lists.places[within] - 1] = np.flatnonzero(within)
    return format_run(
        lists.ids.take(pa.array(of_line)),
        passages.take(pa.array(chosen)),
        place,
        as_texts([f"-{i}" for i in range(1, depth + 1)]).take(pa.array(place - 1)),
        tag,
    )


def place_passages(rank: np.ndarray, lists: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Give every relevant passage a whole place in its list; see this module on ties.

    Parameters
    ----------
    rank
        Mid-ranks, from 1: float64, shape (rows,).
    lists
        The list of each row.
    order
        What sorts the passages of one list that have the same rank.

    Returns
    -------
    numpy.ndarray
        int64, shape (rows,): from 1, different within each list.

    Raises
    ------
    ReportError
        The ranks cannot be those of one list.
    """
    by_rank = np.lexsort((order, rank, lists))
    rank, lists = rank[by_rank], lists[by_rank]
    new = np.ones(len(rank), dtype=bool)
    new[1:] = (np.diff(rank) != 0) | (np.diff(lists) != 0)
    group = np.cumsum(new) - 1
    size, first = np.bincount(group, minlength=1), np.flatnonzero(new)
    within = np.arange(len(rank)) - first[group]
    place = np.ceil(rank - (size[group] - 1) / 2).astype(np.int64) + within
    if (place < 1).any() or ((np.diff(place) <= 0) & (np.diff(lists) == 0)).any():
        raise ReportError("a rank table holds ranks that cannot be those of one list.")
    places: np.ndarray = np.empty_like(place)
    places[by_rank] = place
    return places


def _lists(ranks: RankTable, keys: np.ndarray, column: str, labels: np.ndarray) -> Lists:
    """Return the lists, one for each of the `keys`; `labels` are the names of their queries, for each row."""
    _, first, rows = np.unique(keys, return_index=True, return_inverse=True)
    passages, ids = as_texts(ranks.table["passage_id"]), as_texts(labels[first])
    check_ids(ids, passages)
    if pc.any(pc.starts_with(passages, PLACEHOLDER)).as_py():
        raise ReportError(f"a passage's id begins with {PLACEHOLDER!r}, as placeholders do.")
    rank, order = ranks.table[column].to_numpy(), _order_of(passages)
    held = np.isfinite(rank)
    places = np.full(len(rank), np.iinfo(np.int64).max)  # of what the corpus lacks: behind everything
    places[held] = place_passages(rank[held], rows[held], order[held])
    return Lists(ids, rows, places)


def _order_of(ids: pa.Array) -> np.ndarray:
    """Return numbers that sort as the ids do, by code points."""
    numbers: np.ndarray = pc.rank(ids, tiebreaker="dense").to_numpy()
    return numbers
