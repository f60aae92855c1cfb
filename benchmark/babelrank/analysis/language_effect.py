"""Measure how much the language of a query's relevant passages determines their ranks.

In: a rank table. Out: the language effect η² and the rank ratio, which use log ranks, and Kendall's W, which uses only
orders. All three are 0 for an encoder without bias, whatever its accuracy, after subtracting the value expected by
chance. Rank distance is not (see `bias.RankDistance`).

Each measure compares passage languages within queries, by query language. y_il is the position of query i's passage of
language l, minus the query's mean, and the model is y_il = m_l + noise. In a parallel collection the least-squares fit
of m_l is the mean of y_il over queries. Otherwise it is that of the unbalanced design, in which each query has some of
the languages.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.bias_measure import (
    BiasMeasure,
    LeaveOneOut,
    Resampler,
    divide,
    mean_known,
    number_or_none,
)
from babelrank.analysis.bootstrap import Interval
from babelrank.analysis.friedman import scaled_deviations
from babelrank.analysis.preference import BestRanks, best_ranks
from babelrank.analysis.settings import Cell, Matrix, as_cells, mean_or_none
from babelrank.ranking.table import RankTable

_SHUFFLES = 2000  # draws of m_l under shuffling; they give the mean range to two digits


@dataclass(frozen=True)
class LanguageEffect:
    """Which passage languages rank high, and how much of the variance of ranks the language explains.

    The best relevant passage represents its language. Only queries with relevant passages in two or more languages
    count.

    Attributes
    ----------
    languages
        Order of all rows and columns.
    effects
        m_l by query language (rows) and passage language (columns), in log ranks: −0.7 means that answers in the
        language have half the rank of the query's average answer. Each row has the mean 0 over its languages. None
        without queries.
    effect
        By passage language, mean of m_l over the query languages.
    eta_squared
        η² = n Σ m_l² / Σ y², the share of the variance of log ranks within queries that languages explain (an ANOVA
        without interactions), minus its expectation with shuffled labels: 0 without bias, 1 if the language determines
        everything.
    eta_squared_expected
        The subtracted expectation, by query language: 1 / n in a parallel collection.
    rank_ratio
        exp(max m_l − min m_l): how many times higher the answers of the most favoured language rank than those of the
        least favoured. Its macro value is the geometric mean. 1 without bias, except for chance: see `shuffled`.
    concordance
        Kendall's W over the queries' orders of the languages, from 0 to 1 (see `friedman.skillings_mack`).
    """

    languages: tuple[str, ...]
    effects: Matrix
    effect: list[Interval | None]
    eta_squared: BiasMeasure
    eta_squared_expected: list[Cell]
    rank_ratio: BiasMeasure
    concordance: BiasMeasure


@dataclass(frozen=True)
class _Fit:
    """Least squares of y_il = m_l over all queries (row 0) and each resample, by query language.

    Attributes
    ----------
    effects
        m_l: shape (1 + resamples, query languages, passage languages); NaN if no query has the language.
    explained
        Share of Σ y² that the m_l explain: shape (1 + resamples, query languages).
    explained_shuffled
        Mean of `explained` over all ways to shuffle each query's values, computed exactly: shape (query languages,).
    effects_covariance
        Covariance of the m_l under this shuffling: shape (query languages, passage languages, passage languages).
    """

    effects: np.ndarray
    explained: np.ndarray
    explained_shuffled: np.ndarray
    effects_covariance: np.ndarray

    @property
    def eta_squared(self) -> np.ndarray:
        """η² less its expectation: shape (1 + resamples, query languages)."""
        found: np.ndarray = self.explained - self.explained_shuffled
        return found

    @property
    def ranges(self) -> np.ndarray:
        """Log of the rank ratio, max m_l − min m_l: shape (1 + resamples, query languages)."""
        return _range(self.effects)


def measure_language_effect(ranks: RankTable, *, clusters: np.ndarray | None = None, seed: int = 0) -> LanguageEffect:
    """Measure how the passage's language changes ranks in the pool, by query language.

    Parameters
    ----------
    clusters
        Cluster of each row (see `clusters.clusters`) for the intervals; None to resample questions.

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    best = best_ranks(ranks)
    resampler = Resampler.of(ranks, best.query, best.query_lang, clusters, seed)
    fit = _fit_ranks(resampler, best)
    shuffled = _shuffled_ranges(fit, seed)
    effect = mean_known(np.moveaxis(fit.effects, 1, 2))
    return LanguageEffect(
        ranks.languages,
        as_cells(fit.effects[0]),
        [resampler.interval(column) for column in effect.T],
        resampler.measure(
            fit.eta_squared,
            floor=0.0,
            ceiling=None if (chance := mean_or_none(fit.explained_shuffled)) is None else 1 - chance,
            shuffled=None if chance is None else 0.0,
            centre=True,
        ),
        as_cells(fit.explained_shuffled[None])[0],
        _exponential(
            resampler.measure(fit.ranges, floor=0.0, ceiling=None, shuffled=mean_or_none(shuffled), centre=True),
            ceiling=float(sum(ranks.pool_sizes.values())),
        ),
        _measure_concordance(resampler, best.rank, np.isfinite(best.rank)),
    )


def eta_squared_without(ranks: RankTable, clusters: np.ndarray) -> np.ndarray:
    """Return the language effect of all queries, then without each cluster: (1 + clusters, query languages).

    Parameters
    ----------
    clusters
        Cluster of each row (see `clusters.clusters`).

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    return _fit_without(ranks, clusters).eta_squared


def log_rank_ratio_without(ranks: RankTable, clusters: np.ndarray) -> np.ndarray:
    """Return the log of the rank ratio; see `eta_squared_without`."""
    return _fit_without(ranks, clusters).ranges


def _fit_without(ranks: RankTable, clusters: np.ndarray) -> _Fit:
    best = best_ranks(ranks)
    return _fit_ranks(LeaveOneOut.of(ranks, best.query, best.query_lang, clusters), best)


def _fit_ranks(resampler: Resampler, best: BestRanks) -> _Fit:
    """Fit the effects of languages on log ranks."""
    known = np.isfinite(best.rank)
    count = known.sum(axis=1, keepdims=True)
    logs = np.log(np.where(known, best.rank, 1.0))
    deviations = np.where(known, logs - logs.sum(axis=1, keepdims=True) / count, 0.0)
    return _fit(resampler, deviations, known, 1 / count[:, 0], (deviations**2).sum(axis=1))


def _measure_concordance(resampler: Resampler, rank: np.ndarray, known: np.ndarray) -> BiasMeasure:
    """Return Kendall's W, with the scales of Skillings and Mack; see `friedman.skillings_mack`."""
    count = known.sum(axis=1)
    deviations = scaled_deviations(rank)
    scale = (deviations**2).sum(axis=1) / (count * (count - 1))
    fit = _fit(resampler, deviations, known, scale, (count - 1).astype(float))
    return resampler.measure(
        fit.explained, floor=0.0, ceiling=1.0, shuffled=mean_or_none(fit.explained_shuffled), centre=True
    )


def _fit(resampler: Resampler, deviations: np.ndarray, known: np.ndarray, scale: np.ndarray, room: np.ndarray) -> _Fit:
    """Fit the effects of languages on deviations from the query's mean.

    With P = Σ_i s_i (k_i I − 1 1ᵀ) over the k_i languages of each query, a graph's Laplacian, and A = Σ_i y_i, the
    effects are m = P⁺ A and explain Aᵀ m of Σ_i room_i. A resample, with P* and A*, takes one step of Newton's method
    from there: m + P⁺ (A* − P* m) · tr P / tr P*, which is exact where P* is a multiple of P, as in a parallel
    collection. Shuffled, y_i has the covariance Σ_l y_il² / (k_i (k_i − 1)) · (k_i I − 1 1ᵀ), which gives the means and
    covariances exactly.

    Parameters
    ----------
    deviations
        Shape (queries, languages); 0 if a query lacks the language.
    known
        bool, of the same shape.
    scale, room
        Shape (queries,).
    """
    count = known.sum(axis=1)
    rooms, sizes = resampler.sums(room), resampler.sums(scale * count * (count - 1))  # sizes: traces of P
    laplacians = _laplacians(resampler, known, scale)
    inverses = np.linalg.pinv(laplacians, rcond=1e-10, hermitian=True)
    effects = (inverses @ resampler.totals(deviations)[..., None])[..., 0]
    own = np.where(known, effects[resampler.query_lang], 0.0)
    moved = scale[:, None] * (count[:, None] * own - np.where(known, own.sum(axis=1, keepdims=True), 0.0))  # P_i m
    stepped, explained = np.empty((len(rooms), *effects.shape)), np.empty_like(rooms)
    both = zip(resampler.sums_in_turn(deviations), resampler.sums_in_turn(moved), strict=True)
    for lang, (sums, missed) in enumerate(both):
        steps = (sums - missed) @ inverses[lang] * divide(sizes[0, lang], sizes[:, lang])[:, None]
        stepped[:, lang] = effects[lang] + steps
        explained[:, lang] = divide((np.nan_to_num(stepped[:, lang]) * sums).sum(axis=1), rooms[:, lang])
    spread = (deviations**2).sum(axis=1) / (count * (count - 1))
    covariance = _laplacians(resampler, known, spread)
    stepped[:, np.diagonal(laplacians, axis1=1, axis2=2) <= 0] = np.nan
    return _Fit(
        stepped,
        explained,
        divide(np.einsum("qij,qji->q", inverses, covariance), rooms[0]),
        inverses @ covariance @ inverses,
    )


def _laplacians(resampler: Resampler, known: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Σ_i w_i (k_i I − 1 1ᵀ) over the queries in each language: shape (languages, languages, languages)."""
    size = len(resampler.n)
    laplacians = np.zeros((size, known.shape[1], known.shape[1]))
    for lang, laplacian in enumerate(laplacians):
        held = known[resampler.query_lang == lang].astype(float)
        laplacian -= (held * weights[resampler.query_lang == lang, None]).T @ held
        np.fill_diagonal(laplacian, 0.0)
        np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    return laplacians


def _range(effects: np.ndarray) -> np.ndarray:
    """Return max − min over the last axis, ignoring NaN; NaN if all values are NaN."""
    known = ~np.isnan(effects)
    highest = effects.max(axis=-1, where=known, initial=-np.inf)
    lowest = effects.min(axis=-1, where=known, initial=np.inf)
    spread: np.ndarray = np.where(known.any(axis=-1), highest, np.nan) - np.where(known.any(axis=-1), lowest, np.nan)
    return spread


def _shuffled_ranges(fit: _Fit, seed: int) -> np.ndarray:
    """Return the mean range of the effects under shuffling, by query language: effects are normal, as sums of many."""
    drawn = np.random.default_rng(seed).standard_normal((_SHUFFLES, fit.effects.shape[-1]))
    values, vectors = np.linalg.eigh(fit.effects_covariance)
    # The symmetric root: eigenvectors alone would differ between processors where eigenvalues are equal.
    roots = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    # In turn, as all languages' effects together would take hundreds of megabytes.
    unknown = np.where(np.isnan(fit.effects[0]), np.nan, 0.0)
    return np.array([_range(drawn @ root + lacking).mean() for root, lacking in zip(roots, unknown, strict=True)])


def _exponential(measure: BiasMeasure, ceiling: float) -> BiasMeasure:
    """Convert a measure of log ratios into one of ratios."""

    def ratio(each: Interval | None) -> Interval | None:
        return None if each is None else Interval(*np.exp([each.value, each.low, each.high]).tolist())

    return BiasMeasure(
        measure.n,
        [ratio(each) for each in measure.by_language],
        ratio(measure.macro),
        1.0,
        ceiling,
        None if measure.shuffled is None else number_or_none(np.exp(measure.shuffled)),
        measure.clusters,
        measure.warning,
    )
