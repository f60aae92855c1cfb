"""Write a collection's texts as JSON Lines for other tools to encode. The adapter `embeddings` reads their vectors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from babelrank.errors import DataError
from babelrank.files import atomic_write

if TYPE_CHECKING:  # both are slow to import, and listing adapters does not need them
    import pandas as pd

    from babelrank.data.collection import Collection

SIDES = ("queries", "passages")


def export_texts(collection: "Collection", folder: Path) -> list[Path]:
    """Write ``queries.jsonl`` and ``passages.jsonl``, one text per line in the collection's order.

    A line is ``{"id": "de:…", "lang": "de", "text": "…"}``. An id is the language and the collection's id, since
    translations of a question share an id. Ids in a file are unique.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    paths = []
    for side, table in zip(
        SIDES, (collection.queries.assign(id=collection.queries["question"]), collection.passages.frame), strict=True
    ):
        path = folder / f"{side}.jsonl"
        atomic_write(path, "".join(_lines(table)))
        paths.append(path)
    return paths


def read_texts(path: Path) -> dict[str, str]:
    """Read id -> text from a file that `export_texts` wrote.

    Raises
    ------
    DataError
        The file does not exist, has another format, or repeats an id. The message names the line.
    """
    texts: dict[str, str] = {}
    try:
        # Not splitlines(): it also breaks lines at characters that may stand in a text, such as U+2028.
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            name, text = str(entry["id"]), str(entry["text"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise DataError(f'{path}:{number}: expected {{"id": …, "lang": …, "text": …}}.') from error
        if name in texts:
            raise DataError(f"{path}:{number}: id {name!r} is repeated.")
        texts[name] = text
    return texts


def _lines(table: "pd.DataFrame") -> Iterator[str]:
    for lang, name, text in table[["lang", "id", "text"]].itertuples(index=False):
        # ASCII: invalid Unicode (a lone surrogate) is written as an escape, and texts contain no line breaks.
        yield json.dumps({"id": f"{lang}:{name}", "lang": lang, "text": text}) + "\n"
