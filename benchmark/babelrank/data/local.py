"""One's own multilingual collection -> a collection in several languages.

In: a folder with three files.

``queries.jsonl``
    ``{"id": "q1-de", "lang": "de", "text": "Wer lief?", "question": "q1"}``: queries that are translations of one
    another share their ``question``; without one, a query is a question of its own.
``passages.jsonl``
    ``{"id": "p1", "lang": "de", "title": "Ann", "text": "Ann lief."}``: ``title`` may be missing.
``qrels.tsv``
    Query id, passage id and grade, with tabs between; a query may have relevant passages in any language.

All languages share one space of ids. The first two may be gzipped (``.jsonl.gz``) or Parquet, and the passages may be
in several files (``passages-*.jsonl``, or those in ``passages/``).
"""

from collections.abc import Callable
from pathlib import Path

from babelrank.data.beir import require
from babelrank.data.collection import Collection, assemble
from babelrank.data.folders import LocalFolder
from babelrank.data.judgements import OWN_QRELS, read_qrels, read_queries
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.errors import DataError

_ID = "id"


def load_local(folder: Path, *, on_progress: Callable[[int], None] = lambda _: None) -> Collection:
    """Load one's own collection; it is called by its folder's name.

    Parameters
    ----------
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        The folder or a file is missing or damaged, or the parts do not belong together; see `assemble`.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder.")
    files = LocalFolder(folder)
    qrels = files.match("qrels.tsv")
    if not qrels:
        raise DataError(f"{folder}: no qrels.tsv.")
    (queries,) = require(files, "queries", several=False)
    source = PassageSource(require(files, "passages"), PassageLayout(_ID))
    return assemble(
        f"local:{folder.resolve().name}",
        "local",
        read_queries(queries, _ID),
        read_qrels(qrels[0], OWN_QRELS),
        source,
        on_progress=on_progress,
    )
