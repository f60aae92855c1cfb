"""A small collection in the layout of ``local:``, as a template, with a README that explains each file."""

import json
from pathlib import Path

from babelrank.errors import DataError
from babelrank.files import atomic_write

_QUERIES = (
    {"id": "q1-en", "lang": "en", "question": "q1", "text": "Who walked home?"},
    {"id": "q1-de", "lang": "de", "question": "q1", "text": "Wer ging nach Hause?"},
    {"id": "q2-en", "lang": "en", "question": "q2", "text": "What did Bob eat?"},
    {"id": "q2-de", "lang": "de", "question": "q2", "text": "Was aß Bob?"},
)
_PASSAGES = (
    {"id": "p1", "lang": "en", "title": "Ann", "text": "Ann walked home."},
    {"id": "p2", "lang": "de", "title": "Ann", "text": "Ann ging nach Hause."},
    {"id": "p3", "lang": "en", "title": "Bob", "text": "Bob ate bread."},
    {"id": "p4", "lang": "de", "title": "Bob", "text": "Bob aß Brot."},
    {"id": "p5", "lang": "de", "text": "Cy schlief."},
)
_ANSWERS = {"q1": ("p1", "p2"), "q2": ("p3", "p4")}
_README = """# Your collection

Replace the examples in these three files, then run `babelrank data check local:{folder}`.

- `queries.jsonl`, one query per line: `id`; `lang`, a code such as `de` or `zh-Hant`; `text`; and `question`, an id
  that translations share (leave it out if there are none). Another version of a query, such as a machine translation,
  has the same `lang` and `question`, and a `variant` such as `machine`.
- `passages.jsonl`, one passage per line: `id`, `lang`, `text`, and `title` if it has one.
- `qrels.tsv`, which passages answer which query: query id, passage id and grade (1 or more; 0 is not relevant),
  separated by tabs. A query may have answers in any language. Without this file, `babelrank diagnose MODEL -c
  local:{folder}` shows which languages a model ranks first.

Ids must be unique across languages. Files may be compressed (`.jsonl.gz`), and passages may be in several files
(`passages-1.jsonl`, `passages-2.jsonl`).
"""


def write_template(folder: Path) -> list[Path]:
    """Write a small but complete collection and a README.md; return the files.

    Raises
    ------
    DataError
        One of the files exists already. Nothing is written then.
    OSError
        The folder cannot be written.
    """
    contents = {
        "README.md": _README.format(folder=folder),
        "queries.jsonl": "".join(json.dumps(query, ensure_ascii=False) + "\n" for query in _QUERIES),
        "passages.jsonl": "".join(json.dumps(passage, ensure_ascii=False) + "\n" for passage in _PASSAGES),
        "qrels.tsv": "".join(
            f"{query['id']}\t{passage}\t1\n" for query in _QUERIES for passage in _ANSWERS[query["question"]]
        ),
    }
    there = [name for name in contents if (folder / name).exists()]
    if there:
        raise DataError(f"{folder}: {', '.join(there)} would be overwritten; name another folder.")
    for name, content in contents.items():
        atomic_write(folder / name, content)
    return [folder / name for name in contents]
