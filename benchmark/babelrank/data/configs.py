"""Find the subsets of a data set in BEIR's or MTEB's layout, in a folder or on the Hub.

The parts are named ``corpus``, ``queries`` and ``qrels`` (on the Hub also ``default``). With several subsets, their
names come first: ``de-corpus``, ``de-queries`` and ``de-qrels``, or ``de/corpus`` and so on. The files are those that
the card (README.md) lists as configurations, else they are found by name, see `layout`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from babelrank.data.folders import DataFile, Folder
from babelrank.data.language_facts import UNKNOWN_LANGUAGE, known_code
from babelrank.data.layout import USUAL_SPLIT, find_qrels, find_records, match_records
from babelrank.data.subsets import Subset
from babelrank.errors import DataError, unknown_choice

WHOLE = "default"  # name of the only subset
_PARTS = {"corpus": "corpus", "queries": "queries", "query": "queries", "qrels": "qrels", WHOLE: "qrels"}
_LISTED = re.compile(rf"(?:(?P<name>.+)-)?(?P<part>{'|'.join(_PARTS)})")
_PART = re.compile(r"(?!(?:corpus|queries)/)(?P<prefix>(?P<name>.+?)[-/])(?P<part>corpus|queries)[-./]")
_Files = Mapping[str, tuple[DataFile, ...]]  # by split


@dataclass(frozen=True)
class Card:
    """The metadata in a folder's README.md, as in data set cards on the Hub.

    Attributes
    ----------
    languages
        Canonical codes.
    listed
        Files by subset, part and split.
    """

    languages: tuple[str, ...]
    listed: Mapping[str, Mapping[str, _Files]]


def read_card(folder: Folder) -> Card:
    """Read the metadata of a folder's README.md. Missing or invalid fields are empty."""
    metadata = next(map(_metadata, folder.match("README.md")), {})
    named, configs = metadata.get("language"), metadata.get("configs")
    # YAML reads the code of Norwegian as false.
    codes = ["no" if each is False else str(each) for each in (named if isinstance(named, list) else [named])]
    listed: dict[str, dict[str, _Files]] = {}
    for config in configs if isinstance(configs, list) else ():
        found = _LISTED.fullmatch(str(config.get("config_name"))) if isinstance(config, dict) else None
        if found and (files := _files_of(folder, config.get("data_files"))):
            listed.setdefault(found["name"] or WHOLE, {})[_PARTS[found["part"]]] = files
    languages = tuple(lang for code in codes if (lang := known_code(code)))
    have_own = any("corpus" in parts for name, parts in listed.items() if name != WHOLE)
    # If only some subsets have a corpus, the others are incomplete: an error if they are read.
    subsets = {
        name: parts
        for name, parts in listed.items()
        if "corpus" in parts or (have_own and {"queries", "qrels"} <= parts.keys())
    }
    return Card(languages, subsets)


def find_subsets(
    folder: Folder,
    qrels_folder: Folder,
    card: Card,
    *,
    names: Sequence[str] = (),
    split: str = USUAL_SPLIT,
    language: str | None = None,
) -> list[Subset]:
    """Return the subsets that a folder holds.

    Parameters
    ----------
    folder, qrels_folder
        Folder of corpus and queries, and folder of qrels; often the same.
    card
        Card of the folder.
    names
        Names of the subsets to return; by default all.
    split
        Split of the qrels, and of queries and passages if they have splits.
    language
        Language of all texts. By default taken from the subsets' names if all of them are languages, else from the
        card, else `UNKNOWN_LANGUAGE`.

    Raises
    ------
    DataError
        A subset does not exist, or it is unclear which subsets to use.
    """
    prefixes = {name: "" if name == WHOLE else f"{name}-" for name in card.listed} or _find_prefixes(folder)
    if unknown := next((name for name in names if name not in prefixes), None):
        hint = " `hf:` reads all of them." if unknown == WHOLE else ""
        raise DataError(f"{folder.name}: {unknown_choice('subset', unknown, prefixes)}{hint}")
    if len(prefixes) > 1 and WHOLE in prefixes and not names:
        raise DataError(
            f"{folder.name}: has one common corpus and others by subset; name one of {', '.join(prefixes)}."
        )
    usual = language or (card.languages[0] if len(card.languages) == 1 else UNKNOWN_LANGUAGE)
    known = {} if language else _languages(prefixes.keys() - {WHOLE}, card.languages)

    def subset(name: str) -> Subset:
        prefix, parts, place = prefixes[name], card.listed.get(name, {}), f"{folder.name} ({name})"

        def find(part: str) -> tuple[DataFile, ...]:
            if part in parts:
                return _of_split(place, part, parts[part], split)
            if part == "qrels":
                return find_qrels(qrels_folder, split, prefix)
            return find_records(folder, f"{prefix}{part}", split)

        return Subset(name, known.get(name, (usual,)), find)

    return [subset(name) for name in names or prefixes]


def _metadata(card: DataFile) -> dict[str, Any]:
    from huggingface_hub.repocard import metadata_load
    from yaml import YAMLError

    try:
        found = metadata_load(card.local())
    except (OSError, ValueError, RecursionError, YAMLError):  # cards are written by hand and may hold anything
        found = None
    return found if isinstance(found, dict) else {}


def _files_of(folder: Folder, listed: Any) -> _Files:
    """Return the files that a configuration lists, by split, in any format that cards use."""
    if isinstance(listed, dict):
        listed = [{"split": split, "path": path} for split, path in listed.items()]
    files: dict[str, tuple[DataFile, ...]] = {}
    for entry in listed if isinstance(listed, list) else [listed]:
        split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else ("train", entry)
        patterns = [path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str)]
        found = tuple(file for pattern in patterns if _is_below(pattern) for file in folder.match(pattern))
        if found:
            files[str(split)] = files.get(str(split), ()) + found
    return files


def _is_below(pattern: str) -> bool:
    """Return whether a pattern is for files inside the folder. A card may name any path."""
    path = PurePosixPath(pattern)
    return bool(path.name) and not path.is_absolute() and ".." not in path.parts


def _of_split(place: str, part: str, files: _Files, split: str) -> tuple[DataFile, ...]:
    """Return a part's files for a split. Queries or passages without splits belong to all splits."""
    if split not in files and len(files) == 1 and part != "qrels":
        return next(iter(files.values()))
    if split not in files:
        raise DataError(f"{place}: {part}: " + unknown_choice("split", split, files))
    return files[split]


def _find_prefixes(folder: Folder) -> dict[str, str]:
    """Return the prefixes of the subsets' file names. If some subsets have a corpus, those with queries count, too."""
    own = {
        part: {
            found["name"]: found["prefix"]
            for file in (*match_records(folder, f"*-{part}"), *match_records(folder, f"*/{part}"))
            if (found := _PART.match(file.name.removeprefix(f"{folder.name}/"))) and found["part"] == part
        }
        for part in ("corpus", "queries")
    }
    prefixes = {WHOLE: ""} if match_records(folder, "corpus") or not own["corpus"] else {}
    return prefixes | (own["corpus"] | own["queries"] if own["corpus"] else {})


def _languages(names: Iterable[str], known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the languages in the subsets' names; empty unless all are languages, since ``law`` is also a code."""
    found = {name: _language_or_pair(name, known) for name in names}
    return {name: langs for name, langs in found.items() if langs} if all(found.values()) else {}


def _language_or_pair(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Read ``de``, ``deu_Latn``, ``zh-Hans``, ``en-de``, ``ara-eng``, ``mlqa.ar.de`` or ``deu_Latn-eng_Latn``.

    ``pt-br`` is Portuguese and Breton, unless the card says that there is ``pt-BR`` or no Breton.
    """
    whole, parts = known_code(name), [code for part in re.split(r"[-.]", name) if (code := known_code(part))]
    is_one = name.islower() and (whole in known or (known and not set(parts) <= set(known)))
    if len(parts) == 2 and (whole is None or (name.islower() and not is_one)):
        return tuple(dict.fromkeys(parts))
    code = whole or (parts[0] if len(parts) == 1 else None)
    return (code,) if code else ()
