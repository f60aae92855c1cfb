"""Search nearest passages: whether translations find each other, and whether some passages are near to everything.

In: dense vectors of queries and passages, ranked by the encoder's own similarity. Out: P@1 of parallel passages, and
how often each passage is among the nearest.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from babelrank.analysis.settings import Cell, Matrix, as_cells
from babelrank.data.collection import Collection, judge
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import take
from babelrank.ranking.rank import rank
from babelrank.ranking.top_table import TopTable

HUB_DEPTH = 10  # k of the k-occurrence
HUBS = 10  # number of most frequent passages to list


@dataclass(frozen=True)
class Hubness:
    """Whether some passages are among the ten nearest of far more texts than others (k-occurrence, k = 10).

    Attributes
    ----------
    n
        Number of texts that asked: all queries or passages, or a random sample.
    skewness
        Third standardised moment of the k-occurrence over passages (Radovanović et al. 2010, JMLR 11, 2487–2531): 0 if
        it is symmetric, large if there are hubs. For a sample, an estimate of the skewness with all texts asking. None
        if all passages occur equally often.
    never
        Share of the passages that are in no list of these `n` texts (anti-hubs); it falls as more texts ask.
    hubs
        Ids of the ten passages that occur most often, in descending order.
    occurrences
        Number of occurrences of each hub.
    share_of_hubs, share_of_places
        By passage language: share of these ten hubs, and of all places in the lists.
    """

    n: int
    skewness: Cell
    never: float
    hubs: list[str]
    occurrences: list[int]
    share_of_hubs: list[float]
    share_of_places: list[float]


@dataclass(frozen=True)
class ParallelRetrieval:
    """Whether a passage finds its translation; rows are the passage's languages, columns the languages searched.

    Similarity search as in Artetxe & Schwenk 2019, arXiv 1812.10464, among all passages of the other language.

    Attributes
    ----------
    n
        Number of relevant passages with a translation in the column's language.
    precision
        P@1: share of passages with a translation ranked first, without a tie.
    """

    n: list[list[int]]
    precision: Matrix


def search_queries(
    collection: Collection, representations: Representations, asking: np.ndarray, threads: int | None
) -> TopTable:
    """Return the ten nearest passages of the queries `asking` (rows of the collection's)."""
    own = collection.self_matches
    search = replace(
        collection,
        queries=collection.queries.iloc[asking].reset_index(drop=True),
        qrels=collection.qrels[:0],
        self_matches=None if own is None else own[asking],
    )
    representations = replace(representations, queries=take(representations.queries, asking))
    return rank(search, representations, pool_depth=HUB_DEPTH, threads=threads).top


def search_passages(
    collection: Collection,
    representations: Representations,
    asking: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    threads: int | None,
) -> tuple[ParallelRetrieval, TopTable]:
    """Search with passages as queries and their translations as relevant passages, without self-matches.

    Parameters
    ----------
    asking
        int64, shape (asking,): positions of the passages that ask, in order.
    pairs
        All passages and their translations, as `find_translations` returns them.
    threads
        None for one per available core.
    """
    size = len(collection.languages)
    asked = np.isin(pairs[0], asking)
    query, passage = np.searchsorted(asking, pairs[0][asked]), pairs[1][asked]
    passages = collection.passages.frame.iloc[asking].reset_index(drop=True)
    search = replace(
        collection,
        queries=passages.assign(question=passages["id"]),
        qrels=judge(collection.passages, query, passage, 1),
        self_matches=asking,
    )
    representations = replace(representations, queries=take(representations.passages, asking))
    ranking = rank(search, representations, pool_depth=HUB_DEPTH, threads=threads)
    top, lang = ranking.top, collection.passages.lang_codes.astype(np.int64)
    best = np.full((len(asking), size), np.inf)
    rows = search.qrels["query"].to_numpy(), lang[search.qrels["passage"].to_numpy()]
    np.minimum.at(best, rows, ranking.ranks.table["rank_in_language"].to_numpy())
    by_lang = (lang[asking] == np.arange(size)[:, None]).astype(float)  # (languages, passages)
    n = by_lang @ np.isfinite(best)
    precision = by_lang @ (best <= 1) / np.where(n == 0, np.nan, n)
    others = top.table["query_id"] != top.table["passage_id"]  # in a pool of ten, a list holds the passage itself
    return ParallelRetrieval(n.astype(int).tolist(), as_cells(precision)), replace(top, table=top.table[others])


def find_hubs(collection: Collection, near: TopTable, *, texts: int) -> Hubness | None:
    """Return how often each passage is among the nearest.

    Parameters
    ----------
    near
        The ten nearest passages of the texts that asked: queries or passages of the collection.
    texts
        Number of all texts, from which those that asked are a random sample.

    Returns
    -------
    Hubness or None
        None without passages or texts.
    """
    listed = near.table[near.table["rank_in_pool"].notna()]
    if listed.empty:
        return None
    asking = len(near.table[["query_lang", "query_id"]].drop_duplicates())
    size, lang = len(collection.languages), collection.passages.lang_codes
    places = pd.Index(collection.passages.frame["id"]).get_indexer(listed["passage_id"])
    occurrences = np.bincount(places, minlength=len(lang))
    hubs = np.argsort(-occurrences, kind="stable")[:HUBS]
    return Hubness(
        n=asking,
        skewness=None if np.ptp(occurrences) == 0 else _skewness(occurrences, asking, texts),
        never=float((occurrences == 0).mean()),
        hubs=collection.passages.frame["id"].iloc[hubs].tolist(),
        occurrences=occurrences[hubs].tolist(),
        share_of_hubs=(np.bincount(lang[hubs], minlength=size) / len(hubs)).tolist(),
        share_of_places=(np.bincount(lang[places], minlength=size) / len(places)).tolist(),
    )


def _skewness(occurrences: np.ndarray, asking: int, texts: int) -> float | None:
    """Estimate the skewness of the k-occurrence with all texts asking from a random sample of the texts.

    A passage that occurs N times among all occurs n times in the sample, where n is hypergeometric, so the mean of n (n
    − 1) … (n − r + 1) is N (N − 1) … (N − r + 1) times a factor that does not depend on N. The resulting estimates of
    the moments are unbiased, and exact if every text asked.
    """
    factorial, factor, moments = np.ones(len(occurrences)), 1.0, []
    for order in range(3):
        factorial = factorial * (occurrences - order)
        factor *= (texts - order) / max(asking - order, 1)
        moments.append(float(factorial.mean()) * factor)
    first, second, third = moments
    second, third = second + first, third + 3 * second + first
    variance = second - first**2
    return float((third - 3 * second * first + 2 * first**3) / variance**1.5) if variance > 0 else None
