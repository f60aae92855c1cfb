"""Texts of test collections among training examples: found however they are written, counted, and left out."""

import threading
import unicodedata
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from babelrank.data.loading import load_collection
from babelrank.training.contamination import find_contamination, texts_of_collection, without
from babelrank.training.examples import Example
from babelrank.training.indexing import index_rows, open_examples
from babelrank.training.jsonl_rows import JsonlRows
from babelrank.training.membership import RowSet
from babelrank.training.texts import hash_text, normalise
from listed_rows import ListedRows

# Words that can be told apart once written as one, and whose case is undone by folding it.
WORDS = st.lists(
    st.sampled_from(["straße", "Ἀθῆναι", "ΐδιος", "Ёж", "नमस्ते", "ไทย", "東京", "42", "café", "+"]), min_size=1
)


def find(collections, *examples):
    """Return what is found among examples of a list."""
    known = [texts_of_collection(collection) for collection in collections]
    return find_contamination(index_rows(ListedRows(*examples), known), [each.name for each in known])


def example(name, query, passage, **others) -> Example:
    return Example(name, {"en": query}, {"en": passage}, **others)


def members(row_set) -> list[int]:
    return np.flatnonzero(row_set.contains(np.arange(row_set.size))).tolist()


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Who won?", "who WON"),
        ("Who won?", "  who\twon \n"),
        ("Who won?", "“Who — won…”"),
        ("state-of-the-art", "State of the art."),
        ("Straße", "STRASSE"),
        ("１２ ＡＢＣ", "12 abc"),  # full width
        ("ｶﾀｶﾅ", "カタカナ"),  # half width
        ("東京、大阪。", "東京 大阪"),
        ("caf\u00e9", "cafe\u0301"),
        ("ΐ", "ΐ".upper()),
        ("ﬁne", "fine"),
        ("soft\u00adhyphen", "softhyphen"),
        ("zero\u200bwidth", "zerowidth"),
        ("क्या?", "क्या।"),
    ],
)
def test_case_punctuation_spacing_and_width_do_not_matter(text, other):
    assert normalise(text) == normalise(other) != ""


@pytest.mark.parametrize(
    ("text", "other"),
    [("cafe", "café"), ("1 + 1", "1 1"), ("क्या", "कया"), ("who won", "who own"), ("$5", "€5"), ("ไม", "ไม่")],
)
def test_letters_marks_digits_and_symbols_do(text, other):
    assert normalise(text) != normalise(other)


@given(
    WORDS,
    st.lists(st.sampled_from([" ", ", ", "-", "\u3000", "»", "\n", "。"])),
    st.sampled_from(["NFC", "NFD", "NFKD"]),
)
def test_a_text_is_found_however_its_words_are_set_apart_written_large_or_composed(words, between, form):
    separators = between + [" "] * len(words)
    written = "".join(word + separator for word, separator in zip(words, separators, strict=False))
    plain = normalise(" ".join(words))
    assert normalise(written) == plain
    assert normalise(written.upper()) == plain
    assert normalise(unicodedata.normalize(form, written)) == plain


@given(st.text())
def test_nothing_is_left_that_would_be_taken_away(text):
    assert {unicodedata.category(char)[0] for char in normalise(text)} <= set("LMNS")


@given(st.text(), st.text())
def test_texts_share_a_hash_if_and_only_if_they_say_the_same(text, other):
    assert hash_text(text) == hash_text(text) != 0
    said, also = (normalise(each) or each for each in (text, other))
    assert (hash_text(text) == hash_text(other)) == (said == also)


# --- what is found ---


@pytest.mark.parametrize(
    ("query", "passage"),
    [("Where IS it", "p"), ("q", "where is it?"), ("it is here!", "p"), ("q", "It is here.")],
)
def test_queries_and_passages_are_compared_with_queries_and_passages(collection_of, query, passage):
    collection = collection_of(["Where is it?"], ["It is here."])
    found = find([collection], example("a", "first", "example"), example("b", query, passage))
    assert found.examples.tolist() == [1]
    assert found.ids == ("b",)
    assert found.by_collection == {"hand-made": 1}


def test_any_language_of_an_example_is_enough(collection_of):
    found = find(
        [collection_of(["wo ist es?"], ["hier"])],
        Example("a", {"en": "where is it?", "de": "Wo ist es"}, {"en": "there"}),
        Example("b", {"en": "where is that?"}, {"en": "there", "de": "dort", "es": "Hier!"}),
        Example("c", {"en": "where is it?"}, {"en": "there"}),
    )
    assert found.ids == ("a", "b")


def test_hard_negatives_are_compared_too(collection_of):
    collection = collection_of(["Where is it?"], ["It is here."])
    negatives = ({"en": "nowhere"}, {"de": "dort", "en": "it is here"})
    found = find(
        [collection], example("a", "q", "p", negatives=negatives[:1]), example("b", "r", "p", negatives=negatives)
    )
    assert found.ids == ("b",)


def test_a_part_of_a_text_is_not_the_text(collection_of):
    examples = example("a", "where is it", "it is here and there"), example("b", "where", "it is")
    assert find([collection_of(["where is it now"], ["it is here"])], *examples).examples.tolist() == []


def test_examples_are_counted_once_by_each_collection_that_they_share_a_text_with(collection_of):
    first = collection_of(["one", "two"], ["three"])
    second = replace(collection_of(["two"], ["four"]), name="second")
    third = replace(collection_of(["five"], ["six"]), name="third")
    pairs = [("a", "one", "three"), ("b", "x", "y"), ("c", "two", "z"), ("d", "w", "four")]
    found = find([first, second, third], *(example(*pair) for pair in pairs))
    assert found.examples.tolist() == [0, 2, 3]
    assert found.by_collection == {"hand-made": 2, "second": 2, "third": 0}


def test_the_first_few_ids_are_kept(collection_of):
    found = find([collection_of(["other"], ["same"])], *(example(f"u{i}", f"q{i}", "same") for i in range(9)))
    assert found.ids == ("u0", "u1", "u2", "u3", "u4")
    assert found.examples.tolist() == list(range(9))
    assert found.by_collection == {"hand-made": 9}


def test_without_collections_nothing_is_found():
    found = find([], example("a", "q", "p"))
    assert (found.examples.tolist(), found.ids, found.by_collection) == ([], (), {})


def test_texts_of_punctuation_alone_are_not_taken_for_one_another(collection_of):
    examples = example("a", "?", "p"), example("b", "q", "..."), example("c", "!", "here")
    assert find([collection_of(["«»"], ["here", "。"])], *examples).ids == ("c",)


# --- one question in several rows ---


def test_rows_with_one_question_are_one_example_with_several_passages():
    rows = ListedRows(
        Example("a", {"en": "who?", "de": "wer?"}, {"en": "he"}, ({"en": "it"},)),
        Example("b", {"en": "where?"}, {"en": "here"}),
        Example("c", {"en": "Who", "de": "Wer"}, {"en": "she", "de": "sie"}, ({"en": "it"}, {"en": "they"})),
        Example("d", {"en": "who?", "de": "wer?"}, {"en": "He."}, ({"en": "we"},)),
    )
    examples = index_rows(rows)
    assert len(examples) == 2
    assert examples.rows == 4
    assert [examples[i].id for i in range(2)] == ["a", "b"]
    assert examples[0].passages == ({"en": "he"}, {"en": "she", "de": "sie"})
    assert {texts["en"] for texts in examples[0].negatives} == {"it", "they", "we"}
    assert {lang: members(found) for lang, found in examples.passages.items()} == {"de": [0], "en": [0, 1]}


def test_rows_without_a_question_are_not_merged():
    examples = index_rows(ListedRows(Example("a", {}, {"en": "p"}), Example("b", {}, {"en": "p"})))
    assert len(examples) == 2


# --- what is kept ---


@pytest.fixture
def collection(collection_of):
    return collection_of(["Where is it?"], ["It is here."])


def test_rows_are_read_once(collection, tmp_path):
    rows = ListedRows(example("a", "first", "example"), example("b", "where is it", "there", negatives=({"en": "n"},)))
    known = [texts_of_collection(collection)]
    first, again = (open_examples(rows, known, cache=tmp_path) for _ in range(2))
    assert rows.scans == 1
    assert [again[i] for i in range(2)] == [first[i] for i in range(2)]
    assert [find_contamination(each, ["hand-made"]).ids for each in (first, again)] == [("b",), ("b",)]
    assert members(again.queries["en"]) == [0, 1]


@pytest.mark.parametrize("changed", ["rows", "collection", "another"])
def test_they_are_read_again_when_anything_changes(collection, tmp_path, changed):
    rows, known = ListedRows(example("a", "first", "example")), [texts_of_collection(collection)]
    open_examples(rows, known, cache=tmp_path)
    match changed:
        case "rows":
            rows.fingerprint = "2"
        case "collection":
            known = [replace(known[0], hashes=known[0].hashes[:1])]
        case "another":
            known += [replace(known[0], name="second")]
    open_examples(rows, known, cache=tmp_path)
    assert rows.scans == 2


@pytest.mark.parametrize("damage", [b"", b"[1, 2]", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_index_is_made_again(collection, tmp_path, damage):
    rows, known = ListedRows(example("a", "where is it", "example")), [texts_of_collection(collection)]
    open_examples(rows, known, cache=tmp_path)
    (kept,) = tmp_path.glob("*.safetensors")
    complete = kept.read_bytes()
    kept.write_bytes(damage)
    assert find_contamination(open_examples(rows, known, cache=tmp_path), ["hand-made"]).ids == ("a",)
    assert kept.read_bytes() == complete


def test_where_nothing_can_be_written_rows_are_read_again(tmp_path):
    (tmp_path / "file").write_text("")
    rows = ListedRows(example("a", "where is it", "example"))
    assert len(open_examples(rows, cache=tmp_path / "file" / "folder")) == 1


def test_of_several_that_ask_at_once_one_reads(tmp_path):
    rows, found = ListedRows(*(example(f"u{i}", f"q{i}", "p") for i in range(50))), []
    threads = [threading.Thread(target=lambda: found.append(open_examples(rows, cache=tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows.scans == 1
    assert list(map(len, found)) == [50] * 4


# --- what is left out ---


def test_rows_are_left_out_of_every_language():
    sets = {"de": RowSet.all(10), "en": RowSet.of(np.arange(10) % 2 == 0)}
    left = without(sets, np.array([0, 1, 4, 9]), 10)
    assert {lang: members(rows) for lang, rows in left.items()} == {"de": [2, 3, 5, 6, 7, 8], "en": [2, 6, 8]}
    assert len(sets["de"]) == 10


def test_without_rows_nothing_is_left_out():
    assert members(without({"de": RowSet.all(3)}, (), 3)["de"]) == [0, 1, 2]


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1)))))
def test_what_is_left_is_what_was_there_less_the_rows(case):
    size, rows = case
    there = np.arange(size) % 3 != 0
    left = without({"th": RowSet.of(there)}, rows, size)["th"]
    assert members(left) == [row for row in range(size) if there[row] and row not in rows]


# --- the examples of the experiments ---


@pytest.fixture(scope="module")
def collections(real_data):
    return [load_collection(name, real_data) for name in ("xquad-r", "mlqa-r")]


def test_the_collections_own_texts_are_found(collections):
    xquad_r, mlqa_r = collections
    planted = xquad_r.queries["text"].iloc[5000], mlqa_r.passages.frame["text"].iloc[7000]
    examples = [example(text, f"– {text.upper()}!", "p") for text in planted]
    found = find(collections, example("a", "nothing of theirs", "nor this"), *examples)
    assert found.ids == planted
    assert found.by_collection == {"xquad-r": 1, "mlqa-r": 1}


def test_the_parallel_examples_at_hand_share_nothing_with_the_collections(real_data, collections):
    path = real_data / "train" / "parallel.jsonl"
    if not path.is_file():
        pytest.skip(f"needs parallel examples: {path} is not there")
    known = [texts_of_collection(collection) for collection in collections]
    found = find_contamination(index_rows(JsonlRows(path), known), [each.name for each in known])
    assert found.by_collection == {"xquad-r": 0, "mlqa-r": 0}
