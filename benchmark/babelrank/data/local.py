"""A user's own multilingual collection -> a collection in several languages.

In: a folder with three files.

``queries.jsonl``
    ``{"id": "q1-de", "lang": "de", "text": "Wer lief?", "question": "q1"}``: queries that are translations of one
    another share their ``question``; without one, a query is a question of its own. Another version of a query has its
    ``lang`` and ``question``, and a ``variant`` such as ``"human"``, see `variants`; ``qrels.tsv`` leaves it out.
``passages.jsonl``
    ``{"id": "p1", "lang": "de", "title": "Ann", "text": "Ann lief."}``: ``title`` may be missing.
``qrels.tsv``
    Query id, passage id and grade, with tabs between; a query may have relevant passages in any language. `diagnose`
    does without.

All languages share one space of ids. Each may be JSON lines or Parquet, packed (``.jsonl.gz``), and in several files
(``passages-*.jsonl``, or those in ``passages/``). Language codes are made canonical, see
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
    """Load a user's own collection; its name is that of its folder.

    Parameters
    ----------
    judged
        Whether to read the qrels; without them, all queries are kept, and languages can be diagnosed.
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
