"""Data for the measurements: the real XQuAD-R, and synthetic vectors for it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

import babelrank
from babelrank.encoding.protocol import Role
from babelrank.encoding.store import StoreEntry, text_key

Size = TypeVar("Size")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

TINY = "BABELRANK_BENCH_TINY"  # the environment variable that makes every subject tiny

DIMENSION = 384  # of multilingual-e5-small and similar models
_SEGMENT = 256  # texts per segment on disk, about as many as an encoder of 40 texts per second writes
# Length of the noise in a query's vector; each relevant passage has length 1.
_NOISE = 6.0


def sized(usual: Size, tiny: Size) -> Size:
    """Return the usual size, or input, or the tiny one, which only tests that a subject runs."""
    return tiny if TINY in os.environ else usual


@cache
def xquad() -> babelrank.Collection:
    """Load XQuAD-R from ``BABELRANK_DATA``, or from the folder ``shared/data`` next to the repository if it exists.

    A tiny run uses the sample collection.

    Raises
    ------
    BabelrankError
        Neither folder has it, nor does that of `babelrank data fetch`.
    """
    return _load("xquad-r")


@cache
def ntrex() -> babelrank.Collection:
    """Load the leads of NTREX-128, like `xquad`."""
    return _load("ntrex:lead")


def _load(spec: str) -> babelrank.Collection:
    if TINY in os.environ:
        return babelrank.load_collection("sample")
    return babelrank.load_collection(spec, nearby_data())


def nearby_data() -> Path | None:
    """Return the folder of data next to the repository; None without one, or if ``BABELRANK_DATA`` names another."""
    nearby = SHARED / "data"
    return nearby if "BABELRANK_DATA" not in os.environ and nearby.is_dir() else None


def made_up_representations(collection: babelrank.Collection) -> babelrank.Representations:
    """Return random unit float32 vectors of the collection's shapes; no two passages are equal.

    Passages are random; a query is the sum of its relevant passages and noise.
    """
    rng = np.random.default_rng(0)
    passages = _unit(rng.standard_normal((len(collection.passages), DIMENSION), dtype=np.float32))
    queries = _NOISE * _unit(rng.standard_normal((len(collection.queries), DIMENSION), dtype=np.float32))
    np.add.at(queries, collection.qrels["query"].to_numpy(), passages[collection.qrels["passage"].to_numpy()])
    return babelrank.Representations(
        queries=_unit(queries),
        passages=passages,
        similarity=babelrank.Similarity.COSINE,
        texts_encoded={},
        seconds={},
    )


@dataclass(frozen=True)
class MadeUpEncoder:
    """An encoder of random unit vectors, to fill stores for reading."""

    info: babelrank.EncoderInfo = field(
        default=babelrank.EncoderInfo(name="made-up", adapter="bench", fingerprint="0", dimension=DIMENSION)
    )

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        """Return vectors of shape (len(texts), 384)."""
        return _unit(np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSION), dtype=np.float32))

    encode_document = encode_query


@contextmanager
def filled_store() -> Iterator[Path]:
    """Make a store with a synthetic vector for each text of XQuAD-R, and delete it at the end."""
    encoder, collection = MadeUpEncoder(), xquad()
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        for role, side in ((Role.QUERY, collection.queries), (Role.DOCUMENT, collection.passages.frame)):
            entry = StoreEntry(Path(folder), encoder.info, role)
            texts = side["text"].unique().tolist()
            for start in range(0, len(texts), _SEGMENT):
                segment = texts[start : start + _SEGMENT]
                entry.add([text_key(text) for text in segment], encoder.encode_query(segment))
        yield Path(folder)


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
