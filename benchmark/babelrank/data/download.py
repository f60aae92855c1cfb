"""Downloading and checking collections, file by file, against their pinned SHA-256."""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import httpx

from babelrank.data.catalog import DATA_VARIABLE, Source, is_users_folder, source_folder, source_of
from babelrank.errors import DataError
from babelrank.files import atomic_write

_TIMEOUT = httpx.Timeout(30, connect=10)  # seconds


class FileState(StrEnum):
    """State of a local file, compared with the published one."""

    COMPLETE = "complete"
    MISSING = "missing"
    DIFFERS = "differs"


def verify(source: Source, data: Path | None = None) -> dict[str, FileState]:
    """Compare each local file with its pinned SHA-256. Keys are paths relative to the collection's folder."""
    folder = source_folder(source, data)
    return {name: _state(folder / name, pinned) for name, pinned in source.sha256.items()}


def fetch(
    source: Source,
    data: Path | None = None,
    *,
    mirror: str | None = None,
    on_file: Callable[[Path], None] = lambda _: None,
) -> list[str]:
    """Download missing and changed files; return their paths relative to the collection's folder.

    Parameters
    ----------
    mirror
        Address of a folder with ``<collection>/<file>``, used instead of the source's.
    on_file
        Called with each file after it is written.

    Raises
    ------
    DataError
        There is no network, a file does not exist or differs from the published one, or the folder cannot be written.
        Complete files are kept, so the next call continues.
    """
    base = f"{mirror.rstrip('/')}/{source.name}" if mirror else source.url
    folder = source_folder(source, data)
    wanted = [name for name, state in verify(source, data).items() if state is not FileState.COMPLETE]
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        for name in wanted:
            target = folder / name
            content = _download(client, f"{base}/{name}", source)
            digest = hashlib.sha256(content).hexdigest()
            if digest != source.sha256[name]:
                raise DataError(
                    f"{base}/{name}: its SHA-256 is {digest}, expected {source.sha256[name]}; the file was discarded."
                )
            try:
                atomic_write(target, content)
            except OSError as error:
                raise DataError(
                    f"{folder}: cannot be written ({error.strerror}). Choose another folder with --data DIR."
                ) from error
            on_file(target)
    return wanted


def fetch_if_ours(collection: str, data: Path | None, announce: Callable[[str], None]) -> None:
    """Download missing files of a published collection into babelrank's data folder.

    Nothing is downloaded into a folder that the user chose, or for a collection that ships with the package.

    Raises
    ------
    DataError
        See `fetch`.
    """
    source = source_of(collection)
    if source and not source.ships_with_package and not is_users_folder(data):
        fetch(source, on_file=lambda path: announce(f"downloaded {path}"))


def _download(client: httpx.Client, url: str, source: Source) -> bytes:
    try:
        response = client.get(url)
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise DataError(f"{url}: the server answered {error.response.status_code}. {_elsewhere(source)}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(f"{url}: cannot be reached ({error}). {_elsewhere(source)}") from error
    return response.content


def _elsewhere(source: Source) -> str:
    return (
        f"Without a network, set --data DIR (or {DATA_VARIABLE}) to a folder with the published files in "
        f"{source.name}/, or --mirror URL to another address."
    )


def _state(path: Path, pinned: str) -> FileState:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return FileState.MISSING
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    return FileState.COMPLETE if digest == pinned else FileState.DIFFERS
