"""Read queries and qrels from files, and check them.

In: judgements as lines of columns (BEIR's, TREC's and our own) or as records, queries as records or lines of columns.
Out: tables of strings and grades; nothing is looked up yet.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from babelrank.data.folders import DataFile, HubFile, LocalFile, Records
from babelrank.data.language_facts import Spellings
from babelrank.data.passages import is_unicode, read_id, show_record
from babelrank.data.records import SPACE, SUFFIXES, read_rows
from babelrank.errors import DataError

MAX_GRADE = 2**31 - 1  # a larger grade is a mistake, such as an id in the wrong column
_WHOLE = re.compile(r"-?[0-9]+(?:\.0*)?")
# Of a header, without white space and punctuation: what BEIR, MTEB, TREC, MS MARCO and ir_datasets call columns.
_HEADER_NAMES = {
    *("queryid", "query", "qid", "topic", "topicid"),
    *("corpusid", "docid", "doc", "documentid", "document", "docno", "did", "pid", "passageid", "passage"),
    *("score", "grade", "relevance", "rel", "label", "judgement", "judgment", "gain", "iteration", "iter", "subtopic"),
}
_Note = Callable[[str], None]
_Place = tuple[str, int]  # file and line


@dataclass(frozen=True)
class QrelsLayout:
    """Columns of a file of qrels.

    Attributes
    ----------
    columns
        Format of a line, for errors; also the names of a record's fields.
    query, passage, grade
        Positions of the three.
    quoted
        Whether a cell may be quoted, as by `csv` and pandas.
    """

    columns: str
    query: int
    passage: int
    grade: int
    quoted: bool = True


BEIR_QRELS = QrelsLayout("query-id\tcorpus-id\tscore", 0, 1, 2)
OWN_QRELS = QrelsLayout("query-id\tpassage-id\tgrade", 0, 1, 2)
TREC_QRELS = QrelsLayout("query-id\tQ0\tpassage-id\tgrade", 0, 2, 3, quoted=False)


def read_qrels(files: Sequence[Records], layout: QrelsLayout, note: _Note = lambda _: None) -> pd.DataFrame:
    """Read judgements: lines of columns, or records (JSON lines or Parquet) with the layout's fields.

    The first line of a file is a header if its grade is not a number and two of its cells are names of columns, such as
    ``corpus-id``. A judgement that is repeated with the same grade counts once.

    Parameters
    ----------
    note
        Told what does not count, in a sentence.

    Returns
    -------
    pandas.DataFrame
        Columns ``query_id``, ``passage_id`` (str) and ``grade`` (int64, ≥ 0; 0 is judged not relevant, as are grades
        below 0, which TREC-COVID has), in the files' order.

    Raises
    ------
    DataError
        A file cannot be read or has no judgements, a line has other columns or an invalid grade, or a passage has two
        grades for one query. The message names the line.
    """
    judged: dict[tuple[str, str], tuple[int, _Place]] = {}
    repeats = 0
    for place, query, passage, grade in chain.from_iterable(_qrels_rows(file, layout) for file in files):
        before, first = judged.setdefault((query, passage), (grade, place))
        if before != grade:
            raise DataError(
                f"{place[0]}:{place[1]}: grade {grade} of {(query, passage)} conflicts with grade {before} on "
                f"{_line(first, place)}."
            )
        repeats += first != place
    if not judged:
        raise DataError(f"{', '.join(file.name for file in files)}: has no judgements.")
    if repeats:
        note(f"{repeats:,} judgements are repeated; each counts once")
    table = ((query, passage, grade) for (query, passage), (grade, _) in judged.items())
    return pd.DataFrame(table, columns=["query_id", "passage_id", "grade"]).astype(
        {"query_id": "str", "passage_id": "str", "grade": "int64"}
    )


def _qrels_rows(file: Records, layout: QrelsLayout) -> Iterator[tuple[_Place, str, str, int]]:
    """Yield place, query, passage and grade, which is at least 0."""
    if isinstance(file, (LocalFile, HubFile)) and not file.name.endswith(SUFFIXES):
        rows = _line_rows(file.local(), layout)
    else:
        rows = _record_rows(file, layout)
    for number, query, passage, grade in rows:
        if abs(grade) > MAX_GRADE:
            raise DataError(
                f"{file.name}:{number}: grade {grade:,.0f} is too large; grades must be at most {MAX_GRADE:,}."
            )
        yield (file.name, number), query, passage, max(int(grade), 0)


def _line_rows(path: Path, layout: QrelsLayout) -> Iterator[tuple[int, str, str, float]]:
    is_first = True
    for number, line in read_rows(path):
        cells = _split(path, number, line, layout)
        query, passage, grade = (cells[place].strip(SPACE) for place in (layout.query, layout.passage, layout.grade))
        if not _WHOLE.fullmatch(grade):
            if is_first and not _is_number(grade) and _is_header(query, passage, grade):
                is_first = False
                continue
            raise DataError(f"{path}:{number}: grade {grade!r} is not a whole number.")
        if not query or not passage:
            raise DataError(f"{path}:{number}: empty id.")
        is_first = False
        yield number, query, passage, float(grade)


def _record_rows(file: Records, layout: QrelsLayout) -> Iterator[tuple[int, str, str, float]]:
    fields = layout.columns.split("\t")
    names = [fields[place] for place in (layout.query, layout.passage, layout.grade)]
    for place, record in file.records(columns=tuple(names)):
        try:
            query, passage, grade = read_id(record[names[0]]), read_id(record[names[1]]), record[names[2]]
            if isinstance(grade, bool) or not isinstance(grade, (int, float)) or not float(grade).is_integer():
                raise ValueError(f"grade {grade!r} is not a whole number")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            problem = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{file.name}:{place}: {problem}; expected {show_record(names)}.") from error
        yield place, query, passage, float(grade)


def _split(path: Path, number: int, line: str, layout: QrelsLayout) -> list[str]:
    """Split a line at tabs, or else at ASCII white space. Quoted cells are read as in CSV."""
    if "\t" not in line:
        cells = [cell.decode() for cell in line.encode().split()]
    elif '"' in line and layout.quoted:
        try:
            (cells,) = csv.reader([line], delimiter="\t", strict=True)
        except csv.Error as error:
            raise DataError(f"{path}:{number}: unclosed quotation mark ({error}): {line[:80]!r}.") from error
    else:
        cells = line.split("\t")
    if len(cells) != layout.columns.count("\t") + 1:
        raise DataError(f"{path}:{number}: {line[:80]!r} is not {layout.columns!r}.")
    return cells


def _is_header(*cells: str) -> bool:
    """Return whether at least two of three cells are names of columns. A single one may be an id."""
    return sum(re.sub(r"[\W_]", "", cell).lower() in _HEADER_NAMES for cell in cells) >= 2


def _line(first: _Place, place: _Place) -> str:
    """Return the place of the first occurrence, relative to another place."""
    return f"line {first[1]}" + ("" if first[0] == place[0] else f" of {first[0]}")


def read_queries(
    files: Sequence[Records],
    id_fields: tuple[str, ...],
    language: str | None = None,
    *,
    spellings: Spellings | None = None,
    note: _Note = lambda _: None,
) -> pd.DataFrame:
    """Read queries from records. An exact copy of a query counts once.

    Parameters
    ----------
    id_fields
        Fields that may hold the id, a string or an integer. The first that a file has is read.
    language
        Language of all queries. Without it, each record has a ``lang``, and may have a ``question`` (the id that it
        shares with its translations) and a ``variant`` (the version of the question).
    spellings
        Records how the file spells languages.
    note
        Called with a sentence on each kind of record that does not count.

    Returns
    -------
    pandas.DataFrame
        Columns ``lang``, ``id``, ``question`` (by default the id), ``text``, and without a `language` also ``variant``,
        which is empty for originals.

    Raises
    ------
    DataError
        A file cannot be read or has no queries, two queries share an id, or a record is invalid. The message names
        the line.
    """
    own = ("text", *(() if language else ("lang", "question", "variant")))
    spelled = Spellings() if spellings is None else spellings

    def read(record: Any, name: str) -> tuple[str, ...]:
        query, text = read_id(record[name]), record["text"]
        if not isinstance(text, str):
            raise TypeError(f"the text must be a str, got {type(text).__name__}")
        question = None if language else record.get("question")
        lang = language or spelled.read(record["lang"])
        variant = record.get("variant") or ""
        if not isinstance(variant, str):
            raise TypeError(f"the variant must be a str, got {type(variant).__name__}")
        return lang, query, query if question is None else read_id(question), text, *(() if language else (variant,))

    def rows(file: Records) -> Iterator[tuple[_Place, tuple[str, ...]]]:
        name = ""
        for place, record in file.records(columns=(*id_fields, *own)):
            try:
                name = name or next((each for each in id_fields if each in record), id_fields[0])
                query = read(record, name)
            except (KeyError, TypeError, ValueError) as error:
                problem = f"no field {error}" if isinstance(error, KeyError) else str(error)
                expected = show_record((id_fields[0], *own))
                raise DataError(f"{file.name}:{place}: {problem}; expected {expected}.") from error
            yield (file.name, place), query

    return _query_table(files, chain.from_iterable(map(rows, files)), note)


def read_topics(file: DataFile, language: str, note: _Note = lambda _: None) -> pd.DataFrame:
    """Read queries from lines of id, tab, text; see `read_queries`."""
    path = file.local()

    def rows() -> Iterator[tuple[_Place, tuple[str, ...]]]:
        for number, line in read_rows(path):
            name, tab, text = line.partition("\t")
            name = name.strip(SPACE)
            if not tab or not name:
                raise DataError(f"{path}:{number}: {line[:80]!r} is not 'query-id\\ttext'.")
            yield (file.name, number), (language, name, name, text)

    return _query_table([file], rows(), note)


def _query_table(files: Sequence[Records], rows: Iterable[tuple[_Place, tuple[str, ...]]], note: _Note) -> pd.DataFrame:
    table: dict[str, tuple[_Place, tuple[str, ...]]] = {}
    repeats = 0
    for place, (lang, name, question, text, *variant) in rows:
        where = f"{place[0]}:{place[1]}"
        if not is_unicode(text + name + question):
            raise DataError(f"{where}: not valid Unicode (half of a surrogate pair).")
        query = lang, name, question, text.strip(), *variant
        first, before = table.setdefault(name, (place, query))
        if before != query:
            raise DataError(f"{where}: query id {name!r} is also used for another query on {_line(first, place)}.")
        repeats += first != place
    if not table:
        raise DataError(f"{', '.join(file.name for file in files)}: has no queries.")
    if repeats:
        note(f"{repeats:,} queries are repeated; each counts once")
    queries = [query for _, query in table.values()]
    columns = ["lang", "id", "question", "text", "variant"]
    return pd.DataFrame(queries, columns=columns[: max(map(len, queries), default=4)], dtype="str")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
