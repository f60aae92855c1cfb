"""The published collections: where each comes from, under which licence, and where its files are."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelrank.environment import user_data_path
from babelrank.errors import DataError, unknown_choice

_GITHUB = "https://raw.githubusercontent.com"
# MLQA-R was later removed from the repository's main branch; this commit holds both sets.
_LAREQA = f"{_GITHUB}/google-research-datasets/lareqa/354d67d1cd066854cdfbf5ad0e6105528976141d"
_LAREQA_CANDIDATES = ("sentence", "sentence+context", "paragraph")
DATA_VARIABLE = "BABELRANK_DATA"


@dataclass(frozen=True)
class Source:
    """The source of a published collection.

    Attributes
    ----------
    sha256
        Digest (hex) by path of each file in the collection's folder; empty if it ships with the package.
    url
        Address of the folder with these files; empty if they ship with the package.
    layout
        How the files are read: a key of `loading.LOADERS`.
    candidates
        Kinds of candidate passages; the first is the default.
    """

    name: str
    description: str
    licence: str
    citation: str
    url: str
    sha256: Mapping[str, str]
    layout: str = "lareqa"
    candidates: tuple[str, ...] = _LAREQA_CANDIDATES

    @property
    def ships_with_package(self) -> bool:
        """Whether there is nothing to download."""
        return not self.url


def _read_checksums() -> dict[str, dict[str, str]]:
    """Return the digests by collection and path of each file, from a file in sha256sum's format."""
    sums: dict[str, dict[str, str]] = {}
    for line in Path(__file__).with_name("SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        collection, _, file = path.partition("/")
        sums.setdefault(collection, {})[file] = digest
    return sums


_CHECKSUMS = _read_checksums()
SOURCES = {
    source.name: source
    for source in (
        Source(
            name="xquad-r",
            description="XQuAD-R: 1,190 questions and their answer sentences, parallel in 11 languages",
            licence="CC BY-SA 4.0",
            citation="Roy et al. 2020, LAReQA, arXiv 2004.05484",
            url=f"{_LAREQA}/xquad-r",
            sha256=_CHECKSUMS["xquad-r"],
        ),
        Source(
            name="mlqa-r",
            description="MLQA-R: 1,148 questions, each in 2 to 4 of 7 languages",
            licence="CC BY-NC 4.0",
            citation="Roy et al. 2020, LAReQA, arXiv 2004.05484",
            url=f"{_LAREQA}/mlqa-r",
            sha256=_CHECKSUMS["mlqa-r"],
        ),
        Source(
            name="ntrex",
            description="NTREX-128: headlines and articles of 123 news documents, parallel in 128 languages",
            licence="CC BY-SA 4.0",
            citation="Federmann et al. 2022, SUMEval, https://aclanthology.org/2022.sumeval-1.4",
            url=f"{_GITHUB}/MicrosoftTranslator/NTREX/8561f6a622db9edad1217683e5c83daefd8bb2bf",
            sha256=_CHECKSUMS["ntrex"],
            layout="ntrex",
            candidates=("article", "lead"),
        ),
        Source(
            name="afriqa",
            description="AfriQA test: questions in 9 African languages, human translations, English or French passages",
            licence="CC BY 4.0",
            citation="Ogundepo et al. 2023, arXiv 2305.06897",
            url=f"{_GITHUB}/masakhane-io/afriqa/5c29933753692c28773c34ac1f68482007f1d2bb",
            sha256=_CHECKSUMS["afriqa"],
            layout="afriqa",
            candidates=("passage",),
        ),
        Source(
            name="sample",
            description="28 questions over 70 sentences of general knowledge, parallel in 11 languages",
            licence="Apache-2.0",
            citation="written for babelrank",
            url="",
            sha256={},
        ),
    )
}


def find_sources(names: Sequence[str] | None) -> list[Source]:
    """Return the sources with these names, or all that can be downloaded if no names are given."""
    for name in names or ():
        if name not in SOURCES:
            raise DataError(unknown_choice("collection", name, SOURCES))
    return [SOURCES[name] for name in names] if names else [s for s in SOURCES.values() if not s.ships_with_package]


def source_of(collection: str) -> Source | None:
    """Return the source of a specification; None if it is not in the catalog."""
    return SOURCES.get(re.split("[:@]", collection, maxsplit=1)[0])


def data_folder(data: Path | None = None) -> Path:
    """Return the folder of collections: the one given, ``BABELRANK_DATA``, or the user's data folder."""
    return data or Path(os.environ.get(DATA_VARIABLE) or user_data_path(DATA_VARIABLE))


def is_users_folder(data: Path | None = None) -> bool:
    """Return whether the user chose the folder that `data_folder` returns."""
    return data is not None or bool(os.environ.get(DATA_VARIABLE))


def source_folder(source: Source, data: Path | None = None) -> Path:
    """Return the folder of one collection's files, whether it exists or not."""
    return sample_folder() if source.ships_with_package else data_folder(data) / source.name


def sample_folder() -> Path:
    """Return the folder of the collection that ships with the package."""
    return Path(__file__).with_name("sample")


def local_files(source: Source, folder: Path) -> dict[str, Path]:
    """Return the collection's files that exist in a folder, by their relative paths."""
    names = source.sha256 or [path.name for path in folder.glob("*.json")]
    return {name: folder / name for name in sorted(names) if (folder / name).is_file()}
