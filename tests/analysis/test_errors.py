"""What stands above the answers, and of which kind it is: hand-worked lists, and the same counted in plain loops."""

import json
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelrank.analysis.errors import attach_texts, find_errors, gather_texts, select_worst
from babelrank.analysis.outranking import KINDS, PLACES, paragraphs_and_articles
from babelrank.data.loading import load_collection
from babelrank.data.pool import MemoryPassages
from babelrank.encoding.protocol import Similarity
from babelrank.encoding.representations import Representations
from babelrank.errors import ReportError
from babelrank.ranking.table import RankTable
from babelrank.ranking.top_table import TopTable
from made_collections import collection_of_tables, rank_with_top

LANGUAGES = ("de", "en", "th")
# By language: paragraphs 0/0 and 0/1 of one article, 1/0 of another, with two sentences each.
PASSAGES = [(lang, f"{lang}/{unit}/{i}") for lang in LANGUAGES for unit in ("0/0", "0/1", "1/0") for i in range(2)]


def rank_lists(lists, *, answers=("0/0/0",), ids=PASSAGES, languages=LANGUAGES, pool_depth=10, language_depth=1):
    """Rank passages as told: (query language, query id) -> ids, best first; the others follow in the pool's order.

    The answers of each query are the passages of these places in all languages.
    """
    position = {passage: i for i, (_, passage) in enumerate(ids)}
    scores = np.tile(-np.arange(len(ids), dtype=np.float32), (len(lists), 1))
    for row, best in zip(scores, lists.values(), strict=True):
        for place, passage in enumerate(best):
            row[position[passage]] = len(ids) - place
    queries = pd.DataFrame(list(lists), columns=["lang", "id"]).assign(text="?")
    relevant = [i for i, (lang, passage) in enumerate(ids) if passage in {f"{lang}/{answer}" for answer in answers}]
    collection = collection_of_tables(
        "made-up",
        languages,
        queries,
        pd.DataFrame(ids, columns=["lang", "id"]).assign(text=[f"text of {passage}" for _, passage in ids]),
        pd.DataFrame(
            [(query, i, 1) for query in range(len(lists)) for i in relevant], columns=["query", "passage", "grade"]
        ),
        "sentence",
        "0" * 64,
    )
    # With passages as unit vectors, a query is its scores.
    vectors = Representations(scores, np.eye(len(ids), dtype=np.float32), Similarity.DOT, {}, {})
    depths = {"pool_depth": pool_depth, "language_depth": language_depth}
    return collection, *rank_with_top(collection, vectors, **depths)


def errors_of(lists, worst=10, **options):
    _, ranks, top = rank_lists(lists, **options)
    return find_errors(ranks, top, worst=worst)


ANSWERS = ["de/0/0/0", "en/0/0/0", "th/0/0/0"]


def test_answers_in_front_are_outranked_by_answers_only():
    errors = errors_of({("de", "q"): ANSWERS})
    assert errors.pairs.outranked == [[0] * 3] * 3
    assert errors.pool.outranked[0] == [0, 1, 1]
    assert errors.pool.kinds["relevant"][0] == [0, 1, 2]
    assert sum(np.sum(errors.pool.kinds[kind]) for kind in KINDS[1:]) == 0
    assert errors.pool.worst == {"de→all": [], "en→all": [], "th→all": []}


@pytest.mark.parametrize(
    ("first", "place"),
    [("de/0/0/1", "same_paragraph"), ("de/0/1/0", "same_article"), ("de/1/0/1", "elsewhere")],
)
def test_what_stands_first_in_a_pair_is_told_by_its_paragraph_and_article(first, place):
    pairs = errors_of({("en", "q"): [first, *ANSWERS]}).pairs
    assert pairs.n[1] == [1, 1, 1]
    assert pairs.outranked[1] == [1, 0, 0]
    assert {name: counts[1] for name, counts in pairs.places.items()} == {
        name: [int(name == place), 0, 0] for name in PLACES
    }
    (worst,) = pairs.worst["en→de"]
    assert (worst.query_id, worst.answer_id, worst.rank) == ("q", "de/0/0/0", 2)
    (above,) = worst.outranking
    assert (above.passage_id, above.rank, above.place, above.kind) == (first, 1, place, "answer_language")


def test_in_the_pool_what_stands_above_an_answer_is_told_by_its_language():
    # An English query: a wrong passage in each language, then the answers in German, English and Thai.
    pool = errors_of({("en", "q"): ["th/1/0/0", "en/1/0/0", "de/1/0/0", *ANSWERS]}).pool
    assert {kind: counts[1] for kind, counts in pool.kinds.items()} == {
        "relevant": [0, 1, 2],
        "query_language": [1, 1, 1],
        "answer_language": [1, 0, 1],  # of the English answer's, English counts as the query's
        "third_language": [1, 2, 1],
    }
    assert {kind: counts[1] for kind, counts in pool.first.items()} == {
        "query_language": 0,
        "answer_language": 0,
        "third_language": 1,  # Thai: neither English nor, as the best answer is, German
    }
    assert pool.intruders[1] == [1, 1, 1]
    assert pool.questions == [0, 1, 0]
    best, last = pool.worst["en→all"][0], pool.most_buried["en→all"][0]
    assert (best.answer_id, best.rank, len(best.outranking)) == ("de/0/0/0", 4, 3)
    assert (last.answer_id, last.rank, len(last.outranking)) == ("th/0/0/0", 6, 5)
    assert [passage.kind for passage in last.outranking] == [
        "answer_language",
        "query_language",
        "third_language",
        "relevant",
        "relevant",
    ]
    assert [passage.place for passage in last.outranking] == ["elsewhere"] * 3 + [None] * 2


def test_only_what_was_kept_is_counted():
    wrong = ["de/1/0/0", "de/1/0/1", "en/1/0/0", "en/1/0/1"]
    pool = errors_of({("de", "q"): wrong + ANSWERS}, pool_depth=4).pool
    assert pool.kinds["relevant"][0] == [0, 0, 0]
    assert [passage.passage_id for passage in pool.most_buried["de→all"][0].outranking] == wrong


def test_the_worst_questions_come_first_as_many_as_asked_for_and_equal_ones_in_order():
    wrong = [f"de/{unit}/{i}" for unit in ("0/1", "1/0") for i in range(2)]
    lists = {("de", f"q{n}"): wrong[:n] + ANSWERS for n in range(5)} | {("de", "q5"): wrong[:3] + ANSWERS}
    worst = errors_of(lists, worst=3).pairs.worst["de→de"]
    assert [(question.query_id, question.rank) for question in worst] == [("q4", 5), ("q3", 4), ("q5", 4)]


def test_a_deeper_list_of_a_language_names_more_of_what_outranks():
    lists = {("de", "q"): ["de/1/0/1", "de/0/1/0", "de/0/0/1", *ANSWERS]}
    (worst,) = errors_of(lists, language_depth=2).pairs.worst["de→de"]
    assert [passage.passage_id for passage in worst.outranking] == ["de/1/0/1", "de/0/1/0"]
    assert worst.rank == 4


def test_equal_scores_do_not_outrank():
    collection, _, _ = rank_lists({("de", "q"): ANSWERS})
    flat = Representations(np.ones((1, 1), np.float32), np.ones((18, 1), np.float32), Similarity.DOT, {}, {})
    errors = find_errors(*rank_with_top(collection, flat))
    assert np.sum(errors.pairs.outranked) == np.sum(errors.pool.outranked) == 0
    assert errors.pairs.worst["de→de"] == []


def test_of_several_answers_in_a_language_the_best_is_meant_and_the_others_are_no_errors():
    errors = errors_of({("de", "q"): ["de/1/0/0", "de/0/1/0", "de/0/0/0"]}, answers=("0/0/0", "0/1/0"))
    assert errors.pairs.n[0] == [1, 1, 1]
    assert errors.pool.n[0] == [2, 2, 2]
    assert errors.pairs.worst["de→de"][0].answer_id == "de/0/1/0"
    assert errors.pool.kinds["relevant"][0][0] == 1


def test_questions_with_one_id_are_told_apart_by_language():
    errors = errors_of({("de", "q"): ["de/1/0/0", *ANSWERS], ("en", "q"): ANSWERS})
    assert [row[0] for row in errors.pairs.outranked] == [1, 0, 0]


def test_ids_that_tell_no_paragraph_leave_the_places_open():
    ids = [("de", "a"), ("de", "b"), ("en", "de/0/0/0")]
    collection = collection_of_tables(
        "beir-like",
        ("de", "en"),
        pd.DataFrame([("de", "q", "?")], columns=["lang", "id", "text"]),
        pd.DataFrame(ids, columns=["lang", "id"]).assign(text="."),
        pd.DataFrame([(0, 0, 2)], columns=["query", "passage", "grade"]),
        "paragraph",
        "0" * 64,
    )
    vectors = Representations(np.float32([[1]]), np.float32([[1], [3], [2]]), Similarity.DOT, {}, {})
    errors = find_errors(*rank_with_top(collection, vectors))
    assert errors.pairs.places is None
    assert errors.pairs.worst["de→de"][0].outranking[0].place is None
    assert errors.pairs.n == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("ids", "paragraphs", "articles"),
    [
        (["en/0/0/0", "en/0/0/1", "en/0/1/0", "en/10/0/0", "de/0/0/0"], [0, 0, 1, 2, 3], [0, 0, 0, 1, 2]),
        (["12#0", "12#1", "sw-3#0"], [0, 1, 2], [0, 0, 1]),  # of MIRACL
    ],
)
def test_paragraphs_and_articles_are_read_from_ids(ids, paragraphs, articles):
    found = paragraphs_and_articles(pd.Series(ids))
    assert [numbers.tolist() for numbers in found] == [paragraphs, articles]


def test_a_few_of_the_worst_questions_are_selected_by_kind_of_setting():
    wrong = [f"{lang}/{unit}/{i}" for lang in ("de", "en") for unit in ("0/1", "1/0") for i in range(2)]
    lists = {("de", f"q{n}"): wrong[:n] + ANSWERS for n in range(8)}
    worst = select_worst(errors_of(lists))
    assert list(worst) == ["monolingual", "cross_lingual", "multilingual", "most_buried"]
    assert {kind: list(settings) for kind, settings in worst.items()} == {
        "monolingual": ["de→de"],
        "cross_lingual": ["de→en"],  # no Thai passage outranks the Thai answer
        "multilingual": ["de→all"],
        "most_buried": ["de→all"],
    }
    assert [question.query_id for question in worst["multilingual"]["de→all"]] == ["q7", "q6", "q5"]
    assert [len(settings) for settings in worst["cross_lingual"].values()] == [1]
    assert [passage.rank for passage in worst["most_buried"]["de→all"][0].outranking] == [1, 2, 3]


def test_texts_are_gathered_from_the_collection_and_attached_where_they_are_known():
    collection, ranks, top = rank_lists({("en", "q"): ["th/1/0/0", *ANSWERS]})
    worst = select_worst(find_errors(ranks, top))
    bare = worst["multilingual"]["en→all"][0]
    assert (bare.query, bare.answer, bare.outranking[0].text) == (None, None, None)
    frame = collection.passages.frame
    long = frame.assign(text=frame["text"].where(frame["lang"] != "th", "x" * 999))
    texts = gather_texts(worst, replace(collection, passages=MemoryPassages(long, collection.languages)))
    assert texts.queries == {"en": {"q": "?"}}
    assert set(texts.passages["th"]) == {"th/0/0/0", "th/1/0/0"}
    assert {(len(text), text[-1]) for text in texts.passages["th"].values()} == {(400, "…")}
    found = attach_texts(worst, texts)["multilingual"]["en→all"][0]
    assert (found.query, found.answer) == ("?", "text of de/0/0/0")
    assert found.outranking[0].text == texts.passages["th"]["th/1/0/0"]
    fewer = gather_texts(worst, replace(collection, passages=MemoryPassages(frame[:1], collection.languages)))
    assert attach_texts(worst, fewer)["multilingual"]["en→all"][0].outranking[0].text is None


def test_errors_are_json():
    errors = errors_of({("en", "q"): ["th/1/0/0", *ANSWERS], ("de", "q"): ANSWERS})
    assert json.loads(json.dumps(asdict(errors), allow_nan=False)) == asdict(errors)


def test_tables_that_do_not_belong_together_are_refused():
    _, ranks, top = rank_lists({("en", "q"): ["th/1/0/0", *ANSWERS]})
    _, others, other_top = rank_lists({("en", "q"): ["de/1/0/0", "en/1/0/0", *ANSWERS]})
    with pytest.raises(ReportError, match="two encoders"):
        find_errors(others, top)
    with pytest.raises(ReportError, match="two encoders"):
        find_errors(ranks, other_top)
    with pytest.raises(ReportError, match="different collections"):
        find_errors(RankTable(ranks.table, ranks.languages, {"de": 1, "en": 1, "th": 1}, 0), top)
    with pytest.raises(ReportError, match="lacks queries"):
        find_errors(ranks, replace(top, table=top.table.assign(query_id="another")))


def test_empty_tables_have_no_errors():
    _, ranks, top = rank_lists({("en", "q"): ANSWERS})
    errors = find_errors(replace(ranks, table=ranks.table[:0]), replace(top, table=top.table[:0]))
    assert errors.pairs.n == errors.pool.n == [[0] * 3] * 3


def count_slowly(ranks: RankTable, top: TopTable) -> tuple[Counter, Counter]:
    """Count kinds in the pool, and places in pairs, row by row."""
    answers = [row[:4] + row[5:] for row in ranks.table.itertuples(index=False, name=None)]  # without the grade
    listed = list(top.table.itertuples(index=False, name=None))
    relevant = {(*answer[:2], answer[3]) for answer in answers}
    kinds, best = Counter(), {}
    for query_lang, query_id, lang, passage, in_language, in_pool in answers:
        for other_query_lang, other_query_id, other_lang, other, _, other_in_pool in listed:
            if (other_query_lang, other_query_id) == (query_lang, query_id) and other_in_pool < in_pool:
                if (query_lang, query_id, other) in relevant:
                    kind = "relevant"
                elif other_lang == query_lang:
                    kind = "query_language"
                else:
                    kind = "answer_language" if other_lang == lang else "third_language"
                kinds[kind, query_lang, lang] += 1
        key = (query_lang, query_id, lang)
        best[key] = min(best.get(key, (np.inf, "")), (in_language, passage))
    places = Counter()
    for query_lang, query_id, lang, passage, in_language, _ in listed:
        key = (query_lang, query_id, lang)
        if in_language == 1 and best[key][0] > 1:
            article, paragraph, _ = passage.rsplit("/", 2)
            units = [row[3].rsplit("/", 2)[:2] for row in answers if row[:3] == key]
            if [article, paragraph] in units:
                place = "same_paragraph"
            else:
                place = "same_article" if article in [unit[0] for unit in units] else "elsewhere"
            places[place, query_lang, lang] += 1
    return kinds, places


@settings(max_examples=20)  # plain loops are slow
@given(seed=st.integers(0, 10_000))
def test_counts_agree_with_plain_loops(seed):
    rng = np.random.default_rng(seed)
    every = [passage for _, passage in PASSAGES]
    lists = {(lang, f"q{i}"): rng.permutation(every).tolist() for lang in LANGUAGES for i in range(2)}
    answers = [("0/0/0",), ("0/0/0", "1/0/1")][seed % 2]
    _, ranks, top = rank_lists(lists, answers=answers, pool_depth=int(rng.integers(1, 19)))
    errors = find_errors(ranks, top)
    kinds, places = count_slowly(ranks, top)
    for counted, expected in ((errors.pool.kinds, kinds), (errors.pairs.places, places)):
        for name, matrix in counted.items():
            assert matrix == [[expected[name, query, passage] for passage in LANGUAGES] for query in LANGUAGES]


def test_shares_of_the_sample_add_up(fake_encoder):
    collection = load_collection("sample")
    encoder = fake_encoder(16)
    vectors = Representations(
        encoder.encode_query(collection.queries["text"].tolist()),
        encoder.encode_document(collection.passages.frame["text"].tolist()),
        Similarity.COSINE,
        {},
        {},
    )
    ranks, top = rank_with_top(collection, vectors)
    errors = find_errors(ranks, top)
    assert np.sum(errors.pool.n) == len(ranks.table)
    assert np.array_equal(np.sum(list(errors.pairs.places.values()), axis=0), errors.pairs.outranked)
    best = ranks.table.groupby(["query_lang", "query_id"], observed=True)["rank_in_pool"].min()
    assert np.sum(list(errors.pool.first.values())) == best.gt(1).sum()
    # As many pairs have an outranked answer as R@1 misses.
    missed = ranks.table["rank_in_language"].gt(1).sum()
    assert np.sum(errors.pairs.outranked) == missed
