"""Whatever is wrong with a file, it loads, or one sentence says what is wrong: within limits of time and memory.

``BABELRANK_FUZZ`` sets how many mutations each reader gets, ``BABELRANK_FUZZ_SEED`` which.
"""

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from babelrank.environment import resident_memory
from babelrank.errors import BabelrankError
from fuzz.mutations import mutated
from fuzz.readers import READERS, model_reader, write

MUTATIONS = int(os.environ.get("BABELRANK_FUZZ", "50"))
SEED = int(os.environ.get("BABELRANK_FUZZ_SEED", "0"))
SECONDS = 10  # of the processor, for one input of a few hundred bytes
MEMORY = 2 * 2**30  # bytes beyond what the process has


class TooSlowError(BaseException):
    """More than `SECONDS` were spent on one input; passes by handlers of `Exception`."""


@contextmanager
def bounded() -> Iterator[None]:
    """Allow so much time and memory."""

    def stop(*_: object) -> None:
        raise TooSlowError

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", [*READERS, "model"])
def test_damage_is_one_sentence(name, request, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    reader = model_reader(request.getfixturevalue("tiny_model")) if name == "model" else READERS[name]
    files = reader.sample()
    folder = tmp_path / "made"
    mutations = MUTATIONS // 4 if name == "model" else MUTATIONS  # loading a model takes the longest by far
    tried = refused = 0

    write(folder, files)
    reader.read(folder)

    @settings(
        max_examples=mutations,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @seed(SEED)
    @given(mutated(files))
    def check(changed):
        nonlocal tried, refused
        shutil.rmtree(folder)
        write(folder, changed)
        tried += 1
        with bounded():
            try:
                reader.read(folder)
            except BabelrankError as error:
                refused += bool(str(error).strip())

    check()
    assert tried >= mutations // 2
    assert bool(refused) != reader.always_loads
    print(f"{name}: {tried:,} inputs, {refused:,} refused, {resident_memory() / 2**20:.0f} MiB")
