"""Adapter embeddings: texts out by export, vectors in by their ids, and every way in which the two may not fit."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

import babelrank
from babelrank.data.export import SIDES, export_texts, read_texts
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.errors import DataError, EncoderError


def write_npy(folder, side, ids, vectors):
    np.save(folder / f"{side}.npy", vectors)
    (folder / f"{side}.ids.txt").write_text("".join(f"{name}\n" for name in ids), encoding="utf-8")


def write_safetensors(folder, side, ids, vectors):
    save_file({"vectors": np.ascontiguousarray(vectors)}, folder / f"{side}.safetensors")
    (folder / f"{side}.ids.txt").write_text("\n".join(ids), encoding="utf-8")


def write_parquet(folder, side, ids, vectors):
    pq.write_table(pa.table({"id": ids, "vector": list(vectors)}), folder / f"{side}.parquet")


WRITERS = [write_npy, write_safetensors, write_parquet]


def load(folder):
    return load_encoder(str(folder), adapter="embeddings")


@pytest.fixture(scope="module")
def sample():
    return babelrank.load_collection("sample")


@pytest.fixture
def tiny(collection_of, tmp_path):
    """A folder with two queries and three passages, the first and the last of one text, and good vectors."""
    folder = tmp_path / "my-model"
    export_texts(collection_of(["q zero", "q one"], ["same", "other", "same"]), folder)
    write_npy(folder, "queries", ["en:q0", "en:q1"], np.float32([[1, 0], [0, 1]]))
    write_npy(folder, "passages", ["en:p0", "en:p1", "en:p2"], np.float32([[1, 2], [3, 4], [1, 2]]))
    return folder


class TestExport:
    def test_writes_every_text_with_its_language_in_order(self, sample, tmp_path):
        paths = export_texts(sample, tmp_path / "out")
        assert [path.name for path in paths] == ["queries.jsonl", "passages.jsonl"]
        for path, table in zip(paths, (sample.queries, sample.passages.frame), strict=True):
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            assert [line["text"] for line in lines] == list(table["text"])
            assert [line["lang"] for line in lines] == list(table["lang"])
            assert [line["id"] for line in lines] == [f"{row.lang}:{row.id}" for row in table.itertuples()]

    def test_texts_come_back_whatever_they_hold(self, collection_of, tmp_path):
        texts = ["a\nb", "a\u2028b\x85c\x0bd", '"\\', "", "蜜蜂", "\0"]
        export_texts(collection_of(["q"], texts), tmp_path)
        assert list(read_texts(tmp_path / "passages.jsonl").values()) == texts

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", r"passages\.jsonl:1: expected"),
            ('{"id": "a", "text": "x"}\n{"id": "b"}\n', r"passages\.jsonl:2: expected"),
            ('{"id": "a", "text": "x"}\n[1]\n', r"passages\.jsonl:2: expected"),
            ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', r"passages\.jsonl:2: id 'a' is repeated"),
        ],
    )
    def test_damage_is_found_by_its_line(self, tmp_path, content, message):
        path = tmp_path / "passages.jsonl"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_texts(path)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_round_trip_gives_the_ranks_of_the_encoder_itself(sample, fake_encoder, tmp_path, write, dtype):
    source = fake_encoder(8)
    folder = tmp_path / "elsewhere"
    for path in export_texts(sample, folder):
        texts = read_texts(path)
        encode = source.encode_query if path.stem == "queries" else source.encode_document
        ids = list(reversed(texts))  # any order does
        write(folder, path.stem, ids, encode([texts[name] for name in ids]).astype(dtype))

    encoder = load_encoder(str(folder))
    theirs = babelrank.encode(encoder, sample, store=tmp_path / "store")

    assert encoder.info.name == "elsewhere"
    assert encoder.info.dimension == 8
    for row, text in enumerate(sample.queries["text"]):
        assert_array_equal(theirs.queries[row], source.vector("query", text).astype(dtype).astype(np.float32))
    if dtype != np.float16:
        ours = babelrank.encode(source, sample, store=tmp_path / "store")
        pd_ours, pd_theirs = (babelrank.rank(sample, vectors).ranks.table for vectors in (ours, theirs))
        assert pd_ours.equals(pd_theirs)


def test_one_model_may_hold_several_collections(collection_of, tmp_path):
    model = tmp_path / "model"
    for name, text in (("first", "one"), ("second", "two")):
        export_texts(collection_of([f"q {text}"], [text]), model / name)
        for side in SIDES:
            ids = list(read_texts(model / name / f"{side}.jsonl"))
            write_npy(model / name, side, ids, np.float32([[len(name), len(side)]]))

    encoder = load(model)
    assert encoder.encode_document(["two", "one"]).tolist() == [[6, 8], [5, 8]]
    assert encoder.encode_query(["q one"]).tolist() == [[5, 7]]


def test_is_recognised_by_its_texts(tiny, tmp_path):
    assert find_adapter(str(tiny), EncoderOptions()).name == "embeddings"
    with pytest.raises(EncoderError, match=r"not a folder with queries\.jsonl and passages\.jsonl"):
        load(tmp_path / "nowhere")


def test_fingerprint_follows_the_files_that_are_read(tiny):
    before = load(tiny).info.fingerprint
    (tiny / "notes.md").write_text("something else", encoding="utf-8")
    assert load(tiny).info.fingerprint == before
    write_npy(tiny, "queries", ["en:q0", "en:q1"], np.float32([[1, 0], [1, 1]]))
    assert load(tiny).info.fingerprint != before


def test_a_text_of_another_collection_has_no_vector(tiny):
    with pytest.raises(EncoderError, match="no vector for 1 of 2 texts, the first of them 'something else'"):
        load(tiny).encode_document(["same", "something else"])


def test_a_query_is_not_looked_up_among_passages(tiny):
    with pytest.raises(EncoderError, match="no vector"):
        load(tiny).encode_query(["other"])


class TestBadVectors:
    GOOD = np.float32([[1, 2], [3, 4], [1, 2]])
    IDS = ("en:p0", "en:p1", "en:p2")

    @pytest.mark.parametrize(
        ("ids", "vectors", "message"),
        [
            (["en:p0", "en:p1"], GOOD[:2], r"1 ids without a vector: en:p2"),
            ([*IDS, "en:p7"], GOOD[[0, 1, 2, 1]], r"1 ids not in passages\.jsonl: en:p7"),
            (["en:p0", "en:p1", "en:p1"], GOOD, "1 ids repeated: en:p1"),
            (IDS, GOOD[:2], "2 vectors for 3 ids"),
            (IDS, np.float32([[1, 2], [3, np.nan], [1, 2]]), "NaN or infinity in the vectors of en:p1"),
            (IDS, np.float32([[1, 2], [3, 4], [1, 2.2]]), r"'en:p2' and .*'en:p0' have the same text but different"),
            (IDS, GOOD.astype(np.int8), "has int8 values, expected floating point"),
            (IDS, GOOD[:, :1], "queries have 2 dimensions, passages 1"),
        ],
    )
    @pytest.mark.parametrize("write", WRITERS)
    def test_errors_name_file_and_ids(self, tiny, write, ids, vectors, message):
        (tiny / "passages.npy").unlink()
        (tiny / "passages.ids.txt").unlink()
        if write is write_parquet and len(ids) != len(vectors):
            return  # a table's columns have one length
        write(tiny, "passages", list(ids), vectors)
        with pytest.raises(EncoderError, match=message) as caught:
            load(tiny)
        assert "dimensions, passages" in message or "passages." in str(caught.value)

    def test_same_text_may_differ_by_rounding(self, tiny):
        write_npy(tiny, "passages", self.IDS, np.float32([[1, 2], [3, 4], [1.001, 2]]))
        assert load(tiny).encode_document(["same"]).tolist() == [[1, 2]]

    @pytest.mark.parametrize("shape", [(3,), (3, 2, 1), (3, 0)])
    def test_other_shapes(self, tiny, shape):
        write_npy(tiny, "passages", self.IDS, np.zeros(shape, dtype=np.float32))
        with pytest.raises(EncoderError, match=r"passages\.npy: has shape"):
            load(tiny)

    def test_pickled_arrays_are_not_read(self, tiny):
        np.save(tiny / "passages.npy", np.array([[1.0], [1.0, 2.0], None], dtype=object), allow_pickle=True)
        with pytest.raises(EncoderError, match=r"passages\.npy: cannot be read"):
            load(tiny)

    @pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet"])
    def test_damaged_files(self, tiny, suffix):
        (tiny / "passages.npy").unlink()
        (tiny / f"passages{suffix}").write_bytes(b"PAR1 nothing of the kind")
        with pytest.raises(EncoderError, match=rf"passages\{suffix}: cannot be read"):
            load(tiny)

    def test_no_vectors_and_too_many(self, tiny):
        write_parquet(tiny, "passages", self.IDS, self.GOOD)
        with pytest.raises(EncoderError, match=r"passages\.npy and passages\.parquet; expected one of"):
            load(tiny)
        (tiny / "passages.npy").unlink()
        (tiny / "passages.parquet").unlink()
        with pytest.raises(EncoderError, match=r"no vectors; expected one of passages\.npy, "):
            load(tiny)

    def test_no_ids(self, tiny):
        (tiny / "passages.ids.txt").unlink()
        with pytest.raises(EncoderError, match=r"ids are missing; expected them in passages\.ids\.txt"):
            load(tiny)

    def test_tensors_of_which_none_is_meant(self, tiny):
        (tiny / "passages.npy").unlink()
        save_file({"a": self.GOOD, "b": self.GOOD}, tiny / "passages.safetensors")
        with pytest.raises(EncoderError, match=r"has 2 tensors \(a, b\), expected one"):
            load(tiny)

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"id": ["en:p0"], "embedding": [[1.0]]}, "has the columns id, embedding, expected id and vector"),
            ({"id": ["en:p0", "en:p1"], "vector": [[1.0], [1.0, 2.0]]}, "do not all have the same length"),
            ({"id": ["en:p0", "en:p1"], "vector": [[1.0], None]}, "do not all have the same length"),
            ({"id": ["en:p0"], "vector": [1.0]}, "cannot be read"),
            ({"id": list(IDS), "vector": [[1.0, 2.0], [None, 1.0], [1.0, 2.0]]}, "NaN or infinity.*en:p1"),
        ],
    )
    def test_tables_that_hold_no_vectors(self, tiny, columns, message):
        (tiny / "passages.npy").unlink()
        pq.write_table(pa.table(columns), tiny / "passages.parquet")
        with pytest.raises(EncoderError, match=message):
            load(tiny)

    def test_options_that_change_nothing_are_refused(self, tiny):
        with pytest.raises(EncoderError, match="does not support --query-prompt"):
            load_encoder(str(tiny), EncoderOptions(query_prompt="Q: "))
