"""Dense sentence-transformers models from the Hub or a local folder.

Prompts, maximum length, similarity, dimension and dtype are the model's unless given. For models without prompts, see
`prompts`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from babelrank.encoding.model_files import find_model
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.errors import EncoderError
from babelrank_adapters.model_kinds import (
    SENTENCE_TRANSFORMERS,
    STATIC,
    TRANSFORMERS,
    declared_similarity,
    require_kind,
)
from babelrank_adapters.model_objects import is_instance, wrapper
from babelrank_adapters.option_types import boolean, one_of, positive_integer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from babelrank_adapters.torch_encoder import Origin, TorchEncoder

NAME = SENTENCE_TRANSFORMERS
_TORCH = "torch"
_OPTIONS = {
    "truncate_dim": positive_integer,
    "backend": one_of(_TORCH, "onnx", "openvino"),
    "allow_pickle": boolean,
}


def _load(model: str, options: EncoderOptions) -> Encoder:
    given = options.read_options(NAME, _OPTIONS)
    backend = given.get("backend", _TORCH)
    if backend != _TORCH:
        options = _for_runtime(options, backend)
    files = find_model(model, options.revision)
    require_kind(files, NAME, TRANSFORMERS, STATIC)
    if options.similarity is None:
        declared_similarity(files)

    from sentence_transformers import SentenceTransformer

    from babelrank_adapters.torch_encoder import Origin, load_model

    loaded = load_model(SentenceTransformer, files, options, allow_pickle=given.get("allow_pickle", False))
    if (length := given.get("truncate_dim")) is not None:
        _truncate(loaded, files.name, length)
    encoder = _encoder(loaded, Origin.of_files(files), options)
    if backend != _TORCH:
        from babelrank_adapters.runtimes import replace_torch

        encoder.info = replace(
            encoder.info, settings={**encoder.info.settings, **replace_torch(loaded, files, backend)}
        )
    return encoder


def _wrap(model: object, options: EncoderOptions, name: str | None) -> Encoder | None:
    if is_instance(model, "CrossEncoder"):
        raise EncoderError("a CrossEncoder scores pairs and does not encode texts; use it with `babelrank rerank`.")
    return wrapper("SentenceTransformer", _encoder)(model, options, name)


def _encoder(model: "SentenceTransformer", origin: "Origin", options: EncoderOptions) -> "TorchEncoder":
    from babelrank_adapters.token_limits import set_token_limit
    from babelrank_adapters.torch_encoder import TorchEncoder, describe, require_positive

    require_positive(origin.name, "truncate_dim", model.truncate_dim)
    set_token_limit(model, origin.name, options.max_length)
    prompts = choose_prompts(options, origin.name, model.prompts, model.default_prompt_name)
    dimension = model.get_embedding_dimension() or len(model.encode_document("a", show_progress_bar=False))
    settings = {"truncate_dim": dimension} if model.truncate_dim else {}
    info = describe(model, origin, NAME, options, prompts, dimension=dimension, settings=settings)
    if pooling := _pooling(model):
        info = replace(info, notes={**info.notes, "pooling": pooling})
    return TorchEncoder(model, info, prompts, options, lambda vectors: vectors)


def _pooling(model: "SentenceTransformer") -> str:
    """Return the pooling of the tokens' vectors from the model's modules."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    modes = [part.pooling_mode for part in model.modules() if isinstance(part, Pooling)]
    return ", ".join(dict.fromkeys(mode if isinstance(mode, str) else "+".join(mode) for mode in modes))


def _truncate(model: "SentenceTransformer", name: str, length: int) -> None:
    """Make the model keep only the first `length` dimensions."""
    model.truncate_dim = None
    full = model.get_embedding_dimension()
    if full is not None and length > full:
        raise EncoderError(f"{name}: --option truncate_dim={length}: the model has {full} dimensions.")
    model.truncate_dim = length


def _for_runtime(options: EncoderOptions, backend: str) -> EncoderOptions:
    """Return options for loading a model with PyTorch that another runtime will run, in float32 on the CPU."""
    if options.device not in (None, "cpu"):
        raise EncoderError(f"--option backend={backend} runs on the CPU, not on --device {options.device}.")
    if options.dtype not in (None, "float32"):
        raise EncoderError(f"--option backend={backend} computes in float32, not in --dtype {options.dtype}.")
    return replace(options, device="cpu", dtype="float32")


# Recognises nothing, since it is the registry's fallback.
ADAPTER = Adapter(
    name=NAME,
    models="Hub name or folder of a dense sentence-transformers model",
    load=_load,
    wrap=_wrap,
    from_files=True,
)
