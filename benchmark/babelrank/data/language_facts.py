"""What is known of languages: script, family, genus, resources, and how far apart two of them are.

In: language codes. Out: sourced facts, None where the source does not say. Sources and licences stand at the head of
``language_facts.csv`` and ``language_distances.csv``; scripts are CLDR's, through langcodes.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from langcodes import Language, LanguageTagError, standardize_tag

from babelrank.errors import DataError, unknown_choice

UNKNOWN_LANGUAGE = "und"  # as BCP 47 has it
DISTANCE_KINDS = ("genetic", "geographic", "syntactic", "phonological", "inventory", "featural")


@dataclass(frozen=True)
class LanguageFacts:
    """Facts about one language; None where they are not known.

    Attributes
    ----------
    code
        As it was asked for.
    script
        ISO 15924 code of the likely script: ``Latn``.
    family
        Top node of its lineage in Glottolog: ``Indo-European``.
    genus
        Group of clearly related languages, after WALS (Dryer 1989): ``Germanic``.
    resource_class
        0 (least labelled and unlabelled text) to 5, after Joshi et al. 2020, arXiv 2004.09095.
    coordinates
        Latitude and longitude in degrees, after Glottolog.
    """

    code: str
    script: str | None = None
    family: str | None = None
    genus: str | None = None
    resource_class: int | None = None
    coordinates: tuple[float, float] | None = None


def parse_languages(text: str) -> list[str]:
    """Read language codes separated by commas; each once, in its canonical form, sorted.

    Raises
    ------
    DataError
        One is no language code, or there is none.
    """
    codes = sorted({code.strip() for code in text.split(",")} - {""})
    wrong = [code for code in codes if _read_tag(code) is None]
    if wrong or not codes:
        raise DataError(f"{text!r}: expected ISO 639-1 codes separated by commas, such as en,de.")
    return sorted({canonical_code(code) for code in codes})


def canonical_code(code: str) -> str:
    """Return a code as BCP 47 spells it, so that codes can be compared; what is no code stays as it is.

    >>> [canonical_code(code) for code in ("EN", "eng-Latn", "iw", "cmn", "zh_TW", "zh-Hant")]
    ['en', 'en', 'he', 'zh', 'zh-TW', 'zh-Hant']
    """
    return _standardise(code) or code


def read_language(value: object) -> str:
    """Return a language code of a file as BCP 47 spells it, see `canonical_code`.

    Raises
    ------
    ValueError
        It is not shaped like one.
    """
    code = _standardise(value) if isinstance(value, str) and value.isascii() else None
    if code is None or not code.partition("-")[0].isalpha():
        raise ValueError(f"{value!r} is no language code such as 'de' or 'zh-Hant'")
    return code


class Spellings(dict[str, str]):
    """Canonical language codes by how files spell them; filled on reading."""

    def read(self, code: object) -> str:
        """Return a code as `read_language` does, and keep how it was spelled."""
        known = self.get(code) if isinstance(code, str) else None
        if known is None:
            known = read_language(code)
            self[str(code)] = known
        return known

    def notes(self) -> Iterator[str]:
        """Say which spellings were taken for one language, which codes look like one, and which are of no language."""
        for lang in sorted(set(self.values())):
            if not Language.get(lang).is_valid():
                yield f"{lang} is the code of no known language; check how it is spelled"
            spelled = sorted(code for code, known in self.items() if known == lang)
            if spelled != [lang]:
                yield f"the language code {' or '.join(spelled)} is read as {lang}"
        regions: dict[str, list[str]] = {}
        for lang in sorted(set(self.values()) - {UNKNOWN_LANGUAGE}):
            likely = Language.get(lang).maximize()
            regions.setdefault(f"{likely.language}-{likely.script}", []).append(lang)
        for langs in regions.values():
            if len(langs) > 1:
                yield f"{' and '.join(langs)} are taken for {len(langs)} languages; if they are one, give it one code"


def covers(seen: Iterable[str], code: str) -> bool:
    """Tell whether languages that were seen in training hold another: itself, or without a script or region.

    >>> covers(["zh", "en"], "zh-Hant"), covers(["zh-Hans"], "zh"), covers(["zh-Hans"], "zh-Hant")
    (True, True, False)
    """
    code = canonical_code(code)
    return any(code == each or code.startswith(f"{each}-") or alike([code, each]) for each in map(canonical_code, seen))


def alike(codes: Sequence[str]) -> bool:
    """Tell whether codes are of one language in one script and region, as far as CLDR knows: ``en`` and ``en-US``."""
    tags = [_read_tag(code) for code in codes]
    return None not in tags and len({str(tag.maximize()) for tag in tags if tag}) == 1


def language_facts(code: str) -> LanguageFacts:
    """Return what is known of a language.

    Parameters
    ----------
    code
        ISO 639-1, or a longer tag such as ``zh-TW``, which may have another script than ``zh``.
    """
    tag = _read_tag(code)
    if tag is None:
        return LanguageFacts(code)
    row = _facts().get(tag.language, {})
    likely = tag.maximize()
    # For languages that CLDR does not list, langcodes falls back to Latn-US.
    listed = bool(row) or likely.territory != "US"
    return LanguageFacts(
        code,
        script=tag.script or (likely.script if listed else None),
        family=row.get("family") or None,
        genus=row.get("genus") or None,
        resource_class=int(row["resource_class"]) if row.get("resource_class") else None,
        coordinates=(float(row["latitude"]), float(row["longitude"])) if row.get("latitude") else None,
    )


def typological_distance(a: str, b: str, kind: str) -> float | None:
    """Return how far apart two languages are, from 0 (alike) to 1, after URIEL; None if it is not known.

    Parameters
    ----------
    a, b
        Language codes, in either order.
    kind
        One of `DISTANCE_KINDS`. The geographic distance is the great-circle distance as a share of half the
        circumference of the Earth; the others are angular distances between feature vectors (Littell et al. 2017,
        https://aclanthology.org/E17-2002; Khan et al. 2024, arXiv 2409.19472).

    Raises
    ------
    DataError
        There is no such kind.
    """
    if kind not in DISTANCE_KINDS:
        raise DataError(unknown_choice("kind of distance", kind, DISTANCE_KINDS))
    first, second = sorted(tag.language if (tag := _read_tag(code)) else "" for code in (a, b))
    if first == second:
        return 0.0 if first in _facts() else None
    return _distances().get((first, second), {}).get(kind)


@cache
def _standardise(code: str) -> str | None:
    try:
        return str(standardize_tag(code, macro=True))
    except LanguageTagError:
        return None


@cache
def _read_tag(code: str) -> Language | None:
    try:
        tag = Language.get(code)
    except LanguageTagError:
        return None
    return tag if tag.language and tag.is_valid() else None


@cache
def _facts() -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in _read_table("language_facts.csv")}


@cache
def _distances() -> dict[tuple[str, str], dict[str, float]]:
    return {
        (row["a"], row["b"]): {kind: float(row[kind]) for kind in DISTANCE_KINDS if row[kind]}
        for row in _read_table("language_distances.csv")
    }


def _read_table(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows below the comments."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return csv.DictReader(line for line in lines if not line.startswith("#"))
