"""Bootstrap intervals over questions, or clusters of questions (Efron 1979).

In: rank tables. Out: intervals of the macro measures, and of their differences between two encoders that ranked for the
same questions. A question's translations stay together, and so do the questions of a cluster. A resample is a vector of
question weights, so a thousand resamples are one matrix product.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan

import numpy as np

from babelrank.analysis.bias import query_distances
from babelrank.analysis.clusters import FEWEST, number_clusters, sum_by_cluster, warn_of_few
from babelrank.analysis.clusters import clusters as find_clusters
from babelrank.analysis.measures import MEASURES
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable

RANK_DISTANCE = "rank_distance"  # the only macro measure where lower is better
MACRO_MEASURES = ("monolingual", "cross_lingual", "multilingual", RANK_DISTANCE)
ALL_PAIRS = "pairs"  # monolingual and cross-lingual settings, each with the same weight
RESAMPLES = 1000
_LEVEL = 0.95
_BLOCK = 2048  # settings whose resamples are in memory together, 16 MB for each array
DEFAULT_MEASURE = "mAP"


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval; here from bootstrap percentiles.

    Attributes
    ----------
    value
        Value on all questions.
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
    """Contribution of each question to each setting: a setting's value is the sum of `totals` over that of `counts`.

    Settings are the pairs of languages row by row, then the query languages against the pool, then the
    query languages again (their rank distance).

    Attributes
    ----------
    ids
        Ids of the questions, sorted.
    languages
        Languages, in the order of the settings.
    totals, counts
        Shape (questions, languages² + 2 · languages).
    clusters
        Cluster of each question: int64, shape (questions,), 0, 1, … without gaps. The questions of a cluster are
        resampled together. None if questions are resampled one by one.
    """

    ids: tuple[str, ...]
    languages: tuple[str, ...]
    totals: np.ndarray
    counts: np.ndarray
    clusters: np.ndarray | None = None

    @property
    def cluster_numbers(self) -> np.ndarray:
        """Cluster of each question, or its own number without clusters; int64, shape (questions,)."""
        return np.arange(len(self.ids)) if self.clusters is None else self.clusters

    @property
    def cluster_count(self) -> int:
        """Number of clusters; without clusters, of questions."""
        return int(self.cluster_numbers.max(initial=-1)) + 1

    @property
    def drawn(self) -> str:
        """The resampled units in words, such as ``48 groups of questions that share an article``."""
        if self.clusters is None:
            return f"{len(self.ids):,} questions"
        return f"{self.cluster_count:,} groups of questions that share an article"

    @property
    def warning(self) -> str | None:
        """A sentence if there are fewer than 30 clusters: intervals are then left out, and p-values are too small."""
        return warn_of_few(self.cluster_count)

    def draw(self, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
        """Return how often each question counts: once each, then per resample; shape (1 + resamples, questions)."""
        weights = draw_weights(self.cluster_count, resamples, seed)
        return weights if self.clusters is None else weights[:, self.clusters]

    def by_cluster(self, contributions: np.ndarray) -> np.ndarray:
        """Sum the contributions of questions over each cluster: shape (clusters, …)."""
        return sum_by_cluster(contributions, self.clusters)

    def settings(self, figure: str, languages: Sequence[str] = ()) -> np.ndarray:
        """Return the positions of the settings that a macro measure averages; int64.

        Parameters
        ----------
        figure
            One of `MACRO_MEASURES`, or `ALL_PAIRS`.
        languages
            Only settings with queries in these languages.
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
        """Return the scores of queries in some languages, for passages in these languages and for the whole pool."""
        size, places = len(self.languages), [self.languages.index(lang) for lang in languages]
        pairs = [query * size + passage for query in places for passage in places]
        kept = [*pairs, *(size * size + place for place in places), *(size * size + size + place for place in places)]
        return replace(self, languages=tuple(languages), totals=self.totals[:, kept], counts=self.counts[:, kept])

    def without(self, figure: str) -> "QuestionScores":
        """Return the scores without queries in the settings of a macro measure, for one that is unknown."""
        totals, counts = self.totals.copy(), self.counts.copy()
        totals[:, self.settings(figure)] = counts[:, self.settings(figure)] = 0.0
        return replace(self, totals=totals, counts=counts)

    def macro(self, figure: str, weights: np.ndarray, languages: Sequence[str] = ()) -> np.ndarray:
        """Return a macro measure with other weights of the questions.

        Parameters
        ----------
        weights
            How often each question counts: shape (resamples, questions).

        Returns
        -------
        numpy.ndarray
            Shape (resamples,). Settings without queries in a resample are left out of its mean.
        """
        settings = self.settings(figure, languages)
        total, known = np.zeros(len(weights)), np.zeros(len(weights), dtype=np.int64)
        for part in np.split(settings, range(_BLOCK, len(settings), _BLOCK)):
            counts = weights @ self.counts[:, part]
            with np.errstate(invalid="ignore"):
                means = (weights @ self.totals[:, part]) / np.where(counts == 0, np.nan, counts)
            total += np.nansum(means, axis=1)
            known += (~np.isnan(means)).sum(axis=1)
        return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def question_scores(
    ranks: RankTable, measure: str = DEFAULT_MEASURE, *, clusters: np.ndarray | None = None
) -> QuestionScores:
    """Split a rank table by question.

    Parameters
    ----------
    measure
        One of `MEASURES`.
    clusters
        Cluster of each row (see `clusters.clusters`) for intervals and tests; None to resample questions.

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    size = len(ranks.languages)
    query_lang, passage_lang = ranks.language_codes
    question, ids = ranks.table["query_id"].factorize(sort=True)
    totals = np.zeros((len(ids), size * size + 2 * size))
    counts = np.zeros_like(totals)

    def add(places: np.ndarray, settings: np.ndarray, values: np.ndarray) -> None:
        np.add.at(totals, (places, settings), values)
        np.add.at(counts, (places, settings), 1.0)

    first = ranks.pair_lists.first_rows
    add(question[first], query_lang[first] * size + passage_lang[first], MEASURES[measure](ranks.pair_lists))
    first = ranks.pool_lists.first_rows
    add(question[first], size * size + query_lang[first], MEASURES[measure](ranks.pool_lists))
    distances = query_distances(ranks)
    add(question[first][distances.query], size * size + size + distances.lang, distances.distance)
    numbers = number_clusters(clusters, question, len(ids))
    return QuestionScores(tuple(ids.tolist()), ranks.languages, totals, counts, numbers)


def clustered_scores(ranks: RankTable, measure: str = DEFAULT_MEASURE) -> QuestionScores:
    """Return `question_scores` with the questions about one article in one cluster, if passage ids name articles."""
    return question_scores(ranks, measure, clusters=find_clusters(ranks))


def mean_scores(runs: Sequence[QuestionScores]) -> QuestionScores:
    """Return the mean scores of several runs, such as checkpoints of one configuration with other seeds.

    Raises
    ------
    ReportError
        The runs did not rank for the same questions.
    """
    for run in runs[1:]:
        require_paired(runs[0], run)
    return replace(runs[0], totals=np.mean([run.totals for run in runs], axis=0))


def find_interval(
    figures: QuestionScores,
    figure: str,
    *,
    against: QuestionScores | None = None,
    languages: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a macro measure, or its difference from another encoder's, with its interval.

    Parameters
    ----------
    figure
        One of `MACRO_MEASURES`.
    against
        Scores to subtract. The difference is paired: both sides use the same resamples.
    languages
        Only settings with queries in these languages. Value and bounds are NaN if there are none.

    Raises
    ------
    ReportError
        The two encoders did not rank for the same questions.
    """
    if against is not None:
        require_paired(figures, against)
    weights = figures.draw(resamples, seed)
    values = figures.macro(figure, weights, languages)
    if against is not None:
        values = values - against.macro(figure, weights, languages)
    return percentile_interval(values, figures.cluster_count)


def percentile_interval(values: np.ndarray, clusters: int = FEWEST) -> Interval:
    """Return a value with its percentile interval (Efron 1979).

    Parameters
    ----------
    values
        Value on all questions, then on each resample; NaN where undefined.
    clusters
        Number of resampled clusters. With fewer than `clusters.FEWEST` there are no bounds: they would be too narrow.
    """
    known = values[1:][~np.isnan(values[1:])]
    bounded = len(known) and clusters >= FEWEST
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) if bounded else (np.nan, np.nan)
    return Interval(float(values[0]), float(low), float(high))


def find_intervals(figures: QuestionScores) -> dict[str, Interval]:
    """Return the defined macro measures with their intervals. A single language has no cross-lingual ones."""
    found = {figure: find_interval(figures, figure) for figure in MACRO_MEASURES}
    return {figure: interval for figure, interval in found.items() if not np.isnan(interval.value)}


def setting_intervals(figures: QuestionScores, settings: np.ndarray) -> list[Interval | None]:
    """Return the value of each setting with its interval; None without queries.

    Parameters
    ----------
    settings
        Positions of the settings, such as `QuestionScores.settings` returns; int64.
    """
    weights = draw_weights(figures.cluster_count, RESAMPLES, 0)
    counts = weights @ figures.by_cluster(figures.counts[:, settings])
    with np.errstate(invalid="ignore"):
        values = (weights @ figures.by_cluster(figures.totals[:, settings])) / np.where(counts == 0, np.nan, counts)
    return [None if np.isnan(column[0]) else percentile_interval(column, figures.cluster_count) for column in values.T]


@lru_cache(maxsize=2)  # all measures of a report, and all reports on a collection, share the resamples
def draw_weights(size: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each cluster counts: once each, then per resample; read-only, shape (1 + resamples, size).

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
    """Check that two encoders ranked for the same questions.

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
