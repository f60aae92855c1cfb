"""Progress of long operations, as it is told to whoever shows it."""

from collections.abc import Callable, Mapping
from typing import Any


class Observer:
    """Receives the progress of a submission or a training run. All methods do nothing; override those to be shown."""

    def log(self, message: str) -> None:
        """Receive a line about what begins, or was decided."""

    def encoding(self, _collection: str) -> Callable[[Any, int, int], None]:
        """Return a function that receives a role, and the number of its texts that are encoded, and of all."""
        return lambda _role, _done, _total: None

    def counting(self, _what: str, _unit: str) -> Callable[[int, int], None]:
        """Return a function that receives the number of units that are done, and of all."""
        return lambda _done, _total: None

    def training(self, _steps: int) -> Callable[[int, Mapping[str, float]], None]:
        """Return a function that receives a step that is done, and what was measured at it."""
        return lambda _step, _measured: None
