"""Streams of passages: the same in any block size and from any block, from any kind of file; and what stops them."""

import gzip
import json
import pickle
import tracemalloc

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelrank.data.folders import LocalFile, LocalFolder
from babelrank.data.passages import PassageLayout, PassageSource
from babelrank.data.records import count_records, read_records
from babelrank.data.survey import survey
from babelrank.errors import DataError

BEIR = PassageLayout(("_id",), "en")
OWN = PassageLayout(("id",))
RECORDS = [
    {"_id": "a", "title": "Ann", "text": "Ann ran."},
    {"_id": "b", "text": "Bob sat.", "metadata": {"x": [1]}},
    {"_id": 3, "title": "", "text": " Cy\u2028lay. "},
    {"_id": "d", "title": "Only a title", "text": ""},
    {"_id": "e", "title": None, "text": None},
]
TEXTS = ["Ann Ann ran.", "Bob sat.", "Cy\u2028lay.", "Only a title", ""]


def write_lines(path, records, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(record, ensure_ascii=False) + end for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def source_of(*paths, layout=BEIR):
    return PassageSource(tuple(map(LocalFile, paths)), layout)


def contents(blocks):
    """Return the stream's passages, whatever the blocks; blocks must follow one another."""
    found = {}
    for block in blocks:
        assert len(block.ids) == len(block.langs) == len(block.texts) == len(block) > 0
        found.update(enumerate(zip(block.ids, block.langs, block.texts, strict=True), start=block.start))
    assert list(found) == list(range(min(found, default=0), min(found, default=0) + len(found)))
    return list(found.values())


# --- what a passage is ---


def test_title_and_text_are_joined_by_a_space_as_beir_does(tmp_path):
    (block,) = source_of(write_lines(tmp_path / "corpus.jsonl", RECORDS)).blocks()
    assert block.texts == TEXTS


def test_numeric_ids_become_strings_and_languages_are_those_of_the_layout(tmp_path):
    (block,) = source_of(write_lines(tmp_path / "corpus.jsonl", RECORDS)).blocks()
    assert block.ids == ["a", "b", "3", "d", "e"]
    assert block.langs == ["en"] * 5


def test_records_may_say_their_own_language(tmp_path):
    path = write_lines(
        tmp_path / "p.jsonl", [{"id": 1, "lang": "de", "text": "x"}, {"id": 2, "lang": "el", "text": "y"}]
    )
    (block,) = source_of(path, layout=OWN).blocks()
    assert block.langs == ["de", "el"]


# --- round trip ---

texts = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=60)
@given(
    shards=st.lists(st.lists(st.tuples(st.none() | texts, texts), max_size=6), min_size=1, max_size=4),
    suffix=st.sampled_from([".jsonl", ".jsonl.gz", ".parquet"]),
    size=st.integers(1, 8),
    first=st.integers(0, 9),
)
def test_any_block_size_and_any_restart_give_the_same_passages(tmp_path_factory, shards, suffix, size, first):
    folder = tmp_path_factory.mktemp("shards")
    expected, paths = [], []
    for number, shard in enumerate(shards):
        records = [{"_id": f"{number}-{i}", "title": title, "text": text} for i, (title, text) in enumerate(shard)]
        path = folder / f"docs-{number}{suffix}"
        if suffix == ".parquet":
            pd.DataFrame(records, columns=["_id", "title", "text"]).to_parquet(path, row_group_size=2)
        else:
            write_lines(path, records)
        paths.append(path)
        expected += [(r["_id"], "en", f"{r['title'] or ''} {r['text']}".strip()) for r in records]
    source = source_of(*paths)
    counted = source.counted()
    assert counted.counts == tuple(map(len, shards))
    assert source.count() == counted.count() == len(expected)
    for each in (source, counted):
        blocks = list(each.blocks(size))
        assert [len(block) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
        assert contents(blocks) == expected
        assert list(each.blocks(size, first)) == blocks[first:]


def test_a_restart_reads_only_the_files_that_it_needs(tmp_path):
    paths = [write_lines(tmp_path / f"docs-{i}.jsonl", RECORDS[i : i + 2]) for i in (0, 2)]
    source = source_of(*paths).counted()
    paths[0].unlink()
    assert contents(source.blocks(2, first=1)) == [("3", "en", TEXTS[2]), ("d", "en", TEXTS[3])]


def test_shards_follow_one_another_by_number(tmp_path):
    for i in (0, 2, 10):
        write_lines(tmp_path / f"docs-{i}.jsonl.gz", [{"_id": i, "text": "x"}])
    source = PassageSource(LocalFolder(tmp_path).match("docs-*.jsonl.gz"), BEIR)
    assert [name for block in source.blocks() for name in block.ids] == ["0", "2", "10"]


def test_a_source_can_be_sent_to_another_process(tmp_path):
    source = source_of(write_lines(tmp_path / "corpus.jsonl", RECORDS))
    assert contents(pickle.loads(pickle.dumps(source)).blocks(2)) == contents(source.blocks(3))


@pytest.mark.parametrize("end", ["\r\n", "\n\n", " \n \n"])
def test_byte_order_marks_windows_line_ends_and_blank_lines_do_not_matter(tmp_path, end):
    path = write_lines(tmp_path / "corpus.jsonl", RECORDS, end)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    source = source_of(path)
    assert source.count() == 5
    assert contents(source.blocks(2, first=1)) == contents(source.blocks())[2:]
    assert [text for _, _, text in contents(source.blocks())] == TEXTS


def test_escaped_characters_beyond_the_basic_plane_are_whole(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "a", "text": "\\ud83d\\ude00"}\n')
    assert contents(source_of(path).blocks()) == [("a", "en", "😀")]


@pytest.mark.parametrize(
    "read", [lambda source: sum(map(len, source.blocks(100))), lambda source: survey(source).count]
)
def test_memory_does_not_grow_with_the_passages(tmp_path, read):
    path = write_lines(tmp_path / "corpus.jsonl", ({"_id": i, "text": "x" * 1000} for i in range(12_000)))
    tracemalloc.start()
    try:
        assert read(source_of(path)) == 12_000
        assert tracemalloc.get_traced_memory()[1] < 6 << 20  # of 12 MB of text; the file's buffer is one of these
    finally:
        tracemalloc.stop()


# --- survey ---


def test_a_survey_counts_and_finds_what_is_wanted(tmp_path):
    own = [
        {"id": i, "lang": lang, "text": text} for i, (lang, text) in enumerate([("th", "x"), ("de", ""), ("th", "z")])
    ]
    seen = []
    found = survey(
        source_of(write_lines(tmp_path / "p.jsonl", own), layout=OWN), {"2", "1", "9"}, on_progress=seen.append
    )
    assert (found.count, found.pool_sizes, found.without_text) == (3, {"de": 1, "th": 2}, 1)
    assert found.found == {"1": (1, "de"), "2": (2, "th")}
    assert (found.counts, seen) == ((3,), [3])


def test_the_digest_is_that_of_the_passages_and_not_of_the_files(tmp_path):
    def digest(*paths):
        return survey(source_of(*paths)).sha256

    whole = write_lines(tmp_path / "corpus.jsonl", RECORDS)
    parts = [write_lines(tmp_path / f"docs-{i}.jsonl.gz", RECORDS[i : i + 3]) for i in (0, 3)]
    changed = write_lines(tmp_path / "changed.jsonl", [*RECORDS[:4], RECORDS[4] | {"text": "!"}])
    assert digest(whole) == digest(*parts)
    assert len({digest(whole), digest(changed), digest(*parts[::-1])}) == 3


def test_a_repeated_id_is_an_error_that_names_both_lines(tmp_path):
    first = write_lines(tmp_path / "docs-0.jsonl", RECORDS)
    second = write_lines(tmp_path / "docs-1.jsonl.gz", [{"_id": "z", "text": "z"}, {"_id": "3", "text": "again"}])
    with pytest.raises(DataError) as caught:
        survey(source_of(first, second))
    assert str(caught.value) == (
        f"passage ids are used for different passages (1 times in all): '3' at {first}:3 and {second}:2."
    )


def test_equal_hashes_of_different_ids_are_no_repetition(tmp_path, monkeypatch):
    monkeypatch.setattr("babelrank.data.passages.hash", lambda _: 7, raising=False)
    assert survey(source_of(write_lines(tmp_path / "corpus.jsonl", RECORDS))).count == 5


@pytest.mark.parametrize(("records", "complaint"), [([], "holds no passages"), (RECORDS[4:], "no passage has a text")])
def test_nothing_to_search_is_an_error(tmp_path, records, complaint):
    path = write_lines(tmp_path / "corpus.jsonl", records)
    with pytest.raises(DataError, match=f"corpus.jsonl: {complaint}"):
        survey(source_of(path))


# --- damage ---


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"_id": "x", "text": ', "not a line of JSON"),
        ('{"_id": "x", "text": "y"} {}', "more follows after column 25"),
        ('{"text": "y"}', "no field '_id'"),
        ('{"_id": "x", "contents": "y"}', "no field 'text'"),
        ('{"_id": "x", "text": 5}', "int"),
        ('{"_id": "x", "title": ["y"], "text": "z"}', "list"),
        ('{"_id": 1.5, "text": "y"}', "an id must be a str or an int, got 1.5"),
        ('{"_id": true, "text": "y"}', "got True"),
        ('{"_id": " ", "text": "y"}', "empty id"),
        ('["x", "y"]', "a list; expected"),
        ('{"_id": "x", "text": "\\ud83d"}', "not valid Unicode"),
    ],
)
def test_a_line_that_is_no_passage_is_named(tmp_path, line, complaint):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "a", "text": "b"}\n\n' + line + "\n")
    with pytest.raises(DataError) as caught:
        list(source_of(path).blocks())
    assert str(caught.value).startswith(f"{path}:3: ")
    assert complaint in str(caught.value)


def test_the_line_is_right_after_a_restart_too(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "a", "text": "b"}\n\n{"_id": "c", "text": "d"}\n{\n')
    with pytest.raises(DataError, match=r"corpus\.jsonl:4: not a line of JSON"):
        list(source_of(path).blocks(1, first=1))


def test_what_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b'{"_id": "a", "text": "b"}\n{"_id": "c", "text": "\xff"}\n')
    with pytest.raises(DataError, match=r"corpus\.jsonl:2: not valid Unicode"):
        list(source_of(path).blocks())


@pytest.mark.parametrize("language", ["", "D", 5, None, "de,en", "zh:Hans"])
def test_a_language_that_is_none_is_named(tmp_path, language):
    path = write_lines(tmp_path / "p.jsonl", [{"id": "x", "lang": language, "text": "y"}])
    with pytest.raises(DataError, match=r"p\.jsonl:1: .* is not a language code"):
        list(source_of(path, layout=OWN).blocks())


def test_a_truncated_gzip_says_how_far_it_is_whole(tmp_path):
    lines = [json.dumps({"_id": i, "text": f"{i * 7919 % 10007} {i * i}"}) + "\n" for i in range(3000)]
    whole = gzip.compress("".join(lines[:2000]).encode()) + gzip.compress("".join(lines[2000:]).encode())
    path = tmp_path / "docs-0.jsonl.gz"
    path.write_bytes(whole[: len(whole) - 2000])
    read = []
    with pytest.raises(DataError) as caught:
        read.extend(name for block in source_of(path).blocks(1) for name in block.ids)
    message = str(caught.value)
    assert message.startswith(f"{path}: cut off; it is intact up to line ")
    line = int(message.split("line ")[1].split(".")[0].replace(",", ""))
    assert 2000 < line < 3000
    with pytest.raises(DataError, match="cut off"):
        count_records(path)
    path.write_bytes(gzip.compress("".join(lines[:line]).encode()))
    assert source_of(path).count() == line


def test_a_damaged_gzip_is_an_error(tmp_path):
    path = write_lines(tmp_path / "docs-0.jsonl.gz", RECORDS)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the checksum
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"docs-0\.jsonl\.gz: damaged"):
        list(source_of(path).blocks())


def test_what_is_no_gzip_no_parquet_or_not_there_is_an_error(tmp_path):
    packed = tmp_path / "docs-0.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}\n")[:5] + b"no gzip")
    parquet = tmp_path / "corpus.parquet"
    parquet.write_text("{}\n")
    for path, complaint in (
        (packed, "(damaged|cut off)"),
        (parquet, "not readable as Parquet"),
        (tmp_path / "none.jsonl", "cannot be read"),
    ):
        with pytest.raises(DataError, match=f"{path.name}: {complaint}"):
            list(source_of(path).blocks())


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04", "a ZIP archive or a spreadsheet"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ('{"_id": "a"}'.encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_are_mistaken_for_the_data_are_named(tmp_path, start, what):
    (tmp_path / "corpus.jsonl").write_bytes(start)
    with pytest.raises(DataError, match=rf"corpus\.jsonl: {what}"):
        list(read_records(tmp_path / "corpus.jsonl"))


def test_a_column_that_parquet_has_twice_is_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, ["_id", "text", "text"])
    pq.write_table(table, tmp_path / "corpus.parquet")
    with pytest.raises(DataError, match=r"corpus\.parquet: two columns are called 'text'"):
        list(read_records(tmp_path / "corpus.parquet", columns=("_id", "text")))


def test_an_id_with_white_space_is_found_among_ids_with_null_characters(tmp_path):
    ids = ["a\0b\0c", "x y"]
    path = write_lines(tmp_path / "corpus.jsonl", [{"_id": name, "text": "x"} for name in ids])
    assert survey(source_of(path)).spaced_id == "x y"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("reader", [lambda path: list(read_records(path)), count_records])
def test_a_line_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, packed, reader):
    monkeypatch.setattr("babelrank.data.records._LONGEST", 2**20)
    content = b'{"_id": "a", "text": "x"}\n{"_id": "b", "text": "' + b"y" * 2**26 + b'"}\n'
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"corpus\.jsonl:2: longer than 1 MiB; a record must be shorter"):
            reader(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
