"""Wrap Python objects as encoders: functions, objects with encode methods, and models that an adapter knows.

    def encode(texts): …              # or encode(texts, role); role is "query" or "document"

    class Model:                      # a class is made without arguments
        def encode_query(self, texts): …
        def encode_document(self, texts): …   # or encode(self, texts) or encode(self, texts, role) for either or both

What comes back is one row per text: a NumPy array, a tensor, a SciPy sparse array, a list of rows, babelrank's
`MultiVectors`, or, for late interaction, a list of arrays of shape (tokens, dimension). Integers and half precision
become float32.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from babelrank.encoding.checks import PROBES, OrderWatch, check_order, check_vectors
from babelrank.encoding.protocol import PROMPT_NAMES, Encoder, EncoderInfo, EncoderOptions, Role, Similarity
from babelrank.encoding.registry import installed_adapters, load_encoder
from babelrank.encoding.vectors import Kind, MultiVectors, Vectors, concatenate, values
from babelrank.errors import EncoderError, described, unknown_choice

ADAPTER = "object"  # adapter in reports for an object that no adapter knows
_METHODS = {Role.QUERY: "encode_query", Role.DOCUMENT: "encode_document"}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def wrap_encoder(
    model: object,
    options: EncoderOptions | None = None,
    /,
    *,
    name: str | None = None,
    adapter: str | None = None,
    **changes: Any,
) -> Encoder:
    """Make an encoder from a name, a model or a function.

    Parameters
    ----------
    model
        A name or folder for `load_encoder`; an `Encoder`, which is returned unchanged; a sentence-transformers model;
        an object with `encode_query` and `encode_document`, or with `encode`; or a function from texts to vectors.
        `encode` and the function may also take the role.
    options
        Changes to the model's configuration. Objects take prompts, a batch size and a similarity.
    name
        Name of an object in reports; by default the model's, or that of the class or function.
    adapter
        Adapter for a name or folder; see `load_encoder`.
    changes
        Options by name, such as ``similarity="dot"``.

    Raises
    ------
    EncoderError
        The model cannot be loaded or is not an encoder, it does not return one finite vector per text in the order of
        the texts, or an option does not apply to it.

    Examples
    --------
    >>> import numpy as np
    >>> def letters(texts):
    ...     return np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
    >>> encoder = wrap_encoder(letters, similarity="dot")
    >>> encoder.info.name, encoder.info.dimension
    ('letters', 26)
    """
    known = [each.name for each in fields(EncoderOptions)]
    if unknown := next((each for each in changes if each not in known), None):
        raise EncoderError(unknown_choice("option", unknown, known))
    options = replace(options or EncoderOptions(), **changes)
    if isinstance(model, str | Path):
        if name is not None:
            raise EncoderError(f"{model}: `name` is only for Python objects.")
        return load_encoder(str(model), options, adapter=adapter)
    if adapter is not None:
        raise EncoderError(f"`adapter` is for the name or folder of a model, got a {type(model).__name__}.")
    if isinstance(getattr(model, "info", None), EncoderInfo):
        return _as_it_is(model, options, name)
    options.reject_unsupported(ADAPTER, *PROMPT_NAMES, "max_length", "dtype", "device", "revision")
    options.read_options(ADAPTER, {})
    for installed in installed_adapters():
        if encoder := installed.wrap(model, options, name):
            return encoder
    return ObjectEncoder(model, options, name=name or name_of(model))


class ObjectEncoder:
    """Call a function or the methods of an object with batches of texts, and check the results.

    Parameters
    ----------
    target
        See the module's description.
    options
        Options; only prompts, batch size and similarity are used.
    name, adapter, fingerprint
        Values for `info`.
    settings
        Settings for `info`, in addition to the prompts.

    Raises
    ------
    EncoderError
        There is no such method, or it does not return one finite vector per text in the order of the texts.
    """

    def __init__(
        self,
        target: Any,
        options: EncoderOptions,
        *,
        name: str,
        adapter: str = ADAPTER,
        fingerprint: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name
        self._batch_size = options.batch_size
        self._functions = _functions(name, target)
        self._watches = {role: OrderWatch(options.batch_size, name) for role in Role}
        self._prompts = {Role.QUERY: options.query_prompt or "", Role.DOCUMENT: options.document_prompt or ""}
        first = self._call(PROBES, Role.QUERY)
        self.info = EncoderInfo(
            name=name,
            adapter=adapter,
            fingerprint=fingerprint,
            dimension=dimension_of(first),
            similarity=options.similarity or Similarity.COSINE,
            settings={
                "query_prompt": self._prompts[Role.QUERY],
                "document_prompt": self._prompts[Role.DOCUMENT],
                **(settings or {}),
            },
            kind=kind_of(first),
        )
        for role in Role:
            check_order(partial(self._checked, role=role), name)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Return the representations of queries."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Return the representations of passages."""
        return self._encode(texts, Role.DOCUMENT)

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        size = self._batch_size
        batches = [texts[start : start + size] for start in range(0, len(texts), size)] or [texts]
        vectors = concatenate([self._checked(batch, role) for batch in batches])
        self._watches[role].check(partial(self._checked, role=role), texts, vectors)
        return vectors

    def _checked(self, texts: Sequence[str], role: Role) -> Vectors:
        return check_vectors(self._call(texts, role), texts, self.info)

    def _call(self, texts: Sequence[str], role: Role) -> Vectors:
        try:
            answer = self._functions[role]([self._prompts[role] + text for text in texts])
        except Exception as error:  # the user's code may raise anything
            raise EncoderError(
                f"{self._name} raised {described(error)} (for {len(texts)} texts, the first of them {texts[0][:80]!r})."
            ) from error
        return to_vectors(answer, self._name, len(texts))


def name_of(target: object) -> str:
    """Return the name of a function, or of an object's class."""
    named = getattr(target, "__name__", None) or type(target).__name__
    return named.strip("<>")  # <lambda>


def to_vectors(answer: Any, where: str, texts: int) -> Vectors:
    """Return an encoder's result for a number of texts as `Vectors`, in floating point.

    Raises
    ------
    EncoderError
        The result is not one row of numbers per text.
    """
    if isinstance(answer, MultiVectors):
        return answer
    if issparse(answer):
        return csr_array(answer, dtype=_floating(answer.dtype, where))
    if hasattr(answer, "detach") and answer.layout != _strided():
        return _sparse_tensor(answer)
    rows = [_array(row, where) for row in answer] if isinstance(answer, list | tuple) else _array(answer, where)
    if isinstance(rows, np.ndarray) and rows.ndim == 3 and len(rows):  # tokens, padded with zeros
        rows = [tokens[: max(1, int(np.flatnonzero(tokens.any(axis=1))[-1:].sum()) + 1)] for tokens in rows]
    if isinstance(rows, list):
        if rows and all(row.ndim == 2 for row in rows) and len({row.shape[1] for row in rows}) == 1:
            return MultiVectors.from_list([row.astype(_floating(row.dtype, where)) for row in rows])
        if len({row.shape for row in rows}) > 1:
            raise EncoderError(f"{where} returned rows of different lengths, expected one vector per text.")
        rows = np.array(rows)
    if rows.ndim != 2 or len(rows) != texts:
        raise EncoderError(f"{where} returned shape {rows.shape} for {texts} texts, expected ({texts}, dimension).")
    return rows.astype(_floating(rows.dtype, where), copy=False)


def _array(answer: Any, where: str) -> np.ndarray:
    """Return an array of numbers. Tensors are copied from their device."""
    if hasattr(answer, "detach"):
        tensor = answer.detach().cpu()
        answer = (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # NumPy knows no bfloat16
    if np.ma.is_masked(answer):
        raise EncoderError(f"{where} returned an array with masked values, expected numbers only.")
    try:
        array = np.asarray(answer)
    except (ValueError, TypeError) as error:
        raise EncoderError(_no_vectors(answer, where)) from error
    if array.dtype.kind not in "iuf":
        raise EncoderError(_no_vectors(answer, where))
    return array


def _no_vectors(answer: object, where: str) -> str:
    kind = f"an array of {answer.dtype}" if isinstance(answer, np.ndarray) else f"a {type(answer).__name__}"
    return f"{where} returned {kind}, expected a NumPy array (texts × dimension), a tensor or a list of vectors."


def _floating(dtype: np.dtype, where: str) -> np.dtype:
    """Return the type in which numbers are stored: unchanged if it is floating point."""
    if dtype.kind not in "iuf":
        raise EncoderError(f"{where} returned {dtype} values, expected numbers.")
    return dtype if dtype.kind == "f" and dtype.itemsize > 2 else np.dtype(np.float32)


def _strided() -> Any:
    import torch

    return torch.strided


def _sparse_tensor(tensor: Any) -> csr_array:
    tensor = tensor.detach().cpu().to_sparse().coalesce()
    matrix = csr_array((tensor.values().float().numpy(), tensor.indices().numpy()), shape=tuple(tensor.shape))
    matrix.sort_indices()
    return matrix


def dimension_of(vectors: Vectors) -> int:
    """Return the length of a vector."""
    return int((vectors if isinstance(vectors, csr_array) else values(vectors)).shape[-1])


def kind_of(vectors: Vectors) -> Kind:
    """Return the kind of representations."""
    if isinstance(vectors, MultiVectors):
        return Kind.MULTI_VECTOR
    return Kind.SPARSE if isinstance(vectors, csr_array) else Kind.DENSE


def _as_it_is(model: Any, options: EncoderOptions, name: str | None) -> Encoder:
    missing = [method for method in _METHODS.values() if not callable(getattr(model, method, None))]
    if missing:
        raise EncoderError(f"{model.info.name}: the encoder has no {' and '.join(missing)}.")
    if name is not None or options != EncoderOptions(batch_size=options.batch_size):
        raise EncoderError(f"{model.info.name}: already an encoder; it takes no name or options.")
    encoder: Encoder = model
    return encoder


def _functions(name: str, target: Any) -> dict[Role, Callable[[Sequence[str]], Any]]:
    """Return the function of each role."""
    if inspect.isclass(target):
        try:
            target = target()
        except Exception as error:  # the user's code may raise anything
            raise EncoderError(f"{name}() raised {described(error)}.") from error
    encode = getattr(target, "encode", target)  # a function encodes itself
    functions = {}
    for role, method in _METHODS.items():
        function = getattr(target, method, encode)
        if not callable(function):
            raise EncoderError(f"{name}: has no method {method} or encode, and is not a function.")
        functions[role] = function if hasattr(target, method) else _with_role(function, role)
    return functions


def _with_role(function: Callable[..., Any], role: Role) -> Callable[[Sequence[str]], Any]:
    """Bind the role if the function has a parameter for it: one named ``role``, or a second required one."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # written in C and without a signature
        return function
    if any(each.name == "role" and each.kind is not each.POSITIONAL_ONLY for each in parameters):
        return lambda texts: function(texts, role=role.value)
    second = parameters[1] if len(parameters) > 1 else None
    if second and second.kind in _POSITIONAL and (second.name == "role" or second.default is second.empty):
        return lambda texts: function(texts, role.value)
    return function
