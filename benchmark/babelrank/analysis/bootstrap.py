"""How sure a figure is: the bootstrap over questions, or clusters of them (Efron 1979).

In: rank tables. Out: intervals of the macro figures, and of their differences between two encoders that ranked for the
same questions. A question's translations stay together, and so do the questions of a cluster. A resample weighs
questions, so that a thousand of them are one matrix product.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan

import numpy as np
import pandas as pd

from babelrank.analysis.bias import query_distances
from babelrank.analysis.clusters import FEWEST, number_clusters, sum_by_cluster, warn_of_few
from babelrank.analysis.clusters import clusters as find_clusters
from babelrank.analysis.measures import MEASURES, RankLists
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable

RANK_DISTANCE = "rank_distance"  # of the macro figures, the one where lower is better
MACRO_MEASURES = ("monolingual", "cross_lingual", "multilingual", RANK_DISTANCE)
ALL_PAIRS = "pairs"  # monolingual and cross-lingual settings, each with the same weight
RESAMPLES = 1000
_LEVEL = 0.95
DEFAULT_MEASURE = "mAP"


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; here of the bootstrap's percentiles.

    Attributes
    ----------
    value
        On all questions as they are.
    low, high
        Bounds; NaN if there are too few clusters for an interval.
    """

    value: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there are bounds."""
        return not (isnan(self.low) or isnan(self.high))


@dataclass(frozen=True)
class QuestionScores:
    """What each question adds to each setting: a setting's figure is the sum of `totals` over that of `counts`.

    Settings are the pairs of languages row by row, then the query languages against the pool, then the
    query languages again (their rank distance).

    Attributes
    ----------
    ids
        Of the questions, sorted.
    languages
        Order of the settings.
    totals, counts
        Shape (questions, languages² + 2 · languages).
    clusters
        Cluster of each question, which are drawn together: int64, shape (questions,), 0, 1, … without gaps. None if
        questions are drawn one by one.
    """

    ids: tuple[str, ...]
    languages: tuple[str, ...]
    totals: np.ndarray
    counts: np.ndarray
    clusters: np.ndarray | None = None

    @property
    def cluster_numbers(self) -> np.ndarray:
        """Number of what each question is drawn with: of its cluster, or of itself; int64, shape (questions,)."""
        return np.arange(len(self.ids)) if self.clusters is None else self.clusters

    @property
    def cluster_count(self) -> int:
        """Number of what is drawn: clusters, or questions."""
        return int(self.cluster_numbers.max(initial=-1)) + 1

    @property
    def drawn(self) -> str:
        """What intervals and tests draw, in words, such as ``48 groups of questions that share an article``."""
        if self.clusters is None:
            return f"{len(self.ids):,} questions"
        return f"{self.cluster_count:,} groups of questions that share an article"

    @property
    def warning(self) -> str | None:
        """A sentence if there are fewer than 30 clusters: there are then no intervals, and tests are too sure."""
        return warn_of_few(self.cluster_count)

    def draw(self, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
        """Return how often each question counts: once each, then as drawn; shape (1 + resamples, questions)."""
        weights = draw_weights(self.cluster_count, resamples, seed)
        return weights if self.clusters is None else weights[:, self.clusters]

    def by_cluster(self, contributions: np.ndarray) -> np.ndarray:
        """Sum what questions contribute over each cluster: shape (clusters, …)."""
        return sum_by_cluster(contributions, self.clusters)

    def settings(self, figure: str, languages: Sequence[str] = ()) -> np.ndarray:
        """Return the positions of the settings over which a macro figure is the mean; int64.

        Parameters
        ----------
        figure
            One of `MACRO_MEASURES`, or `ALL_PAIRS`.
        languages
            Only those with queries in these.
        """
        size = len(self.languages)
        rows = np.flatnonzero([not languages or lang in languages for lang in self.languages])
        pairs = np.arange(size * size).reshape(size, size)
        positions: dict[str, np.ndarray] = {
            ALL_PAIRS: pairs[rows].ravel(),
            "monolingual": pairs[rows, rows],
            "cross_lingual": pairs[rows][rows[:, None] != np.arange(size)],
            "multilingual": size * size + rows,
            RANK_DISTANCE: size * size + size + rows,
        }
        return positions[figure]

    def restricted(self, languages: Sequence[str]) -> "QuestionScores":
        """Return the scores of queries in some languages: for passages in these, and for the whole pool."""
        size, places = len(self.languages), [self.languages.index(lang) for lang in languages]
        pairs = [query * size + passage for query in places for passage in places]
        kept = [*pairs, *(size * size + place for place in places), *(size * size + size + place for place in places)]
        return replace(self, languages=tuple(languages), totals=self.totals[:, kept], counts=self.counts[:, kept])

    def without(self, figure: str) -> "QuestionScores":
        """Return the scores with no queries in the settings of a macro figure, for one that is not known."""
        totals, counts = self.totals.copy(), self.counts.copy()
        totals[:, self.settings(figure)] = counts[:, self.settings(figure)] = 0.0
        return replace(self, totals=totals, counts=counts)

    def macro(self, figure: str, weights: np.ndarray, languages: Sequence[str] = ()) -> np.ndarray:
        """Return a macro figure with other weights of the questions.

        Parameters
        ----------
        weights
            How often each question counts: shape (resamples, questions).

        Returns
        -------
        numpy.ndarray
            Shape (resamples,); settings that a resample leaves empty take no part in its mean.
        """
        settings = self.settings(figure, languages)
        counts = weights @ self.counts[:, settings]
        with np.errstate(invalid="ignore"):
            means = (weights @ self.totals[:, settings]) / np.where(counts == 0, np.nan, counts)
        known = ~np.isnan(means)
        averages: np.ndarray = np.where(known, means, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return np.where(known.any(axis=1), averages, np.nan)


def question_scores(
    ranks: RankTable, measure: str = DEFAULT_MEASURE, *, clusters: np.ndarray | None = None
) -> QuestionScores:
    """Take a rank table apart by question.

    Parameters
    ----------
    measure
        One of `MEASURES`.
    clusters
        Cluster of each row (see `clusters.clusters`), which intervals and tests draw; None to draw questions.

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    size = len(ranks.languages)
    query, (query_lang, passage_lang) = ranks.query_numbers, ranks.language_codes
    question, ids = pd.factorize(ranks.table["query_id"].to_numpy(dtype=object), sort=True)
    grades = ranks.table["grade"].to_numpy()
    totals = np.zeros((len(ids), size * size + 2 * size))
    counts = np.zeros_like(totals)

    def add(places: np.ndarray, settings: np.ndarray, values: np.ndarray) -> None:
        np.add.at(totals, (places, settings), values)
        np.add.at(counts, (places, settings), 1.0)

    pairs, lists, first = _number(query * size + passage_lang)
    in_language = RankLists.group(ranks.table["rank_in_language"].to_numpy(), grades, lists)
    add(question[first], query_lang[first] * size + pairs % size, MEASURES[measure](in_language))
    _, lists, first = _number(query)
    in_pool = RankLists.group(ranks.table["rank_in_pool"].to_numpy(), grades, lists)
    add(question[first], size * size + query_lang[first], MEASURES[measure](in_pool))
    distances = query_distances(ranks)
    add(question[first][distances.query], size * size + size + distances.lang, distances.distance)
    numbers = number_clusters(clusters, question, len(ids))
    return QuestionScores(tuple(ids.tolist()), ranks.languages, totals, counts, numbers)


def clustered_scores(ranks: RankTable, measure: str = DEFAULT_MEASURE) -> QuestionScores:
    """Return `question_scores` with the questions about one article in one cluster, where passage ids tell."""
    return question_scores(ranks, measure, clusters=find_clusters(ranks))


def mean_scores(runs: Sequence[QuestionScores]) -> QuestionScores:
    """Return figures that are the mean of several runs', such as checkpoints of one configuration with other seeds.

    Raises
    ------
    ReportError
        The runs are not about the same questions.
    """
    for run in runs[1:]:
        require_paired(runs[0], run)
    return replace(runs[0], totals=np.mean([run.totals for run in runs], axis=0))


def find_interval(
    figures: QuestionScores,
    figure: str,
    *,
    against: QuestionScores | None = None,
    times: float = 1.0,
    languages: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a macro figure, or its difference from another encoder's, with its interval.

    Parameters
    ----------
    figure
        One of `MACRO_MEASURES`.
    against
        What to subtract; paired, since both are weighed by the same resamples.
    times
        Multiplies what is subtracted: 1/3 asks whether a figure is below a third of the other's.
    languages
        Only settings with queries in these. NaN, all three, where none has any.

    Raises
    ------
    ReportError
        The two are not about the same questions.
    """
    if against is not None:
        require_paired(figures, against)
    weights = figures.draw(resamples, seed)
    values = figures.macro(figure, weights, languages)
    if against is not None:
        values = values - times * against.macro(figure, weights, languages)
    return percentile_interval(values, figures.cluster_count)


def percentile_interval(values: np.ndarray, clusters: int = FEWEST) -> Interval:
    """Return a figure with its interval (Efron 1979).

    Parameters
    ----------
    values
        The figure on all questions, then on each resample; NaN where it has none.
    clusters
        Number of what was drawn. With fewer than `clusters.FEWEST` there are no bounds: they would be too close.
    """
    known = values[1:][~np.isnan(values[1:])]
    bounded = len(known) and clusters >= FEWEST
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) if bounded else (np.nan, np.nan)
    return Interval(float(values[0]), float(low), float(high))


def find_intervals(figures: QuestionScores) -> dict[str, Interval]:
    """Return the macro figures that there are, with their intervals; one language, say, has no cross-lingual ones."""
    found = {figure: find_interval(figures, figure) for figure in MACRO_MEASURES}
    return {figure: interval for figure, interval in found.items() if not np.isnan(interval.value)}


@lru_cache(maxsize=2)  # of all figures of a report, and of all reports on a collection, the draws are the same
def draw_weights(size: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each cluster counts: once each, then as drawn; read-only, shape (1 + resamples, size).

    Raises
    ------
    ReportError
        There is no cluster, as the rank table is empty.
    """
    if size == 0:
        raise ReportError("the rank table is empty; intervals and tests need at least one row.")
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=resamples).astype(float)
    weights = np.concatenate([np.ones((1, size)), drawn])
    weights.flags.writeable = False
    return weights


def require_paired(first: QuestionScores, second: QuestionScores) -> None:
    """Refuse two encoders that did not rank for the same questions.

    Raises
    ------
    ReportError
        Questions, languages, clusters, or the queries of a setting differ.
    """
    if (
        (first.ids, first.languages) != (second.ids, second.languages)
        or (first.counts != second.counts).any()
        or (first.cluster_numbers != second.cluster_numbers).any()
    ):
        raise ReportError("rank tables of different questions or languages cannot be compared.")


def _number(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct keys, the position of each row's among them, and the first row of each."""
    distinct, first, positions = np.unique(keys, return_index=True, return_inverse=True)
    return distinct, positions, first
