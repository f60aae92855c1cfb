"""Read files of records piece by piece: JSON lines, Parquet, and lines of columns, compressed or not.

In: a file. Out: its records in order, each with its line (in Parquet, its row). Only a piece of the file is in memory
at a time.
"""

import bz2
import csv
import gzip
import json
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from babelrank.errors import DataError

PACKED = (
    "",
    ".gz",
    ".bz2",
    ".xz",
    ".zst",
)  # suffixes of compressed files; the compression itself is read from the first bytes
SUFFIXES = (*(f".jsonl{packed}" for packed in PACKED), ".parquet")
SPACE = " \t\n\v\f\r"  # separators of ids: ASCII only, as in trec_eval
_BUFFER = 1 << 20  # bytes
_ROWS = 1024  # of Parquet at once
_LONGEST = 1 << 25  # bytes of a line; the longest books have a tenth of that
_LONGEST_MARK = 24  # bytes of a file from which its format is read
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
# First bytes of files that are often mistaken for the data, with what to do.
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; unpack it, or export it as CSV",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file with `git lfs pull`",
    b"\x04\x22\x4d\x18": "compressed with LZ4; use gzip, bzip2, xz or Zstandard",
    b"\x1f\x9d": "compressed with `compress`; use gzip, bzip2, xz or Zstandard",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_records(path: Path, skip: int = 0, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Any]]:
    """Read a file of records, by its suffix.

    Yields the line of each record (in Parquet its row), from 1, and the record: any JSON value.

    Parameters
    ----------
    skip
        Number of records to skip without parsing them.
    columns
        Columns to read from Parquet, if they exist; all by default.

    Raises
    ------
    DataError
        The file cannot be read, is cut off, or a line is neither blank nor JSON; the error names the line.
    """
    return _read_parquet(path, skip, columns) if path.suffix == ".parquet" else _read_json_lines(path, skip)


def count_records(path: Path) -> int:
    """Count the records of a file without parsing them."""
    if path.suffix == ".parquet":
        with _parquet(path) as table:
            return int(table.metadata.num_rows)
    with _lines(path) as lines:
        return sum(not line.isspace() for _, line in _numbered(path, lines))


def read_rows(path: Path) -> Iterator[tuple[int, str]]:
    """Yield a text file's lines that are not blank, with their numbers, from 1.

    Raises
    ------
    DataError
        The file cannot be read, is cut off, or is not UTF-8.
    """
    with _lines(path) as lines:
        for number, raw in _numbered(path, lines):
            try:
                line = raw.decode().strip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}:{number}: not valid Unicode ({error}).") from error
            if line.strip(SPACE):
                yield number, line


def read_json(path: Path) -> dict[str, Any]:
    """Read a file with one JSON object. All numbers become floats, and names in an object must be unique.

    Raises
    ------
    DataError
        The file cannot be read, is cut off, or is not such an object.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name, count = Counter(name for name, _ in pairs).most_common(1)[0]
            raise ValueError(f"the name {name!r} occurs {count} times in one object")
        return found

    with _lines(path) as file:
        try:
            text = file.read().decode()
            content = json.loads(text, object_pairs_hook=unique, parse_int=float)
            if _SURROGATE.search(text):
                json.dumps(content, ensure_ascii=False).encode()  # half of a surrogate pair is not valid
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object but {type(content).__name__}.")
    return content


def read_table(
    path: Path, needed: Sequence[str] = (), aliases: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read rows of columns with a header, as spreadsheets write them: quoted cells, commas, semicolons or tabs.

    Yields the last line of each row that is not blank, from 1, and its cells by column, in lower case.

    Parameters
    ----------
    needed
        Required columns.
    aliases
        Names of columns by other names that they may have.

    Raises
    ------
    DataError
        The file cannot be read, is not UTF-8, lacks a column or has one twice, a row has more cells than the header, or
        a quotation is not closed.
    """
    line = 1
    with _lines(path) as raw:
        text = TextIOWrapper(raw, "utf-8", newline="")  # any system's line ends
        lines = (each for _, each in _numbered(path, text, end=""))
        csv.field_size_limit(_LONGEST)
        try:
            header = next(lines, "")
            if header.lower().startswith("sep="):  # first line of Excel's exports
                header, line = next(lines, ""), 2
            delimiter = max("\t;,", key=header.count)
            rows = csv.reader(chain([header], lines), delimiter=delimiter, strict=True)
            first = line - 1
            names = [(aliases or {}).get(name, name) for name in map(str.lower, map(str.strip, next(rows, [])))]
            if missing := [name for name in needed if name not in names]:
                there = ", ".join(filter(None, names)) or "none"
                raise DataError(f"{path}: no column {', '.join(missing)}; its first line names {there}.")
            if repeated := [name for name in names if name and names.count(name) > 1]:
                raise DataError(f"{path}: two columns are called {repeated[0]!r}.")
            for row in rows:
                line = first + rows.line_num
                if any(row[len(names) :]):
                    raise DataError(f"{path}:{line}: {len(row)} cells, but {len(names)} columns.")
                if any(cell.strip() for cell in row):
                    yield line, dict.fromkeys(names, "") | dict(zip(names, row, strict=False))
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not valid Unicode ({error}); save it as UTF-8.") from error
        except csv.Error as error:
            raise DataError(f"{path}:{line + 1}: no row of columns ({error}).") from error


def _read_json_lines(path: Path, skip: int) -> Iterator[tuple[int, Any]]:
    parse = json.JSONDecoder().raw_decode
    with _lines(path) as lines:
        for number, raw in _numbered(path, lines):
            if skip > 0:
                skip -= not raw.isspace()
                continue
            try:
                line = raw.decode()
                record, end = parse(line)
                if end < len(line) - 1 and not line[end:].isspace():
                    raise ValueError(f"more follows after column {end}")
                if "\\u" in line and _SURROGATE.search(line):
                    json.dumps(record, ensure_ascii=False).encode()  # half of a surrogate pair is not valid
            except UnicodeError as error:
                raise DataError(f"{path}:{number}: not valid Unicode ({error}).") from error
            except (ValueError, RecursionError) as error:
                if not raw.strip():
                    continue
                raise DataError(f"{path}:{number}: not a line of JSON ({error}).") from error
            yield number, record


def _numbered(path: Path, file: Any, end: bytes | str = b"") -> Iterator[tuple[int, Any]]:
    """Yield the lines with their numbers, from 1. Refuse lines so long that they could fill the memory."""
    for number, line in enumerate(iter(partial(file.readline, _LONGEST + 1), end), start=1):
        if len(line) > _LONGEST:
            raise DataError(f"{path}:{number}: longer than {_LONGEST >> 20} MiB; a record must be shorter.")
        yield number, line


@contextmanager
def _lines(path: Path) -> Iterator[Any]:
    """Open a file, decompress it, and skip a byte-order mark."""
    start = b""
    try:
        with BufferedReader(path.open("rb", 0), _BUFFER) as packed:
            start = packed.peek(_LONGEST_MARK)[:_LONGEST_MARK]
            if foreign := next((what for mark, what in _FOREIGN.items() if start.startswith(mark)), None):
                raise DataError(f"{path}: {foreign}.")
            unpacked = _unpack(packed, start)
            file = packed if unpacked is None else BufferedReader(unpacked, _BUFFER)
            if file.peek(len(_BOM)).startswith(_BOM):
                file.read(len(_BOM))
            yield file
    except EOFError as error:
        raise DataError(f"{path}: cut off{_whole_up_to(path, start)}. Download it again.") from error
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: damaged ({error}){_whole_up_to(path, start)}.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _unpack(file: Any, start: bytes) -> Any:
    """Return a decompressor by the file's first bytes: gzip, bzip2, xz or Zstandard; None if not compressed."""
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file)
    if _BZIP2.match(start):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    return None


def _whole_up_to(path: Path, start: bytes) -> str:
    """Return up to which line a damaged file is intact, if that is known."""
    return f"; it is intact up to line {_whole_lines(path):,}" if start.startswith(_GZIP) else ""


def _whole_lines(path: Path) -> int:
    """Count the lines that can be read from a damaged gzip file."""
    found, unpacker = 0, zlib.decompressobj(zlib.MAX_WBITS | 16)
    with path.open("rb") as packed:
        while piece := packed.read(1 << 16):
            try:
                found += unpacker.decompress(piece).count(b"\n")
                while unpacker.eof and (rest := unpacker.unused_data):  # gzip files may be concatenated
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
                    found += unpacker.decompress(rest).count(b"\n")
            except zlib.error:
                break
    return found


def _read_parquet(path: Path, skip: int, columns: tuple[str, ...]) -> Iterator[tuple[int, Any]]:
    with _parquet(path) as table:
        wanted = [name for name in table.schema_arrow.names if not columns or name in columns]
        if len(set(wanted)) < len(wanted):
            raise DataError(f"{path}: two columns are called {Counter(wanted).most_common(1)[0][0]!r}.")
        sizes = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
        ends = np.cumsum(sizes)
        first = int(np.searchsorted(ends, skip, side="right"))  # the first group that is not skipped completely
        row = int(ends[first - 1]) if first else 0
        for batch in table.iter_batches(_ROWS, row_groups=range(first, len(sizes)), columns=wanted):
            rows = batch.slice(max(0, skip - row)).to_pylist()
            row += len(batch)
            yield from enumerate(rows, start=row - len(rows) + 1)


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            yield table
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not readable as Parquet ({error}).") from error
