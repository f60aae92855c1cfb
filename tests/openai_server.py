"""A local server of OpenAI's API with the answers that a test sets, and encoders that use it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"]

Answer = tuple[int, dict[str, str], bytes]


def vector(text: str) -> list[float]:
    """A deterministic vector of 3 dimensions."""
    return [float(len(text)), float(sum(map(ord, text)) % 97), 1.0]


def vectors_of(body: dict) -> Answer:
    return ok([vector(text) for text in body["input"]])


def ok(vectors: list[object], **changes: object) -> Answer:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return 200, {"Content-Type": "application/json"}, json.dumps({"object": "list", "data": data, **changes}).encode()


def error(status: int, message: str = "no", **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps({"error": {"message": message}}).encode()


class Server:
    """Answers POST by `answer(body, number of the request)`; by default with `vector` of each text."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.moments: list[float] = []
        self.paths: list[str] = []
        self.answer: Callable[[dict, int], Answer] = lambda body, _: ok([vector(text) for text in body["input"]])


@contextmanager
def serving() -> Iterator[Server]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
                server.moments.append(time.monotonic())
                server.paths.append(self.path)
                number = len(server.bodies)
            status, headers, content = server.answer(body, number)
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the client has closed the connection
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    server = Server(f"http://127.0.0.1:{web.server_port}/v1")
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


@pytest.fixture
def openai_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no proxy, and no delay between retries."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("babelrank_adapters.openai_endpoint._FIRST_WAIT", 0.001)


@pytest.fixture
def server(openai_surroundings: None) -> Iterator[Server]:
    with serving() as running:
        yield running


def load(url: str, model: str = "openai:some-model", *, batch_size: int = 2, **options: object):
    prompts = {name: options.pop(name) for name in ("query_prompt", "document_prompt") if name in options}
    settings = {"base_url": url, **{name: str(value) for name, value in options.items()}}
    return load_encoder(model, EncoderOptions(batch_size=batch_size, options=settings, **prompts))


def after_probe(server: Server, answer: Callable[[dict, int], Answer], **options: object):
    """Return an encoder; its server answers all probes, then uses `answer` (numbered from 1)."""
    encoder = load(server.url, **options)
    encoder.encode_query(["a"])  # a probe follows the first texts
    server.bodies.clear()
    server.answer = answer
    return encoder
