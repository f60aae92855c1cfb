"""Engines: the same shards whoever encodes them, workers that die, and what is said when it cannot go on."""

import errno
import os
import sys
from dataclasses import replace

import pytest

from babelrank.data.loading import load_collection
from babelrank.encoding.corpus import EncoderSource, encode_corpus
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from babelrank.engines.local import LocalWorkers, ThisProcess, _shares
from babelrank.engines.opening import open_engine
from babelrank.engines.protocol import RETRIES, OpenedJob
from babelrank.environment import available_cores, visible_gpus
from babelrank.errors import EncoderError, EngineError
from engine_jobs import GpusSeen
from made_collections import folder_of_shards, write_beir
from paths import TESTS
from streamed_encoders import FOLDER

PASSAGES = 1500  # 6 shards of 256


@pytest.fixture
def encode(monkeypatch, tmp_path):
    """Encode a made corpus into a store of its own, by an engine; return the content of each shard's file, by name."""
    monkeypatch.chdir(TESTS)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    folder = write_beir(tmp_path / "made", PASSAGES)
    collection = load_collection(f"beir:{folder}", tmp_path)

    def run(name, engine, encoder="words", on_passages=lambda *_: None):
        model = f"streamed_encoders:{encoder}"
        loaded = load_encoder(model)
        source = EncoderSource(model, EncoderOptions(), None, loaded.info.fingerprint, TESTS)
        encode_corpus(collection, loaded, source, tmp_path / name, engine, on_passages=on_passages)
        return contents(tmp_path / name)

    return run


@pytest.mark.parametrize(
    ("device", "asked", "own"),
    [("cuda:0", None, True), ("cuda:0", "cuda", True), ("cuda:1", "cuda:1", False), ("cpu", None, False)],
)
def test_tasks_ask_for_a_gpu_where_the_encoder_runs_on_the_first_there_is(device, asked, own, monkeypatch, tmp_path):
    monkeypatch.chdir(TESTS)
    folder = write_beir(tmp_path / "made", PASSAGES)
    collection = load_collection(f"beir:{folder}", tmp_path)
    loaded = load_encoder("streamed_encoders:words")
    loaded.info = replace(loaded.info, device=device)
    source = EncoderSource("streamed_encoders:words", EncoderOptions(device=asked), None, "", TESTS)
    jobs = []

    class Noting(LocalWorkers):
        def run(self, job, numbers, on_done):
            jobs.append(job)
            ThisProcess().run(OpenedJob(job.using(loaded)), numbers, on_done)

    encode_corpus(collection, loaded, source, tmp_path / "store", Noting(2))
    assert [job.uses_gpu for job in jobs] == [own]


def contents(store):
    """Return what the shards hold; identities differ by the encoder's name, vectors must not."""
    files = sorted(folder_of_shards(store).glob("*.safetensors"))
    return {path.name: path.read_bytes() for path in files}


def test_two_workers_leave_the_shards_of_one_process(encode):
    steps = []
    alone = encode("alone", ThisProcess())
    assert len(alone) == 6
    assert encode("two", LocalWorkers(2), on_passages=lambda *step: steps.append(step)) == alone
    assert steps[0] == (0, PASSAGES)
    assert steps[-1] == (PASSAGES, PASSAGES)


def test_a_worker_that_is_killed_costs_its_shard_another_turn_and_nothing_else(encode, tmp_path):
    survived = encode("survived", LocalWorkers(2), "killed_once")
    assert (tmp_path / "killed").exists()
    assert survived == encode("alone", ThisProcess())


def test_a_shard_that_kills_its_worker_again_and_again_is_named_and_the_others_are_kept(encode, tmp_path):
    with pytest.raises(EngineError, match=rf"shard 2: its worker died {RETRIES + 1} times, .* signal SIGKILL"):
        encode("hopeless", LocalWorkers(2), "killed_always")
    kept = contents(tmp_path / "hopeless")
    assert kept
    assert not any(name.startswith("000002") for name in kept)


def test_what_an_encoder_raises_in_a_worker_is_raised_here(encode, monkeypatch):
    # Workers find another module of that name than this process has loaded.
    monkeypatch.setattr("babelrank_adapters.callable._fingerprint", lambda *_: "another")
    with pytest.raises(EncoderError, match="a worker finds another model"):
        encode("changed", LocalWorkers(1))


def test_a_disk_that_fills_up_keeps_what_was_stored(encode, tmp_path, monkeypatch):
    written = []
    fsync = os.fsync

    def full(handle):
        written.append(handle)
        if len(written) > 5:  # the description, the plan, and three shards
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EncoderError, match=r"No space left on device.*Earlier .* are kept"):
        encode("full", ThisProcess())
    kept = contents(tmp_path / "full")
    assert len(kept) == 3
    monkeypatch.setattr(os, "fsync", fsync)
    done = []
    whole = encode("full", ThisProcess(), on_passages=lambda *step: done.append(step))
    assert done[-1] == (PASSAGES - 3 * 256,) * 2
    assert kept.items() <= whole.items()


def test_each_worker_has_its_share_of_the_cores():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs a system on which cores can be chosen")
    cores = os.sched_getaffinity(0)
    for workers in (1, 2, len(cores) + 3):
        shares = [share.cores for share in _shares(workers, ())]
        assert len(shares) == workers
        assert all(shares)
        assert frozenset().union(*shares) == cores
        if workers <= len(cores):
            assert sum(map(len, shares)) == len(cores)


@pytest.mark.parametrize(("told", "cores"), [("1", 1), ("0", None), ("4096", None), ("2,1", None), ("", None)])
def test_no_more_threads_are_started_than_a_task_may_use(told, cores, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    everywhere = available_cores()
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert available_cores() == (cores or everywhere)


def test_engines_that_cannot_be_are_refused():
    with pytest.raises(EngineError, match=r"unknown engine 'spark'\. Known: local, ray"):
        open_engine("spark")
    with pytest.raises(EngineError, match="--address head:6379 is for a Ray cluster; add --engine ray"):
        open_engine("local", address="head:6379")


def test_one_worker_is_this_process():
    with open_engine("local", 1) as one, open_engine("local", 3) as three:
        assert (one.processes, three.processes) == (0, 3)


@pytest.mark.parametrize(
    ("gpus", "uses_gpu", "seen"),
    [
        ("3,5", True, {"3", "5"}),
        ("3,5,7", True, {"3,7", "5"}),
        ("4", True, {"4"}),  # shared
        ("", True, {""}),
        ("3,5", False, {"3,5"}),  # chosen by the user: a worker must see them all
    ],
)
def test_each_worker_sees_gpus_of_its_own(gpus, uses_gpu, seen, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    found = {}
    LocalWorkers(2).run(GpusSeen(tmp_path, 2, uses_gpu), range(2), found.__setitem__)
    assert set(found.values()) == seen
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpus


def test_gpus_are_counted_where_nobody_says_which_may_be_used(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert visible_gpus() == ("0", "1", "2")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert visible_gpus() == ()
