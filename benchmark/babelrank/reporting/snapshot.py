"""Tell in a fraction of a second that all pages are up to date.

A snapshot has the digest of all that pages are made of (reports, experiments, the code), and of the pages. If it is the
same as after the last refresh, nothing has to be made again. This module imports nothing that computes.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from babelrank.files import PART_SUFFIX, atomic_write
from babelrank.reporting.cache import code_digest, digest

_FILE_NAME = ".snapshot"  # in the folder of reports; ignored by git
_PAGES = frozenset((".md", ".html", ".svg"))  # made from the other files


@dataclass(frozen=True)
class Snapshot:
    """Digests of files and of their paths.

    Attributes
    ----------
    inputs
        Of all that pages are made of, and of the options.
    pages
        Of the pages and figures.
    """

    inputs: str
    pages: str

    def is_remembered(self, reports: Path) -> bool:
        """Tell whether pages and inputs are those of the last call of `remember`."""
        try:
            return (reports / _FILE_NAME).read_text(encoding="utf-8") == self._content
        except (OSError, ValueError):
            return False

    def remember(self, reports: Path) -> None:
        """Note that these pages follow from these inputs."""
        with suppress(OSError):  # a folder that cannot be written is read in full each time
            atomic_write(reports / _FILE_NAME, self._content, flush=False)

    @property
    def _content(self) -> str:
        return f"{self.inputs}\n{self.pages}\n"


def take_snapshot(reports: Path, experiments: Path, boards: Iterable[Path], margin: float) -> Snapshot:
    """Read all files of reports and experiments.

    Parameters
    ----------
    experiments
        Folder of experiments; their checkpoints are left out.
    boards
        Pages outside the folder of reports.
    margin
        See `refresh_pages`.
    """
    inside = [path for path in reports.rglob("*") if not _is_auxiliary(path.relative_to(reports))]
    pages = [path for path in inside if path.suffix in _PAGES]
    inputs = [path for path in inside if path.suffix not in _PAGES]
    inputs += [path for pattern in ("*.toml", "*/*.toml") for path in experiments.glob(pattern)]
    return Snapshot(
        digest(f"{code_digest()}\n{margin}\n{_listing(inputs, reports.parent)}"),
        digest(_listing([*pages, *boards], reports.parent)),
    )


def _is_auxiliary(path: Path) -> bool:
    """Tell whether a path in the folder of reports is a lock, a cache or a temporary file."""
    return path.suffix == PART_SUFFIX or any(part.startswith(".") for part in path.parts)


def _listing(paths: Iterable[Path], root: Path) -> str:
    """Return the digest of each file by its path; a file that is missing or cannot be read has none."""
    lines = []
    for path in sorted(paths):
        try:
            lines.append(f"{path.relative_to(root)} {digest(path.read_bytes())}")
        except OSError:
            lines.append(f"{path.relative_to(root)}")
    return "\n".join(lines)
