"""LAReQA's JSON as it is read: candidates, judgements, and what is wrong with a bad file."""

import copy
import hashlib
import json

import pytest

from babelrank.data.lareqa import load_lareqa
from babelrank.errors import DataError

# "Ann ran. Bob sat." in English and German. Characters 0-8 and 9-17 (German 0-9 and 10-18) are the sentences.
EN = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "Ann ran. Bob sat.",
                    "sentences": ["Ann ran.", "Bob sat."],
                    "sentence_breaks": [[0, 8], [9, 17]],
                    "qas": [
                        {"id": "ran", "question": "Who ran?", "answers": [{"text": "Ann", "answer_start": 0}]},
                        {"id": "sat", "question": "Who sat?", "answers": [{"text": "Bob", "answer_start": 9}]},
                    ],
                }
            ]
        },
        {
            "paragraphs": [
                {
                    "context": "Ann ran.",
                    "sentences": ["Ann ran."],
                    "sentence_breaks": [[0, 8]],
                    "qas": [{"id": "only-en", "question": "Ran?", "answers": [{"text": "ran", "answer_start": 4}]}],
                }
            ]
        },
    ]
}
DE = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "Ann lief. Bob saß.",
                    "sentences": ["Ann lief.", "Bob saß."],
                    "sentence_breaks": [[0, 9], [10, 18]],
                    "qas": [
                        {"id": "sat", "question": "Wer saß?", "answers": [{"text": "Bob", "answer_start": 10}]},
                        {"id": "ran", "question": "Wer lief?", "answers": [{"text": "Ann", "answer_start": 0}]},
                    ],
                }
            ]
        }
    ]
}


@pytest.fixture
def files(tmp_path, json_file):
    return {"en": json_file(tmp_path / "en.json", EN), "de": json_file(tmp_path / "de.json", DE)}


@pytest.fixture
def load_changed(tmp_path, json_file):
    """Load the English file after `change` was at its first paragraph, or at the whole document."""

    def load(change, *, whole=False):
        document = copy.deepcopy(EN)
        change(document if whole else document["data"][0]["paragraphs"][0])
        return load_lareqa("tiny", {"en": json_file(tmp_path / "en.json", document)})

    return load


def relevant(collection):
    """Return {(query lang, query id): {relevant passage ids}}."""
    found = {}
    for row in collection.qrels.itertuples():
        query = collection.queries.iloc[row.query]
        found.setdefault((query["lang"], query["id"]), set()).add(collection.passages.frame.iloc[row.passage]["id"])
    return found


def test_every_sentence_is_a_candidate_in_the_order_of_languages(files):
    collection = load_lareqa("tiny", files)
    assert collection.languages == ("de", "en")
    assert collection.passages.frame["lang"].tolist() == ["de", "de", "en", "en", "en"]
    assert collection.passages.frame["text"].tolist() == ["Ann lief.", "Bob saß.", "Ann ran.", "Bob sat.", "Ann ran."]
    assert collection.pool_sizes == {"de": 2, "en": 3}
    assert collection.passages.lang_codes.tolist() == [0, 0, 1, 1, 1]
    assert collection.query_counts == {"de": 2, "en": 3}


def test_equal_sentences_of_two_paragraphs_are_two_candidates_of_which_one_is_relevant(files):
    collection = load_lareqa("tiny", files)
    twice = collection.passages.frame[collection.passages.frame["text"] == "Ann ran."]
    assert twice["id"].tolist() == ["en/0/0/0", "en/1/0/0"]
    assert relevant(collection)["en", "only-en"] == {"en/1/0/0"}
    assert relevant(collection)["en", "ran"] & set(twice["id"]) == {"en/0/0/0"}


def test_passage_ids_are_unique_in_the_pool(files):
    assert load_lareqa("tiny", files).passages.frame["id"].is_unique


def test_questions_with_the_same_id_share_their_relevant_passages_wherever_they_stand(files):
    assert relevant(load_lareqa("tiny", files)) == {
        ("de", "ran"): {"de/0/0/0", "en/0/0/0"},
        ("de", "sat"): {"de/0/0/1", "en/0/0/1"},
        ("en", "ran"): {"de/0/0/0", "en/0/0/0"},
        ("en", "sat"): {"de/0/0/1", "en/0/0/1"},
        ("en", "only-en"): {"en/1/0/0"},
    }


def test_qrels_are_sorted_and_graded_one(files):
    qrels = load_lareqa("tiny", files).qrels
    assert qrels.columns.tolist() == ["query", "passage", "grade", "passage_id", "passage_lang"]
    assert list(zip(qrels["query"], qrels["passage"], strict=True)) == sorted(
        zip(qrels["query"], qrels["passage"], strict=True)
    )
    assert set(qrels["grade"]) == {1}


def test_paragraphs_as_candidates_hold_the_answers_of_all_their_sentences(files):
    collection = load_lareqa("tiny", files, candidates="paragraph")
    assert collection.passages.frame["text"].tolist() == ["Ann lief. Bob saß.", "Ann ran. Bob sat.", "Ann ran."]
    assert collection.candidates == "paragraph"
    found = relevant(collection)
    assert found["en", "ran"] == found["en", "sat"] == found["de", "sat"] == {"de/0/0/0", "en/0/0/0"}
    assert found["en", "only-en"] == {"en/1/0/0"}


def test_sentences_with_context_are_judged_as_the_sentences_alone(files):
    alone, with_context = load_lareqa("tiny", files), load_lareqa("tiny", files, candidates="sentence+context")
    assert with_context.passages.frame["text"].tolist()[:2] == [
        "Ann lief. Ann lief. Bob saß.",
        "Bob saß. Ann lief. Bob saß.",
    ]
    assert with_context.passages.frame["text"].tolist()[4] == "Ann ran. Ann ran."
    assert with_context.qrels.equals(alone.qrels)
    assert with_context.candidates == "sentence+context"


@pytest.mark.parametrize(("start", "sentence"), [(0, 0), (7, 0), (9, 1), (16, 1)])
def test_an_answer_counts_for_the_sentence_it_starts_in_even_if_it_runs_over_the_break(load_changed, start, sentence):
    def move(paragraph):
        paragraph["qas"][0]["answers"] = [{"text": paragraph["context"][start:], "answer_start": start}]

    assert relevant(load_changed(move))["en", "ran"] == {f"en/0/0/{sentence}"}


def test_adjacent_sentences_share_no_character(load_changed):
    def touch(paragraph):
        paragraph["sentence_breaks"] = [[0, 9], [9, 17]]
        paragraph["qas"][0]["answers"][0]["answer_start"] = 9

    assert relevant(load_changed(touch))["en", "ran"] == {"en/0/0/1"}


def test_the_first_of_several_answers_counts(load_changed):
    def add(paragraph):
        paragraph["qas"][0]["answers"].append({"text": "Bob", "answer_start": 9})

    assert relevant(load_changed(add))["en", "ran"] == {"en/0/0/0"}


def test_offsets_count_characters_not_bytes(tmp_path, json_file):
    document = copy.deepcopy(DE)
    paragraph = document["data"][0]["paragraphs"][0]
    paragraph["context"] = "日本語だ。猫だ。"
    paragraph["sentences"], paragraph["sentence_breaks"] = ["日本語だ。", "猫だ。"], [[0, 5], [5, 8]]
    paragraph["qas"] = [{"id": "x", "question": "何?", "answers": [{"text": "猫", "answer_start": 5}]}]
    collection = load_lareqa("tiny", {"ja": json_file(tmp_path / "ja.json", document)})
    assert relevant(collection) == {("ja", "x"): {"ja/0/0/1"}}


def test_a_subset_of_languages_restricts_queries_and_pool(files):
    collection = load_lareqa("tiny", files, languages=["en", "en"])
    assert collection.languages == ("en",)
    assert set(collection.queries["lang"]) == set(collection.passages.frame["lang"]) == {"en"}
    assert relevant(collection)["en", "ran"] == {"en/0/0/0"}


def test_the_digest_of_a_collection_follows_its_files_and_languages(files, json_file):
    both, english = load_lareqa("tiny", files).sha256, load_lareqa("tiny", files, languages=["en"]).sha256
    assert both != english
    assert load_lareqa("other name", files, candidates="paragraph").sha256 == both
    document = copy.deepcopy(DE)
    document["data"][0]["paragraphs"][0]["qas"][0]["question"] = "Wer saß da?"
    json_file(files["de"], document)
    assert load_lareqa("tiny", files).sha256 != both
    assert load_lareqa("tiny", files, languages=["en"]).sha256 == english


def test_unknown_candidates_and_languages_are_refused_with_what_there_is(files):
    with pytest.raises(DataError, match=r"unknown kind of candidate 'paragraf'\. Did you mean 'paragraph'\?"):
        load_lareqa("tiny", files, candidates="paragraf")
    with pytest.raises(DataError, match=r"tiny: unknown language 'fr'\..* Known: de, en\."):
        load_lareqa("tiny", files, languages=["en", "fr"])


# What a first paragraph can have wrong, and what the message says about it after naming the file.
P = r"en\.json: data\[0\]\.paragraphs\[0\]"
BAD_PARAGRAPHS = {
    "no context": (lambda p: p.pop("context"), rf"{P}: 'context' must be a str, but is missing"),
    "no sentences": (lambda p: p.pop("sentences"), rf"{P}: 'sentences' must be a list, but is missing"),
    "no sentence breaks": (
        lambda p: p.pop("sentence_breaks"),
        rf"{P}: 'sentence_breaks' must be a list, but is missing",
    ),
    "no questions": (lambda p: p.pop("qas"), rf"{P}: 'qas' must be a list, but is missing"),
    "context of another type": (lambda p: p.update(context=7), rf"{P}: 'context' must be a str, but is int"),
    "questions of another type": (lambda p: p.update(qas={}), rf"{P}: 'qas' must be a list, but is dict"),
    "question that is no object": (
        lambda p: p.update(qas=["x"]),
        rf"{P}\.qas\[0\]: 'id' must be a str, but is missing",
    ),
    "question without id": (lambda p: p["qas"][1].pop("id"), rf"{P}\.qas\[1\]: 'id' must be a str, but is missing"),
    "id of another type": (lambda p: p["qas"][1].update(id=3), rf"{P}\.qas\[1\]: 'id' must be a str, but is int"),
    "question without text": (lambda p: p["qas"][0].pop("question"), rf"{P}\.qas\[0\]: 'question' must be a str"),
    "question without answers": (lambda p: p["qas"][0].pop("answers"), rf"{P}\.qas\[0\]: 'answers' must be a list"),
    "no answer": (lambda p: p["qas"][0].update(answers=[]), rf"{P}\.qas\[0\]: no answer"),
    "answer without offset": (
        lambda p: p["qas"][0]["answers"][0].pop("answer_start"),
        rf"{P}\.qas\[0\]\.answers\[0\]: 'answer_start' must be a int, but is missing",
    ),
    "offset as text": (
        lambda p: p["qas"][0]["answers"][0].update(answer_start="0"),
        rf"{P}\.qas\[0\]\.answers\[0\]: 'answer_start' must be a int, but is str",
    ),
    "offset as a truth value": (
        lambda p: p["qas"][0]["answers"][0].update(answer_start=True),
        rf"{P}\.qas\[0\]\.answers\[0\]: 'answer_start' must be a int, but is bool",
    ),
    "offset behind the paragraph": (
        lambda p: p["qas"][0]["answers"][0].update(answer_start=17),
        rf"{P}\.qas\[0\]\.answers\[0\]: answer_start 17 is outside the paragraph of 17 characters",
    ),
    "offset before the paragraph": (
        lambda p: p["qas"][0]["answers"][0].update(answer_start=-1),
        rf"{P}\.qas\[0\]\.answers\[0\]: answer_start -1 is outside the paragraph of 17 characters",
    ),
    "offset between sentences": (
        lambda p: p["qas"][0]["answers"][0].update(answer_start=8),
        rf"{P}\.qas\[0\]\.answers\[0\]: answer_start 8 is not in a sentence.*\[\[0, 8\], \[9, 17\]\]",
    ),
    "duplicate question id": (
        lambda p: p["qas"][1].update(id="ran"),
        rf"{P}\.qas\[1\]: question id 'ran' is repeated; it first occurs at .*data\[0\]\.paragraphs\[0\]\.qas\[0\]",
    ),
    "empty question": (lambda p: p["qas"][0].update(question=""), rf"{P}\.qas\[0\]: question 'ran': empty text"),
    "blank question": (lambda p: p["qas"][0].update(question=" \n"), rf"{P}\.qas\[0\]: question 'ran': empty"),
    "empty sentence": (lambda p: p["sentences"].__setitem__(1, ""), rf"{P}\.sentences\[1\]: empty text"),
    "blank sentence": (lambda p: p["sentences"].__setitem__(1, "\t"), rf"{P}\.sentences\[1\]: empty text"),
    "sentence of another type": (
        lambda p: p["sentences"].__setitem__(1, 7),
        rf"{P}\.sentences\[1\] must be a str, got int",
    ),
    "more sentences than breaks": (
        lambda p: p["sentences"].append("Eve."),
        rf"{P}: 3 sentences but 2 sentence_breaks",
    ),
    "more breaks than sentences": (lambda p: p["sentences"].pop(), rf"{P}: 1 sentences but 2 sentence_breaks"),
    "break behind the paragraph": (
        lambda p: p["sentence_breaks"].__setitem__(1, [9, 18]),
        rf"{P}\.sentence_breaks\[1\]: \[9, 18\] is not a \[start, end\) within 17 characters",
    ),
    "break backwards": (
        lambda p: p["sentence_breaks"].__setitem__(0, [8, 0]),
        rf"{P}\.sentence_breaks\[0\]: \[8, 0\] is no",
    ),
    "break with one end": (
        lambda p: p["sentence_breaks"].__setitem__(0, [8]),
        rf"{P}\.sentence_breaks\[0\]: \[8\] is no",
    ),
}


@pytest.mark.parametrize("bad", BAD_PARAGRAPHS)
def test_a_bad_paragraph_is_named_with_file_and_place(load_changed, bad):
    change, message = BAD_PARAGRAPHS[bad]
    with pytest.raises(DataError, match=message):
        load_changed(change)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('"Who ran?"', r"\.qas\[0\]: question 'ran'"),
        ('"Ann ran. Bob sat."', r"\.context"),
        ('"Bob sat."', r"\.sentences\[1\]"),
        ('"sat"', r"\.qas\[1\]\.id"),
    ],
)
def test_half_a_surrogate_pair_is_no_text_that_an_encoder_could_read(tmp_path, text, place):
    file = tmp_path / "en.json"
    file.write_text(json.dumps(EN).replace(text, rf'{text[:-1]}\ud800"', 1), encoding="ascii")
    with pytest.raises(DataError, match=rf"{P}{place}: not valid Unicode at character \d+"):
        load_lareqa("tiny", {"en": file})


def test_an_empty_paragraph_is_no_passage(tmp_path, json_file):
    document = copy.deepcopy(EN)
    empty = {"context": " ", "sentences": [], "sentence_breaks": [], "qas": []}
    document["data"][1]["paragraphs"].append(empty)
    file = json_file(tmp_path / "en.json", document)
    with pytest.raises(DataError, match=r"en\.json: data\[1\]\.paragraphs\[1\]\.context: empty text"):
        load_lareqa("tiny", {"en": file}, candidates="paragraph")


def test_an_id_that_stands_in_two_paragraphs_is_a_duplicate(load_changed):
    def repeat(document):
        document["data"][1]["paragraphs"][0]["qas"][0]["id"] = "sat"

    with pytest.raises(
        DataError, match=r"data\[1\]\.paragraphs\[0\]\.qas\[0\]: question id 'sat' is repeated; it first occurs at"
    ):
        load_changed(repeat, whole=True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"'data' must be a list, but is missing"),
        ({}, r"'data' must be a list, but is missing"),
        ({"data": "x"}, r"'data' must be a list, but is str"),
        ({"data": [{}]}, r"data\[0\]: 'paragraphs' must be a list, but is missing"),
        ({"data": []}, r"has no questions \(0 paragraphs\)"),
        ({"data": [{"paragraphs": [dict(EN["data"][1]["paragraphs"][0], qas=[])]}]}, r"no questions \(1 paragraphs\)"),
    ],
)
def test_a_document_of_another_shape_is_refused(tmp_path, json_file, document, message):
    with pytest.raises(DataError, match=rf"en\.json: .*{message}"):
        load_lareqa("tiny", {"en": json_file(tmp_path / "en.json", document)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(EN).encode()[:-40], r"not valid JSON, or cut off, at line 1, column \d+"),
        (b"", r"not valid JSON, or cut off, at line 1, column 1"),
        (b"<html>404</html>", r"not valid JSON, or cut off, at line 1, column 1"),
        (json.dumps(EN).encode().replace(b"Ann", b"\xff\xfe\xfd", 1), r"not UTF-8 at byte \d+"),
        (json.dumps(EN).encode("utf-16"), r"not UTF-8 at byte 0"),
        (b"[" * 200_000, r"cannot be read as JSON"),
        (b'{"data": ' + b"9" * 5000 + b"}", r"cannot be read as JSON"),
    ],
    ids=["truncated", "empty", "html", "damaged", "UTF-16", "nested beyond reason", "a number beyond reason"],
)
def test_a_file_that_is_not_json_is_refused_with_the_place(tmp_path, content, message):
    file = tmp_path / "en.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"en\.json: {message}"):
        load_lareqa("tiny", {"en": file})


def test_a_missing_file_and_a_folder_in_its_place_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"en\.json: cannot be read \(No such file"):
        load_lareqa("tiny", {"en": tmp_path / "en.json"})
    (tmp_path / "en.json").mkdir()
    with pytest.raises(DataError, match=r"en\.json: cannot be read \(Is a directory"):
        load_lareqa("tiny", {"en": tmp_path / "en.json"})


def test_a_whole_file_that_is_not_the_published_one_is_refused(files):
    pinned = {lang: hashlib.sha256(path.read_bytes()).hexdigest() for lang, path in files.items()}
    assert load_lareqa("tiny", files, sha256=pinned).languages == ("de", "en")
    files["de"].write_bytes(files["de"].read_bytes() + b"\n")
    with pytest.raises(DataError, match=rf"de\.json: its SHA-256 is [0-9a-f]{{64}}, .*{pinned['de']}.*data fetch"):
        load_lareqa("tiny", files, sha256=pinned)


def test_what_is_wrong_inside_a_damaged_file_is_told_before_its_checksum(files):
    pinned = dict.fromkeys(files, "0" * 64)
    files["de"].write_bytes(files["de"].read_bytes()[:100])
    with pytest.raises(DataError, match=r"de\.json: not valid JSON, or cut off"):
        load_lareqa("tiny", files, sha256=pinned)
