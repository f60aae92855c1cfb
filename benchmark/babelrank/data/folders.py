"""Folders with the files of a collection: on this machine, or in a data set repository on the Hugging Face Hub.

In: a path, or a repository's name. Out: files found by a pattern. A file on the Hub is downloaded when it is first
read, and kept in the Hub's cache.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from babelrank.data.records import count_records, read_records
from babelrank.errors import DataError, described


class Records(Protocol):
    """Records in a fixed order. They can be sent to another process or machine."""

    @property
    def name(self) -> str:
        """Name in errors."""

    def records(self, skip: int = 0, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Any]]:
        """Read the records, see `records.read_records`."""

    def count(self) -> int:
        """Count the records."""


class DataFile(Records, Protocol):
    """A file that can be read on this machine."""

    def local(self) -> Path:
        """Return the file's path, after downloading it if necessary."""

    def records(self, skip: int = 0, columns: tuple[str, ...] = ()) -> Iterator[tuple[int, Any]]:
        """See `Records`."""
        return read_records(self.local(), skip, columns)

    def count(self) -> int:
        """See `Records`."""
        return count_records(self.local())


class Folder(Protocol):
    """A folder of files."""

    @property
    def name(self) -> str:
        """Name in errors."""

    def match(self, pattern: str) -> tuple[DataFile, ...]:
        """Return the files with names below the folder that match, such as ``qrels/*.tsv``; shorter names first.

        Hidden files are ignored: macOS leaves ``._NAME`` next to each file that it copies.
        """


@dataclass(frozen=True)
class LocalFile(DataFile):
    """A file on this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def local(self) -> Path:
        """Return the path."""
        return self.path


@dataclass(frozen=True)
class LocalFolder:
    """A folder on this machine. It may not exist."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def match(self, pattern: str) -> tuple[DataFile, ...]:
        """See `Folder`."""
        found = [path for path in self.path.glob(pattern) if path.is_file() and not path.name.startswith(".")]
        return tuple(LocalFile(path) for path in sorted(found, key=lambda path: _natural(str(path))))


@dataclass(frozen=True)
class HubFile(DataFile):
    """A file of a data repository on the Hub, at one commit."""

    repository: str
    commit: str
    path: str

    @property
    def name(self) -> str:
        """Repository and path."""
        return f"{self.repository}/{self.path}"

    def local(self) -> Path:
        """Download the file, unless it is in the Hub's cache, and return its path.

        Raises
        ------
        DataError
            The file cannot be downloaded.
        """
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(self.repository, self.path, repo_type="dataset", revision=self.commit))
        except Exception as error:  # several libraries raise their own errors for the Hub, the network and the disk
            raise DataError(f"{self.name}: cannot be downloaded ({described(error)}).") from error


@dataclass(frozen=True)
class HubFolder:
    """A data repository on the Hub at one commit.

    Attributes
    ----------
    repository
        Name, such as ``BeIR/scifact``.
    commit
        Commit of all files, whatever is pushed meanwhile.
    paths
        Paths of all its files.
    """

    repository: str
    commit: str
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        """The repository."""
        return self.repository

    def match(self, pattern: str) -> tuple[DataFile, ...]:
        """See `Folder`."""
        depth = pattern.count("/")
        found = [
            path
            for path in self.paths
            if path.count("/") == depth and fnmatchcase(path, pattern) and not path.rpartition("/")[2].startswith(".")
        ]
        return tuple(HubFile(self.repository, self.commit, path) for path in sorted(found, key=_natural))


def open_hub(repository: str) -> HubFolder:
    """Look up a data repository on the Hub.

    Files are read directly. `datasets` cannot load repositories with a loading script, such as MIRACL's, and can resume
    a stream only by reading it from the beginning.

    Raises
    ------
    DataError
        The repository does not exist or is not accessible, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    try:
        told = HfApi().dataset_info(repository)
    except Exception as error:  # several libraries raise their own errors for the Hub and the network
        raise DataError(f"{repository}: no such folder here, and not found on the Hub ({described(error)}).") from error
    return HubFolder(repository, str(told.sha), tuple(sibling.rfilename for sibling in told.siblings or ()))


def folder_name(path: Path) -> str:
    """Return a folder's name without its path. For a symbolic link, return the name of the link."""
    name = path.absolute().name
    return path.resolve().name if name == ".." else name


def _natural(path: str) -> tuple[int, str]:
    """Order ``docs-2`` before ``docs-10``."""
    return len(path), path
