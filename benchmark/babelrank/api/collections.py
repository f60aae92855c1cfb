"""List, download, check and export collections."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelrank.api.inputs import watched_by
from babelrank.data.catalog import SOURCES, find_sources, source_folder
from babelrank.data.collection import Collection
from babelrank.data.download import FileState, fetch, verify
from babelrank.data.export import export_texts
from babelrank.data.loading import describe_collection as describe
from babelrank.data.loading import load_collection, load_collections
from babelrank.data.mteb_export import make_task
from babelrank.data.spec import GRAMMAR, PUBLISHED
from babelrank.data.template import write_template
from babelrank.files import as_path, optional_path
from babelrank.observer import Observer


@dataclass(frozen=True)
class CollectionEntry:
    """A published collection and the state of its local files.

    Attributes
    ----------
    name, description, licence, citation
        Descriptions for people.
    url
        Download address; empty if the collection ships with babelrank.
    folder
        Folder of its files, whether it exists or not.
    complete, files
        Number of local files that match the published ones, and number of all files.
    """

    name: str
    description: str
    licence: str
    citation: str
    url: str
    folder: Path
    complete: int
    files: int

    def __str__(self) -> str:
        here = f"{self.complete} of {self.files} files complete" if self.url else "ships with babelrank"
        lines = (
            f"{self.name}: {self.description}",
            f"  {self.licence}; {self.citation}",
            *([f"  from {self.url}/"] if self.url else []),
            f"  {here}, in {self.folder}",
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class FetchedCollection:
    """A collection that was downloaded.

    Attributes
    ----------
    name
        Name of the collection.
    folder
        Folder of its files.
    downloaded
        Files that were missing or differed from the published ones.
    """

    name: str
    folder: Path
    downloaded: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.name}: {len(self.downloaded)} downloaded, complete in {self.folder}"


@dataclass(frozen=True)
class CollectionFile:
    """A file of a published collection.

    Attributes
    ----------
    path
        Path of the file, whether it exists or not.
    state
        State compared with the published file.
    """

    path: Path
    state: FileState

    @property
    def complete(self) -> bool:
        """Whether the file matches the published one."""
        return self.state is FileState.COMPLETE

    def __str__(self) -> str:
        return f"{self.state:8}{self.path}"


@dataclass(frozen=True)
class CollectionSource:
    """A source of collections: files in some layout, or data sets on the Hub.

    Attributes
    ----------
    grammar
        Syntax of its specifications.
    description
        One-line description.
    example
        Example of a specification.
    """

    grammar: str
    description: str
    example: str

    def __str__(self) -> str:
        return f"{self.grammar}: {self.description}\n  such as {self.example}"


def list_collection_sources() -> list[CollectionSource]:
    """Return the sources of further collections, with an example of each.

    Examples
    --------
    >>> import babelrank
    >>> any(source.example.startswith("local:") for source in babelrank.list_collection_sources())
    True
    """
    return [CollectionSource(*texts) for name, texts in GRAMMAR.items() if name != PUBLISHED]


def init_collection(folder: str | Path) -> list[Path]:
    """Write a small collection in the layout of ``local:`` as a template; return its files.

    Raises
    ------
    DataError
        One of the files exists already. Nothing is written then.
    OSError
        The folder cannot be written.
    """
    return write_template(as_path(folder))


def describe_collection(spec: str, data: str | Path | None = None, *, observer: Observer | None = None) -> list[str]:
    """Read a collection; return lines that describe its contents and what was left out.

    Raises
    ------
    DataError
        The collection cannot be evaluated. The message lists everything that is wrong.

    Examples
    --------
    >>> import babelrank
    >>> babelrank.describe_collection("sample:de,en")[1]
    '  de: 28 queries, 70 passages'
    """
    with watched_by(observer) as watching:
        loaded = load_collections([spec], optional_path(data), log=watching.log)
    return [line for collection in loaded.values() for line in describe(collection)]


def as_mteb_task(collection: str | Collection, *, data: str | Path | None = None) -> Any:
    """Return a collection as a task for `mteb.evaluate`; needs ``babelrank[mteb]``.

    The task has a subset for each pair of languages, such as ``de-en`` (query, passage), and one for each query
    language over the pool of all languages, such as ``de-all``. The main score is nDCG@10. mteb encodes the passages
    of each subset separately.

    Parameters
    ----------
    collection
        A specification such as ``xquad-r``, or a `Collection`.
    data
        As for `list_collections`.

    Raises
    ------
    DataError
        The collection is unknown or missing, mteb is not installed, or mteb does not know one of the languages.

    Examples
    --------
    >>> import babelrank
    >>> babelrank.as_mteb_task("sample:de,en").metadata.hf_subsets
    ['de-de', 'de-en', 'en-de', 'en-en', 'de-all', 'en-all']
    """
    found = collection if isinstance(collection, Collection) else load_collection(collection, optional_path(data))
    return make_task(found)


def list_collections(data: str | Path | None = None) -> list[CollectionEntry]:
    """Return the published collections, with their sources and the state of their local files.

    Parameters
    ----------
    data
        Folder of the collections; by default ``BABELRANK_DATA``, else the user's data folder.

    Examples
    --------
    >>> import babelrank
    >>> [entry.name for entry in babelrank.list_collections()]
    ['xquad-r', 'mlqa-r', 'ntrex', 'afriqa', 'sample']
    """
    folder = optional_path(data)
    entries = []
    for source in SOURCES.values():
        states = list(verify(source, folder).values())
        texts = (source.name, source.description, source.licence, source.citation, source.url)
        place = source_folder(source, folder)
        entries.append(CollectionEntry(*texts, place, states.count(FileState.COMPLETE), len(states)))
    return entries


def fetch_collections(
    names: Sequence[str] = (),
    *,
    data: str | Path | None = None,
    mirror: str | None = None,
    observer: Observer | None = None,
) -> list[FetchedCollection]:
    """Download missing or changed files of published collections, and check each file against its SHA-256.

    Parameters
    ----------
    names
        Names of collections; by default all that can be downloaded.
    data
        As for `list_collections`.
    mirror
        Address to download from instead of GitHub; it holds ``xquad-r/``, ``ntrex/`` and so on.
    observer
        Receives the progress; None shows it on standard error.

    Raises
    ------
    DataError
        A name is unknown, a file cannot be downloaded or differs from the published one, or the folder cannot be
        written. Complete files are kept, so the next call continues.
    """
    folder = optional_path(data)
    found = []
    with watched_by(observer) as watching:
        for source in find_sources(names):
            place = source_folder(source, folder)
            files = fetch(source, folder, mirror=mirror, on_file=lambda path: watching.log(f"downloaded {path}"))
            found.append(FetchedCollection(source.name, place, tuple(place / file for file in files)))
    return found


def verify_collections(names: Sequence[str] = (), *, data: str | Path | None = None) -> list[CollectionFile]:
    """Compare the files of published collections with their pinned SHA-256.

    Parameters
    ----------
    names
        By default all that can be downloaded.
    data
        As for `list_collections`.

    Raises
    ------
    DataError
        A name is unknown, or a file cannot be read.
    """
    folder = optional_path(data)
    return [
        CollectionFile(source_folder(source, folder) / file, state)
        for source in find_sources(names)
        for file, state in verify(source, folder).items()
    ]


def export_collection(collection: str, folder: str | Path, *, data: str | Path | None = None) -> list[Path]:
    """Write a collection's texts with their ids, so that other tools can encode them for the adapter ``embeddings``.

    Parameters
    ----------
    collection
        A specification such as ``xquad-r``.
    folder
        Folder for ``queries.jsonl`` and ``passages.jsonl``.
    data
        As for `list_collections`.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    DataError
        The collection is unknown or missing.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     [path.name for path in babelrank.export_collection("sample:en", folder)]
    ['queries.jsonl', 'passages.jsonl']
    """
    return export_texts(load_collection(collection, optional_path(data)), as_path(folder))
