"""Static embeddings of Model2Vec: the mean of one vector per token, without a transformer.

Models that sentence-transformers saved with StaticEmbedding are for its own adapter.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from babelrank.encoding.protocol import Adapter, Encoder, EncoderInfo, EncoderOptions, Role, Similarity
from babelrank.errors import EncoderError
from babelrank_adapters.extras import extra
from babelrank_adapters.model_files import ModelFiles, find_model
from babelrank_adapters.model_kinds import STATIC, recogniser, require_kind
from babelrank_adapters.option_types import positive_integer
from babelrank_adapters.prompts import choose_prompts
from babelrank_adapters.token_limits import longer_candidates, token_counts

if TYPE_CHECKING:
    from model2vec import StaticModel

NAME = STATIC
_OPTIONS = {"truncate_dim": positive_integer}
_FILES = ("*.json", "*.safetensors")


class StaticEncoder:
    """A loaded StaticModel with the prompts of both roles fixed."""

    def __init__(
        self, model: "StaticModel", files: ModelFiles, options: EncoderOptions, settings: dict[str, Any]
    ) -> None:
        self._model = model
        self._prompts = choose_prompts(options, files.name, {})
        self._max_length = options.max_length or model.max_length
        self.info = EncoderInfo(
            name=files.name,
            adapter=NAME,
            fingerprint=files.fingerprint,
            dimension=model.dim,
            parameters=model.embedding.size + (0 if model.weights is None else model.weights.size),
            similarity=options.similarity or Similarity.COSINE,
            settings={
                **self._prompts.settings,
                "max_length": self._max_length,
                "dtype": model.embedding_dtype,
                **settings,
            },
            notes=self._prompts.notes,
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.DOCUMENT)

    def count_truncated(self, texts: Sequence[str], role: Role) -> int:
        """Return how many texts are cut: after so many tokens, or before, after as many characters as those have."""
        if self._max_length is None:
            return 0
        prompt = self._prompts.of(role)
        whole = [prompt + text for text in texts]
        characters = self._max_length * int(self._model.median_token_length)
        others = [text for text in whole if len(text) <= characters]
        candidates = longer_candidates(self._model.tokenizer, others, self._max_length)
        counts = token_counts(self._model.tokenizer, candidates)
        return sum(len(text) > characters for text in whole) + sum(count > self._max_length for count in counts)

    def _encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        prompt = self._prompts.of(role)
        # In batches of its own choice: there is no padding, so their size does not matter to memory.
        vectors = self._model.encode(
            [prompt + text for text in texts], max_length=self._max_length, use_multiprocessing=False
        )
        return np.asarray(vectors, dtype=np.float32)


def _load(model: str, options: EncoderOptions) -> Encoder:
    options.reject_unsupported(NAME, "dtype", "device")
    length = options.read_options(NAME, _OPTIONS).get("truncate_dim")
    files = find_model(model, options.revision)
    require_kind(files, NAME)
    with extra("static"):
        from model2vec import StaticModel, quantize_model
    try:
        loaded = StaticModel.from_pretrained(files.folder(_FILES))
    except Exception as error:  # any of several libraries' own errors, none of them a bug of ours
        raise EncoderError(f"{files.location}: cannot be loaded ({type(error).__name__}: {error}).") from error
    if length is None:
        return StaticEncoder(loaded, files, options, {})
    if length > loaded.dim:
        raise EncoderError(f"{files.name}: --option truncate_dim={length}: the model has {loaded.dim} dimensions.")
    return StaticEncoder(quantize_model(loaded, dimensionality=length), files, options, {"truncate_dim": length})


ADAPTER = Adapter(
    name=NAME,
    models="Hub name or folder of a Model2Vec model",
    load=_load,
    recognises=recogniser(NAME),
    requires="babelrank[static]",
)
