"""The user's own Python: a function or a class, by the name of its module.

    def encode(texts, role): …        # or encode(texts); role is "query" or "document"

    class Model:                      # made without arguments
        def encode_query(self, texts): …
        def encode_document(self, texts): …   # or encode(self, texts) or encode(self, texts, role) for either or both

`--batch-size` texts come at once. What comes back is a NumPy array of shape (texts, dimension), a scipy csr_array, or
babelrank's MultiVectors.

The module is looked for in the working directory first, and so is what it imports, whenever it does.

The fingerprint is the digest of the module's source and the name in it. Files that the function reads, modules that it
imports and weights that it downloads are not seen: `--option version=…` says that they changed.
"""

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from babelrank.encoding.protocol import Adapter, EncoderInfo, EncoderOptions, Role, Similarity
from babelrank.encoding.registry import adapter_names
from babelrank.encoding.representations import check_vectors
from babelrank.encoding.vectors import Kind, MultiVectors, Vectors, concatenate, take, to_tensors
from babelrank.errors import EncoderError, unknown_choice

_NAME = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")
_METHODS = {Role.QUERY: "encode_query", Role.DOCUMENT: "encode_document"}
_KINDS = {np.ndarray: Kind.DENSE, csr_array: Kind.SPARSE, MultiVectors: Kind.MULTI_VECTOR}
# Sorted neither by length nor by alphabet, in either direction: what sorts its batch and does not undo it is caught.
_PROBES = ("Where do bees sleep?", "Zebras sleep standing, lions lie down.", "A bed")
_TOLERANCE = 0.02  # relative: padding and half precision move a vector by less, another text by more

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

Encode = Callable[[Sequence[str]], Any]


class CallableEncoder:
    """Calls the user's code with a batch of texts and checks what comes back, at once by a probe of its order."""

    def __init__(self, model: str, options: EncoderOptions) -> None:
        options.reject_unsupported("callable", "max_length", "dtype", "device", "revision")
        version = options.read_options("callable", {"version": str}).get("version")
        module, name, target = _find(model)
        self._model = model
        self._batch_size = options.batch_size
        self._functions = _functions(model, target)
        self._prompts = {Role.QUERY: options.query_prompt or "", Role.DOCUMENT: options.document_prompt or ""}
        first = self._call(_PROBES, Role.QUERY)
        self.info = EncoderInfo(
            name=model,
            adapter="callable",
            fingerprint=_fingerprint(module, name, version),
            dimension=(first.tokens if isinstance(first, MultiVectors) else first).shape[-1],
            similarity=options.similarity or Similarity.COSINE,
            settings={
                "query_prompt": self._prompts[Role.QUERY],
                "document_prompt": self._prompts[Role.DOCUMENT],
                **({"version": version} if version else {}),
            },
            kind=_KINDS[type(first)],
        )
        for role in Role:
            self._check_order(role)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Return what the user's code makes of queries."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Return what the user's code makes of passages."""
        return self._encode(texts, Role.DOCUMENT)

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        batches = [texts[i : i + self._batch_size] for i in range(0, len(texts), self._batch_size)] or [texts]
        return concatenate([check_vectors(self._call(batch, role), batch, self.info) for batch in batches])

    def _call(self, texts: Sequence[str], role: Role) -> Vectors:
        try:
            vectors = self._functions[role]([self._prompts[role] + text for text in texts])
        except Exception as error:  # the user's code may raise anything
            raise EncoderError(
                f"{self._model} raised {type(error).__name__}: {error} (for {len(texts)} texts, the first of them "
                f"{texts[0][:80]!r})."
            ) from error
        if type(vectors) not in _KINDS:
            raise EncoderError(
                f"{self._model} returned a {type(vectors).__name__}, expected a NumPy array (texts × dimension)."
            )
        if isinstance(vectors, np.ndarray) and vectors.ndim != 2:
            raise EncoderError(
                f"{self._model} returned shape {vectors.shape} for {len(texts)} texts, "
                f"expected ({len(texts)}, dimension)."
            )
        return vectors

    def _check_order(self, role: Role) -> None:
        """Refuse code that gives a few texts other vectors together than alone."""
        together = check_vectors(self._call(_PROBES, role), _PROBES, self.info)
        for row, text in enumerate(_PROBES):
            if not _alike(take(together, np.array([row])), self._encode([text], role)):
                raise EncoderError(
                    f"{self._model}: {text!r} gets one vector alone and another among {len(_PROBES)} texts; the order "
                    "of the texts must be kept, and a vector must not depend on the other texts."
                )


def _alike(one: Vectors, other: Vectors) -> bool:
    """Tell whether two representations of one text are equal but for rounding."""
    if isinstance(one, csr_array) and isinstance(other, csr_array):
        difference, length = (one - other).data, one.data
    else:
        mine, others = (next(iter(to_tensors(vectors).values())) for vectors in (one, other))
        if mine.shape != others.shape:
            return False
        difference, length = mine - others, mine
    return bool(np.linalg.norm(difference) <= _TOLERANCE * np.linalg.norm(length))


def _find(model: str) -> tuple[ModuleType, str, Any]:
    """Import the module and return it with the name and what it stands for; its folder stays importable."""
    match = _NAME.fullmatch(model)
    if match is None:
        raise EncoderError(f"{model!r}: expected module:function or module:Class.")
    module_name, name = match.groups()
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # the module may have been written a moment ago
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code
        raise EncoderError(f"{model}: {module_name} cannot be imported ({type(error).__name__}: {error}).") from error
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise EncoderError(f"{module_name}: " + unknown_choice("function or class", name, own))
    return module, name, getattr(module, name)


def _functions(model: str, target: Any) -> dict[Role, Encode]:
    """Return the function of each role."""
    if inspect.isclass(target):
        try:
            target = target()
        except Exception as error:  # the user's code may raise anything
            raise EncoderError(f"{model}() raised {type(error).__name__}: {error}.") from error
    encode = getattr(target, "encode", target)  # a function is its own
    functions = {}
    for role, method in _METHODS.items():
        function = getattr(target, method, encode)
        if not callable(function):
            raise EncoderError(f"{model}: has neither {method} nor encode, and is no function.")
        functions[role] = function if hasattr(target, method) else _with_role(function, role)
    return functions


def _with_role(function: Callable[..., Any], role: Role) -> Encode:
    """Bind the role if the function has a parameter for it: one of that name, or a second that must be given."""
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


def _fingerprint(module: ModuleType, name: str, version: str | None) -> str:
    """Return the SHA-256 (hex) of the module's file, and the name; the user's word for it if there is no file."""
    path = getattr(module, "__file__", None)
    if path is None and version is None:
        raise EncoderError(f"{module.__name__}: has no source file; --option version=… must tell what it is.")
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else "no file"
    return f"{digest} {module.__name__}:{name}"


def _recognises(model: str, _: EncoderOptions) -> bool:
    """Tell whether it is NAME:NAME with a module that can be imported, and not with an adapter's name for its own."""
    match = _NAME.fullmatch(model)
    if match is None or (top := match[1].partition(".")[0]) in adapter_names():
        return False
    importlib.invalidate_caches()
    with suppress(ValueError):  # a module that knows no origin, such as __main__
        return bool(PathFinder.find_spec(top, [str(Path.cwd())]) or find_spec(top))
    return False


ADAPTER = Adapter(
    name="callable", models="module:function or module:Class of your own", load=CallableEncoder, recognises=_recognises
)
