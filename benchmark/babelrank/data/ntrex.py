"""Read NTREX-128: a collection in English and 127 further languages and variants.

In: the publisher's folder. ``DOCUMENT_IDS.tsv`` names the document of each line, ``LANGUAGES.tsv`` the language codes,
``NTREX-128/newstest2019-src.eng.txt`` holds the English lines and ``newstest2019-ref.CODE.txt`` their translations.
Source: Federmann, Kocmi & Xin 2022, https://aclanthology.org/2022.sumeval-1.4.

Query: a document's first line, the headline. Passage: all other lines (``article``) or the next three (``lead``),
joined by line breaks.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from langcodes import Language
from scipy.sparse import coo_array

from babelrank.data.collection import Collection
from babelrank.data.language_facts import canonical_code, read_language
from babelrank.data.lareqa import judge_translations
from babelrank.data.pool import MemoryPassages
from babelrank.data.published import check_digest, combine_digests, read_bytes, split_lines
from babelrank.errors import DataError, unknown_choice

DOCUMENTS = "DOCUMENT_IDS.tsv"
LANGUAGES = "LANGUAGES.tsv"
CANDIDATES: dict[str, int | None] = {"article": None, "lead": 3}  # how many lines after the headline
SIMILAR = 0.7  # Jaccard index of the character trigrams of two headlines
_FOLDER = "NTREX-128/newstest2019-"
_ENGLISH = "eng"
_FILE = re.compile(rf"{_FOLDER}(?:ref|src)\.(?P<code>[^.]+)\.txt")
# Languages in another script than CLDR's usual one, or without one in CLDR.
_SCRIPTS = {"shi": "shi-Arab", "mey": "mey-Arab"}
_SHOWN = 3  # examples in a note


@dataclass(frozen=True)
class Document:
    """The lines of one document: from `start` to before `end`, counted from 0."""

    name: str
    start: int
    end: int


def find_languages(names: Iterable[str]) -> dict[str, str]:
    """Return the file of each language, by canonical code. Other files are ignored.

    A code has a script or region if it is not the usual one, or if variants of a language differ in it.

    >>> list(find_languages(f"NTREX-128/newstest2019-ref.{code}.txt" for code in ("zho-CN", "zho-TW", "tgk-Cyrl")))
    ['zh-Hans', 'zh-Hant', 'tg']
    """
    files = {found["code"]: name for name in names if (found := _FILE.fullmatch(name))}
    codes = canonical_codes(files)
    return {codes[code]: name for code, name in files.items()}


def canonical_codes(codes: Iterable[str]) -> dict[str, str]:
    """Return the publisher's codes in canonical form; see `find_languages`.

    Raises
    ------
    DataError
        Two codes are of the same language.
    """
    tags = {code: Language.get(canonical_code(_SCRIPTS.get(code, code))) for code in codes}
    variants: dict[str, list[str]] = {}
    for code, tag in tags.items():
        variants.setdefault(str(tag.language), []).append(code)
    found = {code: _shorten(tag, [tags[each] for each in variants[str(tag.language)]]) for code, tag in tags.items()}
    for lang in sorted(set(found.values())):
        same = [code for code in found if found[code] == lang]
        if len(same) > 1:
            raise DataError(f"{' and '.join(same)} are codes of the same language, {lang}.")
    return found


def _shorten(tag: Language, variants: Sequence[Language]) -> str:
    likely = tag.maximize()
    usual = Language.get(str(tag.language)).maximize()
    if len(variants) == 1 and likely.script == usual.script and tag.territory in (None, usual.territory):
        return str(tag.language)
    scripts = {variant.maximize().script for variant in variants}
    return f"{tag.language}-{likely.script}" if len(scripts) == len(variants) > 1 else str(tag)


def load_ntrex(
    name: str,
    folder: Path,
    *,
    candidates: str = "article",
    languages: Sequence[str] = (),
    sha256: Mapping[str, str] | None = None,
) -> Collection:
    """Read NTREX-128, or some of its languages.

    Parameters
    ----------
    name
        Name of the collection in errors and results.
    folder
        Folder in the publisher's layout.
    candidates
        A key of `CANDIDATES`.
    languages
        Restrict queries and pool to these, by canonical code; all by default.
    sha256
        Pinned digest (hex) by path of each file in the folder. Without it, any files in the layout are read.

    Returns
    -------
    Collection
        The id of a query, and the question that translations share, is the document's id. Ids of passages begin with
        the language and the number of the document.

    Raises
    ------
    DataError
        A file is missing, damaged or differs from the published one, has another number of lines than
        ``DOCUMENT_IDS.tsv``, a language code is unknown or repeated, or a document's lines are not contiguous.
    """
    files = _find_files(folder, sha256)
    for lang in languages:
        if lang not in files:
            raise DataError(f"{name}: " + unknown_choice("language", lang, files))
    chosen = tuple(sorted(set(languages or files)))
    digests: dict[str, str] = {}

    def read(file: str) -> list[str]:
        raw = read_bytes(folder / file)
        lines = split_lines(raw, folder / file)
        digests[file] = check_digest(raw, folder / file, (sha256 or {}).get(file))
        return lines

    documents = list(_read_documents(read(DOCUMENTS), folder / DOCUMENTS))
    texts = {lang: _check_lines(read(files[lang]), documents, folder / files[lang]) for lang in chosen}
    queries, passages, answers = _build(texts, documents, CANDIDATES[candidates])
    pool = MemoryPassages(pd.DataFrame(passages, columns=["lang", "id", "text"]), chosen)
    return Collection(
        name=name,
        languages=chosen,
        queries=pd.DataFrame(queries, columns=["lang", "id", "question", "text"]),
        qrels=judge_translations(pool, answers),
        passages=pool,
        candidates=candidates,
        source="ntrex",
        sha256=combine_digests(iter(sorted(digests.items()))),
        notes=(*_notes(texts, documents, len(queries)), *_left_out(folder)),
    )


def _find_files(folder: Path, sha256: Mapping[str, str] | None) -> dict[str, str]:
    """Return the file of each language, by canonical code."""
    listed = _read_codes(folder)
    names = sha256 or [path.relative_to(folder).as_posix() for path in folder.glob("NTREX-128/*.txt")]
    found: dict[str, str] = {}
    for name in sorted(names):
        match = _FILE.fullmatch(name)
        if match and found.setdefault(match["code"], name) != name:
            raise DataError(f"{folder}: {found[match['code']]} and {name} are of the same language.")
    unknown = sorted(found.keys() - listed)
    if unknown:
        raise DataError(f"{folder / found[unknown[0]]}: {unknown[0]!r} is not a language code in {LANGUAGES}.")
    # The publisher lists two languages without files. In other lists, each language must have a file.
    missing = sorted({name for name in names if not (folder / name).is_file()})
    if sha256 is None:
        missing = [f"{_FOLDER}ref.{code}.txt" for code in sorted(listed - found.keys())]
    if missing:
        raise DataError(
            f"{folder}: {missing[0]} is missing" + (f", and {len(missing) - 1} more files." if missing[1:] else ".")
        )
    return find_languages(found.values())


def _read_codes(folder: Path) -> set[str]:
    """Return the publisher's language codes: the first word of each line, and English."""
    path = folder / LANGUAGES
    first: dict[str, int] = {}
    for number, line in enumerate(split_lines(read_bytes(path), path), start=1):
        code = line.split()[0] if line.strip() else ""
        if not code:
            raise DataError(f"{path}:{number}: an empty line.")
        try:
            valid = Language.get(read_language(code).partition("-")[0]).is_valid()
        except ValueError:
            valid = False
        if not valid:
            raise DataError(f"{path}:{number}: {code!r} is not a language code.")
        if first.setdefault(code, number) != number:
            raise DataError(
                f"{path}:{number}: the language code {code!r} is repeated; it first occurs on line {first[code]}."
            )
    codes = dict.fromkeys((_ENGLISH, *first))  # the publisher does not list English
    canonical_codes(codes)
    return set(codes)


def _read_documents(lines: Sequence[str], path: Path) -> Iterator[Document]:
    """Yield the documents in order, each with its lines."""
    ends: dict[str, int] = {}
    position = 0
    for name, group in groupby(lines):
        start, position = position, position + len(list(group))
        if not name.strip():
            raise DataError(f"{path}:{start + 1}: no document id.")
        if name in ends:
            raise DataError(
                f"{path}:{start + 1}: document {name!r} continues after line {ends[name]}; the lines of a "
                "document must be together."
            )
        if position - start < 2:
            raise DataError(f"{path}:{start + 1}: document {name!r} has only one line, a headline without an article.")
        ends[name] = position
        yield Document(name, start, position)


def _check_lines(lines: list[str], documents: Sequence[Document], path: Path) -> list[str]:
    expected = documents[-1].end
    if len(lines) != expected:
        raise DataError(
            f"{path}: has {len(lines):,} lines, {DOCUMENTS} has {expected:,}; files must be parallel by line."
        )
    return [line.strip() for line in lines]


def _build(
    texts: Mapping[str, Sequence[str]], documents: Sequence[Document], size: int | None
) -> tuple[list[tuple[str, str, str, str]], list[tuple[str, str, str]], list[tuple[str, int]]]:
    """Return queries, passages, and the document and passage of each query. Empty parts are left out."""
    queries: list[tuple[str, str, str, str]] = []
    passages: list[tuple[str, str, str]] = []
    answers: list[tuple[str, int]] = []
    for lang, lines in texts.items():
        for number, document in enumerate(documents):
            end = document.end if size is None else min(document.start + 1 + size, document.end)
            headline, text = lines[document.start], "\n".join(filter(None, lines[document.start + 1 : end]))
            if headline and text:
                queries.append((lang, document.name, document.name, headline))
                answers.append((document.name, len(passages)))
                passages.append((lang, f"{lang}/{number}/0/0", text))
    return queries, passages, answers


def _notes(texts: Mapping[str, Sequence[str]], documents: Sequence[Document], queries: int) -> Iterator[str]:
    """Yield notes on what limits the results, and what looks wrong in the files."""
    yield (
        f"each language has only {len(documents)} questions, one per document, so intervals are wide and small "
        "differences between languages cannot be detected"
    )
    close = [langs for langs in find_variants(list(texts)) if len(langs) > 1]
    if close:
        yield f"variants of a language count as separate languages: {'; '.join(map(', '.join, close))}"
    empty = {lang: lines.count("") for lang, lines in texts.items() if "" in lines}
    if empty:
        shown = ", ".join(f"{lang} {count}" for lang, count in list(empty.items())[:_SHOWN])
        yield f"{sum(empty.values()):,} lines are empty ({shown}) and were left out of their passages"
    left_out = len(texts) * len(documents) - queries
    if left_out:
        yield f"{left_out:,} documents have an empty headline or article in some language and were left out there"
    similar = find_similar(texts, documents)
    for (one, other), langs in list(similar.items())[:_SHOWN]:
        shown = ", ".join(langs[:_SHOWN]) + ("…" if langs[_SHOWN:] else "")
        yield f"the headlines of {one} and {other} are nearly the same in {shown} ({len(langs)} in total)"
    if len(similar) > _SHOWN:
        yield f"nearly the same headline in some language: {len(similar) - _SHOWN:,} more pairs of documents"


def _left_out(folder: Path) -> Iterator[str]:
    """Name files that are no first translation, such as the second one into Spanish, ``ref-2.spa``."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("NTREX-128/*.txt"))
    others = [name for name in names if not _FILE.fullmatch(name)]
    if others:
        yield f"ignored: {', '.join(others)}; each language has one translation, ref.CODE.txt"


def find_variants(languages: Sequence[str]) -> list[list[str]]:
    """Group codes by language, such as ``en`` and ``en-GB``.

    >>> find_variants(["de", "en", "en-GB"])
    [['de'], ['en', 'en-GB']]
    """
    groups: dict[str, list[str]] = {}
    for lang in languages:
        groups.setdefault(lang.partition("-")[0], []).append(lang)
    return list(groups.values())


def find_similar(texts: Mapping[str, Sequence[str]], documents: Sequence[Document]) -> dict[tuple[str, str], list[str]]:
    """Return pairs of documents with the same or nearly the same headline, and the languages in which that is so.

    Two headlines are nearly the same if the Jaccard index of their character trigrams is at least `SIMILAR`; case and
    punctuation do not count.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for lang, lines in texts.items():
        grams = [_trigrams(lines[document.start]) for document in documents]
        sizes = np.array([len(each) for each in grams])
        columns = np.unique(np.concatenate(grams), return_inverse=True)[1]
        rows = np.repeat(np.arange(len(grams)), sizes)
        held = coo_array((np.ones(len(rows)), (rows, columns))).tocsr()
        common = (held @ held.T).toarray()
        for a, b in np.argwhere(np.triu(common >= SIMILAR * (sizes[:, None] + sizes - common), k=1)):
            found.setdefault((documents[a].name, documents[b].name), []).append(lang)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def _trigrams(headline: str) -> np.ndarray:
    """Return the distinct trigrams of a headline as int64 numbers. Shorter headlines are padded."""
    words = re.findall(r"\w+", headline.casefold())
    text = f" {' '.join(words)} ".ljust(3)
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    return np.unique(codes[:-2] << 42 | codes[1:-1] << 21 | codes[2:])
