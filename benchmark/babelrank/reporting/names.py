"""Valid names of models, the folder names made from them, and the names of pages."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping

from slugify import slugify

from babelrank.data.catalog import source_of
from babelrank.errors import ReportError
from babelrank.files import as_path

LEADERBOARD = "leaderboard.md"  # next to the folder of all reports
LEADERBOARD_PAGE = "leaderboard.html"
MAX_LENGTH = 120  # characters: what a table's column and a figure's title can still show
# Special characters in HTML, Markdown tables, shells or paths.
_FORBIDDEN = frozenset("<>&\"'`|\\")
_BAD_STARTS = ("/", ".", "-")  # an absolute path, a hidden folder, a command-line option
_READABLE = re.compile(r"[\w.+:-]{1,24}", re.ASCII)
_CATALOG_SEPARATORS = str.maketrans("+,@", "---")  # of kinds of candidates, languages, and variants
_LONGEST_STEM = 70  # characters; with a model's name and the suffix of a temporary file, a file name may have 255
_MOST_LANGUAGES = 8  # in the short name of a collection
_DIGEST = 8  # hex digits: enough to tell a few thousand names apart


def check_name(name: str) -> str:
    """Return `name` if it is valid in a path, a Markdown table and a page.

    Raises
    ------
    ReportError
        The name is not valid. The message names the problem and what is allowed.
    """
    problem = find_problem(name)
    if problem:
        raise ReportError(
            f"name {name if len(name) <= MAX_LENGTH else name[:40] + '…'!r} {problem}. "
            f"Allowed: 1 to {MAX_LENGTH} letters, digits, spaces and punctuation other than < > & \" ' ` | \\, "
            "not beginning with / . or -, and no '..' between slashes. Set another with --name NAME."
        )
    return name


def slug(name: str) -> str:
    """Return a model's folder name: lower-case ASCII letters, digits, hyphens and dots, such as ``org-model-v1.5``.

    Raises
    ------
    ReportError
        The name is not valid (see `check_name`).
    """
    plain = slugify(check_name(name), regex_pattern=r"[^a-z0-9.]+")
    plain = re.sub(r"\.[.-]+|-\.", "-", plain).strip(".-")
    if plain and len(plain) <= MAX_LENGTH:
        return plain
    # Nothing that ASCII could spell, or too much of it (a Chinese character becomes a syllable): add a digest.
    return f"{plain[: MAX_LENGTH - _DIGEST - 1].strip('.-') or 'model'}-{_digest(name)}"


def collection_stem(collection: str) -> str:
    """Return the prefix of a collection's files: ``mlqa-r.sentence.de-en`` for ``mlqa-r:sentence:de,en``.

    Names may differ in characters that file names do not allow. A digest then distinguishes them: ``local:foo-bar`` has
    ``local.foo-bar``, and ``local:foo_bar`` has ``local.foo-bar-`` and eight digits. So have long names.
    """
    separators = _CATALOG_SEPARATORS if source_of(collection) else {}
    stem = ".".join(_stem(part.translate(separators)) for part in collection.split(":"))
    if len(stem) <= _LONGEST_STEM:
        return stem
    return f"{stem[: _LONGEST_STEM - _DIGEST - 1].rstrip('.-')}-{_digest(collection)}"


def short_collection(collection: str) -> str:
    """Return a short name, with the number of languages if they are many: ``ntrex:lead (29 languages)``."""
    source, _, languages = collection.rpartition(":")
    count = languages.count(",") + 1
    return f"{source} ({count} languages)" if count > _MOST_LANGUAGES else collection


def default_name(name: str, overrides: Mapping[str, object]) -> str:
    """Return the default name of a model in reports.

    Parameters
    ----------
    name
        Name of the model, from its encoder.
    overrides
        Settings that differ from the model's own configuration. They are part of the name, sorted, so that two
        submissions of one model do not fall into one folder: ``e5 [dtype=float16, max_length=128]``. A prompt, with
        characters that no name can have, is shown by its words and a digest.
    """
    if not overrides:
        return name
    full = f"{name} [{', '.join(f'{key}={_readable(overrides[key])}' for key in sorted(overrides))}]"
    return full if len(full) <= MAX_LENGTH else f"{name} [{_digest(full)}]"


def public_label(model: str) -> str:
    """Return a MODEL argument as a report may show it: a folder's own name, without the path to it; else unchanged."""
    folder = as_path(model)
    return folder.resolve().name if folder.is_dir() or folder.is_absolute() else model


def find_problem(name: str) -> str | None:
    """Return what is wrong with a model's name, in a few words; None if it is valid."""
    if not name:
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"has {len(name)} characters"
    for place, character in enumerate(name, start=1):
        # "C": control, format (such as marks that turn the direction of text), surrogate, unassigned; line separators.
        if unicodedata.category(character)[0] == "C" or unicodedata.category(character) in {"Zl", "Zp"}:
            return f"contains the control character U+{ord(character):04X} at position {place}"
        if character in _FORBIDDEN:
            return f"contains {character} at position {place}"
    if name.startswith(_BAD_STARTS):
        return f"begins with {name[0]!r}"
    if ".." in name.split("/"):
        return "contains '..' as a path segment"
    if name != name.strip():
        return "begins or ends with a space"
    return None


def _stem(part: str) -> str:
    plain = slugify(part)
    return plain if plain == part else f"{plain}-{_digest(part)}".lstrip("-")


def _readable(value: object) -> str:
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    if _READABLE.fullmatch(text):
        return text
    return f"{slugify(text, max_length=16) or 'empty'}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
