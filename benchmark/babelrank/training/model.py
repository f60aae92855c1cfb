"""The base model of a run: loading it, choosing the trained parameters, and averaging at the end."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from babelrank.checkpoints import public_name
from babelrank.encoding.loading import load_checked
from babelrank.encoding.model_files import find_model
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import EncoderOptions, Role
from babelrank.errors import EncoderError, TrainingError
from babelrank.training.config import LoraConfig, ModelConfig
from babelrank.training.examples import PASSAGE, QUERY

_WEIGHTS = {"dtype": torch.float32, "use_safetensors": True}

# Names of the prompts of the two roles; sentence-transformers takes the first that a model has.
_PROMPT_NAMES = {Role.QUERY: ("query",), Role.DOCUMENT: ("document", "passage", "corpus")}


def load_base_model(
    config: ModelConfig, device: str | None, *, place: str = "model.base_model", trust_remote_code: bool = False
) -> SentenceTransformer:
    """Load a model with its prompts for training: the configured ones, otherwise those of an evaluation.

    Parameters
    ----------
    place
        Key of the configuration that names the model, for errors.
    trust_remote_code
        Whether the user has said on the command line that the model's own code may run.

    Raises
    ------
    TrainingError
        The model cannot be loaded, or not with its own weights and code (see `load_checked`); or a pooling is
        configured although the model has one.
    """
    load = _load_with_pooling if config.pooling else _load_as_it_is
    try:
        files = find_model(config.base_model, config.revision)
        model = load_checked(
            lambda: load(config, device, trust_remote_code), files, trust_remote_code=trust_remote_code
        )
        options = EncoderOptions(query_prompt=config.query_prompt, document_prompt=config.document_prompt)
        chosen = choose_prompts(options, public_name(config.base_model), model.prompts)
    except EncoderError as error:
        raise TrainingError(f"{place}: {error}") from error
    if config.layers is not None:
        keep_layers(model, config.layers, f"{place.rpartition('.')[0]}.layers: {config.base_model}")
    for role, names in _PROMPT_NAMES.items():
        model.prompts |= {name: chosen.of(role) for name in names if name in (names[0], *model.prompts)}
    return model


def load_checkpoint(folder: Path, *, trust_remote_code: bool = False) -> SentenceTransformer:
    """Load a checkpoint without changes, on the CPU; see `load_base_model`."""
    return load_base_model(
        ModelConfig(base_model=str(folder)), "cpu", place="checkpoint", trust_remote_code=trust_remote_code
    )


def prompts_of(model: SentenceTransformer) -> dict[str, str]:
    """Return the prompts of ``query`` and ``passage`` that `load_base_model` chose; empty if there is none."""
    return {QUERY: model.prompts["query"], PASSAGE: model.prompts["document"]}


def encode_role(
    model: SentenceTransformer, prompts: Mapping[str, str], texts: Sequence[str], role: str, batch_size: int = 32
) -> np.ndarray:
    """Return vectors of unit length: float32, shape (len(texts), dimension).

    Parameters
    ----------
    prompts
        By role, as `prompts_of` returns them.
    role
        ``query`` or ``passage``.
    """
    encode = model.encode_query if role == QUERY else model.encode_document
    encoded: np.ndarray = encode(
        list(texts), prompt=prompts[role], batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
    )
    return encoded.astype(np.float32)


def keep_layers(model: SentenceTransformer, wanted: int, place: str) -> None:
    """Keep some layers of a transformer, evenly spaced, including the first and the last.

    For 6 of 12 layers, it keeps 0, 2, 4, 7, 9 and 11, as in DistilBART (Shleifer & Rush 2020, arXiv 2010.13002).

    Raises
    ------
    TrainingError
        The model has fewer layers, or its configuration does not describe them.
    """
    inner: Any = getattr(model, "transformers_model", None)
    count = getattr(getattr(inner, "config", None), "num_hidden_layers", 0)
    lists = [
        (name, module)
        for name, module in (inner.named_modules() if inner is not None else ())
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    if not count or len(lists) != 1:
        raise TrainingError(f"{place}: its layers cannot be found; leave it out.")
    if wanted > count:
        raise TrainingError(f"{place}: the model has {count} layers, but {wanted} were asked for.")
    kept = np.linspace(0, count - 1, wanted).round().astype(int).tolist()
    name, layers = lists[0]
    parent, _, attribute = name.rpartition(".")
    setattr(inner.get_submodule(parent), attribute, nn.ModuleList([layers[i] for i in kept]))
    inner.config.num_hidden_layers = wanted
    if isinstance(types := getattr(inner.config, "layer_types", None), list):
        inner.config.layer_types = [types[i] for i in kept]


def set_dropout(model: SentenceTransformer, share: float) -> None:
    """Set the dropout of all layers of a model that have one."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        if isinstance(getattr(module, "attention_dropout", None), int | float):  # passed to an attention kernel
            module.attention_dropout = share


def freeze(model: SentenceTransformer, patterns: tuple[str, ...]) -> None:
    """Freeze the parameters with a name that matches a pattern.

    Raises
    ------
    TrainingError
        A pattern matches no parameter, or no parameter is left to train.
    """
    named = dict(model.named_parameters())
    for pattern in patterns:
        matching = [name for name in named if fnmatchcase(name, pattern)]
        if not matching:
            examples = ", ".join(list(named)[:3])
            raise TrainingError(f"model.freeze: {pattern!r} matches no parameter; their names are as {examples}.")
        for name in matching:
            named[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in named.values()):
        raise TrainingError(f"model.freeze: {', '.join(patterns)} leave nothing to train.")


def add_lora(model: SentenceTransformer, config: LoraConfig) -> None:
    """Train low-rank adapters instead of the weights (Hu et al. 2021, arXiv 2106.09685).

    Raises
    ------
    TrainingError
        peft is not installed, or the model has no such modules.
    """
    try:
        from peft import LoraConfig as PeftConfig
    except ImportError as error:
        raise TrainingError("lora: needs peft: pip install 'babelrank[lora]'.") from error
    settings = PeftConfig(
        r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(config.modules)
    )
    try:
        model.add_adapter(settings)
    except ValueError as error:
        raise TrainingError(f"lora: {error}") from error


def merge_lora(model: SentenceTransformer) -> None:
    """Merge the adapters into the weights, and remove them."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]:
        layer.merge()
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, layer.get_base_layer())
    inner: Any = model.transformers_model
    inner._hf_peft_config_loaded = False
    if hasattr(inner, "peft_config"):
        del inner.peft_config


def copy_weights(model: SentenceTransformer) -> dict[str, Tensor]:
    """Return a copy of a model's parameters by name."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def average(model: SentenceTransformer, base_weights: Mapping[str, Tensor], share: float) -> None:
    """Set every parameter to (1 − share) · trained + share · base.

    Averaging weights keeps more of the base model's abilities than it costs (Wortsman et al. 2022, arXiv 2109.01903).
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.lerp_(base_weights[name].to(parameter.device), share)


def _load_as_it_is(config: ModelConfig, device: str | None, trust_remote_code: bool) -> SentenceTransformer:
    return SentenceTransformer(
        config.base_model,
        revision=config.revision,
        device=device,
        trust_remote_code=trust_remote_code,
        model_kwargs=_WEIGHTS,
    )


def _load_with_pooling(config: ModelConfig, device: str | None, trust_remote_code: bool) -> SentenceTransformer:
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from sentence_transformers.util import is_sentence_transformer_model

    if is_sentence_transformer_model(config.base_model, revision=config.revision):
        raise TrainingError(f"model.pooling: {config.base_model} has a pooling already; leave out this key.")
    source = {"revision": config.revision, "trust_remote_code": trust_remote_code}
    first = Transformer(
        config.base_model, model_kwargs=_WEIGHTS | source, processor_kwargs=source, config_kwargs=source
    )
    pooling = Pooling(first.get_embedding_dimension(), config.pooling or "mean")
    return SentenceTransformer(modules=[first, pooling, Normalize()], device=device)
