"""A collection whose passages stay on disk, and how it becomes one that is in memory.

In: tables of queries and judgements, and a source of passages. Out: judged queries, judgements by position, the counts
of all that did not fit together, and the passages as a stream.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.passages import BLOCK, PassageSource, Survey, survey
from babelrank.errors import DataError

UNKNOWN_SHARE = 0.05  # of the judgements; beyond it, files of different collections were put together
CANDIDATES = "passage"  # what a passage is: what the collection itself takes for one
_SHOWN = 3  # examples


@dataclass(frozen=True)
class Unknown:
    """Judgements that name what is not there.

    Attributes
    ----------
    count
        Of judgements; they are left out.
    examples
        The first few ids.
    """

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What of a collection's files takes no part in it.

    Attributes
    ----------
    unjudged_queries
        Queries without a judgement: they are dropped.
    without_relevant
        Queries judged on passages of which none is relevant: they are dropped too, since no measure is defined.
    unknown_queries, unknown_passages
        Judgements that name what is not there.
    passages_without_text
        They stay in the pool, as BEIR keeps them.
    own_passages
        Queries with the id of a passage, as in ArguAna.
    leaves_out_own
        Whether that passage is left out when they are ranked, as BEIR's evaluator has it.
    """

    unjudged_queries: int = 0
    without_relevant: int = 0
    unknown_queries: Unknown = field(default_factory=Unknown)
    unknown_passages: Unknown = field(default_factory=Unknown)
    passages_without_text: int = 0
    own_passages: int = 0
    leaves_out_own: bool = False

    def sentences(self) -> list[str]:
        """Say what there is to say, for people."""
        own = "is left out for them, as BEIR's evaluator has it" if self.leaves_out_own else "is ranked for them, too"
        told = (
            (self.unjudged_queries, "queries without a judgement were dropped"),
            (self.without_relevant, "queries without a relevant passage were dropped"),
            (self.passages_without_text, "passages have no text; they stay in the pool"),
            (self.own_passages, f"queries have the id of a passage; it {own}"),
            (self.unknown_queries.count, f"judgements name queries that are not there: {_list(self.unknown_queries)}"),
            (
                self.unknown_passages.count,
                f"judgements name passages that are not there: {_list(self.unknown_passages)}",
            ),
        )
        return [f"{count:,} {text}" for count, text in told if count]


@dataclass(frozen=True)
class StreamedCollection:
    """A test collection in one or more languages, without its passages' texts.

    Attributes
    ----------
    name
        The specification that loads it again, such as ``miracl:sw``; of a folder, only its own name.
    languages
        Of queries and passages, sorted.
    queries
        Columns ``lang``, ``id``, ``question``, ``text``; one row per judged query with a relevant passage; rows of one
        language stand together, in the order of `languages`. Translations share their ``question``.
    qrels
        Columns ``query`` (row above), ``passage`` (position in the stream), ``passage_id``, ``passage_lang`` and
        ``grade`` (≥ 0; 0 is judged not relevant); sorted by query, then passage.
    passages
        The stream, with its files counted.
    pool_sizes
        Number of passages, by language.
    lang_codes
        uint16, shape (passages,): place in `languages` of each passage's language; empty if all have the same.
    characters
        Of all passages' texts together.
    findings
        What took no part.
    sha256
        Digest of all queries, judgements and passages that were read: the same from whatever files.
    unjudged
        Ids of the queries that were dropped.
    own_passages
        By query, the position of the passage that has its id and is left out when it is ranked, −1 where there is none:
        int64, shape (queries,); None if nothing is left out.
    """

    name: str
    languages: tuple[str, ...]
    queries: pd.DataFrame
    qrels: pd.DataFrame
    passages: PassageSource
    pool_sizes: dict[str, int]
    lang_codes: np.ndarray
    characters: int
    findings: Findings
    sha256: str
    unjudged: frozenset[str] = frozenset()
    own_passages: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of passages."""
        return sum(self.pool_sizes.values())

    @property
    def candidates(self) -> str:
        """What a passage is."""
        return CANDIDATES

    @property
    def query_counts(self) -> dict[str, int]:
        """Number of queries by language."""
        counts = self.queries["lang"].value_counts()
        return {lang: int(counts.get(lang, 0)) for lang in self.languages}

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell people of the collection's files."""
        return tuple(self.findings.sentences())

    @property
    def relevant(self) -> pd.DataFrame:
        """The judgements with a grade above 0."""
        return self.qrels[self.qrels["grade"] > 0].reset_index(drop=True)


def assemble(
    name: str,
    queries: pd.DataFrame,
    qrels: pd.DataFrame,
    source: PassageSource,
    *,
    leave_out_own: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> StreamedCollection:
    """Bring queries, judgements and passages together; reads all passages once.

    Parameters
    ----------
    queries
        Columns ``lang``, ``id``, ``question``, ``text``; ids are unique.
    qrels
        Columns ``query_id``, ``passage_id``, ``grade``.
    leave_out_own
        Whether the passage that has a query's id is left out when it is ranked.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        More than `UNKNOWN_SHARE` of the judgements name queries, or passages, that are not there; a judged query has no
        text; two queries of one language are the same question; nothing is left; or the passages cannot be read (see
        `survey`).
    """
    known = qrels["query_id"].isin(queries["id"])
    unknown_queries = _unknown(name, "queries", qrels["query_id"], known)
    surveyed = survey(source, frozenset(qrels["passage_id"]) | set(queries["id"]), on_progress=on_progress)
    found = qrels["passage_id"].isin(surveyed.found.keys())
    unknown_passages = _unknown(name, "passages", qrels["passage_id"], found)
    kept = qrels[known & found]
    judged = queries["id"].isin(qrels["query_id"])
    answered = queries["id"].isin(kept["query_id"][kept["grade"] > 0])
    languages = tuple(sorted({*queries["lang"][answered], *surveyed.pool_sizes}))
    chosen = queries[answered].sort_values("lang", kind="stable", ignore_index=True)
    if chosen.empty:
        raise DataError(f"{name}: no query has a relevant passage.")
    _check_queries(name, chosen)
    own = np.array([surveyed.found.get(query, (-1, ""))[0] for query in chosen["id"]], dtype=np.int64)
    return StreamedCollection(
        name=name,
        languages=languages,
        queries=chosen,
        qrels=_by_position(kept, chosen, surveyed),
        passages=surveyed.source,
        pool_sizes={lang: surveyed.pool_sizes.get(lang, 0) for lang in languages},
        lang_codes=np.searchsorted(languages, list(surveyed.pool_sizes)).astype(np.uint16)[surveyed.lang_codes],
        characters=surveyed.characters,
        findings=Findings(
            unjudged_queries=int((~judged).sum()),
            without_relevant=int((judged & ~answered).sum()),
            unknown_queries=unknown_queries,
            unknown_passages=unknown_passages,
            passages_without_text=surveyed.without_text,
            own_passages=int((own >= 0).sum()),
            leaves_out_own=leave_out_own,
        ),
        sha256=_digest(queries, qrels, surveyed),
        unjudged=frozenset(chain.from_iterable(_names(queries[~answered]))),
        own_passages=own if leave_out_own and (own >= 0).any() else None,
    )


def _names(queries: pd.DataFrame) -> Iterator[pd.Series]:
    """Yield what a run may call queries: their ids, and LANG:ID."""
    yield queries["id"]
    for column in ("id", "question"):
        yield queries["lang"] + ":" + queries[column]


def collect(streamed: StreamedCollection) -> Collection:
    """Read all passages into memory: every analysis then works that the judgements allow.

    A query goes by its ``question``, so that translations share their id; (language, id) stays unique.
    """
    blocks = list(streamed.passages.blocks(BLOCK))
    passages = pd.DataFrame(
        {
            "lang": list(chain.from_iterable(block.langs for block in blocks)),
            "id": list(chain.from_iterable(block.ids for block in blocks)),
            "text": list(chain.from_iterable(block.texts for block in blocks)),
        },
        dtype="str",
    )
    order = passages["lang"].argsort(kind="stable").to_numpy()
    row_of = np.empty(len(order), dtype=np.int64)
    row_of[order] = np.arange(len(order))
    relevant = streamed.relevant
    qrels = pd.DataFrame(
        {
            "query": relevant["query"].to_numpy(),
            "passage": row_of[relevant["passage"].to_numpy()],
            "grade": relevant["grade"].to_numpy(),
        }
    )
    queries = streamed.queries[["lang", "question", "text"]].rename(columns={"question": "id"})
    own = streamed.own_passages
    return Collection(
        name=streamed.name,
        languages=streamed.languages,
        queries=queries,
        passages=passages.iloc[order].reset_index(drop=True),
        qrels=qrels.sort_values(["query", "passage"], ignore_index=True),
        candidates=CANDIDATES,
        sha256=streamed.sha256,
        notes=streamed.notes,
        own_passages=None if own is None else np.where(own < 0, -1, row_of[own]),
    )


def _unknown(name: str, kind: str, ids: pd.Series, known: pd.Series) -> Unknown:
    missing = ids[~known]
    unknown = Unknown(len(missing), tuple(missing.unique()[:_SHOWN]))
    if len(missing) > UNKNOWN_SHARE * len(ids):
        raise DataError(
            f"{name}: {len(missing):,} of {len(ids):,} judgements name {kind} that are not there ({_list(unknown)}); "
            f"more than {UNKNOWN_SHARE:.0%} says that queries, passages and judgements do not belong together."
        )
    return unknown


def _list(unknown: Unknown) -> str:
    return ", ".join(unknown.examples)


def _check_queries(name: str, queries: pd.DataFrame) -> None:
    empty = queries["id"][queries["text"].str.strip() == ""]
    if len(empty):
        raise DataError(f"{name}: query {empty.iloc[0]!r} has judgements but no text.")
    repeated = queries[queries.duplicated(["lang", "question"], keep=False)]
    for (lang, question), same in repeated.groupby(["lang", "question"])["id"]:
        raise DataError(
            f"{name}: queries {', '.join(map(repr, same[:_SHOWN]))} are the same question {question!r} in {lang}; a "
            "question has one query a language."
        )


def _by_position(qrels: pd.DataFrame, queries: pd.DataFrame, surveyed: Survey) -> pd.DataFrame:
    rows = pd.Series(np.arange(len(queries)), index=queries["id"])
    judged = qrels[qrels["query_id"].isin(queries["id"])]
    positions, langs = zip(*judged["passage_id"].map(surveyed.found), strict=True)
    table = pd.DataFrame(
        {
            "query": rows.loc[judged["query_id"]].to_numpy(np.int64),
            "passage": np.array(positions, dtype=np.int64),
            "passage_id": judged["passage_id"].to_numpy(),
            "passage_lang": pd.array(langs, dtype="str"),
            "grade": judged["grade"].to_numpy(np.int32),
        }
    )
    return table.sort_values(["query", "passage"], ignore_index=True)


def _digest(queries: pd.DataFrame, qrels: pd.DataFrame, surveyed: Survey) -> str:
    digest = hashlib.sha256(surveyed.sha256.encode())
    for table in (queries, qrels):
        for column in table.columns:
            digest.update("\0".join(table[column].astype(str)).encode())
            digest.update(b"\0")
    return digest.hexdigest()
