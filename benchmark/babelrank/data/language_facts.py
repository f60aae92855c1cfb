"""Facts about languages: script, family, genus and resources, and distances between languages.

In: language codes. Out: sourced facts, None if unknown. Sources and licences are listed at the head of
``language_facts.csv`` and ``language_distances.csv``. Scripts come from CLDR, by langcodes.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from langcodes import Language, LanguageTagError, standardize_tag

from babelrank.errors import DataError, unknown_choice

UNKNOWN_LANGUAGE = "und"  # BCP 47's code for an undetermined language
DISTANCE_KINDS = ("genetic", "geographic", "syntactic", "phonological", "inventory", "featural")


@dataclass(frozen=True)
class LanguageFacts:
    """Facts about one language; None if unknown.

    Attributes
    ----------
    code
        Code as given.
    script
        ISO 15924 code of the likely script, such as ``Latn``.
    family
        Top-level family in Glottolog, such as ``Indo-European``.
    genus
        Group of clearly related languages, after WALS (Dryer 1989), such as ``Germanic``.
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
    """Parse language codes separated by commas; return distinct canonical codes, sorted.

    Raises
    ------
    DataError
        A code is invalid, or there is none.
    """
    codes = sorted({code.strip() for code in text.split(",")} - {""})
    wrong = [code for code in codes if _read_tag(code) is None]
    if wrong or not codes:
        raise DataError(f"{text!r}: expected ISO 639-1 codes separated by commas, such as en,de.")
    return sorted({canonical_code(code) for code in codes})


def canonical_code(code: str) -> str:
    """Return a code in canonical BCP 47 form, so codes can be compared. Invalid codes are returned unchanged.

    >>> [canonical_code(code) for code in ("EN", "eng-Latn", "iw", "cmn", "zh_TW", "zh-Hant")]
    ['en', 'en', 'he', 'zh', 'zh-TW', 'zh-Hant']
    """
    return _standardise(code) or code


def read_language(value: object) -> str:
    """Return a language code of a file in canonical BCP 47 form, see `canonical_code`.

    Raises
    ------
    ValueError
        The value does not have the form of a language code.
    """
    code = _standardise(value) if isinstance(value, str) and value.isascii() else None
    if code is None or not code.partition("-")[0].isalpha():
        raise ValueError(f"{value!r} is not a language code such as 'de' or 'zh-Hant'")
    return code


def known_code(code: str) -> str | None:
    """Return a code in canonical form, None if there is no such language.

    >>> known_code("ger"), known_code("German")
    ('de', None)
    """
    return _standardise(code) if _read_tag(code) else None


class Spellings(dict[str, str]):
    """Canonical language codes by their spelling in files; filled while reading."""

    def read(self, code: object) -> str:
        """Return a code as `read_language` does, and record its spelling."""
        known = self.get(code) if isinstance(code, str) else None
        if known is None:
            known = read_language(code)
            self[str(code)] = known
        return known

    def notes(self) -> Iterator[str]:
        """Yield notes on merged spellings, on codes that may be the same language, and on unknown codes."""
        for lang in sorted(set(self.values())):
            if not Language.get(lang).is_valid():
                yield f"{lang} is not a known language code; check its spelling"
            spelled = sorted(code for code, known in self.items() if known == lang)
            if spelled != [lang]:
                yield f"the language code {' or '.join(spelled)} is read as {lang}"
        regions: dict[str, list[str]] = {}
        for lang in sorted(set(self.values()) - {UNKNOWN_LANGUAGE}):
            likely = _maximize(lang)
            regions.setdefault(f"{likely.language}-{likely.script}", []).append(lang)
        for langs in regions.values():
            if len(langs) > 1:
                yield f"{' and '.join(langs)} are read as {len(langs)} languages; if they are the same, use one code"


def covers(seen: Iterable[str], code: str) -> bool:
    """Return whether the languages seen in training cover another, exactly or without a script or region.

    >>> covers(["zh", "en"], "zh-Hant"), covers(["zh-Hans"], "zh"), covers(["zh-Hans"], "zh-Hant")
    (True, True, False)
    """
    code = canonical_code(code)
    return any(code == each or code.startswith(f"{each}-") or alike([code, each]) for each in map(canonical_code, seen))


def alike(codes: Sequence[str]) -> bool:
    """Return whether codes are likely the same language, script and region by CLDR, such as ``en`` and ``en-US``."""
    tags = [_read_tag(code) for code in codes]
    return None not in tags and len({str(_maximize(str(tag))) for tag in tags if tag}) == 1


def language_facts(code: str) -> LanguageFacts:
    """Return the facts about a language.

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
    """Return the distance between two languages, from 0 (alike) to 1, after URIEL; None if unknown.

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
        The kind is unknown.
    """
    if kind not in DISTANCE_KINDS:
        raise DataError(unknown_choice("kind of distance", kind, DISTANCE_KINDS))
    first, second = sorted(tag.language if (tag := _read_tag(code)) else "" for code in (a, b))
    if first == second:
        return 0.0 if first in _facts() else None
    return _distances().get((first, second), {}).get(kind)


def _maximize(code: str) -> Language:
    """Return a code with its likely script and region. Norwegian is usually Bokmål, which langcodes keeps apart."""
    return Language.get(re.sub("^no(?=-|$)", "nb", code)).maximize()


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
