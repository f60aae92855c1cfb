"""Vectors that do not fit in memory, in; files of bounded size, each whole or not there, out.

A folder of shards holds the vectors of a corpus, cut by position: shard 0 its first rows, shard 1 the next. A manifest
says how the corpus is cut and which encoder made the vectors. A shard is a safetensors file that is named by its number
and the checksum of its content. It comes into being by one rename, so any number of processes may write shards of one
folder at once, and a process that dies leaves whole shards only. Row offsets tie vectors to passages; ids stay with the
corpus.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from babelrank.encoding.vector_block import DTYPES, measure_lengths
from babelrank.errors import EncoderError, unknown_choice
from babelrank.files import PART_SUFFIX, atomic_write, show_size

_FORMAT = 1  # raise it when shards change, so that old ones are not read
_MANIFEST = "manifest.json"
_NAME = re.compile(r"(?P<number>\d{6})-(?P<checksum>[0-9a-f]{32})\.safetensors")
_TENSOR = "vectors"
_TYPES = {"float32": "F32", "float16": "F16"}  # as safetensors names them
_HEADER_BYTES = 1024  # more than a shard's header takes
_STALE_SECONDS = 3600.0  # a shard takes seconds: a part that nobody touched for an hour is of a dead process

# Reading is sequential, a worker that dies loses seconds, and writing one takes twice this in memory, next to a model.
SHARD_BYTES = 128 * 2**20


@dataclass(frozen=True)
class ShardPlan:
    """How the vectors of a corpus are cut.

    Attributes
    ----------
    rows
        Passages of the corpus.
    dimension
        Length of a vector.
    rows_per_shard
        Of every shard but the last, which holds the rest.
    dtype
        ``float32`` or ``float16``.
    identity
        All that changes the vectors (encoder, settings, corpus), as JSON values.
    """

    rows: int
    dimension: int
    rows_per_shard: int
    dtype: str = "float32"
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of shards."""
        return -(-self.rows // self.rows_per_shard)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the positions in the corpus where a shard begins and ends.

        Raises
        ------
        EncoderError
            There is no such shard.
        """
        if not 0 <= number < self.count:
            raise EncoderError(f"no shard {number}: there are {self.count}, numbered from 0.")
        start = number * self.rows_per_shard
        return start, min(start + self.rows_per_shard, self.rows)

    def disk_bytes(self, numbers: Collection[int] | None = None) -> int:
        """Return the bytes that shards take on disk, at most; by default all of them."""
        chosen = range(self.count) if numbers is None else numbers
        rows = sum(stop - start for start, stop in map(self.bounds, chosen))
        return rows * self.dimension * np.dtype(self.dtype).itemsize + len(chosen) * _HEADER_BYTES


def plan_shards(
    rows: int,
    dimension: int,
    *,
    dtype: str = "float32",
    shard_bytes: int = SHARD_BYTES,
    shard_rows: int | None = None,
    multiple: int = 1,
    identity: Mapping[str, Any] | None = None,
) -> ShardPlan:
    """Cut a corpus into shards whose files hold at most `shard_bytes`, and `shard_rows` vectors, each.

    Every shard begins at a multiple of `multiple`.

    Raises
    ------
    EncoderError
        The type is unknown, there is nothing to cut, or not one row fits into a shard.
    """
    if dtype not in DTYPES:
        raise EncoderError(unknown_choice("type of stored vectors", dtype, DTYPES))
    if rows < 1 or dimension < 1:
        raise EncoderError(f"{rows} vectors of dimension {dimension} make no shards; both must be at least 1.")
    row_bytes = dimension * np.dtype(dtype).itemsize
    rows_per_shard = min((shard_bytes - _HEADER_BYTES) // row_bytes, shard_rows or rows)
    rows_per_shard -= rows_per_shard % multiple if rows_per_shard < rows else 0
    if rows_per_shard < 1:
        few = "no vector" if multiple == 1 else f"not {multiple} vectors"
        raise EncoderError(
            f"a shard of {shard_bytes:,} bytes holds {few} of {row_bytes:,} bytes; it needs at least "
            f"{multiple * row_bytes + _HEADER_BYTES:,}."
        )
    return ShardPlan(rows, dimension, min(rows_per_shard, rows), dtype, json.loads(json.dumps(dict(identity or {}))))


@dataclass(frozen=True)
class Shard:
    """A shard on disk; satisfies `VectorBlock`.

    Attributes
    ----------
    path
        Its file.
    number
        Its place among the shards.
    start
        Position in the corpus of the first row.
    shape
        Rows and dimension.
    dtype
        Of the stored vectors.
    offset
        Where in the file the vectors begin, in bytes.
    lengths
        Euclidean lengths of the shortest and the longest vector.
    notes
        What its writer wanted kept with it.
    """

    path: Path
    number: int
    start: int
    shape: tuple[int, int]
    dtype: str
    offset: int
    lengths: tuple[float, float]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, begin: int, end: int) -> np.ndarray:
        """Map rows `begin` to `end` into memory; they count as memory until the array is dropped."""
        # Copy on write, which nobody does: compiled loops need no second version for read-only arrays.
        shape = (end - begin, self.dimension)
        return np.memmap(self.path, np.dtype(self.dtype).newbyteorder("<"), "c", self.offset_of(begin), shape)

    def prefetch(self, begin: int, end: int) -> None:
        """Have the system read these rows while something else is computed, where it can."""
        if hasattr(os, "posix_fadvise"):
            with self.path.open("rb") as handle:
                size = self.offset_of(end) - self.offset_of(begin)
                os.posix_fadvise(handle.fileno(), self.offset_of(begin), size, os.POSIX_FADV_WILLNEED)

    def offset_of(self, row: int) -> int:
        """Return where in the file a row begins."""
        return self.offset + row * self.dimension * np.dtype(self.dtype).itemsize


def create_shards(folder: Path, plan: ShardPlan) -> None:
    """Make a folder for shards, or go on with one of the same plan; parts that dead processes left are removed.

    Where the manifest is damaged, nothing says what the shards hold: they are removed.

    Raises
    ------
    EncoderError
        The folder holds shards of something else, or cannot be written.
    """
    try:
        found = read_plan(folder)
    except EncoderError:
        found = None
    if found and found.identity != plan.identity:
        raise EncoderError(f"{folder}: holds shards of something else ({found}); asked for {plan}. Name another.")
    if found != plan:
        for path in folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)
        manifest = {"format": _FORMAT, **asdict(plan), "shards": plan.count}
        _write(folder / _MANIFEST, f"{json.dumps(manifest, indent=2, ensure_ascii=False)}\n".encode())
    for part in folder.glob(f".*{PART_SUFFIX}"):
        with suppress(OSError):  # its process lives after all, and has just renamed it
            if part.stat().st_mtime < time.time() - _STALE_SECONDS:
                part.unlink()


def read_plan(folder: Path) -> ShardPlan:
    """Read how the shards of a folder are cut.

    Raises
    ------
    EncoderError
        It has no readable manifest.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if manifest.pop("format") != _FORMAT:
            raise EncoderError(f"{folder}: not shards of format {_FORMAT}; they must be encoded again.")
        manifest.pop("shards")
        return ShardPlan(**manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        again = "The same command encodes them again."
        raise EncoderError(f"{folder / _MANIFEST}: no readable manifest of shards ({error}). {again}") from error


def check_space(folder: Path, numbers: Collection[int] | None = None) -> int:
    """Return the bytes that shards will take, by default those that are not there, if the disk has room for them.

    Raises
    ------
    EncoderError
        It has not: says how much is needed, and how much is free.
    """
    plan = read_plan(folder)
    needed = plan.disk_bytes(find_missing(folder, verify=False) if numbers is None else numbers)
    free = _free_bytes(folder)
    if needed > free:
        raise EncoderError(
            f"{folder}: the vectors need {show_size(needed)}, {show_size(free)} are free. Free some space, name a "
            "folder on another disk" + (", or store float16." if plan.dtype == "float32" else ".")
        )
    return needed


def write_shard(folder: Path, number: int, vectors: np.ndarray, notes: Mapping[str, str] | None = None) -> Shard:
    """Store the vectors of one shard: whole, or not at all. What there was of it before is replaced.

    Parameters
    ----------
    vectors
        Floating point, shape (rows of this shard, dimension); rounded to the type that the plan names.
    notes
        A few short values to be kept with them.

    Raises
    ------
    EncoderError
        Vectors of another shape, or not finite (in float16: above 65,504); a full disk, or one that cannot be written.
    """
    plan = read_plan(folder)
    start, stop = plan.bounds(number)
    if vectors.shape != (stop - start, plan.dimension):
        raise EncoderError(
            f"shard {number} of {folder}: vectors of shape {vectors.shape}, expected {(stop - start, plan.dimension)}."
        )
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(vectors, dtype=np.dtype(plan.dtype))
    lengths = measure_lengths(stored)
    metadata = {**(notes or {}), "start": str(start), "shortest": repr(lengths[0]), "longest": repr(lengths[1])}
    content = _serialise(stored, metadata)
    path = folder / f"{number:06d}-{xxhash.xxh3_128_hexdigest(content)}.safetensors"
    earlier = [file for file in _files_by_number(folder).get(number, []) if file != path]
    _write(path, content)
    for file in earlier:
        with suppress(OSError):
            file.unlink()
    return _read_header(path, number, plan)


def find_missing(folder: Path, *, verify: bool = True) -> dict[int, str]:
    """Return the shards that need encoding (again), by number, and why: ``missing``, ``truncated`` or ``damaged``.

    Parameters
    ----------
    verify
        Read every shard and compare its checksum; else look at names and sizes only.

    Raises
    ------
    EncoderError
        The folder has no readable manifest.
    """
    return _inspect(folder, read_plan(folder), verify=verify)[1]


def open_shards(folder: Path, *, verify: bool = True) -> list[Shard]:
    """Return the shards of a folder, in order.

    Raises
    ------
    EncoderError
        Some are missing, truncated or damaged; `find_missing` lists them.
    """
    plan = read_plan(folder)
    whole, missing = _inspect(folder, plan, verify=verify)
    if missing:
        some = ", ".join(f"{number} ({state})" for number, state in list(missing.items())[:5])
        raise EncoderError(f"{folder}: {len(missing)} shards must be encoded again: {some}.")
    return [_read_header(path, number, plan) for number, path in whole.items()]


def _inspect(folder: Path, plan: ShardPlan, *, verify: bool) -> tuple[dict[int, Path], dict[int, str]]:
    """Return a whole file of each shard that has one, and why the others have none."""
    files = _files_by_number(folder)
    whole, missing = {}, {}
    for number in range(plan.count):
        states = {path: _damage(path, plan, number, verify=verify) for path in files.get(number, [])}
        if good := next((path for path, state in states.items() if not state), None):
            whole[number] = good
        else:
            missing[number] = next(iter(states.values()), "missing")
    return whole, missing


def _files_by_number(folder: Path) -> dict[int, list[Path]]:
    files: dict[int, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if found := _NAME.fullmatch(path.name):
            files.setdefault(int(found["number"]), []).append(path)
    return files


def _damage(path: Path, plan: ShardPlan, number: int, *, verify: bool) -> str:
    """Return what is wrong with a file, as far as was looked; empty if nothing is."""
    start, stop = plan.bounds(number)
    vectors = (stop - start) * plan.dimension * np.dtype(plan.dtype).itemsize
    try:
        size = path.stat().st_size
        shard = _read_header(path, number, plan)
        if size != shard.offset + vectors:
            return "truncated" if size < shard.offset + vectors else "damaged"
        fits = shard.start == start and shard.shape == (stop - start, plan.dimension)
        return "" if fits and not (verify and _checksum(path) != path.stem.partition("-")[2]) else "damaged"
    except FileNotFoundError:  # another process has just replaced it
        return "missing"
    except EncoderError:
        return "truncated" if size <= vectors else "damaged"


def _checksum(path: Path) -> str:
    checksum = xxhash.xxh3_128()
    with path.open("rb") as handle:
        while part := handle.read(1 << 20):
            checksum.update(part)
    return checksum.hexdigest()


def _serialise(vectors: np.ndarray, metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file; the library puts metadata in no fixed order, and equal shards shall be equal files."""
    tensor = {"dtype": _TYPES[vectors.dtype.name], "shape": vectors.shape, "data_offsets": (0, vectors.nbytes)}
    header = json.dumps({"__metadata__": metadata, _TENSOR: tensor}, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    little = vectors.astype(vectors.dtype.newbyteorder("<"), copy=False)
    return b"".join((len(header).to_bytes(8, "little"), header, little.reshape(-1).view(np.uint8).data))


def _read_header(path: Path, number: int, plan: ShardPlan) -> Shard:
    """Read a safetensors header: its length in 8 bytes, then JSON; the tensor follows."""
    try:
        with path.open("rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(min(size, _HEADER_BYTES)))
        metadata, tensor = header["__metadata__"], header[_TENSOR]
        rows, dimension = tensor["shape"]
        start = int(metadata.pop("start"))
        lengths = float(metadata.pop("shortest")), float(metadata.pop("longest"))
        return Shard(path, number, start, (rows, dimension), plan.dtype, 8 + size, lengths, metadata)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EncoderError(f"{path}: no readable shard ({error}).") from error


def _write(path: Path, content: bytes) -> None:
    try:
        atomic_write(path, content)
    except OSError as error:
        raise EncoderError(
            f"{path.parent}: vectors cannot be stored ({error.strerror}); {show_size(len(content))} were to be "
            f"written, {show_size(_free_bytes(path.parent))} are free. What was stored before is kept."
        ) from error


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free
