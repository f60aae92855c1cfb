"""The interface between an engine and its work: tasks are numbers (of shards), and each can be done on its own.

A task leaves its result on disk (a shard) and returns little. It may be done twice: a worker can die after its task is
done and before it says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

Result = TypeVar("Result")
Done = TypeVar("Done", covariant=True)

RETRIES = 3  # of a task if its worker dies; a task that kills four workers is at fault itself


class Job(Protocol[Done]):
    """Tasks of one kind; can be pickled."""

    @property
    def uses_gpu(self) -> bool:
        """Whether a task runs on the first GPU that it sees, so that its worker should have one of its own."""

    def open(self) -> Callable[[int], Done]:
        """Load what the tasks need, once in each process, and return what does one task, by its number."""


@dataclass(frozen=True)
class OpenedJob(Generic[Result]):
    """A job that is loaded already; stays in its process."""

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
