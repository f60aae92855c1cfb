"""Measure mining of hard negatives, without encoding."""

import time
from collections.abc import Iterator

import numpy as np

from babelrank.training.mining import MiningSettings, MiningSummary, Pool, find_negatives
from bench.material import sized
from bench.table import Row

_EXAMPLES = sized(100_000, 200)
_DIMENSION = 384
_TOPICS = 500
_AT_ONCE = 8_192
_TARGET_SECONDS = 120


def measure() -> Iterator[Row]:
    """Index synthetic passages, and mine the negatives of as many questions."""
    passages, queries = _make_up(np.random.default_rng(0))
    numbers, texts = np.arange(_EXAMPLES), [f"passage {i}" for i in range(_EXAMPLES)]
    summary = MiningSummary(_EXAMPLES)
    began = time.perf_counter()
    pools = {"en": Pool(numbers, texts, passages)}
    for first in range(0, _EXAMPLES, _AT_ONCE):
        chunk = slice(first, first + _AT_ONCE)
        find_negatives({"en": (numbers[chunk], queries[chunk])}, pools, {}, MiningSettings(), summary)
    seconds = time.perf_counter() - began
    yield Row(
        f"mine hard negatives of {_EXAMPLES:,} examples, {_DIMENSION} dimensions, after encoding",
        f"{seconds:.1f} s",
        "–",
        "–",
        f"< {_TARGET_SECONDS} s",
        seconds < _TARGET_SECONDS,
    )


def _make_up(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of passages around topics, and of questions near them; float32."""
    shape = (_EXAMPLES, _DIMENSION)
    passages = rng.standard_normal((_TOPICS, _DIMENSION), np.float32)[rng.integers(_TOPICS, size=_EXAMPLES)]
    passages += 0.8 * rng.standard_normal(shape, np.float32)
    queries = passages + 0.5 * rng.standard_normal(shape, np.float32)
    for each in (passages, queries):
        each /= np.linalg.norm(each, axis=1, keepdims=True)
    return passages, queries
