"""The interface between an engine and its job. Tasks are numbers (of shards) and independent of each other.

A task writes its result to disk (a shard) and returns little. It may run twice, since a worker can die after it
finished a task and before it reports that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

Result = TypeVar("Result")
Done = TypeVar("Done", covariant=True)

RETRIES = 3  # of a task if its worker dies; after four dead workers the task itself must be the cause


class Job(Protocol[Done]):
    """Tasks of one kind. A job can be pickled."""

    @property
    def uses_gpu(self) -> bool:
        """Whether a task runs on the first visible GPU, so each worker needs a separate one."""

    def open(self) -> Callable[[int], Done]:
        """Load what the tasks need, once in each process; return a function that runs the task of a given number."""


@dataclass(frozen=True)
class OpenedJob(Generic[Result]):
    """A job that is loaded already and stays in its process."""

    work: Callable[[int], Result]
    uses_gpu: ClassVar[bool] = False  # this process has its GPU already

    def open(self) -> Callable[[int], Result]:
        """Return the function that runs a task."""
        return self.work


class Engine(Protocol):
    """Run tasks."""

    @property
    def processes(self) -> int:
        """Number of worker processes on this machine; 0 if tasks run in this process."""

    @property
    def spreads_search(self) -> bool:
        """Whether the engine also speeds up searching. On one machine, threads of one process are as fast."""

    def run(self, job: Job[Result], numbers: Sequence[int], on_done: Callable[[int, Result], None]) -> None:
        """Run the tasks `numbers`; call `on_done` in this thread with each number and its result, in any order.

        Raises
        ------
        EngineError
            A task's worker died more than `RETRIES` times, or the cluster is lost. The message names the task.
        BabelrankError
            A task raised it. No further task is started.
        """
