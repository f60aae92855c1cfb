"""The grammar of specifications, which name collections of all sources.

See `GRAMMAR`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from babelrank.data import afriqa, lareqa, ntrex
from babelrank.data.catalog import SOURCES, Source, local_files, source_folder
from babelrank.data.language_facts import canonical_code, known_code
from babelrank.data.layout import SPLITS, USUAL_SPLIT
from babelrank.data.miracl import LANGUAGES
from babelrank.data.variants import SEPARATOR
from babelrank.errors import DataError, unknown_choice
from babelrank.files import as_path

LAREQA = "lareqa"
BEIR = "beir"
PUBLISHED = "published"
HUB = "hf"
MTEB = "mteb"
IR_DATASETS = "ir_datasets"
# Grammar, description and example of each source.
GRAMMAR = MappingProxyType(
    {
        PUBLISHED: (
            "NAME[:CANDIDATES][:LANG,LANG…][@VARIANT]",
            "published collections and the sample",
            "xquad-r:paragraph:de,en, ntrex:lead, afriqa:ha,yo@human",
        ),
        "miracl": ("miracl:[DIR:]LANG[,LANG…]", "MIRACL, one collection per language", "miracl:sw,te"),
        BEIR: (
            "beir:NAME_OR_DIR[:SPLIT][@LANG]",
            "a folder or Hub data set in BEIR's layout, one language",
            "beir:scifact, beir:germanquad:test@de",
        ),
        HUB: (
            "hf:ORG/NAME_OR_DIR[:SUBSET,SUBSET…][:SPLIT][@LANG]",
            "a folder or Hub data set in MTEB's layout, several languages in one pool",
            "hf:mteb/XQuADRetrieval:de,en:validation",
        ),
        MTEB: (
            "mteb:TASK[:SUBSET,SUBSET…][:SPLIT]",
            "a retrieval task of mteb, all languages in one pool; needs babelrank[mteb]",
            "mteb:BelebeleRetrieval, mteb:MLQARetrieval:deu-deu,deu-eng",
        ),
        IR_DATASETS: (
            "ir_datasets:ID[,ID…][@LANG]",
            "one or more data sets of ir_datasets in one pool; needs babelrank[ir-datasets]",
            "ir_datasets:mmarco/de/dev/small,mmarco/fr/dev/small",
        ),
        "local": (
            "local:DIR[@VARIANT] or local:FILE.csv[@VARIANT]",
            "your own data",
            "local:my-collection, local:faq.csv",
        ),
    }
)
_OLD_NAMES = {"mine": "local"}
# By layout: the function that finds the files of languages among a collection's paths.
_FIND_LANGUAGES: Mapping[str, Callable[[Iterable[str]], dict[str, str]]] = {
    LAREQA: lareqa.find_languages,
    "ntrex": ntrex.find_languages,
    "afriqa": afriqa.find_languages,
}
_SPLIT = re.compile(r"[A-Za-z0-9_-]+")
_PARTS = re.compile(r"(?P<place>.*?)(?::(?P<subsets>[^:/]*))?(?::(?P<split>[A-Za-z0-9_-]+))?")
_VARIANT = re.compile(rf"^(?P<place>.+){SEPARATOR}(?P<variant>[a-z0-9]+(-[a-z0-9]+)*)$")
_LANGUAGE = re.compile(r"@([A-Za-z]+([-_][A-Za-z0-9]{2,8})*)$")


@dataclass(frozen=True)
class Spec:
    """A parsed specification.

    Attributes
    ----------
    source
        Key of `GRAMMAR`; for published collections, the layout.
    place
        Name in the catalog, on the Hub or in mteb, or a folder. Empty for ir_datasets, and for MIRACL without a folder.
    candidates
        Kind of candidates of published collections, see `catalog.Source`.
    languages
        Chosen languages; empty for all.
    split
        Split of the qrels; empty for the default, see `default_split`.
    subsets
        Chosen subsets of MTEB's layout and tasks, empty for all; for ir_datasets, ids.
    variant
        Variant of the queries, see `variants`; empty for the originals.
    """

    source: str
    place: str
    candidates: str = ""
    languages: tuple[str, ...] = ()
    split: str = ""
    subsets: tuple[str, ...] = ()
    variant: str = ""

    def __str__(self) -> str:
        """Return the shortest specification that means the same."""
        if self.source == IR_DATASETS:
            return f"{IR_DATASETS}:{','.join(self.subsets)}" + "".join(f"@{lang}" for lang in self.languages)
        published = SOURCES.get(self.place) if self.source in _FIND_LANGUAGES else None
        parts = [self.place] if published else [self.source, self.place]
        if published and self.candidates != published.candidates[0]:
            parts.append(self.candidates)
        if self.source in (HUB, MTEB):
            named = self.subsets or self.split not in ("", *SPLITS)
            parts += [",".join(self.subsets)] * bool(named) + [self.split] * bool(self.split)
            return ":".join(parts) + "".join(f"@{lang}" for lang in self.languages)
        if self.source == BEIR:
            ambiguous = _ends_in_split(self.place) or _LANGUAGE.search(self.place)
            parts.append(self.split or (default_split(self.place) if ambiguous else ""))
            return ":".join(filter(None, parts)) + "".join(f"@{lang}" for lang in self.languages)
        parts.append(",".join(self.languages))
        return ":".join(filter(None, parts)) + (f"{SEPARATOR}{self.variant}" if self.variant else "")


def default_split(name: str) -> str:
    """Return the split with published figures: ``dev`` of MS MARCO (its ``test`` is TREC DL 2019), else ``test``."""
    return "dev" if Path(name).name == "msmarco" else USUAL_SPLIT


def parse_spec(text: str) -> Spec:
    """Parse the specification of one collection.

    >>> str(parse_spec("mlqa-r:sentence:en,de"))
    'mlqa-r:de,en'

    Raises
    ------
    DataError
        The specification is malformed, has an unknown source, or names several collections. The message says what is
        valid.
    """
    specs = parse_specs([text])
    if len(specs) > 1:
        raise DataError(f"{text!r} names {len(specs)} collections; expected one, such as {specs[0]}.")
    return specs[0]


def parse_specs(texts: Iterable[str]) -> list[Spec]:
    """Parse several specifications. Each language of MIRACL is a separate collection.

    >>> [str(spec) for spec in parse_specs(["miracl:sw,te", "sample:en"])]
    ['miracl:sw', 'miracl:te', 'sample:en']

    Raises
    ------
    DataError
        As for `parse_spec`.
    """
    return [spec for text in texts for spec in _parse(text)]


def source_of_name(name: str) -> str:
    """Return the source of a collection by its name, as `Collection.source` has it.

    >>> [source_of_name(name) for name in ("xquad-r:de,en", "local:own", "mine:own", "anything")]
    ['lareqa', 'local', 'local', 'frames']
    """
    head = re.split(f"[:{SEPARATOR}]", name, maxsplit=1)[0]
    head = _OLD_NAMES.get(head, head)
    return head if head in _PARSERS else SOURCES[head].layout if head in SOURCES else "frames"


def known_languages(source: Source) -> dict[str, str]:
    """Return the languages of a collection, each with its file's path relative to the collection's folder."""
    files = source.sha256 or local_files(source, source_folder(source))
    return _FIND_LANGUAGES[source.layout](files)


def _parse(text: str) -> tuple[Spec, ...]:
    head, _, rest = text.partition(":")
    head = _OLD_NAMES.get(head, head)
    if head.partition(SEPARATOR)[0] in SOURCES:
        return (_parse_published(text),)
    if head not in _PARSERS:
        raise DataError(unknown_choice("collection", head, [*SOURCES, *_PARSERS]))
    if not rest or rest.endswith(":"):
        raise _expected(text, head)
    return _PARSERS[head](text, rest)


def _expected(text: str, source: str) -> DataError:
    grammar, _, example = GRAMMAR[source]
    return DataError(f"{text!r}: expected {grammar}, such as {example}.")


def _parse_published(text: str) -> Spec:
    found = _VARIANT.match(text)
    (name, *parts), variant = (found["place"] if found else text).split(":"), found["variant"] if found else ""
    source = SOURCES[name]
    candidates = parts.pop(0) if parts and parts[0] in source.candidates else source.candidates[0]
    languages = tuple(sorted({canonical_code(code) for code in parts.pop(0).split(",")})) if parts else ()
    if parts:
        raise _expected(text, PUBLISHED)
    known = known_languages(source)
    for lang in languages:
        if lang not in known:
            choices = {*known, *(source.candidates if len(languages) == 1 else ())}
            raise DataError(f"{name}: " + unknown_choice("language", lang, choices))
    return Spec(source.layout, name, candidates, () if set(languages) == set(known) else languages, variant=variant)


def _parse_miracl(text: str, rest: str) -> tuple[Spec, ...]:
    place, _, langs = rest.rpartition(":")
    chosen = sorted(set(langs.split(",")))
    for lang in chosen:
        if lang not in LANGUAGES:
            problem = unknown_choice("language", lang, LANGUAGES)
            raise DataError(f"{text!r}: {problem} Expected {GRAMMAR['miracl'][0]}.")
    return tuple(Spec("miracl", place, languages=(lang,)) for lang in chosen)


def _parse_beir(_text: str, rest: str) -> tuple[Spec, ...]:
    folder, rest = _take_folder(rest)
    rest, languages = _take_language(rest)
    head, _, tail = rest.rpartition(":")
    has_split = (folder or head) and _SPLIT.fullmatch(tail)
    place, split = (folder + head, tail) if has_split else (folder + rest, "")
    return (Spec(BEIR, place, languages=languages, split="" if split == default_split(place) else split),)


def _parse_hub(text: str, rest: str) -> tuple[Spec, ...]:
    folder, rest = _take_folder(rest)
    rest, languages = _take_language(rest)
    return (replace(_parse_subsets(text, HUB, rest, folder), languages=languages),)


def _parse_ir_datasets(text: str, rest: str) -> tuple[Spec, ...]:
    rest, languages = _take_language(rest)
    names = tuple(dict.fromkeys(rest.split(",")))
    if "" in names:
        raise _expected(text, IR_DATASETS)
    return (Spec(IR_DATASETS, "", languages=languages, subsets=names),)


def _parse_mteb(text: str, rest: str) -> tuple[Spec, ...]:
    return (_parse_subsets(text, MTEB, rest),)


def _parse_subsets(text: str, source: str, rest: str, folder: str = "") -> Spec:
    found = _PARTS.fullmatch(rest)
    place, names, split = found.groups("") if found else (rest, "", "")
    place = folder + place
    if not place:
        raise _expected(text, source)
    if names in SPLITS and not split:
        names, split = "", names
    subsets = tuple(dict.fromkeys(filter(None, names.split(","))))
    return Spec(source, place, split="" if split == default_split(place) else split, subsets=subsets)


def _take_folder(text: str) -> tuple[str, str]:
    """Split off the longest beginning that is a folder. Its name may contain a colon or ``@``."""
    ends = (len(text), *(found.start() for found in reversed([*re.finditer("[:@]", text)])))
    end = next((end for end in ends if end and as_path(text[:end]).is_dir()), 0)
    return text[:end], text[end:]


def _take_language(text: str) -> tuple[str, tuple[str, ...]]:
    """Split ``@LANG`` off the end."""
    found = _LANGUAGE.search(text)
    lang = known_code(found[1]) if found else None
    if found and lang:
        return text[: found.start()], (lang,)
    if found:
        raise DataError(f"{text!r}: {found[1]!r} is not a language code such as 'de' or 'zh-Hant'.")
    return text, ()


def _parse_local(_text: str, rest: str) -> tuple[Spec, ...]:
    found = _VARIANT.match(rest)
    if found and not as_path(rest).exists():
        return (Spec("local", found["place"], variant=found["variant"]),)
    return (Spec("local", rest),)


def _ends_in_split(place: str) -> bool:
    head, _, tail = place.rpartition(":")
    return bool(head and _SPLIT.fullmatch(tail))


_PARSERS: Mapping[str, Callable[[str, str], tuple[Spec, ...]]] = {
    "miracl": _parse_miracl,
    BEIR: _parse_beir,
    HUB: _parse_hub,
    MTEB: _parse_mteb,
    IR_DATASETS: _parse_ir_datasets,
    "local": _parse_local,
}
