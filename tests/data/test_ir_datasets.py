"""Data sets of ir_datasets, registered here: the same collection as from BEIR's layout, and several in one pool."""

import pickle
import sys

import pytest

from babelrank.data.loading import load_collection
from babelrank.errors import DataError
from made_collections import write_jsonl

ir_datasets = pytest.importorskip("ir_datasets")

DOCS = {"de": ["Ann lief heim.", "Bob aß Brot."], "en": ["Ann walked home.", "Bob ate bread."]}
QUERIES = {"de": ["Wer lief?", "Was aß Bob?"], "en": ["Who walked?", "What did Bob eat?"]}


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Register a data set with texts in these languages; query i is answered by document i."""
    from ir_datasets.formats import TrecQrels, TsvDocs, TsvQueries
    from ir_datasets.util import LocalDownload

    monkeypatch.setattr(ir_datasets.registry, "_registered", dict(ir_datasets.registry._registered))

    def register(name, asked, found, *, langs=None, qrels="0 0 d0 2\n1 0 d1 1\n1 0 d0 0\n", letter="d"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for part, rows in (
            ("docs", [f"{letter}{i}\t{text}" for i, text in enumerate(DOCS[found])]),
            ("queries", [f"{i}\t{text}" for i, text in enumerate(QUERIES[asked])]),
        ):
            (folder / part).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        (folder / "qrels").write_text(qrels)
        of_queries, of_docs = langs or (asked, found)
        parts = (
            TsvDocs(LocalDownload(folder / "docs"), lang=of_docs),
            TsvQueries(LocalDownload(folder / "queries"), lang=of_queries),
            *([TrecQrels(LocalDownload(folder / "qrels"), {})] if qrels else []),
        )
        ir_datasets.registry.register(name, ir_datasets.Dataset(*parts))
        return f"ir_datasets:{name}"

    return register


def judgements(collection):
    asked = collection.queries.iloc[collection.qrels["query"]]
    qrels = collection.qrels
    return sorted(zip(asked["lang"], asked["question"], qrels["passage_id"], qrels["grade"], strict=True))


def test_a_data_set_is_read_as_a_stream(register, tmp_path):
    collection = load_collection(register("made/de", "de", "de"))
    assert (collection.name, collection.source) == ("ir_datasets:made/de", "ir_datasets")
    assert (collection.pool_sizes, collection.passages.in_memory) == ({"de": 2}, False)
    assert judgements(collection) == [("de", "0", "d0", 2), ("de", "1", "d1", 1)]
    assert collection.passages["text"].tolist() == DOCS["de"]
    assert [block.ids for block in collection.passages.blocks(1, 1)] == [["d1"]]
    assert pickle.loads(pickle.dumps(collection.passages.reader)).count() == 2
    write_jsonl(tmp_path / "beir/corpus.jsonl", ({"_id": f"d{i}", "text": text} for i, text in enumerate(DOCS["de"])))
    write_jsonl(tmp_path / "beir/queries.jsonl", ({"_id": f"{i}", "text": t} for i, t in enumerate(QUERIES["de"])))
    (tmp_path / "beir/qrels.tsv").write_text("0\td0\t2\n1\td1\t1\n1\td0\t0\n")
    assert collection.sha256 == load_collection(f"beir:{tmp_path / 'beir'}@de").sha256


def test_languages_of_queries_and_documents_may_differ(register):
    collection = load_collection(register("made/de-en", "de", "en"))
    assert (collection.query_counts, collection.pool_sizes) == ({"de": 2, "en": 0}, {"de": 0, "en": 2})


def test_an_unknown_language_can_be_named(register):
    spec = register("made/de-en", "de", "en", langs=(None, "en"))
    assert load_collection(spec).languages == ("en", "und")
    assert f"its language is unknown; name it, as in {spec}@de" in load_collection(spec).notes
    named = load_collection(f"{spec}@de")
    assert (named.name, named.query_counts) == (f"{spec}@de", {"de": 2, "en": 0})


def test_several_data_sets_have_one_pool(register):
    register("made/de", "de", "de")
    register("made/en", "en", "en")
    register("made/de-en", "de", "en")
    collection = load_collection("ir_datasets:made/de,made/en,made/de-en")
    assert collection.pool_sizes == collection.query_counts == {"de": 2, "en": 2}
    assert judgements(collection) == [
        ("de", "0", "de/d0", 2),
        ("de", "0", "en/d0", 2),
        ("de", "1", "de/d1", 1),
        ("de", "1", "en/d1", 1),
        ("en", "0", "en/d0", 2),
        ("en", "1", "en/d1", 1),
    ]


def test_what_there_is_not_is_refused(register, monkeypatch):
    register("made/de", "de", "de")
    register("made/docs", "de", "de", qrels="")
    with pytest.raises(DataError, match=r"unknown data set 'made/dee'\. Did you mean 'made/de'\?"):
        load_collection("ir_datasets:made/dee")
    with pytest.raises(DataError, match=r"ir_datasets:made/docs: has no qrels; name a subset that has them"):
        load_collection("ir_datasets:made/docs")
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(DataError, match=r"install it with: pip install 'babelrank\[ir-datasets\]'"):
        load_collection("ir_datasets:made/de")


def test_what_cannot_be_read_is_named(register, tmp_path):
    spec = register("made/de", "de", "de")
    (tmp_path / "made/de/docs").write_text("d0 without a tab\n")
    with pytest.raises(DataError, match=r"ir_datasets:made/de \(docs\): cannot be read \("):
        load_collection(spec)


def test_of_beir_a_querys_own_passage_is_left_out(register):
    spec = register("beir/made", "de", "de", qrels="0 0 1 1\n1 0 1 1\n", letter="")
    assert load_collection(spec).self_matches.tolist() == [0, -1]
