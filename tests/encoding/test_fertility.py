"""Tokens of the model's tokenizer, by language."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from babelrank.data.collection import Collection
from babelrank.data.loading import load_collection
from babelrank.encoding.fertility import SAMPLE, measure_fertility
from babelrank.encoding.protocol import TokenCounts
from made_collections import write_local


@dataclass
class Letters:
    """An encoder with a token for each letter; z is unknown."""

    shows_unknown: bool = True

    def count_tokens(self, texts):
        tokens = [text.replace(" ", "") for text in texts]
        unknown = [text.count("z") for text in tokens] if self.shows_unknown else None
        return TokenCounts([len(each) for each in tokens], unknown)


def parallel(texts, languages=("de", "en", "th")):
    """A collection of questions with a passage in each language, of texts by language."""
    rows = [(lang, f"q{i}", text) for lang in languages for i, text in enumerate(texts[lang])]
    frame = pd.DataFrame(rows, columns=["lang", "question", "text"])
    queries = frame.assign(id=frame["lang"] + frame["question"])
    pairs = queries.merge(queries, on="question", suffixes=("_query", "_passage"))
    qrels = pd.DataFrame({"query_id": pairs["id_query"], "passage_id": "to " + pairs["id_passage"]})
    passages = queries.assign(id="to " + queries["id"])
    return Collection.from_frames(queries.assign(text="?"), passages, qrels)


TEXTS = {"de": ["aa bb", "zz zz"], "en": ["a bb", "c"], "th": ["aaaa", "aa"]}


def test_tokens_are_counted_per_word_and_relative_to_the_same_passages_in_english():
    found = measure_fertility(Letters(), parallel(TEXTS))
    assert found.passages == [2, 2, 2]
    assert found.tokens_per_word == [8 / 4, 4 / 3, None]  # Thai has no spaces between words
    assert found.relative_to_english == [8 / 4, 1.0, 6 / 4]
    assert found.characters_per_token == [10 / 8, 5 / 4, 1.0]
    assert found.unknown == [0.5, 0.0, 0.0]


def test_only_questions_with_one_english_passage_are_compared():
    texts = {"de": ["aa", "bbbb", "c"], "en": ["a", "b"], "th": ["a", "a", "a"]}
    found = measure_fertility(Letters(), parallel(texts))
    assert found.passages == [2, 2, 2]
    assert found.relative_to_english == [6 / 2, 1.0, 1.0]


def test_without_english_there_is_no_comparison():
    found = measure_fertility(Letters(), parallel(TEXTS, ("de", "th")))
    assert found.relative_to_english == [None, None]
    assert found.passages == [2, 2]


def test_the_sample_is_of_the_same_questions_and_the_same_each_time():
    texts = {lang: [f"{'a' * (i % 7)}b" for i in range(300)] for lang in ("de", "en")}
    first, second = (measure_fertility(Letters(), parallel(texts, ("de", "en"))) for _ in range(2))
    assert first == second
    assert first.passages == [SAMPLE, SAMPLE]
    assert first.relative_to_english == [1.0, 1.0]


def test_what_a_model_does_not_show_is_unknown(tmp_path):
    class Silent(Letters):
        def count_tokens(self, texts):
            return None

    collection = parallel(TEXTS)
    assert measure_fertility(Letters(shows_unknown=False), collection).unknown == [None] * 3
    assert measure_fertility(Silent(), collection) is None
    assert measure_fertility(object(), collection) is None
    streamed = load_collection(f"local:{write_local(tmp_path / 'c', 120)}")
    assert measure_fertility(Letters(), streamed) is None
    assert measure_fertility(Letters(), streamed.with_passages_in_memory()) is not None


def test_texts_without_tokens_have_no_rates():
    found = measure_fertility(Letters(), parallel({"de": [" "], "en": [" "], "th": ["a"]}))
    assert found.characters_per_token == [None, None, 1.0]
    assert found.relative_to_english == [None, None, None]


@pytest.mark.parametrize("languages", [("en",), ("de", "en")])
def test_a_collection_of_separate_questions_has_rates(languages):
    queries = pd.DataFrame({"id": ["1", "2"], "lang": ["en", languages[0]], "text": ["a", "b"]})
    qrels = pd.DataFrame({"query_id": ["1", "2"], "passage_id": ["2", "1"]})
    found = measure_fertility(Letters(), Collection.from_frames(queries, queries, qrels))
    assert not np.isnan(found.tokens_per_word).any()
