"""A look at a model, and the representations that are stored."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from babelrank.api.inputs import encoder_options, optional_path
from babelrank.encoding.store import EntryState, default_store, list_entries, prune
from babelrank.files import show_size
from babelrank.pipelines.model_check import ModelCheck
from babelrank.pipelines.model_check import check_model as run_check

SPARED_MINUTES = 10  # what another process may be writing is not pruned


def check_model(model: object, *, adapter: str | None = None, **options: Any) -> ModelCheck:
    """Load a model, encode ten texts in three languages, and say what is used and what looks wrong.

    Parameters
    ----------
    model, adapter, options
        As `evaluate` takes them.

    Returns
    -------
    ModelCheck
        The settings in effect, and in ``problems`` a sentence for each thing that looks wrong.

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
        The store.
    entries
        What is stored, by model and role, the most recently used first.
    deleted
        What was pruned.
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
    """Return the stored representations by model and role.

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
    """Delete the representations that were used longest ago, until the store holds at most `limit` bytes.

    What was used in the last ten minutes stays: another process may be writing it.

    Parameters
    ----------
    limit
        Bytes.
    store
        As for `list_store`.
    """
    folder = optional_path(store) or default_store()
    deleted = prune(folder, limit, spare_seconds=60.0 * SPARED_MINUTES)
    return StoreListing(folder, tuple(list_entries(folder)), tuple(deleted))


def _describe(entry: EntryState) -> str:
    used = datetime.fromtimestamp(entry.used).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{show_size(entry.size):>10}  {used}  {entry.role:8}  {entry.model} ({entry.adapter})"
