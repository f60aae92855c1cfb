"""Make a task for mteb from a collection. Each setting becomes a subset of the task."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from langcodes import Language

from babelrank.data.collection import Collection
from babelrank.data.layout import USUAL_SPLIT
from babelrank.errors import DataError, requires

_POOL = "all"  # name of the pool of all languages in subsets
_NO_NAME = re.compile(r"[^\w.+-]+")


def make_task(collection: Collection) -> Any:
    """Return a retrieval task for `mteb.evaluate` with `collection` as its data.

    Its subsets are ``de-en`` for each pair of query language and passage language with judgements, and ``de-all`` for
    the pool of all languages. A collection in one language has only the subset ``default``. The main score is nDCG@10.
    mteb breaks ties between equal scores differently.

    Raises
    ------
    DataError
        mteb is not installed or does not know one of the languages.
    """
    with requires("mteb", DataError):
        from mteb.abstasks.retrieval import AbsTaskRetrieval
        from mteb.abstasks.task_metadata import TaskMetadata
    settings = {name: (asked, found) for name, asked, found in _settings(collection)}
    tags = {lang: _tag(lang) for lang in collection.languages}
    langs = {
        name: list(dict.fromkeys(tags[lang] for lang in (asked, *found))) for name, (asked, found) in settings.items()
    }
    try:
        metadata = TaskMetadata(
            name=_NO_NAME.sub("-", collection.name),
            description=collection.description or f"{collection.name}, as babelrank reads it",
            dataset={"path": collection.name, "revision": collection.sha256},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=[USUAL_SPLIT],
            eval_langs=langs if len(settings) > 1 else langs["default"],
            main_score="ndcg_at_10",
        )
    except ValueError as error:
        raise DataError(f"{collection.name}: mteb rejects the task ({error}).") from error

    def load_data(self: Any, **_: Any) -> None:
        if not self.data_loaded:
            self.dataset = {name: {USUAL_SPLIT: data} for name, data in _data(collection, settings)}
            self.data_loaded = True

    members = {
        "metadata": metadata,
        "load_data": load_data,
        "ignore_identical_ids": collection.self_matches is not None,
    }
    return type("CollectionTask", (AbsTaskRetrieval,), members)()


def _settings(collection: Collection) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the name, query language and passage languages of each setting with judgements."""
    langs = collection.languages
    if len(langs) == 1:
        yield "default", langs[0], langs
        return
    asked = collection.queries["lang"].to_numpy()[collection.qrels["query"]]
    judged = set(zip(asked, collection.qrels["passage_lang"], strict=True))
    yield from ((f"{a}-{b}", a, (b,)) for a in langs for b in langs if (a, b) in judged)
    yield from ((f"{a}-{_POOL}", a, langs) for a in langs if a in set(asked))


def _data(collection: Collection, settings: Mapping[str, tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each setting in mteb's format. Settings share data where possible."""
    from datasets import Dataset

    passages = collection.passages.frame
    queries, qrels = collection.queries, collection.qrels
    judged = qrels.assign(
        query_id=queries["id"].to_numpy()[qrels["query"]], lang=queries["lang"].to_numpy()[qrels["query"]]
    )

    def table(rows: pd.DataFrame) -> Any:
        return Dataset.from_dict({column: rows[column].tolist() for column in ("id", "text")})

    pools: dict[tuple[str, ...], Any] = {}
    for name, (asked, found) in settings.items():
        if found not in pools:
            pools[found] = table(passages[passages["lang"].isin(found)])
        own = judged[(judged["lang"] == asked) & judged["passage_lang"].isin(found)]
        relevant = {
            query: dict(zip(rows["passage_id"], rows["grade"].tolist(), strict=True))
            for query, rows in own.groupby("query_id", sort=False)
        }
        wanted = (queries["lang"] == asked) & queries["id"].isin(relevant.keys())
        yield (
            name,
            {
                "corpus": pools[found],
                "queries": table(queries[wanted]),
                "relevant_docs": relevant,
                "top_ranked": None,
            },
        )


def _tag(lang: str) -> str:
    """Return mteb's tag for a language, such as ``deu-Latn``."""
    likely = Language.get(lang).maximize()
    return f"{likely.to_alpha3()}-{likely.script or 'Latn'}"
