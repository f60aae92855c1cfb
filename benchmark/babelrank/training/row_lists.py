"""Lists of rows, one for each example, in two arrays."""

from dataclasses import dataclass

import numpy as np

from babelrank.training.permutation import mix_bits


@dataclass(frozen=True)
class RowLists:
    """Lists of row numbers.

    Attributes
    ----------
    starts
        Start of each list in `rows`, and the end of the last one; int64.
    rows
        All lists, one after another; int64.
    """

    starts: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> list[int]:
        if not 0 <= number < len(self):
            raise IndexError(number)
        found: list[int] = self.rows[self.starts[number] : self.starts[number + 1]].tolist()
        return found


def group_rows(
    groups: np.ndarray, contents: np.ndarray, wanted: np.ndarray | None = None
) -> tuple[np.ndarray, RowLists]:
    """Group rows by their question, and list those of a group that differ in content.

    Parameters
    ----------
    groups, contents
        A number for each row, equal if rows have the same question or the same content; uint64.
    wanted
        Rows to list; all by default.

    Returns
    -------
    tuple
        Group of each row (int64), with groups numbered in the order of their first rows; and the rows of each group,
        ascending, without those that repeat the content of an earlier one.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    group = rank[group]
    rows = np.arange(len(groups)) if wanted is None else np.flatnonzero(wanted)
    distinct = mix_bits(group[rows].astype(np.uint64)) ^ contents[rows]
    rows = rows[np.sort(np.unique(distinct, return_index=True)[1])]
    rows = rows[np.argsort(group[rows], kind="stable")]
    return group, RowLists(np.searchsorted(group[rows], np.arange(len(first) + 1)), rows)
