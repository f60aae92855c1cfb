"""Learned sparse encoders, such as SPLADE: a weight for each term of a vocabulary, compared by dot product.

Formal et al. 2021, arXiv 2109.10086; with sentence-transformers' SparseEncoder.
"""

from typing import TYPE_CHECKING

from scipy.sparse import csr_array

from babelrank.encoding.model_files import ModelFiles, find_model
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import Adapter, Encoder, EncoderOptions
from babelrank.encoding.vectors import Kind
from babelrank.errors import EncoderError
from babelrank_adapters.model_kinds import (
    SPARSE,
    TRANSFORMERS,
    adapter_for,
    architecture_of,
    declared_similarity,
    recogniser,
    require_kind,
)
from babelrank_adapters.model_objects import wrapper
from babelrank_adapters.option_types import boolean, positive_integer

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder
    from torch import Tensor

    from babelrank_adapters.torch_encoder import Origin

NAME = SPARSE
_OPTIONS = {"max_active_dims": positive_integer, "allow_pickle": boolean}
_MASKED_LANGUAGE_MODEL = "ForMaskedLM"


def _load(model: str, options: EncoderOptions) -> Encoder:
    given = options.read_options(NAME, _OPTIONS)
    files = find_model(model, options.revision)
    require_kind(files, NAME, TRANSFORMERS)
    _require_trained(files)
    if options.similarity is None:
        declared_similarity(files)

    from sentence_transformers import SparseEncoder

    from babelrank_adapters.torch_encoder import Origin, load_model

    loaded = load_model(SparseEncoder, files, options, allow_pickle=given.get("allow_pickle", False))
    loaded.max_active_dims = given.get("max_active_dims", loaded.max_active_dims)
    return _encoder(loaded, Origin.of_files(files), options)


def _encoder(model: "SparseEncoder", origin: "Origin", options: EncoderOptions) -> Encoder:
    from babelrank_adapters.token_limits import set_token_limit
    from babelrank_adapters.torch_encoder import TorchEncoder, describe, require_positive

    require_positive(origin.name, "max_active_dims", model.max_active_dims)
    set_token_limit(model, origin.name, options.max_length)
    prompts = choose_prompts(options, "", model.prompts, model.default_prompt_name)
    # The model knows the size of its vocabulary only after it has encoded a text.
    dimension = len(model.encode_document("a", show_progress_bar=False))
    settings = {"max_active_dims": model.max_active_dims} if model.max_active_dims else {}
    info = describe(model, origin, NAME, options, prompts, dimension=dimension, kind=Kind.SPARSE, settings=settings)
    return TorchEncoder(model, info, prompts, options, _to_csr, save_to_cpu=True)


def _to_csr(vectors: "Tensor") -> csr_array:
    """Convert a sparse tensor of shape (texts, vocabulary) into a SciPy array with sorted indices."""
    vectors = vectors.coalesce()
    matrix = csr_array((vectors.values().float().numpy(), vectors.indices().numpy()), shape=tuple(vectors.shape))
    matrix.sort_indices()
    return matrix


def _require_trained(files: ModelFiles) -> None:
    """Refuse a checkpoint to which SparseEncoder would add a layer of random numbers."""
    if adapter_for(files) != TRANSFORMERS:
        return
    if not architecture_of(files).endswith(_MASKED_LANGUAGE_MODEL):
        raise EncoderError(f"{files.name}: not a sparse encoder; its architecture is not one {_MASKED_LANGUAGE_MODEL}.")


ADAPTER = Adapter(
    name=NAME,
    models="Hub name or folder of a SparseEncoder of sentence-transformers, such as SPLADE",
    load=_load,
    recognises=recogniser(NAME),
    from_files=True,
    wrap=wrapper("SparseEncoder", _encoder),
)
