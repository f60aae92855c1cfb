"""Encoders of known accuracy and known bias, and what the measures of language bias say about them.

A simulated encoder scores passages as XQuAD-R has them: 1,190 questions in 11 languages, each with one relevant passage
per language, in a pool of 13,014. The scores of irrelevant passages are standard normal. Those of relevant ones lie
`skill` above that, and vary by article, question, passage and pair. A bias moves the scores of all passages of a
language for the queries of one language, relevant or not, so that rankings within a language stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from babelrank.analysis.bias import measure_rank_distance
from babelrank.analysis.bias_measure import BiasMeasure
from babelrank.analysis.language_bias import measure_language_bias
from babelrank.analysis.settings import score_pool
from babelrank.ranking.table import COLUMNS, RankTable

POOL = {
    "ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244,
    "ru": 1219, "th": 852, "tr": 1167, "vi": 1209, "zh": 1196,
}  # fmt: skip
QUESTIONS = 1190
ARTICLES = 48
# Standard deviations of a relevant passage's score: of its article, question, passage, and of the pair.
_ARTICLE, _QUESTION, _PASSAGE, _PAIR = 0.4, 0.6, 0.5, 0.6


@dataclass(frozen=True)
class Setting:
    """A simulated encoder.

    Attributes
    ----------
    skill
        By how much relevant passages outscore others on average, in standard deviations of the others' scores.
    bias
        Standard deviation of the offsets that the languages have for the queries of one language.
    own
        Further offset of passages in the query's language.
    """

    skill: float
    bias: float = 0.0
    own: float = 0.0


@dataclass(frozen=True)
class Observation:
    """What was measured of one simulated encoder.

    Attributes
    ----------
    setting
        The encoder.
    accuracy
        Its multilingual mAP.
    values
        Macro figures by measure, less what they are without bias: their value under shuffled labels. The merge gap and
        the rank distance are as they are, as they have no such value.
    found
        By measure that has a value under shuffled labels: share of the query languages in which the interval lies
        above it. Without bias that is the rate of false alarms, with bias the power.
    """

    setting: Setting
    accuracy: float
    values: dict[str, float]
    found: dict[str, float]


def simulate(
    setting: Setting, *, questions: int = QUESTIONS, languages: Sequence[str] = (), seed: int = 0
) -> RankTable:
    """Return the rank table of a simulated encoder.

    Parameters
    ----------
    languages
        Of the queries; by default all.
    seed
        Of scores and offsets.
    """
    rng = np.random.default_rng(seed)
    names, sizes = tuple(POOL), np.array(list(POOL.values()))
    asking = np.array([names.index(lang) for lang in languages or names])
    shape = (questions, len(asking), len(names))
    article = np.sort(rng.integers(0, ARTICLES, questions))
    offsets = setting.bias * rng.standard_normal((len(names), len(names)))
    offsets = (offsets + setting.own * np.eye(len(names)))[asking]
    scores = (
        setting.skill
        + _ARTICLE * rng.standard_normal(ARTICLES)[article][:, None, None]
        + _QUESTION * rng.standard_normal((questions, 1, 1))
        + _PASSAGE * rng.standard_normal((questions, 1, len(names)))
        + _PAIR * rng.standard_normal(shape)
        + offsets
    )
    order = np.argsort(-scores, axis=2)
    in_language, in_pool = np.empty(shape), np.empty(shape)
    above = np.zeros(shape, dtype=np.int64)  # irrelevant passages of each language above the score that is looked at
    reached = np.zeros(shape)  # share of them that is expected there
    for place in range(len(names)):
        lang = order[:, :, place, None]
        share = norm.sf(np.take_along_axis(scores, lang, axis=2) - offsets)
        above += rng.binomial(sizes - 1 - above, np.clip((share - reached) / (1 - reached), 0, 1))
        reached = share
        np.put_along_axis(in_language, lang, 1.0 + np.take_along_axis(above, lang, axis=2), axis=2)
        np.put_along_axis(in_pool, lang, 1.0 + place + above.sum(axis=2, keepdims=True), axis=2)
    question, query, passage = (axis.ravel() for axis in np.indices(shape))
    numbers = np.array([f"{number:04}" for number in range(questions)])
    ids = np.array([[f"{lang}/{a}/0/{i}" for i, a in enumerate(article)] for lang in names])
    columns = (
        pd.Categorical.from_codes(asking[query], list(names)),
        numbers[question],
        pd.Categorical.from_codes(passage, list(names)),
        ids[passage, question],
        np.ones(question.size, dtype=np.int32),
        in_language.ravel(),
        in_pool.ravel(),
    )
    return RankTable(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))), names, dict(POOL), tied=0)


def observe(
    setting: Setting, *, questions: int = QUESTIONS, languages: Sequence[str] = (), seed: int = 0
) -> Observation:
    """Measure one simulated encoder; intervals draw questions, as bias does not depend on articles here."""
    ranks = simulate(setting, questions=questions, languages=languages, seed=seed)
    measures = measure_language_bias(ranks).measures
    accuracy = [score for score in score_pool(ranks).scores["mAP"] if score is not None]
    distance = measure_rank_distance(ranks).macro["rank_distance"]
    values = {name: each.macro.value - (each.shuffled or 0.0) for name, each in measures.items() if each.macro}
    return Observation(
        setting,
        float(np.mean(accuracy)),
        {**values, "rank_distance": float(distance or np.nan)},
        {name: _share_found(measure) for name, measure in measures.items() if measure.shuffled is not None},
    )


def _share_found(measure: BiasMeasure) -> float:
    known = [each for each in measure.by_language if each]
    return float(np.mean([each.low > (measure.shuffled or 0.0) for each in known]))
