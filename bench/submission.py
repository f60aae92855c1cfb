"""Measure all of `babelrank submit` where every vector is stored."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import babelrank
from babelrank.encoding.fertility import measure_fertility
from babelrank.encoding.known_models import load_known
from babelrank.encoding.protocol import Role
from babelrank.encoding.store import StoreEntry, text_key
from bench.material import made_up_representations, nearby_data, sized, xquad
from bench.models import minilm
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROUNDS = sized(4, 1)
_TARGET = 7.1


def measure() -> Iterator[Row]:
    """Submit MiniLM again, with made-up vectors in its store, and compare with the product that ranking needs."""
    collection = xquad()
    vectors = made_up_representations(collection)
    queries, passages = np.asarray(vectors.queries), np.asarray(vectors.passages)
    product = np.empty((len(queries), len(passages)), dtype=np.float32)
    with TemporaryDirectory(prefix="babelrank-bench-") as folder:
        store = Path(folder, "store")
        model = minilm(Path(folder))
        encoder = load_known(str(model), babelrank.EncoderOptions(), store)
        sides = {Role.QUERY: (collection.queries, queries), Role.DOCUMENT: (collection.passages.frame, passages)}
        for role, (side, rows) in sides.items():
            distinct = ~side["text"].duplicated().to_numpy()
            keys = [text_key(text) for text in side["text"][distinct]]
            StoreEntry(store, encoder.info, role).add(keys, rows[distinct][:, : encoder.info.dimension])
        babelrank.encode(encoder, collection, store=store)  # counts texts that are cut
        measure_fertility(encoder, collection)
        command = [sys.executable, "-m", "babelrank", "submit", model, "--collection", collection.name]
        command += ["--store", store, "--reports", Path(folder, "reports")]
        command += ["--data", data] if (data := nearby_data()) else []

        def submit() -> None:
            subprocess.run(list(map(str, command)), check=True, capture_output=True)

        seconds = best_seconds(
            {"product": lambda: np.matmul(queries, passages.T, out=product), "submit": submit},
            rounds=_ROUNDS,
            clock=_cpu_seconds,
        )
    yield duration_row(
        "`babelrank submit` of all-MiniLM-L6-v2 on XQuAD-R, vectors stored, with all analyses, pages and the "
        "leaderboard, in a fresh process, against the bare float32 product of ranking (CPU time)",
        seconds["submit"],
        seconds["product"],
        target=_TARGET,
    )


def _cpu_seconds() -> float:
    """Return the time of processors that this process and its children used so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
