"""AfriQA's test part -> questions in nine African languages, to be answered by passages in English or French.

In: the publisher's folder, with ``data/gold_passages/CODE/gold_span_passages.afriqa.CODE.PIVOT.test.json`` for each
language: a JSON object per line with ``id``, ``question_lang``, ``question_translated`` (by people, into the pivot),
``title``, ``context`` (the gold passage) and ``answer_pivot``. Source: Ogundepo et al. 2023, arXiv 2305.06897.

Passages are the gold passages of all languages. The human translations are a variant of the queries, ``human``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from babelrank.data.collection import Collection
from babelrank.data.language_facts import canonical_code
from babelrank.data.published import check_digest, check_text, combine_digests, field, read_bytes, split_lines
from babelrank.data.variants import attach_variants
from babelrank.errors import DataError, unknown_choice

HUMAN = "human"  # the variant of queries that people translated into the language of the passages
_FILE = re.compile(
    r"data/gold_passages/[^/]+/gold_span_passages\.afriqa\.(?P<code>[^.]+)\.(?P<pivot>[^.]+)\.test\.json"
)

_QUESTION = ("question_lang", "question_translated")
_PASSAGE = ("title", "context")


@dataclass(frozen=True)
class Question:
    """A question, its translation, and its gold passage: title, and text (empty if there is no answer)."""

    name: str
    text: str
    translation: str
    title: str
    passage: str


def find_languages(names: Iterable[str]) -> dict[str, str]:
    """Return the file of each language of questions, by canonical code; other files are left out.

    >>> find_languages(["data/gold_passages/yor/gold_span_passages.afriqa.yor.en.test.json"]).keys()
    dict_keys(['yo'])

    Raises
    ------
    DataError
        Two files are of the same language.
    """
    files: dict[str, str] = {}
    for name in sorted(names):
        found = _FILE.fullmatch(name)
        if found and files.setdefault(lang := canonical_code(found["code"]), name) != name:
            raise DataError(f"{files[lang]} and {name} are of the same language, {lang}.")
    return files


def load_afriqa(
    name: str, folder: Path, *, languages: Sequence[str] = (), sha256: Mapping[str, str] | None = None
) -> Collection:
    """Read AfriQA's test part, or some of its languages.

    A question that occurs twice in a language counts once, with the passages of both. Questions without a passage or
    without an answer are left out. A passage is its title and its text, as in BEIR; equal passages count once. Passages
    that differ only in white space are relevant to the same questions.

    Parameters
    ----------
    name
        Name of the collection in errors and results.
    folder
        Folder in the publisher's layout.
    languages
        Restrict questions, and the pool to their gold passages, to these; all by default.
    sha256
        Pinned digest (hex) by path of each file in the folder. Without it, any files in the layout are read.

    Returns
    -------
    Collection
        With the variant `HUMAN`. Ids of passages begin with language and number of the article, as LAReQA's do.

    Raises
    ------
    DataError
        A file is missing, damaged or differs from the published one. The message names the line.
    """
    names = sha256 or [path.relative_to(folder).as_posix() for path in folder.glob("data/gold_passages/*/*.json")]
    files = find_languages(names)
    for lang in languages:
        if lang not in files:
            raise DataError(f"{name}: " + unknown_choice("language", lang, files))
    chosen = sorted(set(languages or files))
    missing = [files[lang] for lang in chosen if not (folder / files[lang]).is_file()]
    if missing or not chosen:
        raise DataError(f"{folder}: {missing[0] if missing else 'data/gold_passages/'} is missing.")
    digests: dict[str, str] = {}
    left_out: dict[str, int] = {}
    queries: dict[tuple[str, str], tuple[str, str, str]] = {}  # by language and text: id and translation
    pool = _Pool()
    gold: list[tuple[str, str]] = []  # (query, passage) of each question
    for lang in chosen:
        path = folder / files[lang]
        raw = read_bytes(path)
        questions = list(_read_questions(raw, path))
        digests[files[lang]] = check_digest(raw, path, (sha256 or {}).get(files[lang]))
        pivot = canonical_code(path.name.split(".")[-3])
        answerable = [question for question in questions if question.passage]
        for question in answerable:
            known = queries.setdefault(
                (lang, question.text), (f"{lang}/{question.name}", question.text, question.translation)
            )
            gold.append((known[0], pool.add(pivot, question.title, question.passage)))
        left_out[lang] = len(questions) - len(answerable)
    if not queries:
        raise DataError(f"{name}: no question of {', '.join(chosen)} has a passage and an answer.")
    notes = [f"the pool is small: its {len(pool.frame):,} passages are the gold passages only"]
    if any(left_out.values()):
        shown = ", ".join(f"{lang} {count}" for lang, count in left_out.items() if count)
        notes.append(f"{sum(left_out.values())} questions have no passage or no answer and were left out: {shown}")
    if repeated := len(gold) - len(queries):
        notes.append(f"{repeated} questions occur twice in a language; each counts once, with the passages of both")
    asked = pd.DataFrame(
        [(query, lang, text, translation) for (lang, _), (query, text, translation) in queries.items()],
        columns=["id", "lang", "text", "translation"],
    )
    collection = Collection.from_frames(
        asked,
        pool.frame,
        pd.DataFrame(gold, columns=["query_id", "alike"]).merge(pool.alike, on="alike").drop(columns="alike"),
        name=name,
        source="afriqa",
    )
    versions = asked.assign(question=asked["id"], variant=HUMAN, text=asked["translation"])
    return attach_variants(
        replace(
            collection,
            sha256=combine_digests(iter(digests.items())),
            notes=(*notes, *collection.notes),
        ),
        versions,
    )


class _Pool:
    """Distinct passages, numbered by article. Passages with the same title belong to the same article."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str, str], str] = {}
        self._articles: dict[tuple[str, str], list[int]] = {}  # number, and passages so far

    def add(self, lang: str, title: str, text: str) -> str:
        """Add a passage unless it is there; return its text with single spaces."""
        passage = (lang, title, text)
        if passage not in self._ids:
            article = self._articles.setdefault((lang, title.strip() or text), [len(self._articles), 0])
            self._ids[passage] = f"{lang}/{article[0]}/{article[1]}/0"
            article[1] += 1
        return _without_space(passage)

    @property
    def alike(self) -> pd.DataFrame:
        """Columns ``alike``, as `add` returns it, and ``passage_id``."""
        rows = [(_without_space(passage), name) for passage, name in self._ids.items()]
        return pd.DataFrame(rows, columns=["alike", "passage_id"])

    @property
    def frame(self) -> pd.DataFrame:
        """Columns ``id``, ``lang``, ``text``."""
        rows = [(name, lang, f"{title} {text}".strip()) for (lang, title, text), name in self._ids.items()]
        return pd.DataFrame(rows, columns=["id", "lang", "text"])


def _without_space(passage: tuple[str, str, str]) -> str:
    return "\n".join(" ".join(part.split()) for part in passage)


def _read_questions(raw: bytes, path: Path) -> Iterator[Question]:
    seen: dict[str, int] = {}
    for number, line in enumerate(split_lines(raw, path), start=1):
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError, ValueError) as error:
            raise DataError(f"{where}: not valid JSON, or cut off ({error}).") from error
        name = check_text(field(record, "id", str, where), f"{where}: 'id'")
        if seen.setdefault(name, number) != number:
            raise DataError(f"{where}: id {name!r} is repeated; it first occurs on line {seen[name]}.")
        text, translation = (
            check_text(field(record, key, str, where), f"{where}: {key!r}").strip() for key in _QUESTION
        )
        missing = [key for key in _PASSAGE if key not in record]
        if missing:
            raise DataError(f"{where}: {missing[0]!r} is missing.")
        title, passage = (_optional_text(record[key], f"{where}: {key!r}") for key in _PASSAGE)
        answers = field(field(record, "answer_pivot", dict, where), "text", list, f"{where}: 'answer_pivot'")
        yield Question(name, text, translation, title, passage if answers else "")


def _optional_text(value: Any, where: str) -> str:
    missing = value is None or (isinstance(value, str) and not value.strip())
    return "" if missing else check_text(value, where)
