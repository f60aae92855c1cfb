"""Blocks of consecutive vectors of a corpus, in memory or on disk, for searching block by block."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from babelrank.errors import EncoderError

DTYPES = ("float32", "float16")  # types of stored vectors
_ROWS_AT_A_TIME = 16_384  # for operations that would otherwise copy all vectors


class VectorBlock(Protocol):
    """Consecutive vectors of a corpus, in memory or on disk."""

    @property
    def start(self) -> int:
        """Position in the corpus of the first row."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def lengths(self) -> tuple[float, float]:
        """Euclidean lengths of the shortest and the longest vector."""

    def __len__(self) -> int: ...

    def read(self, begin: int, end: int) -> np.ndarray:
        """Return rows `begin` to `end`, counted from the block's first."""

    def prefetch(self, begin: int, end: int) -> None:
        """Announce that these rows will be read soon."""


@dataclass(frozen=True)
class ArrayBlock:
    """Vectors in memory. It implements `VectorBlock`.

    Attributes
    ----------
    vectors
        Shape (rows, dimension), float32 or float16.
    start
        Position in the corpus of the first row.
    lengths
        Euclidean lengths of the shortest and the longest vector.
    """

    vectors: np.ndarray
    start: int
    lengths: tuple[float, float]

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.vectors)

    def read(self, begin: int, end: int) -> np.ndarray:
        """Return a view of rows `begin` to `end`."""
        return self.vectors[begin:end]

    def prefetch(self, begin: int, end: int) -> None:
        """Do nothing."""


def array_block(vectors: np.ndarray, start: int = 0) -> ArrayBlock:
    """Wrap vectors in memory, so they can be searched like a shard.

    Raises
    ------
    EncoderError
        Not a matrix of finite float32 or float16 numbers.
    """
    return ArrayBlock(vectors, start, measure_lengths(vectors))


def measure_lengths(vectors: np.ndarray) -> tuple[float, float]:
    """Return the lengths of the shortest and the longest row.

    Raises
    ------
    EncoderError
        Not a matrix of finite float32 or float16 numbers.
    """
    if vectors.ndim != 2 or not vectors.size or vectors.dtype not in map(np.dtype, DTYPES):
        raise EncoderError(f"vectors of shape {vectors.shape} and type {vectors.dtype}, expected rows of float32.")
    shortest, longest = np.inf, 0.0
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        rows = vectors[start : start + _ROWS_AT_A_TIME]
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        if not np.isfinite(squares).all():
            row = start + int(np.flatnonzero(~np.isfinite(squares))[0])
            raise EncoderError(f"vector {row} is not finite in {vectors.dtype}.")
        shortest, longest = min(shortest, squares.min()), max(longest, squares.max())
    return float(np.sqrt(shortest)), float(np.sqrt(longest))
