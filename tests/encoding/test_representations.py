"""Encoding a collection: each text once, rows in order, interruptions cost nothing, bad vectors are refused."""

import errno
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babelrank.encoding import representations as encoding
from babelrank.encoding import store as store_module
from babelrank.encoding.protocol import Role, Similarity
from babelrank.encoding.representations import encode
from babelrank.errors import EncoderError

MANY = [f"passage {i}" for i in range(100)]


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 16 texts, whatever the speed of the machine."""
    monkeypatch.setattr(encoding, "FIRST_CHUNK", 16)
    monkeypatch.setattr(encoding, "_next_size", lambda size, _: size)


def expected(encoder, role, texts):
    return np.stack([encoder.vector(role, text) for text in texts])


def test_each_distinct_text_is_encoded_once_per_role(fake_encoder, collection_of, tmp_path):
    encoder = fake_encoder()
    done = encode(encoder, collection_of(["a", "b", "a"], ["b", "c", "b", "b"]), store=tmp_path)
    seen = {
        role: sorted(text for r, texts in encoder.calls for text in texts if r == role) for role, _ in encoder.calls
    }
    assert seen == {"query": ["a", "b"], "document": ["b", "c"]}
    assert done.texts_encoded == {"query": 2, "document": 2}


def test_rows_are_those_of_the_collection_with_repeats(fake_encoder, collection_of, tmp_path):
    encoder = fake_encoder()
    queries, passages = ["a", "bbb", "a"], ["b", "cc", "b", "a longer one", "b"]
    done = encode(encoder, collection_of(queries, passages), store=tmp_path)
    np.testing.assert_array_equal(done.queries, expected(encoder, "query", queries))
    np.testing.assert_array_equal(done.passages, expected(encoder, "document", passages))
    assert done.queries.dtype == done.passages.dtype == np.float32
    assert done.similarity is Similarity.COSINE


def test_the_order_holds_over_several_chunks_and_texts_of_any_length(
    fake_encoder, collection_of, tmp_path, small_chunks
):
    encoder = fake_encoder()
    passages = [f"{i} {'long ' * (i * 7 % 13)}" for i in range(100)]
    done = encode(encoder, collection_of(["q"], passages), store=tmp_path)
    assert max(len(texts) for _, texts in encoder.calls) == 16
    np.testing.assert_array_equal(done.passages, expected(encoder, "document", passages))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(st.text(max_size=5), min_size=1, max_size=30),
    second=st.lists(st.text(max_size=5), min_size=1, max_size=30),
    chunk=st.integers(1, 7),
)
def test_whatever_was_stored_before_rows_are_right_and_only_new_texts_are_encoded(
    fake_encoder, collection_of, tmp_path_factory, first, second, chunk
):
    store = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "FIRST_CHUNK", chunk)
        encode(fake_encoder(), collection_of(["q"], first), store=store)
        encoder = fake_encoder()
        done = encode(encoder, collection_of(["q"], second), store=store)
    np.testing.assert_array_equal(done.passages, expected(encoder, "document", second))
    assert sorted(encoder.texts) == sorted(set(second) - set(first))


def test_texts_that_differ_only_in_what_readers_do_not_see_have_their_own_vectors(
    fake_encoder, collection_of, tmp_path
):
    encoder = fake_encoder()
    texts = ["é", "e\u0301", "a", "a ", "a\u200b", "A"]
    done = encode(encoder, collection_of(["q"], texts), store=tmp_path)
    assert done.texts_encoded["document"] == len(texts)
    np.testing.assert_array_equal(done.passages, expected(encoder, "document", texts))


def test_a_second_time_nothing_is_encoded_and_the_vectors_are_the_same(fake_encoder, collection_of, tmp_path):
    collection = collection_of(["a", "b"], MANY)
    first = encode(fake_encoder(), collection, store=tmp_path)
    again = fake_encoder(change=lambda *_: pytest.fail("was called"))
    second = encode(again, collection, store=tmp_path)
    assert again.calls == []
    assert second.texts_encoded == {"query": 0, "document": 0}
    assert second.seconds == {"query": 0.0, "document": 0.0}
    np.testing.assert_array_equal(second.queries, first.queries)
    np.testing.assert_array_equal(second.passages, first.passages)


def test_another_collection_with_the_same_texts_uses_what_is_stored(fake_encoder, collection_of, tmp_path):
    encode(fake_encoder(), collection_of(["a"], ["x", "y"]), store=tmp_path)
    encoder = fake_encoder()
    encode(encoder, collection_of(["a", "new"], ["y", "z"]), store=tmp_path)
    assert encoder.calls == [("query", ["new"]), ("document", ["z"])]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_after_an_interruption_only_what_is_missing_is_encoded(
    fake_encoder, collection_of, tmp_path, small_chunks, error
):
    def break_at_third(vectors, call):
        if call == 3:
            raise error
        return vectors

    collection = collection_of(["q"], MANY)
    encode(fake_encoder(), collection_of(["q"], ["unrelated"]), store=tmp_path)
    interrupted = fake_encoder(change=break_at_third)
    with pytest.raises((type(error), EncoderError)):
        encode(interrupted, collection, store=tmp_path)
    kept = {text for _, texts in interrupted.calls[:2] for text in texts}
    assert len(kept) == 32
    resumed = fake_encoder()
    done = encode(resumed, collection, store=tmp_path)
    assert sorted(resumed.texts) == sorted(set(MANY) - kept)
    assert done.texts_encoded == {"query": 0, "document": 68}
    np.testing.assert_array_equal(done.passages, expected(resumed, "document", MANY))


def test_progress_goes_from_nothing_to_all_and_is_silent_for_what_is_stored(
    fake_encoder, collection_of, tmp_path, small_chunks
):
    told = []
    collection = collection_of(["q"], MANY[:40])
    encode(fake_encoder(), collection, store=tmp_path, progress=lambda *step: told.append(step))
    documents = [(done, total) for role, done, total in told if role is Role.DOCUMENT]
    assert documents == [(0, 40), (16, 40), (32, 40), (40, 40)]
    told.clear()
    encode(fake_encoder(), collection, store=tmp_path, progress=lambda *step: told.append(step))
    assert told == []


def test_a_chunk_grows_while_the_encoder_is_fast_and_shrinks_when_it_is_slow(
    fake_encoder, collection_of, tmp_path, monkeypatch
):
    pace = {"seconds": 2.5}
    clock = iter(seconds for start in range(0, 10_000, 100) for seconds in (start, start + pace["seconds"]))
    monkeypatch.setattr(encoding.time, "perf_counter", lambda: next(clock))
    encoder = fake_encoder()
    encode(encoder, collection_of(["q"], [f"fast {i}" for i in range(2000)]), store=tmp_path)
    assert [len(texts) for role, texts in encoder.calls if role == "document"] == [256, 512, 1024, 208]
    pace["seconds"] = 0.01
    encoder = fake_encoder()
    encode(encoder, collection_of(["q"], [f"faster {i}" for i in range(5000)]), store=tmp_path)
    assert [len(texts) for role, texts in encoder.calls if role == "document"] == [256, 4096, 648]
    pace["seconds"] = 60
    encoder = fake_encoder()
    encode(encoder, collection_of(["q"], [f"slow {i}" for i in range(600)]), store=tmp_path)
    assert [len(texts) for role, texts in encoder.calls if role == "document"] == [256, 128, 64, 64, 64, 24]


def test_a_chunk_is_never_smaller_than_an_encoder_needs_at_once(fake_encoder, collection_of, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "FIRST_CHUNK", 16)
    monkeypatch.setattr(encoding, "_next_size", lambda size, _: size // 2)
    encoder = fake_encoder()
    encoder.texts_at_once = 40
    encode(encoder, collection_of(["q"], MANY), store=tmp_path)
    assert [len(texts) for role, texts in encoder.calls if role == "document"] == [40, 40, 20]


def test_the_longest_texts_come_first_and_those_alike_in_length_stay_in_order(fake_encoder, collection_of, tmp_path):
    encoder = fake_encoder()
    encode(encoder, collection_of(["q"], ["a", "bb", "dddd", "ccc", "x" * 9, "e" * 7]), store=tmp_path)
    assert encoder.calls[1] == ("document", ["x" * 9, "dddd", "e" * 7, "bb", "ccc", "a"])


def test_without_a_store_the_users_cache_folder_is_used(fake_encoder, collection_of, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encode(fake_encoder(), collection_of(["q"], ["x"]))
    assert list((tmp_path / "babelrank" / "representations").rglob("*.safetensors"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["disk full", "read-only"])
def test_a_store_that_takes_nothing_is_named_with_the_option_and_keeps_what_it_has(
    fake_encoder, collection_of, tmp_path, small_chunks, monkeypatch, number
):
    real, segments = store_module.atomic_write, []

    def full_after_two(path, content, **how):
        if path.suffix == ".safetensors" and len(segments) >= 2:
            raise OSError(number, os.strerror(number), str(path))
        real(path, content, **how)
        segments.extend([path] if path.suffix == ".safetensors" else [])

    monkeypatch.setattr(store_module, "atomic_write", full_after_two)
    with pytest.raises(EncoderError, match=rf"{tmp_path}.*cannot be stored \({os.strerror(number)}\)\..*--store DIR"):
        encode(fake_encoder(), collection_of(["q"], MANY), store=tmp_path)
    monkeypatch.setattr(store_module, "atomic_write", real)
    done = encode(fake_encoder(), collection_of(["q"], MANY), store=tmp_path)
    assert done.texts_encoded == {"query": 0, "document": 100 - 16}


def test_a_file_in_the_place_of_the_store_is_named(fake_encoder, collection_of, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(EncoderError, match=r"file/.*cannot be stored.*--store DIR"):
        encode(fake_encoder(), collection_of(["q"], ["x"]), store=tmp_path / "file")


def put_nan(vectors, _):
    vectors[1, 2] = np.nan
    return vectors


def put_infinity(vectors, _):
    vectors[0] = np.inf
    vectors[2, 0] = -np.inf
    return vectors


NOT_VECTORS = {
    "NaN": (put_nan, r"encoder 'fake' returned NaN or infinity for 1 of 3 texts, the first of them 'bb'\."),
    "infinity": (put_infinity, r"encoder 'fake' returned NaN or infinity for 2 of 3 texts, the first of them 'dddd'\."),
    "a row too few": (lambda v, _: v[:-1], r"encoder 'fake' returned shape \(2, 4\) for 3 texts, expected \(3, 4\)\."),
    "a row too many": (lambda v, _: np.vstack([v, v[:1]]), r"returned shape \(4, 4\) for 3 texts, expected \(3, 4\)\."),
    "nothing": (lambda v, _: v[:0], r"returned shape \(0, 4\) for 3 texts, expected \(3, 4\)\."),
    "one vector": (lambda v, _: v[0], r"returned shape \(4,\) for 3 texts, expected \(3, 4\)\."),
    "three axes": (lambda v, _: v[:, None], r"returned shape \(3, 1, 4\) for 3 texts, expected \(3, 4\)\."),
    "another dimension": (lambda v, _: v[:, :3], r"encoder 'fake' returned dimension 3, expected 4\."),
    "integers": (lambda v, _: (v * 100).astype(np.int8), r"returned int8 values, expected floating point\."),
    "truth values": (lambda v, _: v > 0, r"returned bool values, expected floating point\."),
    "complex numbers": (lambda v, _: v + 1j, r"returned complex64 values, expected floating point\."),
    "objects": (lambda v, _: v.astype(object), r"returned object values, expected floating point\."),
    "a list": (lambda v, _: v.tolist(), r"encoder 'fake' returned a list, expected a ndarray\."),
    "None": (lambda v, _: None, r"encoder 'fake' returned a NoneType, expected a ndarray\."),
}


@pytest.mark.parametrize("bad", NOT_VECTORS)
def test_what_is_not_one_finite_vector_per_text_is_refused_and_not_stored(fake_encoder, collection_of, tmp_path, bad):
    change, message = NOT_VECTORS[bad]
    with pytest.raises(EncoderError, match=message):
        encode(fake_encoder(change=change), collection_of(["a", "bb", "dddd"], ["x"]), store=tmp_path)
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_a_long_text_is_cut_in_the_message(fake_encoder, collection_of, tmp_path):
    with pytest.raises(EncoderError, match=rf"first of them '{'y' * 80}'\."):
        encode(fake_encoder(change=lambda v, _: v * np.nan), collection_of(["y" * 10_000], ["x"]), store=tmp_path)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_precisions_become_single(fake_encoder, collection_of, tmp_path, dtype):
    encoder = fake_encoder(change=lambda vectors, _: vectors.astype(dtype))
    done = encode(encoder, collection_of(["a"], ["x", "y"]), store=tmp_path)
    assert done.passages.dtype == np.float32
    np.testing.assert_array_equal(
        done.passages, expected(encoder, "document", ["x", "y"]).astype(dtype).astype(np.float32)
    )


def test_a_double_beyond_single_precision_is_refused(fake_encoder, collection_of, tmp_path):
    with pytest.raises(EncoderError, match="NaN or infinity for 1 of 1 texts"):
        encode(
            fake_encoder(change=lambda v, _: v.astype(np.float64) * 1e300), collection_of(["a"], ["x"]), store=tmp_path
        )
