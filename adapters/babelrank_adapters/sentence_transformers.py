"""Any dense model that sentence-transformers loads, from the Hub or a local folder.

Prompts, maximum length, similarity and dtype are the model's own unless given.
"""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
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
_HUB_TIMEOUT = 10.0  # seconds
_NO_LIMIT = 2**31  # tokenizers that know no maximum length say infinity, or 10³⁰
# Names under which models keep the prompt of a role; the first that is not empty counts.
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class SentenceTransformersEncoder:
    """A loaded SentenceTransformer with the prompts of both roles fixed."""

    def __init__(self, model: "SentenceTransformer", name: str, fingerprint: str, options: EncoderOptions) -> None:
        if options.max_length is not None:
            _set_max_length(model, name, options.max_length)
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
                "max_length": _max_length(model),
                "dtype": str(model.dtype).removeprefix("torch."),
            },
            device=str(model.device),
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


def _max_length(model: "SentenceTransformer") -> int | None:
    """Return the tokens after which a text is cut; None if it never is."""
    length = model.max_seq_length
    return int(length) if length is not None and length < _NO_LIMIT else None


def _set_max_length(model: "SentenceTransformer", name: str, max_length: int) -> None:
    """Have the model cut texts after `max_length` tokens; refuse a length at which it would fail, or not cut."""
    where = f"{name}: --max-length {max_length}"
    try:
        model.max_seq_length = max_length
        special = model.tokenizer.num_special_tokens_to_add()
    except AttributeError as error:
        raise EncoderError(f"{where}: the model does not cut texts.") from error
    positions = getattr(getattr(model[0], "config", None), "max_position_embeddings", None)
    if max_length <= special:
        raise EncoderError(f"{where} leaves no room for a text; the model adds {special} tokens of its own.")
    if positions is not None and max_length > positions:
        raise EncoderError(f"{where} is more than the {positions} tokens that the model can take.")


def _load(model: str, options: EncoderOptions) -> SentenceTransformersEncoder:
    if options.dtype is not None and options.dtype not in _DTYPES:
        raise EncoderError(unknown_choice("dtype", options.dtype, _DTYPES))
    folder = _folder(model)
    if folder is not None:
        _require_model_folder(folder)
        if options.revision is not None:
            raise EncoderError(f"{folder}: --revision is for models on the Hub, this is a folder.")
        name, fingerprint, revision, source = folder.resolve().name, folder_digest(folder), None, str(folder)
    elif _HUB_NAME.fullmatch(model):
        name = model
        source, fingerprint = _find_on_hub(model, options.revision)
        revision = fingerprint
    else:
        raise EncoderError(f"{model!r}: no such folder, and not a name on the Hub (ORGANISATION/MODEL).")
    loaded = _load_model(source, revision, options)
    if options.dtype is not None and str(loaded.dtype) != f"torch.{options.dtype}":
        raise EncoderError(f"{name}: --dtype {options.dtype}: the model knows {loaded.dtype} only.")
    return SentenceTransformersEncoder(loaded, name, fingerprint, options)


def _folder(model: str) -> Path | None:
    try:
        folder = Path(model).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # a name too long for any folder, or the home of a user that does not exist
        return None


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


def _find_on_hub(model: str, revision: str | None) -> tuple[str, str]:
    """Resolve a revision to what is to be loaded and its commit: by the Hub, or by the local cache without it."""
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    at = f"{model}@{revision}" if revision else model
    try:
        commit = str(HfApi().model_info(model, revision=revision, timeout=_HUB_TIMEOUT).sha)
        # What is asked for by branch or tag lets the cache note its commit; without, the model is lost when offline.
        with suppress(EntryNotFoundError):
            hf_hub_download(model, _MODEL_FILES[0], revision=revision)
        return model, commit
    except (HfHubHTTPError, HFValidationError) as error:  # unknown repository or revision, no access, no name, …
        raise EncoderError(f"{at}: no such folder here, and the Hub says: {error}") from error
    except Exception as error:  # no network, or offline by choice: several libraries' own errors
        for name in _MODEL_FILES:
            cached = try_to_load_from_cache(model, name, revision=revision)
            if isinstance(cached, str):
                snapshot = Path(cached).parent  # as a folder, so that no library tries the network again and again
                return str(snapshot), snapshot.name
        raise EncoderError(
            f"{at}: no such folder here, not in the local cache, and the Hub cannot be reached ({error})."
        ) from error


ADAPTER = Adapter(name=NAME, models="Hub name or folder of a dense sentence-transformers model", load=_load)
