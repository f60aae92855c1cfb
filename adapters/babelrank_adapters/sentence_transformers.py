"""Any dense model that sentence-transformers loads, from the Hub or a local folder.

Prompts, maximum length, similarity and dtype are the model's own unless given.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from babelrank.encoding.protocol import Adapter, EncoderInfo, EncoderOptions, Similarity
from babelrank.errors import EncoderError, unknown_choice

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

NAME = "sentence-transformers"
_DTYPES = ("float32", "bfloat16", "float16")
_HUB_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_MODEL_FILES = ("modules.json", "config.json")  # a sentence-transformers folder, a plain transformers one
# Names under which models keep the prompt of a role; the first that is not empty counts.
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class SentenceTransformersEncoder:
    """A loaded SentenceTransformer with the prompts of both roles fixed."""

    def __init__(self, model: "SentenceTransformer", name: str, fingerprint: str, options: EncoderOptions) -> None:
        if options.max_length is not None:
            model.max_seq_length = options.max_length
        self._model = model
        self._batch_size = options.batch_size
        self._query_prompt = _prompt(model, options.query_prompt, _QUERY_PROMPTS)
        self._document_prompt = _prompt(model, options.document_prompt, _DOCUMENT_PROMPTS)
        self.info = EncoderInfo(
            name=name,
            adapter=NAME,
            fingerprint=fingerprint,
            dimension=model.get_embedding_dimension(),
            parameters=sum(weights.numel() for weights in model.parameters()),
            similarity=options.similarity or _similarity(model),
            settings={
                "query_prompt": self._query_prompt,
                "document_prompt": self._document_prompt,
                "max_length": model.max_seq_length,
                "dtype": str(model.dtype).removeprefix("torch."),
            },
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return vectors of shape (len(texts), dimension)."""
        vectors: np.ndarray = self._model.encode_query(
            list(texts), prompt=self._query_prompt, batch_size=self._batch_size, show_progress_bar=False
        )
        return vectors

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return vectors of shape (len(texts), dimension)."""
        vectors: np.ndarray = self._model.encode_document(
            list(texts), prompt=self._document_prompt, batch_size=self._batch_size, show_progress_bar=False
        )
        return vectors


def _prompt(model: "SentenceTransformer", given: str | None, names: Sequence[str]) -> str:
    if given is not None:
        return given
    candidates = [model.prompts.get(name) for name in (*names, model.default_prompt_name)]
    return next((prompt for prompt in candidates if prompt), "")


def _similarity(model: "SentenceTransformer") -> Similarity:
    try:
        return Similarity(model.similarity_fn_name)
    except ValueError as error:
        choices = ", ".join(Similarity)
        raise EncoderError(
            f"the model asks for {model.similarity_fn_name!r} similarity, which is not supported; "
            f"--similarity takes {choices}."
        ) from error


def _load(model: str, options: EncoderOptions) -> SentenceTransformersEncoder:
    if options.dtype is not None and options.dtype not in _DTYPES:
        raise EncoderError(unknown_choice("dtype", options.dtype, _DTYPES))
    folder = Path(model).expanduser()
    if folder.is_dir():
        _require_model_folder(folder)
        if options.revision is not None:
            raise EncoderError(f"{folder}: --revision is for models on the Hub, this is a folder.")
        name, fingerprint, revision = folder.resolve().name, folder_digest(folder), None
    elif _HUB_NAME.fullmatch(model):
        name = model
        fingerprint = revision = _hub_commit(model, options.revision)
    else:
        raise EncoderError(f"{model!r}: no such folder, and not a name on the Hub (ORGANISATION/MODEL).")
    return SentenceTransformersEncoder(
        _load_model(str(folder) if revision is None else model, revision, options), name, fingerprint, options
    )


def _load_model(source: str, revision: str | None, options: EncoderOptions) -> "SentenceTransformer":
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        return SentenceTransformer(
            source,
            revision=revision,
            device=options.device,
            trust_remote_code=options.trust_remote_code,
            model_kwargs={"dtype": getattr(torch, options.dtype)} if options.dtype else None,
        )
    except Exception as error:  # any of several libraries' own errors, none of them a bug of ours
        hint = (
            " --trust-remote-code lets the model's own code run, if you trust it."
            if "trust_remote_code" in str(error)
            else ""
        )
        raise EncoderError(f"{source}: cannot be loaded ({type(error).__name__}: {error}).{hint}") from error


def _require_model_folder(folder: Path) -> None:
    if not any((folder / name).is_file() for name in _MODEL_FILES):
        raise EncoderError(f"{folder}: not a model folder; it holds neither {' nor '.join(_MODEL_FILES)}.")


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of a model folder: relative paths and contents of all but Markdown and hidden files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and path.suffix != ".md" and not any(part.startswith(".") for part in relative.parts):
            with path.open("rb") as handle:
                digest.update(f"{relative.as_posix()} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _hub_commit(model: str, revision: str | None) -> str:
    """Resolve a revision to a commit, from the Hub or the local cache."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    at = f"{model}@{revision}" if revision else model
    for name in _MODEL_FILES:
        try:
            return Path(hf_hub_download(model, name, revision=revision)).parent.name
        except LocalEntryNotFoundError as error:
            raise EncoderError(
                f"{at}: no such folder here, not in the local cache, and the Hub cannot be reached."
            ) from error
        except EntryNotFoundError:
            continue
        except Exception as error:  # unknown repository, unknown revision, no access, …: the library's words say which
            raise EncoderError(f"{at}: no such folder here, and the Hub says: {error}") from error
    raise EncoderError(f"{at}: not a model; the repository holds neither {' nor '.join(_MODEL_FILES)}.")


ADAPTER = Adapter(name=NAME, models="Hub name or folder of a dense sentence-transformers model", load=_load)
