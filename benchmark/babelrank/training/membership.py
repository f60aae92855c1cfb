"""Sets of rows of a data set too large to hold: one bit per row, and the k-th member without a list of members.

Input: the examples with a text in each language. Output: the rows from which a batch of one kind can be drawn.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

_BLOCK = 64  # bytes per block of the directory: 512 rows


class RowSet:
    """Some of the rows 0 … size - 1, one bit each.

    Attributes
    ----------
    size
        Number of rows, members or not.
    bits
        uint8, one bit per row, the first row the lowest bit of the first byte.
    """

    def __init__(self, bits: np.ndarray, size: int) -> None:
        """Take ownership of `bits`.

        Raises
        ------
        ValueError
            `bits` does not have the right length for `size` rows.
        """
        if len(bits) != (size + 7) // 8:
            raise ValueError(f"{len(bits)} bytes cannot hold {size} rows.")
        self.size = size
        self.bits = bits

    @classmethod
    def all(cls, size: int) -> "RowSet":
        """Return the set of all rows."""
        bits = np.full((size + 7) // 8, 0xFF, dtype=np.uint8)
        if size % 8:
            bits[-1] = (1 << size % 8) - 1
        return cls(bits, size)

    @classmethod
    def of(cls, members: np.ndarray) -> "RowSet":
        """Return the set of the rows where `members` (bool, one per row) is true."""
        return cls(np.packbits(members, bitorder="little"), len(members))

    def __len__(self) -> int:
        """Return the number of members."""
        return int(self._directory[-1])

    def __and__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits & other.bits, self.size)

    def __or__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits | other.bits, self.size)

    def __sub__(self, other: "RowSet") -> "RowSet":
        return RowSet(self.bits & ~other.bits, self.size)

    def contains(self, rows: np.ndarray) -> np.ndarray:
        """Tell for each of `rows` whether it is a member; bool, of the same shape."""
        found: np.ndarray = (self.bits[rows >> 3] >> (rows & 7).astype(np.uint8)) & 1
        return found.astype(bool)

    def select(self, ordinals: np.ndarray) -> np.ndarray:
        """Return the rows of the members with these ordinals, counted from 0 in order of rows; int64."""
        blocks = np.searchsorted(self._directory, ordinals, side="right") - 1
        bytes_ = np.take(self.bits, blocks[:, None] * _BLOCK + np.arange(_BLOCK), mode="clip")
        within = np.cumsum(np.unpackbits(bytes_, axis=1, bitorder="little"), axis=1, dtype=np.int32)
        offsets = (within > (ordinals - self._directory[blocks])[:, None]).argmax(axis=1)
        rows: np.ndarray = blocks * (_BLOCK * 8) + offsets
        return rows

    @cached_property
    def _directory(self) -> np.ndarray:
        """Number of members before each block, and at the end the total; int64."""
        if not len(self.bits):
            return np.zeros(1, dtype=np.int64)
        starts = np.arange(0, len(self.bits), _BLOCK)
        counts = np.add.reduceat(np.bitwise_count(self.bits), starts, dtype=np.int64)
        return np.concatenate([[0], np.cumsum(counts)])


def in_any(sets: Iterable[RowSet], size: int) -> RowSet:
    """Return the rows that are in at least one of `sets`."""
    found = RowSet.of(np.zeros(size, dtype=bool))
    for one in sets:
        found = found | one
    return found


def in_several(sets: Iterable[RowSet], size: int) -> RowSet:
    """Return the rows that are in at least two of `sets`."""
    once = RowSet.of(np.zeros(size, dtype=bool))
    twice = once
    for one in sets:
        twice, once = twice | (once & one), once | one
    return twice
