"""Model2Vec's static embeddings: the mean of one vector per token, without a transformer.

Models that sentence-transformers saved with StaticEmbedding are for the adapter `sentence-transformers`.
"""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from babelrank.encoding.model_files import ModelFiles, find_model
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import (
    Adapter,
    Encoder,
    EncoderInfo,
    EncoderOptions,
    Role,
    Similarity,
    TokenCounts,
)
from babelrank.errors import EncoderError, described, requires
from babelrank_adapters.model_kinds import (
    ABOUT,
    SENTENCE_TRANSFORMERS,
    STATIC,
    TRANSFORMERS,
    declared_similarity,
    recogniser,
    require_kind,
)
from babelrank_adapters.option_types import positive_integer
from babelrank_adapters.token_limits import longer_candidates
from babelrank_adapters.tokens import count_tokens, token_counts

if TYPE_CHECKING:
    from model2vec import StaticModel

NAME = STATIC
_OPTIONS = {"truncate_dim": positive_integer}
_NORMALIZE = "Normalize"
_MODULES = ("StaticEmbedding", _NORMALIZE)
_FILES = ("*.json", "*.safetensors")
_TOKENISED_AT_ONCE = 1024  # texts, as in StaticModel.encode


class StaticEncoder:
    """A loaded StaticModel with the prompts of both roles fixed."""

    def __init__(
        self, model: "StaticModel", files: ModelFiles, options: EncoderOptions, settings: dict[str, Any]
    ) -> None:
        self._model = model
        about = files.read_object(ABOUT)
        self._prompts = choose_prompts(
            options, files.name, about.get("prompts") or {}, about.get("default_prompt_name")
        )
        self._max_length = options.max_length or model.max_length
        if self._max_length is not None:
            model.tokenizer.enable_truncation(self._max_length)
        self._most_characters = None if self._max_length is None else self._max_length * model.median_token_length
        self._table = model.embedding.astype(np.float32, copy=False)
        self.info = EncoderInfo(
            name=files.name,
            adapter=NAME,
            fingerprint=files.fingerprint,
            dimension=model.dim,
            parameters=model.embedding.size + (0 if model.weights is None else model.weights.size),
            similarity=options.similarity or declared_similarity(files) or Similarity.COSINE,
            settings={
                **self._prompts.settings,
                "max_length": self._max_length,
                "dtype": model.embedding_dtype,
                **settings,
            },
            notes=self._prompts.notes,
            allows_zero=True,
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.DOCUMENT)

    def count_truncated(self, texts: Sequence[str], role: Role) -> int:
        """Return how many texts are cut, at the maximum number of tokens or of characters that these can have."""
        if self._max_length is None or self._most_characters is None:
            return 0
        prompt = self._prompts.of(role)
        whole = [prompt + text for text in texts]
        others = [text for text in whole if len(text) <= self._most_characters]
        candidates = longer_candidates(self._model.tokenizer, others, self._max_length)
        counts = token_counts(self._model.tokenizer, candidates)
        return len(whole) - len(others) + sum(count > self._max_length for count in counts)

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts | None:
        """Return the number of tokens of each text. Unknown ones are left out of the mean."""
        return count_tokens(self._model.tokenizer, texts)

    def _encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        prompt = self._prompts.of(role)
        # Like StaticModel.encode, cut by characters first, so long texts are not tokenised completely.
        whole = [(prompt + text)[: self._most_characters] for text in texts]
        starts = range(0, len(whole), _TOKENISED_AT_ONCE)
        return np.concatenate(
            [self._mean(self._model.tokenize(whole[start : start + _TOKENISED_AT_ONCE])) for start in starts]
        )

    def _mean(self, tokens: list[list[int]]) -> np.ndarray:
        """Return the mean vector of each text's tokens, or 0 without tokens, as StaticModel does.

        It is the product of a sparse matrix with the table of vectors, which does not copy vectors.
        """
        model = self._model
        counts = np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens))
        starts = np.concatenate([[0], counts.cumsum()])
        ids = np.fromiter(chain.from_iterable(tokens), dtype=np.int64, count=starts[-1])
        rows = ids if model.token_mapping is None else model.token_mapping[ids]
        weights = np.ones(len(ids), np.float32) if model.weights is None else model.weights[ids].astype(np.float32)
        sums = csr_array((weights, rows, starts), shape=(len(tokens), len(self._table))) @ self._table
        means: np.ndarray = sums / np.maximum(counts, 1).astype(np.float32)[:, None]
        if model.normalize:
            means /= np.linalg.norm(means, axis=1, keepdims=True) + 1e-32
        return means if model.embedding.dtype == np.int8 else means.astype(model.embedding.dtype).astype(np.float32)


def _modules(files: ModelFiles) -> list[str]:
    """Return the modules in modules.json: averaging of token vectors, and possibly normalisation.

    Raises
    ------
    EncoderError
        There are other modules.
    """
    listed = files.read_json("modules.json")
    modules = [str(module.get("type")).rpartition(".")[2] for module in listed or [] if isinstance(module, dict)]
    if others := [name for name in modules if name not in _MODULES]:
        raise EncoderError(
            f"{files.name}: adapter {NAME!r} does not support {', '.join(others)} in modules.json; use "
            f"--adapter {SENTENCE_TRANSFORMERS}."
        )
    return modules


def _load(model: str, options: EncoderOptions) -> Encoder:
    options.reject_unsupported(NAME, "dtype", "device")
    length = options.read_options(NAME, _OPTIONS).get("truncate_dim")
    files = find_model(model, options.revision)
    require_kind(files, NAME, TRANSFORMERS)  # a folder of Model2Vec may have no sign of it
    modules = _modules(files)
    with requires("static", EncoderError):
        from model2vec import StaticModel, quantize_model
    try:
        loaded = StaticModel.from_pretrained(files.folder(_FILES))
    except Exception as error:  # any of several libraries' own errors, none of them a bug of ours
        raise EncoderError(f"{files.location}: cannot be loaded ({described(error)}).") from error
    if loaded.token_mapping is not None and loaded.token_mapping.max() >= len(loaded.embedding):
        raise EncoderError(
            f"{files.name}: model.safetensors maps tokens to row {loaded.token_mapping.max()}, and has "
            f"{len(loaded.embedding)} rows of embeddings."
        )
    loaded.normalize = loaded.normalize or _NORMALIZE in modules
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
