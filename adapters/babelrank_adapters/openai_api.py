"""Any server that speaks OpenAI's embeddings API: https://platform.openai.com/docs/api-reference/embeddings.

A server gives no digest of its weights. The fingerprint is its address and the model's name there: when the model
behind them changes, stored vectors are out of date, and only the user can know.

Prompts are as given, else those of the model's family, by its name on the server; `input_types=query,passage` sends a
field `input_type` with each request instead, for servers that put prompts before texts themselves.

The key stands in an environment variable. It goes into the request's header and nowhere else.
"""

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from socket import SHUT_RDWR, socket
from ssl import SSLContext
from threading import Event
from typing import Any

import httpx
import numpy as np
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from babelrank.encoding.protocol import Adapter, EncoderInfo, EncoderOptions, Role, Similarity
from babelrank.errors import EncoderError
from babelrank_adapters.option_types import number, positive_integer
from babelrank_adapters.prompts import choose_prompts

_PREFIX = "openai:"
_BASE_URL = "https://api.openai.com/v1"
_KEY_VARIABLE = "OPENAI_API_KEY"
_SECONDS = re.compile(r"\d+(\.\d+)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONCURRENCY = 4
_TIMEOUT = 60.0  # seconds without a byte from the server
_SHORTEST_TIMEOUT = 0.1
_TRIES = 6
_FIRST_WAIT = 0.5  # seconds; doubled from try to try
_LONGEST_WAIT = 60.0  # a server that asks for more is not waited for
_RETRIED = frozenset({408, 409, 425, 429})  # and everything from 500
_EXCERPT = 200  # characters of an answer that an error shows
_PROBE = "probe"


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, and how patiently.

    Attributes
    ----------
    key
        Sent as a bearer token; no header if it is empty.
    fields
        Of every request's body, besides the texts.
    concurrency
        Requests under way at the same time.
    timeout
        Seconds without a byte from the server after which a try has failed.
    tries
        How often a request is sent at most.
    """

    base_url: str
    key: str = field(repr=False)
    key_variable: str
    fields: Mapping[str, Any]
    concurrency: int = _CONCURRENCY
    timeout: float = _TIMEOUT
    tries: int = _TRIES

    def embed(self, batches: Sequence[Sequence[str]], extra_fields: Mapping[str, Any]) -> list[np.ndarray]:
        """Return float32 vectors for each batch, in order.

        Raises
        ------
        EncoderError
            The first failure that retrying did not mend; requests that have not begun then never do.
        """
        connections = _Connections()
        with self._client() as client, ThreadPoolExecutor(self.concurrency) as executor:
            bodies = [{**self.fields, **extra_fields, "input": list(batch)} for batch in batches]
            futures = [executor.submit(self._embed_batch, client, body, connections) for body in bodies]
            try:
                failed = [future for future in wait(futures, return_when=FIRST_EXCEPTION).done if future.exception()]
                return [future.result() for future in failed or futures]
            finally:
                executor.shutdown(wait=False, cancel_futures=True)
                connections.give_up()

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            return httpx.Client(headers=headers, timeout=self.timeout, verify=_certificates())
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise EncoderError(
                f"{self.base_url}: cannot be asked by the proxy or with the certificates that the environment names "
                f"(HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR): {error}"
            ) from error

    def _embed_batch(self, client: httpx.Client, body: Mapping[str, Any], connections: "_Connections") -> np.ndarray:
        """Return the vectors of one batch."""
        retrying = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(self.tries),
            wait=_pause,
            sleep=sleep_using_event(connections.given_up),
        )
        try:
            return self._read(retrying(self._post, client, body, connections), len(body["input"]))
        except RetryError as error:
            last = error.last_attempt
            raise EncoderError(f"{self.base_url}: {last.exception()}; tried {last.attempt_number} times.") from error

    def _post(self, client: httpx.Client, body: Mapping[str, Any], connections: "_Connections") -> httpx.Response:
        """Return the server's final answer.

        Raises
        ------
        _PassingError
            None came, or one that another try may mend.
        EncoderError
            The server asks to wait too long, or another request has failed for good.
        """
        if connections.given_up.is_set():
            raise EncoderError(f"{self.base_url}: not asked again, as another request has failed.")
        try:
            response = client.post(f"{self.base_url}/embeddings", json=body, extensions={"trace": connections.note})
        except httpx.TimeoutException as error:
            raise _PassingError(f"no answer within {self.timeout:g} s") from error
        except httpx.RequestError as error:
            raise _PassingError(f"no answer ({error or type(error).__name__})") from error
        if response.status_code not in _RETRIED and response.status_code < 500:
            return response
        asked = _retry_after(response)
        if asked is not None and asked > _LONGEST_WAIT:
            raise EncoderError(f"{self.base_url}: asks to wait for {asked:.0f} s: {self._describe(response)}.")
        raise _PassingError(self._describe(response), asked)

    def _read(self, response: httpx.Response, expected: int) -> np.ndarray:
        """Return the vectors of a final answer, in the order of the texts."""
        if response.status_code in (401, 403):
            key = f"the key in {self.key_variable} is refused" if self.key else f"{self.key_variable} holds no key"
            raise EncoderError(f"{self.base_url}: {key}: {self._describe(response)}.")
        if response.status_code != 200:
            hint = " --batch-size sets how many texts a request holds." if response.status_code in (413, 422) else ""
            raise EncoderError(f"{self.base_url}: {self._describe(response)}.{hint}")
        try:
            entries = response.json()["data"]
            placed = {entry.get("index", place): entry["embedding"] for place, entry in enumerate(entries)}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise EncoderError(
                f"{self.base_url}: not an answer with embeddings: {self._describe(response)}."
            ) from error
        if len(entries) != expected:
            raise EncoderError(f"{self.base_url}: returned {len(entries)} vectors for {expected} texts.")
        if placed.keys() != set(range(expected)):
            raise EncoderError(f"{self.base_url}: the indexes of {expected} vectors are not 0 to {expected - 1}.")
        return self._stack([placed[index] for index in range(expected)])

    def _stack(self, vectors: Sequence[Any]) -> np.ndarray:
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinity, below
                stacked = np.array(vectors, dtype=np.float32)  # null, which is how JSON writes NaN, becomes NaN
        except (ValueError, TypeError) as error:
            raise EncoderError(f"{self.base_url}: vectors are not lists of numbers, all of one length.") from error
        if stacked.ndim != 2 or not stacked.size:
            raise EncoderError(f"{self.base_url}: vectors are not lists of numbers.")
        if not np.isfinite(stacked).all():
            raise EncoderError(f"{self.base_url}: returned NaN or infinity.")
        return stacked

    def _describe(self, response: httpx.Response) -> str:
        """Say what the server answered, in one line and without the key."""
        text = " ".join(response.text.split())
        if self.key:
            text = text.replace(self.key, "***")
        kind = response.headers.get("content-type", "no content type").partition(";")[0]
        return f"HTTP {response.status_code}, {kind}: {text[:_EXCERPT]!r}"


class _Connections:
    """Connections of several threads, to be given up by another: closing one does not wake who waits for its answer.

    Attributes
    ----------
    given_up
        Whether no thread shall ask again.
    """

    def __init__(self) -> None:
        self.given_up = Event()
        self._sockets: list[socket] = []

    def note(self, _: str, details: Mapping[str, Any]) -> None:
        """Remember a connection that is made; httpx calls this with all that happens to a request."""
        made: Any = details.get("return_value")
        if hasattr(made, "get_extra_info"):
            self._sockets.append(made.get_extra_info("socket"))
            if self.given_up.is_set():
                self.give_up()

    def give_up(self) -> None:
        """Cut all connections."""
        self.given_up.set()
        for each in self._sockets:
            with suppress(OSError):  # closed by the server, or by its thread
                each.shutdown(SHUT_RDWR)


class _PassingError(Exception):
    """A failure that another try may mend; `asked` are the seconds that the server wants to be left alone."""

    def __init__(self, problem: str, asked: float | None = None) -> None:
        super().__init__(problem)
        self.asked = asked


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next try: doubled from try to try, and at least what the server asks for."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.asked if isinstance(failure, _PassingError) else None
    spread = wait_random(0, _FIRST_WAIT)  # so that requests that failed together do not come back together
    return max(asked or 0.0, (wait_exponential(_FIRST_WAIT, max=_LONGEST_WAIT) + spread)(state))


class OpenAIEncoder:
    """One model behind one endpoint; the dimension is that of a probe, asked for at once.

    Attributes
    ----------
    info
        Identity and settings.
    texts_at_once
        As many as all requests under way hold.
    """

    def __init__(
        self, model: str, endpoint: Endpoint, options: EncoderOptions, input_types: Mapping[Role, str] | None
    ) -> None:
        self._endpoint = endpoint
        self._batch_size = options.batch_size
        self.texts_at_once = endpoint.concurrency * options.batch_size
        # A server that is told what a text is puts its own prompt before it.
        self._prompts = choose_prompts(options, "" if input_types else model, {})
        self._extra_fields = {role: {"input_type": input_types[role]} if input_types else {} for role in Role}
        dimension = len(endpoint.embed([[_PROBE]], self._extra_fields[Role.QUERY])[0][0])
        asked = endpoint.fields.get("dimensions")
        if asked not in (None, dimension):
            raise EncoderError(f"{endpoint.base_url}: asked for {asked} dimensions, {model} gives {dimension}.")
        self.info = EncoderInfo(
            name=model,
            adapter="openai",
            fingerprint=f"{endpoint.base_url} {model}",
            dimension=dimension,
            similarity=options.similarity or Similarity.COSINE,
            settings={
                **self._prompts.settings,
                **({"dimensions": asked} if asked else {}),
                **({"input_types": {role.value: name for role, name in input_types.items()}} if input_types else {}),
            },
            notes=self._prompts.notes,
            device="server",
        )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.QUERY)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors, shape (len(texts), dimension)."""
        return self._encode(texts, Role.DOCUMENT)

    def _encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        ready = [_sendable(self._prompts.of(role) + text) for text in texts]
        batches = [ready[i : i + self._batch_size] for i in range(0, len(ready), self._batch_size)]
        parts = self._endpoint.embed(batches, self._extra_fields[role])
        for part in parts:
            if part.shape[1] != self.info.dimension:
                raise EncoderError(
                    f"{self._endpoint.base_url}: a vector has {part.shape[1]} dimensions, those before had "
                    f"{self.info.dimension}."
                )
        return np.concatenate(parts) if parts else np.empty((0, self.info.dimension), dtype=np.float32)


@cache
def _certificates() -> SSLContext:
    """Return the trusted certificates; reading them takes as long as a request."""
    return httpx.create_ssl_context()


def _sendable(text: str) -> str:
    """Make `text` something that servers take: they refuse an empty one, and UTF-8 has no lone surrogates."""
    return text.encode("utf-8", "replace").decode() or " "


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait (RFC 9110, section 10.2.3), if it does."""
    given = response.headers.get("retry-after", "")
    if _SECONDS.fullmatch(given):
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _load(model: str, options: EncoderOptions) -> OpenAIEncoder:
    name = model.removeprefix(_PREFIX)
    options.reject_unsupported("openai", "max_length", "dtype", "device", "revision")
    given = options.read_options(
        "openai",
        {
            "base_url": str,
            "key_variable": str,
            "dimensions": positive_integer,
            "input_types": _input_types,
            "concurrency": positive_integer,
            "timeout": number(_SHORTEST_TIMEOUT),
            "tries": positive_integer,
        },
    )
    base_url = _base_url(given.pop("base_url", _BASE_URL))
    variable, key = _key(given.pop("key_variable", None), base_url)
    input_types = given.pop("input_types", None)
    dimensions = given.pop("dimensions", None)
    fields = {"model": name, "encoding_format": "float", **({"dimensions": dimensions} if dimensions else {})}
    return OpenAIEncoder(name, Endpoint(base_url, key, variable, fields, **given), options, input_types)


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
