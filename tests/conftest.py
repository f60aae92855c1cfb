"""Fixtures that several test files share: real data, real and tiny models, a fake encoder, hand-made collections."""

import gc
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from babelrank.data.collection import Collection
from babelrank.encoding.protocol import EncoderInfo
from babelrank.ranking.table import COLUMNS, RankTable
from made_collections import collection_of_tables
from paths import ROOT

pytest_plugins = ["browsing", "command_line", "openai_server", "training_runs"]

# No deadline: first examples compile, and machines are busy. CI uses the same examples every time; other runs vary.
settings.register_profile("babelrank", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("babelrank")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give each process whole files, and one of them the folder whose files share a server that is slow to start."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/crash" if nodeid.startswith("tests/crash/") else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_configure() -> None:
    """Collect garbage less often, as the command line does."""
    gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """Leave what imports made out of garbage collections, which libraries ask for in every training run."""
    gc.collect()
    gc.freeze()


# Absolute, as tests change their folder. Read on import: single tests set the variable to other folders.
if _GIVEN_DATA := os.environ.get("BABELRANK_DATA"):
    os.environ["BABELRANK_DATA"] = _GIVEN_DATA = str(Path(_GIVEN_DATA).resolve())
_SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with xquad-r/ and mlqa-r/ in LAReQA's layout."""
    folder = Path(_GIVEN_DATA) if _GIVEN_DATA else _SHARED_DATA
    if not folder.is_dir():
        pytest.skip(f"needs XQuAD-R and MLQA-R: BABELRANK_DATA is not set to them, and {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def me5_small(real_data, tmp_path_factory) -> Path:
    """multilingual-e5-small as a sentence-transformers folder (222 MB, removed after the tests)."""
    program = real_data.parent / "models" / "me5-small" / "unpack.py"
    if not program.is_file():
        pytest.skip(f"needs multilingual-e5-small: {program} is not there")
    folder = tmp_path_factory.mktemp("models") / "me5-small"
    subprocess.run([sys.executable, program, folder], check=True, capture_output=True)
    yield folder
    (folder / "model.safetensors").unlink()


class FakeEncoder:
    """Deterministic vectors from a hash of role and text; remembers every call.

    `change` receives each array and the number of the call (from 1), and returns the array or another, or raises.
    """

    def __init__(
        self,
        dimension: int = 4,
        *,
        fingerprint: str = "1",
        settings: Mapping[str, object] | None = None,
        name: str = "fake",
        change: Callable[[np.ndarray, int], object] = lambda vectors, _: vectors,
    ) -> None:
        self.info = EncoderInfo(
            name=name, adapter="fake", fingerprint=fingerprint, dimension=dimension, settings=settings or {}
        )
        self.calls: list[tuple[str, list[str]]] = []
        self._change = change

    @property
    def texts(self) -> list[str]:
        """Every text of every call."""
        return [text for _, texts in self.calls for text in texts]

    def vector(self, role: str, text: str) -> np.ndarray:
        """Return the vector of one text, without recording a call."""
        digest = hashlib.sha256(f"{role} {text}".encode("utf-8", "surrogatepass")).digest()
        return np.random.default_rng(list(digest)).standard_normal(self.info.dimension).astype(np.float32)

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode("query", texts)

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode("document", texts)

    def _encode(self, role: str, texts: Sequence[str]) -> np.ndarray:
        self.calls.append((role, list(texts)))
        return self._change(np.stack([self.vector(role, text) for text in texts]), len(self.calls))


@pytest.fixture(scope="session")
def fake_encoder() -> type[FakeEncoder]:
    """The class, for tests to instantiate."""
    return FakeEncoder


def make_collection(queries: Sequence[str], passages: Sequence[str]) -> Collection:
    """Return an English collection in which passage 0 is relevant to every query."""
    return collection_of_tables(
        name="hand-made",
        languages=("en",),
        queries=pd.DataFrame({"lang": "en", "id": [f"q{i}" for i in range(len(queries))], "text": list(queries)}),
        passages=pd.DataFrame({"lang": "en", "id": [f"p{i}" for i in range(len(passages))], "text": list(passages)}),
        qrels=pd.DataFrame({"query": range(len(queries)), "passage": 0, "grade": 1}),
        candidates="sentence",
        sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def collection_of() -> Callable[[Sequence[str], Sequence[str]], Collection]:
    """See `make_collection`."""
    return make_collection


def make_ranks(rows: Sequence[tuple], languages: tuple[str, ...] = ("de", "en")) -> RankTable:
    """Return a rank table with these rows, from a pool of 50 passages per language."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return RankTable(table, languages, dict.fromkeys(languages, 50), 0)


@pytest.fixture(scope="session")
def ranks_of() -> Callable[..., RankTable]:
    """See `make_ranks`."""
    return make_ranks


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A randomly initialised BERT of 16 dimensions with e5's prompts, in sentence-transformers' format."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    root = tmp_path_factory.mktemp("models")
    plain, folder = root / "plain-bert", root / "tiny"
    _save_plain_bert(plain)
    modules = [Transformer(str(plain)), Pooling(16), Normalize()]
    model = SentenceTransformer(modules=modules, prompts={"query": "query: ", "passage": "passage: "})
    model.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def plain_bert(tiny_model) -> Path:
    """The same BERT in transformers' format: config.json, but no modules.json and no prompts."""
    return tiny_model.with_name("plain-bert")


@pytest.fixture(scope="session")
def sparse_model(plain_bert) -> Path:
    """A randomly initialised SPLADE over the tokenizer of `plain_bert`."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    masked, folder = plain_bert.with_name("masked-bert"), plain_bert.with_name("sparse")
    torch.manual_seed(1)
    BertForMaskedLM(BertConfig.from_pretrained(plain_bert)).save_pretrained(masked)
    AutoTokenizer.from_pretrained(plain_bert).save_pretrained(masked)
    SparseEncoder(modules=[Transformer(str(masked), transformer_task="fill-mask"), SpladePooling()]).save(str(folder))
    return folder


@pytest.fixture(scope="session")
def multi_vector_model(plain_bert) -> Path:
    """A randomly initialised ColBERT of 8 dimensions: queries are padded to 12 tokens, passages skip the colon."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    folder = plain_bert.with_name("multi-vector")
    expansion = {"strategy": "fixed", "attend": False, "length": 12, "token": "[UNK]"}
    torch.manual_seed(2)
    modules = [
        Transformer(str(plain_bert), query_expansion=expansion, document_length=20),
        Dense(16, 8, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings"),
        MultiVectorMask(skiplist_words=[":"]),
        Normalize(module_input_name="token_embeddings"),
    ]
    MultiVectorEncoder(modules=modules, prompts={"query": "q: ", "document": "d: "}).save(str(folder))
    return folder


@pytest.fixture(scope="session")
def static_model(plain_bert) -> Path:
    """A Model2Vec model of 8 random dimensions over the tokenizer of `plain_bert`, with at most 10 tokens."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer

    folder = plain_bert.with_name("static")
    tokenizer = Tokenizer.from_file(str(plain_bert / "tokenizer.json"))
    vectors = np.random.default_rng(3).standard_normal((tokenizer.get_vocab_size(), 8)).astype(np.float32)
    StaticModel(vectors, tokenizer, max_length=10).save_pretrained(folder)
    return folder


def _save_plain_bert(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz:?"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {token: i for i, token in enumerate([*special, *letters, *(f"##{letter}" for letter in letters)])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)


class Site:
    """A web server on 127.0.0.1 with the answers that a test sets.

    Attributes
    ----------
    answer
        Path (with a leading slash, without the query) -> status, headers, body.
    requests
        (method, path) of every request so far.
    """

    def __init__(self, port: int, answer: Callable[[str], tuple[int, Mapping[str, str], bytes]]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answer = answer
        self.requests: list[tuple[str, str]] = []


@contextmanager
def serving(answer: Callable[[str], tuple[int, Mapping[str, str], bytes]]) -> Iterator[Site]:
    """Serve until the block ends; the port is closed afterwards."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            site.requests.append((self.command, path))
            status, headers, body = site.answer(path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(server.server_port, answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def serve() -> Callable[..., object]:
    """See `serving`."""
    return serving


def write_json(path: Path, document: object) -> Path:
    """Write UTF-8 JSON; create the folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def json_file() -> Callable[[Path, object], Path]:
    """See `write_json`."""
    return write_json
