"""Halve batches that do not fit in memory, and try again."""

import gc
from collections.abc import Callable
from typing import TypeVar

from babelrank.errors import EncoderError

# PyTorch's CUDA and Metal backends, and its allocator on the CPU.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

_Result = TypeVar("_Result")


class BatchSize:
    """The number of texts per batch: the requested number, or as many as fit in memory."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, encode: Callable[[int], _Result]) -> _Result:
        """Return the result of `encode` with the largest batch size that fits. Later calls keep a reduced size.

        Raises
        ------
        EncoderError
            A single text does not fit.
        """
        while True:
            try:
                return encode(self.size)
            except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
                if not _is_out_of_memory(error):
                    raise
                if self.size == 1:
                    raise EncoderError(f"a single text does not fit in memory: {error}") from error
            self.size //= 2
            _free_memory()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY)


def _free_memory() -> None:
    """Release the memory of the failed batch."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
