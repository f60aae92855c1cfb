"""Compute the ranks of the relevant passages in a run, as trec_eval does.

A run is a truncated list: passages that it lacks are not retrieved, and have rank infinity, which every measure
supports. Their real ranks are unknown, and so is the rank distance.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.joining import UNKNOWN_SHARE, show_ids
from babelrank.data.pool import Passage
from babelrank.errors import DataError
from babelrank.ranking.table import COLUMNS, RankTable
from babelrank.ranking.trec import PLACEHOLDER, Run, number_ids, place_in_groups


@dataclass(frozen=True)
class Resolved:
    """A run in trec_eval's order, with known queries.

    Attributes
    ----------
    run
        The run, by query in the collection's order, best first; queries have the collection's labels.
    rows
        Row of each line's query in `Collection.queries`; int64, shape (lines,).
    places
        Place of each line in its query's list, from 1; int64.
    passages
        The run's passages that are in the collection.
    notes
        Sentences about parts of the run that are ignored.
    """

    run: Run
    rows: np.ndarray
    places: np.ndarray
    passages: Mapping[str, Passage]
    notes: tuple[str, ...]

    @property
    def depths(self) -> np.ndarray:
        """Number of passages in the run for each query that it contains; int64."""
        return np.unique(self.rows, return_counts=True)[1]


def resolve(run: Run, collection: Collection, source: str) -> Resolved:
    """Look up a run's queries and passages, and sort its lines.

    Queries without qrels are ignored. So are self-matches if the collection leaves them out, as in BEIR's evaluator.
    Passages that are not in the collection keep their places, as in trec_eval.

    Parameters
    ----------
    source
        Name of the run in errors.

    Raises
    ------
    DataError
        More than `UNKNOWN_SHARE` of the lines name unknown queries, or unknown passages (unless the collection lacks
        as many of its relevant passages); no line is left; or the run has placeholders, which have no known language.
    """
    if any(passage.startswith(PLACEHOLDER) for passage in run.passages):
        raise DataError(
            f"{source}: has passages named {PLACEHOLDER}…, which `babelrank export --format trec` writes for passages "
            "that a report does not name. They suffice for trec_eval, but their languages are unknown. "
            "`babelrank submit … --run DIR` writes the passages themselves."
        )
    rows = collection.find_queries(run.queries)
    known = rows >= 0
    unjudged = ~known & pd.Series(run.queries).isin(collection.unjudged).to_numpy()
    notes = [
        *run.notes,
        _count_unknown(source, collection, "queries", run.queries, ~known & ~unjudged),
        f"{np.unique(number_ids(run.queries[unjudged])).size:,} queries have no relevant passage; they are ignored"
        if unjudged.any()
        else "",
    ]
    own = np.zeros(len(known), dtype=bool)
    if collection.self_matches is not None:
        numbers = rows[known]
        same_id = run.passages[known] == collection.queries["id"].to_numpy(object)[numbers]
        own[known] = same_id & (collection.self_matches[numbers] >= 0)
        known &= ~own
    if own.any():
        notes.append(f"{own.sum():,} lines are self-matches (passages with the query's id); they are left out")
    if not known.any():
        problem = "remains after removing self-matches" if own.any() else "is in the run"
        raise DataError(f"{source}: no judged query of {collection.name} {problem}.")
    kept = Run(collection.labels[rows[known]], run.passages[known], run.scores[known])
    passages = collection.passages.find(frozenset(kept.passages))
    there = pd.Series(kept.passages).isin(passages.keys()).to_numpy()
    notes.append(_count_unknown(source, collection, "passages", kept.passages, ~there))
    numbers = rows[known]
    order = trec_order(numbers, kept.passages, kept.scores)
    numbers = numbers[order]
    ordered = Run(kept.queries[order], kept.passages[order], kept.scores[order])
    if pd.DataFrame({"query": numbers, "passage": ordered.passages}).duplicated().any():
        raise DataError(f"{source}: a query has one passage under two names of the query.")
    missing = len(collection.queries) - np.unique(numbers).size
    notes.append(f"{missing:,} judged queries are not in the run; they count as 0" if missing else "")
    return Resolved(ordered, numbers, place_in_groups(numbers), passages, tuple(filter(None, notes)))


def trec_order(queries: np.ndarray, passages: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the order of lines in trec_eval: by query, highest score first, and for equal scores the last id first."""
    order: np.ndarray = np.lexsort((-scores, queries))
    same = (np.diff(queries[order]) == 0) & (scores[order][1:] == scores[order][:-1])
    if same.any():  # sort only ids that break ties: text is much slower than numbers
        tied = np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]]))
        lines = order[tied]
        numbers, names = pd.factorize(passages[lines])
        places = np.empty(len(names), dtype=np.int64)
        places[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))  # by code point, as UTF-8
        order[tied] = lines[np.lexsort((-places[numbers], -scores[lines], queries[lines]))]
    return order


def rank_run(resolved: Resolved, collection: Collection) -> RankTable:
    """Rank every relevant passage: in the whole list, and among the list's passages of its own language.

    Returns
    -------
    RankTable
        One row per judgement. Ranks are integers, as ties are broken; infinity if the run lacks the passage.
    """
    run, rows = resolved.run, resolved.rows
    qrels = collection.qrels.drop(columns="passage").astype({"passage_id": object})
    known = dict(zip(qrels["passage_id"], qrels["passage_lang"], strict=True))  # includes missing passages
    langs = pd.Series(run.passages).map(known | {name: each.lang for name, each in resolved.passages.items()})
    if len(collection.languages) == 1:
        langs = langs.fillna(collection.languages[0])  # unknown passages keep their places, as in the pool
    lines = pd.DataFrame({"query": rows, "passage_id": run.passages, "score": run.scores, "lang": langs})
    lines["rank_in_pool"] = resolved.places
    lines["rank_in_language"] = lines.groupby(["query", "lang"]).cumcount() + 1
    lines["tied"] = lines.duplicated(["query", "score"], keep=False)
    table = qrels.merge(lines.drop(columns=["score", "lang"]), how="left", on=["query", "passage_id"])
    queries = collection.queries.iloc[table["query"].to_numpy()]
    ranks = table[["rank_in_language", "rank_in_pool"]].astype(np.float64).fillna(np.inf)
    columns = {
        "query_lang": queries["lang"].array,
        "query_id": queries["question"].array,
        "passage_lang": table["passage_lang"].array,
        "passage_id": table["passage_id"].astype("str").array,
        "grade": table["grade"].to_numpy(np.int64),
        **{name: ranks[name].to_numpy() for name in ranks},
    }
    tied = int(table["tied"].eq(True).sum())
    return RankTable(pd.DataFrame(columns)[list(COLUMNS)], collection.languages, collection.pool_sizes, tied)


def _count_unknown(source: str, collection: Collection, kind: str, ids: np.ndarray, unknown: np.ndarray) -> str:
    count = int(unknown.sum())
    if not count:
        return ""
    examples = show_ids(dict.fromkeys(ids[unknown]))
    if count > UNKNOWN_SHARE * len(ids) and not collection.mismatch:
        raise DataError(
            f"{source}: {count:,} of {len(ids):,} lines name {kind} that are not in {collection.name} ({examples}). "
            f"With more than {UNKNOWN_SHARE:.0%}, run and collection do not belong together."
        )
    what = "are ignored" if kind == "queries" else "keep their places"
    return f"{count:,} lines name {kind} that are not in the collection and {what}: {examples}"
