"""Sentence-transformers models in memory: recognise, name, and identify them by a digest."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from babelrank.encoding.model_files import folder_name
from babelrank.encoding.protocol import Encoder, EncoderOptions

if TYPE_CHECKING:
    from sentence_transformers.base.model import BaseModel
    from torch import Tensor, nn

    from babelrank_adapters.torch_encoder import Origin

# Packages with fixed code. A module of any other package can compute anything.
_LIBRARIES = frozenset({"torch", "transformers", "sentence_transformers", "peft"})


def is_instance(model: object, name: str) -> bool:
    """Return whether an object has a class of sentence-transformers, without importing it."""
    library = sys.modules.get("sentence_transformers")
    return library is not None and isinstance(model, getattr(library, name))


def wrapper(
    kind: str, make: Callable[[Any, "Origin", EncoderOptions], Encoder]
) -> Callable[[object, EncoderOptions, str | None], Encoder | None]:
    """Return a function that makes an encoder from a sentence-transformers model; see `Adapter.wrap`."""

    def wrap(model: object, options: EncoderOptions, name: str | None) -> Encoder | None:
        if not is_instance(model, kind):
            return None
        from babelrank_adapters.torch_encoder import Origin

        return make(model, Origin.of_object(cast("BaseModel", model), name), options)

    return wrap


def name_of_object(model: "BaseModel") -> str:
    """Return the name or folder that a model was loaded from, else the name of its class."""
    origin = getattr(model.transformers_model, "name_or_path", "")
    if not origin:
        return type(model).__name__
    return folder_name(Path(origin)) if Path(origin).is_dir() else origin


def digest_of_object(model: "BaseModel") -> str:
    """Return the SHA-256 (hex) of everything that vectors depend on: weights, configurations and tokenizers.

    Empty if the vectors depend on code outside the libraries or on a hook, since changes could not be detected.
    """
    parts = list(model.modules())
    if not all(_is_known(part) for part in parts):
        return ""
    digest = hashlib.sha256(repr(model).encode())
    try:
        for part in parts:
            digest.update("\n".join(_configuration(part)).encode("utf-8", "surrogatepass"))
        for name, weights in model.state_dict().items():
            digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}\n".encode())
            digest.update(_bytes(weights))
    except (AttributeError, RuntimeError, TypeError):  # other kinds of weights or tokenizers
        return ""
    return digest.hexdigest()


def _is_known(part: "nn.Module") -> bool:
    hooked = bool(part._forward_hooks or part._forward_pre_hooks)
    return type(part).__module__.partition(".")[0] in _LIBRARIES and not hooked


def _configuration(part: "nn.Module") -> Iterator[str]:
    config: Any = getattr(part, "config", None)
    if hasattr(config, "to_json_string"):
        yield config.to_json_string()
    if tokenizer := getattr(part, "tokenizer", None):
        yield from _describe_tokenizer(tokenizer)


def _describe_tokenizer(tokenizer: Any) -> Iterator[str]:
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
    content = json.loads(inner.to_str())
    # The lengths of the previous texts.
    yield json.dumps({key: value for key, value in content.items() if key not in ("truncation", "padding")})
    yield repr(getattr(tokenizer, "padding_side", None))


def _bytes(weights: "Tensor") -> Any:
    import torch

    return weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
