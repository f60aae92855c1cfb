"""Measure planning of a schedule over more examples than fit in memory as texts, in a separate process."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from babelrank.training.membership import RowSet
from babelrank.training.schedule import BatchKind, Schedule, ScheduleSettings, Source
from bench.material import ROOT, sized
from bench.memory import peak_mb
from bench.table import Row

_EXAMPLES = sized(40_000_000, 8_000)
_LANGUAGES = ("ar", "de", "el", "en", "es", "fr", "hi", "it", "ja", "ru", "th", "tr", "vi", "zh")
_BATCHES = sized(1_000_000, 100)
_BATCH_SIZE = 100
_KINDS = {BatchKind.MONOLINGUAL: 0.5, BatchKind.CROSS_LINGUAL: 0.5}  # hybrid, with the paper's α
_DRAWN = 200  # batches
_TARGET_SECONDS = 60
_TARGET_MB = 1000


def measure() -> Iterator[Row]:
    """Measure `python -m bench.planning`, which plans and draws."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.planning"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    seconds, loaded, peak, milliseconds = json.loads(done.stdout)
    what = f"a hybrid schedule of {_BATCHES:,} batches over {_EXAMPLES:,} examples in {len(_LANGUAGES)} languages"
    yield Row(
        f"plan {what}, with a quarter of the texts missing",
        f"{seconds:.1f} s",
        "–",
        "–",
        f"< {_TARGET_SECONDS} s",
        seconds < _TARGET_SECONDS,
    )
    yield Row(
        "peak memory of that, in a fresh process (reference: the same before planning)",
        f"{peak:.0f} MB",
        f"{loaded:.0f} MB",
        "–",
        f"< {_TARGET_MB:,} MB",
        peak < _TARGET_MB,
    )
    yield Row(f"draw one batch of {_BATCH_SIZE} from that", f"{milliseconds:.2f} ms", "–", "–", "–")


def _plan_and_draw() -> tuple[float, float, float, float]:
    """Return the seconds of planning, the peak in MB before and after, and the milliseconds of one batch."""
    rng = np.random.default_rng(0)
    source = Source("made-up", _EXAMPLES, _some_texts(rng), _some_texts(rng), 1.0)
    loaded = peak_mb()
    began = time.perf_counter()
    schedule = Schedule([source], ScheduleSettings(_KINDS, _BATCH_SIZE, 0), _BATCHES)
    seconds = time.perf_counter() - began
    drawing = []
    for step in rng.integers(len(schedule), size=_DRAWN).tolist():
        began = time.perf_counter()
        schedule[step]
        drawing.append(time.perf_counter() - began)
    return seconds, loaded, peak_mb(), 1000 * median(drawing)


def _some_texts(rng: np.random.Generator) -> dict[str, RowSet]:
    """Return which examples have a text in which language: each has one with a probability of 3/4."""
    bits = _EXAMPLES // 8
    return {
        lang: RowSet(
            rng.integers(256, size=bits, dtype=np.uint8) | rng.integers(256, size=bits, dtype=np.uint8), _EXAMPLES
        )
        for lang in _LANGUAGES
    }


if __name__ == "__main__":
    print(json.dumps(_plan_and_draw()))
