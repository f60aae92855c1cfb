"""Timing functions against one another."""

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

    The order alternates, so that none always follows the same other. First rounds, in which caches are cold and
    just-in-time compilers work, count for nothing as long as there are more.

    Parameters
    ----------
    functions
        By name; what they return is dropped.
    rounds
        How often each is run.
    before
        Called before each run, outside its time.
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
