"""XQuAD-R and MLQA-R as published: every count of the protocol (LAReQA, arXiv 2004.05484)."""

import hashlib
import json

import pytest

from babelrank.data.catalog import SOURCES
from babelrank.data.download import FileState, verify
from babelrank.data.lareqa import CANDIDATES
from babelrank.data.loading import load_collection
from babelrank.errors import DataError

XQUAD_R_POOL = {
    "ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244, "ru": 1219, "th": 852, "tr": 1167,
    "vi": 1209, "zh": 1196,
}  # fmt: skip
MLQA_R_QUERIES = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}
MLQA_R_POOL = {"ar": 2545, "de": 2362, "en": 6264, "es": 1787, "hi": 2426, "vi": 2828, "zh": 2322}


@pytest.fixture(scope="module")
def xquad_r(real_data):
    return load_collection("xquad-r", real_data)


@pytest.fixture(scope="module")
def mlqa_r(real_data):
    return load_collection("mlqa-r", real_data)


def relevant_languages(collection):
    """Return, per judgement, the query's row, language and id, and the passage's language."""
    queries = collection.queries.iloc[collection.qrels["query"]]
    passages = collection.passages.frame.iloc[collection.qrels["passage"]]
    return queries[["lang", "id"]].assign(
        query=collection.qrels["query"].to_numpy(), passage_lang=passages["lang"].to_numpy()
    )


def read_questions(folder):
    """Yield (paragraph, answer) of every question of every file, read without babelrank."""
    for path in sorted(folder.glob("*.json")):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield paragraph, question["answers"][0]


def count_over_breaks(folder):
    """Return how many answers end behind the sentence they start in, and how many there are."""
    over = total = 0
    for paragraph, answer in read_questions(folder):
        start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        ends = [stop for begin, stop in paragraph["sentence_breaks"] if begin <= start < stop]
        over += end > ends[0]
        total += 1
    return over, total


def test_xquad_r_has_1190_queries_in_each_of_11_languages(xquad_r):
    assert xquad_r.query_counts == dict.fromkeys(XQUAD_R_POOL, 1190)


def test_xquad_r_has_13014_candidates(xquad_r):
    assert xquad_r.pool_sizes == XQUAD_R_POOL
    assert len(xquad_r.passages.frame) == sum(XQUAD_R_POOL.values()) == 13_014


def test_xquad_r_is_fully_parallel(xquad_r):
    assert len(xquad_r.qrels) == 1190 * 11 * 11 == 143_990
    per_query = relevant_languages(xquad_r).groupby("query")["passage_lang"]
    assert (per_query.size() == 11).all()
    assert (per_query.nunique() == 11).all()


def test_mlqa_r_has_its_queries_and_candidates_by_language(mlqa_r):
    assert mlqa_r.query_counts == MLQA_R_QUERIES
    assert mlqa_r.pool_sizes == MLQA_R_POOL
    assert len(mlqa_r.passages) == sum(MLQA_R_POOL.values()) == 20_534


def test_mlqa_r_has_1148_question_ids_each_in_english_and_one_to_three_more_languages(mlqa_r):
    languages = mlqa_r.queries.groupby("id")["lang"].agg(set)
    assert len(languages) == 1148
    assert languages.map(len).value_counts().to_dict() == {2: 65, 3: 263, 4: 820}
    assert languages.map(lambda found: "en" in found).all()


def test_each_language_holds_at_most_one_relevant_passage_per_question(xquad_r, mlqa_r):
    for collection in (xquad_r, mlqa_r):
        assert not relevant_languages(collection).duplicated(["query", "passage_lang"]).any()


def test_the_relevant_languages_of_a_question_of_mlqa_r_are_those_it_stands_in(mlqa_r):
    stands_in = mlqa_r.queries.groupby("id")["lang"].agg(set)
    relevant = relevant_languages(mlqa_r)
    assert len(mlqa_r.qrels) == sum(n * n * ids for n, ids in {2: 65, 3: 263, 4: 820}.items()) == 15_747
    found = relevant.groupby(["query", "id"])["passage_lang"].agg(set).reset_index()
    assert (found["passage_lang"] == found["id"].map(stands_in)).all()


@pytest.mark.parametrize(("name", "counts"), [("xquad-r", (112, 13_090)), ("mlqa-r", (25, 4_199))])
def test_answers_that_run_over_a_break_are_few_and_count_where_they_start(real_data, name, counts):
    assert count_over_breaks(real_data / name) == counts


def test_the_relevant_sentence_is_the_one_the_answer_starts_in(real_data, xquad_r):
    """Checked against the files for every English question, without the loader's own search."""
    english = [
        paragraph["sentences"][sum(end <= answer["answer_start"] for _, end in paragraph["sentence_breaks"])]
        for article in json.loads((real_data / "xquad-r" / "en.json").read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for answer in (question["answers"][0] for question in paragraph["qas"])
    ]
    passages = xquad_r.passages.frame.iloc[xquad_r.qrels["passage"]]
    queries = xquad_r.queries.iloc[xquad_r.qrels["query"]]
    own = ((queries["lang"].to_numpy() == "en") & (passages["lang"].to_numpy() == "en")).nonzero()[0]
    assert passages.iloc[own]["text"].tolist() == english


def test_texts_are_not_deduplicated_and_26104_of_xquad_r_are_to_be_encoded(xquad_r):
    assert len(xquad_r.queries) + len(xquad_r.passages.frame) == 26_104
    assert xquad_r.passages.frame["text"].duplicated().any()
    assert xquad_r.passages.frame["id"].is_unique


@pytest.mark.parametrize("candidates", sorted(set(CANDIDATES) - {"sentence"}))
def test_other_candidates_have_the_same_questions_and_judgements_by_language(real_data, xquad_r, candidates):
    other = load_collection(f"xquad-r:{candidates}:de,th", real_data)
    assert other.candidates == candidates
    assert other.query_counts == {"de": 1190, "th": 1190}
    assert len(other.qrels) == 1190 * 4
    assert not relevant_languages(other).duplicated(["query", "passage_lang"]).any()
    expected = {"de": 240, "th": 240} if candidates == "paragraph" else {"de": 1276, "th": 852}
    assert other.pool_sizes == expected


def test_the_digest_of_a_collection_is_over_its_files(real_data, xquad_r):
    lines = [
        f"{lang} {hashlib.sha256((real_data / 'xquad-r' / f'{lang}.json').read_bytes()).hexdigest()}\n"
        for lang in sorted(XQUAD_R_POOL)
    ]
    assert xquad_r.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("name", ["xquad-r", "mlqa-r"])
def test_the_pinned_checksums_are_those_of_the_published_files(real_data, name):
    assert set(verify(SOURCES[name], real_data).values()) == {FileState.COMPLETE}


def test_a_changed_copy_of_a_published_file_is_refused(real_data, tmp_path):
    content = (real_data / "mlqa-r" / "es.json").read_bytes()
    (tmp_path / "mlqa-r").mkdir()
    (tmp_path / "mlqa-r" / "es.json").write_bytes(content + b" ")
    with pytest.raises(DataError, match=r"es\.json: its SHA-256 is"):
        load_collection("mlqa-r:es", tmp_path)
    (tmp_path / "mlqa-r" / "es.json").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"es\.json: not valid JSON, or cut off"):
        load_collection("mlqa-r:es", tmp_path)
