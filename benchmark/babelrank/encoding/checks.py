"""Checks of an encoder's output: kind, shape, finite values, order of the texts, and different vectors."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_array

from babelrank.encoding.protocol import EncoderInfo
from babelrank.encoding.vectors import (
    Kind,
    MultiVectors,
    Vectors,
    as_float32,
    count,
    nearly_equal,
    row_of_value,
    take,
    values,
    zero_rows,
)
from babelrank.errors import BabelrankError, EncoderError, described

# Not sorted by length or alphabet, in either direction, to catch encoders that sort a batch and do not undo it.
PROBES = ("Where do bees sleep?", "Zebras sleep standing, lions lie down.", "A bed")
_TYPES = {Kind.DENSE: np.ndarray, Kind.SPARSE: csr_array, Kind.MULTI_VECTOR: MultiVectors}
SAME_TEXT = 0.02  # relative difference; padding and half precision cause less, another text causes more
_ROUNDING = 1e-6  # relative difference below which two vectors are the same
_ENOUGH = 8  # texts with one vector; fewer may be spellings of one text
_SEED = 12  # of a permutation; in batches of the usual sizes hardly a text keeps its place
_SHOWN = 80  # characters of a text in an error

Encode: TypeAlias = Callable[[Sequence[str]], Vectors]


def encode_checked(encode: Encode, texts: Sequence[str], info: EncoderInfo) -> Vectors:
    """Encode texts and check the result; see `check_vectors`.

    Raises
    ------
    EncoderError
        The encoder raised an error; or as for `check_vectors`.
    """
    try:
        vectors = encode(texts)
    except BabelrankError:
        raise
    except Exception as error:  # any error of several libraries
        raise EncoderError(
            f"encoder {info.name!r} failed on {_name_failing(encode, texts)} ({described(error)})."
        ) from error
    return check_vectors(vectors, texts, info)


def check_vectors(vectors: object, texts: Sequence[str], info: EncoderInfo) -> Vectors:
    """Return `vectors` as float32 if they are valid for `texts`.

    Raises
    ------
    EncoderError
        They have another kind, shape or dimension than expected, are not floating point or not finite, or are zero for
        a text with a letter or digit (unless the encoder allows it).
    """
    where = f"encoder {info.name!r}"
    expected = _TYPES[info.kind]
    if not isinstance(vectors, expected):
        raise EncoderError(f"{where} returned a {type(vectors).__name__}, expected a {expected.__name__}.")
    numbers = values(vectors)
    if not np.issubdtype(numbers.dtype, np.floating):
        raise EncoderError(f"{where} returned {numbers.dtype} values, expected floating point.")
    shape = (count(vectors), *_row_shape(vectors)) if numbers.ndim == 2 or info.kind == Kind.SPARSE else numbers.shape
    if len(shape) != 2 or shape[0] != len(texts):
        raise EncoderError(
            f"{where} returned shape {shape} for {len(texts)} texts, expected ({len(texts)}, {info.dimension})."
        )
    if shape[1] != info.dimension:
        raise EncoderError(f"{where} returned dimension {shape[1]}, expected {info.dimension!r}.")
    if isinstance(vectors, MultiVectors) and (np.diff(vectors.offsets) < 1).any():
        empty = texts[int((np.diff(vectors.offsets) < 1).argmax())]
        raise EncoderError(f"{where} returned no vectors for {empty[:_SHOWN]!r}.")
    vectors = as_float32(vectors)
    finite = np.isfinite(values(vectors))
    broken = np.flatnonzero(~finite.all(axis=tuple(range(1, finite.ndim))))
    if len(broken):
        rows = {row_of_value(vectors, row) for row in broken.tolist()}
        raise EncoderError(f"{where} returned NaN or infinity for {_named(rows, texts)}.")
    if not (info.allows_zero or isinstance(vectors, csr_array)):
        zero = {row for row in zero_rows(vectors).tolist() if any(map(str.isalnum, texts[row]))}
        if zero:
            raise EncoderError(f"{where} returned a zero vector for {_named(zero, texts)}.")
    return vectors


def check_matrix(vectors: np.ndarray, where: str) -> np.ndarray:
    """Return a matrix of dense vectors as float32, if it is valid.

    Raises
    ------
    EncoderError
        It does not have the shape (texts, dimension), or its values are not finite numbers.
    """
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise EncoderError(f"{where}: vectors have shape {vectors.shape}, expected (texts, dimension).")
    if vectors.dtype.kind not in "iuf":
        raise EncoderError(f"{where}: vectors hold {vectors.dtype}, expected numbers.")
    with np.errstate(over="ignore"):
        matrix = vectors.astype(np.float32, copy=False)
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(broken):
        raise EncoderError(f"{where}: row {broken[0]} has NaN or infinity in float32 ({len(broken):,} rows in total).")
    return matrix


def check_order(encode: Encode, where: str) -> None:
    """Refuse an encoder that gives a text different vectors alone and in a batch, or all texts the same vector.

    Parameters
    ----------
    encode
        Function that returns vectors checked by `check_vectors`.
    where
        Name of the encoder in errors.
    """
    together = encode(PROBES)
    rows = [take(together, np.array([row])) for row in range(len(PROBES))]
    if all(nearly_equal(rows[0], row, _ROUNDING) for row in rows[1:]):
        raise EncoderError(f"{where} returned the same vector for {len(PROBES)} different texts.")
    for text, row in zip(PROBES, rows, strict=True):
        require_same(row, encode([text]), text, where)


def require_same(among_others: Vectors, alone: Vectors, text: str, where: str) -> None:
    """Refuse an encoder that gives a text different vectors alone and in a batch.

    Raises
    ------
    EncoderError
        The vectors differ by more than `SAME_TEXT`.
    """
    if not nearly_equal(among_others, alone, SAME_TEXT):
        raise EncoderError(
            f"{where}: {text[:_SHOWN]!r} gets different vectors alone and in a batch. Keep the order of the texts, and "
            "make each vector independent of the other texts."
        )


class OrderWatch:
    """Check that an encoder keeps the order of texts in large batches, which `check_order` does not try.

    The first time, the texts of a batch are encoded again in another order. Each call with more than one batch encodes
    the last text of a batch again, alone.
    """

    def __init__(self, batch_size: int, where: str) -> None:
        self._size, self._where = batch_size, where
        self._is_first = True

    def choose(self, texts: int) -> list[list[int]]:
        """Return which of so many texts to encode again: their rows, batch by batch."""
        if not texts or not (self._is_first or texts > self._size):
            return []
        again = [[(texts // self._size * self._size or texts) - 1]]
        if self._is_first and texts > 1:
            again.append(np.random.default_rng(_SEED).permutation(min(texts, self._size)).tolist())
        self._is_first = False
        return again

    def require(self, texts: Sequence[str], vectors: Vectors, rows: Sequence[int], again: Vectors) -> None:
        """Refuse an encoder that gave texts other vectors the second time.

        Raises
        ------
        EncoderError
            As `require_same`.
        """
        for place, row in enumerate(rows):
            require_same(take(vectors, np.array([row])), take(again, np.array([place])), texts[row], self._where)

    def check(self, encode: Encode, texts: Sequence[str], vectors: Vectors) -> None:
        """Encode some of the texts again, and compare; see `require`."""
        for rows in self.choose(len(texts)):
            self.require(texts, vectors, rows, encode([texts[row] for row in rows]))


class Variety:
    """Check that an encoder gives different texts different vectors. Otherwise all would tie and look unbiased.

    All texts are considered, since neighbouring texts in a language that the encoder does not know may share a vector.
    """

    def __init__(self, info: EncoderInfo) -> None:
        self._where = f"encoder {info.name!r}"
        self._first: Vectors | None = None
        self._texts: set[str] = set()
        self.shown = False

    def add(self, texts: Sequence[str], vectors: Vectors) -> bool:
        """Add vectors of further texts; return whether there were two different vectors so far."""
        if not self.shown and len(texts):
            self._texts.update(text.casefold() for text in texts)
            first = self._first = take(vectors, np.array([0])) if self._first is None else self._first
            rows = (take(vectors, np.array([row])) for row in range(len(texts)))
            self.shown = not all(nearly_equal(first, row, _ROUNDING) for row in rows)
        return self.shown

    def require(self) -> None:
        """Refuse an encoder that gave all of many texts the same vector.

        Raises
        ------
        EncoderError
            All vectors are the same.
        """
        if not self.shown and len(self._texts) >= _ENOUGH:
            raise EncoderError(f"{self._where} returned the same vector for {len(self._texts)} different texts.")


def _named(rows: set[int], texts: Sequence[str]) -> str:
    """Return the number of affected texts and the first of them."""
    return f"{len(rows)} of {len(texts)} texts, the first of them {texts[min(rows)][:_SHOWN]!r}"


def find_failing(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> tuple[int, int]:
    """Find by bisection the text, or the smallest group of texts, on which an encoder fails."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(encode, texts[low:middle]):
            high = middle
        elif _fails(encode, texts[middle:high]):
            low = middle
        else:  # fails only on both halves together
            break
    return low, high


def _name_failing(encode: Encode, texts: Sequence[str]) -> str:
    low, high = find_failing(encode, texts)
    shown = repr(texts[low][:_SHOWN]) if texts else "no text"
    if high - low == 1:
        return f"text {low + 1} of {len(texts)}, {shown}"
    return f"texts {low + 1} to {high} of {len(texts)}, the first of them {shown}"


def _fails(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> bool:
    try:
        encode(texts)
    except Exception:  # whatever the library raises
        return True
    return False


def _row_shape(vectors: Vectors) -> tuple[int, ...]:
    return (vectors.shape[1],) if isinstance(vectors, csr_array) else values(vectors).shape[1:]
