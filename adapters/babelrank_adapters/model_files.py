"""Where a model lies, a folder or the Hub at one commit, and which files it is made of."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from babelrank.errors import EncoderError

_MODEL_FILES = ("modules.json", "config.json")  # a sentence-transformers folder, a plain transformers one
_HUB_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
# The end of a folder's path in the Hub's cache; no name on the Hub has two hyphens in a row.
_CACHED = re.compile(r"models--(.+)/snapshots/[^/]+")
_HUB_TIMEOUT = 10.0  # seconds
_REMEMBERED = 64  # models on the Hub; every adapter looks at a model, and one request is enough
# Weights as PyTorch pickles them; unpickling can run any code.
_PICKLED = re.compile(r"(pytorch_model|model|adapter_model).*\.(bin|pt|pth|ckpt|pkl)")
_SAFE = ("{}.safetensors", "{}.safetensors.index.json")  # whole, or a list of parts, as transformers looks for it


@dataclass(frozen=True)
class ModelFiles:
    """A model's files.

    Attributes
    ----------
    name
        What a reader calls the model: its name on the Hub, or that of its folder.
    location
        What libraries load it by: a folder, or a name on the Hub.
    names
        Paths of its files, as POSIX has them, relative to its root.
    revision
        Commit on the Hub; None for a folder.
    commit
        Commit on the Hub, also if what was found of it lies in the local cache.
    """

    name: str
    location: str
    names: frozenset[str]
    revision: str | None = None
    commit: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Commit on the Hub, or digest of the folder; the latter reads all of it."""
        return self.commit or folder_digest(Path(self.location))

    def path(self, name: str) -> Path | None:
        """Return one file, from the Hub if it lies there; None if the model has none of that name."""
        if name not in self.names:
            return None
        if self.revision is None:
            return Path(self.location, name)
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.location, name, revision=self.revision))

    def read_json(self, name: str) -> Any:
        """Return what a JSON file says; None if there is none of that name, or it cannot be read."""
        with suppress(OSError, ValueError):
            path = self.path(name)
            return json.loads(path.read_text(encoding="utf-8")) if path else None
        return None

    def read_object(self, name: str) -> dict[str, Any]:
        """Return what a JSON file says; nothing if it is not there, or holds no object."""
        content = self.read_json(name)
        return content if isinstance(content, dict) else {}

    def folder(self, patterns: Iterable[str]) -> Path:
        """Return a folder with the files that match `patterns`, from the Hub if they lie there."""
        if self.revision is None:
            return Path(self.location)
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(self.location, revision=self.revision, allow_patterns=list(patterns)))


def find_model(model: str, revision: str | None) -> ModelFiles:
    """Resolve the name or folder of a model.

    Parameters
    ----------
    revision
        Branch, tag or commit on the Hub; the main branch if None.

    Raises
    ------
    EncoderError
        There is no such model, or the Hub cannot be asked and the local cache does not hold it.
    """
    folder = _folder(model)
    if folder is not None:
        return _in_folder(folder, revision)
    if not _HUB_NAME.fullmatch(model):
        module, _, name = model.partition(":")
        hint = f"; nor is there a module named {module!r} here" if name.isidentifier() else ""
        raise EncoderError(f"{model!r}: no such folder, and not a name on the Hub (ORGANISATION/MODEL){hint}.")
    answer = _ask_hub(model, revision)
    if isinstance(answer, EncoderError):
        raise answer
    return answer


def look_for_model(model: str, revision: str | None) -> ModelFiles | None:
    """Resolve like `find_model`, but return None where that raises."""
    try:
        return find_model(model, revision)
    except EncoderError:
        return None


def require_safe_weights(files: ModelFiles, *, allow_pickle: bool) -> None:
    """Refuse weights that are pickled only, unless they are allowed.

    Raises
    ------
    EncoderError
        A folder of the model holds pickled weights, and not the same in safetensors format.
    """
    folders = defaultdict(set)
    for name in map(PurePosixPath, files.names):
        folders[name.parent].add(name.name)
    for parent, names in sorted(folders.items()):
        pickled = sorted(name for name in names if _PICKLED.fullmatch(name) and not _safe_names(name) & names)
        if pickled and not allow_pickle:
            raise EncoderError(
                f"{files.name}: {parent / pickled[0]} is a pickle, which can run code as it is read, and the same "
                "weights in safetensors format are not there. --option allow_pickle=true reads it, if you trust it."
            )


def _safe_names(pickled: str) -> set[str]:
    """Return the files of which one makes sure that a pickle is not read."""
    stem = "adapter_model" if pickled.startswith("adapter_model") else "model"
    return {name.format(stem) for name in _SAFE}


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of a model folder: relative paths and contents of all but Markdown and hidden files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and path.suffix != ".md" and not any(part.startswith(".") for part in relative.parts):
            with path.open("rb") as handle:
                digest.update(f"{relative.as_posix()} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def folder_name(folder: Path) -> str:
    """Return what a reader calls a folder: its own name, or that of the model if the Hub's cache holds it there."""
    folder = folder.expanduser().resolve()
    cached = _CACHED.fullmatch("/".join(folder.parts[-3:]))
    return cached[1].replace("--", "/") if cached else folder.name


def _folder(model: str) -> Path | None:
    try:
        folder = Path(model).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # a name too long for any folder, or the home of a user that does not exist
        return None


def _in_folder(folder: Path, revision: str | None) -> ModelFiles:
    names = _list_folder(folder)
    if not names.intersection(_MODEL_FILES):
        raise EncoderError(f"{folder}: not a model folder; it holds neither {' nor '.join(_MODEL_FILES)}.")
    if revision is not None:
        raise EncoderError(f"{folder}: --revision is for models on the Hub, this is a folder.")
    return ModelFiles(folder_name(folder), str(folder), names)


def _list_folder(folder: Path) -> frozenset[str]:
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@lru_cache(_REMEMBERED)
def _ask_hub(model: str, revision: str | None) -> ModelFiles | EncoderError:
    """Resolve a revision to its commit: by the Hub, or by the local cache without it. Failures are remembered too."""
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    at = f"{model}@{revision}" if revision else model
    try:
        found = HfApi().model_info(model, revision=revision, timeout=_HUB_TIMEOUT)
        # What is asked for by branch or tag lets the cache note its commit; without, the model is lost when offline.
        with suppress(EntryNotFoundError):
            hf_hub_download(model, _MODEL_FILES[0], revision=revision)
        names = frozenset(file.rfilename for file in found.siblings or [])
        return ModelFiles(model, model, names, revision=found.sha, commit=found.sha)
    except (HfHubHTTPError, HFValidationError) as error:  # unknown repository or revision, no access, no name, …
        return EncoderError(f"{at}: no such folder here, and the Hub says: {error}")
    except Exception as error:  # no network, or offline by choice: several libraries' own errors
        for name in _MODEL_FILES:
            cached = try_to_load_from_cache(model, name, revision=revision)
            if isinstance(cached, str):
                # As a folder, so that no library tries the network again and again.
                snapshot = Path(cached).parent
                return ModelFiles(model, str(snapshot), _list_folder(snapshot), commit=snapshot.name)
        return EncoderError(
            f"{at}: no such folder here, not in the local cache, and the Hub cannot be reached ({error})."
        )
