"""Runs and qrels in TREC's format, for the multilingual setting: each query against the pool of all languages."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from babelrank.data.collection import Collection
from babelrank.files import atomic_write
from babelrank.ranking.ranks import TopPassages


def write_run(path: Path, collection: Collection, top: TopPassages, tag: str) -> None:
    """Write ``query-id Q0 passage-id rank score tag``, best first.

    A query's id is that of its question behind its language (``de:56beb4343aeaaa14008c925b``), since a question has the
    same id in all languages. `tag` must hold no white space.
    """
    passage_ids = collection.passages["id"].to_numpy()
    named = (passage_ids[positions] for positions in top.passages)
    write_ranking(path, _query_ids(collection), named, top.scores, tag)


def write_ranking(
    path: Path, query_ids: Iterable[str], passage_ids: Iterable[Iterable[str]], scores: np.ndarray, tag: str
) -> None:
    """Write a run from ids: of the queries, and of each query's passages, best first, with their scores."""
    out = io.StringIO()
    for query_id, names, values in zip(query_ids, passage_ids, scores, strict=True):
        out.writelines(
            f"{query_id} Q0 {name} {place} {value:.9g} {tag}\n"
            for place, (name, value) in enumerate(zip(names, values, strict=True), start=1)
        )
    atomic_write(path, out.getvalue())


def write_qrels(path: Path, collection: Collection) -> None:
    """Write ``query-id 0 passage-id grade`` for every judgement."""
    qrels = collection.qrels
    passage_ids = collection.passages["id"].to_numpy()
    write_relevant(path, _query_ids(collection)[qrels["query"]], passage_ids[qrels["passage"]], qrels["grade"])


def write_relevant(path: Path, query_ids: Iterable[str], passage_ids: Iterable[str], grades: Iterable[int]) -> None:
    """Write judgements from ids, one of each for every judgement."""
    rows = zip(query_ids, passage_ids, grades, strict=True)
    atomic_write(path, "".join(f"{query_id} 0 {passage_id} {grade}\n" for query_id, passage_id, grade in rows))


def _query_ids(collection: Collection) -> np.ndarray:
    ids: np.ndarray = (collection.queries["lang"] + ":" + collection.queries["id"]).to_numpy()
    return ids
