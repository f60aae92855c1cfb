"""Compare the first ten passages of the pool that a question's translations retrieve.

In: a table of top passages. Out: for each two query languages, the overlap of the lists, relevant or not, and the
overlap of lists of different questions. `consistency` compares only the order of relevant passages, at any rank.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.consistency import rbo_weights
from babelrank.analysis.settings import Matrix, as_cells, mean_or_none
from babelrank.ranking.top_table import TopTable


@dataclass(frozen=True)
class ListConsistency:
    """Overlap of the lists of translated questions; rows and columns are query languages.

    Attributes
    ----------
    languages
        Order of all rows and columns.
    depth
        Length of the lists; less if the pool is smaller.
    n
        Number of questions asked in both languages.
    overlap
        Mean share of the passages of one list that are also in the other, from 0 to 1.
    overlap_chance
        The same for two different questions, over all pairs of questions: the part that popular passages explain.
    rbo
        Mean rank-biased overlap, extrapolated from this depth (Webber, Moffat and Zobel 2010, ACM TOIS 28(4):20), with
        persistence 0.9: like `overlap`, but the first ranks weigh more.
    rbo_chance
        The same for two different questions.
    """

    languages: tuple[str, ...]
    depth: int
    n: list[list[int]]
    overlap: Matrix
    overlap_chance: Matrix
    rbo: Matrix
    rbo_chance: Matrix

    @property
    def macro(self) -> dict[str, float | None]:
        """Means over pairs of distinct languages; those beyond chance come first.

        ``…_beyond_chance`` is (value − chance) / (1 − chance): 1 for the same lists, 0 if translations have no more in
        common than different questions. It is undefined if a list holds the whole pool, and left out.
        """
        distinct = np.triu_indices(len(self.n), 1)
        overlap, overlap_chance, rbo, rbo_chance = (
            np.array(matrix, dtype=float).reshape(len(self.n), -1)[distinct]
            for matrix in (self.overlap, self.overlap_chance, self.rbo, self.rbo_chance)
        )
        measures = {
            "overlap_beyond_chance": _beyond(overlap, overlap_chance),
            "rbo_beyond_chance": _beyond(rbo, rbo_chance),
            "overlap": overlap,
            "rbo": rbo,
        }
        return {name: mean_or_none(values) for name, values in measures.items()}


def _beyond(values: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return values beyond chance; NaN where chance alone gives 1."""
    beyond: np.ndarray = (values - chances) / np.where(chances < 1, 1 - chances, np.nan)
    return beyond


def compare_lists(top: TopTable) -> ListConsistency:
    """Compare the lists of each two query languages, question by question."""
    lists, pool = _lists(top)
    size, depth = len(top.languages), lists.shape[2]
    weights = np.stack([np.eye(depth)[-1], rbo_weights(depth)[-1]], axis=1) if depth else np.zeros((0, 2))
    n = np.zeros((size, size), dtype=np.int64)
    values, chances = np.full((2, size, size, 2), np.nan)
    asked: np.ndarray = np.any(lists >= 0, axis=2)
    for a in range(size):
        for b in range(a, size):
            both = asked[:, a] & asked[:, b]
            n[a, b] = n[b, a] = both.sum()
            if not n[a, b]:
                continue
            agreement, chance = _agreement(lists[both, a], lists[both, b], pool)
            values[a, b] = values[b, a] = agreement @ weights
            chances[a, b] = chances[b, a] = chance @ weights
    return ListConsistency(
        top.languages,
        depth,
        n.tolist(),
        *(as_cells(found[:, :, measure]) for measure in range(2) for found in (values, chances)),
    )


def _lists(top: TopTable) -> tuple[np.ndarray, int]:
    """Return passages by question, language and place, −1 for none, and the number of passages."""
    table = top.table[top.table["rank_in_pool"].notna()]
    question, questions = table["query_id"].factorize()
    passage, passages = table["passage_id"].factorize()
    lang = table["query_lang"].map({lang: i for i, lang in enumerate(top.languages)}).to_numpy(np.int64)
    owner = question * len(top.languages) + lang
    order = np.lexsort((table["rank_in_pool"].to_numpy(), owner))  # equal ranks keep the table's order
    owner = owner[order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    lists = np.full((len(questions) * len(top.languages), int(place.max(initial=-1)) + 1), -1, dtype=np.int64)
    lists[owner, place] = passage[order]
    return lists.reshape(len(questions), len(top.languages), lists.shape[1]), len(passages)


def _agreement(first: np.ndarray, second: np.ndarray, pool: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean share that two lists have in common by depth: for one question, and for two different ones."""
    count, depth = first.shape
    depths = np.arange(1, depth + 1)
    same = (first[:, :, None] == second[:, None, :]) & (first >= 0)[:, :, None]
    shared = np.diagonal(same.sum(axis=0).cumsum(axis=0).cumsum(axis=1)).astype(float)
    # Over all pairs of questions, a passage in m lists of one language and n of the other is shared m · n times.
    everywhere = np.zeros(depth)
    sums = np.zeros((2, pool))
    for place in range(depth):
        for side, lists in enumerate((first, second)):
            found = lists[:, place]
            sums[side] += np.bincount(found[found >= 0], minlength=pool)
        everywhere[place] = sums[0] @ sums[1]
    pairs = count * (count - 1)
    chance = (everywhere - shared) / pairs / depths if pairs else np.full(depth, np.nan)
    return shared / count / depths, chance
