"""RankTable on disk: what is written is read back, and what is not a whole rank table is refused."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from babelrank.errors import ReportError
from babelrank.ranking.table import COLUMNS, RankTable, read_ranks


@pytest.fixture
def ranks() -> RankTable:
    """Three judgements: one tied, one graded, ids that look like numbers or are not ASCII."""
    rows = [
        ("de", "007", "de", "de/0/0", 1, 1.0, 2.5),
        ("de", "007", "zh", "zh/零/1", 2, 1.5, 2.5),
        ("zh", "56beb434", "de", "1e5", 1, 3.0, 7.0),
    ]
    return RankTable(
        pd.DataFrame(rows, columns=COLUMNS).astype({"grade": "int64"}), ("de", "zh"), {"de": 3, "zh": 4}, tied=2
    )


@pytest.fixture
def path(ranks, tmp_path):
    path = tmp_path / "report" / "xquad-r.parquet"
    ranks.write(path)
    return path


def assert_same(first: RankTable, second: RankTable) -> None:
    assert_frame_equal(first.table, second.table)
    assert (first.languages, first.pool_sizes, first.tied) == (second.languages, second.pool_sizes, second.tied)


def test_a_table_is_read_as_it_was_written(ranks, path):
    assert_same(read_ranks(path), ranks)


def test_an_empty_table_is_refused(ranks, tmp_path):
    RankTable(ranks.table[:0], ("de",), {"de": 3}, tied=0).write(tmp_path / "empty.parquet")
    with pytest.raises(ReportError, match="no rank, or there is none"):
        read_ranks(tmp_path / "empty.parquet")


def test_writing_again_replaces_the_file_and_leaves_nothing_else(ranks, path):
    later = RankTable(ranks.table[:1], ranks.languages, ranks.pool_sizes, tied=1)
    later.write(path)
    assert_same(read_ranks(path), later)
    assert list(path.parent.iterdir()) == [path]


def test_the_same_table_makes_the_same_file(ranks, path, tmp_path):
    ranks.write(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()


def test_any_parquet_reader_finds_the_columns_and_no_index(ranks, path):
    frame = pd.read_parquet(path)
    assert list(frame.columns) == list(COLUMNS)
    assert frame["rank_in_pool"].tolist() == [2.5, 2.5, 7.0]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReportError, match=r"missing\.parquet: no readable rank table"):
        read_ranks(tmp_path / "missing.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b'{"schema_version": 1}', b"\x00" * 1000])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    path = tmp_path / "ranks.parquet"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=r"ranks\.parquet: no readable rank table"):
        read_ranks(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ReportError, match="rank table"):
        read_ranks(tmp_path)


def test_a_file_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        with pytest.raises(ReportError, match=r"xquad-r\.parquet"):
            read_ranks(path)


@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_a_changed_byte_among_the_rows_is_refused_unless_it_changes_none(ranks, path, flip):
    # Bytes that no reader needs, such as statistics, may change; a rank or an id may not, unnoticed.
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    refused = 0
    for place in range(0, len(whole) - footer, 5):
        damaged = bytearray(whole)
        damaged[place] ^= flip
        path.write_bytes(damaged)
        try:
            read = read_ranks(path)
        except ReportError:
            refused += 1
        else:
            assert_frame_equal(read.table, ranks.table)
    assert refused > (len(whole) - footer) / 5 / 2


def test_another_parquet_file_is_refused(tmp_path):
    pd.DataFrame({"query": ["a"], "rank": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ReportError, match=r"other\.parquet: not a rank table of format 1"):
        read_ranks(tmp_path / "other.parquet")


def test_the_right_columns_without_the_metadata_are_refused(ranks, tmp_path):
    ranks.table.to_parquet(tmp_path / "bare.parquet")
    with pytest.raises(ReportError, match="not a rank table of format 1"):
        read_ranks(tmp_path / "bare.parquet")


@pytest.mark.parametrize("metadata", [{"format": 2}, {"format": "1"}, {}])
def test_another_format_is_refused(path, metadata):
    table = pq.read_table(path).replace_schema_metadata({b"babelrank": json.dumps(metadata)})
    pq.write_table(table, path)
    with pytest.raises(ReportError, match="not a rank table of format 1"):
        read_ranks(path)


@pytest.mark.parametrize(
    "metadata", [b"{", b"[1]", b"\xff", b'{"format": 1}', b'{"format": 1, "languages": 1, "pool_sizes": {}, "tied": 0}']
)
def test_damaged_metadata_is_refused(path, metadata):
    table = pq.read_table(path).replace_schema_metadata({b"babelrank": metadata})
    pq.write_table(table, path)
    with pytest.raises(ReportError, match="no readable rank table"):
        read_ranks(path)


@pytest.mark.parametrize("change", ["drop", "add", "reorder"])
def test_other_columns_are_refused(path, change):
    table = pq.read_table(path)
    changed = {
        "drop": table.drop_columns(["grade"]),
        "add": table.append_column("score", pa.array([0.1, 0.2, 0.3])),
        "reorder": table.select(list(reversed(COLUMNS))),
    }[change]
    pq.write_table(changed, path)
    with pytest.raises(ReportError, match="not a rank table of format 1"):
        read_ranks(path)
