"""Where a model lies, a folder or the Hub at one commit, and which files it is made of.

Links in a folder are followed: what is read through them is part of the model.
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

_ADAPTER = "adapter_config.json"  # PEFT's: changes to the weights of a base model that lies elsewhere
# Of a sentence-transformers folder, a plain transformers one, and one of PEFT.
_MODEL_FILES = ("modules.json", "config.json", _ADAPTER)
_MOST_FILES = 10_000  # of a model; a link can lead anywhere
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
        """Commit on the Hub, or digest of the folder, which reads all of it; and that of base models, if it has any."""
        own = self.commit or folder_digest(Path(self.location))
        if not self.bases:
            return own
        whole = [own, *(base.commit or folder_digest(Path(base.location)) for base in self.bases)]
        return hashlib.sha256(" ".join(whole).encode()).hexdigest()

    @cached_property
    def bases(self) -> list["ModelFiles"]:
        """The models that this one holds changes to (LoRA and its kin).

        Raises
        ------
        EncoderError
            One of them is not named, or not to be found.
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
            raise EncoderError(f"{self.name}: its base model is not to be found: {error}") from error

    @cached_property
    def config(self) -> dict[str, Any]:
        """What config.json says; that of the base model if there is none here."""
        return self.read_object("config.json") or (self.bases[0].read_object("config.json") if self.bases else {})

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
        with suppress(OSError, ValueError, RecursionError):
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


def require_safe_weights(files: ModelFiles) -> None:
    """Refuse weights that are pickled only.

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
        if pickled:
            raise EncoderError(
                f"{files.name}: {parent / pickled[0]} is a pickle, which can run code as it is read, and the same "
                "weights in safetensors format are not there. If you trust it, convert it, as by "
                "SentenceTransformer(…).save_pretrained(…), or evaluate it with --option allow_pickle=true."
            )


def _safe_names(pickled: str) -> set[str]:
    """Return the files of which one makes sure that a pickle is not read."""
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
    """Return what a reader calls a folder.

    That is its own name, links followed, or that of the model if the Hub's cache holds it there; the link's name if
    that alone tells of which family the model is.
    """
    target, link = folder.expanduser().resolve(), folder.expanduser().absolute().name
    cached = _CACHED.fullmatch("/".join(target.parts[-3:]))
    name = cached[1].replace("--", "/") if cached else target.name
    return link if find_family(link) and not find_family(name) else name


def _files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files in a folder that are not hidden; a link to a folder that it lies in leads nowhere."""
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
        raise EncoderError(f"{folder}: not a model folder; it holds none of {', '.join(_MODEL_FILES)}.")
    if revision is not None:
        raise EncoderError(f"{folder}: --revision is for models on the Hub, this is a folder.")
    return ModelFiles(folder_name(folder), str(folder), _list_folder(folder))


def _list_folder(folder: Path) -> frozenset[str]:
    try:
        names = [path.relative_to(folder).as_posix() for path in islice(_files(folder), _MOST_FILES + 1)]
    except OSError as error:
        raise EncoderError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    if len(names) > _MOST_FILES:
        raise EncoderError(f"{folder}: not a model folder; it holds more than {_MOST_FILES} files.")
    return frozenset(names)


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
