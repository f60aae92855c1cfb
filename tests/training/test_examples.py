"""Examples in JSON lines: what is read, what is refused and where, and which texts there are."""

import hashlib
import json
import pickle
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from babelrank.errors import TrainingError
from babelrank.training.examples import Example
from babelrank.training.indexing import read_examples
from babelrank.training.jsonl_rows import parse_example

FIRST = {"id": "a", "query": {"de": "wer?", "en": "who?"}, "passage": {"en": "she"}}
SECOND = {
    "id": "b",
    "query": {"th": "ใคร"},
    "passage": {"de": "er", "th": "เขา"},
    "negatives": [{"de": "es"}, {"en": "it"}],
}
SMALL = {"query": {"en": "q"}, "passage": {"en": "p"}}


def write(path, *examples) -> Path:
    path.write_text("".join(json.dumps(example, ensure_ascii=False) + "\n" for example in examples), encoding="utf-8")
    return path


def members(row_set) -> list[int]:
    return np.flatnonzero(row_set.contains(np.arange(row_set.size))).tolist()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "examples.jsonl"


def test_units_are_read_with_all_that_they_hold(path):
    examples = read_examples(write(path, FIRST, SECOND))
    assert len(examples) == 2
    assert examples.name == "examples.jsonl"
    assert examples[0] == Example("a", {"de": "wer?", "en": "who?"}, {"en": "she"})
    assert examples[1] == Example("b", {"th": "ใคร"}, {"de": "er", "th": "เขา"}, ({"de": "es"}, {"en": "it"}))


def test_which_units_have_a_language_is_known_by_side(path):
    examples = read_examples(write(path, FIRST, SECOND))
    assert {lang: members(rows) for lang, rows in examples.queries.items()} == {"de": [0], "en": [0], "th": [1]}
    assert {lang: members(rows) for lang, rows in examples.passages.items()} == {"de": [1], "en": [0], "th": [1]}
    assert list(examples.queries) == sorted(examples.queries)


def test_a_line_more_than_needed_of_a_unit_is_no_error(path):
    assert read_examples(write(path, FIRST | {"source": "somewhere"}))[0].id == "a"


def test_ids_may_be_numbers(path):
    assert [
        example.id for example in read_examples(write(path, SMALL | {"id": 7}, SMALL | {"id": 0, "query": {"en": "r"}}))
    ] == ["7", "0"]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_blank_lines_are_skipped_and_the_last_line_need_not_end(path, end):
    lines = [json.dumps(FIRST), "", "  \t", json.dumps(SECOND)]
    path.write_bytes(("\n" + "\n".join(lines) + end).encode())
    examples = read_examples(path)
    assert [examples[row].id for row in range(len(examples))] == ["a", "b"]
    assert examples[1].query == {"th": "ใคร"}


def test_units_are_found_in_any_order(path):
    wanted = [SMALL | {"id": f"u{i}", "query": {"en": "ü" * i + "?"}} for i in range(20)]
    examples = read_examples(write(path, *wanted))
    for row in np.random.default_rng(0).permutation(20):
        assert examples[row] == Example(f"u{row}", {"en": "ü" * row + "?"}, {"en": "p"})


def test_there_is_no_unit_behind_the_last(path):
    with pytest.raises(IndexError):
        read_examples(write(path, FIRST))[1]


# --- what is refused ---


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_units_is_an_error(path, content):
    path.write_text(content)
    with pytest.raises(TrainingError) as caught:
        read_examples(path)
    assert str(caught.value) == f"{path}: holds no examples."


@pytest.mark.parametrize(("make", "reason"), [(Path.mkdir, "Is a directory"), (lambda _: None, "No such file")])
def test_a_file_that_cannot_be_read_is_named(path, make, reason):
    make(path)
    with pytest.raises(TrainingError) as caught:
        read_examples(path)
    assert str(caught.value).startswith(f"{path}: cannot be read ({reason}")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "b", "query"', "Expecting ':'"),
        (b"id: b", "Expecting value"),
        (b'{"id": "b"} {"id": "c"}', "Extra data"),
        (b'{"id": "b", "query": {"en": "\xff"}, "passage": {"en": "p"}}', "can't decode byte 0xff"),
        (b'{"id": "b", "query": {"en": "\\ud83d"}, "passage": {"en": "p"}}', "surrogates not allowed"),
    ],
)
def test_a_line_that_is_not_json_is_named_by_its_number_in_the_file(path, line, reason):
    path.write_bytes(json.dumps(FIRST).encode() + b"\n\n" + line + b"\n" + json.dumps(SECOND).encode())
    with pytest.raises(TrainingError) as caught:
        read_examples(path)
    assert str(caught.value).startswith(f"{path}, line 3: not JSON (")
    assert reason in str(caught.value)


def test_escaped_characters_are_read_whole(path):
    path.write_text('{"id": 1, "query": {"en": "\\ud83d\\ude00 \\u00fc"}, "passage": {"en": "p"}}')
    assert read_examples(path)[0].query == {"en": "😀 ü"}


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        ([FIRST], "an example is a JSON object with id, query, passage, this is list."),
        ("text", "an example is a JSON object with id, query, passage, this is str."),
        (SMALL, "'id' should be a string or a number, is missing."),
        (SMALL | {"id": None}, "'id' should be a string or a number, is empty (None)."),
        (SMALL | {"id": ["a"]}, "'id' should be a string or a number, is list."),
        ({"id": "a", "passage": {"en": "p"}}, "'query' should be an object of texts by language, is missing."),
        ({"id": "a", "query": {"en": "q"}}, "'passage' should be an object of texts by language, is missing."),
        (SMALL | {"id": "a", "query": "q"}, "'query' should be an object of texts by language, is str."),
        (SMALL | {"id": "a", "passage": ["p"]}, "'passage' should be an object of texts by language, is list."),
        (SMALL | {"id": "a", "query": {}}, "'query' should be an object of texts by language, is empty ({})."),
        (SMALL | {"id": "a", "query": {"en": "q", "de": ""}}, "query.de should be a text, is empty ('')."),
        (SMALL | {"id": "a", "passage": {"en": None}}, "passage.en should be a text, is empty (None)."),
        (SMALL | {"id": "a", "passage": {"en": 3}}, "passage.en should be a text, is int."),
        (SMALL | {"id": "a", "passage": {"en": ["p"]}}, "passage.en should be a text, is list."),
        (SMALL | {"id": "a", "negatives": {"en": "n"}}, "'negatives' should be a list, is dict."),
        (SMALL | {"id": "a", "negatives": None}, "'negatives' should be a list, is empty (None)."),
        (
            SMALL | {"id": "a", "negatives": [{"en": "n"}, "m"]},
            "'negatives[1]' should be an object of texts by language, is str.",
        ),
        (SMALL | {"id": "a", "negatives": [{"en": 1}]}, "negatives[0].en should be a text, is int."),
    ],
)
def test_a_line_that_is_no_unit_is_told_with_what_should_be_there(path, example, complaint):
    with pytest.raises(TrainingError) as caught:
        read_examples(write(path, FIRST, example))
    assert str(caught.value) == f"{path}, line 2: {complaint}"


def test_a_text_of_spaces_alone_is_none(path):
    with pytest.raises(TrainingError, match=r"line 1: query\.de should be a text, is empty \(' \\u3000'\)\."):
        read_examples(write(path, SMALL | {"id": "a", "query": {"de": " \u3000"}}))


# --- languages ---


def test_texts_in_other_languages_are_ignored(path):
    examples = read_examples(write(path, FIRST, SECOND), languages=("de", "th"))
    assert examples[0] == Example("a", {"de": "wer?"}, {})
    assert examples[1] == Example("b", {"th": "ใคร"}, {"de": "er", "th": "เขา"}, ({"de": "es"},))
    assert {lang: members(rows) for lang, rows in examples.queries.items()} == {"de": [0], "th": [1]}
    assert {lang: members(rows) for lang, rows in examples.passages.items()} == {"de": [1], "th": [1]}


def test_texts_in_other_languages_are_checked_all_the_same():
    with pytest.raises(TrainingError, match=r"here: query\.en should be a text"):
        parse_example({"id": 1, "query": {"de": "q", "en": ""}, "passage": {"de": "p"}}, "here", frozenset({"de"}))


def test_without_languages_all_are_kept():
    assert parse_example(SECOND, "here")[2] == SECOND["passage"]


# --- identity ---


def test_the_fingerprint_is_that_of_the_content(path, tmp_path):
    first = read_examples(write(path, FIRST, SECOND))
    assert first.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    copy = read_examples(write(tmp_path / "copy.jsonl", FIRST, SECOND))
    other = read_examples(write(tmp_path / "other.jsonl", FIRST, SECOND | {"id": "c"}))
    turned = read_examples(write(tmp_path / "turned.jsonl", SECOND, FIRST))
    assert first.fingerprint == copy.fingerprint
    assert len({examples.fingerprint for examples in (first, other, turned)}) == 3


def test_units_can_be_sent_to_another_process_before_and_after_they_were_read(path):
    examples = read_examples(write(path, FIRST, SECOND), languages=("de",))
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(examples))
        assert [copy[row] for row in (1, 0)] == [examples[row] for row in (1, 0)]
        assert (len(copy), copy.name, copy.fingerprint) == (2, "examples.jsonl", examples.fingerprint)
        assert members(copy.queries["de"]) == [0]


LANGUAGES = ("ar", "de", "en", "th")
TEXTS = st.dictionaries(st.sampled_from(LANGUAGES), st.text("abé ?", min_size=1).filter(str.strip), min_size=1)
UNITS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=30)


@given(UNITS, st.sets(st.sampled_from(LANGUAGES)))
@settings(max_examples=60)
def test_row_sets_agree_with_the_units(pairs, languages):
    raw = [
        {"id": i, "query": {lang: f"{text} {i}" for lang, text in query.items()}, "passage": passage}
        for i, (query, passage) in enumerate(pairs)
    ]
    with tempfile.TemporaryDirectory() as folder:
        examples = read_examples(write(Path(folder, "examples.jsonl"), *raw), tuple(languages))
        read = [examples[row] for row in range(len(examples))]
    kept = languages or set(LANGUAGES)
    for side, sets in (("query", examples.queries), ("passage", examples.passages)):
        expected = [{lang: text for lang, text in line[side].items() if lang in kept} for line in raw]
        assert [getattr(example, side) for example in read] == expected
        assert set(sets) == {lang for texts in expected for lang in texts}
        for lang, rows in sets.items():
            assert members(rows) == [row for row, texts in enumerate(expected) if lang in texts]


# --- the examples of the experiments ---


def test_the_parallel_units_at_hand_are_read(real_data):
    path = real_data / "train" / "parallel.jsonl"
    if not path.is_file():
        pytest.skip(f"needs parallel examples: {path} is not there")
    examples = read_examples(path)
    assert (examples.rows, len(examples)) == (5232, 5125)  # some questions stand in several rows
    assert list(examples.queries) == list(examples.passages) == ["ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh"]
    assert len(examples.queries["de"]) == 5125
    last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    assert examples[5124] == Example(last["id"], last["query"], last["passage"])
