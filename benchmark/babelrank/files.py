"""Paths of users, and atomic writing: a reader sees the old content or the new, never a part."""

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from babelrank.errors import BabelrankError

_SHOWN = 100  # characters of a path in an error
_DEEPEST = 100  # levels of a document
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
PART_SUFFIX = ".part"  # of temporary files. Nothing reads those that an interrupted process leaves behind


def as_path(path: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home folder.

    Raises
    ------
    BabelrankError
        The path names the home folder of an unknown user, contains a null character or a name that is too long, or is
        in a folder that cannot be read.
    """
    if "\0" in str(path):
        raise BabelrankError(f"{str(path)!r}: a path cannot hold a null character.")
    try:
        found = Path(path).expanduser()
        found.exists()
    except RuntimeError as error:
        raise BabelrankError(f"{path}: there is no such user.") from error
    except OSError as error:  # a name is too long, or a folder above cannot be read
        raise BabelrankError(f"{str(path)[:_SHOWN]}: {error.strerror}.") from error
    return found


def optional_path(path: str | Path | None) -> Path | None:
    """Return a path as `as_path` does; None stays None."""
    return None if path is None else as_path(path)


def check_printable(text: str, what: str, kind: type[BabelrankError] = BabelrankError) -> None:
    """Refuse a name with control characters, which no page, figure or terminal could show.

    Raises
    ------
    BabelrankError
        The name contains a control character. The error is of class `kind`.
    """
    if found := _CONTROL.search(text):
        raise kind(f"{what} {text!r} holds the control character U+{ord(found[0]):04X}, which is not allowed in names.")


def read_toml(path: Path, kind: type[BabelrankError] = BabelrankError) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    BabelrankError
        The file cannot be read or is not TOML. The error is of class `kind`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        check_depth(content)
    except OSError as error:
        raise kind(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:  # also what is not UTF-8, or nested too deeply
        raise kind(f"{path}: not TOML ({error}).") from error
    return content


def check_depth(content: object) -> None:
    """Refuse what is nested too deeply for functions that call themselves.

    Raises
    ------
    ValueError
        Lists and tables are nested more than `_DEEPEST` levels deep, which dotted keys can do in TOML.
    """
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        values = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for each in values for value in each if isinstance(value, (dict, list))]
        if not level:
            return
    raise ValueError(f"nested more than {_DEEPEST} levels deep")


def show_size(size: float) -> str:
    """Format a number of bytes with three significant digits and a unit, such as ``1.25 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:  # three digits of more say 1 of the next unit
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def atomic_write(path: Path, content: bytes | str, *, flush: bool = True) -> None:
    """Write `content` to `path`; see `atomic_stream`.

    Raises
    ------
    OSError
        The folder cannot be written or the disk is full. `path` is then unchanged.
    """
    with atomic_stream(path, flush=flush) as handle:
        handle.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def atomic_stream(path: Path, *, flush: bool = True) -> Iterator[BinaryIO]:
    """Yield a temporary file. It becomes `path` at the end, and is removed after an error.

    Parameters
    ----------
    flush
        Wait until the content is on the disk. Otherwise a power failure may leave a file with part of its content.
        That is acceptable where readers compare a checksum, and much faster for small files.

    Raises
    ------
    OSError
        The folder cannot be written or the disk is full. `path` is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{PART_SUFFIX}")
    try:
        with temporary.open("xb") as handle:
            yield handle
            handle.flush()
            if flush:
                os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder. It becomes `path` at the end, and is removed after an error.

    Raises
    ------
    OSError
        There is a file or a non-empty folder at `path`, or its parent folder cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{uuid4().hex}{PART_SUFFIX}")
    fresh.mkdir(parents=True)
    try:
        yield fresh
        fresh.replace(path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
