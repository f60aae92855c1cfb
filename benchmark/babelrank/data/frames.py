"""Check the three tables of a user, and return them as the loaders of files do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from babelrank.data.judgements import MAX_GRADE
from babelrank.data.language_facts import Spellings
from babelrank.data.passages import is_unicode
from babelrank.data.records import SPACE
from babelrank.errors import DataError
from babelrank.files import check_printable


def check_frames(
    name: str, queries: pd.DataFrame, passages: pd.DataFrame, qrels: pd.DataFrame | None, spellings: Spellings
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]:
    """Check the tables that `Collection.from_frames` takes.

    Parameters
    ----------
    spellings
        Records how the tables spell languages.

    Returns
    -------
    tuple of pandas.DataFrame
        Queries (``lang``, ``id``, ``question``, ``text``), passages (``lang``, ``id``, ``text``) and qrels
        (``query_id``, ``passage_id``, ``grade``: int64, ≥ 0), or None.

    Raises
    ------
    DataError
        See `Collection.from_frames`.
    """
    check_printable(name, "collection", DataError)
    texts = {}
    for kind, table in (("queries", queries), ("passages", passages)):
        where = f"{name}: {kind}"
        _check_columns(where, table, ("id", "lang", "text"))
        texts[kind] = pd.DataFrame(
            {
                "lang": _check_langs(where, table["lang"], spellings),
                "id": read_ids(where, table["id"]),
                "text": _check_texts(where, table["text"]),
            },
            dtype="str",
        )
        repeated = texts[kind]["id"][texts[kind]["id"].duplicated()]
        if len(repeated):
            raise DataError(f"{where}: id {repeated.iloc[0]!r} is repeated.")
    questions = read_ids(f"{name}: queries", queries["question"], "question") if "question" in queries else None
    texts["queries"].insert(2, "question", texts["queries"]["id"] if questions is None else questions)
    if qrels is None:
        return texts["queries"], texts["passages"], None
    where = f"{name}: qrels"
    _check_columns(where, qrels, ("query_id", "passage_id"))
    judged = pd.DataFrame({column: read_ids(where, qrels[column], column) for column in ("query_id", "passage_id")})
    judged["grade"] = _check_grades(where, qrels["grade"]) if "grade" in qrels else np.int64(1)
    for column, kind in (("query_id", "queries"), ("passage_id", "passages")):
        unknown = judged[column][~judged[column].isin(texts[kind]["id"])]
        if len(unknown):
            raise DataError(f"{where}: {column} {unknown.iloc[0]!r} is not an id of {kind}.")
    judged = judged.drop_duplicates(ignore_index=True)
    repeated = judged[judged.duplicated(["query_id", "passage_id"])]
    if len(repeated):
        query, passage = repeated.iloc[0][["query_id", "passage_id"]]
        raise DataError(f"{where}: query {query!r} and passage {passage!r} have more than one grade.")
    return texts["queries"], texts["passages"], judged


def read_ids(where: str, values: pd.Series, column: str = "id") -> "pd.Series[str]":
    """Return ids as text. Whole numbers become text without a fraction, even if pandas stores them as floats.

    Raises
    ------
    DataError
        A value is missing, empty, or neither text nor a whole number.
    """
    return pd.Series([_read_id(where, column, value) for value in values.tolist()], dtype="str")


def _read_id(where: str, column: str, value: object) -> str:
    if isinstance(value, str) and value.strip(SPACE):
        return value.strip(SPACE)
    if isinstance(value, (int, float, np.integer)) and not isinstance(value, bool) and float(value).is_integer():
        return str(int(value))
    raise DataError(f"{where}: {column} {value!r} is neither text nor a whole number.")


def _check_columns(where: str, table: pd.DataFrame, needed: Sequence[str]) -> None:
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{where} must be a DataFrame, got {type(table).__name__}.")
    missing = [column for column in needed if column not in table]
    if missing:
        raise DataError(
            f"{where}: no column {', '.join(map(repr, missing))}; expected {', '.join(map(repr, needed))}, found "
            f"{', '.join(map(repr, table.columns)) or 'none'}."
        )
    if table.empty:
        raise DataError(f"{where}: the table is empty.")


def _check_langs(where: str, values: pd.Series, spellings: Spellings) -> list[str]:
    try:
        return [spellings.read(value) for value in values.tolist()]
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error


def _check_texts(where: str, values: pd.Series) -> list[str]:
    texts: list[str] = values.tolist()
    wrong = next((text for text in texts if not isinstance(text, str) or not is_unicode(text)), None)
    if wrong is not None or None in texts:
        raise DataError(f"{where}: {wrong!r} is not a text.")
    return texts


def _check_grades(where: str, values: pd.Series) -> np.ndarray:
    grades = values.tolist()
    for grade in grades:
        if isinstance(grade, bool) or not isinstance(grade, (int, float, np.integer)) or not float(grade).is_integer():
            raise DataError(f"{where}: grade {grade!r} is not a whole number.")
        if abs(int(grade)) > MAX_GRADE:
            raise DataError(f"{where}: grade {grade} is too large; grades must be at most {MAX_GRADE:,}.")
    return np.maximum(np.array(grades, dtype=np.int64), 0)
