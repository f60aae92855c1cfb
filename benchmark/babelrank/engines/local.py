"""Run tasks on this machine: in this process, or in worker processes that share its cores."""

import multiprocessing
import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from babelrank.engines.protocol import RETRIES, Job, Result
from babelrank.engines.termination import end_with_parent, exit_on_sigterm
from babelrank.environment import GPU_VARIABLE, visible_gpus
from babelrank.errors import BabelrankError, EngineError

Thing = TypeVar("Thing")

_SECONDS_TO_END = 5.0  # for a worker after it was told to end


class ThisProcess:
    """Run one task after another in this process."""

    processes = 0
    spreads_search = False

    def run(self, job: Job[Result], numbers: Sequence[int], on_done: Callable[[int, Result], None]) -> None:
        """See `Engine.run`."""
        work = job.open()
        for number in numbers:
            on_done(number, work(number))


@dataclass(frozen=True)
class LocalWorkers:
    """Worker processes. Each gets its share of the GPUs and, on Linux, of the cores.

    They end with this process, even if it is killed. Python starts each by importing the main script, so guard your
    script with ``if __name__ == "__main__":``.

    Attributes
    ----------
    processes
        Number of worker processes.
    """

    processes: int
    spreads_search = False

    @exit_on_sigterm()
    def run(self, job: Job[Result], numbers: Sequence[int], on_done: Callable[[int, Result], None]) -> None:
        """See `Engine.run`."""
        waiting, died = deque(numbers), Counter[int]()
        payload, total = pickle.dumps(job), len(numbers)
        free = deque(_shares(self.processes, visible_gpus() if job.uses_gpu else ())[:total])
        busy: dict[Connection, _Worker] = {}
        done = 0
        try:
            while waiting or busy:
                while waiting and free:
                    worker = _start(payload, free.popleft())
                    worker.give(waiting.popleft())
                    busy[worker.connection] = worker
                ready = wait(list(busy))
                for connection in [each for each in busy if each in ready]:
                    worker = busy.pop(connection)
                    answer = worker.answer()
                    if answer is None:
                        worker.end()
                        free.append(worker.share)
                        died[worker.number] += 1
                        if died[worker.number] > RETRIES:
                            raise EngineError(
                                f"shard {worker.number}: its worker died {died[worker.number]} times, last with "
                                f"{_describe_exit(worker.process.exitcode)}. {done:,} of {total:,} shards are done and "
                                "kept; run the same command again to continue."
                            )
                        waiting.appendleft(worker.number)
                        continue
                    if isinstance(answer, BabelrankError):
                        worker.end()
                        raise answer
                    on_done(worker.number, answer[0])
                    done += 1
                    if waiting:
                        worker.give(waiting.popleft())
                        busy[worker.connection] = worker
                    else:
                        worker.dismiss()
        finally:
            for worker in busy.values():
                worker.end()


@dataclass(frozen=True)
class _Share:
    """A worker's share of this machine: cores (empty where they cannot be assigned) and GPUs (empty if unused)."""

    cores: frozenset[int]
    gpus: tuple[str, ...]


@dataclass
class _Worker:
    """A process and this end of its pipe."""

    process: BaseProcess
    connection: Connection
    share: _Share
    number: int = -1

    def give(self, number: int) -> None:
        """Send a task. If the worker is dead, waiting for the answer shows it."""
        self.number = number
        with suppress(OSError):
            self.connection.send(number)

    def answer(self) -> Any:
        """Return the result in a tuple, the worker's error, or None if it died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def dismiss(self) -> None:
        """Tell the worker to end, so that its libraries can release their resources."""
        self.connection.close()
        self.process.join(_SECONDS_TO_END)
        self.end()

    def end(self) -> None:
        """Kill the worker. This is safe, since a shard on disk is always complete."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_SECONDS_TO_END)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def _start(payload: bytes, share: _Share) -> _Worker:
    """Start a worker on its cores. It inherits them from this thread before any library counts cores."""
    # Not forked: BLAS threads and GPU contexts do not survive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, share.gpus), daemon=True)
    with _on_cores(share.cores):
        process.start()
    theirs.close()
    with suppress(OSError):  # a worker that died already is found by its first task
        ours.send_bytes(payload)
    return _Worker(process, ours, share)


@contextmanager
def _on_cores(cores: frozenset[int]) -> Iterator[None]:
    if not cores:  # the system does not assign cores
        yield
        return
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def _serve(connection: Connection, gpus: tuple[str, ...]) -> None:
    """Run tasks until the pipe is closed. Errors other than babelrank's end the process with a traceback."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the workers
    if gpus:
        os.environ[GPU_VARIABLE] = ",".join(gpus)  # CUDA reads it on first use
    work = None
    try:
        job = connection.recv()
        while True:
            number = connection.recv()
            try:
                work = work or job.open()
                connection.send((work(number),))
            except BabelrankError as error:
                connection.send(error)
    except (EOFError, BrokenPipeError):
        return


def _shares(workers: int, gpus: Sequence[str]) -> list[_Share]:
    """Return an equal share of this machine for each worker."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else ()
    hands = zip(_deal(cores, workers), _deal(gpus, workers), strict=True)
    return [_Share(frozenset(own), tuple(seen)) for own, seen in hands]


def _deal(things: Sequence[Thing], workers: int) -> list[Sequence[Thing]]:
    """Return each worker's share: equal parts, or one item each in turn if there are fewer items than workers."""
    if not 0 < len(things) < workers:
        return [things[worker::workers] for worker in range(workers)]
    return [[things[worker % len(things)]] for worker in range(workers)]


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name} (memory may be short)" if code == -signal.SIGKILL else str(code)
    return f"exit code {code}"
