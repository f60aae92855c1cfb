"""rank(): the best passages of the pool and of each language with their mid-ranks; and the table on disk."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy.stats import rankdata

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.errors import ReportError, SearchError
from babelrank.ranking.rank import rank
from babelrank.ranking.top_table import COLUMNS, TopTable, read_top
from made_collections import collection_of_tables


def collection_of(passage_langs: str, queries: int = 1) -> Collection:
    """One-letter languages, as in ``aab``; all queries in the first; the first passage is relevant to all."""
    languages = tuple(sorted(set(passage_langs)))
    size = len(passage_langs)
    return collection_of_tables(
        name="made-up",
        languages=languages,
        queries=pd.DataFrame({"lang": languages[0], "id": [f"q{i}" for i in range(queries)], "text": "?"}),
        passages=pd.DataFrame({"lang": list(passage_langs), "id": [f"p{i}" for i in range(size)], "text": "."}),
        qrels=pd.DataFrame({"query": range(queries), "passage": 0, "grade": 1}),
        candidates="sentence",
        sha256="0" * 64,
    )


def represent(queries, passages, **others) -> Representations:
    return Representations(np.float32(queries), np.float32(passages), Similarity.DOT, {}, {}, **others)


def listed(top: TopTable, column: str) -> dict[str, float]:
    """Return passage -> rank of what is in a list of the only query."""
    return top.table.set_index("passage_id")[column].dropna().to_dict()


def test_the_best_of_the_pool_and_of_each_language_are_kept():
    representations = represent([[1]], [[5], [4], [9], [8], [1]])
    top = rank(collection_of("aabbc"), representations, pool_depth=2, language_depth=1).top
    assert listed(top, "rank_in_pool") == {"p2": 1, "p3": 2}
    assert listed(top, "rank_in_language") == {"p0": 1, "p2": 1, "p4": 1}
    assert top.table["passage_lang"].tolist() == ["a", "b", "b", "c"]
    assert list(top.table.columns) == list(COLUMNS)


def test_equal_scores_share_the_mean_of_their_ranks_also_with_those_that_are_cut_off():
    top = rank(collection_of("aaaa"), represent([[1]], [[3], [3], [7], [3]]), pool_depth=2, language_depth=4).top
    assert listed(top, "rank_in_pool") == {"p2": 1, "p0": 3}  # p0, p1 and p3 are second to fourth
    assert listed(top, "rank_in_language") == {"p0": 3, "p1": 3, "p2": 1, "p3": 3}


def test_fewer_passages_than_asked_for_are_all_kept():
    top = rank(collection_of("ab"), represent([[1]], [[1], [2]]), pool_depth=10, language_depth=10).top
    assert listed(top, "rank_in_pool") == {"p0": 2, "p1": 1}
    assert (top.pool_depth, top.language_depth, top.pool_sizes) == (10, 10, {"a": 1, "b": 1})


def test_passages_that_weigh_differently_in_their_language_are_listed_there_by_those_weights():
    weighed = np.float32([[1], [2], [3]])
    representations = represent([[1]], [[3], [2], [1]], passages_in_language=weighed)
    ranking = rank(collection_of("aaa"), representations, pool_depth=1, language_depth=1)
    ranks, top = ranking.ranks, ranking.top
    assert ranks.table[["rank_in_pool", "rank_in_language"]].to_numpy().tolist() == [[1, 3]]
    assert listed(top, "rank_in_pool") == {"p0": 1}
    assert listed(top, "rank_in_language") == {"p2": 1}


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), pool_depth=st.integers(1, 30), language_depth=st.integers(1, 12))
def test_lists_and_ranks_agree_with_scipy(seed, pool_depth, language_depth):
    rng = np.random.default_rng(seed)
    queries, passages = rng.integers(-2, 3, size=(5, 3)), rng.integers(-2, 3, size=(24, 3))
    collection = collection_of("a" * 11 + "b" * 5 + "c" * 8, queries=5)
    top = rank(
        collection, represent(queries, passages), pool_depth=pool_depth, language_depth=language_depth, threads=1
    ).top
    scores = queries @ passages.T
    expected = {}
    for column, depth, parts in (
        ("rank_in_pool", pool_depth, [(0, 24)]),
        ("rank_in_language", language_depth, [(0, 11), (11, 16), (16, 24)]),
    ):
        for start, stop in parts:
            part = -scores[:, start:stop]
            order = np.argsort(part, axis=1, kind="stable")[:, :depth]
            ranks = rankdata(part, axis=1)
            for query, positions in enumerate(order):
                for position in positions:
                    expected[column, f"q{query}", f"p{start + position}"] = ranks[query, position]
    found = {
        (column, row.query_id, row.passage_id): getattr(row, column)
        for row in top.table.itertuples()
        for column in ("rank_in_pool", "rank_in_language")
        if not np.isnan(getattr(row, column))
    }
    assert found == expected


def test_ranks_are_those_of_the_rank_table():
    rng = np.random.default_rng(3)
    collection = collection_of("aaabbb", queries=40)
    representations = represent(rng.normal(size=(40, 8)), rng.normal(size=(6, 8)))
    ranking = rank(collection, representations, pool_depth=6, language_depth=3)
    ranks, top = ranking.ranks, ranking.top
    merged = ranks.table.drop(columns="grade").merge(top.table, on=["query_id", "passage_id"])
    assert len(merged) == 40
    for column in ("rank_in_language", "rank_in_pool"):
        assert merged[f"{column}_x"].tolist() == merged[f"{column}_y"].tolist()


def test_vectors_of_another_collection_and_depths_below_1_are_refused():
    with pytest.raises(SearchError, match=r"\(1, 2\) \(query, passage\) vectors, but made-up has \(1, 3\)"):
        rank(collection_of("aab"), represent([[1]], [[1], [2]]))
    with pytest.raises(SearchError, match="at least 1"):
        rank(collection_of("a"), represent([[1]], [[1]]), pool_depth=0)


@pytest.fixture
def top() -> TopTable:
    rows = [
        ("de", "007", "de", "de/0/0", 1.5, np.nan),
        ("de", "007", "zh", "zh/零/1", np.nan, 2.0),
        ("zh", "56beb434", "de", "1e5", 1.0, 1.0),
    ]
    return TopTable(pd.DataFrame(rows, columns=COLUMNS), ("de", "zh"), {"de": 3, "zh": 4}, 10, 1)


@pytest.fixture
def path(top, tmp_path):
    path = tmp_path / "report" / "xquad-r.top.parquet"
    top.write(path)
    return path


def assert_same(first: TopTable, second: TopTable) -> None:
    assert_frame_equal(first.table, second.table)
    assert (first.languages, first.pool_sizes) == (second.languages, second.pool_sizes)
    assert (first.pool_depth, first.language_depth) == (second.pool_depth, second.language_depth)


def test_a_table_is_read_as_it_was_written(top, path):
    assert_same(read_top(path), top)
    assert list(path.parent.iterdir()) == [path]


def test_what_is_not_listed_is_null_for_any_reader(path):
    assert pq.read_table(path)["rank_in_pool"].to_pylist() == [None, 2.0, 1.0]


def test_a_table_without_any_listed_rank_in_a_column_keeps_its_type(top, tmp_path):
    bare = TopTable(top.table.assign(rank_in_pool=np.nan), top.languages, top.pool_sizes, 1, 1)
    bare.write(tmp_path / "bare.parquet")
    assert_same(read_top(tmp_path / "bare.parquet"), bare)


def test_the_same_table_makes_the_same_file(top, path, tmp_path):
    top.write(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReportError, match=r"missing\.parquet: no readable table of top passages"):
        read_top(tmp_path / "missing.parquet")


def test_a_file_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ReportError, match=r"xquad-r\.top\.parquet"):
            read_top(path)


def test_a_changed_byte_among_the_rows_changes_no_row_unnoticed(top, path):
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    refused = 0
    for place in range(0, len(whole) - footer, 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read = read_top(path)
        except ReportError:
            refused += 1
        else:
            assert_frame_equal(read.table, top.table)
    assert refused


def test_a_rank_table_is_no_table_of_top_passages(tmp_path, ranks_of):
    ranks_of([("de", "q", "de", "p", 1, 1.0, 1.0)]).write(tmp_path / "ranks.parquet")
    with pytest.raises(ReportError, match="not a table of top passages of format 1"):
        read_top(tmp_path / "ranks.parquet")


@pytest.mark.parametrize("metadata", [b"{", b"[1]", b'{"format": 2}', b'{"format": 1, "languages": ["de"]}'])
def test_damaged_or_other_metadata_is_refused(path, metadata):
    table = pq.read_table(path).replace_schema_metadata({b"babelrank-top": metadata})
    pq.write_table(table, path)
    with pytest.raises(ReportError, match=r"xquad-r\.top\.parquet"):
        read_top(path)


def test_the_metadata_says_how_deep_the_lists_are(path):
    metadata = json.loads(pq.read_schema(path).metadata[b"babelrank-top"])
    assert metadata == {
        "format": 1,
        "languages": ["de", "zh"],
        "pool_sizes": {"de": 3, "zh": 4},
        "pool_depth": 10,
        "language_depth": 1,
    }
