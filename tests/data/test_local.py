"""One's own multilingual collection: translations belong together, every analysis works that its judgements allow."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelrank.analysis.bootstrap import question_scores
from babelrank.analysis.summary import analyse
from babelrank.data.loading import load_collection
from babelrank.data.local import load_local
from babelrank.encoding.representations import encode
from babelrank.errors import DataError
from babelrank.ranking.rank import rank

QUERIES = [
    {"id": "q1-en", "lang": "en", "text": "Who ran?", "question": "q1"},
    {"id": "q1-de", "lang": "de", "text": "Wer lief?", "question": "q1"},
    {"id": "q2", "lang": "en", "text": "Who sat?"},
    {"id": "q2-th", "lang": "th", "text": "ใครนั่ง", "question": "q2"},
]
PASSAGES = [
    {"id": "p1", "lang": "en", "text": "Ann ran.", "title": "Ann"},
    {"id": "p2", "lang": "de", "text": "Ann lief."},
    {"id": "p3", "lang": "en", "text": "Bob sat."},
    {"id": "p4", "lang": "th", "text": "บ๊อบนั่ง"},
    {"id": "p5", "lang": "de", "text": "Cy lag."},
]
QRELS = [
    ("q1-en", "p1", 2),
    ("q1-en", "p2", 1),
    ("q1-de", "p2", 2),
    ("q1-de", "p1", 1),
    ("q2", "p3", 1),
    ("q2-th", "p4", 3),
]


def write(folder, queries=QUERIES, passages=PASSAGES, qrels=QRELS):
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in (("queries", queries), ("passages", passages)):
        content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(content, encoding="utf-8")
    (folder / "qrels.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in qrels), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "own")


def relevant_of(collection):
    """Return (query language, question, passage id, grade) of each judgement, as a set."""
    queries = collection.queries.iloc[collection.qrels["query"]]
    passages = collection.passages.frame["id"].to_numpy()[collection.qrels["passage"]]
    return set(zip(queries["lang"], queries["question"], passages, collection.qrels["grade"], strict=True))


def test_languages_are_those_of_queries_and_passages(folder):
    streamed = load_local(folder)
    assert (streamed.name, streamed.languages) == ("local:own", ("de", "en", "th"))
    assert streamed.pool_sizes == {"de": 2, "en": 2, "th": 1}
    assert streamed.notes == ()


def test_queries_of_one_language_stand_together_and_passages_keep_their_order(folder):
    collection = load_local(folder).with_passages_in_memory()
    assert collection.queries["lang"].tolist() == ["de", "en", "en", "th"]
    assert collection.queries["question"].tolist() == ["q1", "q1", "q2", "q2"]
    assert collection.passages.frame["id"].tolist() == ["p1", "p2", "p3", "p4", "p5"]
    assert collection.passages.lang_codes.tolist() == [1, 0, 1, 2, 0]
    assert relevant_of(collection) == {
        ("en", "q1", "p1", 2),
        ("en", "q1", "p2", 1),
        ("de", "q1", "p2", 2),
        ("de", "q1", "p1", 1),
        ("en", "q2", "p3", 1),
        ("th", "q2", "p4", 3),
    }


def test_the_queries_of_the_stream_keep_their_own_ids(folder):
    assert load_local(folder).queries["id"].tolist() == ["q1-de", "q1-en", "q2", "q2-th"]


def test_pairs_pools_bias_and_the_bootstrap_work(folder, fake_encoder, tmp_path):
    collection = load_local(folder).with_passages_in_memory()
    ranks = rank(collection, encode(fake_encoder(), collection, store=tmp_path / "store")).ranks
    analysis = analyse(ranks)
    assert analysis.languages == ["de", "en", "th"]
    assert analysis.pairs.n == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]
    assert analysis.pool.n == [1, 2, 1]
    assert analysis.macro["cross_lingual"]["mAP"] is not None
    assert question_scores(ranks).ids == ("q1", "q2")


def test_a_passage_that_is_relevant_to_nothing_is_in_its_pool(folder):
    write(folder, passages=[*PASSAGES, {"id": "p6", "lang": "fr", "text": "Dan dort."}])
    streamed = load_local(folder)
    assert (streamed.languages, streamed.pool_sizes["fr"]) == (("de", "en", "fr", "th"), 1)


def test_a_language_may_have_queries_and_no_passages(folder):
    write(folder, queries=[*QUERIES, {"id": "q3", "lang": "sw", "text": "Nani?"}], qrels=[*QRELS, ("q3", "p1", 1)])
    collection = load_local(folder).with_passages_in_memory()
    assert (collection.languages, collection.pool_sizes["sw"]) == (("de", "en", "sw", "th"), 0)


def test_passages_may_be_in_several_files(folder):
    whole = load_local(folder).sha256
    content = (folder / "passages.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "passages.jsonl").unlink()
    for number, part in enumerate((content[:2], content[2:])):
        (folder / f"passages-{number}.jsonl").write_text("".join(part), encoding="utf-8")
    assert load_local(folder).sha256 == whole


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).filter(str.strip)


@settings(max_examples=20)
@given(data=st.data())
def test_what_is_written_is_what_is_loaded(tmp_path_factory, data):
    languages = st.sampled_from(["de", "en", "zh-Hant"])
    passages = [
        {"id": f"p{i}", "lang": data.draw(languages), "text": data.draw(texts)}
        for i in range(data.draw(st.integers(1, 6)))
    ]
    queries = [
        {"id": f"{question}-{lang}", "lang": lang, "text": data.draw(texts), "question": question}
        for question in ("x", "y")
        for lang in data.draw(st.sets(languages, min_size=1))
    ]
    names = st.sampled_from([passage["id"] for passage in passages])
    grades = {
        (query["id"], name): data.draw(st.integers(1, 3))
        for query in queries
        for name in data.draw(st.sets(names, min_size=1))
    }
    folder = write(
        tmp_path_factory.mktemp("own"), queries, passages, [(*pair, grade) for pair, grade in grades.items()]
    )
    streamed = load_local(folder)
    collection = streamed.with_passages_in_memory()
    question_of = {query["id"]: (query["lang"], query["question"]) for query in queries}
    assert relevant_of(collection) == {(*question_of[q], p, grade) for (q, p), grade in grades.items()}
    by_id = collection.passages.frame.set_index("id")[["lang", "text"]].T.to_dict()
    assert by_id == {p["id"]: {"lang": p["lang"], "text": p["text"].strip()} for p in passages}
    stream = [name for block in streamed.passages.blocks() for name in block.ids]
    assert [stream[i] for i in streamed.qrels["passage"]] == streamed.qrels["passage_id"].tolist()
    assert [by_id[name]["lang"] for name in streamed.qrels["passage_id"]] == streamed.qrels["passage_lang"].tolist()


# --- errors ---


def test_a_question_twice_in_one_language_is_an_error(folder):
    write(
        folder,
        queries=[*QUERIES, {"id": "q1-too", "lang": "en", "text": "Ran who?", "question": "q1"}],
        qrels=[*QRELS, ("q1-too", "p1", 1)],
    )
    with pytest.raises(DataError) as caught:
        load_local(folder)
    assert str(caught.value) == (
        "local:own: queries 'q1-en', 'q1-too' are the same question 'q1' in en; a question must have one "
        "query per language."
    )


@pytest.mark.parametrize(
    ("kind", "record", "complaint"),
    [
        ("queries", {"id": "x", "text": "y"}, "no field 'lang'"),
        ("queries", {"id": "x", "lang": "de en", "text": "y"}, "'de en' is not a language code"),
        ("queries", {"id": "x", "lang": "de", "text": "y", "question": []}, "an id must be a str or an int"),
        ("passages", {"id": "x", "text": "y"}, "no field 'lang'"),
        ("passages", {"_id": "x", "lang": "de", "text": "y"}, "no field 'id'"),
    ],
)
def test_a_record_without_what_it_needs_is_named(folder, kind, record, complaint):
    with (folder / f"{kind}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    line = len((folder / f"{kind}.jsonl").read_text("utf-8").splitlines())
    with pytest.raises(DataError) as caught:
        load_local(folder)
    assert str(caught.value).startswith(f"{folder / kind}.jsonl:{line}: {complaint}")


@pytest.mark.parametrize("missing", ["queries.jsonl", "passages.jsonl", "qrels.tsv"])
def test_a_missing_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(DataError, match=f"own: no {missing}"):
        load_local(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no:where: no such folder"):
        load_collection(f"local:{tmp_path}/no:where")
