"""Check a model; list and prune the stored representations."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from babelrank.api.inputs import encoder_options
from babelrank.encoding.store import EntryState, default_store, list_entries, prune
from babelrank.files import optional_path, show_size
from babelrank.pipelines.model_check import ModelCheck
from babelrank.pipelines.model_check import check_model as run_check

SPARED_MINUTES = 10  # entries used more recently are kept, as another process may be writing them


def check_model(model: object, *, adapter: str | None = None, **options: Any) -> ModelCheck:
    """Load a model, encode ten texts in three languages, and report its settings and what looks wrong.

    Parameters
    ----------
    model, adapter, options
        As `evaluate` takes them.

    Returns
    -------
    ModelCheck
        The settings in effect; ``problems`` has one sentence for each thing that looks wrong.

    Raises
    ------
    EncoderError
        The model cannot be loaded, or an option is not valid.

    Examples
    --------
    >>> import babelrank
    >>> babelrank.check_model("use-multilingual-v3").problems
    ()
    """
    return run_check(model, encoder_options(options), adapter=adapter)


@dataclass(frozen=True)
class StoreListing:
    """The representations in a store.

    Attributes
    ----------
    folder
        Folder of the store.
    entries
        Stored representations by model and role, most recently used first.
    deleted
        Entries that were deleted.
    """

    folder: Path
    entries: tuple[EntryState, ...]
    deleted: tuple[EntryState, ...] = ()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(entry.size for entry in self.entries)

    def __str__(self) -> str:
        return "\n".join(
            [
                *(f"deleted {entry.model} ({entry.role}), {show_size(entry.size)}" for entry in self.deleted),
                *map(_describe, self.entries),
                f"{show_size(self.size):>10}  in {self.folder}",
            ]
        )


def list_store(store: str | Path | None = None) -> StoreListing:
    """List the stored representations by model and role.

    Parameters
    ----------
    store
        Folder of the store; by default ``BABELRANK_STORE``, else the user's cache.

    Examples
    --------
    >>> import babelrank
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     babelrank.list_store(folder).size
    0
    """
    folder = optional_path(store) or default_store()
    return StoreListing(folder, tuple(list_entries(folder)))


def prune_store(limit: float, store: str | Path | None = None) -> StoreListing:
    """Delete the least recently used representations until the store holds at most `limit` bytes.

    Entries used in the last ten minutes are kept, since another process may be writing them.

    Parameters
    ----------
    limit
        Maximum size in bytes.
    store
        As for `list_store`.
    """
    folder = optional_path(store) or default_store()
    deleted = prune(folder, limit, spare_seconds=60.0 * SPARED_MINUTES)
    return StoreListing(folder, tuple(list_entries(folder)), tuple(deleted))


def _describe(entry: EntryState) -> str:
    used = datetime.fromtimestamp(entry.used).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{show_size(entry.size):>10}  {used}  {entry.role:8}  {entry.model} ({entry.adapter})"
