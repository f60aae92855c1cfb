"""Tasks of mteb as collections, and collections as tasks: the same figures on both sides, without a network."""

import sys
from itertools import pairwise

import numpy as np
import pytest

import babelrank
from babelrank.data.loading import load_collection
from babelrank.data.mteb_export import make_task
from babelrank.data.mteb_tasks import load_task
from babelrank.errors import DataError

mteb = pytest.importorskip("mteb")
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("offline")]

PASSAGES = {"deu": ["Ann lief heim.", "Bob aß Brot."], "eng": ["Ann walked home.", "Bob ate bread."]}
QUERIES = {"deu": ["Wer lief?", "Was aß Bob?"], "eng": ["Who walked?", "What did Bob eat?"]}


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # the variable is read at the import only


@pytest.fixture
def make(monkeypatch):
    """Make a task from queries, corpora and qrels by subset, as tasks with code of their own hold them."""
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.get_tasks import _TASKS_REGISTRY

    def make(subsets, langs, splits=("test",), **changes):
        def load_data(self, **_):
            self.queries, self.corpus, self.relevant_docs = (
                {name: dict.fromkeys(splits, part) for name, part in zip(subsets, parts, strict=True)}
                for parts in zip(*subsets.values(), strict=True)
            )
            self.data_loaded = True

        metadata = TaskMetadata(
            name="Made",
            description="made",
            dataset={"path": "none", "revision": "1"},
            type="Retrieval",
            eval_splits=list(splits),
            eval_langs=langs,
            main_score="ndcg_at_10",
            **changes,
        )
        task = type("Made", (AbsTaskRetrieval,), {"metadata": metadata, "load_data": load_data})
        monkeypatch.setitem(_TASKS_REGISTRY, "Made", task)
        return task()

    return make


def pair(asked, found):
    queries = {f"q{i}": text for i, text in enumerate(QUERIES[asked])}
    corpus = {f"{found}-d{i}": {"title": "", "text": text} for i, text in enumerate(PASSAGES[found])}
    return queries, corpus, {f"q{i}": {f"{found}-d{i}": 1} for i in range(2)}


def pairs(join):
    both = [(a, b) for a in PASSAGES for b in PASSAGES]
    tags = {"deu": "deu-Latn", "eng": "eng-Latn"}
    names = {join.format(a, b): (a, b) for a, b in both}
    langs = {name: [tags[each] for each in (pair if join == "{0}-{1}" else pair[::-1])] for name, pair in names.items()}
    return {name: pair(a, b) for name, (a, b) in names.items()}, langs


def relevant(collection):
    asked = collection.queries.iloc[collection.qrels["query"]]
    return sorted(zip(asked["lang"], asked["question"], collection.qrels["passage_id"], strict=True))


@pytest.mark.parametrize("join", ["{0}-{1}", "{1}-{0}"])
def test_pairs_of_languages_are_one_collection_with_one_pool(make, join):
    collection = load_collection(make(*pairs(join)))
    assert (collection.name, collection.source, collection.languages) == ("mteb:Made", "mteb", ("de", "en"))
    assert collection.pool_sizes == collection.query_counts == {"de": 2, "en": 2}
    assert relevant(collection) == sorted(
        (lang, f"q{i}", f"{found}-d{i}") for lang in ("de", "en") for found in ("deu", "eng") for i in range(2)
    )
    assert "4 passages occur in several subsets; each counts once" in collection.notes


def test_a_task_goes_by_its_name_with_subsets_and_a_split(make):
    make(*pairs("{0}-{1}"), splits=("dev", "test"))
    for spec, name, sizes in [
        ("mteb:Made", "mteb:Made", {"de": 2, "en": 2}),
        ("mteb:Made:eng-eng", "mteb:Made:eng-eng", {"en": 2}),
        ("mteb:Made:dev", "mteb:Made:dev", {"de": 2, "en": 2}),
        ("mteb:Made:deu-deu:test", "mteb:Made:deu-deu", {"de": 2}),
        ("mteb:Made:deu-deu,eng-eng:dev", "mteb:Made:deu-deu,eng-eng:dev", {"de": 2, "en": 2}),
    ]:
        collection = load_collection(spec)
        assert (collection.name, collection.pool_sizes) == (name, sizes)
        assert load_collection(name).sha256 == collection.sha256


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mteb:Made:fra", r"mteb:Made:fra: unknown subset 'fra'\..* Known: deu-deu"),
        ("mteb:Made:train", r"mteb:Made:train: unknown split 'train'\. Known: dev, dev2"),
        ("mteb:Made", r"mteb:Made: unknown split 'test'\..* Known: dev, dev2"),
        ("mteb:Mede", r"mteb:Mede: .*not found"),
        ("mteb:STS12", r"mteb:STS12: not a text retrieval task, but STS\."),
    ],
)
def test_what_there_is_not_is_refused(make, spec, message):
    make(*pairs("{0}-{1}"), splits=("dev", "dev2"))
    with pytest.raises(DataError, match=message):
        load_collection(spec)


def test_a_task_that_needs_the_hub_says_so_without_a_network():
    with pytest.raises(DataError, match=r"mteb:XQuADRetrieval:ar: mteb cannot load it \("):
        load_collection("mteb:XQuADRetrieval:ar")


def test_without_mteb_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(DataError, match=r"install it with: pip install 'babelrank\[mteb\]'"):
        load_collection("mteb:XQuADRetrieval")


def test_what_is_no_collection_is_refused():
    with pytest.raises(DataError, match="expected a specification such as 'xquad-r'"):
        load_collection(7)


def test_ids_that_stand_for_other_texts_in_another_subset_stay_apart(make):
    """As in XPQARetrieval, which numbers the texts of each pair from 0."""
    subsets, langs = pairs("{0}-{1}")
    subsets["eng-deu"] = (
        {"q0": "Who slept?"},
        {"deu-d0": "Cy schlief.", "deu-d1": PASSAGES["deu"][0]},
        {"q0": {"deu-d0": 2}},
    )
    collection = load_collection(make(subsets, langs))
    assert (collection.pool_sizes, collection.query_counts) == ({"de": 3, "en": 2}, {"de": 2, "en": 3})
    texts = dict(zip(collection.passages["id"], collection.passages["text"], strict=True))
    assert texts["eng-deu/deu-d0"] == "Cy schlief."
    row = collection.queries.index[collection.queries["text"] == "Who slept?"][0]
    assert collection.qrels[collection.qrels["query"] == row]["passage_id"].tolist() == ["eng-deu/deu-d0"]
    assert collection.qrels[collection.qrels["query"] == row]["grade"].tolist() == [2]


@pytest.mark.parametrize(
    ("tags", "languages"),
    [
        ({"a": ["zho-Hans"]}, ("zh",)),
        ({"a": ["zho-Hans"], "b": ["zho-Hant"]}, ("zh-Hans", "zh-Hant")),
        ({"a": ["jpn-Hira"], "b": ["kor-Hang"]}, ("ja", "ko")),
        ({"no": ["nor-Latn", "nno-Latn", "nob-Latn"]}, ("no",)),
        ({"a": ["eng-Latn", "python-Code"], "b": ["python-Code"]}, ("en", "zxx")),
        ({"a": ["srp-Latn"], "b": ["srp-Cyrl"]}, ("sr-Cyrl", "sr-Latn")),
    ],
)
def test_tags_of_mteb_become_codes(make, tags, languages):
    assert load_collection(make({name: pair("eng", "eng") for name in tags}, tags)).languages == languages


def test_a_subset_of_more_than_two_languages_is_refused(make):
    task = make({"a": pair("eng", "eng")}, {"a": ["eng-Latn", "deu-Latn", "fra-Latn"]})
    with pytest.raises(DataError, match="subset a mixes en, de, fr; which text is in which is unknown"):
        load_task(task)


def test_instructions_conversations_and_titles_are_texts_as_mteb_makes_them():
    from mteb.mocks import mock_tasks

    instructed = load_task(mock_tasks.MockInstructionRetrieval())
    assert instructed.queries["text"][0] == "This is a test sentence This is a test instruction"
    assert instructed.passages["text"][0] == "Title of d1 This is a positive sentence"
    talk = load_task(mock_tasks.MockRetrievalDialogTask())
    assert talk.queries["text"][1] == "user: What is the capital of France?; assistant: The capital of France is Paris."
    assert (talk.licence, talk.passages.in_memory) == ("cc-by-4.0", False)
    reranking = load_task(mock_tasks.MockRerankingTask())
    assert "mteb ranks given candidates of each query; here the whole pool is ranked" in reranking.notes
    with pytest.raises(DataError, match="not a text retrieval task"):
        load_task(mock_tasks.MockAny2AnyRetrievalI2TTask())


# --- the way back ---


def embed(texts):
    """Counts of pairs of letters."""
    vectors = np.zeros((len(texts), 256), np.float32)
    for row, text in enumerate(texts):
        for pair in pairwise(text):
            vectors[row, (31 * ord(pair[0]) + ord(pair[1])) % 256] += 1
    return vectors / np.maximum(1e-9, np.linalg.norm(vectors, axis=1, keepdims=True))


class Embedder:
    """The same as mteb takes it."""

    def __init__(self):
        self.mteb_model_meta = mteb.get_model_meta("mteb/baseline-random-encoder")

    def encode(self, inputs, **_):
        return embed([text for batch in inputs for text in batch["text"]])

    def similarity(self, first, second):
        return np.asarray(first) @ np.asarray(second).T

    def similarity_pairwise(self, first, second):
        return (np.asarray(first) * np.asarray(second)).sum(1)


def scores_of_mteb(task):
    (found,) = mteb.evaluate(
        Embedder(), task, cache=None, show_progress_bar=False, co2_tracker=False, overwrite_strategy="always"
    ).task_results
    return {entry["hf_subset"]: entry["main_score"] for entry in found.scores["test"]}


def test_mteb_finds_the_figures_of_babelrank(tmp_path):
    collection = load_collection("sample:de,en")
    scores = scores_of_mteb(babelrank.as_mteb_task("sample:de,en"))
    table = babelrank.evaluate(embed, collection, store=tmp_path).pairs("nDCG@10")
    expected = {f"{a}-{b}".replace("pool", "all"): table.loc[a, b] for a in table.index for b in table.columns}
    assert scores == pytest.approx(expected, abs=1e-5)  # mteb rounds to five digits


def test_a_collection_comes_back_from_its_task():
    collection = load_collection("sample:de,en,zh")
    task = make_task(collection)
    with pytest.raises(DataError, match="subset de-all mixes de, en, zh"):
        load_task(task)
    task.hf_subsets = [name for name in task.hf_subsets if "all" not in name]
    again = load_task(task)
    assert (again.pool_sizes, again.query_counts) == (collection.pool_sizes, collection.query_counts)
    assert relevant(again) == relevant(collection)
    assert sorted(again.passages["text"]) == sorted(collection.passages["text"])


def test_a_mixed_pool_is_not_taken_for_one_language():
    with pytest.raises(DataError, match="mteb:sample-de-en: subset de-all mixes passages in de and en"):
        load_task(make_task(load_collection("sample:de,en")))


def test_one_language_is_a_task_with_one_subset(tmp_path):
    task = make_task(load_collection("sample:en"))
    assert task.metadata.hf_subsets == ["default"]
    table = babelrank.evaluate(embed, "sample:en", store=tmp_path).pairs("nDCG@10")
    assert scores_of_mteb(task) == pytest.approx({"default": table.loc["en", "en"]}, abs=1e-5)


def test_a_task_is_evaluated_like_any_collection(make, tmp_path):
    result = babelrank.evaluate(embed, make(*pairs("{0}-{1}")), store=tmp_path)
    assert result.pairs("nDCG@10").shape == (2, 3)
