"""LAReQA's JSON (XQuAD-R, MLQA-R and the sample) -> a Collection.

Protocol: Roy et al. 2020, arXiv 2004.05484. Every sentence of every paragraph is a candidate; the relevant one is that
in which the answer starts; questions with the same id are translations of one another.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from babelrank.data.collection import Collection, judge
from babelrank.data.pool import MemoryPassages
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


# What a passage is, by name: how a paragraph becomes texts. LAReQA's own dual encoder sees the sentence together with
# its paragraph, the paper's sees the sentence alone.
CANDIDATES: dict[str, Callable[[Paragraph], Sequence[str]]] = {
    "sentence": lambda p: p.sentences,
    "sentence+context": lambda p: [f"{sentence} {p.context}" for sentence in p.sentences],
    "paragraph": lambda p: [p.context],
}


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
        What the collection is called in errors and results.
    files
        Language -> JSON file.
    candidates
        A key of `CANDIDATES`.
    languages
        Restrict queries and pool to these; all by default.
    sha256
        Language -> pinned digest (hex). A file that reads well and yet differs from it is refused, since the figures
        would not be comparable; a damaged file is reported by what is wrong inside it.

    Raises
    ------
    DataError
        Names the file and the place in it.
    """
    if candidates not in CANDIDATES:
        raise DataError(f"{name}: " + unknown_choice("kind of candidate", candidates, CANDIDATES))
    chosen = _choose_languages(languages, sorted(files), name)
    queries: list[tuple[str, str, str, str]] = []
    passages: list[tuple[str, str, str]] = []
    answers: list[tuple[str, int]] = []  # of each query: id, passage row
    digests = []
    for lang in chosen:
        raw = _read_bytes(files[lang])
        paragraphs = list(_parse(raw, files[lang]))
        digests.append(_check_digest(raw, files[lang], (sha256 or {}).get(lang)))
        for paragraph in paragraphs:
            texts = CANDIDATES[candidates](paragraph)
            first = len(passages)
            passages += [(lang, f"{lang}/{paragraph.key}/{i}", text) for i, text in enumerate(texts)]
            for question_id, text, sentence in paragraph.questions:
                queries.append((lang, question_id, question_id, text))
                answers.append((question_id, first + (sentence if len(texts) == len(paragraph.sentences) else 0)))
    combined = "".join(f"{lang} {digest}\n" for lang, digest in zip(chosen, digests, strict=True))
    pool = MemoryPassages(pd.DataFrame(passages, columns=["lang", "id", "text"]), chosen)
    return Collection(
        name=name,
        languages=chosen,
        queries=pd.DataFrame(queries, columns=["lang", "id", "question", "text"]),
        qrels=_cross_lingual_qrels(pool, answers),
        passages=pool,
        candidates=candidates,
        source="lareqa",
        sha256=hashlib.sha256(combined.encode()).hexdigest(),
    )


def _choose_languages(wanted: Sequence[str], available: Sequence[str], collection: str) -> tuple[str, ...]:
    """Return `wanted` sorted and without repeats, or everything available if nothing in particular is wanted."""
    for lang in wanted:
        if lang not in available:
            raise DataError(f"{collection}: " + unknown_choice("language", lang, available))
    return tuple(sorted(set(wanted or available)))


def _cross_lingual_qrels(passages: MemoryPassages, answers: list[tuple[str, int]]) -> pd.DataFrame:
    """Make each query relevant to its own passage and to those of its translations."""
    table = pd.DataFrame(answers, columns=["id", "passage"])
    table["query"] = np.arange(len(table))
    pairs = table[["query", "id"]].merge(table[["id", "passage"]], on="id")
    return judge(passages, pairs["query"].to_numpy(), pairs["passage"].to_numpy(), 1)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def _check_digest(raw: bytes, path: Path, pinned: str | None) -> str:
    digest = hashlib.sha256(raw).hexdigest()
    if pinned is not None and digest != pinned:
        raise DataError(
            f"{path}: its SHA-256 is {digest}, the published file's is {pinned}: it was changed, and figures from it "
            "would not be comparable. `babelrank data fetch` brings the published one."
        )
    return digest


def _parse(raw: bytes, path: Path) -> Iterator[Paragraph]:
    try:
        document = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not JSON, or cut off, at line {error.lineno}, column {error.colno} ({error.msg})."
        ) from error
    except (RecursionError, ValueError) as error:  # of JSON that is nested, or holds a number, beyond Python's limits
        raise DataError(f"{path}: not JSON that can be read ({error}).") from error
    seen: dict[str, str] = {}
    count = 0
    for a, article in enumerate(_field(document, "data", list, f"{path}")):
        for p, paragraph in enumerate(_field(article, "paragraphs", list, f"{path}: data[{a}]")):
            count += 1
            yield _paragraph(paragraph, f"{a}/{p}", f"{path}: data[{a}].paragraphs[{p}]", seen)
    if not seen:
        raise DataError(f"{path}: holds no questions ({count} paragraphs).")


def _paragraph(raw: Any, key: str, location: str, seen: dict[str, str]) -> Paragraph:
    context = _check_text(_field(raw, "context", str, location), f"{location}.context")
    sentences = _field(raw, "sentences", list, location)
    breaks = _field(raw, "sentence_breaks", list, location)
    if len(sentences) != len(breaks):
        raise DataError(f"{location}: {len(sentences)} sentences but {len(breaks)} sentence_breaks.")
    for i, (sentence, span) in enumerate(zip(sentences, breaks, strict=True)):
        _check_text(sentence, f"{location}.sentences[{i}]")
        if not _is_span(span, len(context)):
            raise DataError(
                f"{location}.sentence_breaks[{i}]: {span!r} is no [start, end) within {len(context)} characters."
            )
    questions = []
    for q, qa in enumerate(_field(raw, "qas", list, location)):
        where = f"{location}.qas[{q}]"
        question_id, text = _field(qa, "id", str, where), _field(qa, "question", str, where)
        _check_text(question_id, f"{where}.id")
        _check_text(text, f"{where}: question {question_id!r}")
        if question_id in seen:
            raise DataError(f"{where}: question id {question_id!r} is repeated; it is first at {seen[question_id]}.")
        seen[question_id] = where
        questions.append((question_id, text, _answer_sentence(qa, breaks, len(context), where)))
    return Paragraph(
        location, key, context, tuple(sentences), tuple((start, end) for start, end in breaks), tuple(questions)
    )


def _answer_sentence(qa: Any, breaks: Sequence[Sequence[int]], length: int, where: str) -> int:
    """Index of the sentence in which the answer starts; an answer may run over its end."""
    answers = _field(qa, "answers", list, where)
    if not answers:
        raise DataError(f"{where}: has no answer.")
    start = _field(answers[0], "answer_start", int, f"{where}.answers[0]")
    if not 0 <= start < length:
        raise DataError(f"{where}.answers[0]: answer_start {start} lies outside its paragraph of {length} characters.")
    for i, (begin, end) in enumerate(breaks):
        if begin <= start < end:
            return i
    raise DataError(f"{where}.answers[0]: answer_start {start} lies in no sentence (sentence_breaks: {breaks}).")


def _is_span(span: Any, length: int) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(type(x) is int for x in span)
        and 0 <= span[0] < span[1] <= length
    )


def _check_text(text: Any, where: str) -> str:
    """Return `text` if it is one that an encoder can read."""
    if not isinstance(text, str):
        raise DataError(f"{where} should be a str, is {type(text).__name__}.")
    if not text.strip():
        raise DataError(f"{where}: an empty text.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: not valid Unicode at character {error.start} (half of a surrogate pair).") from error
    return text


def _field(mapping: Any, name: str, kind: type, location: str) -> Any:
    value = mapping.get(name) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "missing" if value is None else type(value).__name__
        raise DataError(f"{location}: {name!r} should be a {kind.__name__}, is {found}.")
    return value
