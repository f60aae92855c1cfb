"""What an engine and its work are to each other: tasks are numbers, of shards, and whoever does one needs no other.

A task leaves what it makes where it belongs (a shard, on disk) and returns little. It may be done twice: a worker can
die when its task is done and nobody knows yet.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from babelrank.errors import EngineError, unknown_choice

Result = TypeVar("Result")
Done = TypeVar("Done", covariant=True)

ENGINES = ("local", "ray")
RETRIES = 3  # of a task whose worker died: one that kills its worker again and again is at fault itself


class Job(Protocol[Done]):
    """Tasks of one kind; can be pickled."""

    @property
    def uses_gpu(self) -> bool:
        """Whether a task runs on the first GPU that it sees, so that its worker should have one of its own."""

    def open(self) -> Callable[[int], Done]:
        """Load what the tasks need, once in each process, and return what does one task, by its number."""


@dataclass(frozen=True)
class OpenedJob(Generic[Result]):
    """A job whose needs are loaded already; stays in its process."""

    work: Callable[[int], Result]
    uses_gpu: ClassVar[bool] = False  # that it sees the right one is settled already

    def open(self) -> Callable[[int], Result]:
        """Return what does a task."""
        return self.work


class Engine(Protocol):
    """Does tasks."""

    @property
    def processes(self) -> int:
        """How many processes of their own on this machine; 0 if tasks are done in this one."""

    @property
    def spreads_search(self) -> bool:
        """Whether searching gains from it too: threads of one process do as well on one machine."""

    def run(self, job: Job[Result], numbers: Sequence[int], on_done: Callable[[int, Result], None]) -> None:
        """Do the tasks `numbers`; call `on_done` in this thread with each number and its result, in any order.

        Raises
        ------
        EngineError
            A task's worker died more than `RETRIES` times, or the cluster is lost; names the task.
        BabelrankError
            What a task raised; no further task is begun.
        """


def open_engine(name: str, workers: int | None = None, address: str | None = None) -> AbstractContextManager[Engine]:
    """Return an engine, to be entered before it runs anything.

    Parameters
    ----------
    name
        One of `ENGINES`.
    workers
        How many tasks at a time. ``local``: processes, by default none but this one; ``ray``: by default one for each
        core of the cluster.
    address
        Of a Ray cluster (``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``); by default one is started for the run.

    Raises
    ------
    EngineError
        The name is unknown, the address is for the other engine, Ray is not installed, or nobody listens at the
        address; on entry: who listens there is no cluster.
    """
    if name not in ENGINES:
        raise EngineError(unknown_choice("engine", name, ENGINES))
    if name == "ray":
        from babelrank.engines.ray_cluster import RayCluster

        return RayCluster(address, workers)
    if address is not None:
        raise EngineError(f"--address {address}: names a Ray cluster, which takes --engine ray.")
    from babelrank.engines.local import LocalWorkers, ThisProcess

    return nullcontext(ThisProcess() if workers is None or workers < 2 else LocalWorkers(workers))
