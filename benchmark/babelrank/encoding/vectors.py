"""Common operations on the kinds of representations: dense, sparse and multi-vector.

A row is a text. All code between the encoder and the computation of scores treats the three kinds alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, cast

import numpy as np
from scipy.sparse import csr_array, vstack


class Kind(StrEnum):
    """Kind of representation."""

    DENSE = "dense"  # one vector: float32 ndarray of shape (texts, dimension)
    SPARSE = "sparse"  # a weight per term of a vocabulary: scipy csr_array of shape (texts, vocabulary)
    MULTI_VECTOR = "multi-vector"  # one vector per token: MultiVectors


@dataclass(frozen=True)
class MultiVectors:
    """One vector per token, for late interaction.

    Attributes
    ----------
    tokens
        float32, shape (tokens of all texts, dimension).
    offsets
        int64, shape (texts + 1,): start of each text's tokens in `tokens`. Each text has at least one.
    """

    tokens: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_list(cls, texts: Sequence[np.ndarray]) -> "MultiVectors":
        """Join arrays of shape (tokens, dimension), one per text."""
        offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in texts])]).astype(np.int64)
        return cls(np.concatenate(texts), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


Vectors: TypeAlias = np.ndarray | csr_array | MultiVectors
_ROOT_OF_RANGE = 1e-15  # shorter vectors, or longer than its inverse, have squares that float32 cannot hold well


def count(vectors: Vectors) -> int:
    """Return the number of texts."""
    return int(vectors.shape[0]) if isinstance(vectors, csr_array) else len(vectors)


def take(vectors: Vectors, rows: np.ndarray) -> Vectors:
    """Return the representations of texts `rows`, in that order. Repeats are allowed."""
    if not isinstance(vectors, MultiVectors):
        return vectors[rows]
    sizes = np.diff(vectors.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    positions = np.arange(offsets[-1]) + np.repeat(vectors.offsets[rows] - offsets[:-1], sizes)
    return MultiVectors(vectors.tokens[positions], offsets)


def concatenate(parts: Sequence[Vectors]) -> Vectors:
    """Join representations of one kind, text after text."""
    first = parts[0]
    if isinstance(first, csr_array):
        return vstack(parts, format="csr")
    if isinstance(first, MultiVectors):
        texts = cast("Sequence[MultiVectors]", parts)
        sizes = np.concatenate([np.diff(part.offsets) for part in texts])
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return MultiVectors(np.concatenate([part.tokens for part in texts]), offsets)
    return np.concatenate(cast("Sequence[np.ndarray]", parts))


def as_float32(vectors: Vectors) -> Vectors:
    """Return the representation in single precision. Values beyond its range become infinite."""
    with np.errstate(over="ignore"):
        if isinstance(vectors, MultiVectors):
            return MultiVectors(vectors.tokens.astype(np.float32, copy=False), vectors.offsets)
        return vectors.astype(np.float32, copy=False)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1. A zero vector stays zero, so its cosine with any vector is 0."""
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    odd = np.flatnonzero((norms < _ROOT_OF_RANGE) | (norms > 1 / _ROOT_OF_RANGE))
    norms[odd] = np.linalg.norm(vectors[odd].astype(np.float64), axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.where(norms == 0, 1, norms)
    return unit


def zero_rows(vectors: np.ndarray | MultiVectors) -> np.ndarray:
    """Return which texts have only zeros."""
    if isinstance(vectors, MultiVectors):
        return np.flatnonzero(~np.logical_or.reduceat(vectors.tokens.any(axis=1), vectors.offsets[:-1]))
    return np.flatnonzero(~vectors.any(axis=1))


def nearly_equal(one: Vectors, other: Vectors, tolerance: float) -> bool:
    """Return whether two representations differ by at most `tolerance` times the length of the first."""
    if isinstance(one, csr_array) and isinstance(other, csr_array):
        difference, length = (one.astype(np.float64) - other).data, one.data.astype(np.float64)
    else:
        mine, others = (values(each).astype(np.float64) for each in (one, other))
        if mine.shape != others.shape:
            return False
        difference, length = mine - others, mine
    return bool(np.linalg.norm(difference) <= tolerance * np.linalg.norm(length))


def values(vectors: Vectors) -> np.ndarray:
    """Return all numbers of a representation, in the order of its texts."""
    if isinstance(vectors, csr_array):
        return np.asarray(vectors.data)
    return vectors.tokens if isinstance(vectors, MultiVectors) else vectors


def row_of_value(vectors: Vectors, value: int) -> int:
    """Return the text that the `value`-th row (of an array or of tokens) or number (if sparse) belongs to."""
    if isinstance(vectors, csr_array):
        return int(np.searchsorted(vectors.indptr, value, side="right")) - 1
    return (
        int(np.searchsorted(vectors.offsets, value, side="right")) - 1 if isinstance(vectors, MultiVectors) else value
    )


def to_tensors(vectors: Vectors) -> dict[str, np.ndarray]:
    """Return the plain arrays of a representation, by name."""
    if isinstance(vectors, csr_array):
        return {
            "indptr": vectors.indptr.astype(np.int64),
            "indices": vectors.indices.astype(np.int64),
            "data": vectors.data,
            "shape": np.array(vectors.shape, dtype=np.int64),
        }
    if isinstance(vectors, MultiVectors):
        return {"tokens": vectors.tokens, "offsets": vectors.offsets}
    return {"vectors": vectors}


def from_tensors(tensors: dict[str, np.ndarray]) -> Vectors:
    """Return the representation that `to_tensors` converted."""
    if "indptr" in tensors:
        parts = (tensors["data"], tensors["indices"], tensors["indptr"])
        return csr_array(parts, shape=tuple(tensors["shape"].tolist()))
    if "offsets" in tensors:
        return MultiVectors(tensors["tokens"], tensors["offsets"])
    return tensors["vectors"]
