"""Any server that speaks OpenAI's embeddings API: https://platform.openai.com/docs/api-reference/embeddings.

A server gives no digest of its weights. The fingerprint is its address and the model's name there: when the model
behind them changes, stored vectors are out of date, and only the user can know. Probes at the start, and among the
requests for many texts, show whether texts keep their order and the model stays the same.

Prompts are as given, else those of the model's family, by its name on the server. Fields of a request beyond OpenAI's
are `body`, for either role `query_body` and `document_body`: JSON objects; null leaves a field out.
`input_types=query,passage` is short for a field `input_type` in each. If requests of the two
roles differ, the server puts prompts before texts itself.

The key stands in an environment variable; see `openai_endpoint`.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from babelrank.encoding.checks import PROBES, SAME_TEXT, check_order, check_vectors, require_same
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import Adapter, EncoderInfo, EncoderOptions, Role, Similarity
from babelrank.encoding.vectors import Vectors, nearly_equal
from babelrank.errors import EncoderError
from babelrank_adapters.openai_endpoint import Answer, Endpoint
from babelrank_adapters.option_types import json_object, number, positive_integer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PREFIX = "openai:"
_BASE_URL = "https://api.openai.com/v1"
_KEY_VARIABLE = "OPENAI_API_KEY"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = re.compile(r"([-@:]\d[\d.-]*)?")  # after a model's name, such as -2024-05-01
_SHORTEST_TIMEOUT = 0.1
_FORMAT = "encoding_format"  # a field that some servers refuse
_REFUSED = re.compile(r"HTTP 4(00|22)\b")
_FIELDS = ("dimensions", "input_types", "body", "query_body", "document_body")  # options that requests hold
_OURS = ("input", "model")  # fields that no option sets
_SHOWN = 100  # characters of a name that a server gives

Body = Mapping[str, Any]


class OpenAIEncoder:
    """One model behind one endpoint.

    Attributes
    ----------
    info
        Identity and settings.
    texts_at_once
        As many as all requests under way hold.

    Raises
    ------
    EncoderError
        A probe shows that the server does not do what it should.
    """

    def __init__(
        self,
        model: str,
        endpoint: Endpoint,
        options: EncoderOptions,
        bodies: Mapping[Role, Body],
        settings: Mapping[str, Any],
    ) -> None:
        self._batch_size = options.batch_size
        self.texts_at_once = endpoint.concurrency * options.batch_size
        self._bodies = bodies
        roles_differ = bodies[Role.QUERY] != bodies[Role.DOCUMENT]
        self._prompts = choose_prompts(options, "" if roles_differ else model, {})
        self._endpoint, first = _probe(endpoint, self._bodies[Role.QUERY])
        self._model = first.model
        dimension = first.vectors.shape[1]
        asked = {**endpoint.fields, **self._bodies[Role.QUERY]}.get("dimensions")
        if asked not in (None, dimension):
            raise EncoderError(f"{endpoint.base_url}: asked for {asked} dimensions, {model} gives {dimension}.")
        served = {} if self._model in (None, model) else {"server's model": self._shown(self._model)}
        self.info = EncoderInfo(
            name=model,
            adapter="openai",
            fingerprint=f"{endpoint.base_url} {model}",
            dimension=dimension,
            similarity=options.similarity or Similarity.COSINE,
            settings={**self._prompts.settings, **settings},
            notes={**self._prompts.notes, **served},
            device="server",
        )
        # What the probe got at first; not known yet of documents if their requests differ from those of queries.
        self._first = {Role.QUERY: first.vectors} if roles_differ else dict.fromkeys(Role, first.vectors)
        self._probed: set[Role] = set()
        for role in Role if roles_differ else (Role.QUERY,):
            check_order(partial(self._ask_checked, role=role), endpoint.base_url)

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.DOCUMENT)

    def _shown(self, name: str | None) -> str:
        """Return a name that the server gave as it may be shown."""
        return self._endpoint.hide_key(name or "")[:_SHOWN]

    def _ready(self, texts: Sequence[str], role: Role) -> list[str]:
        """Return texts as they are sent."""
        return [_sendable(self._prompts.of(role) + text) for text in texts]

    def _encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Ask for vectors, and with them for those of a text from within a batch alone, and of the first probe."""
        ready, size = self._ready(texts, role), self._batch_size
        batches = [ready[start : start + size] for start in range(0, len(ready), size)]
        if len(batches) < (1 if role not in self._probed else 2):
            return self._ask(batches, role)
        self._probed.add(role)
        row = (len(ready) // size * size or len(ready)) - 1  # the last of a full batch
        answers = self._ask([*batches, [ready[row]], [PROBES[0]]], role)
        vectors, alone, again = answers[:-2], answers[-2:-1], answers[-1:]
        check_vectors(vectors, ready, self.info)
        require_same(vectors[row : row + 1], alone, ready[row], self._endpoint.base_url)
        if not nearly_equal(self._first.setdefault(role, again), again, SAME_TEXT):
            raise EncoderError(
                f"{self._endpoint.base_url}: {PROBES[0]!r} gets another vector than at first; the model has changed."
            )
        return vectors

    def _ask(self, batches: Sequence[Sequence[str]], role: Role) -> np.ndarray:
        answers = self._endpoint.embed(batches, self._bodies[role], self.info.dimension)
        for answer in answers:
            if answer.vectors.shape[1] != self.info.dimension:
                raise EncoderError(
                    f"{self._endpoint.base_url}: a vector has {answer.vectors.shape[1]} dimensions, those before had "
                    f"{self.info.dimension}."
                )
            if not _is_same_model(self._model, answer.model):
                raise EncoderError(
                    f"{self._endpoint.base_url}: answers with model {self._shown(answer.model)!r}, before it was "
                    f"{self._shown(self._model)!r}."
                )
        parts = [answer.vectors for answer in answers]
        return np.concatenate(parts) if parts else np.empty((0, self.info.dimension), dtype=np.float32)

    def _ask_checked(self, texts: Sequence[str], role: Role) -> Vectors:
        return check_vectors(self._ask([texts], role), texts, self.info)


class CuttingEncoder(OpenAIEncoder):
    """Cuts texts before they are sent, by a tokenizer that the user names."""

    def __init__(
        self,
        model: str,
        endpoint: Endpoint,
        options: EncoderOptions,
        bodies: Mapping[Role, Body],
        settings: Mapping[str, Any],
        tokenizer: "PreTrainedTokenizerBase",
        max_length: int,
    ) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        super().__init__(model, endpoint, options, bodies, {**settings, "max_length": max_length})

    def count_truncated(self, texts: Sequence[str], role: Role) -> int:
        """Return how many texts are cut, the prompt and special tokens included."""
        sent = super()._ready(texts, role)
        return sum(cut != text for cut, text in zip(self._ready(texts, role), sent, strict=True))

    def _ready(self, texts: Sequence[str], role: Role) -> list[str]:
        return [self._cut(text) for text in super()._ready(texts, role)]

    def _cut(self, text: str) -> str:
        if len(self._tokenizer(text, verbose=False)["input_ids"]) <= self._max_length:
            return text
        encoded = self._tokenizer(text, truncation=True, max_length=self._max_length, return_offsets_mapping=True)
        return text[: max(chain.from_iterable(encoded["offset_mapping"]))] or " "


def _probe(endpoint: Endpoint, body: Body) -> tuple[Endpoint, Answer]:
    """Return the answer to a first text; without the field for a format if the server takes none."""
    try:
        return endpoint, endpoint.embed([[PROBES[0]]], body)[0]
    except EncoderError as error:
        if not _REFUSED.search(str(error)) or _FORMAT not in endpoint.fields:
            raise
        plain = replace(endpoint, fields={name: value for name, value in endpoint.fields.items() if name != _FORMAT})
        with suppress(EncoderError):  # of another field, then: the first error says of which
            return plain, plain.embed([[PROBES[0]]], body)[0]
        raise


def _is_same_model(one: str | None, other: str | None) -> bool:
    """Tell whether two names that a server gave can be one model's: one has a version, or is not known."""
    if one is None or other is None:
        return True
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and _VERSION.fullmatch(long.removeprefix(short)) is not None


def _sendable(text: str) -> str:
    """Make `text` something that servers take: they refuse an empty one, and UTF-8 has no lone surrogates."""
    return text.encode("utf-8", "replace").decode() or " "


def _load(model: str, options: EncoderOptions) -> OpenAIEncoder:
    name = model.removeprefix(_PREFIX)
    options.reject_unsupported("openai", "dtype", "device", "revision")
    given = options.read_options(
        "openai",
        {
            "base_url": str,
            "key_variable": str,
            "dimensions": positive_integer,
            "input_types": _input_types,
            "body": json_object,
            "query_body": json_object,
            "document_body": json_object,
            "tokenizer": str,
            "concurrency": positive_integer,
            "timeout": number(_SHORTEST_TIMEOUT),
            "tries": positive_integer,
        },
    )
    base_url = _base_url(given.pop("base_url", _BASE_URL))
    variable, key = _key(given.pop("key_variable", None), base_url)
    settings = {option: given.pop(option) for option in _FIELDS if option in given}
    common, bodies = _bodies(settings, key)
    endpoint_options = {option: given.pop(option) for option in ("concurrency", "timeout", "tries") if option in given}
    endpoint = Endpoint(base_url, key, variable, {"model": name, _FORMAT: "float", **common}, **endpoint_options)
    tokenizer, length = given.get("tokenizer"), options.max_length
    if (tokenizer is None) != (length is None):
        raise EncoderError("adapter 'openai': --max-length and --option tokenizer=NAME need one another.")
    if tokenizer is None or length is None:
        return OpenAIEncoder(name, endpoint, options, bodies, settings)
    return CuttingEncoder(name, endpoint, options, bodies, settings | given, _tokenizer(tokenizer), length)


def _bodies(settings: Mapping[str, Any], key: str) -> tuple[Body, dict[Role, Body]]:
    """Return the fields that requests have by the user's settings: those of all, and those of each role."""
    for option in ("body", "query_body", "document_body"):
        body = settings.get(option, {})
        if ours := next((name for name in _OURS if name in body), None):
            raise EncoderError(f"adapter 'openai': --option {option} cannot set the field {ours!r}.")
        if key and key in json.dumps(body, ensure_ascii=False):
            raise EncoderError(f"adapter 'openai': --option {option} holds the key, and would be recorded.")
    dimensions = {"dimensions": settings["dimensions"]} if "dimensions" in settings else {}
    types = {role: {"input_type": name} for role, name in settings.get("input_types", {}).items()}
    roles: dict[Role, Body] = {role: types.get(role, {}) | settings.get(f"{role}_body", {}) for role in Role}
    return dimensions | settings.get("body", {}), roles


def _tokenizer(name: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # any of several libraries' own errors
        raise EncoderError(f"adapter 'openai': tokenizer {name}: cannot be loaded ({error}).") from error
    if not tokenizer.is_fast:
        raise EncoderError(f"adapter 'openai': tokenizer {name}: does not give the place of a token in a text.")
    return tokenizer


def _base_url(text: str) -> str:
    """Return an address without what could be a secret in it, since it is recorded."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise EncoderError(f"adapter 'openai': base_url is not an address: {error}.") from error
    if url.userinfo or url.query or url.fragment:
        raise EncoderError("adapter 'openai': base_url may hold neither a password nor a query; it is recorded.")
    if url.scheme not in ("http", "https") or not url.host:
        raise EncoderError(f"adapter 'openai': base_url {text!r}, expected one such as {_BASE_URL}.")
    return str(url).rstrip("/")


def _key(variable: str | None, base_url: str) -> tuple[str, str]:
    """Return the variable that holds the key, and the key; empty if there is none and the server may need none.

    What the user gave as the variable is not shown unless it can be one: it might be the key itself.
    """
    if variable is not None and not _VARIABLE.fullmatch(variable):
        raise EncoderError("adapter 'openai': key_variable takes the name of an environment variable, not a key.")
    name = variable or _KEY_VARIABLE
    key = os.environ.get(name, "").strip()
    if not key and (variable is not None or base_url == _BASE_URL):
        raise EncoderError(f"adapter 'openai': {base_url} needs a key, and {name} is not set.")
    if not (key.isascii() and key.isprintable()):
        raise EncoderError(f"adapter 'openai': what {name} holds is not a key; it has characters that no header takes.")
    return name, key


def _input_types(text: str) -> dict[Role, str]:
    query, comma, document = text.partition(",")
    if not (query and comma and document):
        raise ValueError("expected two names, for queries and for documents, such as query,passage")
    return {Role.QUERY: query, Role.DOCUMENT: document}


ADAPTER = Adapter(
    name="openai",
    models=f"{_PREFIX}NAME, as the server calls it",
    load=_load,
    recognises=lambda model, _: model.startswith(_PREFIX),
)
