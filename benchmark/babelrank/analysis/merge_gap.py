"""Measure the cost of the shared pool: its ranking against a plain merge of the languages' own rankings.

In: a rank table. Out: the merge gap. A retriever that searches each language separately and takes turns between the
lists needs no scores that are comparable between languages. If it does better than the ranking of the pool, the
encoder's scores are not comparable: some languages score too high or too low. If it does worse, scores carry more
information than places.
"""

import numpy as np
from scipy.special import digamma

from babelrank.analysis.bias_measure import BiasMeasure, LeaveOneOut, Resampler
from babelrank.analysis.measures import average_precision
from babelrank.ranking.table import RankTable


def measure_merge_gap(ranks: RankTable, *, clusters: np.ndarray | None = None, seed: int = 0) -> BiasMeasure:
    """Return mAP after merging the languages' own rankings round-robin, minus the multilingual mAP (Mul.).

    It is above 0 if the shared pool costs accuracy. It is not a test for bias: the gap of an unbiased encoder is
    somewhat below 0, as its scores order passages of one place, and a better encoder has more to lose.

    Parameters
    ----------
    clusters
        Cluster of each row (see `clusters.clusters`) for the intervals; None to resample questions.

    Raises
    ------
    ReportError
        The clusters do not fit the table.
    """
    lang, pooled = ranks.lang_of_query, average_precision(ranks.pool_lists)
    resampler = Resampler.of(ranks, np.arange(len(lang)), lang, clusters, seed)
    gaps = resampler.means(merged_precision(ranks) - pooled)
    multilingual = float(np.nanmean(resampler.means(pooled)[0])) if len(pooled) else float("nan")
    known = not np.isnan(multilingual)
    return resampler.measure(
        gaps, floor=-multilingual if known else None, ceiling=1 - multilingual if known else None, shuffled=None
    )


def merge_gap_without(ranks: RankTable, clusters: np.ndarray) -> np.ndarray:
    """Return the merge gap of all queries, then without each cluster; see `language_effect.eta_squared_without`."""
    lang = ranks.lang_of_query
    leave_one_out = LeaveOneOut.of(ranks, np.arange(len(lang)), lang, clusters)
    return leave_one_out.means(merged_precision(ranks) - average_precision(ranks.pool_lists))


def merged_precision(ranks: RankTable) -> np.ndarray:
    """Return each query's expected average precision after merging the languages' rankings round-robin.

    Round ρ takes the ρ-th passage of each language, in a random order. Before it come B = Σ_l min(ρ − 1, N_l)
    passages of lists of N_l, and W lists have a ρ-th passage. Let c of these be relevant, after R relevant ones of
    earlier rounds. Each of the places p = 1 … W then has a relevant passage with probability c / W, and on average
    (c − 1)(p − 1) / (W − 1) others of the round above it. So the round adds to Σ precision

        Σ_p c/W · (R + 1 + (c − 1)(p − 1)/(W − 1)) / (B + p)
        = c/W · ((R + 1) h + (c − 1)/(W − 1) · (W − (B + 1) h)),   h = Σ_p 1/(B + p) = ψ(B + W + 1) − ψ(B + 1),

    with the digamma function ψ. A relevant passage of rank ρ is therefore at (ρ − 1) · L + p in L long lists, p
    anywhere from 1 to L. Mid-ranks are taken as they are.

    Returns
    -------
    numpy.ndarray
        float64, shape (queries,), in the order of `RankTable.query_numbers`.
    """
    numbers, ranked = ranks.query_numbers, ranks.table["rank_in_language"].to_numpy()
    held = np.isfinite(ranked)
    query, rank = numbers[held], ranked[held]
    order = np.lexsort((rank, query))
    query, rank = query[order], rank[order]
    starts = np.flatnonzero(np.diff(query, prepend=-1) | (np.diff(rank, prepend=np.nan) != 0))  # of rounds
    relevant = np.diff(np.append(starts, len(query)))
    of_round, current = query[starts], rank[starts]
    first_of_query = np.searchsorted(query, of_round)
    earlier = starts - first_of_query
    sizes = np.array(list(ranks.pool_sizes.values()), dtype=float)
    distinct, place = np.unique(current, return_inverse=True)  # far fewer than rounds
    before = np.minimum(distinct[:, None] - 1, sizes).sum(axis=1)[place]
    width = np.maximum((sizes >= distinct[:, None]).sum(axis=1)[place], relevant)  # ties: two of a list in one round
    harmonic = digamma(before + width + 1) - digamma(before + 1)
    others = (relevant - 1) / np.maximum(width - 1, 1)
    added = relevant / width * ((earlier + 1) * harmonic + others * (width - (before + 1) * harmonic))
    precision: np.ndarray = np.bincount(of_round, added, numbers.max(initial=-1) + 1) / np.bincount(numbers)
    return precision
