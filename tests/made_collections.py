"""Collections for tests, in memory or as files, and the store of their vectors."""

import json

from babelrank.data.collection import Collection, judge
from babelrank.data.pool import MemoryPassages
from babelrank.data.spec import source_of_name
from babelrank.ranking.rank import rank


def collection_of_tables(name, languages, queries, passages, qrels, candidates="sentence", sha256="0" * 64, **others):
    """Return a collection in memory, from columns lang, id, text (twice), and query, passage, grade (by row)."""
    pool = MemoryPassages(passages, tuple(languages))
    if "question" not in queries:
        queries = queries.assign(question=queries["id"])
    if len(qrels.columns):
        qrels = judge(pool, *(qrels[column].to_numpy() for column in ("query", "passage", "grade")))
    return Collection(
        name, tuple(languages), queries, qrels, pool, candidates, sha256, source=source_of_name(name), **others
    )


def rank_with_top(collection, representations, **options):
    """Return the rank table and the table of top passages."""
    ranking = rank(collection, representations, **options)
    return ranking.ranks, ranking.top


def write_jsonl(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def write_beir(folder, passages, queries=20, own=()):
    """Each query shares a rare word with its two relevant passages. Those in `own` have the id of a third passage."""
    names = [f"d{i * 3 + 1}" if i in own else f"q{i}" for i in range(queries)]
    write_jsonl(
        folder / "corpus.jsonl",
        (
            {"_id": f"d{i}", "title": f"Title{i % 7}", "text": f"passage{i} topic{i % 50} word{i % 13}."}
            for i in range(passages)
        ),
    )
    write_jsonl(
        folder / "queries.jsonl",
        ({"_id": name, "text": f"passage{i * 3} topic{i % 50}"} for i, name in enumerate(names)),
    )
    lines = [f"{name}\td{i * 3}\t2\n{name}\td{i}\t1\n" for i, name in enumerate(names) if i]
    lines += [f"{names[0]}\td0\t1\n"]
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")
    return folder


def write_local(folder, passages=900):
    """Write passages in three languages, mixed in the file. Many share their text, so that scores tie."""
    langs = ("th", "de", "en")
    write_jsonl(
        folder / "passages.jsonl",
        (
            {"id": f"p{i}", "lang": langs[i * i % 3], "text": f"word{i % 40} thing{i % 11} {langs[i * i % 3]}"}
            for i in range(passages)
        ),
    )
    write_jsonl(
        folder / "queries.jsonl",
        (
            {"id": f"q{i}-{lang}", "lang": lang, "text": f"word{i} thing{i % 11} {lang}", "question": f"q{i}"}
            for i in range(15)
            for lang in ("en", "de")
        ),
    )
    rows = [f"q{i}-{lang}\tp{i * 7 + j}\t{1 + j % 2}\n" for i in range(15) for lang in ("en", "de") for j in (5, 0, 3)]
    (folder / "qrels.tsv").write_text("".join(rows), encoding="utf-8")
    return folder


def folder_of_shards(store):
    (manifest,) = store.glob("*/manifest.json")
    return manifest.parent
