"""Measure the peak memory of ranking XQuAD-R from a store, in a separate process."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import babelrank
from bench.material import DIMENSION, ROOT, MadeUpEncoder, filled_store, xquad
from bench.table import Row

_TARGET_MB = 1000


def measure() -> Iterator[Row]:
    """Measure `python -m bench.memory`, which reads, ranks and analyses."""
    with filled_store() as store:
        command = [sys.executable, "-m", "bench.memory", str(store)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    loaded, peak = json.loads(done.stdout)
    yield Row(
        f"peak memory of ranking XQuAD-R from stored vectors of {DIMENSION}, in a fresh process "
        "(reference: the same before ranking)",
        f"{peak:.0f} MB",
        f"{loaded:.0f} MB",
        "–",
        f"< {_TARGET_MB:,} MB",
        peak < _TARGET_MB,
    )


def _rank_stored(store: Path) -> tuple[float, float]:
    """Return the peak in MB after reading the representations, and at the end."""
    collection = xquad()
    representations = babelrank.encode(MadeUpEncoder(), collection, store=store)
    if any(representations.texts_encoded.values()):
        raise RuntimeError(f"{store}: not all representations are there.")
    loaded = peak_mb()
    babelrank.analyse(babelrank.rank(collection, representations).ranks)
    return loaded, peak_mb()


def peak_mb() -> float:
    """Return the peak of this process's resident memory in MB (10⁶ bytes)."""
    # Use the kernel's high-water mark if available: on Linux, `ru_maxrss` includes the parent's memory at the fork.
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(_rank_stored(Path(sys.argv[1]))))
