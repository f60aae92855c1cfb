"""Texts of test collections among training units: found however they are written, counted, and left out."""

import threading
import unicodedata
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from babelrank.data.loading import load_collection
from babelrank.training.contamination import find_contamination, normalise, recall_contamination, without
from babelrank.training.membership import RowSet
from babelrank.training.units import JsonlUnits, Unit

# Words that can be told apart once written as one, and whose case is undone by folding it.
WORDS = st.lists(
    st.sampled_from(["straße", "Ἀθῆναι", "ΐδιος", "Ёж", "नमस्ते", "ไทย", "東京", "42", "café", "+"]), min_size=1
)


class Listed:
    """Units in a list."""

    def __init__(self, *units):
        self._units = units

    def __len__(self):
        return len(self._units)

    def __getitem__(self, row):
        return self._units[row]


def unit(name, query, passage, **others) -> Unit:
    return Unit(name, {"en": query}, {"en": passage}, **others)


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


# --- what is found ---


@pytest.mark.parametrize(
    ("query", "passage"),
    [("Where IS it", "p"), ("q", "where is it?"), ("it is here!", "p"), ("q", "It is here.")],
)
def test_queries_and_passages_are_compared_with_queries_and_passages(collection_of, query, passage):
    collection = collection_of(["Where is it?"], ["It is here."])
    units = Listed(unit("a", "first", "unit"), unit("b", query, passage))
    found = find_contamination(units, [collection])
    assert found.rows.tolist() == [1]
    assert found.ids == ("b",)
    assert found.by_collection == {"hand-made": 1}


def test_any_language_of_a_unit_is_enough(collection_of):
    collection = collection_of(["wo ist es?"], ["hier"])
    units = Listed(
        Unit("a", {"en": "where is it?", "de": "Wo ist es"}, {"en": "there"}),
        Unit("b", {"en": "where is it?"}, {"en": "there", "de": "dort", "es": "Hier!"}),
        Unit("c", {"en": "where is it?"}, {"en": "there"}),
    )
    assert find_contamination(units, [collection]).ids == ("a", "b")


def test_hard_negatives_are_compared_too(collection_of):
    collection = collection_of(["Where is it?"], ["It is here."])
    negatives = ({"en": "nowhere"}, {"de": "dort", "en": "it is here"})
    units = Listed(unit("a", "q", "p", negatives=negatives[:1]), unit("b", "q", "p", negatives=negatives))
    assert find_contamination(units, [collection]).ids == ("b",)


def test_a_part_of_a_text_is_not_the_text(collection_of):
    units = Listed(unit("a", "where is it", "it is here and there"), unit("b", "where", "it is"))
    assert find_contamination(units, [collection_of(["where is it now"], ["it is here"])]).rows.tolist() == []


def test_units_are_counted_once_by_each_collection_that_they_share_a_text_with(collection_of):
    first = collection_of(["one", "two"], ["three"])
    second = replace(collection_of(["two"], ["four"]), name="second")
    third = replace(collection_of(["five"], ["six"]), name="third")
    units = Listed(unit("a", "one", "three"), unit("b", "x", "y"), unit("c", "two", "z"), unit("d", "w", "four"))
    found = find_contamination(units, [first, second, third])
    assert found.rows.tolist() == [0, 2, 3]
    assert found.by_collection == {"hand-made": 2, "second": 2, "third": 0}


def test_the_first_few_ids_are_kept(collection_of):
    units = Listed(*(unit(f"u{i}", "same", "p") for i in range(9)))
    found = find_contamination(units, [collection_of(["same"], ["other"])])
    assert found.ids == ("u0", "u1", "u2", "u3", "u4")
    assert found.rows.tolist() == list(range(9))
    assert found.by_collection == {"hand-made": 9}


def test_without_collections_nothing_is_found():
    found = find_contamination(Listed(unit("a", "q", "p")), [])
    assert (found.rows.tolist(), found.ids, found.by_collection) == ([], (), {})
    assert found.rows.dtype == np.int64


def test_texts_of_punctuation_alone_are_not_taken_for_one_another(collection_of):
    units = Listed(unit("a", "?", "p"), unit("b", "q", "..."), unit("c", "!", "here"))
    assert find_contamination(units, [collection_of(["«»"], ["here", "。"])]).ids == ("c",)


# --- what is remembered ---


class Fingerprinted(Listed):
    """Units in a list that count how often one is read."""

    def __init__(self, fingerprint, *units):
        super().__init__(*units)
        self.fingerprint = fingerprint
        self.queries = self.passages = {"en": RowSet.all(len(units))}
        self.read = 0

    def __getitem__(self, row):
        self.read += 1
        return super().__getitem__(row)


def test_units_are_compared_with_a_collection_once(collection_of, tmp_path):
    collection = collection_of(["Where is it?"], ["It is here."])
    units = Fingerprinted("f", unit("a", "first", "unit"), unit("b", "where is it", "there"))
    first = recall_contamination(units, [collection], cache=tmp_path)
    again = recall_contamination(units, [collection], cache=tmp_path)
    assert units.read == 2
    assert first.rows.tolist() == again.rows.tolist() == [1]
    assert again.rows.dtype == np.int64
    assert (first.ids, first.by_collection) == (again.ids, again.by_collection) == (("b",), {"hand-made": 1})


@pytest.mark.parametrize("changed", ["units", "languages", "collection", "another", "variant"])
def test_they_are_compared_again_when_anything_changes(collection_of, tmp_path, changed):
    collection = collection_of(["Where is it?"], ["It is here."])
    units = Fingerprinted("f", unit("a", "first", "unit"))
    recall_contamination(units, [collection], cache=tmp_path)
    collections = [collection]
    match changed:
        case "units":
            units.fingerprint = "g"
        case "languages":
            units.queries = {"de": RowSet.all(1), **units.queries}
        case "collection":
            collections = [replace(collection, sha256="another")]
        case "another":
            collections = [collection, replace(collection, name="second")]
        case "variant":
            collections = [replace(collection, candidates="paragraph")]
    recall_contamination(units, collections, cache=tmp_path)
    assert units.read == 2


@pytest.mark.parametrize("damage", ["", "[1, 2]", '{"rows": [1]}', '{"rows": "x", "ids": [], "by_collection": {}}'])
def test_a_damaged_memory_is_made_anew(collection_of, tmp_path, damage):
    collection = collection_of(["Where is it?"], ["It is here."])
    units = Fingerprinted("f", unit("a", "where is it", "unit"))
    recall_contamination(units, [collection], cache=tmp_path)
    (kept,) = tmp_path.glob("*.json")
    whole = kept.read_bytes()
    kept.write_text(damage)
    assert recall_contamination(units, [collection], cache=tmp_path).rows.tolist() == [0]
    assert kept.read_bytes() == whole


def test_where_nothing_can_be_written_units_are_compared_all_the_same(collection_of, tmp_path):
    (tmp_path / "file").write_text("")
    collection = collection_of(["Where is it?"], ["It is here."])
    units = Fingerprinted("f", unit("a", "where is it", "unit"))
    assert recall_contamination(units, [collection], cache=tmp_path / "file" / "folder").rows.tolist() == [0]


def test_of_several_that_ask_at_once_one_compares(collection_of, tmp_path):
    collection = collection_of(["Where is it?"], ["It is here."])
    units = Fingerprinted("f", *(unit(f"u{i}", f"q{i}", "it is here") for i in range(50)))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(recall_contamination(units, [collection], cache=tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert units.read == 50
    assert [len(each.rows) for each in found] == [50] * 4


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


# --- the units of the experiments ---


@pytest.fixture(scope="module")
def collections(real_data):
    return [load_collection(name, real_data) for name in ("xquad-r", "mlqa-r")]


def test_the_collections_own_texts_are_found(collections):
    xquad_r, mlqa_r = collections
    planted = xquad_r.queries["text"].iloc[5000], mlqa_r.passages.frame["text"].iloc[7000]
    units = Listed(unit("a", "nothing of theirs", "nor this"), *(unit(t, f"– {t.upper()}!", "p") for t in planted))
    found = find_contamination(units, collections)
    assert found.ids == planted
    assert found.by_collection == {"xquad-r": 1, "mlqa-r": 1}


def test_the_parallel_units_at_hand_share_nothing_with_the_collections(real_data, collections):
    path = real_data / "train" / "parallel.jsonl"
    if not path.is_file():
        pytest.skip(f"needs parallel units: {path} is not there")
    found = find_contamination(JsonlUnits(path), collections)
    assert found.by_collection == {"xquad-r": 0, "mlqa-r": 0}
