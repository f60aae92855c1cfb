"""Queries and relevance judgements from files, checked.

In: tab-separated judgements (BEIR's, TREC's and our own columns), queries as JSON lines or tab-separated. Out: tables
of strings and grades; nothing is looked up yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from babelrank.data.folders import DataFile
from babelrank.data.passages import is_unicode, read_id, read_language
from babelrank.data.records import read_records, read_rows
from babelrank.errors import DataError


@dataclass(frozen=True)
class QrelsLayout:
    """Columns of a file of judgements.

    Attributes
    ----------
    columns
        What a line looks like, for errors.
    query, passage, grade
        Positions of the three.
    """

    columns: str
    query: int
    passage: int
    grade: int


BEIR_QRELS = QrelsLayout("query-id\tcorpus-id\tscore", 0, 1, 2)
OWN_QRELS = QrelsLayout("query-id\tpassage-id\tgrade", 0, 1, 2)
TREC_QRELS = QrelsLayout("query-id\tQ0\tpassage-id\tgrade", 0, 2, 3)


def read_qrels(file: DataFile, layout: QrelsLayout) -> pd.DataFrame:
    """Read judgements.

    A first line whose grade is no number is a header. A judgement that stands twice with one grade counts once.

    Returns
    -------
    pandas.DataFrame
        Columns ``query_id``, ``passage_id`` (str) and ``grade`` (int, ≥ 0; 0 is judged not relevant, as are grades
        below 0, which TREC-COVID has), in the file's order.

    Raises
    ------
    DataError
        The file cannot be read, holds no judgement, a line has other columns or no whole grade, or a
        passage has two grades for one query; names the line.
    """
    path = file.local()
    judged: dict[tuple[str, str], tuple[int, int]] = {}
    for number, line in read_rows(path):
        cells = line.split("\t") if "\t" in line else line.split()
        if len(cells) != layout.columns.count("\t") + 1:
            raise DataError(f"{path}:{number}: {line[:80]!r} is not {layout.columns!r}.")
        written = cells[layout.grade].strip()
        if not written.removeprefix("-").isdecimal():
            if number == 1 and not _is_number(written):
                continue
            raise DataError(f"{path}:{number}: grade {written!r} is no whole number.")
        grade = max(int(written), 0)
        pair = cells[layout.query].strip(), cells[layout.passage].strip()
        if not all(pair):
            raise DataError(f"{path}:{number}: an empty id.")
        if judged.setdefault(pair, (grade, number))[0] != grade:
            raise DataError(f"{path}:{number}: grade {grade} of {pair}, which line {judged[pair][1]} grades otherwise.")
    if not judged:
        raise DataError(f"{path}: holds no judgements.")
    rows = ((query, passage, grade) for (query, passage), (grade, _) in judged.items())
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "grade"]).astype(
        {"query_id": "str", "passage_id": "str", "grade": "int32"}
    )


def read_queries(file: DataFile, id_field: str, language: str | None = None) -> pd.DataFrame:
    """Read queries that are records.

    Parameters
    ----------
    id_field
        Field of the id: a string, or an integer, which becomes one.
    language
        Of all queries; if there is none, each record says its own in ``lang``, and may name in ``question`` what it
        shares with its translations.

    Returns
    -------
    pandas.DataFrame
        Columns ``lang``, ``id``, ``question`` (the id, unless the record says otherwise) and ``text``.

    Raises
    ------
    DataError
        The file cannot be read, an id stands twice, or a record is no query; names the line.
    """
    columns = (id_field, "text", *(() if language else ("lang", "question")))
    path = file.local()

    def rows() -> Iterator[tuple[int, str, str, str, str]]:
        for place, record in read_records(path, columns=columns):
            try:
                name, text = read_id(record[id_field]), record["text"]
                if not isinstance(text, str):
                    raise TypeError(f"the text should be a str, is {type(text).__name__}")
                question = None if language else record.get("question")
                lang = language or read_language(record["lang"])
                yield place, lang, name, name if question is None else read_id(question), text
            except (KeyError, TypeError, ValueError) as error:
                problem = f"no field {error}" if isinstance(error, KeyError) else str(error)
                expected = ", ".join(f'"{field}": …' for field in columns)
                raise DataError(f"{path}:{place}: {problem}, where a query is {{{expected}}}.") from error

    return _query_table(path, rows())


def read_topics(file: DataFile, language: str) -> pd.DataFrame:
    """Read queries that are lines of id, tab, text; see `read_queries`."""
    path = file.local()

    def rows() -> Iterator[tuple[int, str, str, str, str]]:
        for number, line in read_rows(path):
            name, tab, text = line.partition("\t")
            if not tab or not name.strip():
                raise DataError(f"{path}:{number}: {line[:80]!r} is not 'query-id\\ttext'.")
            yield number, language, name.strip(), name.strip(), text

    return _query_table(path, rows())


def _query_table(path: Path, rows: Iterator[tuple[int, str, str, str, str]]) -> pd.DataFrame:
    places: dict[str, int] = {}
    table: list[tuple[str, str, str, str]] = []
    for place, lang, name, question, text in rows:
        if places.setdefault(name, place) != place:
            raise DataError(f"{path}:{place}: query id {name!r} stands already at line {places[name]}.")
        if not is_unicode(text + name + question):
            raise DataError(f"{path}:{place}: not valid Unicode (half of a surrogate pair).")
        table.append((lang, name, question, text.strip()))
    return pd.DataFrame(table, columns=["lang", "id", "question", "text"], dtype="str")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
