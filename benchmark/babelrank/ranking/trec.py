"""Runs and qrels in TREC's format, for the multilingual setting: each query against the pool of all languages."""

import io
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
    query_ids = _query_ids(collection)
    passage_ids = collection.passages["id"].to_numpy()
    out = io.StringIO()
    for query_id, positions, scores in zip(query_ids, top.passages, top.scores, strict=True):
        out.writelines(
            f"{query_id} Q0 {passage_id} {place} {score:.9g} {tag}\n"
            for place, (passage_id, score) in enumerate(zip(passage_ids[positions], scores, strict=True), start=1)
        )
    atomic_write(path, out.getvalue())


def write_qrels(path: Path, collection: Collection) -> None:
    """Write ``query-id 0 passage-id grade`` for every judgement."""
    qrels = collection.qrels
    rows = zip(
        _query_ids(collection)[qrels["query"]],
        collection.passages["id"].to_numpy()[qrels["passage"]],
        qrels["grade"],
        strict=True,
    )
    atomic_write(path, "".join(f"{query_id} 0 {passage_id} {grade}\n" for query_id, passage_id, grade in rows))


def _query_ids(collection: Collection) -> np.ndarray:
    ids: np.ndarray = (collection.queries["lang"] + ":" + collection.queries["id"]).to_numpy()
    return ids
