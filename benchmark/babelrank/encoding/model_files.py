"""Find the files of a model, in a folder or on the Hub at one commit.

Links in a folder are followed, and their targets are part of the model.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from babelrank.encoding.prompts import find_family
from babelrank.errors import EncoderError
from babelrank.files import as_path

_ADAPTER = "adapter_config.json"  # of PEFT: changes to the weights of a base model
# Files of a sentence-transformers folder, a transformers folder, and a PEFT folder.
_MODEL_FILES = ("modules.json", "config.json", _ADAPTER)
_MOST_FILES = 10_000  # of a model; a link can lead to any folder
_HUB_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
# The end of a folder's path in the Hub's cache; no name on the Hub has two hyphens in a row.
_CACHED = re.compile(r"models--(.+)/snapshots/[^/]+")
_HUB_TIMEOUT = 10.0  # seconds
_REMEMBERED = 64  # models on the Hub; every adapter inspects a model, and one request is enough
# Weights pickled by PyTorch. Unpickling can run any code.
_PICKLED = re.compile(r"(pytorch_model|model|adapter_model).*\.(bin|pt|pth|ckpt|pkl)")
_READ = frozenset({".safetensors", ".json", ".model"})  # suffixes of what a model is made of, whatever runs it
_POINTER = b"version https://git-lfs.github.com/spec/"  # how Git LFS begins what it leaves in place of a file
_SAFE = ("{}.safetensors", "{}.safetensors.index.json")  # whole, or a list of parts, as transformers looks for it


class HubUnreachableError(EncoderError):
    """A model is not in the local cache, and the Hub cannot be reached."""


@dataclass(frozen=True)
class ModelFiles:
    """A model's files.

    Attributes
    ----------
    name
        Name for readers: the name on the Hub, or that of the folder.
    location
        Location for libraries: a folder, or a name on the Hub.
    names
        POSIX paths of its files, relative to its root.
    revision
        Commit on the Hub; None for a folder.
    commit
        Commit on the Hub, even if the files are in the local cache.
    """

    name: str
    location: str
    names: frozenset[str]
    revision: str | None = None
    commit: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Commit on the Hub, or digest of all files in the folder, combined with those of base models."""
        own = self.commit or folder_digest(Path(self.location))
        if not self.bases:
            return own
        whole = [own, *(base.commit or folder_digest(Path(base.location)) for base in self.bases)]
        return hashlib.sha256(" ".join(whole).encode()).hexdigest()

    @cached_property
    def bases(self) -> list["ModelFiles"]:
        """The base models that this model modifies (LoRA and similar adapters).

        Raises
        ------
        EncoderError
            A base model is not named or not found.
        """
        return [self._base(name) for name in sorted(self.names) if PurePosixPath(name).name == _ADAPTER]

    def _base(self, adapter: str) -> "ModelFiles":
        config = self.read_object(adapter)
        base, revision = config.get("base_model_name_or_path"), config.get("revision")
        if not (isinstance(base, str) and base):
            raise EncoderError(f"{self.name}: {adapter} does not name the base model (base_model_name_or_path).")
        try:
            return find_model(base, revision)
        except EncoderError as error:
            raise EncoderError(f"{self.name}: base model not found: {error}") from error

    @cached_property
    def config(self) -> dict[str, Any]:
        """Content of config.json, or that of the base model's if there is none."""
        return self.read_object("config.json") or (self.bases[0].read_object("config.json") if self.bases else {})

    def path(self, name: str) -> Path | None:
        """Return the path of a file, downloaded from the Hub if necessary; None if the model does not have it."""
        if name not in self.names:
            return None
        if self.revision is None:
            return Path(self.location, name)
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.location, name, revision=self.revision))

    def path_here(self, name: str) -> Path | None:
        """Return one file if it is on this machine."""
        if self.revision is None:
            return self.path(name)
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self.location, name, revision=self.revision)
        return Path(cached) if isinstance(cached, str) else None

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON file; None if it does not exist or cannot be read."""
        with suppress(OSError, ValueError, RecursionError):
            path = self.path(name)
            return json.loads(path.read_text(encoding="utf-8")) if path else None
        return None

    def read_object(self, name: str) -> dict[str, Any]:
        """Return the object in a JSON file; empty if it does not exist or has no object."""
        content = self.read_json(name)
        return content if isinstance(content, dict) else {}

    @cached_property
    def licence(self) -> str | None:
        """Licence that the model's card names; None without one."""
        from huggingface_hub.repocard import metadata_load
        from yaml import YAMLError

        with suppress(OSError, ValueError, YAMLError, RecursionError):
            card = self.path("README.md")
            found = (metadata_load(card) or {}).get("license") if card else None
            return found if isinstance(found, str) else None
        return None

    def folder(self, patterns: Iterable[str]) -> Path:
        """Return a folder with the files that match `patterns`, downloaded from the Hub if necessary."""
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
        The model does not exist, or the Hub cannot be reached and the model is not in the local cache.
    """
    folder = _folder(model)
    if folder is not None:
        return _in_folder(folder, revision)
    if not _HUB_NAME.fullmatch(model):
        module, _, name = model.partition(":")
        hint = f"; there is also no module named {module!r} here" if name.isidentifier() else ""
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


def require_safe_weights(files: ModelFiles) -> None:
    """Refuse weights that exist only as pickles.

    Raises
    ------
    EncoderError
        A folder of the model has pickled weights without the same weights in safetensors format.
    """
    folders = defaultdict(set)
    for name in map(PurePosixPath, files.names):
        folders[name.parent].add(name.name)
    for parent, names in sorted(folders.items()):
        pickled = sorted(name for name in names if _PICKLED.fullmatch(name) and not _safe_names(name) & names)
        if pickled:
            raise EncoderError(
                f"{files.name}: {parent / pickled[0]} is a pickle, which can run code when it is read, and there are "
                "no weights in safetensors format. If you trust it, use --option allow_pickle=true, or convert it "
                "with SentenceTransformer(…).save_pretrained(…)."
            )


def _safe_names(pickled: str) -> set[str]:
    """Return the files of which any one ensures that a pickle is not read."""
    stem = "adapter_model" if pickled.startswith("adapter_model") else "model"
    return {name.format(stem) for name in _SAFE}


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of a model folder: relative paths and contents of all but Markdown and hidden files."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        if path.suffix != ".md":
            with path.open("rb") as handle:
                content = hashlib.file_digest(handle, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def folder_name(folder: Path) -> str:
    """Return a folder's name for readers.

    It is the folder's name after following links, or the model's name for a folder in the Hub's cache. If only the
    link's name shows the model's family, it is the link's name.
    """
    target, link = folder.expanduser().resolve(), folder.expanduser().absolute().name
    cached = _CACHED.fullmatch("/".join(target.parts[-3:]))
    name = cached[1].replace("--", "/") if cached else target.name
    return link if find_family(link) and not find_family(name) else name


def _files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files in a folder that are not hidden. Links to a parent folder are ignored."""
    here = folder.resolve()
    if here in above:
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path, above | {here})
        elif path.is_file():
            yield path


def _folder(model: str) -> Path | None:
    try:
        folder = as_path(model) if model.startswith("~") else Path(model)
        return folder if folder.is_dir() else None
    except (OSError, ValueError):  # a name too long or with NUL
        return None


def _in_folder(folder: Path, revision: str | None) -> ModelFiles:
    if not any((folder / name).is_file() for name in _MODEL_FILES):
        raise EncoderError(f"{folder}: not a model folder; it has none of {', '.join(_MODEL_FILES)}.")
    if revision is not None:
        raise EncoderError(f"{folder}: --revision is for models on the Hub, not for a folder.")
    names = _list_folder(folder)
    for name in sorted(name for name in names if PurePosixPath(name).suffix in _READ):
        with suppress(OSError), (folder / name).open("rb") as handle:
            if handle.read(len(_POINTER)) == _POINTER:
                raise EncoderError(f"{folder}: {name} is only a Git LFS pointer; `git lfs pull` downloads the file.")
    return ModelFiles(folder_name(folder), str(folder), names)


def _list_folder(folder: Path) -> frozenset[str]:
    try:
        names = [path.relative_to(folder).as_posix() for path in islice(_files(folder), _MOST_FILES + 1)]
    except OSError as error:
        raise EncoderError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    if len(names) > _MOST_FILES:
        raise EncoderError(f"{folder}: not a model folder; it has more than {_MOST_FILES} files.")
    return frozenset(names)


@lru_cache(_REMEMBERED)
def _ask_hub(model: str, revision: str | None) -> ModelFiles | EncoderError:
    """Resolve a revision to its commit, by the Hub or the local cache. Failures are remembered, too."""
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    at = f"{model}@{revision}" if revision else model
    try:
        found = HfApi().model_info(model, revision=revision, timeout=_HUB_TIMEOUT)
        # A request by branch or tag lets the cache record the commit. Otherwise the model is not found offline.
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
        return HubUnreachableError(
            f"{at}: no such folder here, not in the local cache, and the Hub cannot be reached ({error})."
        )
