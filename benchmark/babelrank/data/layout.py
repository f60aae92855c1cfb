"""Find the files of each part of a collection in a folder. If it is not clear which they are, raise an error."""

import re
from collections.abc import Sequence
from pathlib import PurePath

from babelrank.data.folders import DataFile, Folder
from babelrank.data.records import PACKED, SUFFIXES
from babelrank.errors import DataError, unknown_choice

USUAL_SPLIT = "test"
SPLITS = {"train", "dev", "test", "validation", "valid", "val", "eval"}
_SHARD = re.compile(r"-\d+-of-(\d+)$")  # file names of the library datasets
_NUMBER = re.compile(r"[-_.]?\d+$")
_TABLES = tuple(f".tsv{packed}" for packed in PACKED)
_ALL = (*_TABLES, *SUFFIXES)
_SHOWN = 3  # files in an error


def find_records(folder: Folder, stem: str, split: str | None = None) -> tuple[DataFile, ...]:
    """Return the files of records that make up ``stem``: ``stem.*``, ``stem-*.*``, or those in ``stem/``.

    They are JSON lines, compressed or not, or Parquet. If files are named by splits, such as
    ``corpus/test-00000-of-00002.parquet``, return those of `split`.

    Raises
    ------
    DataError
        There are none, or it is not clear which to read: they match several patterns, have both formats, exist both
        compressed and not, or belong to other splits.
    """
    found = match_records(folder, stem)
    if not found:
        raise _missing(folder, stem, f"{stem}.jsonl, nor {stem}.jsonl.gz, {stem}.parquet")
    return _of_split(folder, stem, found, split)


def match_records(folder: Folder, stem: str) -> list[DataFile]:
    """Return the files of records that may make up ``stem``, which may be a pattern."""
    return _match(folder, (stem, f"{stem}-*", f"{stem}/*"), SUFFIXES)


def find_qrels(folder: Folder, split: str, prefix: str = "") -> tuple[DataFile, ...]:
    """Return the files of one split's judgements: ``qrels/SPLIT.tsv``, ``SPLIT.tsv``, or records in BEIR's fields.

    Parameters
    ----------
    prefix
        Prefix of ``qrels``, such as ``de-`` or ``de/``.

    Raises
    ------
    DataError
        There are none for the split, or it is not clear which to read, see `find_records`.
    """
    stem = f"{prefix}qrels"
    places = {f"{stem}/*": _ALL, f"{prefix}data/*": _ALL, f"{prefix}*": _TABLES, stem: _ALL}
    by_split: dict[str, dict[str, DataFile]] = {}
    for pattern, kinds in places.items():
        for file in _match(folder, (pattern,), kinds):
            by_split.setdefault(_SHARD.sub("", _stem(file)), {})[file.name] = file
        if split in by_split:
            break
    found = by_split.get(split) or by_split.get(PurePath(stem).name)
    if found:
        return _of_one_kind(folder, stem, [*found.values()])
    if by_split:
        raise DataError(f"{folder.name}: " + unknown_choice("split", split, by_split))
    raise _missing(folder, stem, f"{stem}/{split}.tsv")


def find_table(folder: Folder, stem: str) -> tuple[DataFile, ...]:
    """Return the file of columns named ``stem``, or files of records, see `find_records`.

    Raises
    ------
    DataError
        There are none, or it is not clear which to read.
    """
    found = _match(folder, (stem, f"{stem}-*"), _ALL)
    if not found:
        raise DataError(f"{_missing(folder, stem, f'{stem}.tsv')} Only `babelrank diagnose` works without it.")
    return _of_one_kind(folder, stem, found)


def _missing(folder: Folder, stem: str, expected: str) -> DataError:
    """Return an error that lists files with similar names."""
    alike = [file.name for pattern in (f"{stem}.*", f"{stem}/*") for file in folder.match(pattern)]
    return DataError(f"{folder.name}: no {expected}" + (f"; there is {', '.join(alike[:_SHOWN])}." if alike else "."))


def _match(folder: Folder, patterns: Sequence[str], suffixes: Sequence[str]) -> list[DataFile]:
    files = {file.name: file for each in patterns for suffix in suffixes for file in folder.match(each + suffix)}
    # docs-2 comes before docs-10, in any compression.
    return sorted(files.values(), key=lambda file: (len(_plain(file)), file.name))


def _of_split(folder: Folder, stem: str, files: list[DataFile], split: str | None) -> tuple[DataFile, ...]:
    """Leave out the files of other splits, if files are named by splits."""
    labels = [_NUMBER.sub("", _SHARD.sub("", _stem(file))).removeprefix(f"{PurePath(stem).name}-") for file in files]
    if len(set(labels)) > 1 and (split in labels or SPLITS & set(labels)):
        files = [file for file, label in zip(files, labels, strict=True) if label == split]
        if not files:
            of_split = "" if split is None else f" of split {split}"
            names = ", ".join(dict.fromkeys(labels))
            raise DataError(f"{folder.name}: which files are the {stem}{of_split}? There are files of {names}.")
    return _of_one_kind(folder, stem, files)


def _of_one_kind(folder: Folder, stem: str, files: list[DataFile]) -> tuple[DataFile, ...]:
    """Return the files if they belong together; otherwise raise an error."""
    plain = [_plain(file) for file in files]
    kinds = {PurePath(name).suffix for name in plain}
    # stem.*, stem-*.* and stem/* are three layouts. Files of a second layout are left over from an earlier version.
    layouts = {
        (PurePath(file.name).parent, PurePath(name).stem == PurePath(stem).name)
        for file, name in zip(files, plain, strict=True)
    }
    if len(set(plain)) < len(plain) or len(kinds) > 1 or len(layouts) > 1:
        raise DataError(
            f"{folder.name}: which files are the {stem}? There are {_list(files)}. Use one layout and one format, and "
            "remove the other files."
        )
    totals = {int(found[1]) if (found := _SHARD.search(_stem(file))) else 0 for file in files}
    if totals - {0, len(files)}:
        raise DataError(f"{folder.name}: only {len(files)} of {max(totals)} files of the {stem} exist: {_list(files)}.")
    return tuple(files)


def _plain(file: DataFile) -> str:
    """Return a file's name without the suffix of its compression."""
    name = file.name
    packed = next((suffix for suffix in PACKED[1:] if name.endswith(suffix)), "")
    return name.removesuffix(packed)


def _stem(file: DataFile) -> str:
    return PurePath(_plain(file)).stem


def _list(files: Sequence[DataFile]) -> str:
    return ", ".join(file.name for file in files)
