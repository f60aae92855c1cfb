"""The interface that receives the progress of long operations."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Progress: TypeAlias = Callable[[int, int], None]  # receives the number of finished units, and of all


def no_progress(_done: int, _total: int) -> None:
    """Ignore the progress."""


class Observer:
    """Receive the progress of an evaluation or a training run. The methods do nothing; override those that you need."""

    def log(self, message: str) -> None:
        """Receive a line about a step that begins or a decision."""

    def encoding(self, _collection: str) -> Callable[[Any, int, int], None]:
        """Return a function that receives a role, the number of its encoded texts, and the number of all its texts."""
        return lambda _role, _done, _total: None

    def counting(self, _what: str, _unit: str) -> Progress:
        """Return a function that receives the number of finished units and of all units."""
        return no_progress

    def training(self, _steps: int) -> Callable[[int, Mapping[str, float]], None]:
        """Return a function that receives a finished step and its measurements."""
        return lambda _step, _measured: None
