"""Join the rank table with the table of top passages, and find what ranks above each answer, by kind.

Both tables get one numbering; answers and passages are then rows, and questions about them are array operations.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from babelrank.data.pool import code_languages
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import COLUMNS, TopTable

KINDS = ("relevant", "query_language", "answer_language", "third_language")
PLACES = ("same_paragraph", "same_article", "elsewhere")
_RELEVANT, _QUERY_LANGUAGE, _ANSWER_LANGUAGE, _THIRD_LANGUAGE = range(len(KINDS))
_SAME_PARAGRAPH, _SAME_ARTICLE, _ELSEWHERE = range(len(PLACES))

# How passage ids name the paragraph and the article: LAReQA's `lang/article/paragraph/sentence`, and MIRACL's
# `article#passage`, where a passage is a paragraph.
_UNITS = (r"^(?P<paragraph>(?P<article>[^/]+/\d+)/\d+)/\d+$", r"^(?P<paragraph>(?P<article>.+)#\d+)$")

# Share of the answers with ranks that may differ between the tables: nearly tied scores change their order if products
# are added in another order.
_ROUNDED = 0.01


@dataclass(frozen=True)
class JoinedTables:
    """The rank table and, below it, the table of top passages, under one numbering of queries and passages.

    Attributes
    ----------
    split
        The first `split` rows are answers, the others top passages.
    query, query_lang, passage, passage_lang
        int64, shape (rows,): positions in `query_ids`, `languages`, `passage_ids` and `languages`.
    in_language, in_pool
        float64, shape (rows,): ranks; NaN where a top passage is not listed.
    relevant
        bool, shape (rows,).
    places
        int64, shape (rows,): positions in `PLACES`; None if passage ids do not name paragraphs and articles.
    language_lists, pool_lists
        int64, shapes (queries · languages, depth) and (queries, depth): rows of top passages, best first, −1 for none.
    """

    languages: tuple[str, ...]
    query_ids: np.ndarray
    passage_ids: np.ndarray
    split: int
    query: np.ndarray
    query_lang: np.ndarray
    passage: np.ndarray
    passage_lang: np.ndarray
    in_language: np.ndarray
    in_pool: np.ndarray
    relevant: np.ndarray
    places: np.ndarray | None
    language_lists: np.ndarray
    pool_lists: np.ndarray


def paragraphs_and_articles(passage_ids: pd.Series) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a number for each passage's paragraph and one for its article; None if the ids do not name them."""
    for pattern in _UNITS:
        units = passage_ids.astype("str").str.extract(pattern)
        if units["paragraph"].notna().all():
            return units["paragraph"].factorize()[0].astype(np.int64), units["article"].factorize()[0].astype(np.int64)
    return None


def join_tables(ranks: RankTable, top: TopTable) -> JoinedTables:
    """Put both tables under one numbering of queries and passages.

    Raises
    ------
    ReportError
        The tables belong to different collections or encoders.
    """
    if (ranks.languages, ranks.pool_sizes) != (top.languages, top.pool_sizes):
        raise ReportError("the rank table and the table of top passages are of different collections.")
    size, split = len(ranks.languages), len(ranks.table)
    table = pd.concat([ranks.table[list(COLUMNS)], top.table[list(COLUMNS)]], ignore_index=True)
    query_lang, passage_lang = (
        code_languages(table[column], ranks.languages) for column in ("query_lang", "passage_lang")
    )
    passage, passage_ids = table["passage_id"].factorize()
    keys = query_lang * len(table) + table["query_id"].factorize()[0]
    _, first, query = np.unique(keys, return_index=True, return_inverse=True)
    in_language, in_pool = (table[name].to_numpy(np.float64) for name in ("rank_in_language", "rank_in_pool"))
    relevant = _holds_answer(query, passage, split)
    _require_one_encoder(query, passage, in_pool, split)
    units = paragraphs_and_articles(pd.Series(passage_ids))
    places = None
    if units is not None:
        in_paragraph, in_article = (_holds_answer(query, unit[passage], split) for unit in units)
        places = np.select([in_paragraph, in_article], [_SAME_PARAGRAPH, _SAME_ARTICLE], _ELSEWHERE)
    lists = query * size + passage_lang
    return JoinedTables(
        ranks.languages,
        table["query_id"].to_numpy(dtype=object)[first],
        np.asarray(passage_ids, dtype=object),
        split,
        query,
        query_lang,
        passage,
        passage_lang,
        in_language,
        in_pool,
        relevant,
        places,
        _make_lists(lists, in_language, split, len(first) * size, top.language_depth),
        _make_lists(query, in_pool, split, len(first), top.pool_depth),
    )


def positions_in_groups(groups: np.ndarray) -> np.ndarray:
    """Return 0, 1, … for the members of each group; `groups` is sorted."""
    _, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    positions: np.ndarray = np.arange(len(groups)) - np.repeat(starts, sizes)
    return positions


def best_rows(groups: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return, for each group, the row with the lowest rank."""
    order = np.lexsort((rank, groups))
    return order[np.unique(groups[order], return_index=True)[1]]


def find_outranking(lists: np.ndarray, rank: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the listed rows that outrank the answers `rows`: int64, shape (answers, depth), −1 after the last."""
    listed = np.where(lists >= 0, rank[lists], np.inf)
    return np.where(listed < rank[rows][:, None], lists, -1)


def find_kinds(tables: JoinedTables, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return positions in `KINDS` of what outranks the answers `rows`; undefined where `above` is −1."""
    lang = tables.passage_lang[above]
    return np.select(
        [
            tables.relevant[above],
            lang == tables.query_lang[rows][:, None],
            lang == tables.passage_lang[rows][:, None],
        ],
        [_RELEVANT, _QUERY_LANGUAGE, _ANSWER_LANGUAGE],
        _THIRD_LANGUAGE,
    )


def _holds_answer(query: np.ndarray, unit: np.ndarray, split: int) -> np.ndarray:
    """Return for each row whether the query has an answer in the same unit (passage, paragraph or article)."""
    keys = query * (unit.max(initial=0) + 1) + unit
    held: np.ndarray = pd.Series(keys).isin(keys[:split]).to_numpy()  # hashes; NumPy sorts, ten times slower
    return held


def _require_one_encoder(query: np.ndarray, passage: np.ndarray, in_pool: np.ndarray, split: int) -> None:
    """Check that both tables have the same pool ranks for the answers that both contain."""
    if not np.isin(query[:split], query[split:]).all():
        raise ReportError("the table of top passages lacks queries of the rank table: they do not belong together.")
    _, pair = np.unique(query * (passage.max(initial=0) + 1) + passage, return_inverse=True)
    rank = np.full(len(pair), np.nan)
    rank[pair[:split]] = in_pool[:split]
    differences = in_pool[split:] - rank[pair[split:]]
    differences = differences[~np.isnan(differences)]
    if np.count_nonzero(differences) > _ROUNDED * len(differences):
        raise ReportError("the rank table and the table of top passages give other ranks: they are of two encoders.")


def _make_lists(lists: np.ndarray, rank: np.ndarray, split: int, count: int, depth: int) -> np.ndarray:
    """Return the listed rows from `split` on, by list and rank: int64, shape (count, depth), −1 for none."""
    rows = split + np.flatnonzero(~np.isnan(rank[split:]))
    rows = rows[np.lexsort((rank[rows], lists[rows]))]
    made = np.full((count, depth), -1, dtype=np.int64)
    made[lists[rows], positions_in_groups(lists[rows])] = rows
    return made
