"""Measure reading parallel training examples from a data set in the layout of mMARCO, in a separate process."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.material import ROOT, sized
from bench.memory import peak_mb
from bench.table import Row

_ROWS = sized(1_000_000, 1_000)
_ROWS_PER_QUESTION = 40
_ROWS_AT_ONCE = 50_000
_CONFIGS = {"de": "german", "en": "english"}
_WORDS = {"de": ("über", "Straße", "Fluss", "heißt", "Garten"), "en": ("river", "garden", "where", "street", "letter")}
_TARGET_SECONDS = 60
_TARGET_MB = 1000


def measure() -> Iterator[Row]:
    """Measure `python -m bench.examples`, which writes a data set and reads it."""
    with TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "bench.examples", scratch], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
    seconds, loaded, peak, examples = json.loads(done.stdout)
    yield Row(
        f"read {_ROWS:,} rows × {len(_CONFIGS)} languages of a question, a passage and a negative, compare them with a "
        f"test collection, and make {examples:,} examples of them (CPU time)",
        f"{seconds:.0f} s",
        "–",
        "–",
        f"< {_TARGET_SECONDS} s",
        seconds < _TARGET_SECONDS,
    )
    yield Row(
        "peak memory of that, in a fresh process (reference: the same before reading)",
        f"{peak:.0f} MB",
        f"{loaded:.0f} MB",
        "–",
        f"< {_TARGET_MB:,} MB",
        peak < _TARGET_MB,
    )


def _make_data_set(folder: Path, rows: int) -> None:
    """Write a Parquet file for each language, with aligned rows: questions of 8 words, passages of 55."""
    header = [f"- config_name: {name}\n  data_files: {name}.parquet\n" for name in _CONFIGS.values()]
    (folder / "README.md").write_text("---\nconfigs:\n" + "".join(header) + "---\n", encoding="utf-8")
    schema = pa.schema([(name, pa.string()) for name in ("query", "positive", "negative")])
    for lang, config in _CONFIGS.items():
        words = _WORDS[lang]
        padding = {size: " ".join(words[i % len(words)] for i in range(size)) for size in (7, 54)}
        rng = np.random.default_rng(0)  # same rows in each language
        with pq.ParquetWriter(folder / f"{config}.parquet", schema) as writer:
            for first in range(0, rows, _ROWS_AT_ONCE):
                questions = rng.integers(rows // _ROWS_PER_QUESTION, size=min(_ROWS_AT_ONCE, rows - first)).tolist()
                negatives = rng.integers(rows, size=len(questions)).tolist()
                columns = [
                    [f"{lang} {number} {padding[7]}?" for number in questions],
                    [f"{lang} {number}. {padding[54]}." for number in questions],
                    [f"{lang} no {number}. {padding[54]}." for number in negatives],
                ]
                writer.write_table(pa.table([pa.array(column) for column in columns], schema))


def read(folder: Path) -> tuple[float, float, float, int]:
    """Return the CPU seconds of reading, the peak in MB before and after, and the number of examples."""
    import datasets

    from babelrank.data.loading import load_collection
    from babelrank.training.contamination import texts_of_collection
    from babelrank.training.hub_rows import HubRows
    from babelrank.training.indexing import index_rows

    datasets.config.HF_DATASETS_CACHE = folder / "cache"
    datasets.disable_progress_bars()
    known = [texts_of_collection(load_collection("sample"))]
    loaded, before = peak_mb(), _cpu_seconds()
    rows = HubRows(str(folder), "query", "positive", tuple(_CONFIGS), configs=_CONFIGS, negatives=("negative",))
    examples = index_rows(rows, known)
    return _cpu_seconds() - before, loaded, peak_mb(), len(examples)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    folder = Path(sys.argv[1])
    _make_data_set(folder, int(sys.argv[2]) if len(sys.argv) > 2 else _ROWS)
    # In another process, so that the peak is that of reading only.
    program = "import json, sys; from bench.examples import Path, read; print(json.dumps(read(Path(sys.argv[1]))))"
    subprocess.run([sys.executable, "-c", program, folder], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
