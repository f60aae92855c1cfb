"""How often intervals hold the true figure if they draw questions, paragraphs or articles.

The articles of a real report stand for all articles there could be. Each trial draws as many of them with replacement,
as if the collection had been made again, takes intervals of what that gives, and looks whether they hold the figure of
all. An interval of 95 % should do so in 95 of 100 trials.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelrank.analysis.bootstrap import Interval, QuestionScores, find_interval, question_scores
from babelrank.analysis.clusters import LEVELS, clusters
from babelrank.analysis.language_effect import measure_language_effect
from babelrank.ranking.table import RankTable

_RESAMPLES = 300


@dataclass(frozen=True)
class Coverage:
    """One figure.

    Attributes
    ----------
    figure
        Its name.
    trials
        How many collections were drawn.
    held
        By level of clusters: share of the trials in which the interval held the true figure.
    """

    figure: str
    trials: int
    held: dict[str, float]


def cover_macro_figures(ranks: RankTable, other: RankTable, *, trials: int, seed: int = 0) -> list[Coverage]:
    """Study the intervals of Mul., of the rank distance, and of the difference of two encoders in Mul."""
    figures, against = question_scores(ranks), question_scores(other)
    drawn = _draw(ranks, trials, seed)

    def interval(name: str, paired: bool) -> Callable[[np.ndarray, np.ndarray], Interval]:
        def find(questions: np.ndarray, numbers: np.ndarray) -> Interval:
            first, second = (_take(each, questions, numbers) for each in (figures, against))
            return find_interval(first, name, against=second if paired else None, resamples=_RESAMPLES)

        return find

    found = []
    for label, name, paired in (
        ("Mul.", "multilingual", False),
        ("rank distance", "rank_distance", False),
        ("difference in Mul.", "multilingual", True),
    ):
        truth = find_interval(figures, name, against=against if paired else None, resamples=1).value
        found.append(_cover(label, truth, drawn, interval(name, paired)))
    return found


def cover_language_effect(ranks: RankTable, languages: Sequence[str], *, trials: int, seed: int = 0) -> Coverage:
    """Study the interval of the language effect, over queries in some languages."""
    rows = ranks.table["query_lang"].isin(list(languages))
    ranks = RankTable(ranks.table[rows].reset_index(drop=True), ranks.languages, ranks.pool_sizes, 0)
    of_row = np.unique(ranks.table["query_id"].to_numpy(dtype=object).astype(str), return_inverse=True)[1]
    by_question = [np.flatnonzero(of_row == number) for number in range(int(of_row.max()) + 1)]

    def find(questions: np.ndarray, numbers: np.ndarray) -> Interval:
        chosen = np.concatenate([by_question[question] for question in questions])
        copies = np.repeat(np.arange(len(questions)), [len(by_question[question]) for question in questions])
        table = ranks.table.iloc[chosen].reset_index(drop=True).assign(query_id=copies.astype(str))
        made = RankTable(table, ranks.languages, ranks.pool_sizes, 0)
        interval = measure_language_effect(made, clusters=numbers[copies]).eta_squared.macro
        return interval or Interval(np.nan, np.nan, np.nan)

    macro = measure_language_effect(ranks).eta_squared.macro
    return _cover("language effect", macro.value if macro else np.nan, _draw(ranks, trials, seed), find)


def _draw(ranks: RankTable, trials: int, seed: int) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Return the questions of each trial, and for each level the clusters that they are in; copies are distinct."""
    rng = np.random.default_rng(seed)
    _, question = np.unique(ranks.table["query_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    numbers = {}
    for level in LEVELS:
        of_row = clusters(ranks, level)
        numbers[level] = np.zeros(int(question.max()) + 1, dtype=np.int64)
        numbers[level][question] = of_row
    count = int(numbers["article"].max()) + 1
    members = [np.flatnonzero(numbers["article"] == article) for article in range(count)]
    drawn = []
    for _ in range(trials):
        articles = rng.integers(0, count, count)
        questions = np.concatenate([members[article] for article in articles])
        copies = np.repeat(np.arange(count), [len(members[article]) for article in articles])
        parts = {level: copies * (each.max() + 1) + each[questions] for level, each in numbers.items()}
        drawn.append((questions, {level: np.unique(part, return_inverse=True)[1] for level, part in parts.items()}))
    return drawn


def _take(figures: QuestionScores, questions: np.ndarray, numbers: np.ndarray) -> QuestionScores:
    ids = tuple(map(str, range(len(questions))))
    return replace(
        figures, ids=ids, totals=figures.totals[questions], counts=figures.counts[questions], clusters=numbers
    )


def _cover(
    label: str,
    truth: float,
    drawn: Sequence[tuple[np.ndarray, dict[str, np.ndarray]]],
    find: Callable[[np.ndarray, np.ndarray], Interval],
) -> Coverage:
    held = dict.fromkeys(LEVELS, 0)
    for questions, levels in drawn:
        for level in LEVELS:
            interval = find(questions, levels[level])
            held[level] += interval.low <= truth <= interval.high
    return Coverage(label, len(drawn), {level: count / len(drawn) for level, count in held.items()})
