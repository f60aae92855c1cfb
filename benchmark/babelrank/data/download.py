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
    """What a local file is, compared with the published one."""

    COMPLETE = "complete"
    MISSING = "missing"
    DIFFERS = "differs"


def verify(source: Source, data: Path | None = None) -> dict[str, FileState]:
    """Compare each local file with its pinned SHA-256; keys are paths below the collection's folder."""
    folder = source_folder(source, data)
    return {name: _state(folder / name, pinned) for name, pinned in source.sha256.items()}


def fetch(
    source: Source,
    data: Path | None = None,
    *,
    mirror: str | None = None,
    on_file: Callable[[Path], None] = lambda _: None,
) -> list[str]:
    """Download the files that are missing or differ; return their paths below the collection's folder.

    Parameters
    ----------
    mirror
        URL of a folder that holds ``<collection>/<file>``, in place of the source's own.
    on_file
        Called with each file once it is on disk.

    Raises
    ------
    DataError
        No network, no such file, a file that is not the published one, or a folder that cannot be written. Files
        that came through before stay: the next call goes on from there.
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
                    f"{base}/{name}: its SHA-256 is {digest}, not {source.sha256[name]}; nothing of it was kept."
                )
            try:
                atomic_write(target, content)
            except OSError as error:
                raise DataError(f"{folder}: cannot be written ({error.strerror}). --data DIR names another.") from error
            on_file(target)
    return wanted


def fetch_if_ours(collection: str, data: Path | None, announce: Callable[[str], None]) -> None:
    """Fetch what a collection of the catalog lacks, unless it ships with the package or its folder is the user's.

    What a user keeps in a folder of their own is theirs to complete; the default folder is ours.

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
        f"Without a network, --data DIR (or {DATA_VARIABLE}) names a folder that holds {source.name}/ as "
        "published, and --mirror URL another place to download from."
    )


def _state(path: Path, pinned: str) -> FileState:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return FileState.MISSING
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    return FileState.COMPLETE if digest == pinned else FileState.DIFFERS
