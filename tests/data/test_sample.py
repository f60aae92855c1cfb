"""The collection that ships with the package: large enough, parallel, and exactly in LAReQA's format."""

import json
from itertools import pairwise

import pytest

from babelrank.data.catalog import sample_folder
from babelrank.data.loading import load_collection

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")  # XQuAD-R's


def read(lang):
    return json.loads((sample_folder() / f"{lang}.json").read_text(encoding="utf-8"))


def paragraphs(lang):
    return [paragraph for article in read(lang)["data"] for paragraph in article["paragraphs"]]


def answer_sentence(paragraph, question):
    start = question["answers"][0]["answer_start"]
    return next(i for i, (begin, end) in enumerate(paragraph["sentence_breaks"]) if begin <= start < end)


def test_it_is_there_in_the_languages_of_xquad_r():
    assert tuple(sorted(path.stem for path in sample_folder().glob("*.json"))) == LANGUAGES


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_language_has_at_least_12_paragraphs_60_sentences_and_24_questions(lang):
    found = paragraphs(lang)
    assert len(found) >= 12
    assert sum(len(paragraph["sentences"]) for paragraph in found) >= 60
    assert sum(len(paragraph["qas"]) for paragraph in found) >= 24


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentence_breaks_cut_the_context_into_its_sentences(lang):
    for paragraph in paragraphs(lang):
        context, breaks = paragraph["context"], paragraph["sentence_breaks"]
        assert [context[start:end] for start, end in breaks] == paragraph["sentences"]
        gaps = [(0, 0), *breaks, (len(context), len(context))]
        assert all(context[end:start].strip() == "" for (_, end), (start, _) in pairwise(gaps))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_answer_stands_at_its_offset_and_within_one_sentence(lang):
    for paragraph in paragraphs(lang):
        for question in paragraph["qas"]:
            (answer,) = question["answers"]
            start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
            assert answer["text"]
            assert paragraph["context"][start:end] == answer["text"]
            _, stop = paragraph["sentence_breaks"][answer_sentence(paragraph, question)]
            assert end <= stop


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_is_parallel_to_english_sentence_by_sentence_and_question_by_question(lang):
    for translated, english in zip(paragraphs(lang), paragraphs("en"), strict=True):
        assert len(translated["sentences"]) == len(english["sentences"])
        for ours, theirs in zip(translated["qas"], english["qas"], strict=True):
            assert ours["id"] == theirs["id"]
            assert answer_sentence(translated, ours) == answer_sentence(english, theirs)


@pytest.mark.parametrize("lang", sorted(set(LANGUAGES) - {"en"}))
def test_nothing_was_left_in_english(lang):
    for translated, english in zip(paragraphs(lang), paragraphs("en"), strict=True):
        assert not set(translated["sentences"]) & set(english["sentences"])
        assert not {q["question"] for q in translated["qas"]} & {q["question"] for q in english["qas"]}


@pytest.mark.parametrize(
    ("lang", "first", "last"),
    [("ar", "\u0600", "\u06ff"), ("el", "\u0370", "\u03ff"), ("hi", "\u0900", "\u097f"), ("ru", "\u0400", "\u04ff"),
     ("th", "\u0e00", "\u0e7f"), ("zh", "\u4e00", "\u9fff")],
)  # fmt: skip
def test_most_letters_of_a_language_with_its_own_script_are_of_that_script(lang, first, last):
    letters = [c for paragraph in paragraphs(lang) for c in paragraph["context"] if c.isalpha()]
    assert sum(first <= letter <= last for letter in letters) > 0.95 * len(letters)


def test_no_sentence_and_no_question_stands_twice():
    for lang in LANGUAGES:
        sentences = [sentence for paragraph in paragraphs(lang) for sentence in paragraph["sentences"]]
        questions = [question["question"] for paragraph in paragraphs(lang) for question in paragraph["qas"]]
        assert len(set(sentences)) == len(sentences)
        assert len(set(questions)) == len(questions)


def test_the_loader_reads_it_whole():
    collection = load_collection("sample")
    questions = sum(len(paragraph["qas"]) for paragraph in paragraphs("en"))
    sentences = sum(len(paragraph["sentences"]) for paragraph in paragraphs("en"))
    assert collection.languages == LANGUAGES
    assert collection.query_counts == dict.fromkeys(LANGUAGES, questions)
    assert collection.pool_sizes == dict.fromkeys(LANGUAGES, sentences)
    assert len(collection.qrels) == questions * len(LANGUAGES) ** 2


def test_it_needs_no_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("BABELRANK_DATA", str(tmp_path / "nowhere"))
    assert load_collection("sample:de,en", tmp_path / "nowhere too").languages == ("de", "en")
