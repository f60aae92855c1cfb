"""Correlate a score with traits of languages, with intervals that resample language families.

In: a score by language, such as monolingual mAP, and traits by language, such as the tokens per word. Out: the
correlation of the score with each trait alone, and with the others held constant. Related languages are not
independent, so intervals resample whole families.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from babelrank.analysis.bootstrap import RESAMPLES, Interval, draw_weights, percentile_interval
from babelrank.data.language_facts import language_facts, typological_distance

FEWEST_LANGUAGES = 10
_NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Association:
    """Correlation of a score with one trait of languages.

    Attributes
    ----------
    trait
        Name of the trait.
    rho
        Spearman's rank correlation.
    partial
        The same with the other traits held constant.
    """

    trait: str
    rho: Interval
    partial: Interval


@dataclass(frozen=True)
class Explanation:
    """Correlations of a score with several traits.

    Attributes
    ----------
    languages
        Languages with a known score and known values of all traits.
    families
        Number of their families, which intervals resample.
    associations
        One for each trait that is not constant, the strongest partial correlation first.
    """

    languages: tuple[str, ...]
    families: int
    associations: tuple[Association, ...]


def language_traits(languages: Sequence[str], trained: Sequence[str] = ("en",)) -> dict[str, dict[str, float]]:
    """Return the known facts about languages, by trait.

    Parameters
    ----------
    languages
        Codes of the languages.
    trained
        Languages that an encoder was trained on.

    Returns
    -------
    dict
        ``resource class`` (0 to 5), ``Latin script`` (0 or 1), ``syntactic distance from English``, and, if there are
        other training languages, ``syntactic distance from training``: the distance from the nearest of them.

    Examples
    --------
    >>> language_traits(["de"])["resource class"]
    {'de': 5.0}
    """
    facts = {code: language_facts(code) for code in languages}
    traits: dict[str, dict[str, float | None]] = {
        "resource class": {code: fact.resource_class for code, fact in facts.items()},
        "Latin script": {code: None if fact.script is None else fact.script == "Latn" for code, fact in facts.items()},
        "syntactic distance from English": {code: typological_distance(code, "en", "syntactic") for code in languages},
    }
    if set(trained) - {"en"}:
        traits["syntactic distance from training"] = {code: _nearest(code, trained) for code in languages}
    return {
        name: {code: float(value) for code, value in values.items() if value is not None}
        for name, values in traits.items()
    }


def explain_scores(
    scores: Mapping[str, float], traits: Mapping[str, Mapping[str, float]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Explanation:
    """Correlate a score with traits of languages, each alone and with the others held constant.

    Partial correlations are of ranks: −P_ij / √(P_ii P_jj), with P the inverse of the matrix of Spearman's correlations
    (Whittaker 1990, Graphical Models in Applied Multivariate Statistics, § 5.8). Intervals are percentiles over
    resamples of the families (Efron 1979).

    Parameters
    ----------
    scores
        By language.
    traits
        By name, then by language. Languages with an unknown trait are left out.

    Returns
    -------
    Explanation
        No associations if fewer than `FEWEST_LANGUAGES` languages remain.
    """
    known = [code for code in scores if all(code in values for values in traits.values())]
    families = pd.Series([language_facts(code).family or code for code in known], dtype="str").factorize()[0]
    count = int(families.max(initial=-1)) + 1
    columns = {name: np.array([values[code] for code in known]) for name, values in traits.items()}
    names = [name for name, values in columns.items() if len(values) and np.ptp(values) > 0]
    if len(known) < FEWEST_LANGUAGES or not names:
        return Explanation(tuple(known), count, ())
    table = np.column_stack([[scores[code] for code in known], *(columns[name] for name in names)])
    alone, partial = [], []
    for weights in draw_weights(count, resamples, seed):
        rows = np.repeat(np.arange(len(table)), weights[families].astype(int))
        rho = _rank_correlations(table[rows])
        alone.append(rho[0, 1:])
        partial.append(_partial(rho))
    found = [
        Association(name, percentile_interval(np.array(alone)[:, i]), percentile_interval(np.array(partial)[:, i]))
        for i, name in enumerate(names)
    ]
    return Explanation(tuple(known), count, tuple(sorted(found, key=lambda each: -abs(each.partial.value))))


def _nearest(code: str, trained: Sequence[str]) -> float | None:
    distances = [typological_distance(code, other, "syntactic") for other in trained]
    known = [distance for distance in distances if distance is not None]
    return min(known, default=None)


def _rank_correlations(table: np.ndarray) -> np.ndarray:
    """Return Spearman's correlations of columns; NaN where one is constant."""
    ranks = pd.DataFrame(table).rank().to_numpy()
    centred = ranks - ranks.mean(axis=0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    products: np.ndarray = centred.T @ centred
    return products / np.where(np.outer(lengths, lengths) > 0, np.outer(lengths, lengths), np.nan)


def _partial(correlations: np.ndarray) -> np.ndarray:
    """Return the partial correlations of the first variable with the others; NaN where they coincide."""
    nothing = np.full(len(correlations) - 1, np.nan)
    if np.isnan(correlations).any() or np.linalg.eigvalsh(correlations)[0] < _NEGLIGIBLE:
        return nothing
    inverse = np.linalg.inv(correlations)
    found: np.ndarray = -inverse[0, 1:] / np.sqrt(inverse[0, 0] * np.diag(inverse)[1:])
    return found
