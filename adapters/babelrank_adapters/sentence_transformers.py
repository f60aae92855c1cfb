"""Any dense model that sentence-transformers loads, from the Hub or a local folder.

Prompts, maximum length, similarity, dimension and dtype are the model's own unless given; see `prompts` for models
that say nothing of prompts.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.errors import EncoderError
from babelrank_adapters.model_files import find_model
from babelrank_adapters.model_kinds import SENTENCE_TRANSFORMERS, STATIC, TRANSFORMERS, require_kind
from babelrank_adapters.option_types import boolean, one_of, positive_integer
from babelrank_adapters.prompts import choose_prompts

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

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

    from sentence_transformers import SentenceTransformer

    from babelrank_adapters.token_limits import set_token_limit
    from babelrank_adapters.torch_encoder import TorchEncoder, describe, load_model

    loaded = load_model(SentenceTransformer, files, options, allow_pickle=given.get("allow_pickle", False))
    set_token_limit(loaded, files.name, options.max_length)
    prompts = choose_prompts(options, files.name, loaded.prompts, loaded.default_prompt_name)
    dimension = _truncate(loaded, files.name, given.get("truncate_dim"))
    settings = {"truncate_dim": dimension} if loaded.truncate_dim else {}
    info = describe(loaded, files, NAME, options, prompts, dimension=dimension, settings=settings)
    if backend != _TORCH:
        from babelrank_adapters.runtimes import replace_torch

        info = replace(info, settings={**info.settings, **replace_torch(loaded, files, backend)})
    return TorchEncoder(loaded, info, prompts, options, lambda vectors: vectors)


def _truncate(model: "SentenceTransformer", name: str, length: int | None) -> int:
    """Have the model keep the first `length` dimensions, if it is given; return how many there are then."""
    if length is not None:
        model.truncate_dim = None
        whole = model.get_embedding_dimension()
        if whole is not None and length > whole:
            raise EncoderError(f"{name}: --option truncate_dim={length}: the model has {whole} dimensions.")
        model.truncate_dim = length
    known: int | None = model.get_embedding_dimension()
    return known or len(model.encode_document("a", show_progress_bar=False))


def _for_runtime(options: EncoderOptions, backend: str) -> EncoderOptions:
    """Return the options with which PyTorch loads a model that another runtime will compute, in float32 on the CPU."""
    if options.device not in (None, "cpu"):
        raise EncoderError(f"--option backend={backend} runs on the CPU, not on --device {options.device}.")
    if options.dtype not in (None, "float32"):
        raise EncoderError(f"--option backend={backend} computes in float32, not in --dtype {options.dtype}.")
    return replace(options, device="cpu", dtype="float32")


# Recognises nothing: it is what the registry falls back on.
ADAPTER = Adapter(name=NAME, models="Hub name or folder of a dense sentence-transformers model", load=_load)
