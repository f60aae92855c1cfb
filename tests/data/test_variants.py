"""Several versions of one question: in a folder, in a table, and as collections of their own."""

import json

import pytest

from babelrank.data.loading import load_collection
from babelrank.data.variants import select_variant, split_name, with_variants
from babelrank.errors import DataError

QUERIES = [
    {"id": "q1", "lang": "de", "text": "Wer lief?"},
    {"id": "q2", "lang": "de", "text": "Wer saß?"},
    {"id": "q2-m", "lang": "de", "text": "Who sat?", "question": "q2", "variant": "machine"},
]


def write(folder, queries=QUERIES):
    folder.mkdir(exist_ok=True)
    (folder / "queries.jsonl").write_text("".join(json.dumps(each) + "\n" for each in queries), encoding="utf-8")
    passages = ({"id": name, "lang": "en", "text": text} for name, text in (("p1", "Ann ran."), ("p2", "Bob sat.")))
    (folder / "passages.jsonl").write_text("".join(json.dumps(each) + "\n" for each in passages), encoding="utf-8")
    (folder / "qrels.tsv").write_text("q1\tp1\t1\nq2\tp2\t1\n", encoding="utf-8")
    return f"local:{folder}"


def test_a_variant_is_a_collection_with_the_same_passages_and_judgements(tmp_path):
    original, machine = with_variants(load_collection(write(tmp_path / "own")))
    assert original.queries["text"].tolist() == ["Wer lief?", "Wer saß?"]
    assert machine.queries[["lang", "id", "question", "text"]].to_numpy().tolist() == [["de", "q2", "q2", "Who sat?"]]
    assert machine.qrels[["query", "passage_id"]].to_numpy().tolist() == [[0, "p2"]]
    assert (machine.name, machine.passages) == ("local:own@machine", original.passages)


def test_a_specification_can_name_a_variant(tmp_path):
    spec = write(tmp_path / "own")
    assert load_collection(f"{spec}@machine").queries["text"].tolist() == ["Who sat?"]
    with pytest.raises(DataError, match=r"local:own: unknown variant 'machin'\. Did you mean 'machine'"):
        load_collection(f"{spec}@machin")
    with pytest.raises(DataError, match=r"sample: it has no variants"):
        load_collection("sample@human")


def test_a_folder_may_have_the_sign_in_its_name(tmp_path):
    assert load_collection(write(tmp_path / "own@home")).name == "local:own@home"


def test_versions_of_queries_without_a_judgement_are_left_out(tmp_path):
    unjudged = {"id": "q3", "lang": "de", "text": "Wer lag?"}
    version = {"id": "q3-m", "lang": "de", "text": "Who lay?", "question": "q3", "variant": "machine"}
    assert load_collection(write(tmp_path / "own", [*QUERIES, unjudged, version])).variants == {
        "machine": {1: "Who sat?"}
    }


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ({"question": "q9", "variant": "machine"}, r"variant 'machine' of question 'q9' in de has no original"),
        ({"question": "q1", "variant": "By Hand"}, r"its name must consist of lower-case letters, digits and hyphens"),
        ({"question": "q2", "variant": "machine"}, r"variant 'machine' of question 'q2' in de: occurs twice"),
        ({"question": "q1", "variant": "machine", "text": " "}, r"variant 'machine' of question 'q1' .*: empty text"),
        ({"question": "q1", "variant": 3}, r"queries\.jsonl:4: the variant must be a str, got int"),
    ],
)
def test_a_version_that_is_wrong_is_refused(tmp_path, version, message):
    spec = write(tmp_path / "own", [*QUERIES, {"id": "x", "lang": "de", "text": "Who?", **version}])
    with pytest.raises(DataError, match=message):
        load_collection(spec)


def test_a_table_can_have_a_column_of_variants(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text(
        "id,language,question,answer,variant\n"
        "1,DE,Wer lief?,Ann lief.,\n1,DE,Who ran?,,human\n2,de,Wer saß?,Bob saß.,\n2,en,,Bob sat.,\n",
        encoding="utf-8",
    )
    collection = load_collection(f"local:{path}")
    assert (len(collection.queries), len(collection.passages)) == (2, 3)
    assert select_variant(collection, "human").queries["text"].tolist() == ["Who ran?"]
    path.write_text("id,language,question,answer,variant\n1,de,Who ran?,,human\n2,de,Wer?,Ann.,\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"faq\.csv: variant 'human' of question '1' in de has no original"):
        load_collection(f"local:{path}")


def test_names_are_split_into_collection_and_variant():
    assert split_name("local:faq.csv@human") == ("local:faq.csv", "human")
    assert split_name("xquad-r") == ("xquad-r", "")
