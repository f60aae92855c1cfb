"""AfriQA: questions in African languages, their human translations, and gold passages in a pivot language."""

import json

import pytest

from babelrank.data.afriqa import load_afriqa
from babelrank.data.loading import load_collection
from babelrank.data.variants import select_variant
from babelrank.errors import DataError

# Worked out from the files: lines less those without a passage or an answer, less questions that are asked twice.
QUESTIONS = {
    "ak": 472, "bem": 308, "fon": 385, "ha": 299, "ig": 409, "rw": 344, "sw": 295, "yo": 253, "zu": 325,
}  # fmt: skip


def record(**changes):
    return {
        "id": "0",
        "question_lang": "Nani?",
        "question_translated": "Who?",
        "title": "Ann",
        "context": "Ann ran.",
        "answer_pivot": {"answer_start": [0], "text": ["Ann"]},
        "answer_lang": "Ann",
        **changes,
    }


def write(folder, records, code="swa", pivot="en"):
    path = folder / f"data/gold_passages/{code}/gold_span_passages.afriqa.{code}.{pivot}.test.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return folder


def test_a_question_has_its_gold_passage_and_a_translation(tmp_path):
    write(tmp_path, [record(), record(id="1", question_lang="Wapi?", question_translated="Where?", context="At home.")])
    write(tmp_path, [record(question_translated="Qui ?", context="Ann courut.")], "fon", "fr")
    collection = load_afriqa("afriqa", tmp_path)
    assert collection.query_counts == {"en": 0, "fon": 1, "fr": 0, "sw": 2}
    assert collection.pool_sizes == {"en": 2, "fon": 0, "fr": 1, "sw": 0}
    assert collection.qrels["passage_id"].tolist() == ["fr/0/0/0", "en/1/0/0", "en/1/1/0"]
    assert collection.passages.frame["text"].tolist() == ["Ann Ann courut.", "Ann Ann ran.", "Ann At home."]
    human = select_variant(collection, "human")
    assert human.name == "afriqa@human"
    assert human.queries["text"].tolist() == ["Qui ?", "Who?", "Where?"]
    assert human.qrels.equals(collection.qrels)
    assert human.sha256 != collection.sha256


def test_questions_without_a_passage_or_answer_are_left_out_and_counted(tmp_path):
    unanswered = record(id="2", question_lang="Lini?", answer_pivot={"answer_start": [], "text": []})
    blank = record(id="3", question_lang="Nini?", context=" \n")
    write(tmp_path, [record(), record(id="1", question_lang="Wapi?", context=None), unanswered, blank])
    collection = load_afriqa("afriqa", tmp_path)
    assert len(collection.queries) == len(collection.passages) == 1
    assert collection.notes[1] == "3 questions have no passage or no answer and were left out: sw 3"


def test_files_without_any_answer_and_two_of_one_language_are_refused(tmp_path):
    write(tmp_path, [record(context="")])
    with pytest.raises(DataError, match=r"afriqa: no question of sw has a passage and an answer\."):
        load_afriqa("afriqa", tmp_path)
    write(tmp_path, [record()], pivot="fr")
    with pytest.raises(
        DataError, match=r"swa\.en\.test\.json and .*swa\.fr\.test\.json are of the same language, sw\."
    ):
        load_afriqa("afriqa", tmp_path)


def test_a_question_that_is_asked_twice_has_both_passages(tmp_path):
    write(tmp_path, [record(), record(id="1", context="Ann ran home.")])
    collection = load_afriqa("afriqa", tmp_path)
    assert (len(collection.queries), len(collection.qrels)) == (1, 2)
    assert "occur twice" in collection.notes[1]


def test_passages_that_differ_in_white_space_alone_are_both_relevant(tmp_path):
    write(tmp_path, [record(), record(id="1", question_lang="Wapi?", context="Ann  ran. ")])
    collection = load_afriqa("afriqa", tmp_path)
    assert len(collection.passages) == 2
    assert collection.qrels[["query", "passage"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"question_lang": " "}, r"test\.json:2: 'question_lang': empty text"),
        ({"question_translated": None}, r":2: 'question_translated' must be a str, but is missing"),
        ({"id": "0"}, r":2: id '0' is repeated; it first occurs on line 1"),
        ({"context": 7}, r":2: 'context' must be a str, got int"),
        ({"answer_pivot": []}, r":2: 'answer_pivot' must be a dict, but is list"),
    ],
)
def test_a_record_that_is_wrong_is_refused_with_its_line(tmp_path, wrong, message):
    write(tmp_path, [record(), record(**{"id": "1", **wrong})])
    with pytest.raises(DataError, match=message):
        load_afriqa("afriqa", tmp_path)


def test_a_file_that_is_cut_off_lacks_a_field_or_is_missing_is_refused(tmp_path):
    path = next(write(tmp_path, [record()]).glob("data/*/*/*.json"))
    path.write_text(json.dumps(record())[:-9], encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.json:1: not valid JSON, or cut off"):
        load_afriqa("afriqa", tmp_path)
    without = record()
    del without["context"]
    write(tmp_path, [without])
    with pytest.raises(DataError, match=r":1: 'context' is missing"):
        load_afriqa("afriqa", tmp_path)
    with pytest.raises(DataError, match=r"afriqa: unknown language 'yo'"):
        load_afriqa("afriqa", tmp_path, languages=["yo"])


def test_the_published_questions_and_pool(real_data):
    collection = load_collection("afriqa", real_data)
    assert {lang: count for lang, count in collection.query_counts.items() if count} == QUESTIONS
    assert collection.pool_sizes["en"] == 2570
    assert collection.pool_sizes["fr"] == 358
    assert collection.notes[0] == "the pool is small: its 2,928 passages are the gold passages only"
    assert len(collection.variants["human"]) == sum(QUESTIONS.values())
    assert set(collection.qrels["passage_lang"][collection.qrels["query"].isin(range(472))]) == {"en"}


def test_some_languages_and_the_translations_alone_can_be_chosen(real_data):
    collection = load_collection("afriqa:twi,fon@human", real_data)
    assert (collection.name, collection.languages) == ("afriqa:ak,fon@human", ("ak", "en", "fon", "fr"))
    assert (len(collection.queries), collection.variants) == (472 + 385, {})
