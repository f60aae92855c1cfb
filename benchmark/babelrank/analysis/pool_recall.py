"""Measure recall in the pool, its ceiling, and success.

In: a rank table. Out: recall at a depth k in the pool, its ceiling, and how often a query finds at least one relevant
passage. If a query has eleven relevant passages, only one of them can be first: R@1 is at most 1/11.
"""

from dataclasses import dataclass

import numpy as np

from babelrank.analysis.measures import recall_at
from babelrank.analysis.settings import Cell, mean_or_none
from babelrank.ranking.table import RankTable

DEPTHS = (1, 10, 100)


@dataclass(frozen=True)
class PoolRecall:
    """Recall and success at one depth in the pool, by query language; None without queries.

    Attributes
    ----------
    depth
        Number of passages of each list that count: k.
    recall
        R@k: mean share of a query's relevant passages with a rank of at most k.
    ceiling
        Mean ceiling, the recall of a perfect ranking: min(k, |R|) / |R|.
    of_ceiling
        Mean of recall over ceiling, query by query: from 0 to 1 at any depth.
    success
        Success@k: share of the queries with a relevant passage of rank at most k.
    """

    depth: int
    recall: list[Cell]
    ceiling: list[Cell]
    of_ceiling: list[Cell]
    success: list[Cell]

    @property
    def macro(self) -> dict[str, float | None]:
        """Means over the query languages."""
        columns = {
            f"R@{self.depth}": self.recall,
            f"R@{self.depth}_ceiling": self.ceiling,
            f"R@{self.depth}_of_ceiling": self.of_ceiling,
            f"Success@{self.depth}": self.success,
        }
        return {name: mean_or_none(np.array(values, dtype=float)) for name, values in columns.items()}


def measure_pool_recall(ranks: RankTable) -> list[PoolRecall]:
    """Measure recall and success in the pool at each of `DEPTHS`."""
    lists, lang = ranks.pool_lists, ranks.lang_of_query

    def by_language(values: np.ndarray) -> list[Cell]:
        return [mean_or_none(values[lang == i]) for i in range(len(ranks.languages))]

    found = []
    for depth in DEPTHS:
        recall, ceiling = recall_at(lists, depth), np.minimum(depth, lists.sizes) / lists.sizes
        columns = (recall, ceiling, recall / ceiling, (recall > 0).astype(float))
        found.append(PoolRecall(depth, *map(by_language, columns)))
    return found
