"""Compare the running times of functions."""

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)


def best_seconds(
    functions: Mapping[Name, Callable[[], Any]],
    *,
    rounds: int,
    before: Callable[[], Any] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Name, float]:
    """Run functions in turn, round by round, and return the shortest time of each.

    The order alternates, so that no function always follows the same one. First rounds, with cold caches and
    just-in-time compilation, are ignored if there are others.

    Parameters
    ----------
    functions
        Functions by name; their results are dropped.
    rounds
        Number of runs of each function.
    before
        Called before each run; not timed.
    clock
        Returns seconds; `time.process_time` for CPU time.
    """
    names = list(functions)
    seconds = dict.fromkeys(names, float("inf"))
    for turn in range(rounds):
        for name in names[::-1] if turn % 2 else names:
            before()
            began = clock()
            functions[name]()
            seconds[name] = min(seconds[name], clock() - began)
    return seconds
