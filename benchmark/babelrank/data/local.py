"""Load a user's own collection from a folder.

In: a folder with three files.

``queries.jsonl``
    ``{"id": "q1-de", "lang": "de", "text": "Wer lief?", "question": "q1"}``: queries with the same ``question`` are
    translations of each other; by default each query is a separate question. Another version of a query has the same
    ``lang`` and ``question``, and a ``variant`` such as ``"human"``, see `variants`. Leave it out of ``qrels.tsv``.
``passages.jsonl``
    ``{"id": "p1", "lang": "de", "title": "Ann", "text": "Ann lief."}``: ``title`` may be missing.
``qrels.tsv``
    Query id, passage id and grade, separated by tabs. A query may have relevant passages in any language. `diagnose`
    does not need this file.

Ids must be unique across languages. Files may be JSON lines or Parquet, compressed (``.jsonl.gz``), and split
(``passages-*.jsonl``, or files in ``passages/``). Language codes are made canonical, see
`language_facts.canonical_code`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from babelrank.data.collection import Collection, assemble
from babelrank.data.folders import LocalFolder, folder_name
from babelrank.data.judgements import OWN_QRELS, read_qrels, read_queries
from babelrank.data.language_facts import Spellings
from babelrank.data.layout import find_records, find_table
from babelrank.data.parts import read_parts
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.data.variants import attach_variants, check_originals, split_versions
from babelrank.errors import DataError

_IDS = ("id", "_id")


def load_local(folder: Path, *, judged: bool = True, on_progress: Callable[[int], None] = lambda _: None) -> Collection:
    """Load a user's own collection. It is named after its folder.

    Parameters
    ----------
    judged
        Whether to read the qrels. Without them, all queries are kept, and only `diagnose` can use the collection.
    on_progress
        Called now and then with the number of passages read.

    Raises
    ------
    DataError
        The folder or a file is missing or damaged, or the parts do not belong together; see `assemble`.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder.")
    files, spellings = LocalFolder(folder), Spellings()
    notes: list[str] = []
    parts = read_parts(
        lambda: read_queries(find_records(files, "queries"), _IDS, spellings=spellings, note=notes.append),
        (lambda: read_qrels(find_table(files, "qrels"), OWN_QRELS, notes.append)) if judged else None,
        lambda: PassageSource(find_records(files, "passages"), PassageLayout(_IDS), spellings=spellings),
        thorough=True,
    )
    name = f"local:{folder_name(folder)}"
    queries, versions = split_versions(parts.queries)
    check_originals(name, queries, versions)
    collection = assemble(name, "local", replace(parts, queries=queries), notes=notes, on_progress=on_progress)
    return attach_variants(collection, versions)
