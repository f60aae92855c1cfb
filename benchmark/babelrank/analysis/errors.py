"""Classify what ranks above the answers, from the ranks of the relevant passages and the best ranked passages.

In a pair of languages, a passage that outranks an answer is a wrong passage of the answer's language; it may still be
from the right paragraph or article. In the pool of all languages it may also be another relevant passage, or a wrong
one in the query's language, in the answer's or in a third. Everything except the texts comes from the two tables of a
report.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from babelrank.analysis.outranking import (
    KINDS,
    PLACES,
    JoinedTables,
    best_rows,
    find_kinds,
    find_outranking,
    join_tables,
    positions_in_groups,
)
from babelrank.data.collection import Collection
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable

WORST = 10  # questions given for each setting
# What a report shows: questions of each setting by kind of setting, and passages above each answer. They are few, so
# that people can read them and texts do not dominate the file size.
_SELECTED = {"monolingual": 3, "cross_lingual": 1, "multilingual": 3, "most_buried": 1}
_SELECTED_OUTRANKING = 3
_LONGEST_TEXT = 400  # characters

Counts = list[list[int]]


@dataclass(frozen=True)
class Outranking:
    """A passage that ranks above an answer.

    Attributes
    ----------
    passage_id, passage_lang
        Id and language of the passage.
    rank
        Rank in the setting's list.
    kind
        One of `KINDS`: another relevant passage, or a wrong one by its language.
    place
        One of `PLACES`: its relation to the query's relevant passages of its own language; None for a relevant passage,
        or if ids do not name paragraphs and articles.
    text
        None until `attach_texts`.
    """

    passage_id: str
    passage_lang: str
    rank: float
    kind: str
    place: str | None
    text: str | None = None


@dataclass(frozen=True)
class WorstQuestion:
    """A question with a low-ranked answer.

    Attributes
    ----------
    query_id, answer_id, answer_lang
        The question and its answer.
    rank
        Rank of the answer in the setting's list.
    outranking
        Passages that rank above it, best first, as far as top passages were kept.
    query, answer
        The texts; None until `attach_texts`.
    """

    query_id: str
    answer_id: str
    answer_lang: str
    rank: float
    outranking: list[Outranking]
    query: str | None = None
    answer: str | None = None


Worst = dict[str, dict[str, list[WorstQuestion]]]  # kind of setting -> setting -> questions, worst first


@dataclass(frozen=True)
class Texts:
    """Texts of questions and passages.

    Attributes
    ----------
    queries, passages
        Language -> id -> text.
    """

    queries: dict[str, dict[str, str]]
    passages: dict[str, dict[str, str]]


@dataclass(frozen=True)
class PairErrors:
    """Errors of the settings xx→yy. Rows are query languages, columns passage languages.

    If there are several answers in the passage language, the best ranked one counts.

    Attributes
    ----------
    n
        Questions with an answer in the passage language.
    outranked
        Number of those with a passage above their answer; equal scores do not outrank.
    places
        By `PLACES`: what ranks first where an answer is outranked; sums to `outranked`. None if passage ids do not name
        paragraphs and articles.
    worst
        ``xx→yy`` -> questions by the rank of the answer, worst first; only those that are outranked.
    """

    n: Counts
    outranked: Counts
    places: dict[str, Counts] | None
    worst: dict[str, list[WorstQuestion]]


@dataclass(frozen=True)
class PoolErrors:
    """Errors of the settings xx→all. Rows are query languages.

    Attributes
    ----------
    questions
        By query language.
    n, outranked
        Number of answers by their language (columns): all, and those with a passage above them.
    kinds
        By `KINDS`, number of kept passages that outrank the answers of a language (columns). A passage counts once for
        each answer that it outranks. If query and answer are in one language, its wrong passages count as
        ``query_language``.
    first
        By `KINDS` of wrong passages, questions for which such a passage ranks first in the pool, above all answers. The
        answer's language is that of the best ranked answer. By query language.
    intruders
        Kept wrong passages that rank above all answers to a question, by their language (columns).
    worst
        ``xx→all`` -> questions by the rank of their best answer, worst first: how far a user reads before any answer.
    most_buried
        ``xx→all`` -> questions by the rank of their last answer, worst first.
    """

    questions: list[int]
    n: Counts
    outranked: Counts
    kinds: dict[str, Counts]
    first: dict[str, list[int]]
    intruders: Counts
    worst: dict[str, list[WorstQuestion]]
    most_buried: dict[str, list[WorstQuestion]]


@dataclass(frozen=True)
class Errors:
    """Passages that outrank the answers of one encoder on one collection.

    Attributes
    ----------
    languages
        Order of all rows and columns.
    pool_depth, language_depth
        Number of passages kept for each query, of the pool and of each language; passages below them are not counted.
    """

    languages: list[str]
    pool_depth: int
    language_depth: int
    pairs: PairErrors
    pool: PoolErrors


def find_errors(ranks: RankTable, top: TopTable, *, worst: int = WORST) -> Errors:
    """Classify what ranks above the answers, by setting.

    Parameters
    ----------
    ranks, top
        Tables of one encoder on one collection.
    worst
        Number of questions for each setting.

    Raises
    ------
    ReportError
        The two tables belong to different collections or encoders.
    """
    tables = join_tables(ranks.found, top)
    return Errors(
        list(ranks.languages),
        top.pool_depth,
        top.language_depth,
        _find_pair_errors(tables, worst),
        _find_pool_errors(tables, worst),
    )


def gather_texts(worst: Worst, collection: Collection) -> Texts:
    """Return the texts of the questions and passages of a selection; long texts are cut short."""
    queries, passages = (
        dict(zip(zip(table["lang"], table["id"], strict=True), table["text"], strict=True))
        for table in (collection.queries.assign(id=collection.queries["question"]), collection.passages.frame)
    )
    texts = Texts({}, {})
    for settings in worst.values():
        for setting, questions in settings.items():
            for question in questions:
                named = [(passage.passage_lang, passage.passage_id) for passage in question.outranking]
                for found, known, keys in (
                    (texts.queries, queries, [(_query_lang(setting), question.query_id)]),
                    (texts.passages, passages, [(question.answer_lang, question.answer_id), *named]),
                ):
                    for lang, name in keys:
                        if (lang, name) in known:
                            found.setdefault(lang, {})[name] = _shorten(known[lang, name])
    return texts


def attach_texts(worst: Worst, texts: Texts) -> Worst:
    """Return the same selection with its texts; None for missing texts."""
    queries, passages = texts.queries, texts.passages
    return {
        kind: {
            setting: [
                replace(
                    question,
                    query=queries.get(_query_lang(setting), {}).get(question.query_id),
                    answer=passages.get(question.answer_lang, {}).get(question.answer_id),
                    outranking=[
                        replace(passage, text=passages.get(passage.passage_lang, {}).get(passage.passage_id))
                        for passage in question.outranking
                    ],
                )
                for question in questions
            ]
            for setting, questions in settings.items()
        }
        for kind, settings in worst.items()
    }


def select_worst(errors: Errors) -> Worst:
    """Return the few questions that a report shows, with the best ranked passages that outrank their answers."""
    pairs = errors.pairs.worst
    own = {f"{lang}→{lang}" for lang in errors.languages}
    chosen = {
        "monolingual": {name: questions for name, questions in pairs.items() if name in own},
        "cross_lingual": {name: questions for name, questions in pairs.items() if name not in own},
        "multilingual": errors.pool.worst,
        "most_buried": errors.pool.most_buried,
    }
    return {
        kind: {
            name: [
                replace(question, outranking=question.outranking[:_SELECTED_OUTRANKING])
                for question in questions[: _SELECTED[kind]]
            ]
            for name, questions in settings.items()
            if questions
        }
        for kind, settings in chosen.items()
    }


def _query_lang(setting: str) -> str:
    return setting.partition("→")[0]


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _count(cells: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Count how often each cell of an array of this shape occurs; as nested lists."""
    return np.bincount(cells, minlength=math.prod(shape)).reshape(shape).tolist()


def _count_labels(
    names: Sequence[str], labels: np.ndarray, cells: np.ndarray, chosen: np.ndarray, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Count cells by label, over the `chosen` entries; all arrays have one shape."""
    return {name: _count(cells[chosen & (labels == label)], shape) for label, name in enumerate(names)}


def _find_pair_errors(tables: JoinedTables, worst: int) -> PairErrors:
    size, split = len(tables.languages), tables.split
    rank = tables.in_language
    lists = tables.query * size + tables.passage_lang
    rows = best_rows(lists[:split], rank[:split])
    above = find_outranking(tables.language_lists[lists[rows]], rank, rows)
    cells = tables.query_lang[rows] * size + tables.passage_lang[rows]
    first = above[:, 0]
    places = tables.places
    names = [f"{query}→{passage}" for query, passage in product(tables.languages, repeat=2)]
    return PairErrors(
        n=_count(cells, (size, size)),
        outranked=_count(cells[first >= 0], (size, size)),
        places=None if places is None else _count_labels(PLACES, places[first], cells, first >= 0, (size, size)),
        worst=_find_worst(tables, rank, rows, above, cells, names, worst),
    )


def _find_pool_errors(tables: JoinedTables, worst: int) -> PoolErrors:
    size, split = len(tables.languages), tables.split
    rank = tables.in_pool
    names = [f"{lang}→all" for lang in tables.languages]

    rows = np.arange(split)
    above = find_outranking(tables.pool_lists[tables.query[rows]], rank, rows)
    cells = tables.query_lang[rows] * size + tables.passage_lang[rows]
    every_cell = np.broadcast_to(cells[:, None], above.shape)

    best = best_rows(tables.query[:split], rank[:split])
    last = best_rows(tables.query[:split], -rank[:split])
    lang, over_best = tables.query_lang[best], above[best]
    first = over_best[:, 0]
    intruders = lang[:, None] * size + tables.passage_lang[over_best]
    return PoolErrors(
        questions=_count(lang, (size,)),
        n=_count(cells, (size, size)),
        outranked=_count(cells[above[:, 0] >= 0], (size, size)),
        kinds=_count_labels(KINDS, find_kinds(tables, rows, above), every_cell, above >= 0, (size, size)),
        first=_count_labels(KINDS[1:], find_kinds(tables, best, over_best)[:, 0] - 1, lang, first >= 0, (size,)),
        intruders=_count(intruders[over_best >= 0], (size, size)),
        worst=_find_worst(tables, rank, best, over_best, lang, names, worst),
        most_buried=_find_worst(tables, rank, last, above[last], lang, names, worst),
    )


def _find_worst(
    tables: JoinedTables,
    rank: np.ndarray,
    rows: np.ndarray,
    above: np.ndarray,
    settings: np.ndarray,
    names: Sequence[str],
    worst: int,
) -> dict[str, list[WorstQuestion]]:
    """Return the outranked answers with the largest ranks, by name of the setting."""
    outranked = np.flatnonzero(above[:, 0] >= 0)
    order = outranked[np.lexsort((tables.query[rows[outranked]], -rank[rows[outranked]], settings[outranked]))]
    chosen = order[positions_in_groups(settings[order]) < worst]
    kinds = find_kinds(tables, rows, above)
    found: dict[str, list[WorstQuestion]] = {name: [] for name in names}
    for answer in chosen.tolist():
        row = rows[answer]
        outranking = [
            Outranking(
                str(tables.passage_ids[tables.passage[other]]),
                tables.languages[tables.passage_lang[other]],
                float(rank[other]),
                KINDS[kind],
                None if tables.places is None or tables.relevant[other] else PLACES[tables.places[other]],
            )
            for other, kind in zip(above[answer].tolist(), kinds[answer].tolist(), strict=True)
            if other >= 0
        ]
        found[names[settings[answer]]].append(
            WorstQuestion(
                str(tables.query_ids[tables.query[row]]),
                str(tables.passage_ids[tables.passage[row]]),
                tables.languages[tables.passage_lang[row]],
                float(rank[row]),
                outranking,
            )
        )
    return found
