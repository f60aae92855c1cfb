"""Adapter openai against a server that fails in every way a server can: what is tried again, and what is said."""

import base64
import gzip
import socket
import sys
import threading
import time
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import numpy as np
import pytest

import babelrank
from babelrank.errors import EncoderError
from babelrank_adapters import openai_endpoint
from openai_server import TEXTS, after_probe, error, load, ok, vector, vectors_of

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

    def test_an_address_that_is_not_there_is_named(self, server):
        server.answer = lambda *_: error(404, "Not Found")
        with pytest.raises(EncoderError, match=rf"HTTP 404.* went to {server.url}/embeddings; --option base_url"):
            load(server.url)

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
        monkeypatch.setattr(openai_endpoint, "_FIRST_WAIT", 0.03)
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
        asked = openai_endpoint._retry_after(httpx.Headers({"Retry-After": given}))
        assert low <= asked <= high

    @pytest.mark.parametrize("given", ["", "soon", "nan", "-3"])
    def test_ignores_what_says_no_time(self, given):
        assert openai_endpoint._retry_after(httpx.Headers({"Retry-After": given})) is None

    def test_one_failure_ends_the_others_wait(self, server, monkeypatch):
        monkeypatch.setattr(openai_endpoint, "_FIRST_WAIT", 30)

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
        openai_endpoint._certificates.cache_clear()
        with pytest.raises(EncoderError, match=rf"http://127\.0\.0\.1:9/v1: cannot use the proxy .*{variable}"):
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
        monkeypatch.setattr(openai_endpoint, "wait", interrupt)
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
        with pytest.raises(EncoderError, match="requested 8 dimensions, some-model returns 3"):
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
        with pytest.raises(EncoderError, match="numbers of the same length"):
            encoder.encode_query(["a", "b"])

    @pytest.mark.parametrize("indexes", [[0, 0], [1, 2], [1, None], ["0", "1"]])
    def test_indexes_that_place_nothing(self, server, indexes):
        data = [{"index": index, "embedding": [1.0, 2.0, 3.0]} for index in indexes]
        encoder = after_probe(server, lambda *_: ok([], data=data))
        with pytest.raises(EncoderError, match="indexes"):
            encoder.encode_query(["a", "b"])

    def test_indexes_that_are_null_are_the_places(self, server):
        def answer(body, _):
            return ok([], data=[{"index": None, "embedding": vector(text)} for text in body["input"]])

        assert after_probe(server, answer).encode_query(["a", "bb"]).tolist() == [vector("a"), vector("bb")]

    def test_base64_is_decoded(self, server):
        def answer(body, _):
            packed = [np.array(vector(text), dtype="<f4").tobytes() for text in body["input"]]
            return ok([base64.b64encode(each).decode() for each in packed])

        assert after_probe(server, answer).encode_query(["a", "bb"]).tolist() == [vector("a"), vector("bb")]

    def test_numbers_beyond_any_type(self, server):
        content = b'{"data": [{"index": 0, "embedding": [' + b"9" * 4000 + b", 1.0, 2.0]}]}"
        encoder = after_probe(server, lambda *_: (200, {"Content-Type": "application/json"}, content))
        with pytest.raises(EncoderError, match="vectors are not lists of numbers"):
            encoder.encode_query(["a"])

    def test_nesting_beyond_measure(self, server):
        content = b'{"data": ' + b"[" * 200_000
        encoder = after_probe(server, lambda *_: (200, {"Content-Type": "application/json"}, content))
        with pytest.raises(EncoderError, match="not an answer with embeddings"):
            encoder.encode_query(["a"])

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


class TestWhatIsSaid:
    @pytest.mark.parametrize(
        ("status", "message"),
        [
            *((status, "maximum context length is 12 tokens") for status in (400, 413, 422, 500)),
            (413, "`inputs` must have less than 512 tokens. Given: 1043"),
            (400, "input exceeds the limit of 8192 tokens"),
        ],
    )
    def test_the_text_that_is_too_long_is_named_and_how_to_cut_it(self, server, status, message):
        def limit(body, _):
            long = max(map(len, body["input"])) > 5
            return error(status, message) if long else vectors_of(body)

        encoder = after_probe(server, limit, batch_size=8)
        with pytest.raises(
            EncoderError, match=r"for the text 'ffffff', 6 characters\. To cut texts before they are sent, set --max"
        ):
            encoder.encode_query(TEXTS[:6])

    def test_a_batch_that_is_too_large_is_told_from_a_bad_text(self, server):
        def limit(body, _):
            return error(400, "batch of 7 exceeds 2") if len(body["input"]) > 2 else vectors_of(body)

        encoder = after_probe(server, limit, batch_size=8)
        with pytest.raises(EncoderError, match=r"for \d texts in one request\. Set a smaller --batch-size"):
            encoder.encode_query(TEXTS)

    def test_a_text_that_is_refused_is_named(self, server):
        def picky(body, _):
            return error(400, "no dddd") if "dddd" in body["input"] else vectors_of(body)

        with pytest.raises(EncoderError, match=r"HTTP 400.*for the text 'dddd', 4 characters"):
            after_probe(server, picky, batch_size=8).encode_query(TEXTS)

    def test_where_a_redirection_leads(self, server):
        server.answer = lambda *_: error(307, "moved", Location="https://there.example/v1/embeddings?sig=secret")
        message = r"redirects to https://there\.example/v1/embeddings; set --option"
        with pytest.raises(EncoderError, match=message) as caught:
            load(server.url)
        assert "secret" not in str(caught.value)

    def test_which_proxy_is_in_the_way(self, server, monkeypatch):
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        server.answer = lambda *_: HTML
        host = server.url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{host}")
        with pytest.raises(EncoderError, match=rf"through the proxy {host} \(HTTP_PROXY\)") as caught:
            load("http://models.example/v1")
        assert "secret" not in str(caught.value)

    def test_a_key_in_a_header_or_in_another_spelling_is_not(self, server, monkeypatch):
        key = "sk-very/secret+0123456789"
        monkeypatch.setenv("OPENAI_API_KEY", key)
        kind = {"Content-Type": f"text/{key}", "Location": f"http://x.example/{key}"}
        for status in (307, 400, 401, 503):
            text = f"{key} and sk-very%2Fsecret%2B0123456789"
            server.answer = lambda *_, status=status, text=text: (status, kind, text.encode())
            with pytest.raises(EncoderError, match=r"\*\*\*") as caught:
                load(server.url, tries=1)
            assert "secret" not in str(caught.value)


class TestLimits:
    def test_of_an_answers_size(self, server, monkeypatch):
        monkeypatch.setattr(openai_endpoint, "_PER_ANSWER", 1000)
        encoder = after_probe(server, lambda *_: (200, {}, b" " * 100_000))
        with pytest.raises(EncoderError, match=r"larger than 2,216 bytes, more than the texts can need"):
            encoder.encode_query(["a"])

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_of_what_it_is_decompressed_to(self, server, coding):
        bomb = (gzip if coding == "gzip" else zlib).compress(b" " * (64 << 20))
        encoder = after_probe(server, lambda *_: (200, {"Content-Encoding": coding}, bomb))
        tracemalloc.start()
        try:
            with pytest.raises(EncoderError, match="more than the texts can need"):
                encoder.encode_query(["a"])
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()

    def test_compression_that_was_asked_for_is_read(self, server):
        def compressed(body, _):
            status, headers, content = vectors_of(body)
            return status, {**headers, "Content-Encoding": "gzip"}, gzip.compress(content)

        assert after_probe(server, compressed).encode_query(["a"]).tolist() == [vector("a")]

    @pytest.mark.parametrize(("coding", "message"), [("zstd", "which was not requested"), ("gzip", "cannot be decom")])
    def test_compression_that_was_not(self, server, coding, message):
        encoder = after_probe(server, lambda *_: (200, {"Content-Encoding": coding}, b"x" * 100))
        with pytest.raises(EncoderError, match=message):
            encoder.encode_query(["a"])

    def test_of_a_failures_size(self, server):
        encoder = after_probe(server, lambda *_: (400, {}, b"no " * 1_000_000))
        with pytest.raises(EncoderError, match="HTTP 400") as caught:
            encoder.encode_query(["a"])
        assert len(str(caught.value)) < 600

    def test_of_the_time_that_an_answer_takes(self, server, monkeypatch):
        encoder = after_probe(server, lambda body, _: vectors_of(body))
        monkeypatch.setattr(openai_endpoint, "_SLOWEST", 0.0)
        with pytest.raises(EncoderError, match="no complete answer within 0 s"):
            encoder.encode_query(["a"])
