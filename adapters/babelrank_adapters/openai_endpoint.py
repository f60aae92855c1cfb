"""Requests to a server with OpenAI's embeddings API: retries, time limits and errors.

The key is sent only in the request's header. If a server sends it back, errors show stars instead.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from socket import SHUT_RDWR, socket
from ssl import SSLContext
from threading import Event
from typing import Any
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

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

from babelrank.encoding.checks import find_failing
from babelrank.errors import EncoderError
from babelrank_adapters.bounded_answers import ACCEPTED, Received, receive

_SECONDS = re.compile(r"\d+(\.\d+)?")
_CONCURRENCY = 4
_TIMEOUT = 60.0  # seconds without a byte from the server
_SLOWEST = 10  # times that, for a complete answer
_TRIES = 6
_FIRST_WAIT = 0.5  # seconds; doubled after each try
_LONGEST_WAIT = 60.0  # if a server asks for more, the request fails
_RETRIED = frozenset({408, 409, 425, 429})  # and statuses from 500, except those that are permanent
_NEVER = 501
_NO_SUCH_ADDRESS = frozenset({404, 405})
_ABOUT_TEXTS = frozenset({400, 413, 422})  # refused because of the texts or their number
# Messages of servers about texts that are too long, with any status.
_TOO_LONG = re.compile(
    r"context (length|size|window)|too (long|large)|(maximum|less than|at most|exceeds?|limit) .{0,40}(token|length)",
    re.IGNORECASE,
)
_EXCERPT = 200  # characters of an answer that an error shows
_SHOWN = 80  # characters of a text that an error shows
# Bytes of an answer. A number in JSON takes at most 25, or more if each is on a separate line.
_PER_NUMBER, _PER_TEXT, _PER_ANSWER = 64, 1 << 10, 1 << 20
_MOST_DIMENSIONS = 1 << 16  # while the model's dimension is unknown


@dataclass(frozen=True)
class Answer:
    """Vectors of a batch, float32 of shape (texts, dimension), and the model that the server names."""

    vectors: np.ndarray
    model: str | None


@dataclass(frozen=True)
class Endpoint:
    """Address of a server, and settings of requests.

    Attributes
    ----------
    key
        Bearer token; no header if it is empty.
    fields
        Fields of every request's body, without the texts.
    concurrency
        Number of concurrent requests.
    timeout
        Seconds without a byte from the server after which a try fails. A complete answer may take ten times that.
    tries
        Maximum number of tries per request.
    """

    base_url: str
    key: str = field(repr=False)
    key_variable: str
    fields: Mapping[str, Any]
    concurrency: int = _CONCURRENCY
    timeout: float = _TIMEOUT
    tries: int = _TRIES

    def embed(
        self, batches: Sequence[Sequence[str]], extra_fields: Mapping[str, Any], dimension: int | None = None
    ) -> list[Answer]:
        """Return the answer to each batch, in order.

        Parameters
        ----------
        extra_fields
            Further fields of these requests; None leaves a field out.
        dimension
            Dimension of a vector, if known. It limits the size of an answer.

        Raises
        ------
        EncoderError
            The first request that failed after all tries. Requests that have not started yet are not sent.
        """
        connections = _Connections()
        fields = {name: value for name, value in {**self.fields, **extra_fields}.items() if value is not None}
        with self._client() as client, ThreadPoolExecutor(self.concurrency) as executor:
            request = _Request(self, client, fields, connections, dimension or _MOST_DIMENSIONS)
            futures = [executor.submit(request.embed, list(batch)) for batch in batches]
            try:
                failed = [future for future in wait(futures, return_when=FIRST_EXCEPTION).done if future.exception()]
                return [future.result() for future in failed or futures]
            finally:
                executor.shutdown(wait=False, cancel_futures=True)
                connections.give_up()

    def hide_key(self, text: str) -> str:
        """Replace the key by stars, in any encoding."""
        spellings = {self.key, quote(self.key, safe=""), json.dumps(self.key)[1:-1]} if self.key else ()
        for spelling in sorted(spellings, key=len, reverse=True):
            text = text.replace(spelling, "***")
        return text

    def describe(self, received: Received) -> str:
        """Describe the server's answer on one line, without the key."""
        kind = received.headers.get("content-type", "no content type").partition(";")[0]
        excerpt = self.hide_key(received.text)[:_EXCERPT]
        return f"HTTP {received.status}, {self.hide_key(kind)}: {excerpt!r}"

    @cached_property
    def proxy(self) -> str:
        """Words on the proxy that the environment sets; empty if there is none."""
        url, proxies = httpx.URL(self.base_url), getproxies()
        name = next((name for name in (url.scheme, "all") if proxies.get(name)), None)
        if name is None or proxy_bypass(url.host):
            return ""
        with suppress(httpx.InvalidURL):
            proxy = httpx.URL(proxies[name])
            return f" through the proxy {proxy.host}:{proxy.port or 80} ({name.upper()}_PROXY)"
        return f" through the proxy that {name.upper()}_PROXY names"

    def _client(self) -> httpx.Client:
        headers = {"Accept-Encoding": ACCEPTED, **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        try:
            return httpx.Client(headers=headers, timeout=self.timeout, verify=_certificates())
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise EncoderError(
                f"{self.base_url}: cannot use the proxy or the certificates that the environment sets "
                f"(HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR): {error}"
            ) from error


@dataclass(frozen=True)
class _Request:
    """State shared by the requests for several batches."""

    endpoint: Endpoint
    client: httpx.Client
    fields: Mapping[str, Any]
    connections: "_Connections"
    dimension: int

    def embed(self, texts: list[str]) -> Answer:
        """Return the answer to one batch."""
        retrying = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(self.endpoint.tries),
            wait=_pause,
            sleep=sleep_using_event(self.connections.given_up),
        )
        try:
            received = retrying(self._post_patiently, texts)
        except RetryError as error:
            last = error.last_attempt
            raise self._error(f"{last.exception()}; tried {last.attempt_number} times") from error
        if received.status != httpx.codes.OK:
            raise self._refusal(received, texts)
        return self._read(received, len(texts))

    def _post_patiently(self, texts: list[str]) -> Received:
        """Return the server's final answer.

        Raises
        ------
        _PassingError
            There was no answer, or a failure that may be temporary.
        EncoderError
            The server asks to wait too long, or another request has failed permanently.
        """
        received = self._post(texts)
        failed = received.status >= 500 and received.status != _NEVER and not _TOO_LONG.search(received.text)
        passing = failed or received.status in _RETRIED
        if not passing:
            return received
        described = self.endpoint.describe(received)
        asked = _retry_after(received.headers)
        if asked is not None and asked > _LONGEST_WAIT:
            raise self._error(f"asks to wait for {asked:.0f} s: {described}")
        raise _PassingError(described + self.endpoint.proxy, asked)

    def _post(self, texts: Sequence[str]) -> Received:
        if self.connections.given_up.is_set():
            raise self._error("not tried again, since another request has failed")
        limit = _PER_ANSWER + len(texts) * (_PER_TEXT + _PER_NUMBER * self.dimension)
        endpoint = self.endpoint
        try:
            with self.client.stream(
                "POST",
                f"{endpoint.base_url}/embeddings",
                json={**self.fields, "input": list(texts)},
                extensions={"trace": self.connections.note},
            ) as response:
                return receive(response, limit, _SLOWEST * endpoint.timeout, endpoint.base_url)
        except httpx.TimeoutException as error:
            raise _PassingError(f"no answer within {endpoint.timeout:g} s{endpoint.proxy}") from error
        except httpx.RequestError as error:
            raise _PassingError(f"no answer{endpoint.proxy} ({error or type(error).__name__})") from error

    def _refusal(self, received: Received, texts: list[str]) -> EncoderError:
        """Return the error for an answer that failed permanently."""
        endpoint, described = self.endpoint, self.endpoint.describe(received)
        if received.status in (401, 403):
            state = f"the server refuses the key in {endpoint.key_variable}"
            return self._error(f"{state if endpoint.key else endpoint.key_variable + ' has no key'}: {described}")
        if 300 <= received.status < 400:
            target = endpoint.hide_key(received.headers.get("location", "nowhere")).partition("?")[0]
            return self._error(f"redirects to {target}; set --option base_url to the new address: {described}")
        too_long = _TOO_LONG.search(received.text)
        if received.status not in _ABOUT_TEXTS and not too_long:
            hint = f"The request went to {endpoint.base_url}/embeddings; --option base_url sets all before /embeddings."
            return self._error(described + endpoint.proxy, hint if received.status in _NO_SUCH_ADDRESS else "")
        low, high = find_failing(self._require_answer, texts)
        shown = f"{texts[low][:_SHOWN]!r}, {len(texts[low]):,} characters"
        if high - low > 1:
            return self._error(f"{described}, for {high - low} texts in one request", "Set a smaller --batch-size.")
        hint = (
            "To cut texts before they are sent, set --max-length and --option tokenizer=NAME. Some servers cut them "
            """on request, such as with --option body='{"truncate": "END"}'."""
        )
        return self._error(f"{described}, for the text {shown}", hint if too_long else "")

    def _require_answer(self, texts: Sequence[str]) -> None:
        if self._post(texts).status != httpx.codes.OK:
            raise self._error("refused")

    def _read(self, received: Received, expected: int) -> Answer:
        """Return the vectors of an answer, in the order of the texts."""
        try:
            content = json.loads(received.content)
            entries, model = content["data"], content.get("model")
            placed = {}
            for place, entry in enumerate(entries):
                index = entry.get("index")
                placed[place if index is None else index] = entry["embedding"]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            described = self.endpoint.describe(received)
            raise self._error(f"not an answer with embeddings{self.endpoint.proxy}: {described}") from error
        if len(entries) != expected:
            raise self._error(f"returned {len(entries)} vectors for {expected} texts")
        if placed.keys() != set(range(expected)):
            raise self._error(f"the indexes of {expected} vectors are not 0 to {expected - 1}")
        vectors = self._stack([placed[index] for index in range(expected)])
        return Answer(vectors, model if isinstance(model, str) else None)

    def _stack(self, vectors: Sequence[Any]) -> np.ndarray:
        try:
            with np.errstate(over="ignore"):  # values beyond float32 become infinity, which is refused below
                # null stands for NaN in JSON; text is base64 of little-endian float32
                stacked = np.array([_decode(each) if isinstance(each, str) else each for each in vectors], np.float32)
        except (ValueError, TypeError, OverflowError) as error:
            raise self._error("vectors are not lists of numbers of the same length") from error
        if stacked.ndim != 2 or not stacked.size:
            raise self._error("vectors are not lists of numbers")
        if not np.isfinite(stacked).all():
            raise self._error("returned NaN or infinity")
        return stacked

    def _error(self, problem: str, hint: str = "") -> EncoderError:
        return EncoderError(f"{self.endpoint.base_url}: {problem}. {hint}".rstrip())


class _Connections:
    """Connections of several threads that another thread can cut. Closing one would not wake a waiting thread.

    Attributes
    ----------
    given_up
        Whether threads must send no more requests.
    """

    def __init__(self) -> None:
        self.given_up = Event()
        self._sockets: list[socket] = []

    def note(self, _: str, details: Mapping[str, Any]) -> None:
        """Record a new connection. httpx calls this with all events of a request."""
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
    """A failure that may be temporary. `asked` is the number of seconds that the server asks to wait."""

    def __init__(self, problem: str, asked: float | None = None) -> None:
        super().__init__(problem)
        self.asked = asked


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next try: doubled after each try, and at least what the server asks for."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.asked if isinstance(failure, _PassingError) else None
    spread = wait_random(0, _FIRST_WAIT)  # so requests that failed together are not repeated together
    return max(asked or 0.0, (wait_exponential(_FIRST_WAIT, max=_LONGEST_WAIT) + spread)(state))


@cache
def _certificates() -> SSLContext:
    """Return the trusted certificates. They are cached, since reading them takes as long as a request."""
    return httpx.create_ssl_context()


def _decode(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait (RFC 9110, section 10.2.3), if it does."""
    given = headers.get("retry-after", "")
    if _SECONDS.fullmatch(given):
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
