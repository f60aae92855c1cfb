"""The published collections in LAReQA's layout: where each comes from, under which licence, and where its files are."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from babelrank.errors import DataError, unknown_choice

# MLQA-R was later removed from the repository's main branch; this commit holds both sets.
_LAREQA = "https://raw.githubusercontent.com/google-research-datasets/lareqa/354d67d1cd066854cdfbf5ad0e6105528976141d"
DATA_VARIABLE = "BABELRANK_DATA"
DEFAULT_CANDIDATES = "sentence"


@dataclass(frozen=True)
class Source:
    """Where a collection comes from.

    Attributes
    ----------
    sha256
        Language -> digest (hex) of its file; empty for what ships with the package.
    url
        Folder that holds ``<language>.json``; empty for what ships with the package.
    """

    name: str
    description: str
    licence: str
    citation: str
    url: str
    sha256: Mapping[str, str]

    @property
    def ships_with_package(self) -> bool:
        """Whether there is nothing to download."""
        return not self.url


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="xquad-r",
            description="XQuAD-R: 1,190 questions and their answer sentences, parallel in 11 languages",
            licence="CC BY-SA 4.0",
            citation="Roy et al. 2020, LAReQA, arXiv 2004.05484",
            url=f"{_LAREQA}/xquad-r",
            sha256={
                "ar": "c52922d3b8ac1ae03ed5ac38647ad59870dca3dda2beefe18ecdc30729acb69d",
                "de": "16fb0f4bf4916154b585a20c24c66074591c9718a1affe764ff4697572328949",
                "el": "163fd43ee785a30eb534ae2061e9eaa766a7ee4e8ffce5e4b422480c150f64b6",
                "en": "7b0954f39297c27a31fef610f0883337dd2907fa8699151dc922afdd0fa12ffe",
                "es": "f8e836b2d91009c4363e04315f7ede363eedbbb49c67dda60de6c4aa782f58de",
                "hi": "ea45ba8ae4513d1533b222bebdc02a90bc319c055d3aeea68584a053d2e92872",
                "ru": "7f4dff853538b9a5fcc28c070b8bb983a5c5d190ac747b8e005a1ada9cab18f1",
                "th": "c3a041864c3a9fb0b4dd91cfdf99cf36b411b3e704c58a303c97bc6dc786cfe4",
                "tr": "f3e8c13002bbce154a4578f535f7533cb70f3da08840e6b62735935baec7bd94",
                "vi": "e35926bf5cc6fc6ecbdfca49467aabeb454f08d152d7818143a906bd31dde995",
                "zh": "80c2cde7b9c2fb134c303cbb52f2ba396ead9eb0014aec43993543d2ba9e93ed",
            },
        ),
        Source(
            name="mlqa-r",
            description="MLQA-R: 1,148 questions, each in 2 to 4 of 7 languages",
            licence="CC BY-NC 4.0",
            citation="Roy et al. 2020, LAReQA, arXiv 2004.05484",
            url=f"{_LAREQA}/mlqa-r",
            sha256={
                "ar": "2132fbc03208535c0fe01f2e2c5121d06f9c2aa799af93b0a719dbc105bdf137",
                "de": "ce9454dc5aa6f2d85c23cd6e49cb367fbb7c4c6e62d7f71e355c6b5dae4d0886",
                "en": "fedd9a5cc0848dda80caf84aa36f482adaae230526a3f6e9e86926a93ef3b1e4",
                "es": "70ecba276b8c96a692b120693a595d076ce94ad21d4b28311538a9fcbfe0f9d7",
                "hi": "4dd0fb3c06f737a5481d705bc1dcac7876712a5815c9265908fbb3a0696cb654",
                "vi": "9d3baff6ba03e6793b25594217265ea59a136b9733833dca8a9582a84a78ff85",
                "zh": "57f01d2fff50cf3392805635b01445339f225ad5bf28ba8443b12f8dbd1e69dc",
            },
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
    """Return the sources of that name, or all that can be downloaded if none is named."""
    for name in names or ():
        if name not in SOURCES:
            raise DataError(unknown_choice("collection", name, SOURCES))
    return [SOURCES[name] for name in names] if names else [s for s in SOURCES.values() if not s.ships_with_package]


def source_of(collection: str) -> Source | None:
    """Return where a collection of this specification comes from; None if it is not in the catalog."""
    return SOURCES.get(collection.split(":")[0])


def data_folder(data: Path | None = None) -> Path:
    """Return the folder that holds the collections: the one given, ``BABELRANK_DATA``, or the user's data folder."""
    return data or Path(os.environ.get(DATA_VARIABLE) or user_data_path("babelrank"))


def is_users_folder(data: Path | None = None) -> bool:
    """Tell whether the user named the folder that `data_folder` returns."""
    return data is not None or bool(os.environ.get(DATA_VARIABLE))


def source_folder(source: Source, data: Path | None = None) -> Path:
    """Return the folder that holds (or would hold) one collection's files."""
    return sample_folder() if source.ships_with_package else data_folder(data) / source.name


def sample_folder() -> Path:
    """Return the folder of the collection that ships with the package."""
    return Path(__file__).with_name("sample")


def known_languages(source: Source) -> set[str]:
    """Return the languages that a collection has."""
    return set(local_files(source, sample_folder()) if source.ships_with_package else source.sha256)


def local_files(source: Source, folder: Path) -> dict[str, Path]:
    """Return those of a collection's files that are in a folder, by language."""
    names = source.sha256 or [path.stem for path in folder.glob("*.json")]
    return {lang: folder / f"{lang}.json" for lang in sorted(names) if (folder / f"{lang}.json").is_file()}
