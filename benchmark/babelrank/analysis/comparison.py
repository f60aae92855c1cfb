"""Test whether one encoder is better than another, with paired tests over the questions that both ranked for.

In: the contribution of each question to each setting, for two or more encoders. Out: differences of the macro measures
with intervals, Holm-corrected p-values and effect sizes, and the number of settings in which one encoder is better. A
question's translations are one observation, and so are the questions of a cluster: they are resampled together, and
their signs are flipped together. Results hold for these checkpoints; other seeds of the same recipe may differ by more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from babelrank.analysis.bootstrap import (
    MACRO_MEASURES,
    RANK_DISTANCE,
    Interval,
    QuestionScores,
    find_interval,
    require_paired,
)

_FLIPS = 10_000  # at least; the smallest possible p-value is 1 / (flips + 1)
_FLIPS_PER_TEST = 100  # if more tests are corrected together
SIGNIFICANT = 0.05
_MOST_SETTINGS = 1000  # Holm's correction needs more flips the more there are, and each flip takes longer
_CHUNK = 500  # rows of random signs at once: 5 MB for XQuAD-R's questions


@dataclass(frozen=True)
class Difference:
    """Difference of a measure between two encoders, first minus second.

    Attributes
    ----------
    interval
        The difference and its bootstrap interval.
    p
        p-value of the two-sided paired permutation test that the difference is no larger than the margin.
    p_holm
        The same, corrected for all differences that are tested together, of all pairs (Holm 1979).
    effect
        Mean over standard deviation of the questions' differences (Cohen's d for paired samples); NaN if all are equal.
    """

    interval: Interval
    p: float
    p_holm: float
    effect: float


@dataclass(frozen=True)
class Tally:
    """Number of settings of one kind, or of query languages, by verdict, at 5 % after Holm's correction over them.

    Attributes
    ----------
    wins, ties, losses
        Number of them in which the first is better, does not differ significantly, and is worse.
    """

    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class Comparison:
    """Two encoders on one collection.

    Attributes
    ----------
    macro
        Differences by measure, corrected together over all compared pairs.
    tallies, tallied
        Tallies by measure, and of what they are: ``settings``, or ``query languages`` if there are more than a thousand
        settings.
    gains
        By measure, the difference for each query language: float64, in the order of the languages; NaN for languages
        without queries.
    clusters
        Number of independent observations: clusters of questions, or questions.
    drawn
        The same in words, such as ``48 groups of questions that share an article``.
    warning
        A sentence if there are too few clusters for intervals and reliable tests.
    margin
        Largest difference that does not matter in practice.
    """

    languages: tuple[str, ...]
    macro: dict[str, Difference]
    tallies: dict[str, Tally]
    gains: dict[str, np.ndarray]
    clusters: int
    drawn: str
    tallied: str = "settings"
    warning: str | None = None
    margin: float = 0.0


def compare(
    encoders: Sequence[QuestionScores],
    compared: Sequence[str] = MACRO_MEASURES,
    *,
    margin: float = 0.0,
    seed: int = 0,
) -> dict[tuple[int, int], Comparison]:
    """Compare every pair of two or more encoders; return the comparisons by position.

    Parameters
    ----------
    compared
        Those of `MACRO_MEASURES` that are defined.
    margin
        Largest difference that does not matter in practice: tests are about differences beyond it. It is in units of
        the accuracy measure, and does not apply to the rank distance.

    Raises
    ------
    ReportError
        They did not rank for the same questions.
    """
    pairs = list(combinations(range(len(encoders)), 2))
    for first, second in pairs:
        require_paired(encoders[first], encoders[second])
    macro = np.stack([[contributions_to(figure, encoder) for figure in compared] for encoder in encoders])
    differences = np.array([macro[first] - macro[second] for first, second in pairs])
    margins = [0.0 if figure == RANK_DISTANCE else margin for figure in compared]
    shares = np.stack([shares_of(figure, encoders[0]) for figure in compared], axis=1)
    p_values = permutation_test(
        encoders[0].by_cluster(differences.reshape(-1, macro.shape[-1]).T),
        margin=np.tile(margins, len(pairs)),
        shares=encoders[0].by_cluster(np.tile(shares, len(pairs))),
        seed=seed,
    ).reshape(differences.shape[:2])
    corrected = holm(p_values.ravel()).reshape(p_values.shape)
    found = {}
    for n, (first, second) in enumerate(pairs):
        figures = {
            figure: Difference(
                find_interval(encoders[first], figure, against=encoders[second], seed=seed),
                float(p_values[n, i]),
                float(corrected[n, i]),
                _effect(differences[n, i]),
            )
            for i, figure in enumerate(compared)
        }
        compared_settings = _compare_settings(encoders[first], encoders[second], figures, seed)
        found[first, second] = replace(compared_settings, margin=margin)
    return found


def _compare_settings(
    first: QuestionScores, second: QuestionScores, macro: dict[str, Difference], seed: int
) -> Comparison:
    """Add the settings and the query languages to the macro measures of two encoders."""
    contributions = _contributions(first) - _contributions(second)
    by_language = {
        figure: [_average(contributions[:, first.settings(figure, [lang])]) for lang in first.languages]
        for figure in macro
    }
    gains = {figure: np.array([gain.sum() for gain in found]) for figure, found in by_language.items()}
    if contributions.shape[1] > _MOST_SETTINGS:
        tallied, tested = "query languages", {figure: np.stack(each, axis=1) for figure, each in by_language.items()}
    else:
        tallied, tested = "settings", {figure: contributions[:, first.settings(figure)] for figure in macro}
    p_values = permutation_test(first.by_cluster(np.concatenate([*tested.values()], axis=1)), seed=seed)
    tallies, start = {}, 0
    for figure, columns in tested.items():
        own = p_values[start : start + columns.shape[1]]
        tallies[figure] = _tally(columns.sum(axis=0), own, falls=figure == RANK_DISTANCE)
        start += columns.shape[1]
    return Comparison(first.languages, macro, tallies, gains, first.cluster_count, first.drawn, tallied, first.warning)


def permutation_test(
    contributions: np.ndarray,
    pairs: np.ndarray | None = None,
    *,
    margin: float | np.ndarray = 0.0,
    shares: np.ndarray | None = None,
    flips: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return two-sided p-values of paired permutation tests (Fisher 1935), each over the same flips.

    If both encoders were equal, each contribution d_i could as well have the other sign. With a margin m, this holds
    for d_i − m w_i, where w_i is the question's share. The test is then that the difference is m, on the side where it
    was observed. A difference within the margin has p = 1.

    Parameters
    ----------
    contributions
        Contribution of each question, or cluster of questions, to each difference: shape (questions, differences). A
        column sums to the difference.
    pairs
        If given, `contributions` are those to each measure, and the tests compare the columns of each pair: shape
        (differences, 2). Much faster for many pairs of few columns.
    margin
        Difference that does not matter: one value, or shape (differences,).
    shares
        Weight of each question in the measures: shape (questions,) or (questions, differences), of sum 1. Equal by
        default; not used without a margin.
    flips
        By default enough for Holm's correction over all differences to reach 1 %, and 10,000 or more.

    Returns
    -------
    numpy.ndarray
        (1 + flips at least as far from 0) / (1 + flips), shape (differences,); NaN where a column is.
    """

    def differences(sums: np.ndarray) -> np.ndarray:
        return sums if pairs is None else sums[..., pairs[:, 0]] - sums[..., pairs[:, 1]]

    observed = differences(contributions.sum(axis=0))
    size = np.abs(contributions).sum(axis=0)
    tolerance = 1e-12 * (size if pairs is None else size[pairs].sum(axis=1))  # equal sums differ by rounding
    shift = np.sign(observed) * margin
    shares = np.full(len(contributions), 1 / max(len(contributions), 1)) if shares is None else shares
    flips = flips or max(_FLIPS, _FLIPS_PER_TEST * len(observed))
    generator = np.random.default_rng(seed)
    reached = np.zeros(len(observed), dtype=np.int64)
    least = np.abs(observed) - margin - tolerance
    for start in range(0, flips, _CHUNK):
        signs = generator.integers(0, 2, size=(min(_CHUNK, flips - start), len(contributions))) * 2.0 - 1.0
        drawn = differences(signs @ contributions)
        if shift.any():
            moved = signs @ shares
            drawn -= shift * (moved if moved.ndim > 1 else moved[:, None])
        reached += (np.abs(drawn) >= least).sum(axis=0)
    p_values: np.ndarray = np.where(np.isnan(observed), np.nan, (1 + reached) / (1 + flips))
    return p_values


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number with Holm's step-down method (Holm 1979), ignoring NaN."""
    given = np.asarray(p_values, dtype=float)
    corrected = np.full(len(given), np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return corrected


def contributions_to(figure: str, encoder: QuestionScores, languages: Sequence[str] = ()) -> np.ndarray:
    """Return each question's contribution to a macro measure, for queries in some languages: shape (questions,)."""
    return _average(_contributions(encoder)[:, encoder.settings(figure, languages)])


def shares_of(figure: str, encoder: QuestionScores, languages: Sequence[str] = ()) -> np.ndarray:
    """Return the weight of each question in a macro measure: shape (questions,), of sum 1."""
    return _average(_shares(encoder.counts)[:, encoder.settings(figure, languages)])


def side_by_side(collections: Sequence[QuestionScores], figure: str = "monolingual") -> QuestionScores:
    """Combine one encoder's scores on several collections: the monolingual measure becomes their mean.

    Parameters
    ----------
    figure
        Measure to average, one of `bootstrap.MACRO_MEASURES`.

    Returns
    -------
    QuestionScores
        Scores with collection numbers as languages. A resample takes clusters of all collections together.

    Examples
    --------
    >>> import numpy as np
    >>> one, two = (QuestionScores(("q",), ("en",), np.full((1, 3), x), np.ones((1, 3))) for x in (0.2, 0.6))
    >>> side_by_side([one, two]).macro("monolingual", np.ones((1, 2)))
    array([0.4])
    """
    size = len(collections)
    totals: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    ids, clusters, drawn = [], [], 0
    for number, scores in enumerate(collections):
        for parts, values in ((totals, contributions_to(figure, scores)), (counts, shares_of(figure, scores))):
            parts.append(np.zeros((len(values), size * size + 2 * size)))
            parts[-1][:, number * size + number] = values
        ids += [f"{number}:{name}" for name in scores.ids]
        clusters.append(scores.cluster_numbers + drawn)
        drawn += scores.cluster_count
    return QuestionScores(
        tuple(ids),
        tuple(map(str, range(size))),
        np.concatenate(totals),
        np.concatenate(counts),
        np.concatenate(clusters),
    )


def standard_errors(contributions: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the standard error of each value or difference, linearised as a ratio of sums over clusters.

    With the contribution c_k of a cluster, the share w_k of its questions and the value m = Σ c_k, this is
    √(K / (K − 1) · Σ (c_k − m w_k)²) over K clusters.

    Parameters
    ----------
    contributions
        Shape (clusters, values).
    shares
        Shape (clusters,).
    """
    count = len(contributions)
    deviations = contributions - contributions.sum(axis=0) * shares[:, None]
    errors: np.ndarray = np.sqrt((deviations**2).sum(axis=0) * (count / (count - 1) if count > 1 else np.nan))
    return errors


def _contributions(encoder: QuestionScores) -> np.ndarray:
    """Return each question's contribution to each setting's mean: shape (questions, settings); NaN without queries."""
    counts = encoder.counts.sum(axis=0)
    contributions: np.ndarray = encoder.totals / np.where(counts == 0, np.nan, counts)
    return contributions


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return the share of each question in each setting: shape (questions, settings); NaN without queries."""
    sums = counts.sum(axis=0)
    shares: np.ndarray = counts / np.where(sums == 0, np.nan, sums)
    return shares


def _average(contributions: np.ndarray) -> np.ndarray:
    """Return each question's contribution to the mean over the settings with queries; NaN if there are none."""
    known = contributions[:, ~np.isnan(contributions).any(axis=0)]
    averages: np.ndarray = known.sum(axis=1) / (known.shape[1] or np.nan)
    return averages


def _effect(contributions: np.ndarray) -> float:
    deviation = contributions.std(ddof=1) if len(contributions) > 1 else 0.0
    rounding = 1e-12 * np.abs(contributions).max(initial=0.0)
    return float(contributions.mean() / deviation) if deviation > rounding else float("nan")


def _tally(differences: np.ndarray, p_values: np.ndarray, *, falls: bool) -> Tally:
    corrected = holm(p_values)
    significant = corrected < SIGNIFICANT
    better = significant & ((differences < 0) if falls else (differences > 0))
    wins, told = int(better.sum()), int(significant.sum())
    return Tally(wins, int((~np.isnan(corrected)).sum()) - told, told - wins)
