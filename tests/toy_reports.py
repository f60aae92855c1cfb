"""Results and reports on a collection small enough to compute by hand, for the tests of `reporting`."""

import errno
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from babelrank.analysis.summary import analyse
from babelrank.encoding.protocol import EncoderInfo
from babelrank.ranking.table import COLUMNS, RankTable
from babelrank.reporting.make_results import collection_results, model_results
from babelrank.reporting.provenance import Seconds, current_environment
from babelrank.reporting.results import Results
from made_collections import collection_of_tables

# Two questions in German and English over a pool of six. AP in the pool: de 1 and 3/4, en 5/6 and 2/3.
# Distances: de 1 and 3, en 2 and 5; floor 1; normalised by 6 − 2: de 0 and 1/2, en 1/4 and 1.
ROWS = [
    ("de", "q1", "de", "de/1", 1, 1.0, 1.0),
    ("de", "q1", "en", "en/1", 1, 1.0, 2.0),
    ("de", "q2", "de", "de/2", 1, 1.0, 1.0),
    ("de", "q2", "en", "en/2", 1, 2.0, 4.0),
    ("en", "q1", "de", "de/1", 1, 2.0, 3.0),
    ("en", "q1", "en", "en/1", 1, 1.0, 1.0),
    ("en", "q2", "de", "de/2", 1, 3.0, 6.0),
    ("en", "q2", "en", "en/2", 1, 1.0, 1.0),
]
INFO = EncoderInfo("toy", "use", "toy==1", dimension=4, parameters=1_234_567, settings={"query_prompt": "q| `x` "})


def toy_ranks(rows=ROWS, languages=("de", "en")):
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return RankTable(table, languages, dict.fromkeys(languages, 3), tied=1)


def toy_collection(name, sha256="0" * 64, languages=("de", "en")):
    queries = pd.DataFrame([(lang, q, "?") for lang in languages for q in ("q1", "q2")], columns=["lang", "id", "text"])
    passages = pd.DataFrame(
        [(lang, f"{lang}/{i}", "!") for lang in languages for i in range(3)], columns=["lang", "id", "text"]
    )
    return collection_of_tables(name, languages, queries, passages, pd.DataFrame(), "sentence", sha256)


def toy_results(
    names=("xquad-r",), *, name="toy", info=INFO, rows=ROWS, sha256="0" * 64, languages=("de", "en"), **model
):
    """Return results and rank tables like those of a submission."""
    ranks = toy_ranks(rows, languages)
    collections = {
        item: collection_results(
            toy_collection(item, sha256, languages),
            analyse(ranks),
            texts_encoded={"query": 4, "document": 6},
            texts_truncated={"query": 0.25, "document": None},
            seconds=Seconds(1.0, 0.5, 2.5, 0.25, 0.125),
            evaluated=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        for item in names
    }
    described = model_results(info, name=name, submitted_as=info.name, **model)
    return Results(described, collections, current_environment()), dict.fromkeys(names, ranks)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hidden(reports: Path) -> list[str]:
    return [path.name for path in reports.iterdir() if path.name.startswith(".") and path.name != ".lock"]


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
