"""What an encoder is to the harness: two methods, and an account of all that changes what they return."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from scipy.sparse import csr_array

from babelrank.encoding.vectors import Kind, Vectors
from babelrank.errors import EncoderError, unknown_choice


class Similarity(StrEnum):
    """How a query's vector and a passage's make a score; higher is nearer.

    Between multi-vectors, the similarity is that of tokens, and a score their MaxSim: the sum over the query's tokens
    of the similarity to the nearest of the passage's (Khattab & Zaharia 2020, arXiv 2004.12832).
    """

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"  # the negative distance


def parse_similarity(name: object) -> Similarity | None:
    """Return the similarity of that name; None stays None.

    Parameters
    ----------
    name
        A `Similarity`, its name as text, or the value of another library's enumeration, such as
        ``SimilarityFunction.COSINE`` of sentence-transformers.

    Raises
    ------
    EncoderError
        There is none of that name.
    """
    if name is None:
        return None
    text = str(getattr(name, "value", name))
    if text not in set(Similarity):
        raise EncoderError(unknown_choice("similarity", text, Similarity))
    return Similarity(text)


def check_comparable(kind: Kind, similarity: Similarity) -> None:
    """Check that representations of a kind can be compared so.

    Raises
    ------
    EncoderError
        They are multi-vectors, and the similarity is a distance.
    """
    if kind == Kind.MULTI_VECTOR and similarity == Similarity.EUCLIDEAN:
        raise EncoderError("multi-vectors are compared by cosine or dot product of tokens, not by distance.")


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
        Changes whenever the weights, the tokenizer or the modules do: a Hub commit or a digest of the files. Empty if
        nothing can tell whether they changed; what such an encoder returns is not stored.
    settings
        Everything else that changes the vectors (prompts, dtype, maximum length, …), as JSON values.
    dimension
        Length of a vector.
    parameters
        Number of weights, as the model's card counts them; None if it cannot be known.
    similarity
        The score that the model was trained for, as `parse_similarity` reads it.
    notes
        What else a reader should know, such as where the prompts come from; no part of the identity.
    kind
        What a text becomes: dense, sparse or multi-vector.
    device
        Where it runs; no part of its identity.
    allows_zero
        Whether a text may have a zero vector, as one without a known word has in a table of words; a sparse one always
        may.
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
    """Anything that turns texts into vectors. Both methods keep the order of `texts`.

    What they return depends on `info.kind`: a floating-point array of shape (len(texts), dimension), a scipy csr_array
    of that shape, or `MultiVectors`. An encoder may also be any of the protocols below.
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
    """An encoder that can tell which texts are longer than it reads."""

    def count_truncated(self, texts: Sequence[str], role: Role, /) -> int:
        """Return how many of `texts` are cut at the maximum length, prompt and special tokens included."""


@runtime_checkable
class Concurrent(Protocol):
    """An encoder that works on several batches at the same time."""

    @property
    def texts_at_once(self) -> int:
        """Of how many texts a call must be for all that work to have some; at least 1."""


@runtime_checkable
class PoolWeighting(Protocol):
    """A sparse encoder that weighs passages by the pool in which they are ranked, such as BM25."""

    def weigh(self, documents: csr_array) -> csr_array:
        """Turn what `encode_document` returned for the passages of a pool into their weights in it; same shape."""


_SHOWN = 200  # characters of an option that an error shows
# Options that only models with prompts of their own can honour.
PROMPT_NAMES = ("query_prompt_name", "document_prompt_name")


@dataclass(frozen=True)
class EncoderOptions:
    """What a user may ask of any adapter; None leaves it to the model's own configuration.

    Attributes
    ----------
    query_prompt, document_prompt
        Text put before each query or passage; an empty string means none.
    query_prompt_name, document_prompt_name
        Instead, the name of one of the model's own prompts.
    max_length
        Tokens after which a text is cut.
    dtype
        Of the weights while encoding: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for as they were saved.
    device
        As PyTorch names it, such as ``cpu`` or ``cuda:0``; several separated by commas.
    revision
        Branch, tag or commit of a model on the Hub.
    batch_size
        Texts that the model reads at once; at least 1.
    similarity
        As `parse_similarity` reads it.
    trust_remote_code
        Whether code that comes with the model may run.
    options
        Settings of one adapter, as text; see `read_options`.

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
        """What was asked for that changes the vectors or the scores, by option."""
        names = ("query_prompt", "document_prompt", *PROMPT_NAMES, "max_length", "dtype", "revision", "similarity")
        return {name: value for name in names if (value := getattr(self, name)) is not None} | dict(self.options)

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

    def read_options(self, adapter: str, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
        """Parse `options` by the functions in `known`; those that were not given are left out.

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
    """An entry in the group ``babelrank.adapters``: how one kind of model becomes an Encoder.

    Attributes
    ----------
    name
        As `--adapter` takes it.
    models
        How a user names a model for it, in a few words.
    load
        Load the model. Raises EncoderError.
    recognises
        Whether a model is surely this adapter's; must be cheap and load no weights. No two adapters recognise the same.
    wrap
        Make an encoder of an object that is a model already, such as a SentenceTransformer, under a name (the model's
        own if None). Returns None if the object is of another kind; must not import the library for that.
    requires
        What must be installed, as pip takes it, such as ``babelrank[bm25]``; empty if it comes with babelrank.
    """

    name: str
    models: str
    load: Callable[[str, EncoderOptions], Encoder]
    recognises: Callable[[str, EncoderOptions], bool] = lambda _model, _options: False
    wrap: Callable[[object, EncoderOptions, str | None], Encoder | None] = lambda _model, _options, _name: None
    requires: str = ""

    @classmethod
    def of_one_model(
        cls, name: str, model: str, build: Callable[[EncoderOptions], Encoder], requires: str = ""
    ) -> "Adapter":
        """Return an adapter that knows a single model, by its name."""

        def load(given: str, options: EncoderOptions) -> Encoder:
            if given != model:
                raise EncoderError(f"adapter {name!r}: " + unknown_choice("model", given, [model]))
            return build(options)

        return cls(name, model, load, recognises=lambda given, _: given == model, requires=requires)
