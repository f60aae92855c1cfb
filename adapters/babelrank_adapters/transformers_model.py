"""Raw transformers checkpoints, such as XLM-R, mBERT or LaBSE, with pooling of tokens.

They are built from sentence-transformers' modules, so the same weights give the same vectors there.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from babelrank.encoding.model_files import ModelFiles, find_model
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.errors import EncoderError
from babelrank_adapters.model_kinds import (
    CLASSIFIER,
    SENTENCE_TRANSFORMERS,
    TRANSFORMERS,
    architecture_of,
    recogniser,
    require_kind,
)
from babelrank_adapters.option_types import boolean, one_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

NAME = TRANSFORMERS
_CAUSAL = "ForCausalLM"
_POOLER = "pooler"  # a trained layer over the first token, in some checkpoints
_POOLINGS = {"mean": "mean", "cls": "cls", "last": "lasttoken"}  # sentence-transformers' names
_OPTIONS = {"pooling": one_of(*_POOLINGS, _POOLER), "normalize": boolean, "allow_pickle": boolean}


def _load(model: str, options: EncoderOptions) -> Encoder:
    given = options.read_options(NAME, _OPTIONS)
    files = find_model(model, options.revision)
    require_kind(files, NAME, SENTENCE_TRANSFORMERS, CLASSIFIER)
    pooling, normalize = given.get("pooling") or _default_pooling(files), given.get("normalize", False)

    from babelrank_adapters.token_limits import set_token_limit
    from babelrank_adapters.torch_encoder import Origin, TorchEncoder, describe, load_model

    loaded = load_model(
        partial(_build, pooling=pooling, normalize=normalize),
        files,
        options,
        allow_pickle=given.get("allow_pickle", False),
    )
    set_token_limit(loaded, files.name, options.max_length)
    own = files.read_object("config_sentence_transformers.json")
    prompts = choose_prompts(options, files.name, own.get("prompts") or {}, own.get("default_prompt_name"))
    settings = {"pooling": pooling, "normalize": normalize}
    dimension = loaded.get_embedding_dimension()
    info = describe(loaded, Origin.of_files(files), NAME, options, prompts, dimension=dimension, settings=settings)
    return TorchEncoder(loaded, info, prompts, options, lambda vectors: vectors)


def _default_pooling(files: ModelFiles) -> str:
    """Return the default pooling, as in sentence-transformers: the last token for causal models."""
    is_causal = architecture_of(files).endswith(_CAUSAL) and files.config.get("is_causal", True)
    return "last" if is_causal else "mean"


def _build(
    location: str,
    *,
    revision: str | None,
    device: str | None,
    trust_remote_code: bool,
    model_kwargs: dict[str, Any],
    pooling: str,
    normalize: bool,
) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    from babelrank.encoding.positions import most_tokens

    source = {"revision": revision, "trust_remote_code": trust_remote_code}
    output: dict[str, Any] = {}
    if pooling == _POOLER:
        output = {
            "modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}},
            "module_output_name": "sentence_embedding",
        }
    first = Transformer(
        location, model_kwargs=source | model_kwargs, processor_kwargs=source, config_kwargs=source, **output
    )
    if pooling == _POOLER and getattr(first.model, "pooler", None) is None:
        raise EncoderError(f"{location}: --option pooling=pooler: the architecture has no pooler.")
    if most_tokens(first.model) is not None:  # positions are counted from the start of a row, including padding
        first.tokenizer.padding_side = "right"
    modules = [first]
    if pooling != _POOLER:
        modules.append(Pooling(first.get_embedding_dimension(), _POOLINGS[pooling]))
    if normalize:
        modules.append(Normalize())
    return SentenceTransformer(modules=modules, device=device)


ADAPTER = Adapter(
    name=NAME,
    models="Hub name or folder of a transformers checkpoint without modules.json",
    load=_load,
    recognises=recogniser(NAME),
    from_files=True,
)
