"""Measure exact search over shards on disk against a bare FAISS index in memory, and its growth with the corpus.

usage: python -m bench.search ROWS [--queries N] [--dtype float16] [--memory GB] [--folder DIR]

The vectors are synthetic unit vectors of 384 dimensions. The second form writes ROWS of them to DIR, searches them in a
separate process with at most GB of memory, and prints one line of a table.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np

from babelrank.encoding.protocol import Similarity
from babelrank.encoding.shards import check_space, create_shards, open_shards, plan_shards, write_shard
from babelrank.environment import available_cores
from babelrank.ranking.best import TopPassages, find_best
from babelrank.ranking.scores import make_scorer
from bench.material import DIMENSION, ROOT, sized
from bench.memory import peak_mb
from bench.table import Row, duration_row
from bench.timing import best_seconds

_ROWS = sized(1_000_000, 2_000)
_QUERIES = 256
_K = 100
_ROUNDS = sized(4, 1)
_TARGET = 1.1
_COLUMNS = ("passages", "on disk", "write", "verify", "search", "GFLOP/s", "peak memory", "limit")


def measure() -> Iterator[Row]:
    """Compare `find_best` with `faiss.IndexFlatIP.search`, each with one thread per core."""
    queries, index = _vectors(_QUERIES, seed=-1), faiss.IndexFlatIP(DIMENSION)
    with TemporaryDirectory(prefix="babelrank-bench-") as name:
        _write(Path(name), _ROWS, "float32")
        shards = open_shards(Path(name), verify=False)
        for shard in shards:
            index.add(shard.read(0, len(shard)))
        faiss.omp_set_num_threads(available_cores())
        _agree(find_best(make_scorer(queries, shards, Similarity.COSINE), _K), index.search(queries, _K)[1])
        seconds = best_seconds(
            {
                "ours": lambda: find_best(make_scorer(queries, shards, Similarity.COSINE), _K),
                "reference": lambda: index.search(queries, _K),
            },
            rounds=_ROUNDS,
        )
    yield duration_row(
        f"exact top-{_K} of {_QUERIES} queries over {_ROWS:,} × {DIMENSION} in shards on disk (page cache warm), "
        "against faiss.IndexFlatIP in memory",
        seconds["ours"],
        seconds["reference"],
        target=_TARGET,
    )


def _agree(top: TopPassages, positions: np.ndarray) -> None:
    """Check that both found the same passages; the last bits of a product may swap neighbours."""
    differ = (np.sort(top.positions, axis=1) != np.sort(positions, axis=1)).any(axis=1).sum()
    if differ > len(positions) // 50:
        raise RuntimeError(f"{differ} of {len(positions)} lists differ.")


def _vectors(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed + 1).standard_normal((rows, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _write(folder: Path, rows: int, dtype: str) -> None:
    plan = plan_shards(rows, DIMENSION, dtype=dtype, identity={"made-up": True})
    create_shards(folder, plan)
    check_space(folder)
    for number in range(plan.count):
        start, stop = plan.bounds(number)
        write_shard(folder, number, _vectors(stop - start, seed=number))


def _measure_scale(rows: int, queries: int, dtype: str, memory: float, parent: Path | None) -> None:
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="babelrank-bench-", dir=parent) as name:
        folder = Path(name)
        began = time.perf_counter()
        _write(folder, rows, dtype)
        written = time.perf_counter() - began
        size = sum(path.stat().st_size for path in folder.iterdir())
        command = [sys.executable, "-m", "bench.search", "--search", name]
        command += ["--queries", str(queries), "--memory", str(memory)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    verified, searched, peak = json.loads(done.stdout)
    cells = (
        f"{rows:,}",
        f"{size / 1e9:.2f} GB ({dtype})",
        f"{written:.1f} s",
        f"{verified:.1f} s",
        f"{searched:.1f} s ({queries} queries)",
        f"{2 * rows * queries * DIMENSION / searched / 1e9:.0f}",
        f"{peak:,.0f} MB",
        f"{memory * 1000:,.0f} MB",
    )
    for line in (_COLUMNS, ["---:"] * len(_COLUMNS), cells):
        print(f"| {' | '.join(line)} |")


def _search_folder(folder: Path, queries: int, memory: float) -> None:
    """Print the seconds of verification and search, and the peak of this process in MB."""
    asked = _vectors(queries, seed=-1)
    find_best(make_scorer(asked, asked, Similarity.COSINE), _K)  # loads compiled loops
    began = time.perf_counter()
    shards = open_shards(folder)
    verified = time.perf_counter()
    find_best(make_scorer(asked, shards, Similarity.COSINE), _K, memory=int(memory * 1e9 - peak_mb() * 1e6))
    print(json.dumps([verified - began, time.perf_counter() - verified, peak_mb()]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.search", description="Measure exact search at a size.")
    parser.add_argument("rows", metavar="ROWS", type=int, nargs="?", default=100_000, help="passages")
    parser.add_argument("--queries", metavar="N", type=int, default=100)
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    parser.add_argument("--memory", metavar="GB", type=float, default=4.0, help="what the process may hold")
    parser.add_argument("--folder", metavar="DIR", type=Path, help="where to write the vectors, deleted at the end")
    parser.add_argument("--search", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        _search_folder(arguments.search, arguments.queries, arguments.memory)
    else:
        _measure_scale(arguments.rows, arguments.queries, arguments.dtype, arguments.memory, arguments.folder)


if __name__ == "__main__":
    main()
