"""Hand-made rank tables: a few queries with the ranks of their relevant passages."""

import pandas as pd

from babelrank.ranking.table import COLUMNS, RankTable


def pool_ranks(queries, pool) -> RankTable:
    """Make a table from (query language, query id) -> (passage language, rank in the pool) of its relevant passages.

    `pool` is the number of passages in each language.
    """
    rows = [
        (query_lang, query_id, passage_lang, f"{passage_lang}/{query_id}/{i}", 1, 1.0, float(rank))
        for (query_lang, query_id), relevant in queries.items()
        for i, (passage_lang, rank) in enumerate(relevant)
    ]
    return RankTable(pd.DataFrame(rows, columns=COLUMNS), tuple(pool), pool, tied=0)
