"""Representations on disk: what shares a entry, what a damaged file costs, and several processes at once."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderInfo, Role, Similarity
from babelrank.encoding.representations import encode
from babelrank.encoding.store import StoreEntry, describe_entry, list_entries, prune, text_key
from paths import TESTS

INFO = EncoderInfo("m", "fake", "1", 4, settings={"query_prompt": "q: ", "max_length": 512})
WORKER = TESTS / "encode_worker.py"


def vectors(n, start=0):
    return np.arange(start, start + 4 * n, dtype=np.float32).reshape(n, 4)


def keys(texts):
    return [text_key(text) for text in texts]


def segments(root):
    return sorted(root.rglob("*.safetensors"))


def worker(store, begin, end, seconds=0.0):
    command = [sys.executable, WORKER, store, begin, end, seconds]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def age_by(folder, seconds):
    then = time.time() - seconds
    for file in folder.iterdir():
        os.utime(file, (then, then))


def stored(entry):
    """Return {key: vector}."""
    rows, matrix = entry.read()
    return {key: matrix[row].tolist() for key, row in rows.items()}


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "2"},
        {"adapter": "other"},
        {"dimension": 5},
        {"settings": {"query_prompt": "Q: ", "max_length": 512}},
        {"settings": {"query_prompt": "q: ", "max_length": 256}},
        {"settings": {"query_prompt": "q: ", "max_length": 512, "dtype": "bfloat16"}},
        {"settings": {}},
    ],
    ids=str,
)
def test_whatever_changes_the_vectors_makes_another_shelf(tmp_path, change):
    changed = dataclasses.replace(INFO, **change)
    assert StoreEntry(tmp_path, changed, Role.QUERY).folder != StoreEntry(tmp_path, INFO, Role.QUERY).folder


def test_the_roles_have_shelves_of_their_own(tmp_path):
    assert StoreEntry(tmp_path, INFO, Role.QUERY).folder != StoreEntry(tmp_path, INFO, Role.DOCUMENT).folder


@pytest.mark.parametrize(
    "change",
    [
        {"name": "renamed"},
        {"similarity": Similarity.DOT},
        {"device": "cuda:0"},
        {"parameters": 7},
        {"settings": {"max_length": 512, "query_prompt": "q: "}},
    ],
    ids=str,
)
def test_what_does_not_change_the_vectors_makes_no_other_shelf(tmp_path, change):
    changed = dataclasses.replace(INFO, **change)
    assert StoreEntry(tmp_path, changed, Role.QUERY).folder == StoreEntry(tmp_path, INFO, Role.QUERY).folder


def test_another_encoder_sees_every_text_again(fake_encoder, collection_of, tmp_path):
    collection = collection_of(["a"], ["x", "y"])
    encode(fake_encoder(), collection, store=tmp_path)
    for other in (
        fake_encoder(fingerprint="2"),
        fake_encoder(settings={"dtype": "bfloat16"}),
        fake_encoder(dimension=8),
    ):
        assert encode(other, collection, store=tmp_path).texts_encoded == {"query": 1, "document": 2}
    assert encode(fake_encoder(name="renamed"), collection, store=tmp_path).texts_encoded == {"query": 0, "document": 0}


def test_what_was_added_is_read_in_all_its_parts(tmp_path):
    entry = StoreEntry(tmp_path, INFO, Role.QUERY)
    assert entry.read()[0] == {}
    entry.add(keys(["a", "b"]), vectors(2))
    entry.add(keys(["c"]), vectors(1, start=100))
    found = sorted(stored(StoreEntry(tmp_path, INFO, Role.QUERY)).values())
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [100, 101, 102, 103]]


def test_a_shelf_says_for_people_whose_it_is(tmp_path):
    StoreEntry(tmp_path, INFO, Role.DOCUMENT).add(keys(["a"]), vectors(1))
    (description,) = tmp_path.rglob("encoder.json")
    text = description.read_text(encoding="utf-8")
    assert all(part in text for part in ('"model": "m"', '"role": "document"', '"query_prompt": "q: "'))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content + b"\0",
    ],
    ids=["truncated", "empty", "a bit flipped", "lengthened"],
)
def test_a_damaged_segment_is_dropped_and_only_its_texts_are_encoded_again(
    fake_encoder, collection_of, tmp_path, damage
):
    encode(fake_encoder(), collection_of(["q"], ["w"]), store=tmp_path)
    before = set(segments(tmp_path))
    encode(fake_encoder(), collection_of(["q"], ["w", "x", "y"]), store=tmp_path)
    (newest,) = set(segments(tmp_path)) - before
    newest.write_bytes(damage(newest.read_bytes()))
    encoder = fake_encoder()
    done = encode(encoder, collection_of(["q"], ["w", "x", "y"]), store=tmp_path)
    assert sorted(encoder.texts) == ["x", "y"]
    np.testing.assert_array_equal(done.passages, [encoder.vector("document", text) for text in "wxy"])
    assert encode(fake_encoder(), collection_of(["q"], ["x"]), store=tmp_path).texts_encoded["document"] == 0


def test_a_segment_that_another_process_deletes_meanwhile_is_as_if_it_had_never_been(tmp_path, monkeypatch):
    entry = StoreEntry(tmp_path, INFO, Role.QUERY)
    entry.add(keys(["a"]), vectors(1))
    entry.add(keys(["b"]), vectors(1, start=50))
    real, (first, _) = Path.read_bytes, segments(tmp_path)

    def vanish(path):
        if path == first:
            path.unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", vanish)
    assert len(stored(entry)) == 1


def test_leftovers_of_a_write_that_was_cut_off_are_not_read(tmp_path):
    entry = StoreEntry(tmp_path, INFO, Role.QUERY)
    entry.add(keys(["a"]), vectors(1))
    (segment,) = segments(tmp_path)
    segment.with_name(f".{segment.name}.0123.part").write_bytes(segment.read_bytes()[:50])
    assert len(stored(entry)) == 1


def test_two_processes_that_write_at_once_lose_nothing(fake_encoder, collection_of, tmp_path):
    with worker(tmp_path, 0, 120, 0.01) as one, worker(tmp_path, 60, 180, 0.01) as two:
        encoded = [int(process.communicate(timeout=60)[0]) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0)
    assert sum(encoded) >= 180
    texts = [f"text {i}" for i in range(180)]
    encoder = fake_encoder()
    done = encode(encoder, collection_of(["query"], texts), store=tmp_path)
    assert encoder.calls == []
    np.testing.assert_array_equal(done.passages, [encoder.vector("document", text) for text in texts])
    assert not list(tmp_path.rglob("*.part"))


def test_what_a_killed_process_had_encoded_stays(fake_encoder, collection_of, tmp_path):
    with worker(tmp_path, 0, 800, 0.05) as process:
        deadline = time.monotonic() + 60
        while len(segments(tmp_path)) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL
    texts = [f"text {i}" for i in range(800)]
    encoder = fake_encoder()
    done = encode(encoder, collection_of(["query"], texts), store=tmp_path)
    kept = 800 - done.texts_encoded["document"]
    assert done.texts_encoded["query"] == 0
    assert 24 <= kept < 800
    assert kept % 8 == 0  # whole chunks only
    np.testing.assert_array_equal(done.passages, [encoder.vector("document", text) for text in texts])


def test_shelves_are_listed_the_most_recently_used_first(tmp_path):
    old, new = StoreEntry(tmp_path, INFO, Role.QUERY), StoreEntry(tmp_path, INFO, Role.DOCUMENT)
    for entry, age in ((new, 10), (old, 1000)):
        entry.add(keys(["a"]), vectors(1))
        age_by(entry.folder, age)
    states = list_entries(tmp_path)
    assert [(state.model, state.role) for state in states] == [("m", "document"), ("m", "query")]
    assert states[0].size == sum(file.stat().st_size for file in new.folder.iterdir())


def test_reading_a_shelf_makes_it_the_last_to_be_pruned(tmp_path):
    read, unread = StoreEntry(tmp_path, INFO, Role.QUERY), StoreEntry(tmp_path, INFO, Role.DOCUMENT)
    for entry, age in ((read, 2000), (unread, 1000)):
        entry.add(keys(["a"]), vectors(1))
        age_by(entry.folder, age)
    read.read()
    size = list_entries(tmp_path)[0].size
    (gone,) = prune(tmp_path, size)
    assert gone.folder == unread.folder
    assert not unread.folder.exists()
    assert len(stored(read)) == 1


def test_describing_a_shelf_again_makes_it_the_last_to_be_pruned(tmp_path):
    for name in ("described", "other"):
        describe_entry(tmp_path / name, name, {})
        age_by(tmp_path / name, 1000)
    describe_entry(tmp_path / "described", "described", {})
    assert [state.model for state in list_entries(tmp_path)] == ["described", "other"]
    assert [state.model for state in prune(tmp_path, 0, spare_seconds=100)] == ["other"]


def test_a_shelf_that_is_pruned_while_it_is_written_is_written_again(tmp_path, monkeypatch):
    entry = StoreEntry(tmp_path, INFO, Role.QUERY)
    real, moved = Path.replace, []

    def pruned_before(path, target):
        moved.append(target)
        if len(moved) == 2:  # the description is there, the segment is not
            shutil.rmtree(entry.folder)
        return real(path, target)

    monkeypatch.setattr(Path, "replace", pruned_before)
    entry.add(keys(["a"]), vectors(1))
    assert len(stored(entry)) == 1
    assert [state.model for state in list_entries(tmp_path)] == ["m"]


def test_a_store_within_its_limit_and_a_shelf_in_use_are_left_alone(tmp_path):
    entry = StoreEntry(tmp_path, INFO, Role.QUERY)
    entry.add(keys(["a"]), vectors(1))
    assert prune(tmp_path, 10**9) == []
    assert prune(tmp_path, 0, spare_seconds=3600) == []
    assert len(stored(entry)) == 1
    age_by(entry.folder, 10)
    assert [state.folder for state in prune(tmp_path, 0)] == [entry.folder]
    assert prune(tmp_path / "nowhere", 0) == []
