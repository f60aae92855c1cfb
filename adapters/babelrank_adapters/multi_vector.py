"""Late interaction, such as ColBERT: a vector for each token, compared by MaxSim.

Khattab & Zaharia 2020, arXiv 2004.12832; with sentence-transformers' MultiVectorEncoder, which also loads models saved
by PyLate and Stanford's ColBERT. Differences between queries and passages (lengths, padding with mask tokens, skipped
tokens) follow the model's configuration.
"""

from typing import TYPE_CHECKING

import numpy as np

from babelrank.encoding.model_files import find_model
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions, Similarity
from babelrank.encoding.vectors import Kind, MultiVectors
from babelrank_adapters.model_kinds import MULTI_VECTOR, recogniser, require_kind
from babelrank_adapters.model_objects import wrapper
from babelrank_adapters.option_types import boolean

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from babelrank_adapters.torch_encoder import Origin

NAME = MULTI_VECTOR
_OPTIONS = {"allow_pickle": boolean}


def _load(model: str, options: EncoderOptions) -> Encoder:
    given = options.read_options(NAME, _OPTIONS)
    files = find_model(model, options.revision)
    require_kind(files, NAME)

    from sentence_transformers import MultiVectorEncoder

    from babelrank_adapters.torch_encoder import Origin, load_model

    loaded = load_model(MultiVectorEncoder, files, options, allow_pickle=given.get("allow_pickle", False))
    return _encoder(loaded, Origin.of_files(files), options)


def _encoder(model: "MultiVectorEncoder", origin: "Origin", options: EncoderOptions) -> Encoder:
    from babelrank_adapters.token_limits import set_token_limit
    from babelrank_adapters.torch_encoder import TorchEncoder, describe

    set_token_limit(model, origin.name, options.max_length)
    prompts = choose_prompts(options, "", model.prompts, model.default_prompt_name)
    info = describe(
        model,
        origin,
        NAME,
        options,
        prompts,
        dimension=model.get_embedding_dimension(),
        # Of tokens. Some models use the mean over a query's tokens, which ranks passages like the sum.
        similarity=options.similarity or Similarity.DOT,
        kind=Kind.MULTI_VECTOR,
    )
    return TorchEncoder(model, info, prompts, options, _to_multi_vectors, convert_to_numpy=True)


def _to_multi_vectors(texts: list[np.ndarray]) -> MultiVectors:
    return MultiVectors.from_list([tokens.astype(np.float32, copy=False) for tokens in texts])


ADAPTER = Adapter(
    name=NAME,
    models="Hub name or folder of a MultiVectorEncoder of sentence-transformers, or of a ColBERT model",
    load=_load,
    recognises=recogniser(NAME),
    from_files=True,
    wrap=wrapper("MultiVectorEncoder", _encoder),
)
