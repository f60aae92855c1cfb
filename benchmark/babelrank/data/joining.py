"""Join queries, qrels and the survey of the passages into the tables of a `Collection`."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import pandas as pd

from babelrank.data.survey import Survey
from babelrank.errors import DataError

UNKNOWN_SHARE = 0.05  # of the judgements; with more, the files are probably from different collections
DROPPED = "queries without a relevant passage were dropped, which trec_eval counts as 0"
_SHOWN = 3  # examples
_QRELS_TYPES = {"query": "int64", "passage": "int64", "grade": "int64", "passage_id": "str", "passage_lang": "str"}


@dataclass(frozen=True)
class Joined:
    """The attributes of a `Collection` apart from its passages, under the same names."""

    languages: tuple[str, ...]
    queries: pd.DataFrame
    qrels: pd.DataFrame
    sha256: str
    notes: tuple[str, ...] = ()
    self_matches: np.ndarray | None = None
    unjudged: frozenset[str] = frozenset()
    missing: pd.DataFrame | None = None
    mismatch: str = ""


def join(
    name: str, queries: pd.DataFrame, qrels: pd.DataFrame | None, surveyed: Survey, *, leave_out_self: bool = False
) -> Joined:
    """Join queries and qrels with the passages that were found; see `collection.assemble`.

    Without `qrels`, all queries are kept.
    """
    if qrels is None:
        return _without_qrels(name, queries, surveyed)
    known = qrels["query_id"].isin(queries["id"])
    found = qrels["passage_id"].isin(surveyed.found.keys())
    missing = {"queries": qrels["query_id"][~known], "passages": qrels["passage_id"][~found]}
    unknown, mismatch = _unknown(name, len(qrels), missing)
    kept = qrels[known & found & (qrels["grade"] > 0)]
    judged, answered = queries["id"].isin(qrels["query_id"]), queries["id"].isin(kept["query_id"])
    chosen = queries[answered].sort_values("lang", kind="stable", ignore_index=True)
    if chosen.empty:
        raise DataError("\n".join(filter(None, (mismatch, f"{name}: no query has a relevant passage."))))
    _check_queries(name, chosen, queries[judged])
    relevant = _by_position(kept, chosen, surveyed)
    matches = np.array([surveyed.found.get(query, (-1, ""))[0] for query in chosen["id"]], dtype=np.int64)
    same = (matches >= 0).sum()
    matches[relevant["query"][relevant["passage"] == matches[relevant["query"]]]] = -1
    left_out = (matches >= 0).sum() if leave_out_self else 0
    told = (
        (len(surveyed.repeats), "passages are exact copies of another; each counts once"),
        ((~judged).sum(), "queries without a judgement were dropped"),
        ((judged & ~answered).sum(), DROPPED),
        (surveyed.without_text, "passages have no text; they stay in the pool"),
        (left_out, "queries have the id of a passage, which is left out of their results, as BEIR does"),
        (same - left_out, "queries have the id of a passage, which stays in their results"),
    )
    return Joined(
        languages=_languages(chosen, surveyed),
        queries=chosen,
        qrels=relevant,
        sha256=_digest(queries, qrels, surveyed),
        notes=(*(f"{count:,} {text}" for count, text in told if count), *unknown),
        self_matches=matches if left_out else None,
        unjudged=frozenset(chain.from_iterable(query_names(queries[~answered]))),
        missing=_missing(queries, qrels[known], found[known], judged & ~answered),
        mismatch=mismatch,
    )


def show_ids(ids: Iterable[str]) -> str:
    """Return the first ids, for messages; an id with characters that are not visible as in Python."""
    return ", ".join(name if name.isprintable() else repr(name) for name in islice(ids, _SHOWN))


def looked_for(queries: pd.DataFrame, qrels: pd.DataFrame | None) -> frozenset[str]:
    """Return the ids of passages to look for: judged passages, and passages with the id of a query."""
    judged = () if qrels is None else qrels["passage_id"]
    return frozenset(judged) | frozenset(queries["id"])


def query_names(queries: pd.DataFrame) -> Iterator[pd.Series]:
    """Yield the names that a run may use for queries: their ids, and LANG:ID."""
    yield queries["id"]
    for column in ("id", "question"):
        yield queries["lang"] + ":" + queries[column]


def _without_qrels(name: str, queries: pd.DataFrame, surveyed: Survey) -> Joined:
    chosen = queries.sort_values("lang", kind="stable", ignore_index=True)
    _check_queries(name, chosen, chosen)
    qrels = pd.DataFrame(columns=list(_QRELS_TYPES)).astype(_QRELS_TYPES)
    return Joined(_languages(chosen, surveyed), chosen, qrels, _digest(queries, qrels, surveyed))


def _languages(queries: pd.DataFrame, surveyed: Survey) -> tuple[str, ...]:
    return tuple(sorted({*queries["lang"], *surveyed.pool_sizes}))


def _missing(
    queries: pd.DataFrame, qrels: pd.DataFrame, found: pd.Series, unanswered: pd.Series
) -> pd.DataFrame | None:
    """Return the relevant passages that are missing, and one unnamed passage for each query without a relevant one."""
    absent = qrels[~found & (qrels["grade"] > 0)].rename(columns={"query_id": "id"})
    nothing = queries[["id"]][unanswered & ~queries["id"].isin(absent["id"])].assign(passage_id="", grade=1)
    both = queries.merge(pd.concat([absent, nothing]), on="id")
    return both if len(both) else None


def _unknown(name: str, total: int, missing: Mapping[str, pd.Series]) -> tuple[list[str], str]:
    """Return notes on judgements with unknown ids of each kind, and sentences on the kinds with too many."""
    told = {kind: show_ids(ids.unique()) for kind, ids in missing.items() if len(ids)}
    problems = [
        f"{name}: {len(missing[kind]):,} of {total:,} judgements name unknown {kind} ({examples})."
        for kind, examples in told.items()
        if len(missing[kind]) > UNKNOWN_SHARE * total
    ]
    notes = [f"{len(missing[kind]):,} judgements name unknown {kind}: {ids}" for kind, ids in told.items()]
    return notes, "\n".join(problems)


def _check_queries(name: str, chosen: pd.DataFrame, queries: pd.DataFrame) -> None:
    empty = chosen["id"][chosen["text"].str.strip() == ""]
    if len(empty):
        raise DataError(f"{name}: query {empty.iloc[0]!r} has no text.")
    repeated = queries[queries.duplicated(["lang", "question"], keep=False)]
    for (lang, question), same in repeated.groupby(["lang", "question"])["id"]:
        raise DataError(
            f"{name}: queries {', '.join(map(repr, same[:_SHOWN]))} are the same question {question!r} in {lang}; a "
            "question must have one query per language."
        )


def _by_position(qrels: pd.DataFrame, queries: pd.DataFrame, surveyed: Survey) -> pd.DataFrame:
    rows = pd.Series(np.arange(len(queries)), index=queries["id"])
    positions, langs = zip(*qrels["passage_id"].map(surveyed.found), strict=True)
    table = pd.DataFrame(
        {
            "query": rows.loc[qrels["query_id"]].to_numpy(np.int64),
            "passage": np.array(positions, dtype=np.int64),
            "grade": qrels["grade"].to_numpy(np.int64),
            "passage_id": qrels["passage_id"].to_numpy(),
            "passage_lang": pd.array(langs, dtype="str"),
        }
    )
    return table.sort_values(["query", "passage_lang", "passage"], ignore_index=True)


def _digest(queries: pd.DataFrame, qrels: pd.DataFrame, surveyed: Survey) -> str:
    digest = hashlib.sha256(surveyed.sha256.encode())
    for table in (queries, qrels):
        for column in table.columns:
            digest.update("\0".join(table[column].astype(str)).encode())
            digest.update(b"\0")
    return digest.hexdigest()
