"""Measure ranking of sparse and multi-vector representations of XQuAD-R, against the plain product of each kind."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import csr_array

import babelrank
from babelrank.encoding.vectors import MultiVectors
from bench.material import sized, xquad
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROUNDS = sized(3, 1)  # the first compiles the loops
_TARGET = 1.5
_VOCABULARY = 30_000
_TERMS = {"query": 20, "passage": 100}  # distinct terms per text, about as many as in SPLADE
_BLOCK = 512  # queries
# Token vectors as in ColBERT. The plain product of all 13,090 queries takes minutes, so only some are ranked.
_TOKENS = {"query": (8, 24), "passage": (15, 60)}
_DIMENSION = 128
_QUERIES = 64
_MAXSIM_BLOCK = 4  # queries


def measure() -> Iterator[Row]:
    """Compare `babelrank.rank` with scipy's sparse product, and with padded MaxSim in PyTorch."""
    yield _measure_sparse(xquad())
    yield _measure_multi_vector(_first_queries(xquad(), _QUERIES))


def _measure_sparse(collection: babelrank.Collection) -> Row:
    rng = np.random.default_rng(0)
    queries = _sparse(rng, len(collection.queries), _TERMS["query"])
    passages = _sparse(rng, len(collection.passages), _TERMS["passage"])
    vectors = babelrank.Representations(queries, passages, babelrank.Similarity.DOT, {}, {})
    columns = passages.T.tocsr()

    def plain() -> None:
        for start in range(0, queries.shape[0], _BLOCK):
            queries[start : start + _BLOCK] @ columns

    seconds = best_seconds({"ours": lambda: babelrank.rank(collection, vectors).ranks, "plain": plain}, rounds=_ROUNDS)
    return _row("sparse representations", "scipy's sparse product", seconds)


def _measure_multi_vector(collection: babelrank.Collection) -> Row:
    rng = np.random.default_rng(0)
    queries = _tokens(rng, len(collection.queries), _TOKENS["query"])
    passages = _tokens(rng, len(collection.passages), _TOKENS["passage"])
    vectors = babelrank.Representations(queries, passages, babelrank.Similarity.DOT, {}, {})
    padded_queries, padded_passages = _pad(queries), _pad(passages)
    count, length, _ = padded_passages.shape
    padding = torch.from_numpy(np.arange(length) >= np.diff(passages.offsets)[:, None])
    pool = padded_passages.reshape(count * length, _DIMENSION).T

    def plain() -> None:
        for start in range(0, len(padded_queries), _MAXSIM_BLOCK):
            block = padded_queries[start : start + _MAXSIM_BLOCK]
            similarities = (block.flatten(0, 1) @ pool).reshape(*block.shape[:2], count, length)
            similarities.masked_fill_(padding, -torch.inf).amax(dim=3).sum(dim=1)

    seconds = best_seconds({"ours": lambda: babelrank.rank(collection, vectors).ranks, "plain": plain}, rounds=_ROUNDS)
    return _row(f"multi-vectors ({_QUERIES} queries)", "batched MaxSim in PyTorch", seconds)


def _row(what: str, reference: str, seconds: dict[str, float]) -> Row:
    subject = f"rank XQuAD-R from {what}, against {reference}"
    return duration_row(subject, seconds["ours"], seconds["plain"], target=_TARGET)


def _sparse(rng: np.random.Generator, texts: int, terms: int) -> csr_array:
    """Make texts of `terms` terms; the frequency of a term falls with its rank, as in natural language."""
    frequent = 1 / np.arange(1, _VOCABULARY + 1) ** 0.7
    drawn = rng.choice(_VOCABULARY, (texts, terms), p=frequent / frequent.sum())
    weights = rng.random(drawn.size, dtype=np.float32) + np.float32(0.1)
    matrix = csr_array((weights, drawn.ravel(), np.arange(texts + 1) * terms), shape=(texts, _VOCABULARY))
    matrix.sum_duplicates()
    return matrix


def _tokens(rng: np.random.Generator, texts: int, sizes: tuple[int, int]) -> MultiVectors:
    return MultiVectors.from_list(
        [rng.standard_normal((size, _DIMENSION), dtype=np.float32) for size in rng.integers(*sizes, texts)]
    )


def _pad(vectors: MultiVectors) -> torch.Tensor:
    texts = [torch.from_numpy(tokens) for tokens in np.split(vectors.tokens, vectors.offsets[1:-1])]
    return torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)


def _first_queries(collection: babelrank.Collection, number: int) -> babelrank.Collection:
    """Cut a collection down to its first queries."""
    qrels = collection.qrels[collection.qrels["query"] < number]
    return replace(collection, queries=collection.queries[:number], qrels=qrels)
