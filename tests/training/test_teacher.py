"""What a teacher makes of texts: example vectors, less means if asked for, each text read once."""

import hashlib

import numpy as np
import pytest
import torch

from babelrank.training import teacher as teacher_module
from babelrank.training.examples import Example
from babelrank.training.membership import RowSet
from babelrank.training.teacher import Teacher

PROMPTS = {"query": "ask: ", "passage": "read: "}
DIMENSION = 5


def vector(role, text) -> np.ndarray:
    """Return what the fake model makes of one text: of example length, and with a mean that is not zero."""
    seed = list(hashlib.sha256(f"{role} {text}".encode()).digest())
    raw = np.random.default_rng(seed).standard_normal(DIMENSION) + 1
    return raw / np.linalg.norm(raw)


class FakeModel:
    """Vectors from a hash of role and text; keeps what it is called with."""

    def __init__(self):
        self.training, self.learns = True, True
        self.calls = []

    def eval(self):
        self.training = False
        return self

    def requires_grad_(self, wanted):
        self.learns = wanted
        return self

    def encode_query(self, texts, **arguments):
        return self._encode("query", texts, arguments)

    def encode_document(self, texts, **arguments):
        return self._encode("passage", texts, arguments)

    def _encode(self, role, texts, arguments):
        self.calls.append((role, texts, arguments))
        return np.stack([vector(role, text) for text in texts]).astype(np.float16)

    @property
    def texts(self):
        return [text for _, texts, _ in self.calls for text in texts]


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def teacher(model) -> Teacher:
    return Teacher(model, PROMPTS, batch_size=7)


def english(*texts):
    return [{"en": text} for text in texts]


def unit_vectors(rows) -> np.ndarray:
    rows = np.asarray(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_teacher_does_not_learn(teacher, model):
    assert not model.training
    assert not model.learns
    assert not teacher.read(english("a"), "query").requires_grad


def test_a_vector_of_unit_length_is_returned_for_every_text_in_order(teacher):
    read = teacher.read([{"en": "a"}, {"de": "b"}, {"en": "c"}], "query")
    assert read.dtype == torch.float32
    assert read.shape == (3, DIMENSION)
    np.testing.assert_allclose(read.norm(dim=1), 1, rtol=1e-6)
    np.testing.assert_allclose(read, [vector("query", text) for text in "abc"], atol=2e-3)


def test_queries_and_passages_are_read_by_their_own_function_and_prompt(teacher, model):
    query, passage = (teacher.read(english("same"), role) for role in ("query", "passage"))
    assert not torch.allclose(query, passage, atol=0.1)
    assert [(role, texts) for role, texts, _ in model.calls] == [("query", ["same"]), ("passage", ["same"])]
    assert [arguments["prompt"] for *_, arguments in model.calls] == ["ask: ", "read: "]
    assert {arguments["batch_size"] for *_, arguments in model.calls} == {7}
    assert all(arguments["normalize_embeddings"] for *_, arguments in model.calls)
    assert not any(arguments["show_progress_bar"] for *_, arguments in model.calls)


def test_each_text_is_read_once_in_each_role(teacher, model):
    first = teacher.read(english("a", "b", "a"), "query")
    second = teacher.read([{"de": "b"}, {"en": "c"}, {"en": "a"}], "query")
    assert model.texts == ["a", "b", "c"]
    assert torch.equal(first[[0, 1, 2]], second[[2, 0, 2]])
    teacher.read(english("a"), "passage")
    assert model.texts == ["a", "b", "c", "a"]


def test_a_batch_that_is_known_asks_nothing_of_the_model(teacher, model):
    for _ in range(3):
        teacher.read(english("a", "b"), "passage")
    assert len(model.calls) == 1


def test_several_texts_have_the_mean_of_their_vectors(teacher, model):
    read = teacher.read([{"de": "a", "en": "b", "th": "c"}, {"de": "a"}], "passage")
    expected = unit_vectors([np.mean([vector("passage", text) for text in "abc"], axis=0), vector("passage", "a")])
    np.testing.assert_allclose(read, expected, atol=2e-3)
    assert model.texts == ["a", "b", "c"]


# --- how much is remembered ---


def test_no_more_is_remembered_than_there_is_room_for(teacher, model, monkeypatch):
    monkeypatch.setattr(teacher_module, "_REMEMBERED", 4)
    for start in range(0, 30, 3):
        texts = [f"t{i}" for i in range(start, start + 3)]
        read = teacher.read(english(*texts), "query")
        np.testing.assert_allclose(read, [vector("query", text) for text in texts], atol=2e-3)
        assert len(teacher._known) <= 4
    assert len(model.texts) == 30


def test_what_was_forgotten_is_read_again_along_with_what_is_new(teacher, model, monkeypatch):
    monkeypatch.setattr(teacher_module, "_REMEMBERED", 3)
    teacher.read(english("a", "b"), "query")
    before = teacher.read(english("a", "c"), "query")
    assert model.texts == ["a", "b", "c"]
    after = teacher.read(english("a", "d", "c"), "query")
    assert model.texts == ["a", "b", "c", "a", "d", "c"]
    assert torch.equal(before, after[[0, 2]])


def test_a_batch_larger_than_the_room_is_read_whole(teacher, model, monkeypatch):
    monkeypatch.setattr(teacher_module, "_REMEMBERED", 2)
    read = teacher.read(english(*"abcde"), "query")
    np.testing.assert_allclose(read, [vector("query", text) for text in "abcde"], atol=2e-3)
    assert model.texts == list("abcde")
    teacher.read(english("f"), "query")
    assert len(teacher._known) == 1


# --- centred ---


class Listed(list[Example]):
    """Examples in a list, all with queries in German and English and passages in English."""

    @property
    def queries(self):
        return dict.fromkeys(("de", "en"), RowSet.all(len(self)))

    @property
    def passages(self):
        return {"en": RowSet.all(len(self))}


def units_of(size, prefix="") -> Listed:
    return Listed(
        Example(f"u{i}", {"de": f"{prefix}q de {i}", "en": f"{prefix}q en {i}"}, {"en": f"{prefix}p en {i}"})
        for i in range(size)
    )


def mean(role, texts) -> np.ndarray:
    return np.mean([vector(role, text) for text in texts], axis=0)


def shift(role, lang, languages, size=10, prefix="") -> np.ndarray:
    means = {other: mean(role, [f"{prefix}{role[0]} {other} {i}" for i in range(size)]) for other in languages}
    return np.mean(list(means.values()), axis=0) - means[lang]


def test_the_mean_of_a_language_is_moved_to_that_of_all(teacher):
    teacher.center([units_of(10)])
    read = teacher.read([{"de": "x"}, {"en": "x"}, {"de": "y"}], "query")
    expected = unit_vectors(
        [
            vector("query", text) + shift("query", lang, ("de", "en"))
            for lang, text in (("de", "x"), ("en", "x"), ("de", "y"))
        ]
    )
    np.testing.assert_allclose(read, expected, atol=5e-3)


def test_a_language_alone_in_its_role_stays_where_it_is(teacher):
    teacher.center([units_of(10)])
    np.testing.assert_allclose(teacher.read(english("x"), "passage"), [vector("passage", "x")], atol=2e-3)


def test_a_language_that_no_unit_has_in_the_role_is_not_centred(teacher):
    teacher.center([units_of(10)])
    read = teacher.read([{"th": "x"}, {"de": "y"}], "passage")
    np.testing.assert_allclose(read, [vector("passage", text) for text in "xy"], atol=2e-3)


def test_the_same_text_in_two_languages_is_read_once_and_centred_twice(teacher, model):
    teacher.center([units_of(10)])
    asked = len(model.texts)
    german, english_ = teacher.read([{"de": "x"}, {"en": "x"}], "query")
    assert model.texts[asked:] == ["x"]
    assert not torch.allclose(german, english_, atol=1e-3)


def test_what_was_read_before_is_centred_too(teacher):
    before = teacher.read(english("x"), "query")
    teacher.center([units_of(10)])
    expected = unit_vectors([vector("query", "x") + shift("query", "en", ("de", "en"))])
    np.testing.assert_allclose(teacher.read(english("x"), "query"), expected, atol=5e-3)
    assert not np.allclose(before, expected, atol=0.05)


def test_means_are_over_all_sets_of_units(teacher):
    teacher.center([units_of(3), units_of(9, prefix="other ")])
    means = [
        mean("query", [f"q {lang} {i}" for i in range(3)] + [f"other q {lang} {i}" for i in range(9)])
        for lang in ("de", "en")
    ]
    expected = unit_vectors([vector("query", "x") + (means[0] - means[1]) / 2])
    np.testing.assert_allclose(teacher.read(english("x"), "query"), expected, atol=5e-3)


def test_means_are_estimated_from_some_units_of_the_whole_set(teacher, model, monkeypatch):
    monkeypatch.setattr("babelrank.training.mean_vectors._SAMPLE", 4)
    teacher.center([units_of(14)])
    assert {text for text in model.texts if text.startswith("q de")} == {f"q de {i}" for i in (0, 3, 7, 10)}


# --- a real model ---


def test_a_real_model_is_read_as_it_encodes_and_stays_as_it_is(tiny_model):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_model), device="cpu")
    expected = model.encode_query(["who ran"], prompt="ask: ")
    teacher = Teacher(model, PROMPTS)
    read = teacher.read(english("who ran", "who sat"), "query")
    np.testing.assert_allclose(read[:1], unit_vectors(expected), atol=1e-6)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
