"""Servers with OpenAI's embeddings API: https://platform.openai.com/docs/api-reference/embeddings.

A server does not report a digest of its weights. The fingerprint is its address and the model's name. If the model
behind them changes, stored vectors are out of date, which babelrank cannot detect later. Probes at the start and
during long jobs check that texts keep their order and that the model stays the same.

Prompts are as given, else those of the model's family, by its name on the server. The options `body`, `query_body` and
`document_body` set further fields of requests as JSON objects; null leaves a field out. `input_types=query,passage`
sets a field `input_type` for each role. If requests of the two roles differ, babelrank adds no prompts, as the server
does.

The key is read from an environment variable; see `openai_endpoint`.
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

from babelrank.encoding.checks import PROBES, SAME_TEXT, OrderWatch, check_order, check_vectors
from babelrank.encoding.prompts import choose_prompts
from babelrank.encoding.protocol import Adapter, EncoderInfo, EncoderOptions, Role, Similarity, TokenCounts
from babelrank.encoding.vectors import Vectors, nearly_equal
from babelrank.errors import EncoderError
from babelrank_adapters.openai_endpoint import Answer, Endpoint
from babelrank_adapters.option_types import json_object, number, positive_integer
from babelrank_adapters.tokens import count_tokens

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
_FIELDS = ("dimensions", "input_types", "body", "query_body", "document_body")  # options that change requests
_OURS = ("input", "model")  # fields that options cannot set
_SHOWN = 100  # characters of a server's model name in errors

Body = Mapping[str, Any]


class OpenAIEncoder:
    """One model behind one endpoint.

    Attributes
    ----------
    info
        Identity and settings.
    texts_at_once
        Number of texts in all concurrent requests together.

    Raises
    ------
    EncoderError
        A probe shows that the server does not work correctly.
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
            raise EncoderError(f"{endpoint.base_url}: requested {asked} dimensions, {model} returns {dimension}.")
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
        # First vectors of the probe. For documents they are unknown at first if their requests differ from queries'.
        self._first = {Role.QUERY: first.vectors} if roles_differ else dict.fromkeys(Role, first.vectors)
        self._watches = {role: OrderWatch(options.batch_size, endpoint.base_url) for role in Role}
        for role in Role if roles_differ else (Role.QUERY,):
            check_order(partial(self._ask_checked, role=role), endpoint.base_url)

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.DOCUMENT)

    def _shown(self, name: str | None) -> str:
        """Return a server's model name in a form that can be shown."""
        return self._endpoint.hide_key(name or "")[:_SHOWN]

    def _ready(self, texts: Sequence[str], role: Role) -> list[str]:
        """Return texts in the form in which they are sent."""
        return [_sendable(self._prompts.of(role) + text) for text in texts]

    def _encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Request vectors and, for checking, some of them again in another order and that of the first probe."""
        ready, size = self._ready(texts, role), self._batch_size
        batches = [ready[start : start + size] for start in range(0, len(ready), size)]
        rows = self._watches[role].choose(len(ready))
        if not rows:
            return self._ask(batches, role)
        answers = self._ask([*batches, *([ready[row] for row in batch] for batch in rows), [PROBES[0]]], role)
        vectors, others, again = answers[: len(ready)], answers[len(ready) : -1], answers[-1:]
        check_vectors(vectors, ready, self.info)
        self._watches[role].require(ready, vectors, list(chain.from_iterable(rows)), others)
        if not nearly_equal(self._first.setdefault(role, again), again, SAME_TEXT):
            raise EncoderError(
                f"{self._endpoint.base_url}: {PROBES[0]!r} no longer gets the same vector, so the model has changed."
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
                    f"{self._endpoint.base_url}: answers with model {self._shown(answer.model)!r}, earlier it was "
                    f"{self._shown(self._model)!r}."
                )
        parts = [answer.vectors for answer in answers]
        return np.concatenate(parts) if parts else np.empty((0, self.info.dimension), dtype=np.float32)

    def _ask_checked(self, texts: Sequence[str], role: Role) -> Vectors:
        return check_vectors(self._ask([texts], role), texts, self.info)


class CuttingEncoder(OpenAIEncoder):
    """Cut texts before they are sent, with a tokenizer that the user chose."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", max_length: int, *given: Any) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        super().__init__(*given)

    def count_truncated(self, texts: Sequence[str], role: Role) -> int:
        """Return how many texts are cut, the prompt and special tokens included."""
        sent = super()._ready(texts, role)
        return sum(cut != text for cut, text in zip(self._ready(texts, role), sent, strict=True))

    def count_tokens(self, texts: Sequence[str]) -> TokenCounts | None:
        """Return the number of tokens of each text, by the tokenizer that the user chose."""
        return count_tokens(self._tokenizer, texts)

    def _ready(self, texts: Sequence[str], role: Role) -> list[str]:
        return [self._cut(text) for text in super()._ready(texts, role)]

    def _cut(self, text: str) -> str:
        if len(self._tokenizer(text, verbose=False)["input_ids"]) <= self._max_length:
            return text
        encoded = self._tokenizer(text, truncation=True, max_length=self._max_length, return_offsets_mapping=True)
        return text[: max(chain.from_iterable(encoded["offset_mapping"]))] or " "


def _probe(endpoint: Endpoint, body: Body) -> tuple[Endpoint, Answer]:
    """Return the answer to a first text. If the server refuses the field for the format, leave it out."""
    try:
        return endpoint, endpoint.embed([[PROBES[0]]], body)[0]
    except EncoderError as error:
        if not _REFUSED.search(str(error)) or _FORMAT not in endpoint.fields:
            raise
        plain = replace(endpoint, fields={name: value for name, value in endpoint.fields.items() if name != _FORMAT})
        with suppress(EncoderError):  # another field is the cause, and the first error names it
            return plain, plain.embed([[PROBES[0]]], body)[0]
        raise


def _is_same_model(one: str | None, other: str | None) -> bool:
    """Return whether two names from a server can be the same model: one has a version, or is unknown."""
    if one is None or other is None:
        return True
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and _VERSION.fullmatch(long.removeprefix(short)) is not None


def _sendable(text: str) -> str:
    """Make `text` valid for servers, which refuse empty texts and lone surrogates."""
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
        raise EncoderError("adapter 'openai': give --max-length and --option tokenizer=NAME together.")
    if tokenizer is None or length is None:
        return OpenAIEncoder(name, endpoint, options, bodies, settings)
    settings |= {"tokenizer": tokenizer, "max_length": length}
    return CuttingEncoder(_tokenizer(tokenizer), length, name, endpoint, options, bodies, settings)


def _bodies(settings: Mapping[str, Any], key: str) -> tuple[Body, dict[Role, Body]]:
    """Return the fields of requests from the user's options: those of all requests, and those of each role."""
    for option in ("body", "query_body", "document_body"):
        body = settings.get(option, {})
        if ours := next((name for name in _OURS if name in body), None):
            raise EncoderError(f"adapter 'openai': --option {option} cannot set the field {ours!r}.")
        if key and key in json.dumps(body, ensure_ascii=False):
            raise EncoderError(f"adapter 'openai': --option {option} contains the key, which would be recorded.")
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
        raise EncoderError(f"adapter 'openai': tokenizer {name}: does not report the positions of tokens in a text.")
    return tokenizer


def _base_url(text: str) -> str:
    """Return an address without parts that could be secret, since it is recorded."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise EncoderError(f"adapter 'openai': base_url is not an address: {error}.") from error
    if url.userinfo or url.query or url.fragment:
        raise EncoderError("adapter 'openai': base_url must not have a password or a query, since it is recorded.")
    if url.scheme not in ("http", "https") or not url.host:
        raise EncoderError(f"adapter 'openai': base_url {text!r}, expected one such as {_BASE_URL}.")
    return str(url).rstrip("/")


def _key(variable: str | None, base_url: str) -> tuple[str, str]:
    """Return the name of the variable with the key, and the key; empty if there is none and it may not be needed.

    An invalid variable name is not shown, since it might be the key itself.
    """
    if variable is not None and not _VARIABLE.fullmatch(variable):
        raise EncoderError("adapter 'openai': key_variable is the name of an environment variable, not a key.")
    name = variable or _KEY_VARIABLE
    key = os.environ.get(name, "").strip()
    if not key and (variable is not None or base_url == _BASE_URL):
        raise EncoderError(f"adapter 'openai': {base_url} needs a key, and {name} is not set.")
    if not (key.isascii() and key.isprintable()):
        raise EncoderError(
            f"adapter 'openai': the value of {name} is not a key; it has characters that headers do not allow."
        )
    return name, key


def _input_types(text: str) -> dict[Role, str]:
    query, comma, document = text.partition(",")
    if not (query and comma and document):
        raise ValueError("expected two names, for queries and for documents, such as query,passage")
    return {Role.QUERY: query, Role.DOCUMENT: document}


ADAPTER = Adapter(
    name="openai",
    models=f"{_PREFIX}NAME, a model on a server with OpenAI's API",
    load=_load,
    recognises=lambda model, _: model.startswith(_PREFIX),
)
