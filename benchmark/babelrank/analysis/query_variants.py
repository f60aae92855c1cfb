"""Compare two versions of the same questions, question by question, from two rank tables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from babelrank.analysis.bootstrap import DEFAULT_MEASURE, Interval, clustered_scores, find_interval
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable


@dataclass(frozen=True)
class VariantGain:
    """Difference between two versions of the queries in one language.

    Attributes
    ----------
    queries
        Number of queries in both versions.
    original, variant, gain
        Mean of the measure over all their relevant passages in the pool, for each version, and the difference, with
        intervals.
    """

    queries: int
    original: Interval
    variant: Interval
    gain: Interval


def compare_variants(original: RankTable, variant: RankTable, measure: str = DEFAULT_MEASURE) -> dict[str, VariantGain]:
    """Compare two versions of the same questions, such as ``afriqa`` and ``afriqa@human``.

    Returns
    -------
    dict
        By query language, of those that have queries in both. Intervals draw groups of questions, the same for both
        versions (paired).

    Raises
    ------
    ReportError
        The tables have different passages.
    """
    if (original.languages, original.pool_sizes) != (variant.languages, variant.pool_sizes):
        raise ReportError("versions of queries can be compared over the same passages only.")
    gains = {}
    for lang in original.languages:
        ids = set(_of(original, lang)["query_id"]) & set(_of(variant, lang)["query_id"])
        if ids:
            before, after = (clustered_scores(_only(table, lang, ids), measure) for table in (original, variant))
            gains[lang] = VariantGain(
                len(ids),
                find_interval(before, "multilingual"),
                find_interval(after, "multilingual"),
                find_interval(after, "multilingual", against=before),
            )
    return gains


def mean_gain(gains: Mapping[str, VariantGain]) -> float:
    """Return the mean gain over languages."""
    return sum(each.gain.value for each in gains.values()) / len(gains)


def _of(ranks: RankTable, lang: str) -> pd.DataFrame:
    return ranks.table[ranks.table["query_lang"] == lang]


def _only(ranks: RankTable, lang: str, ids: set[str]) -> RankTable:
    rows = _of(ranks, lang)
    return replace(ranks, table=rows[rows["query_id"].isin(ids)].reset_index(drop=True))
