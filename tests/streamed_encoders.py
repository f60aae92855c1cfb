"""Cheap encoders for tests that stream. Any process can load ``streamed_encoders:NAME`` from the tests' folder.

A vector is the sum of its words' vectors, which are random by a hash of the word: texts that share rare words are near.
"""

import os
import signal
import time
import zlib
from functools import cache
from pathlib import Path

import numpy as np

DIMENSION = 96
LONG = 1536  # so that a few passages need much memory
FOLDER = "BABELRANK_TEST_FOLDER"  # variable: folder in which the encoders keep state between processes


@cache
def _vector(word: str) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(word.encode()))
    return rng.standard_normal(DIMENSION, dtype=np.float32) * np.float32(min(len(word), 12) ** 2)


def words(texts):
    """Sum the vectors of the words, in their order."""
    vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in sorted(set(text.lower().replace(".", " ").replace(",", " ").split())):
            vectors[row] += _vector(word)
    return vectors


def hashed(texts):
    """Return a long vector of the text's checksum, quickly and without state."""
    seeds = np.array([zlib.crc32(text.encode()) for text in texts], dtype=np.uint32)
    angles = seeds[:, None].astype(np.float32) * np.arange(1, LONG + 1, dtype=np.float32) * np.float32(1e-6)
    return np.sin(angles)


def collapsed(texts):
    """Return nearly the same unit vector for all texts, like a collapsed checkpoint: cosines differ by some 1e-7."""
    vectors = np.ones((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        noise = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSION, dtype=np.float32)
        vectors[row] += np.float32(3e-4) * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def killed_once(texts):
    """Kill the process at the first text of passage 700, once."""
    return _die(texts, lambda mark: not mark.exists())


def killed_always(texts):
    """Kill the process at passage 700 every time."""
    return _die(texts, lambda _: True)


def slow(texts):
    """Encode slowly, and create a file when work has begun."""
    if len(texts) > 30:  # a full batch: neither a probe nor queries
        (Path(os.environ[FOLDER]) / f"begun-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(0.08)
    return words(texts)


def _die(texts, when):
    mark = Path(os.environ[FOLDER]) / "killed"
    if any("passage700" in text for text in texts) and when(mark):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return words(texts)
