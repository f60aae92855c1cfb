"""Which files make up a collection, and how they may be packed; what is not clear is refused."""

import bz2
import gzip
import json
import lzma

import pandas as pd
import pyarrow as pa
import pytest

from babelrank.data.loading import load_collection
from babelrank.data.local import load_local
from babelrank.data.passages import BLOCK
from babelrank.errors import DataError
from made_collections import write_beir, write_local

CORPUS = [{"_id": f"d{i}", "title": "", "text": f"text {i}"} for i in range(4)]


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(content)
    return sink.getvalue().to_pybytes()


PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.fixture
def folder(tmp_path):
    """Queries q0 to q3, each answered by the passage of its number."""
    path = tmp_path / "made"
    (path / "qrels").mkdir(parents=True)
    (path / "corpus.jsonl").write_bytes(lines(CORPUS))
    (path / "queries.jsonl").write_bytes(lines({"_id": f"q{i}", "text": f"text {i}"} for i in range(4)))
    rows = "".join(f"q{i}\td{i}\t1\n" for i in range(4))
    (path / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return path


def load(folder):
    return load_collection(f"beir:{folder}@en")


def ids_of(collection):
    return [name for block in collection.passages.blocks() for name in block.ids]


def divide(folder, *names, split=2):
    """Put the corpus into files of other names, in the kinds that the names say."""
    (folder / "corpus.jsonl").unlink(missing_ok=True)
    parts = [CORPUS[:split], CORPUS[split:]] if len(names) == 2 else [CORPUS]
    for name, part in zip(names, parts, strict=True):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".parquet"):
            pd.DataFrame(part).to_parquet(path)
        else:
            path.write_bytes(gzip.compress(lines(part)) if name.endswith(".gz") else lines(part))


# --- which files ---


@pytest.mark.parametrize(
    "names",
    [
        ("corpus-0.jsonl", "corpus-1.jsonl"),
        ("corpus-0.jsonl", "corpus-1.jsonl.gz"),
        ("corpus-0.jsonl.gz", "corpus-1.jsonl"),
        ("corpus/part-0.jsonl", "corpus/part-1.jsonl"),
        ("corpus-00000-of-00002.parquet", "corpus-00001-of-00002.parquet"),
        ("corpus/test-00000-of-00002.parquet", "corpus/test-00001-of-00002.parquet"),
        ("corpus/corpus-00000-of-00001.parquet",),
        ("corpus/train-00000-of-00001.parquet",),  # what datasets calls a table without splits
    ],
)
def test_files_of_one_layout_are_read_together(folder, names):
    divide(folder, *names)
    assert ids_of(load(folder)) == ["d0", "d1", "d2", "d3"]


@pytest.mark.parametrize(
    "names",
    [
        ("corpus/test-00000-of-00001.parquet", "corpus/dev-00000-of-00001.parquet"),
        ("corpus-test.jsonl", "corpus-dev.jsonl"),
        ("corpus/test.jsonl", "corpus/hard.jsonl"),
    ],
)
def test_files_of_another_split_are_left_alone(folder, names):
    divide(folder, *names, split=4)
    assert ids_of(load(folder)) == ["d0", "d1", "d2", "d3"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("corpus.jsonl", "corpus.jsonl.gz"), r"which files are the corpus\? .*corpus\.jsonl, .*corpus\.jsonl\.gz"),
        (("corpus.jsonl", "corpus-00000-of-00001.parquet"), r"which files are the corpus\?"),
        (("corpus-0.jsonl", "corpus-1.parquet"), r"which files are the corpus\?"),
        (("corpus.jsonl", "corpus/part-0.jsonl"), r"which files are the corpus\?"),
        (("corpus/dev.jsonl", "corpus/train.jsonl"), r"which files are the corpus of split test\? .*dev, train"),
    ],
)
def test_what_is_not_clear_is_refused(folder, names, message):
    divide(folder, *names)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_the_passages_of_ones_own_collection_follow_the_same_rule(tmp_path):
    folder = write_local(tmp_path / "own", 120)
    records = (folder / "passages.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "passages.jsonl").unlink()
    (folder / "passages-0.jsonl").write_text("".join(records[:60]), "utf-8")
    pd.DataFrame([json.loads(record) for record in records[60:]]).to_parquet(folder / "passages-1.parquet")
    with pytest.raises(DataError, match=r"which files are the passages\?"):
        load_local(folder)


@pytest.mark.parametrize("name", ["._corpus.jsonl", "corpus/._part-0.jsonl", "qrels/._test.tsv"])
def test_hidden_files_are_no_data(folder, name):
    if name.startswith("corpus/"):
        divide(folder, "corpus/part-0.jsonl")
    (folder / name).write_bytes(b"\0\5\x16\7")
    assert ids_of(load(folder)) == ["d0", "d1", "d2", "d3"]


@pytest.mark.parametrize("place", ["qrels", "data"])
def test_the_layout_of_mteb_is_read(folder, place):
    divide(folder, "corpus/test-00000-of-00001.parquet")
    (folder / "queries.jsonl").unlink()
    (folder / "qrels" / "test.tsv").unlink()
    pd.DataFrame(CORPUS).rename(columns={"_id": "id"}).to_parquet(folder / "corpus" / "test-00000-of-00001.parquet")
    tables = {
        "queries": {"id": [f"q{i}" for i in range(4)], "text": "?"},
        place: {"query-id": [f"q{i}" for i in range(4)], "corpus-id": [f"d{i}" for i in range(4)], "score": [1.0] * 4},
    }
    for name, table in tables.items():
        (folder / name).mkdir(exist_ok=True)
        pd.DataFrame(table).to_parquet(folder / name / "test-00000-of-00001.parquet")
    collection = load(folder)
    assert ids_of(collection) == ["d0", "d1", "d2", "d3"]
    assert collection.qrels["passage_id"].tolist() == ["d0", "d1", "d2", "d3"]


# --- packed ---


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files_are_read(folder, suffix):
    plain = load(folder)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        packed = PACKERS[suffix]((folder / name).read_bytes())
        (folder / name).unlink()
        (folder / f"{name}{suffix}").write_bytes(packed)
    assert load(folder).sha256 == plain.sha256


@pytest.mark.parametrize("packer", PACKERS.values())
def test_a_packed_file_is_told_by_its_content(folder, packer):
    plain = load(folder)
    for name in ("corpus.jsonl", "qrels/test.tsv"):
        (folder / name).write_bytes(packer((folder / name).read_bytes()))
    assert load(folder).sha256 == plain.sha256


@pytest.mark.parametrize("suffix", [".bz2", ".xz", ".zst"])
def test_a_packed_file_that_is_cut_off_is_named(folder, suffix):
    packed = PACKERS[suffix](lines(CORPUS * 500))
    (folder / "corpus.jsonl").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"corpus\.jsonl"):
        load(folder)


# --- repeats ---


def test_passages_that_are_repeated_count_once(tmp_path):
    plain = load(write_beir(tmp_path / "plain" / "made", 3 * BLOCK))
    folder = write_beir(tmp_path / "made", 3 * BLOCK)
    records = (folder / "corpus.jsonl").read_text("utf-8").splitlines(keepends=True)
    again = [records[0], *records[:BLOCK], records[3], *records[BLOCK:], *records[5:7]]
    (folder / "corpus.jsonl").write_text("".join(again), "utf-8")
    repeated = load(folder)
    assert repeated.sha256 == plain.sha256
    assert "4 passages are exact copies of another; each counts once" in repeated.notes
    assert repeated.qrels.equals(plain.qrels)
    assert ids_of(repeated) == ids_of(plain)
    assert len(repeated.passages) == len(plain.passages) == 3 * BLOCK
    assert repeated.with_passages_in_memory().passages.frame.equals(plain.with_passages_in_memory().passages.frame)
    for size in (1, 3, 1000):
        later = [block.ids for block in repeated.passages.blocks(size, 2)]
        assert later == [block.ids for block in plain.passages.blocks(size, 2)]


def test_queries_and_judgements_that_are_repeated_count_once(folder):
    plain = load(folder)
    for name in ("queries.jsonl", "qrels/test.tsv"):
        content = (folder / name).read_text()
        (folder / name).write_text(content + content.splitlines()[-1])
    repeated = load(folder)
    assert repeated.notes == (
        "1 queries are repeated; each counts once",
        "1 judgements are repeated; each counts once",
    )
    assert repeated.sha256 == plain.sha256
