"""Shared by the adapters of PyTorch models: loading, prompts, batches that fit in memory, several devices."""

import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from sentence_transformers.base.model import BaseModel
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from babelrank.checkpoints import METADATA_FILE, summarise_training
from babelrank.encoding.checks import encode_checked
from babelrank.encoding.loading import load_checked
from babelrank.encoding.model_files import ModelFiles
from babelrank.encoding.precision import warn_if_emulated
from babelrank.encoding.prompts import Prompts, require_texts
from babelrank.encoding.protocol import EncoderInfo, EncoderOptions, Role, Similarity, TokenCounts, parse_similarity
from babelrank.encoding.vectors import Kind, Vectors
from babelrank.errors import EncoderError, unknown_choice
from babelrank_adapters.batches import BatchSize
from babelrank_adapters.model_objects import digest_of_object, name_of_object
from babelrank_adapters.token_limits import count_longer, count_tokens_read, limit_settings
from babelrank_adapters.vocabularies import count_parameters

_DTYPES = ("auto", "float32", "bfloat16", "float16")
_PROBE = "A bed"  # text to try a model with
_LEAVE_SECONDS = 5.0  # until a process is terminated; it may be busy after an interruption
_Model = TypeVar("_Model", bound=BaseModel)


class TorchEncoder:
    """A loaded model of sentence-transformers with the prompts of both roles fixed.

    Attributes
    ----------
    info
        Identity and settings.
    """

    def __init__(
        self,
        model: BaseModel,
        info: EncoderInfo,
        prompts: Prompts,
        options: EncoderOptions,
        convert: Callable[[Any], Vectors],
        **arguments: Any,
    ) -> None:
        """Wrap a model, and encode a text in each role to check that it works.

        Parameters
        ----------
        convert
            Converts the output of the model's encode functions into `Vectors`.
        arguments
            Arguments of the model's encode functions.

        Raises
        ------
        EncoderError
            The model fails, or returns something else than `info` says; see `encode_checked`.
        """
        self.info = info
        self._model = model
        self._prompts = prompts
        self._batches = BatchSize(options.batch_size)
        self._devices = split_devices(options)
        self._convert = convert
        self._arguments = arguments
        warn_if_emulated(dtype_of(model), model.device.type, "--dtype float32 is faster")
        self._functions = {Role.QUERY: model.encode_query, Role.DOCUMENT: model.encode_document}
        for role in Role:
            encode_checked(partial(self._encode_here, role=role, **arguments), [_PROBE], info)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Return one representation per text."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Return one representation per text."""
        return self._encode(texts, Role.DOCUMENT)

    def count_truncated(self, texts: Sequence[str], role: Role) -> int:
        """Return how many texts are cut at the maximum length."""
        return count_longer(self._model, role, self._prompts.of(role), texts)

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts | None:
        """Return the number of tokens of each passage; None if the model has no tokenizer."""
        return count_tokens_read(self._model, texts)

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        arguments = self._arguments | ({"pool": self._pool} if len(self._devices) > 1 else {})

        return self._batches.run(lambda size: self._encode_here(texts, role, batch_size=size, **arguments))

    def _encode_here(self, texts: Sequence[str], role: Role, **arguments: Any) -> Vectors:
        prompt = self._prompts.of(role)
        return self._convert(self._functions[role](list(texts), prompt=prompt, show_progress_bar=False, **arguments))

    @cached_property
    def _pool(self) -> dict[str, Any]:
        """The worker processes, one per device. They stop with this encoder or with Python."""
        pool: dict[str, Any] = self._model.start_multi_process_pool(self._devices)
        weakref.finalize(self, _stop, pool)
        return pool


class _Leave:
    """An object that ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, (0,)


def _stop(pool: dict[str, Any]) -> None:
    """Stop the processes of a pool. Terminating them would leave semaphores behind, and Python would warn."""
    for _ in pool["processes"]:
        pool["input"].put(_Leave())
    for process in pool["processes"]:
        process.join(_LEAVE_SECONDS)
    BaseModel.stop_multi_process_pool(pool)


@dataclass(frozen=True)
class Origin:
    """The origin of a model: its name for readers, its fingerprint, and further facts."""

    name: str
    fingerprint: str
    notes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_files(cls, files: ModelFiles) -> "Origin":
        """Describe a model that was loaded from its files."""
        summary = summarise_training(files.read_object(METADATA_FILE))
        return cls(files.name, files.fingerprint, {"training": summary} if summary else {})

    @classmethod
    def of_object(cls, model: BaseModel, name: str | None) -> "Origin":
        """Describe a model that is in memory."""
        return cls(name or name_of_object(model), digest_of_object(model))


def load_model(
    build: Callable[..., _Model], files: ModelFiles, options: EncoderOptions, *, allow_pickle: bool, **arguments: Any
) -> _Model:
    """Load a model, and check that all its weights and code are the checkpoint's.

    Parameters
    ----------
    build
        Called with the arguments of ``SentenceTransformer``.
    allow_pickle
        Whether pickled weights, which can run code, may be read.
    arguments
        Further arguments of `build`.

    Raises
    ------
    EncoderError
        The model cannot be loaded, or not with these options, or its weights or code would be replaced.
    """
    if options.dtype is not None and options.dtype not in _DTYPES:
        raise EncoderError(unknown_choice("dtype", options.dtype, _DTYPES))
    require_texts(files.read_object("config_sentence_transformers.json").get("prompts", {}), files.name)
    devices = split_devices(options)
    _check_devices(devices)
    model = load_checked(
        lambda: build(
            files.location,
            revision=files.revision,
            device="cpu" if len(devices) > 1 else next(iter(devices), None),
            trust_remote_code=options.trust_remote_code,
            # False would read only pickles.
            model_kwargs={"use_safetensors": None if allow_pickle else True}
            | ({"dtype": options.dtype} if options.dtype else {}),
            **arguments,
        ),
        files,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=allow_pickle,
    )
    if options.dtype not in (None, "auto", dtype_of(model)):
        raise EncoderError(f"{files.name}: --dtype {options.dtype}: the model supports only {dtype_of(model)}.")
    for tokenizer in [part.tokenizer for part in model.modules() if hasattr(part, "tokenizer")]:
        known = getattr(tokenizer, "all_special_tokens", None)
        if known is not None and set(tokenizer.get_vocab()) <= set(known):  # transformers makes one without files
            raise EncoderError(
                f"{files.name}: has no vocabulary: its tokenizer knows only special tokens. Add the tokenizer's files, "
                "such as tokenizer.json."
            )
        if getattr(tokenizer, "pad_token", "") is None:  # as in decoders; padding is masked, so any token works
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return model


def describe(
    model: BaseModel,
    origin: Origin,
    adapter: str,
    options: EncoderOptions,
    prompts: Prompts,
    *,
    dimension: int,
    similarity: Similarity | None = None,
    kind: Kind = Kind.DENSE,
    settings: Mapping[str, Any] | None = None,
) -> EncoderInfo:
    """Describe a loaded model.

    Parameters
    ----------
    similarity
        Similarity; None takes the model's.
    settings
        Settings in addition to prompts, maximum length and dtype.

    Raises
    ------
    EncoderError
        The model's similarity is not supported, and none was given.
    """
    devices = split_devices(options)
    parameters, vocabulary = count_parameters(model, origin.name)
    return EncoderInfo(
        name=origin.name,
        adapter=adapter,
        fingerprint=origin.fingerprint,
        dimension=dimension,
        parameters=parameters,
        similarity=similarity or _similarity(model, options),
        settings={**prompts.settings, **limit_settings(model), "dtype": dtype_of(model), **(settings or {})},
        notes={**prompts.notes, **vocabulary, **origin.notes},
        kind=kind,
        device=",".join(devices) if len(devices) > 1 else str(model.device),
        allows_zero=isinstance(model[0], StaticEmbedding),
    )


def _similarity(model: BaseModel, options: EncoderOptions) -> Similarity:
    if options.similarity is not None:
        return options.similarity
    try:
        return parse_similarity(model.similarity_fn_name) or Similarity.COSINE
    except EncoderError as error:
        choices = ", ".join(Similarity)
        raise EncoderError(
            f"the model uses {model.similarity_fn_name!r} similarity, which is not supported; set --similarity to one "
            f"of {choices}."
        ) from error


def split_devices(options: EncoderOptions) -> list[str]:
    """Return the requested devices; if empty, sentence-transformers chooses."""
    return [device.strip() for device in options.device.split(",")] if options.device else []


def require_positive(name: str, setting: str, value: object) -> None:
    """Refuse a setting of a model's configuration that is set, but not to a whole number above 0.

    Raises
    ------
    EncoderError
        It is something else.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise EncoderError(f"{name}: {setting} is {value!r} in the model's configuration; expected a number above 0.")


def dtype_of(model: BaseModel) -> str:
    """Return PyTorch's name of the type of the model's weights."""
    return str(model.dtype).removeprefix("torch.")


def _check_devices(devices: Sequence[str]) -> None:
    for device in devices:
        try:
            torch.empty(0, device=device)
        except Exception as error:  # RuntimeError or AssertionError, by the kind of device
            reason = str(error).partition("\n")[0].rstrip(".")
            raise EncoderError(f"--device {device}: cannot be used ({reason}).") from error
