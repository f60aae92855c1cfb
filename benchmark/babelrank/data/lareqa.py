"""Read LAReQA's JSON (XQuAD-R, MLQA-R and the sample).

Protocol: Roy et al. 2020, arXiv 2004.05484. Every sentence of every paragraph is a candidate. The relevant sentence is
the one in which the answer starts. Questions with the same id are translations of each other.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection, judge
from babelrank.data.pool import MemoryPassages
from babelrank.data.published import check_digest, check_text, combine_digests, decode, field, read_bytes
from babelrank.errors import DataError, unknown_choice


@dataclass(frozen=True)
class Paragraph:
    """One paragraph with its sentences and questions; `location` is its place in the file."""

    location: str
    key: str
    context: str
    sentences: tuple[str, ...]
    breaks: tuple[tuple[int, int], ...]
    questions: tuple[tuple[str, str, int], ...]  # id, text, index of the sentence in which the answer starts


# Kinds of candidates, and how a paragraph becomes their texts. LAReQA's dual encoder reads the sentence with its
# paragraph; that of arXiv 2408.10536 reads the sentence alone.
CANDIDATES: dict[str, Callable[[Paragraph], Sequence[str]]] = {
    "sentence": lambda p: p.sentences,
    "sentence+context": lambda p: [f"{sentence} {p.context}" for sentence in p.sentences],
    "paragraph": lambda p: [p.context],
}


def find_languages(names: Iterable[str]) -> dict[str, str]:
    """Return the file of each language, such as ``de.json`` for ``de``."""
    return {name.removesuffix(".json"): name for name in names}


def load_lareqa(
    name: str,
    files: Mapping[str, Path],
    *,
    candidates: str = "sentence",
    languages: Sequence[str] = (),
    sha256: Mapping[str, str] | None = None,
) -> Collection:
    """Read a collection in LAReQA's layout.

    Parameters
    ----------
    name
        Name of the collection in errors and results.
    files
        JSON files by language.
    candidates
        A key of `CANDIDATES`.
    languages
        Restrict queries and pool to these; all by default.
    sha256
        Pinned digests (hex) by language. A valid file with another digest is refused, since its scores would not be
        comparable. For a damaged file, the error says what is wrong in it.

    Raises
    ------
    DataError
        A file is damaged or differs from the published one. The message names the file and the place in it.
    """
    if candidates not in CANDIDATES:
        raise DataError(f"{name}: " + unknown_choice("kind of candidate", candidates, CANDIDATES))
    chosen = _choose_languages(languages, sorted(files), name)
    queries: list[tuple[str, str, str, str]] = []
    passages: list[tuple[str, str, str]] = []
    answers: list[tuple[str, int]] = []  # (id, passage row) of each query
    digests = []
    for lang in chosen:
        raw = read_bytes(files[lang])
        paragraphs = list(_parse(raw, files[lang]))
        digests.append(check_digest(raw, files[lang], (sha256 or {}).get(lang)))
        for paragraph in paragraphs:
            texts = CANDIDATES[candidates](paragraph)
            first = len(passages)
            passages += [(lang, f"{lang}/{paragraph.key}/{i}", text) for i, text in enumerate(texts)]
            for question_id, text, sentence in paragraph.questions:
                queries.append((lang, question_id, question_id, text))
                answers.append((question_id, first + (sentence if len(texts) == len(paragraph.sentences) else 0)))
    pool = MemoryPassages(pd.DataFrame(passages, columns=["lang", "id", "text"]), chosen)
    return Collection(
        name=name,
        languages=chosen,
        queries=pd.DataFrame(queries, columns=["lang", "id", "question", "text"]),
        qrels=judge_translations(pool, answers),
        passages=pool,
        candidates=candidates,
        source="lareqa",
        sha256=combine_digests(zip(chosen, digests, strict=True)),
    )


def _choose_languages(wanted: Sequence[str], available: Sequence[str], collection: str) -> tuple[str, ...]:
    """Return the distinct `wanted` languages, sorted; by default all that are available."""
    for lang in wanted:
        if lang not in available:
            raise DataError(f"{collection}: " + unknown_choice("language", lang, available))
    return tuple(sorted(set(wanted or available)))


def judge_translations(passages: MemoryPassages, answers: Sequence[tuple[str, int]]) -> pd.DataFrame:
    """Return qrels with each query's passage and those of its translations.

    Parameters
    ----------
    answers
        For each query, the id that its translations share, and the position of its passage.
    """
    table = pd.DataFrame(answers, columns=["id", "passage"])
    table["query"] = np.arange(len(table))
    pairs = table[["query", "id"]].merge(table[["id", "passage"]], on="id")
    return judge(passages, pairs["query"].to_numpy(), pairs["passage"].to_numpy(), 1)


def _parse(raw: bytes, path: Path) -> Iterator[Paragraph]:
    try:
        document = json.loads(decode(raw, path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not valid JSON, or cut off, at line {error.lineno}, column {error.colno} ({error.msg})."
        ) from error
    except (RecursionError, ValueError) as error:  # nesting or numbers beyond Python's limits
        raise DataError(f"{path}: cannot be read as JSON ({error}).") from error
    seen: dict[str, str] = {}
    count = 0
    for a, article in enumerate(field(document, "data", list, f"{path}")):
        for p, paragraph in enumerate(field(article, "paragraphs", list, f"{path}: data[{a}]")):
            count += 1
            yield _paragraph(paragraph, f"{a}/{p}", f"{path}: data[{a}].paragraphs[{p}]", seen)
    if not seen:
        raise DataError(f"{path}: has no questions ({count} paragraphs).")


def _paragraph(raw: Any, key: str, location: str, seen: dict[str, str]) -> Paragraph:
    context = check_text(field(raw, "context", str, location), f"{location}.context")
    sentences = field(raw, "sentences", list, location)
    breaks = field(raw, "sentence_breaks", list, location)
    if len(sentences) != len(breaks):
        raise DataError(f"{location}: {len(sentences)} sentences but {len(breaks)} sentence_breaks.")
    for i, (sentence, span) in enumerate(zip(sentences, breaks, strict=True)):
        check_text(sentence, f"{location}.sentences[{i}]")
        if not _is_span(span, len(context)):
            raise DataError(
                f"{location}.sentence_breaks[{i}]: {span!r} is not a [start, end) within {len(context)} characters."
            )
    questions = []
    for q, qa in enumerate(field(raw, "qas", list, location)):
        where = f"{location}.qas[{q}]"
        question_id, text = field(qa, "id", str, where), field(qa, "question", str, where)
        check_text(question_id, f"{where}.id")
        check_text(text, f"{where}: question {question_id!r}")
        if question_id in seen:
            raise DataError(
                f"{where}: question id {question_id!r} is repeated; it first occurs at {seen[question_id]}."
            )
        seen[question_id] = where
        questions.append((question_id, text, _answer_sentence(qa, breaks, len(context), where)))
    return Paragraph(
        location, key, context, tuple(sentences), tuple((start, end) for start, end in breaks), tuple(questions)
    )


def _answer_sentence(qa: Any, breaks: Sequence[Sequence[int]], length: int, where: str) -> int:
    """Return the index of the sentence in which the answer starts. An answer may run over its end."""
    answers = field(qa, "answers", list, where)
    if not answers:
        raise DataError(f"{where}: no answer.")
    start = field(answers[0], "answer_start", int, f"{where}.answers[0]")
    if not 0 <= start < length:
        raise DataError(f"{where}.answers[0]: answer_start {start} is outside the paragraph of {length} characters.")
    for i, (begin, end) in enumerate(breaks):
        if begin <= start < end:
            return i
    raise DataError(f"{where}.answers[0]: answer_start {start} is not in a sentence (sentence_breaks: {breaks}).")


def _is_span(span: Any, length: int) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(type(x) is int for x in span)
        and 0 <= span[0] < span[1] <= length
    )
