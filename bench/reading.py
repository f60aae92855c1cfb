"""Measure reading representations back from the store, against reading one plain array."""

from collections.abc import Iterator
from itertools import starmap

import numpy as np

from babelrank.encoding.protocol import Role
from babelrank.encoding.store import StoreEntry
from bench.material import MadeUpEncoder, filled_store, sized
from bench.table import Row
from bench.timing import best_seconds

_ROUNDS = sized(15, 1)
_TARGET_SPEED = 1.0  # GB/s
_TARGET_RATIO = 0.7


def measure() -> Iterator[Row]:
    """Compare `StoreEntry.read`, which verifies checksums and indexes texts, with `numpy.load`."""
    info = MadeUpEncoder().info
    with filled_store() as store:
        entries = [StoreEntry(store, info, role) for role in Role]
        arrays = {store / f"{role}.npy": np.asarray(entry.read()[1]) for role, entry in zip(Role, entries, strict=True)}
        gigabytes = sum(vectors.nbytes for vectors in arrays.values()) / 1e9
        list(starmap(np.save, arrays.items()))
        seconds = best_seconds(
            {
                "ours": lambda: [entry.read() for entry in entries],
                "reference": lambda: [np.load(path) for path in arrays],
            },
            rounds=_ROUNDS,
        )
    ours, reference = gigabytes / seconds["ours"], gigabytes / seconds["reference"]
    yield Row(
        f"read {gigabytes * 1000:.0f} MB of stored representations, checksums verified, against `numpy.load` "
        "(page cache warm)",
        f"{ours:.1f} GB/s",
        f"{reference:.1f} GB/s",
        f"{ours / reference:.2f}",
        f"≥ {_TARGET_SPEED:.0f} GB/s or ≥ {_TARGET_RATIO}",
        ours >= _TARGET_SPEED or ours / reference >= _TARGET_RATIO,
    )
