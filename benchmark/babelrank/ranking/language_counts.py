"""Count the passages of each language among the first of each query. Needs no qrels."""

from collections.abc import Sequence

import numpy as np

from babelrank.data.collection import Collection
from babelrank.encoding.representations import Representations
from babelrank.errors import SearchError
from babelrank.ranking.rank import Tallier
from babelrank.ranking.scores import make_scorer
from babelrank.ranking.tally import MEMORY_LIMIT, Request, Tally, Targets, no_targets, tally


def count_languages(
    collection: Collection,
    representations: Representations,
    depths: Sequence[int],
    *,
    memory: int = MEMORY_LIMIT,
    tallier: Tallier | None = None,
) -> np.ndarray:
    """Count the passages of each language among the first k of the pool.

    Passages that tie with the k-th share the remaining places equally: the counts are the expected ones if ties are
    broken at random. An order by position would favour the languages that come first in the pool.

    Parameters
    ----------
    depths
        Values of k, from 1; a k above the size of the pool counts the whole pool.
    memory, tallier
        See `rank`.

    Returns
    -------
    numpy.ndarray
        float64, shape (depths, queries, languages).

    Raises
    ------
    SearchError
        The representations belong to another collection, a depth is below 1, or the memory is too small.
    """
    shape = len(collection.queries), len(collection.passages)
    scorer = make_scorer(representations.queries, representations.passages, representations.similarity)
    if min(depths) < 1 or scorer.shape != shape:
        raise SearchError(f"depths {list(depths)}; {scorer.shape} vectors, but {collection.name} has {shape}.")

    def work(request: Request) -> Tally:
        return tallier(scorer, request) if tallier else tally(scorer, request, memory=memory)

    left_out = collection.self_matches
    lists = work(Request(no_targets(), pool_depth=min(max(depths), shape[1]), left_out=left_out)).pool
    scores, positions = lists.scores[:, 0, : lists.depth], lists.positions[:, 0, : lists.depth]
    counted = np.minimum(depths, (scores > -np.inf).sum(axis=1)[:, None])  # a query may leave one passage out
    size = len(collection.languages)
    rows, depth, groups = np.indices((*counted.shape, size))
    places = counted[rows, depth] - 1
    last = Targets(*(each.ravel() for each in (rows, positions[rows, places], scores[rows, places], groups)))
    found = work(Request(last, collection.passages.lang_codes if size > 1 else None, size, left_out=left_out))
    above, tied = (array[:, 0].reshape(rows.shape) for array in (found.above, found.equal))
    room = counted - above.sum(axis=2)
    counts: np.ndarray = above + tied * (room / tied.sum(axis=2))[..., None]
    return counts.swapaxes(0, 1)
