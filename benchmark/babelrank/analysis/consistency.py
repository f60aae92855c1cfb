"""Compare the orders in which a question's translations rank its relevant passages.

In: a rank table. Out: for each two query languages, the similarity of the orders over the questions asked in both, the
similarity of two random orders, and the distance between the ranks of the answers in the query's language.

Both measures of similarity average the agreement A_d, the share of passages that the first d of both orders have in
common, over depths d = 1 … n with weights that add up to 1. The n passages of a question are those that are relevant in
each language in which it is asked: in a parallel collection all of them.

Ties: a group of passages with the same rank counts with the share of it that fits within depth d, as if each list drew
the order independently at random (RBO^a of Corsi and Urbano 2024, arXiv 2406.07121). An encoder that ties everything
gets the value of random orders, not 1.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.settings import Matrix, as_cells, mean_or_none
from babelrank.ranking.table import RankTable

PERSISTENCE = 0.9  # p of the rank-biased overlap, as in Webber et al.: their first ten depths weigh 86 %


@dataclass(frozen=True)
class Consistency:
    """Similarity of the results of translated questions; rows and columns are query languages.

    Attributes
    ----------
    n
        Questions asked in both languages with at least two passages to order; on the diagonal, those asked in that
        language and any other. Where it is 0, the overlaps are null.
    rbo
        Mean rank-biased overlap over those questions; see `rbo_weights`. 1 if the orders are the same, `rbo_random` if
        they have nothing to do with each other, less if they are opposed: as when each query has its own language
        first. On the diagonal 1 but for ties.
    rbo_random
        Mean over all orders, computed exactly: A_d is d / n on average.
    rankc
        Mean weighted overlap after RankC; see `rankc_weights`. Like `rbo`, but the first passages decide nearly alone.
    rankc_random
        Mean over all orders.
    own_n
        Questions asked in both languages, each with a relevant passage in the query's language.
    own_rank_gap
        Mean over those of the difference, either way, between the ranks in the pool of the own-language passages: asked
        in the row's language, and in the column's. From 0, no ceiling but the pool's size.
    """

    n: list[list[int]]
    rbo: Matrix
    rbo_random: Matrix
    rankc: Matrix
    rankc_random: Matrix
    own_n: list[list[int]]
    own_rank_gap: Matrix

    @property
    def macro(self) -> dict[str, float | None]:
        """Means over pairs of distinct languages.

        ``…_beyond_random`` is (value − random) / (1 − random): 1 for the same orders, 0 for unrelated ones, for any
        number of passages.
        """
        distinct = np.triu_indices(len(self.n), 1)
        rbo, rbo_random, rankc, rankc_random, gap = (
            np.array(matrix, dtype=float).reshape(len(self.n), -1)[distinct]
            for matrix in (self.rbo, self.rbo_random, self.rankc, self.rankc_random, self.own_rank_gap)
        )
        figures = {
            "rbo": rbo,
            "rbo_random": rbo_random,
            "rbo_beyond_random": (rbo - rbo_random) / (1 - rbo_random),
            "rankc": rankc,
            "rankc_random": rankc_random,
            "rankc_beyond_random": (rankc - rankc_random) / (1 - rankc_random),
            "own_rank_gap": gap,
        }
        return {name: mean_or_none(values) for name, values in figures.items()}


@dataclass(frozen=True)
class _Questions:
    """Questions asked in at least two languages.

    Attributes
    ----------
    rank
        Rank in the pool of the passages that are relevant in each of these languages: float64, shape (questions, query
        languages, passages); infinite where a question is not asked in the language or has fewer passages.
    own
        Rank in the pool of the best relevant passage in the query's own language: float64, shape (questions, query
        languages); NaN if there is none.
    """

    rank: np.ndarray
    own: np.ndarray


def measure_consistency(ranks: RankTable) -> Consistency:
    """Compare what translated questions retrieve, for each two query languages."""
    questions = _group_by_question(ranks)
    lengths = np.isfinite(questions.rank).sum(axis=2).max(axis=1, initial=0)
    counted = lengths >= 2
    rank, lengths = questions.rank[counted], lengths[counted]
    longest = rank.shape[2]
    weights = np.stack([rbo_weights(longest), rankc_weights(longest)])
    asked = np.isfinite(rank).any(axis=2).astype(float)
    n = asked.T @ asked
    divisor = np.where(n == 0, np.nan, n)
    rbo, rankc = (weigh_overlap(rank, weights) * (asked[:, :, None] * asked[:, None])).sum(axis=1) / divisor
    rbo_random, rankc_random = ((asked * random_overlap(table)[lengths, None]).T @ asked / divisor for table in weights)
    known = np.isfinite(questions.own).astype(float)
    own_n = known.T @ known
    own_divisor = np.where(own_n == 0, np.nan, own_n)
    gaps = np.abs(questions.own[:, :, None] - questions.own[:, None])
    return Consistency(
        n=n.astype(int).tolist(),
        rbo=as_cells(rbo),
        rbo_random=as_cells(rbo_random),
        rankc=as_cells(rankc),
        rankc_random=as_cells(rankc_random),
        own_n=own_n.astype(int).tolist(),
        own_rank_gap=as_cells(np.nansum(gaps, axis=0) / own_divisor),
    )


def weigh_overlap(rank: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the agreement A_d over depths, for each two orders of the same passages.

    Parameters
    ----------
    rank
        Shape (lists, orders, passages): a list's passages as each order ranks them; infinite where a list is shorter.
    weights
        Shape (measures, longest + 1, longest), as `rbo_weights` makes them.

    Returns
    -------
    numpy.ndarray
        Shape (measures, lists, orders, orders); undefined for an order without ranks.
    """
    lists, orders, passages = rank.shape
    lengths = np.isfinite(rank).sum(axis=2).max(axis=1, initial=0)
    above, tied = np.zeros(rank.shape, dtype=np.int32), np.zeros(rank.shape, dtype=np.int32)
    for i in range(passages):
        above += rank[:, :, i, None] < rank
        tied += rank[:, :, i, None] == rank
    overlap = np.zeros((len(weights), lists, orders, orders))
    for depth in range(1, passages + 1):
        inside = np.clip((depth - above) / tied, 0.0, 1.0)  # the share of a tied group that fits within the depth
        agreement = inside @ inside.transpose(0, 2, 1) / depth
        overlap += weights[:, lengths, depth - 1, None, None] * agreement
    return overlap


def rbo_weights(longest: int) -> np.ndarray:
    """Return the weights of depths in the extrapolated rank-biased overlap, for lists of each length.

    RBO_ext(p) = A_n · pⁿ + (1 − p) / p · Σ_d A_d · p^d over lists seen to depth n (Webber, Moffat and Zobel 2010, ACM
    TOIS 28(4):20), p = `PERSISTENCE`. Both lists hold the same passages, so that A_n = 1.

    Returns
    -------
    numpy.ndarray
        Shape (longest + 1, longest): row n for lists of n passages, column d − 1 for depth d; rows add up to 1, but for
        the first.
    """
    lengths, depths = np.arange(longest + 1), np.arange(1, longest + 1)
    weights = np.where(depths <= lengths[:, None], (1 - PERSISTENCE) * PERSISTENCE ** (depths - 1.0), 0.0)
    weights[lengths[1:], lengths[1:] - 1] += PERSISTENCE ** lengths[1:]
    return weights


def rankc_weights(longest: int) -> np.ndarray:
    """Return the weights of depths after RankC, shaped as `rbo_weights`.

    For n candidates, depth d weighs e^(n − d) / Σ_k e^(n − k) (Qi, Fernández and Bisazza 2023, arXiv 2310.10378). There
    the candidates are answers, ordered by their probability; here they are relevant passages, ordered by rank.
    """
    lengths, depths = np.arange(longest + 1), np.arange(1, longest + 1)
    powers = np.where(depths <= lengths[:, None], np.exp(-depths.astype(float)), 0.0)
    totals = powers.sum(axis=1, keepdims=True)
    weights: np.ndarray = powers / np.where(totals == 0, 1.0, totals)
    return weights


def random_overlap(weights: np.ndarray) -> np.ndarray:
    """Return the mean overlap of two random orders by their length, 0 … longest: Σ_d w_d · d / n.

    The first d of one order contain each of the n passages with probability d / n, for any other order: they have
    d² / n in common with the other's first d on average. Ties in either order change nothing.
    """
    longest = weights.shape[1]
    overlap: np.ndarray = weights @ np.arange(1, longest + 1) / np.maximum(np.arange(longest + 1), 1)
    return overlap


def _group_by_question(ranks: RankTable) -> _Questions:
    size = len(ranks.languages)
    query_lang, passage_lang = ranks.language_codes
    question, ids = ranks.table["query_id"].factorize()
    asked = np.zeros((len(ids), size), dtype=bool)
    asked[question, query_lang] = True
    translated = asked.sum(axis=1) >= 2
    rows, asked = translated[question], asked[translated]
    question = (np.cumsum(translated) - 1)[question[rows]]
    query_lang, passage_lang = query_lang[rows], passage_lang[rows]
    in_pool = ranks.table["rank_in_pool"].to_numpy()[rows]
    # Each distinct passage of a question gets a place: 0, 1, … within the question.
    passage, names = ranks.table["passage_id"][rows].factorize()
    per_question = size * max(len(names), 1)
    keys, place = np.unique(question * per_question + passage_lang * len(names) + passage, return_inverse=True)
    owner = keys // per_question
    place = (np.arange(len(keys)) - np.searchsorted(owner, owner))[place]
    rank = np.full((len(asked), size, int(place.max(initial=-1)) + 1), np.inf)
    rank[question, query_lang, place] = in_pool
    lacking = (np.isinf(rank) & asked[:, :, None]).any(axis=1)
    own = np.full((len(asked), size), np.inf)
    same = query_lang == passage_lang
    np.minimum.at(own, (question[same], query_lang[same]), in_pool[same])
    return _Questions(np.where(lacking[:, None], np.inf, rank), np.where(np.isinf(own), np.nan, own))
