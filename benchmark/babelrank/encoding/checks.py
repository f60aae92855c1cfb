"""What encoders return, checked as it comes: one finite, telling representation per text, in the order of the texts."""

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
from babelrank.errors import BabelrankError, EncoderError

# Sorted neither by length nor by alphabet, in either direction: an encoder that sorts its batch and does not undo it
# is caught.
PROBES = ("Where do bees sleep?", "Zebras sleep standing, lions lie down.", "A bed")
_TYPES = {Kind.DENSE: np.ndarray, Kind.SPARSE: csr_array, Kind.MULTI_VECTOR: MultiVectors}
SAME_TEXT = 0.02  # relative: padding and half precision move a vector by less, another text by more
_ROUNDING = 1e-6  # relative: two vectors that differ by less are the same
_ENOUGH = 8  # texts with one vector; fewer may be one text in several spellings
_SHOWN = 80  # characters of a text that an error shows

Encode: TypeAlias = Callable[[Sequence[str]], Vectors]


def encode_checked(encode: Encode, texts: Sequence[str], info: EncoderInfo) -> Vectors:
    """Encode texts and check the result; see `check_vectors`.

    Raises
    ------
    EncoderError
        The encoder failed, with whatever error; or as `check_vectors`.
    """
    try:
        vectors = encode(texts)
    except BabelrankError:
        raise
    except Exception as error:  # any of several libraries' own errors
        raise EncoderError(
            f"encoder {info.name!r} failed on {_name_failing(encode, texts)} ({type(error).__name__}: {error})."
        ) from error
    return check_vectors(vectors, texts, info)


def check_vectors(vectors: object, texts: Sequence[str], info: EncoderInfo) -> Vectors:
    """Return `vectors` as float32 if they are what an encoder owes for `texts`.

    Raises
    ------
    EncoderError
        Not of the kind that the encoder announced, not floating point, of another number of rows or dimension, not
        finite, or zero for a text with a letter or digit (unless the encoder allows it).
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
        raise EncoderError(f"{where} returned dimension {shape[1]}, expected {info.dimension}.")
    if isinstance(vectors, MultiVectors) and (np.diff(vectors.offsets) < 1).any():
        empty = texts[int((np.diff(vectors.offsets) < 1).argmax())]
        raise EncoderError(f"{where} returned no vector at all for {empty[:_SHOWN]!r}.")
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
    """Return a matrix of dense vectors as float32, if it is one.

    Raises
    ------
    EncoderError
        Not of shape (texts, dimension), not numbers, or not finite.
    """
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise EncoderError(f"{where}: vectors have shape {vectors.shape}, expected (texts, dimension).")
    if vectors.dtype.kind not in "iuf":
        raise EncoderError(f"{where}: vectors hold {vectors.dtype}, expected numbers.")
    with np.errstate(over="ignore"):
        matrix = vectors.astype(np.float32, copy=False)
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(broken):
        raise EncoderError(f"{where}: row {broken[0]} holds NaN or infinity in float32 ({len(broken):,} rows do).")
    return matrix


def check_order(encode: Encode, where: str) -> None:
    """Refuse an encoder that gives a few texts other vectors together than alone, or all of them the same.

    Parameters
    ----------
    encode
        Returns what `check_vectors` has checked.
    where
        The encoder, as the error names it.
    """
    together = encode(PROBES)
    rows = [take(together, np.array([row])) for row in range(len(PROBES))]
    if all(nearly_equal(rows[0], row, _ROUNDING) for row in rows[1:]):
        raise EncoderError(f"{where} returned one and the same vector for {len(PROBES)} different texts.")
    for text, row in zip(PROBES, rows, strict=True):
        require_same(row, encode([text]), text, where)


def require_same(among_others: Vectors, alone: Vectors, text: str, where: str) -> None:
    """Refuse an encoder that gives a text one vector among others and another alone.

    Raises
    ------
    EncoderError
        They differ by more than `SAME_TEXT`.
    """
    if not nearly_equal(among_others, alone, SAME_TEXT):
        raise EncoderError(
            f"{where}: {text[:_SHOWN]!r} gets one vector alone and another among others; the order of the texts must "
            "be kept, and a vector must not depend on the other texts."
        )


def check_alone(encode: Encode, texts: Sequence[str], vectors: Vectors, batch_size: int, where: str) -> None:
    """Check that the last text of a full batch gets the same vector alone, if there are texts beyond a batch.

    For encoders that could lose the order later than `check_order` looks.

    Raises
    ------
    EncoderError
        As `require_same`.
    """
    if len(texts) > batch_size:
        row = len(texts) // batch_size * batch_size - 1
        require_same(take(vectors, np.array([row])), encode([texts[row]]), texts[row], where)


class Variety:
    """Watches whether an encoder tells texts apart: ranked, texts with one vector would all tie and look unbiased.

    Texts in a language that the encoder does not know may have one vector, and stand together; so all texts count.
    """

    def __init__(self, info: EncoderInfo) -> None:
        self._where = f"encoder {info.name!r}"
        self._first: Vectors | None = None
        self._texts: set[str] = set()
        self.shown = False

    def add(self, texts: Sequence[str], vectors: Vectors) -> bool:
        """Take in vectors of further texts; return whether two texts have had different ones so far."""
        if not self.shown and len(texts):
            self._texts.update(text.casefold() for text in texts)
            first = self._first = take(vectors, np.array([0])) if self._first is None else self._first
            rows = (take(vectors, np.array([row])) for row in range(len(texts)))
            self.shown = not all(nearly_equal(first, row, _ROUNDING) for row in rows)
        return self.shown

    def require(self) -> None:
        """Refuse an encoder that gave many texts one vector.

        Raises
        ------
        EncoderError
            It did.
        """
        if not self.shown and len(self._texts) >= _ENOUGH:
            raise EncoderError(
                f"{self._where} returned one and the same vector for {len(self._texts)} different texts."
            )


def _named(rows: set[int], texts: Sequence[str]) -> str:
    """Say how many texts these are, and which is the first."""
    return f"{len(rows)} of {len(texts)} texts, the first of them {texts[min(rows)][:_SHOWN]!r}"


def find_failing(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> tuple[int, int]:
    """Return where the text lies on which an encoder fails, or as few as fail together, by trying halves."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(encode, texts[low:middle]):
            high = middle
        elif _fails(encode, texts[middle:high]):
            low = middle
        else:  # only together
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
