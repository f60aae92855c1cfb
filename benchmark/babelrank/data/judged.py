"""What a run is scored against: a collection's queries and judgements; its passages are looked up, not kept.

In: a collection, in memory or streamed. Out: judged queries by the names that runs call them, judgements by passage id,
and language and text of those passages that a run names.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from babelrank.data.catalog import data_folder, load_collection
from babelrank.data.collection import Collection as TestCollection
from babelrank.data.families import is_family, load_streamed, parse_collection_name
from babelrank.data.passages import BLOCK, PassageSource
from babelrank.data.streamed import StreamedCollection
from babelrank.errors import DataError


@dataclass(frozen=True)
class Passage:
    """A passage that was looked up."""

    lang: str
    text: str


@dataclass(frozen=True)
class Judged:
    """A collection without its passages.

    Attributes
    ----------
    name, languages, pool_sizes, sha256, notes
        As in `Collection`.
    queries
        Columns ``lang``, ``id``, ``question`` (what translations share), ``text``; one row per judged query.
    unjudged
        Ids of queries that take no part, since they have no relevant passage.
    qrels
        Columns ``query`` (row above), ``passage_id``, ``passage_lang``, ``grade`` (> 0).
    find_passages
        Returns those of some ids that are in the collection.
    leaves_out_own
        Whether passages with a query's own id are left out of what a run found for it.
    """

    name: str
    languages: tuple[str, ...]
    pool_sizes: dict[str, int]
    sha256: str
    notes: tuple[str, ...]
    queries: pd.DataFrame
    unjudged: frozenset[str]
    qrels: pd.DataFrame
    find_passages: Callable[[Collection[str]], dict[str, Passage]]
    leaves_out_own: bool = False

    @cached_property
    def labels(self) -> np.ndarray:
        """What our own runs call each query: str, shape (queries,)."""
        return query_labels(self.queries["lang"], self.queries["question"], self.languages)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each query by every name that a run may call it: its id where that is its alone, or LANG:ID."""
        rows = {label: row for row, label in enumerate(self.labels)}
        for column in ("question", "id"):
            langs, ids = self.queries["lang"], self.queries[column]
            rows |= {f"{lang}:{name}": row for row, (lang, name) in enumerate(zip(langs, ids, strict=True))}
            alone = ~ids.duplicated(keep=False).to_numpy()
            rows |= {name: row for row, (name, is_alone) in enumerate(zip(ids, alone, strict=True)) if is_alone}
        return rows


def query_labels(langs: pd.Series, ids: pd.Series, languages: Collection[str]) -> np.ndarray:
    """Return what runs and qrels call queries: the id; of several languages ``LANG:ID``, as translations share it."""
    labels: np.ndarray = (ids if len(languages) == 1 else langs + ":" + ids).to_numpy(dtype=object)
    return labels


def load_judged(spec: str, data: Path | None = None) -> Judged:
    """Load one collection by its specification, as `catalog.load_collection` does; passages stay where they are.

    Raises
    ------
    DataError
        The collection is unknown, missing or damaged, or the name stands for several.
    """
    if not is_family(spec):
        return judged_of(load_collection(spec, data))
    names = parse_collection_name(spec)
    if len(names) > 1:
        raise DataError(f"{spec!r} names {len(names)} collections; a run is of one, such as {names[0]}.")
    return judged_of_stream(load_streamed(names[0], data_folder(data)))


def judged_of(collection: TestCollection) -> Judged:
    """Return what a run on a collection that is in memory is scored against."""
    passages, qrels = collection.passages, collection.qrels
    rows = pd.Series(np.arange(len(passages)), index=passages["id"])

    def find(ids: Collection[str]) -> dict[str, Passage]:
        found = rows[rows.index.isin(list(ids))]
        chosen = passages.iloc[found.to_numpy()]
        return dict(zip(chosen["id"], map(Passage, chosen["lang"], chosen["text"]), strict=True))

    return Judged(
        name=collection.name,
        languages=collection.languages,
        pool_sizes=collection.pool_sizes,
        sha256=collection.sha256,
        notes=collection.notes,
        queries=collection.queries.assign(question=collection.queries["id"]),
        unjudged=frozenset(),
        qrels=pd.DataFrame(
            {
                "query": qrels["query"].to_numpy(),
                "passage_id": passages["id"].array.take(qrels["passage"].to_numpy()),
                "passage_lang": passages["lang"].array.take(qrels["passage"].to_numpy()),
                "grade": qrels["grade"].to_numpy(),
            }
        ),
        find_passages=find,
        leaves_out_own=collection.own_passages is not None,
    )


def judged_of_stream(streamed: StreamedCollection) -> Judged:
    """Return what a run on a collection that stays on disk is scored against."""
    return Judged(
        name=streamed.name,
        languages=streamed.languages,
        pool_sizes=streamed.pool_sizes,
        sha256=streamed.sha256,
        notes=streamed.notes,
        queries=streamed.queries,
        unjudged=streamed.unjudged,
        qrels=streamed.relevant[["query", "passage_id", "passage_lang", "grade"]],
        find_passages=lambda ids: _find_in_stream(streamed.passages, frozenset(ids)),
        leaves_out_own=streamed.own_passages is not None,
    )


def _find_in_stream(source: PassageSource, ids: frozenset[str]) -> dict[str, Passage]:
    return {
        name: Passage(lang, text)
        for block in source.blocks(BLOCK)
        for name, lang, text in zip(block.ids, block.langs, block.texts, strict=True)
        if name in ids
    }
