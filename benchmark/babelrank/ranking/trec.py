"""Runs, and how to write them and qrels in TREC's format; `run_files` reads them.

A run is lines of ``query-id Q0 passage-id rank score tag``. The score decides: trec_eval sorts by it, breaks ties by
the passage's id, and ignores the rank (see `ranking.runs`). Queries are named by their ids; if a collection has several
languages, by ``LANG:ID`` (see `Collection.labels`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from babelrank.data.collection import Collection
from babelrank.data.records import SPACE
from babelrank.errors import ReportError
from babelrank.files import atomic_write
from babelrank.ranking.best import TopPassages

PLACEHOLDER = "unjudged-"  # id of passages in exported runs that a rank table does not name; a number follows
NOTHING_RELEVANT = "nothing-relevant"  # passage id in the qrels of a query without relevant passages
_TEXT = pa.large_string()  # a run can be longer than 2 GiB
_WHITE_SPACE = f"[{SPACE}]"


@dataclass(frozen=True)
class Run:
    """Scored passages, in any order.

    Attributes
    ----------
    queries, passages
        Ids: str objects, shape (lines,); no query has a passage twice.
    scores
        Numbers, which may be infinite; float32, as trec_eval keeps them, shape (lines,).
    notes
        Sentences about parts of the run that do not count.
    system
        Name of the model that made the run; empty if the file does not name it.
    """

    queries: np.ndarray
    passages: np.ndarray
    scores: np.ndarray
    notes: tuple[str, ...] = ()
    system: str = ""

    def __len__(self) -> int:
        return len(self.scores)


def number_ids(ids: np.ndarray) -> np.ndarray:
    """Return a number for each id, the same for equal ids: int64, in the order of first occurrence."""
    numbers: np.ndarray = pd.factorize(ids)[0]
    return numbers


def save_run(path: Path, run: Run, tag: str) -> None:
    """Write a run with lines in order, query by query and best first; `tag` must hold no white space.

    Raises
    ------
    ReportError
        An id holds white space.
    """
    queries, passages = as_texts(run.queries), as_texts(run.passages)
    check_ids(queries, passages)
    places = place_in_groups(number_ids(run.queries))
    atomic_write(path, format_run(queries, passages, places, show_scores(run.scores), tag))


def place_in_groups(groups: np.ndarray) -> np.ndarray:
    """Return the place of each member in its group, from 1, for groups without gaps: int64."""
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    places: np.ndarray = np.arange(len(groups)) - first[numbers] + 1
    return places


def write_run(path: Path, collection: Collection, best: TopPassages, tag: str) -> None:
    """Write the best passages of each query of a collection; `tag` must hold no white space.

    Raises
    ------
    ReportError
        An id holds white space.
    """
    ids = collection.passages.ids(np.unique(best.positions[best.scores > -np.inf]))
    named = np.array([ids.get(position, "") for position in best.positions.ravel().tolist()], dtype=object)
    save_run(path, run_of(collection.labels, named.reshape(best.positions.shape), best.scores), tag)


def run_of(labels: np.ndarray, passages: np.ndarray, scores: np.ndarray) -> Run:
    """Return lists as a run, without passages that score −∞: self-matches, if they are left out.

    Parameters
    ----------
    labels
        Label of each query in the run; shape (queries,).
    passages, scores
        Ids, best first, and scores; shape (queries, k).
    """
    found = scores > -np.inf
    return Run(np.repeat(labels, found.sum(axis=1)), passages[found], scores[found])


def write_qrels(path: Path, collection: Collection) -> None:
    """Write ``query-id 0 passage-id grade`` for every judgement."""
    qrels = collection.qrels
    passages = qrels["passage_id"].to_numpy(dtype=object)
    save_qrels(path, collection.labels[qrels["query"]], passages, qrels["grade"].to_numpy())


def save_qrels(path: Path, queries: np.ndarray, passages: np.ndarray, grades: np.ndarray) -> None:
    """Write qrels, one entry of each array per line; queries and passages are ids, str objects.

    Raises
    ------
    ReportError
        An id holds white space.
    """
    texts = as_texts(queries), as_texts(passages)
    check_ids(*texts)
    atomic_write(path, format_qrels(*texts, grades))


def format_run(queries: pa.Array, passages: pa.Array, places: np.ndarray, scores: pa.Array, tag: str) -> bytes:
    """Return the lines of a run, one per row; the ids are those of `check_ids`."""
    return _lines([queries, passages, pa.array(places).cast(_TEXT), scores], f"{{}} Q0 {{}} {{}} {{}} {tag}")


def format_qrels(queries: pa.Array, passages: pa.Array, grades: np.ndarray) -> bytes:
    """Return ``query-id 0 passage-id grade`` lines, one per row; the ids are those of `check_ids`.

    A query without relevant passages, marked by a passage without an id, gets a line of grade 0: trec_eval then counts
    it.
    """
    nothing = pc.equal(passages, "")
    named = pc.if_else(nothing, NOTHING_RELEVANT, passages)
    return _lines([queries, named, pc.if_else(nothing, 0, pa.array(grades)).cast(_TEXT)], "{} 0 {} {}")


def as_texts(column: pd.Series | np.ndarray | Sequence[str]) -> pa.Array:
    """Return a column of texts as an Arrow array."""
    return pa.array(np.asarray(column, dtype=object), _TEXT)


def show_scores(scores: np.ndarray) -> pa.Array:
    """Format scores with nine digits, which distinguish any two float32 numbers."""
    return pa.array([f"{score:.9g}" for score in scores.tolist()], _TEXT)


def check_exportable(collection: Collection) -> None:
    """Check, before encoding, that TREC's formats support all ids of a collection.

    Raises
    ------
    ReportError
        An id contains white space; the message names it.
    """
    labels = as_texts(collection.labels)
    spaced = labels.filter(pc.match_substring_regex(labels, _WHITE_SPACE))
    name = spaced[0].as_py() if len(spaced) else collection.passages.spaced_id
    if name is not None:
        raise ReportError(
            f"{collection.name}: the id {name!r} has white space, which is a separator in TREC formats. Leave out "
            "--run to evaluate this collection."
        )


def check_ids(queries: pa.Array, passages: pa.Array) -> None:
    """Check that TREC's formats support these ids.

    Raises
    ------
    ReportError
        An id contains white space.
    """
    for kind, values in (("query", queries), ("passage", passages)):
        if pc.any(pc.match_substring_regex(values, _WHITE_SPACE)).as_py():
            raise ReportError(f"the id of a {kind} has white space, which is a separator in TREC formats.")


def _lines(columns: Sequence[pa.Array], layout: str) -> bytes:
    """Insert each row of `columns` into the places of `layout`, one line per row."""
    between = f"{layout}\n".split("{}")
    parts = [part for pair in zip(between, columns, strict=False) for part in pair]
    # The separator comes last, as an empty text.
    texts = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in (*parts, between[-1], "")]
    lines = pc.binary_join_element_wise(*texts)
    size = pc.sum(pc.binary_length(lines), min_count=0).as_py()
    whole = lines.buffers()[2]  # Arrow stores the rows of a column one after another
    return whole.to_pybytes()[:size] if size else b""
