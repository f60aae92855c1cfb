"""The interface of encoders: two methods, and a description of everything that changes their results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from scipy.sparse import csr_array

from babelrank.encoding.vectors import Kind, Vectors
from babelrank.errors import EncoderError, unknown_choice


class Similarity(StrEnum):
    """The similarity of a query's and a passage's vector. Higher is more similar.

    For multi-vectors, it is the similarity of tokens, and the score is MaxSim: the sum over the query's tokens of the
    similarity to the nearest token of the passage (Khattab & Zaharia 2020, arXiv 2004.12832).
    """

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"  # the negative distance


def parse_similarity(name: object) -> Similarity | None:
    """Return the similarity with that name; None stays None.

    Parameters
    ----------
    name
        A `Similarity`, its name as text, or the value of another library's enumeration, such as
        ``SimilarityFunction.COSINE`` of sentence-transformers.

    Raises
    ------
    EncoderError
        The name is unknown.
    """
    if name is None:
        return None
    text = str(getattr(name, "value", name))
    if text not in set(Similarity):
        raise EncoderError(unknown_choice("similarity", text, Similarity))
    return Similarity(text)


def check_comparable(kind: Kind, similarity: Similarity) -> None:
    """Check that a kind of representations supports a similarity.

    Raises
    ------
    EncoderError
        The kind is multi-vector, and the similarity is a distance.
    """
    if kind == Kind.MULTI_VECTOR and similarity == Similarity.EUCLIDEAN:
        raise EncoderError("multi-vectors support cosine and dot product, not euclidean distance.")


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
        Name for readers: the name on the Hub, or that of the folder.
    adapter
        Adapter that wraps it.
    fingerprint
        A value that changes with the weights, the tokenizer or the modules, such as a Hub commit or a digest of the
        files. If changes cannot be detected, it is empty, and vectors are not stored.
    settings
        Everything else that changes the vectors (prompts, dtype, maximum length, …), as JSON values.
    dimension
        Length of a vector.
    parameters
        Number of weights, as in the model card; None if unknown.
    similarity
        Similarity that the model was trained for, as `parse_similarity` reads it.
    notes
        Further information for readers, such as the source of the prompts; not part of the identity.
    kind
        Kind of representation: dense, sparse or multi-vector.
    device
        Device that it runs on; not part of the identity.
    allows_zero
        Whether a dense vector may be zero, as for a text without a known word in a table of words. Sparse vectors
        always may.
    """

    name: str
    adapter: str
    fingerprint: str
    dimension: int
    parameters: int | None = None
    similarity: Similarity = Similarity.COSINE
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = Kind.DENSE
    device: str = "cpu"
    allows_zero: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "similarity", parse_similarity(self.similarity) or Similarity.COSINE)


class Encoder(Protocol):
    """An encoder turns texts into vectors. Both methods keep the order of `texts`.

    The result depends on `info.kind`: a floating-point array of shape (len(texts), dimension), a scipy csr_array of
    that shape, or `MultiVectors`. An encoder may also implement the protocols below.
    """

    @property
    def info(self) -> EncoderInfo:
        """Identity and settings."""

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Return the representations of queries."""

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Return the representations of passages."""


@runtime_checkable
class Truncating(Protocol):
    """An encoder that knows which texts are longer than it reads."""

    def count_truncated(self, texts: Sequence[str], role: Role, /) -> int:
        """Return how many of `texts` are cut at the maximum length, prompt and special tokens included."""


@dataclass(frozen=True)
class TokenCounts:
    """Numbers of tokens, one per text.

    Attributes
    ----------
    tokens
        Number of tokens of each whole text, without prompt and special tokens: integers, shape (texts,).
    unknown
        Number of those tokens that stand for text outside the vocabulary; None if the tokenizer does not show them.

    Examples
    --------
    >>> TokenCounts(tokens=[3, 5], unknown=[0, 2])
    TokenCounts(tokens=[3, 5], unknown=[0, 2])
    """

    tokens: Sequence[int]
    unknown: Sequence[int] | None = None


@runtime_checkable
class Tokenizing(Protocol):
    """An encoder that knows the tokens of a passage."""

    def count_tokens(self, texts: Sequence[str], /) -> TokenCounts | None:
        """Return the number of tokens of each text; None if this model has no tokenizer."""


@runtime_checkable
class Concurrent(Protocol):
    """An encoder that works on several batches at the same time."""

    @property
    def texts_at_once(self) -> int:
        """Minimum number of texts per call that keeps all parallel batches busy; at least 1."""


@runtime_checkable
class PoolWeighting(Protocol):
    """A sparse encoder whose weights depend on the pool, such as BM25."""

    def weigh(self, documents: csr_array) -> csr_array:
        """Turn the output of `encode_document` for the passages of a pool into their weights in it; same shape."""


_SHOWN = 200  # characters of an option that an error shows
# Options that need a model with prompts.
PROMPT_NAMES = ("query_prompt_name", "document_prompt_name")


@dataclass(frozen=True)
class EncoderOptions:
    """Options of all adapters. None means the model's configuration.

    Attributes
    ----------
    query_prompt, document_prompt
        Text put before each query or passage; an empty string means none.
    query_prompt_name, document_prompt_name
        Name of one of the model's prompts, instead of its text.
    max_length
        Maximum number of tokens; longer texts are cut.
    dtype
        Type of the weights while encoding: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for the saved type.
    device
        PyTorch device, such as ``cpu`` or ``cuda:0``; several separated by commas.
    revision
        Branch, tag or commit of a model on the Hub.
    batch_size
        Texts per batch; at least 1.
    similarity
        Similarity, as `parse_similarity` reads it.
    trust_remote_code
        Whether code that comes with the model may run.
    options
        Settings of the adapter, as text; see `read_options`.

    Raises
    ------
    EncoderError
        The similarity is unknown, or `batch_size` or `max_length` is below 1.
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
    options: Mapping[str, str] = field(default_factory=dict)
    query_prompt_name: str | None = None
    document_prompt_name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "similarity", parse_similarity(self.similarity))
        for name, number in (("batch size", self.batch_size), ("maximum length", self.max_length)):
            if number is not None and number < 1:
                raise EncoderError(f"the {name} must be at least 1, got {number}.")

    @property
    def overrides(self) -> dict[str, str | int]:
        """Options that were given and change the vectors or the scores, by name."""
        names = ("query_prompt", "document_prompt", *PROMPT_NAMES, "max_length", "dtype", "revision", "similarity")
        return {name: value for name in names if (value := getattr(self, name)) is not None} | dict(self.options)

    def reject_unsupported(self, adapter: str, *names: str) -> None:
        """Refuse options that an adapter does not support, rather than ignore them.

        Raises
        ------
        EncoderError
            One of `names` is set.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise EncoderError(f"adapter {adapter!r} does not support --{name.replace('_', '-')}.")

    def read_options(self, adapter: str, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
        """Parse `options` with the functions in `known`. Options that were not given are left out.

        Raises
        ------
        EncoderError
            An option is unknown, or its function raises ValueError.
        """
        parsed = {}
        for name, text in self.options.items():
            if name not in known:
                raise EncoderError(f"adapter {adapter!r}: " + unknown_choice("option", name, known))
            try:
                parsed[name] = known[name](text)
            except ValueError as error:
                raise EncoderError(f"adapter {adapter!r}: --option {name}={text[:_SHOWN]}: {error}.") from error
        return parsed


@dataclass(frozen=True)
class Adapter:
    """An entry point in the group ``babelrank.adapters``: it makes an Encoder from one kind of model.

    Attributes
    ----------
    name
        Name for `--adapter`.
    models
        Names of its models, in a few words for users.
    load
        Function that loads a model. It raises EncoderError.
    recognises
        Function that returns whether a model is surely for this adapter. It must be fast and load no weights. Two
        adapters must not recognise the same model.
    wrap
        Function that makes an encoder from an object that is a model, such as a SentenceTransformer, with a name (the
        model's if None). It returns None for other objects, without importing the library for that.
    requires
        Requirement for pip, such as ``babelrank[bm25]``; empty if babelrank installs it.
    from_files
        Whether the files of a model, the options and the installed packages decide all that its encoder says. Such a
        model is not loaded again if all its representations are stored.
    """

    name: str
    models: str
    load: Callable[[str, EncoderOptions], Encoder]
    recognises: Callable[[str, EncoderOptions], bool] = lambda _model, _options: False
    wrap: Callable[[object, EncoderOptions, str | None], Encoder | None] = lambda _model, _options, _name: None
    requires: str = ""
    from_files: bool = False

    @classmethod
    def of_one_model(
        cls, name: str, model: str, build: Callable[[EncoderOptions], Encoder], requires: str = ""
    ) -> "Adapter":
        """Return an adapter for a single model, given by its name."""

        def load(given: str, options: EncoderOptions) -> Encoder:
            if given != model:
                raise EncoderError(f"adapter {name!r}: " + unknown_choice("model", given, [model]))
            return build(options)

        return cls(name, model, load, recognises=lambda given, _: given == model, requires=requires)
