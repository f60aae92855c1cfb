"""One collection, whatever it was made of: tables or files, in memory or on disk."""

import numpy as np
import pandas as pd
import pytest

import babelrank
from babelrank.data.collection import Collection
from babelrank.data.local import load_local
from babelrank.errors import BabelrankError
from made_collections import write_local

QUERIES = pd.DataFrame(
    {
        "id": ["q1-en", "q1-de", "q2", "q3"],
        "lang": ["en", "de", "en", "de"],
        "text": ["Who ran?", "Wer lief?", "Who sat?", "Unjudged?"],
        "question": ["q1", "q1", "q2", "q3"],
    }
)
PASSAGES = pd.DataFrame(
    {"id": ["p1", "p2", "p3"], "lang": ["en", "de", "en"], "text": ["Ann ran.", "Ann lief.", "Bob sat."]}
)
QRELS = pd.DataFrame(
    {
        "query_id": ["q1-en", "q1-en", "q1-de", "q2", "q2"],
        "passage_id": ["p2", "p1", "p2", "p3", "p1"],
        "grade": [1, 2, 1, 3, 0],
    }
)


def make(queries=QUERIES, passages=PASSAGES, qrels=QRELS, **options):
    return Collection.from_frames(queries, passages, qrels, **options)


def test_tables_become_a_collection():
    collection = make(name="mine")
    assert (collection.name, collection.source, collection.languages) == ("mine", "frames", ("de", "en"))
    assert collection.queries["id"].tolist() == ["q1-de", "q1-en", "q2"]
    assert collection.qrels.to_dict("list") == {
        "query": [0, 1, 1, 2],
        "passage": [1, 1, 0, 2],
        "grade": [1, 1, 2, 3],
        "passage_id": ["p2", "p2", "p1", "p3"],
        "passage_lang": ["de", "de", "en", "en"],
    }
    assert (collection.pool_sizes, collection.query_counts) == ({"de": 1, "en": 2}, {"de": 1, "en": 2})
    assert collection.notes == ("1 queries without a judgement were dropped",)
    assert collection.labels.tolist() == ["de:q1", "en:q1", "en:q2"]
    assert "q3" in collection.unjudged


def test_a_collection_is_described_in_a_line():
    assert repr(make(name="mine")) == "Collection mine: 3 queries, 3 passages, 4 qrels in de, en"


def test_ids_that_are_whole_numbers_are_texts():
    passages = PASSAGES.assign(id=np.array([1.0, np.int64(2), 3], dtype=object))
    qrels = QRELS.assign(passage_id=np.array([2, 1, 2, 3, 1]))
    collection = make(passages=passages, qrels=qrels)
    assert collection.qrels["passage_id"].tolist() == ["2", "2", "1", "3"]


def test_a_question_and_a_grade_are_optional():
    collection = make(queries=QUERIES.drop(columns="question"), qrels=QRELS.drop(columns="grade"))
    assert collection.queries["question"].tolist() == collection.queries["id"].tolist()
    assert collection.qrels["grade"].tolist() == [1] * 5


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"queries": [1]}, "frames: queries must be a DataFrame, got list"),
        (
            {"queries": QUERIES.drop(columns="lang")},
            "frames: queries: no column 'lang'; expected 'id', 'lang', 'text'",
        ),
        ({"qrels": QRELS.drop(columns=["query_id"])}, "frames: qrels: no column 'query_id'"),
        ({"passages": PASSAGES[:0]}, "frames: passages: the table is empty"),
        ({"passages": PASSAGES.assign(id=["p1", "p2", "p1"])}, "frames: passages: id 'p1' is repeated"),
        ({"passages": PASSAGES.assign(id=["p1", "p2", 1.5])}, "passages: id 1.5 is neither text nor a whole number"),
        ({"passages": PASSAGES.assign(id=["p1", "p2", None])}, "passages: id .* is neither text nor a whole number"),
        ({"passages": PASSAGES.assign(text=["a", "b", None])}, "frames: passages: .* is not a text"),
        ({"passages": PASSAGES.assign(lang=["en", "de", "??"])}, r"passages: '\?\?' is not a language code"),
        ({"qrels": QRELS.assign(passage_id="p9")}, "frames: qrels: passage_id 'p9' is not an id of passages"),
        ({"qrels": QRELS.assign(query_id="q9")}, "frames: qrels: query_id 'q9' is not an id of queries"),
        ({"qrels": QRELS.assign(grade=0.5)}, "frames: qrels: grade 0.5 is not a whole number"),
        ({"qrels": QRELS.assign(grade=0)}, "frames: no query has a relevant passage"),
        ({"qrels": pd.concat([QRELS, QRELS.assign(grade=7)])}, "query 'q1-en' and passage 'p2' have more than one gr"),
    ],
)
def test_tables_that_are_wrong_are_refused(tables, message):
    with pytest.raises(BabelrankError, match=message):
        make(**tables)


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_passages_in_memory_are_those_on_disk(tmp_path, size):
    streamed = load_local(write_local(tmp_path / "own", 120))
    collection = streamed.with_passages_in_memory()
    assert (streamed.passages.in_memory, collection.passages.in_memory) == (False, True)
    assert collection.with_passages_in_memory() is collection
    assert len(streamed.passages) == len(collection.passages) == 120
    assert streamed.passages.lang_codes.tolist() == collection.passages.lang_codes.tolist()
    assert streamed.passages.characters == collection.passages.characters
    assert list(streamed.passages.blocks(size)) == list(collection.passages.blocks(size))
    assert list(streamed.passages.blocks(size, 2)) == list(collection.passages.blocks(size, 2))
    assert streamed.passages.ids([3, 0]) == collection.passages.ids([3, 0]) == {0: "p0", 3: "p3"}
    assert streamed.passages.find(["p5", "none"]) == collection.passages.find(["p5", "none"])
    assert streamed.passages.find(["p5"]).keys() == {"p5"}


def test_a_judged_passage_is_where_its_position_says(tmp_path):
    collection = load_local(write_local(tmp_path / "own", 200)).with_passages_in_memory()
    frame, qrels = collection.passages.frame, collection.qrels
    assert frame["id"].to_numpy()[qrels["passage"]].tolist() == qrels["passage_id"].tolist()
    assert frame["lang"].to_numpy()[qrels["passage"]].tolist() == qrels["passage_lang"].tolist()
    order = list(zip(qrels["query"], qrels["passage_lang"], qrels["passage"], strict=True))
    assert order == sorted(order)


def test_columns_of_passages_are_read_by_name():
    collection = babelrank.load_collection("sample:de,en")
    assert collection.passages["text"].tolist() == collection.passages.frame["text"].tolist()
