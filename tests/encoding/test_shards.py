"""Shards of vectors: how a corpus is cut, what damage costs, many writers at once, and full disks."""

import errno
import os
import subprocess
import sys
import time
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from babelrank.encoding.shards import (
    check_space,
    create_shards,
    find_missing,
    open_shards,
    plan_shards,
    read_plan,
    write_shard,
)
from babelrank.encoding.vector_block import array_block
from babelrank.errors import EncoderError

ROWS, DIMENSION = 10, 8
SHARD_BYTES = 1024 + 4 * DIMENSION * 4  # four rows of float32


def corpus(rows=ROWS, dimension=DIMENSION):
    return np.random.default_rng(0).standard_normal((rows, dimension)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Three whole shards of 4, 4 and 2 rows."""
    create_shards(tmp_path, plan_shards(ROWS, DIMENSION, shard_bytes=SHARD_BYTES))
    fill(tmp_path)
    return tmp_path


def fill(folder, numbers=None):
    plan = read_plan(folder)
    vectors = corpus(plan.rows, plan.dimension)
    for number in range(plan.count) if numbers is None else numbers:
        write_shard(folder, number, vectors[slice(*plan.bounds(number))])


def file_of(folder, number):
    (path,) = folder.glob(f"{number:06d}-*.safetensors")
    return path


def parts(folder):
    return list(folder.glob(".*.part"))


@given(
    rows=st.integers(1, 5000),
    dimension=st.integers(1, 64),
    dtype=st.sampled_from(["float32", "float16"]),
    vectors=st.integers(1, 700),
)
def test_a_plan_cuts_every_row_into_exactly_one_shard_that_keeps_to_its_size(rows, dimension, dtype, vectors):
    size = 1024 + vectors * dimension * np.dtype(dtype).itemsize
    plan = plan_shards(rows, dimension, dtype=dtype, shard_bytes=size)
    bounds = [plan.bounds(number) for number in range(plan.count)]
    assert [start for start, _ in bounds] == [0, *(stop for _, stop in bounds[:-1])]
    assert bounds[-1][1] == rows
    assert all(plan.disk_bytes([number]) <= size for number in range(plan.count))
    assert plan.disk_bytes() == sum(plan.disk_bytes([number]) for number in range(plan.count))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_written_is_read_in_its_place(tmp_path, dtype):
    plan = plan_shards(ROWS, DIMENSION, dtype=dtype, shard_bytes=1100)
    create_shards(tmp_path, plan)
    fill(tmp_path, reversed(range(plan.count)))
    shards = open_shards(tmp_path)
    assert [shard.start for shard in shards] == [plan.bounds(number)[0] for number in range(plan.count)]
    assert sum(map(len, shards)) == ROWS
    expected = corpus().astype(dtype)
    for shard in shards:
        assert shard.path.stat().st_size <= 1100
        np.testing.assert_array_equal(shard.read(0, len(shard)), expected[shard.start : shard.start + len(shard)])
        lengths = np.linalg.norm(shard.read(0, len(shard)).astype(float), axis=1)
        assert shard.lengths == pytest.approx((lengths.min(), lengths.max()), rel=1e-14)


def test_a_window_of_a_shard_is_read_alone(folder):
    shard = open_shards(folder)[1]
    shard.prefetch(1, 3)
    np.testing.assert_array_equal(shard.read(1, 3), corpus()[5:7])
    assert shard.read(1, 3).nbytes == 2 * DIMENSION * 4


def test_a_shard_is_plain_safetensors(folder):
    np.testing.assert_array_equal(load_file(file_of(folder, 1))["vectors"], corpus()[4:8])


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "damaged": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
}


@pytest.mark.parametrize("state", DAMAGE)
def test_only_a_shard_that_is_not_whole_needs_encoding_again(folder, state):
    others = {file_of(folder, number): file_of(folder, number).stat().st_mtime_ns for number in (0, 2)}
    DAMAGE[state](file_of(folder, 1))
    assert find_missing(folder) == {1: state}
    with pytest.raises(EncoderError, match=rf"1 shards must be encoded again: 1 \({state}\)"):
        open_shards(folder)
    fill(folder, [1])
    assert find_missing(folder) == {}
    np.testing.assert_array_equal(open_shards(folder)[1].read(0, 4), corpus()[4:8])
    assert {path: path.stat().st_mtime_ns for path in others} == others


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda content: b"", "truncated"),
        (lambda content: content[:100], "truncated"),
        (lambda content: content + b"\0", "damaged"),
        (lambda content: b"\xff" * len(content), "damaged"),
        (lambda content: content.replace(b'"start":"4"', b'"start":"8"'), "damaged"),
        (lambda content: content.replace(b'"longest":"', b'"longest":"9'), "damaged"),
    ],
    ids=["empty", "a hundred bytes", "lengthened", "overwritten", "another start", "other lengths"],
)
def test_damage_in_any_part_of_a_file_is_found(folder, change, state):
    path = file_of(folder, 1)
    content = change(path.read_bytes())
    assert content != path.read_bytes()
    path.write_bytes(content)
    assert find_missing(folder) == {1: state}


def test_a_look_without_reading_finds_what_is_missing_or_cut_but_no_flipped_bit(folder):
    DAMAGE["missing"](file_of(folder, 0))
    DAMAGE["damaged"](file_of(folder, 1))
    DAMAGE["truncated"](file_of(folder, 2))
    assert find_missing(folder, verify=False) == {0: "missing", 2: "truncated"}


def test_other_vectors_for_a_shard_replace_it(folder):
    write_shard(folder, 1, np.ones((4, DIMENSION), dtype=np.float32))
    assert (open_shards(folder)[1].read(0, 4) == 1).all()
    file_of(folder, 1)  # and there is one file only


def test_a_folder_goes_on_with_the_same_plan_and_refuses_another(tmp_path):
    identity = {"encoder": "m", "settings": {"languages": ("de", "en")}}
    plan = plan_shards(ROWS, DIMENSION, shard_bytes=SHARD_BYTES, identity=identity)
    create_shards(tmp_path, plan)
    fill(tmp_path, [0])
    create_shards(tmp_path, plan)
    assert find_missing(tmp_path) == {1: "missing", 2: "missing"}
    for other in (
        plan_shards(ROWS, DIMENSION, shard_bytes=SHARD_BYTES, identity={"encoder": "n"}),
        plan_shards(ROWS, DIMENSION, shard_bytes=SHARD_BYTES),
    ):
        with pytest.raises(EncoderError, match="has shards with another plan"):
            create_shards(tmp_path, other)


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", '{"format": 1, "shards": 3}', '{"format": 0}'])
def test_a_folder_without_a_readable_manifest_is_refused(tmp_path, manifest):
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(EncoderError, match=r"manifest|format 1"):
        find_missing(tmp_path)


@pytest.mark.parametrize("damage", [lambda text: text[:-5], lambda text: "", lambda text: text.replace("10", "11")])
def test_shards_of_which_the_manifest_is_damaged_are_encoded_again(tmp_path, damage):
    plan = plan_shards(ROWS, DIMENSION, shard_bytes=SHARD_BYTES, identity={"encoder": "m"})
    create_shards(tmp_path, plan)
    fill(tmp_path, [0, 1])
    manifest = tmp_path / "manifest.json"
    before = manifest.read_text()
    manifest.write_text(damage(before))
    assert manifest.read_text() != before
    create_shards(tmp_path, plan)
    assert manifest.read_text() == before
    assert find_missing(tmp_path) == dict.fromkeys(range(3), "missing")


@pytest.mark.parametrize(
    ("number", "vectors", "message"),
    [
        (3, np.ones((4, DIMENSION)), "no shard 3: there are 3"),
        (-1, np.ones((4, DIMENSION)), "no shard -1"),
        (0, np.ones((3, DIMENSION)), r"shape \(3, 8\), expected \(4, 8\)"),
        (0, np.full((4, DIMENSION), np.nan), "vector 0 is not finite"),
        (0, np.vstack([np.ones((3, DIMENSION)), np.full(DIMENSION, 1e39)]), "vector 3 is not finite in float32"),
    ],
    ids=["beyond the last", "negative", "another shape", "NaN", "beyond single precision"],
)
def test_vectors_that_are_not_those_of_the_shard_are_refused(folder, number, vectors, message):
    with pytest.raises(EncoderError, match=message):
        write_shard(folder, number, vectors)
    assert find_missing(folder) == {}


def test_what_float16_cannot_hold_is_refused(tmp_path):
    create_shards(tmp_path, plan_shards(1, 2, dtype="float16"))
    with pytest.raises(EncoderError, match="vector 0 is not finite in float16"):
        write_shard(tmp_path, 0, np.array([[1.0, 70_000.0]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "unknown type of stored vectors 'float8'. Did you mean 'float32'"),
        ({"rows": 0}, "cannot cut 0 vectors of dimension 8"),
        ({"shard_bytes": 1040}, "is too small for a vector of 32 bytes; it needs at least 1,056"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(options, message):
    with pytest.raises(EncoderError, match=message):
        plan_shards(**{"rows": 10, "dimension": 8, **options})


@pytest.mark.parametrize("vectors", [np.ones(3, np.float32), np.ones((2, 2)), np.ones((0, 2), np.float32)])
def test_only_rows_of_single_or_half_precision_are_a_block(vectors):
    with pytest.raises(EncoderError, match="expected rows of float32"):
        array_block(vectors)


def test_room_on_the_disk_is_checked_for_what_is_not_there_yet(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    DAMAGE["missing"](file_of(folder, 0))
    needed = 4 * DIMENSION * 4 + 1024
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 0, needed))
    assert check_space(folder) == needed
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 0, needed - 1))
    with pytest.raises(EncoderError, match=r"need 1\.15 kB, and 1\.15 kB is free.*or store float16"):
        check_space(folder)
    assert check_space(folder, []) == 0


def test_a_full_disk_leaves_no_part_and_what_was_there(folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EncoderError, match=r"No space left on device.* They need .*, and .* is free"):
        write_shard(folder, 1, np.ones((4, DIMENSION), dtype=np.float32))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert find_missing(folder) == {}


def test_parts_of_dead_processes_are_removed_and_those_of_living_ones_stay(folder):
    old, new = folder / ".000001-x.safetensors.1.part", folder / ".000001-x.safetensors.2.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    create_shards(folder, read_plan(folder))
    assert parts(folder) == [new]
    assert find_missing(folder) == {}


# Two writers at a time, each at its own shards again and again, until they are killed.
_KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from babelrank.encoding.shards import read_plan, write_shard

folder, rng = Path(sys.argv[1]), random.Random(0)
plan = read_plan(folder)
write_shard(folder, 0, np.zeros((plan.rows_per_shard, plan.dimension)))

def start(first):
    if pid := os.fork():
        return pid
    turn = first
    while True:
        turn += 1
        for number in range(first, plan.count, 2):
            begin, end = plan.bounds(number)
            write_shard(folder, number, np.full((end - begin, plan.dimension), number + 100 * turn))

for _ in range(int(sys.argv[2])):
    writers = [start(0), start(1)]
    time.sleep(rng.uniform(0.0, 0.06))
    for pid in writers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_writers_that_are_killed_at_any_moment_leave_whole_shards_only(tmp_path):
    plan = plan_shards(7 * 500 + 1, 64, shard_bytes=1024 + 500 * 64 * 4)
    create_shards(tmp_path, plan)
    subprocess.run([sys.executable, "-c", _KILLING, str(tmp_path), "25"], check=True, timeout=120)
    missing = find_missing(tmp_path)
    assert set(missing.values()) <= {"missing"}
    assert len(missing) < plan.count
    for number in missing:
        fill(tmp_path, [number])
    for shard in open_shards(tmp_path):
        if shard.number not in missing:
            values = np.unique(shard.read(0, len(shard)))
            assert len(values) == 1
            assert values[0] % 100 == shard.number


def test_a_damaged_file_beside_a_whole_one_is_passed_over(folder):
    path = file_of(folder, 1)
    twin = path.with_name(f"000001-{'0' * 32}.safetensors")  # the first by name
    twin.write_bytes(path.read_bytes()[:-1] + b"x")
    assert find_missing(folder) == {}
    assert open_shards(folder)[1].path == path
