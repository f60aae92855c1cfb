"""Which passages are near: whether translations find one another, and whether some passages are near to everything.

In: dense vectors of queries and passages, ranked by the encoder's own similarity. Out: P@1 of parallel passages, and
how often each passage is among the nearest.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import skew

from babelrank.analysis.settings import Cell, Matrix, as_cells
from babelrank.data.collection import Collection, judge
from babelrank.data.pool import MemoryPassages
from babelrank.encoding.representations import Representations
from babelrank.encoding.vectors import take
from babelrank.ranking.best import find_best
from babelrank.ranking.rank import rank
from babelrank.ranking.scores import make_scorer

HUB_DEPTH = 10  # k of the k-occurrence
HUBS = 10  # passages that occur most


@dataclass(frozen=True)
class Hubness:
    """Whether some passages are among the ten nearest of far more texts than others (k-occurrence, k = 10).

    Attributes
    ----------
    n
        Texts whose ten nearest passages were counted.
    skewness
        Third standardised moment of the k-occurrence over passages (Radovanović et al. 2010, JMLR 11, 2487–2531): 0 if
        it is symmetric, large if there are hubs. None if all passages occur alike.
    never
        Share of the passages that are in no list (anti-hubs).
    hubs
        Ids of the ten passages that occur most, most first.
    occurrences
        How often each of them does.
    share_of_hubs, share_of_places
        By passage language: among these ten, and among all places in the lists.
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

    Similarity search as Artetxe & Schwenk 2019, arXiv 1812.10464, measure it, among all passages of the other language.

    Attributes
    ----------
    n
        Relevant passages with a translation in the column's language.
    precision
        P@1: share of them for which a translation comes first, and not in a tie.
    """

    n: list[list[int]]
    precision: Matrix


def retrieve_translations(
    collection: Collection,
    representations: Representations,
    pairs: tuple[np.ndarray, np.ndarray],
    passage_lang: np.ndarray,
    threads: int | None,
) -> ParallelRetrieval:
    """Let passages be the queries, and their translations what is relevant.

    Parameters
    ----------
    pairs
        Passages and their translations, as `find_translations` returns them.
    passage_lang
        int64, shape (passages,): positions in the collection's languages.
    threads
        None for one per available core.
    """
    size = len(collection.languages)
    asking, query = np.unique(pairs[0], return_inverse=True)
    best = np.full((len(asking), size), np.inf)
    if len(asking):
        frame = collection.passages.frame
        search = replace(
            collection,
            queries=frame.assign(question=frame["id"]).iloc[asking].reset_index(drop=True),
            qrels=judge(MemoryPassages(frame, collection.languages), query, pairs[1], 1),
            self_matches=None,
        )
        vectors = replace(representations, queries=take(representations.passages, asking))
        ranks = rank(search, vectors, threads=threads).ranks
        judged = search.qrels
        np.minimum.at(
            best, (judged["query"], passage_lang[judged["passage"]]), ranks.table["rank_in_language"].to_numpy()
        )
    by_lang = (passage_lang[asking] == np.arange(size)[:, None]).astype(float)  # (languages, passages)
    n = by_lang @ np.isfinite(best)
    return ParallelRetrieval(n.astype(int).tolist(), as_cells(by_lang @ (best <= 1) / np.where(n == 0, np.nan, n)))


def find_hubs(
    collection: Collection,
    representations: Representations,
    passage_lang: np.ndarray,
    own: np.ndarray | None,
    threads: int | None,
) -> Hubness | None:
    """Count how often each passage is among the nearest to a query.

    Parameters
    ----------
    representations
        Of any queries, and of the collection's passages.
    passage_lang
        int64, shape (passages,): positions in the collection's languages.
    own
        int64, shape (queries,): where the queries stand among the passages, if they are passages; none is near itself.
    threads
        None for one per available core.

    Returns
    -------
    Hubness or None
        None if there are no passages, or no queries.
    """
    scorer = make_scorer(representations.queries, representations.passages, representations.similarity)
    near = find_best(scorer, HUB_DEPTH, self_matches=own, threads=threads).positions
    if not near.size:
        return None
    size = len(collection.languages)
    occurrences = np.bincount(near.ravel(), minlength=len(passage_lang))
    hubs = np.argsort(-occurrences, kind="stable")[:HUBS]
    return Hubness(
        n=len(near),
        skewness=None if np.ptp(occurrences) == 0 else float(skew(occurrences)),
        never=float((occurrences == 0).mean()),
        hubs=collection.passages.frame["id"].iloc[hubs].tolist(),
        occurrences=occurrences[hubs].tolist(),
        share_of_hubs=(np.bincount(passage_lang[hubs], minlength=size) / len(hubs)).tolist(),
        share_of_places=(np.bincount(passage_lang[near.ravel()], minlength=size) / near.size).tolist(),
    )
