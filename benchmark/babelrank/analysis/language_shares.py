"""Measure which languages fill the top of the lists, with intervals, from counts by query. Needs no qrels.

Each share is compared with the language's share in the corpus. A model that ignores the language reaches that share if
the texts of all languages suit the queries alike. Intervals resample questions, each with its translations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from babelrank.analysis.bias_measure import Resampler, mean_known
from babelrank.analysis.bootstrap import Interval, percentile_interval

MEAN = "mean"  # over the query languages


@dataclass(frozen=True)
class LanguageShares:
    """Shares of the passage languages in the first k passages.

    Attributes
    ----------
    shares
        Columns ``query`` (language; ``mean`` over all), ``passage`` (language), ``depth`` (k), ``share``, ``low`` and
        ``high`` (95 % interval; NaN with fewer than 30 questions), ``corpus`` (share in the corpus), ``ratio`` (share /
        corpus), ``queries`` (number).
    own
        The same for the query's own language, without ``passage``. The mean is over query languages with passages.
    """

    shares: pd.DataFrame
    own: pd.DataFrame


def measure_language_shares(
    counts: np.ndarray,
    depths: Sequence[int],
    query_lang: np.ndarray,
    question: np.ndarray,
    pool_sizes: dict[str, int],
) -> LanguageShares:
    """Average the shares of each passage language over the queries of each language.

    Parameters
    ----------
    counts
        Number of passages of each language in the first k: shape (depths, queries, languages).
    depths
        Values of k.
    query_lang
        Position of each query's language: int64, shape (queries,).
    question
        Number of each query's question, which is resampled as one: int64, shape (queries,), 0, 1, … without gaps.
    pool_sizes
        Number of passages of each language; all languages, in order.
    """
    langs, sizes = list(pool_sizes), np.array(list(pool_sizes.values()))
    corpus = sizes / sizes.sum()
    resampler = Resampler(query_lang, question, size=len(langs), clusters=int(question.max(initial=-1)) + 1)
    n = resampler.sums(np.ones(len(query_lang)))[..., None]
    asked, present = np.flatnonzero(resampler.n), np.flatnonzero(sizes)
    both = np.intersect1d(asked, present)
    shares, own = [], []

    def figures(values: np.ndarray, in_corpus: float) -> dict[str, float]:
        return _figures(percentile_interval(values, resampler.clusters), in_corpus)

    for depth, found in zip(depths, counts, strict=True):
        sums = resampler.sums(found / found.sum(axis=1, keepdims=True))
        means = sums / np.where(n == 0, np.nan, n)  # (1 + resamples, query languages, passage languages)
        for passage in present:
            columns = {langs[query]: means[:, query, passage] for query in asked}
            columns[MEAN] = mean_known(means[:, asked, passage])
            shares += [
                {"query": query, "passage": langs[passage], "depth": depth, **figures(values, corpus[passage])}
                for query, values in columns.items()
            ]
        same = {langs[lang]: (means[:, lang, lang], corpus[lang]) for lang in both}
        if len(both):
            same[MEAN] = mean_known(means[:, both, both]), corpus[both].mean()
        own += [{"query": query, "depth": depth, **figures(*values)} for query, values in same.items()]
    queries = {langs[lang]: resampler.n[lang] for lang in asked} | {MEAN: len(query_lang)}
    names = ["query", "passage", "depth", "share", "low", "high", "corpus", "ratio"]
    tables = pd.DataFrame(shares, columns=names), pd.DataFrame(own, columns=[names[0], *names[2:]])
    return LanguageShares(*(table.assign(queries=table["query"].map(queries)) for table in tables))


def _figures(interval: Interval, corpus: float) -> dict[str, float]:
    """Return a share with its interval, and the share in the corpus."""
    return {
        "share": interval.value,
        "low": interval.low,
        "high": interval.high,
        "corpus": float(corpus),
        "ratio": float(interval.value / corpus),
    }
