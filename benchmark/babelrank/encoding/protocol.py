"""What an encoder is to the harness: two methods, and an account of all that changes what they return."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from babelrank.errors import EncoderError, unknown_choice


class Similarity(StrEnum):
    """How a query's vector and a passage's make a score; higher is nearer."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"  # the negative distance


def parse_similarity(name: str | None) -> Similarity | None:
    """Read a similarity as a user writes it; None stays None.

    Raises
    ------
    EncoderError
        It is unknown.
    """
    if name is not None and name not in set(Similarity):
        raise EncoderError(unknown_choice("similarity", name, Similarity))
    return None if name is None else Similarity(name)


class Role(StrEnum):
    """The two sides of a dual encoder."""

    QUERY = "query"
    DOCUMENT = "document"


@dataclass(frozen=True)
class EncoderInfo:
    """Identity of an encoder.

    Attributes
    ----------
    name
        What a reader calls the model: its Hub name, or the name of its folder.
    adapter
        The adapter that wraps it.
    fingerprint
        Changes whenever the weights, the tokenizer or the modules do: a Hub commit or a digest of the files.
    settings
        Everything else that changes the vectors (prompts, dtype, maximum length, …), as JSON values.
    dimension
        Length of a vector.
    parameters
        Number of weights; None if it cannot be known.
    similarity
        The score that the model was trained for.
    device
        Where it runs; no part of its identity.
    """

    name: str
    adapter: str
    fingerprint: str
    dimension: int
    parameters: int | None = None
    similarity: Similarity = Similarity.COSINE
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


class Encoder(Protocol):
    """Anything that turns texts into vectors. Both methods keep the order of `texts`."""

    @property
    def info(self) -> EncoderInfo:
        """Identity and settings."""

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per query: floating point, shape (len(texts), dimension)."""

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per passage: floating point, shape (len(texts), dimension)."""


@dataclass(frozen=True)
class EncoderOptions:
    """What a user may ask of any adapter; None leaves it to the model's own configuration.

    Attributes
    ----------
    query_prompt, document_prompt
        Text put before each query or passage; an empty string means none.
    max_length
        Tokens after which a text is cut.
    dtype
        ``float32``, ``bfloat16`` or ``float16``: of the weights while encoding.
    device
        As PyTorch names it, such as ``cpu`` or ``cuda:0``.
    revision
        Branch, tag or commit of a model on the Hub.
    trust_remote_code
        Whether code that comes with the model may run.
    """

    query_prompt: str | None = None
    document_prompt: str | None = None
    max_length: int | None = None
    dtype: str | None = None
    device: str | None = None
    batch_size: int = 32
    revision: str | None = None
    similarity: Similarity | None = None
    trust_remote_code: bool = False

    @property
    def overrides(self) -> dict[str, str | int]:
        """What was asked for that changes the vectors or the scores, by option."""
        names = ("query_prompt", "document_prompt", "max_length", "dtype", "revision", "similarity")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def reject_unsupported(self, adapter: str, *names: str) -> None:
        """Refuse what an adapter cannot honour, rather than ignore it.

        Raises
        ------
        EncoderError
            One of `names` is set.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise EncoderError(f"adapter {adapter!r} does not take --{name.replace('_', '-')}.")


@dataclass(frozen=True)
class Adapter:
    """An entry in the group ``babelrank.adapters``: how one kind of model becomes an Encoder.

    Attributes
    ----------
    name
        As `--adapter` takes it.
    models
        How a user names a model for it, in a few words.
    recognises
        Whether a model's name is surely this adapter's; must be cheap and load no model.
    load
        Load the model. Raises EncoderError.
    """

    name: str
    models: str
    load: Callable[[str, EncoderOptions], Encoder]
    recognises: Callable[[str], bool] = lambda _: False
