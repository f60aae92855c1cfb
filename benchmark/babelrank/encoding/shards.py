"""Store vectors that do not fit in memory in files of bounded size. Each file is complete or does not exist.

A folder of shards holds the vectors of a corpus, cut by position: shard 0 has the first rows, shard 1 the next. A
manifest records how the corpus is cut and which encoder made the vectors. A shard is a safetensors file named by its
number and the checksum of its content. It is created by one rename, so any number of processes may write shards to a
folder, and a process that dies leaves only complete shards. Rows correspond to passages by position; ids stay with
the corpus.
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

_FORMAT = 1  # increase it when the format changes, so old shards are not read
_MANIFEST = "manifest.json"
_NAME = re.compile(r"(?P<number>\d{6})-(?P<checksum>[0-9a-f]{32})\.safetensors")
_TENSOR = "vectors"
_TYPES = {"float32": "F32", "float16": "F16"}  # names in safetensors
_HEADER_BYTES = 1024  # upper bound for a shard's header
_STALE_SECONDS = 3600.0  # a shard takes seconds, so a temporary file unchanged for an hour is of a dead process

# Reading is sequential, a worker that dies loses seconds, and writing one takes twice this in memory, next to a model.
SHARD_BYTES = 128 * 2**20


@dataclass(frozen=True)
class ShardPlan:
    """The division of a corpus's vectors into shards.

    Attributes
    ----------
    rows
        Number of passages in the corpus.
    dimension
        Length of a vector.
    rows_per_shard
        Rows of every shard except the last, which has the rest.
    dtype
        ``float32`` or ``float16``.
    identity
        Everything that changes the vectors (encoder, settings, corpus), as JSON values.
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
            The number is out of range.
        """
        if not 0 <= number < self.count:
            raise EncoderError(f"no shard {number}: there are {self.count}, numbered from 0.")
        start = number * self.rows_per_shard
        return start, min(start + self.rows_per_shard, self.rows)

    def disk_bytes(self, numbers: Collection[int] | None = None) -> int:
        """Return the maximum bytes that shards take on disk; by default for all of them."""
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
    """Cut a corpus into shards of at most `shard_bytes` bytes and `shard_rows` vectors each.

    Every shard begins at a multiple of `multiple`.

    Raises
    ------
    EncoderError
        The type is unknown, the corpus is empty, or a shard is too small for one row.
    """
    if dtype not in DTYPES:
        raise EncoderError(unknown_choice("type of stored vectors", dtype, DTYPES))
    if rows < 1 or dimension < 1:
        raise EncoderError(f"cannot cut {rows} vectors of dimension {dimension}; both must be at least 1.")
    row_bytes = dimension * np.dtype(dtype).itemsize
    rows_per_shard = min((shard_bytes - _HEADER_BYTES) // row_bytes, shard_rows or rows)
    rows_per_shard -= rows_per_shard % multiple if rows_per_shard < rows else 0
    if rows_per_shard < 1:
        few = "a vector" if multiple == 1 else f"{multiple} vectors"
        raise EncoderError(
            f"a shard of {shard_bytes:,} bytes is too small for {few} of {row_bytes:,} bytes; it needs at least "
            f"{multiple * row_bytes + _HEADER_BYTES:,}."
        )
    return ShardPlan(rows, dimension, min(rows_per_shard, rows), dtype, json.loads(json.dumps(dict(identity or {}))))


@dataclass(frozen=True)
class Shard:
    """A shard on disk. It implements `VectorBlock`.

    Attributes
    ----------
    path
        Path of its file.
    number
        Number of the shard.
    start
        Position in the corpus of the first row.
    shape
        Rows and dimension.
    dtype
        Type of the stored vectors.
    offset
        Offset of the vectors in the file, in bytes.
    lengths
        Euclidean lengths of the shortest and the longest vector.
    notes
        Metadata of its writer.
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
        """Map rows `begin` to `end` into memory. They count as memory until the array is deleted."""
        # Copy on write, although nothing writes: compiled loops then need no second version for read-only arrays.
        shape = (end - begin, self.dimension)
        return np.memmap(self.path, np.dtype(self.dtype).newbyteorder("<"), "c", self.offset_of(begin), shape)

    def prefetch(self, begin: int, end: int) -> None:
        """Ask the system to read these rows in the background, if it can."""
        if hasattr(os, "posix_fadvise"):
            with self.path.open("rb") as handle:
                size = self.offset_of(end) - self.offset_of(begin)
                os.posix_fadvise(handle.fileno(), self.offset_of(begin), size, os.POSIX_FADV_WILLNEED)

    def offset_of(self, row: int) -> int:
        """Return the offset of a row in the file."""
        return self.offset + row * self.dimension * np.dtype(self.dtype).itemsize


def create_shards(folder: Path, plan: ShardPlan) -> None:
    """Make a folder for shards, or continue one with the same plan. Leftovers of dead processes are removed.

    If the manifest is damaged, the content of the shards is unknown, and they are removed.

    Raises
    ------
    EncoderError
        The folder has shards with another plan, or cannot be written.
    """
    try:
        found = read_plan(folder)
    except EncoderError:
        found = None
    if found and found.identity != plan.identity:
        raise EncoderError(f"{folder}: has shards with another plan ({found}), expected {plan}. Use another folder.")
    if found != plan:
        for path in folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)
        manifest = {"format": _FORMAT, **asdict(plan), "shards": plan.count}
        _write(folder / _MANIFEST, f"{json.dumps(manifest, indent=2, ensure_ascii=False)}\n".encode())
    for part in folder.glob(f".*{PART_SUFFIX}"):
        with suppress(OSError):  # its process is alive and has just renamed it
            if part.stat().st_mtime < time.time() - _STALE_SECONDS:
                part.unlink()


def read_plan(folder: Path) -> ShardPlan:
    """Read the plan of a folder of shards.

    Raises
    ------
    EncoderError
        There is no readable manifest.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if manifest.pop("format") != _FORMAT:
            raise EncoderError(f"{folder}: not shards of format {_FORMAT}; they must be encoded again.")
        manifest.pop("shards")
        return ShardPlan(**manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        again = "Run the same command again to encode them."
        raise EncoderError(f"{folder / _MANIFEST}: no readable manifest of shards ({error}). {again}") from error


def check_space(folder: Path, numbers: Collection[int] | None = None) -> int:
    """Return the bytes that shards will take, by default the missing ones, after checking the free space.

    Raises
    ------
    EncoderError
        There is too little space. The message says how much is needed and how much is free.
    """
    plan = read_plan(folder)
    needed = plan.disk_bytes(find_missing(folder, verify=False) if numbers is None else numbers)
    free = _free_bytes(folder)
    if needed > free:
        raise EncoderError(
            f"{folder}: the vectors need {show_size(needed)}, and {show_size(free)} is free. Free some space, use a "
            "folder on another disk" + (", or store float16." if plan.dtype == "float32" else ".")
        )
    return needed


def write_shard(folder: Path, number: int, vectors: np.ndarray, notes: Mapping[str, str] | None = None) -> Shard:
    """Store the vectors of one shard, completely or not at all. An earlier version is replaced.

    Parameters
    ----------
    vectors
        Floating point, shape (rows of this shard, dimension). They are rounded to the plan's type.
    notes
        A few short values to store with them.

    Raises
    ------
    EncoderError
        The vectors have another shape or are not finite (in float16, above 65,504), or the disk is full or read-only.
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
    """Return the shards that must be encoded, by number, with the reason: ``missing``, ``truncated`` or ``damaged``.

    Parameters
    ----------
    verify
        Whether to read every shard and compare its checksum; else only names and sizes are checked.

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
    """Return the complete file of each shard that has one, and the reason for the others."""
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
    """Return what is wrong with a file; empty if nothing was found."""
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
    """Return a safetensors file. The library writes metadata in varying order, but equal shards must be equal files."""
    tensor = {"dtype": _TYPES[vectors.dtype.name], "shape": vectors.shape, "data_offsets": (0, vectors.nbytes)}
    header = json.dumps({"__metadata__": metadata, _TENSOR: tensor}, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    little = vectors.astype(vectors.dtype.newbyteorder("<"), copy=False)
    return b"".join((len(header).to_bytes(8, "little"), header, little.reshape(-1).view(np.uint8).data))


def _read_header(path: Path, number: int, plan: ShardPlan) -> Shard:
    """Read a safetensors header: its length in 8 bytes, then JSON. The tensor follows."""
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
        raise EncoderError(f"{path}: not a readable shard ({error}).") from error


def _write(path: Path, content: bytes) -> None:
    try:
        atomic_write(path, content)
    except OSError as error:
        raise EncoderError(
            f"{path.parent}: vectors cannot be stored ({error.strerror}). They need {show_size(len(content))}, and "
            f"{show_size(_free_bytes(path.parent))} is free. Earlier shards are kept."
        ) from error


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free
