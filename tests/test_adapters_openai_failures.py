"""Adapter openai against a server that fails in every way a server can: what is tried again, and what is said."""

import socket
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import numpy as np
import pytest

import babelrank
from babelrank.errors import EncoderError
from babelrank_adapters import openai_api
from openai_server import TEXTS, after_probe, error, load, ok, vector

pytestmark = pytest.mark.usefixtures("openai_surroundings")

HTML = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html><body>Sign in\nto continue</body></html>")


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

    @pytest.mark.parametrize("asked", [{}, {"Retry-After": "0"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}])
    def test_grows_from_try_to_try(self, server, monkeypatch, asked):
        monkeypatch.setattr(openai_api, "_FIRST_WAIT", 0.03)
        server.answer = lambda *_: error(503, **asked)
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


class TestSurroundings:
    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("ALL_PROXY", "socks5://127.0.0.1:9"),
            ("HTTP_PROXY", "gopher://127.0.0.1:9"),
            ("SSL_CERT_FILE", "/not/there"),
        ],
    )
    def test_that_cannot_be_used_are_an_error(self, monkeypatch, variable, value):
        monkeypatch.setitem(sys.modules, "socksio", None)
        monkeypatch.setenv(variable, value)
        openai_api._certificates.cache_clear()
        with pytest.raises(EncoderError, match=rf"http://127\.0\.0\.1:9/v1: cannot be asked .*{variable}"):
            load("http://127.0.0.1:9/v1")

    def test_an_interruption_does_not_wait_for_answers(self, server, monkeypatch):
        asked, over = threading.Event(), threading.Event()

        def hang(*_):
            asked.set()
            over.wait(20)
            return error(500)

        def interrupt(*_, **__):
            assert asked.wait(10)
            raise KeyboardInterrupt

        encoder = after_probe(server, hang)
        monkeypatch.setattr(openai_api, "wait", interrupt)
        began = time.monotonic()
        try:
            with pytest.raises(KeyboardInterrupt):
                encoder.encode_query(TEXTS)
        finally:
            over.set()
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
