"""A table of questions and answers -> a collection in several languages.

In: a file of comma- or tab-separated columns with a header, as spreadsheets write them.

========= ==================================================================================
column    holds
========= ==================================================================================
question  the query; empty in rows that only add a passage to the pool
answer    the passage that answers it
language  code of both
id        what translations share (optional): each question is answered by all answers of its id
========= ==================================================================================
"""

from pathlib import Path

import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.records import read_table
from babelrank.errors import DataError

SUFFIXES = (".csv", ".tsv")
_COLUMNS = ("question", "answer", "language")


def load_table(path: Path) -> Collection:
    """Load a table; the collection has the file's name.

    Raises
    ------
    DataError
        The file cannot be read, a column is missing, a row lacks an answer or a language, or two rows give one id two
        questions in one language; names the line.
    """
    queries: dict[tuple[str, str], tuple[int, str]] = {}
    passages: list[tuple[str, str, str, str]] = []
    for line, row in read_table(path):
        missing = [column for column in _COLUMNS if column not in row]
        if missing:
            raise DataError(f"{path}: no column {', '.join(missing)}; expected {', '.join(_COLUMNS)} and id.")
        question, answer, lang = (row[column].strip() for column in _COLUMNS)
        empty = [column for column, cell in (("answer", answer), ("language", lang)) if not cell]
        if empty:
            raise DataError(f"{path}:{line}: no {' and no '.join(empty)}.")
        name = row.get("id", "").strip() or f"line-{line}"
        passages.append((f"{name}/{lang}/{line}", lang, answer, name))
        if question:
            first, before = queries.setdefault((name, lang), (line, question))
            if before != question:
                raise DataError(f"{path}:{line}: id {name!r} has another question in {lang} on line {first}.")
    if not queries:
        raise DataError(f"{path}: holds no questions.")
    asked = [(f"{name}/{lang}", lang, text, name) for (name, lang), (_, text) in queries.items()]
    query_table = pd.DataFrame(asked, columns=["id", "lang", "text", "question"])
    pool = pd.DataFrame(passages, columns=["id", "lang", "text", "question"])
    qrels = query_table[["id", "question"]].merge(pool[["id", "question"]], on="question", suffixes=("_query", ""))
    return Collection.from_frames(
        query_table,
        pool.drop(columns="question"),
        qrels.rename(columns={"id_query": "query_id", "id": "passage_id"}),
        name=f"local:{path.name}",
        source="local",
    )
