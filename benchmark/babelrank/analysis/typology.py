"""Correlate a score with traits of languages, with intervals that resample language families.

In: a score by language, such as monolingual mAP, and traits by language, such as the tokens relative to English. Out:
the correlation of the score with each trait alone, and with the others held constant. Related languages are not
independent, so intervals resample whole families.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from babelrank.analysis.bootstrap import RESAMPLES, Interval, draw_weights, percentile_interval
from babelrank.analysis.settings import Matrix, mean_or_none
from babelrank.data.language_facts import canonical_code, language_facts, typological_distance
from babelrank.encoding.fertility import REFERENCE, Fertility

FEWEST_LANGUAGES = 10
FEWEST_PER_TRAIT = 5  # languages
FROM_ENGLISH, FROM_TRAINING = "syntactic distance from English", "syntactic distance from training"
TOKENS, UNKNOWN = "tokens relative to English", "unknown tokens"
MEASURED = (FROM_ENGLISH, FROM_TRAINING, TOKENS, UNKNOWN)  # traits that are not classes
# Scores of a language, as in the reports' table by language.
WITHIN, AS_QUERIES, AS_PASSAGES = (
    "within the language",
    "its queries, others' passages",
    "its passages, others' queries",
)
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


Traits = Mapping[str, Mapping[str, float]]  # by name, then by language


def language_traits(
    languages: Sequence[str], seen: Collection[str] | None = None, fertility: Fertility | None = None
) -> dict[str, dict[str, float]]:
    """Return what is known of languages, by trait.

    Parameters
    ----------
    languages
        Codes of the languages, in the order of `fertility`.
    seen
        Languages that an encoder was trained on; None if unknown.
    fertility
        Tokens that it makes of the languages; None if unknown.

    Returns
    -------
    dict
        ``resource class`` (0 to 5), ``Latin script`` (0 or 1), and of `MEASURED` those that are known of a language.
        The distance from training is that from the nearest language that was seen.

    Examples
    --------
    >>> language_traits(["de"])["resource class"]
    {'de': 5.0}
    """
    facts = {code: language_facts(code) for code in languages}
    traits: dict[str, dict[str, float | None]] = {
        "resource class": {code: fact.resource_class for code, fact in facts.items()},
        "Latin script": {code: None if fact.script is None else fact.script == "Latn" for code, fact in facts.items()},
        FROM_ENGLISH: {code: _nearest(code, [REFERENCE]) for code in languages},
        FROM_TRAINING: {code: _nearest(code, seen or ()) for code in languages},
    }
    if fertility:
        traits[TOKENS] = dict(zip(languages, fertility.relative_to_english, strict=True))
        traits[UNKNOWN] = dict(zip(languages, fertility.unknown, strict=True))
    known = {
        name: {code: float(value) for code, value in values.items() if value is not None}
        for name, values in traits.items()
    }
    return {name: values for name, values in known.items() if values}


def explain_retrieval(matrix: Matrix, languages: Sequence[str], traits: Traits) -> dict[str, Explanation]:
    """Explain the scores of languages by their traits, see `explain_scores`.

    Of several variants of a language, the first counts. If the distance from training is known, that from English is
    left out, as they measure nearly the same.

    Parameters
    ----------
    matrix
        Score of each query language (row) and passage language (column).

    Returns
    -------
    dict
        By score: within the language, mean of its queries over the others' passages, and of its passages over the
        others' queries. Empty if there are too few languages.
    """
    scores = np.array(matrix, dtype=float)
    others = np.where(np.eye(len(scores), dtype=bool), np.nan, scores)
    first = {canonical_code(code).partition("-")[0]: place for place, code in reversed(list(enumerate(languages)))}
    left_out = FROM_ENGLISH if FROM_TRAINING in traits else FROM_TRAINING
    used = {name: values for name, values in traits.items() if name != left_out}
    outcomes = {
        WITHIN: [row[i] for i, row in enumerate(matrix)],
        AS_QUERIES: [*map(mean_or_none, others)],
        AS_PASSAGES: [*map(mean_or_none, others.T)],
    }
    found = {
        name: explain_scores(
            {languages[i]: value for i in sorted(first.values()) if (value := values[i]) is not None}, used
        )
        for name, values in outcomes.items()
    }
    return found if all(each.associations for each in found.values()) else {}


def explain_scores(
    scores: Mapping[str, float], traits: Traits, *, resamples: int = RESAMPLES, seed: int = 0
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
        No associations if fewer than `FEWEST_LANGUAGES` languages remain, or fewer than `FEWEST_PER_TRAIT` times the
        number of traits.
    """
    known = [code for code in scores if all(code in values for values in traits.values())]
    families = pd.Series([language_facts(code).family or code for code in known], dtype="str").factorize()[0]
    count = int(families.max(initial=-1)) + 1
    columns = {name: np.array([values[code] for code in known]) for name, values in traits.items()}
    names = [name for name, values in columns.items() if len(values) and np.ptp(values) > 0]
    if len(known) < max(FEWEST_LANGUAGES, FEWEST_PER_TRAIT * len(names)) or not names:
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


def _nearest(code: str, others: Collection[str]) -> float | None:
    """Return the syntactic distance from the nearest of some languages."""
    distances = [typological_distance(code, other, "syntactic") for other in others]
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
