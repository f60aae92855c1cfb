"""Read a server's answers with limits on size, decompressed size and time."""

import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from babelrank.errors import EncoderError

_ZLIB_OR_GZIP = 47  # for zlib: either header, the largest window
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset({"", "identity"})
ACCEPTED = "gzip"  # compression that a request may ask for
_FAILURE = 1 << 16  # bytes that are read of an answer other than 200


@dataclass(frozen=True)
class Received:
    """A complete answer: status, headers and decompressed content."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The content on one line."""
        return " ".join(self.content.decode("utf-8", "replace").split())


def receive(response: httpx.Response, limit: int, seconds: float, where: str) -> Received:
    """Read a streamed answer.

    Parameters
    ----------
    limit
        Maximum bytes of the content. Of answers other than 200, only the beginning is read.
    seconds
        Maximum time until it is complete.

    Raises
    ------
    EncoderError
        It is larger or slower, or has a compression that was not requested.
    """
    coding = response.headers.get("content-encoding", "").lower()
    if coding not in _CODINGS | _PLAIN:
        raise EncoderError(f"{where}: the answer is compressed as {coding[:20]!r}, which was not requested.")
    failed = response.status_code != httpx.codes.OK
    if failed:
        limit = _FAILURE
    decoder = zlib.decompressobj(_ZLIB_OR_GZIP) if coding in _CODINGS else None
    end = time.monotonic() + seconds
    content = bytearray()
    for chunk in response.iter_raw():
        try:
            content += decoder.decompress(chunk, limit + 1 - len(content)) if decoder else chunk
        except zlib.error as error:
            raise EncoderError(f"{where}: the answer cannot be decompressed ({error}).") from error
        if len(content) > limit and not failed:
            raise EncoderError(f"{where}: the answer is larger than {limit:,} bytes, more than the texts can need.")
        if time.monotonic() > end:
            raise EncoderError(f"{where}: no complete answer within {seconds:g} s.")
        if len(content) > limit:
            break
    return Received(response.status_code, response.headers, bytes(content[:limit]))
