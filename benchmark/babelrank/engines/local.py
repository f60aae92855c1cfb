"""Tasks on this machine: in this process, or in processes of their own that share its cores."""

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

_SECONDS_TO_END = 5.0  # for a worker that was told to


class ThisProcess:
    """One task after another, here."""

    processes = 0
    spreads_search = False

    def run(self, job: Job[Result], numbers: Sequence[int], on_done: Callable[[int, Result], None]) -> None:
        """See `Engine.run`."""
        work = job.open()
        for number in numbers:
            on_done(number, work(number))


@dataclass(frozen=True)
class LocalWorkers:
    """Worker processes, each with its share of the GPUs and, where the system allows it (Linux), of the cores.

    They end with this process, also when it is killed. Python starts each by importing the script that runs: guard a
    script of your own by ``if __name__ == "__main__":``.

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
                                f"shard {worker.number}: its worker died {died[worker.number]} times, at last with "
                                f"{_describe_exit(worker.process.exitcode)}. {done:,} of {total:,} shards are done and "
                                "kept; the same command goes on from there."
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
    """What a worker has of this machine: cores, none where one cannot choose, and GPUs, none if it takes none."""

    cores: frozenset[int]
    gpus: tuple[str, ...]


@dataclass
class _Worker:
    """A process, and this end of its pipe."""

    process: BaseProcess
    connection: Connection
    share: _Share
    number: int = -1

    def give(self, number: int) -> None:
        """Hand it a task; that it is dead shows when its answer is awaited."""
        self.number = number
        with suppress(OSError):
            self.connection.send(number)

    def answer(self) -> Any:
        """Return its result in a tuple, the error it met, or None if it died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def dismiss(self) -> None:
        """Let it end by itself, so that it can put away what its libraries opened."""
        self.connection.close()
        self.process.join(_SECONDS_TO_END)
        self.end()

    def end(self) -> None:
        """Stop it at once: its shards are complete, or not there."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_SECONDS_TO_END)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def _start(payload: bytes, share: _Share) -> _Worker:
    """Start a worker on its cores: it inherits them from this thread, before any library counts them."""
    # Not forked: threads of BLAS, and a GPU, do not survive it.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, payload, share.gpus), daemon=True)
    with _on_cores(share.cores):
        process.start()
    theirs.close()
    return _Worker(process, ours, share)


@contextmanager
def _on_cores(cores: frozenset[int]) -> Iterator[None]:
    if not cores:  # of a system that does not say which there are
        yield
        return
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def _serve(connection: Connection, payload: bytes, gpus: tuple[str, ...]) -> None:
    """Do tasks as they come, until the pipe is closed. Any error but ours ends the process, with its traceback."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at the keyboard it is meant for the parent, which ends the workers
    if gpus:
        os.environ[GPU_VARIABLE] = ",".join(gpus)  # CUDA looks at it when it is first used
    work = None
    try:
        while True:
            number = connection.recv()
            try:
                work = work or pickle.loads(payload).open()  # noqa: S301 (it comes from the parent)
                connection.send((work(number),))
            except BabelrankError as error:
                connection.send(error)
    except (EOFError, BrokenPipeError):
        return


def _shares(workers: int, gpus: Sequence[str]) -> list[_Share]:
    """Return an even share of this machine for each worker."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else ()
    hands = zip(_deal(cores, workers), _deal(gpus, workers), strict=True)
    return [_Share(frozenset(own), tuple(seen)) for own, seen in hands]


def _deal(things: Sequence[Thing], workers: int) -> list[Sequence[Thing]]:
    """Return each worker's part: an even one, or one thing each, in turn, if there are fewer than workers."""
    if not 0 < len(things) < workers:
        return [things[worker::workers] for worker in range(workers)]
    return [[things[worker % len(things)]] for worker in range(workers)]


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name} (memory may be short)" if code == -signal.SIGKILL else str(code)
    return f"exit code {code}"
