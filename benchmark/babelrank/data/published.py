"""Shared by the loaders of published files: reading, checksums, and fields of JSON."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babelrank.errors import DataError


def read_bytes(path: Path) -> bytes:
    """Return a file's content.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def decode(raw: bytes, path: Path) -> str:
    """Return a file's content as text.

    Raises
    ------
    DataError
        The file is not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}.") from error


def split_lines(raw: bytes, path: Path) -> list[str]:
    """Return the lines of a file without their line ends, which must be LF or CRLF.

    Raises
    ------
    DataError
        The file is not UTF-8, or mixes line ends, since other tools would then number its lines differently.
    """
    text = decode(raw, path)
    ends = {"CRLF": text.count("\r\n")}
    ends |= {"LF": text.count("\n") - ends["CRLF"], "CR": text.count("\r") - ends["CRLF"]}
    used = [end for end, count in ends.items() if count]
    if len(used) > 1 or used == ["CR"]:
        counts = ", ".join(f"{ends[end]:,} lines end in {end}" for end in used)
        raise DataError(f"{path}: line ends must be LF or CRLF throughout; {counts}.")
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def check_digest(raw: bytes, path: Path, pinned: str | None) -> str:
    """Return the SHA-256 of a file's content (hex).

    Raises
    ------
    DataError
        It differs from the pinned one.
    """
    digest = hashlib.sha256(raw).hexdigest()
    if pinned is not None and digest != pinned:
        raise DataError(
            f"{path}: its SHA-256 is {digest}, expected {pinned}. The file was changed, so its scores would not be "
            "comparable. `babelrank data fetch` downloads the published file."
        )
    return digest


def combine_digests(digests: Iterator[tuple[str, str]]) -> str:
    """Return one SHA-256 for several files, from their names and digests."""
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()


def check_text(text: Any, where: str) -> str:
    """Return `text` if an encoder can read it.

    Raises
    ------
    DataError
        The text is not a string, is empty, or is not valid Unicode.
    """
    if not isinstance(text, str):
        raise DataError(f"{where} must be a str, got {type(text).__name__}.")
    if not text.strip():
        raise DataError(f"{where}: empty text.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: not valid Unicode at character {error.start} (half of a surrogate pair).") from error
    return text


def field(mapping: Any, name: str, kind: type, location: str) -> Any:
    """Return a field of a JSON object.

    Raises
    ------
    DataError
        The field is missing or has the wrong type.
    """
    value = mapping.get(name) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "missing" if value is None else type(value).__name__
        raise DataError(f"{location}: {name!r} must be a {kind.__name__}, but is {found}.")
    return value
