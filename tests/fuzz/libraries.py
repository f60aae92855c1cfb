"""Data sets of mteb and of ir_datasets that hold what is in a folder."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import ir_datasets
from ir_datasets.formats import TrecQrels, TsvDocs, TsvQueries
from ir_datasets.util import LocalDownload
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.files import check_depth

_NAME = "made/fuzz"


@cache
def _metadata() -> TaskMetadata:
    return TaskMetadata(
        name="Made",
        description="made",
        dataset={"path": "none", "revision": "1"},
        type="Retrieval",
        eval_splits=["test"],
        eval_langs={lang: [f"{lang}-Latn"] for lang in ("deu", "eng")},
        main_score="ndcg_at_10",
    )


class _Task(AbsTaskRetrieval):
    metadata = _metadata()
    folder = Path()

    def load_data(self, **_: Any) -> None:
        """Load what the folder holds, with lists of records as data sets, as mteb has them."""
        subsets = json.loads((self.folder / "task.json").read_bytes())
        check_depth(subsets)  # Arrow takes very long to find the type of deep lists
        self.dataset = {
            subset: {
                "test": {
                    name: datasets.Dataset.from_list(part) if isinstance(part, list) else part
                    for name, part in parts.items()
                }
            }
            for subset, parts in subsets.items()
        }
        self.data_loaded = True


def load_mteb_task(folder: Path) -> Collection:
    task = _Task()
    task.folder = folder
    return load_collection(task)


def load_ir_data_set(folder: Path) -> Collection:
    parts = (
        TsvDocs(LocalDownload(folder / "docs.tsv"), lang="en"),
        TsvQueries(LocalDownload(folder / "queries.tsv"), lang="en"),
        TrecQrels(LocalDownload(folder / "qrels.txt"), {}),
    )
    registered = ir_datasets.registry._registered
    registered[_NAME] = ir_datasets.Dataset(*parts)
    try:
        collection = load_collection(f"ir_datasets:{_NAME}")
        _ = list(collection.passages.blocks())
    finally:
        del registered[_NAME]
    return collection
