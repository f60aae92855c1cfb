"""Formulas of the training objectives in double precision, and random inputs for comparing the objectives."""

from itertools import product

import hypothesis.strategies as st
import numpy as np
import torch
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime
from scipy.special import expit, logsumexp, softmax
from scipy.stats import entropy

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(1, 6)
TEMPERATURES = st.sampled_from([0.02, 0.05, 0.5, 1.0])


def unit(vectors) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def tensor(values) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def nothing(n: int, m: int | None = None) -> torch.Tensor:
    return torch.zeros(n, n if m is None else m, dtype=torch.bool)


def random_vectors(seed: int, *counts: int, dimension: int = 4) -> list[np.ndarray]:
    """Draw vectors of different lengths."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, dimension)) * rng.uniform(0.1, 10, (n, 1)) for n in counts]


def random_known(seed: int, n: int) -> np.ndarray:
    """Draw pairs (i, j), i ≠ j, as a matrix that need not be symmetric."""
    return (np.random.default_rng(seed).random((n, n)) < 0.4) & ~np.eye(n, dtype=bool)


def expect_info_nce(queries, passages, known, temperature, negatives=()) -> float:
    """Return the value of the formula, with a loop over the terms."""
    losses = []
    for i, query in enumerate(unit(queries)):
        others = [unit(p) for j, p in enumerate(passages) if not known[i][j]] + [unit(p) for p in negatives]
        losses.append(logsumexp([query @ p / temperature for p in others]) - query @ unit(passages[i]) / temperature)
    return float(np.mean(losses))


def expect_divergence(student, teacher, known, temperature) -> float:
    rows = zip(np.asarray(student, float), np.asarray(teacher, float), ~np.asarray(known), strict=True)
    return float(
        np.mean([entropy(softmax(t[kept] / temperature), softmax(s[kept] / temperature)) for s, t, kept in rows])
    )


def expect_language_contrast(anchors, passages, translations, own, temperature) -> float:
    losses = [
        -sum(np.log(expit(sign * (a @ p - a @ t) / temperature)) for sign in (1, -1)) / 2
        for (i, a), (j, (p, t)) in product(
            enumerate(unit(anchors)), enumerate(zip(unit(passages), unit(translations), strict=True))
        )
        if not own[i][j]
    ]
    return float(np.mean(losses))


def assert_gradient(loss, expected, *arrays) -> None:
    """Compare the gradient of `loss` over tensors with the slope of `expected` over arrays in double precision."""
    inputs = [tensor(array).requires_grad_() for array in arrays]
    loss(*inputs).backward()
    for position, (array, given_) in enumerate(zip(arrays, inputs, strict=True)):

        def shift(values, position=position, shape=array.shape):
            return expected(*(values.reshape(shape) if i == position else a for i, a in enumerate(arrays)))

        slope = approx_fprime(array.ravel(), shift, 1e-6).reshape(array.shape)
        assert_allclose(given_.grad.numpy(), slope, rtol=5e-3, atol=5e-4)
