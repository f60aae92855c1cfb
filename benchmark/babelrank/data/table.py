"""Load a table of questions and answers as a collection.

In: a file with comma- or tab-separated columns and a header, as spreadsheets write it.

========= ==================================================================================
column    holds
========= ==================================================================================
question  the query; empty in rows that only add a passage to the pool
answer    the passage that answers it
language  code of both; may be called lang
id        id that translations share (optional); all answers with the id are relevant to its questions
variant   name of another version of the question with this id and language (optional; no answer); see `variants`
========= ==================================================================================
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.language_facts import Spellings
from babelrank.data.records import PACKED, read_table
from babelrank.data.variants import attach_variants, check_originals, split_versions
from babelrank.errors import DataError

SUFFIXES = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in PACKED)
_ALIASES = {"lang": "language"}  # as in the files of a folder
_COLUMNS = ("question", "answer", "language")


def load_table(path: Path) -> Collection:
    """Load a table. The collection is named after the file.

    Raises
    ------
    DataError
        The file cannot be read, a column is missing, a row lacks an answer or a language, or an id has two questions in
        one language. The message names the line.
    """
    queries: dict[tuple[str, str, str], tuple[int, str]] = {}  # by id, language and variant
    passages: list[tuple[str, str, str, str]] = []
    rows: set[tuple[str, ...]] = set()
    repeats, spellings = 0, Spellings()
    for line, row in read_table(path, _COLUMNS, _ALIASES):
        cells = tuple(row.get(column, "").strip() for column in (*_COLUMNS, "id", "variant"))
        question, answer, lang, name, variant = cells
        needed = {"question": question, "language": lang} if variant else {"answer": answer, "language": lang}
        empty = [column for column, cell in needed.items() if not cell]
        if empty:
            raise DataError(f"{path}:{line}: no {' and no '.join(empty)}.")
        try:
            lang = spellings.read(lang)
        except ValueError as error:
            raise DataError(f"{path}:{line}: {error}.") from error
        if cells in rows:
            repeats += 1
            continue
        rows.add(cells)
        name = name or f"line-{line}"
        if answer:
            passages.append((f"{name}/{lang}/{line}", lang, answer, name))
        if question:
            first, before = queries.setdefault((name, lang, variant), (line, question))
            if before != question:
                raise DataError(f"{path}:{line}: id {name!r} has another question in {lang} on line {first}.")
    if not queries:
        raise DataError(f"{path}: has no questions.")
    asked = [(f"{name}/{lang}", lang, text, name, variant) for (name, lang, variant), (_, text) in queries.items()]
    columns = ["id", "lang", "text", "question", "variant"]
    query_table, versions = split_versions(pd.DataFrame(asked, columns=columns))
    check_originals(str(path), query_table, versions)
    pool = pd.DataFrame(passages, columns=["id", "lang", "text", "question"])
    qrels = query_table[["id", "question"]].merge(pool[["id", "question"]], on="question", suffixes=("_query", ""))
    collection = Collection.from_frames(
        query_table,
        pool.drop(columns="question"),
        qrels.rename(columns={"id_query": "query_id", "id": "passage_id"}),
        name=f"local:{path.name}",
        source="local",
    )
    notes = [f"{repeats:,} rows are repeated; each counts once"] if repeats else []
    collection = replace(collection, notes=(*notes, *spellings.notes(), *collection.notes))
    return attach_variants(collection, versions)
