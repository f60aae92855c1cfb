"""Adapter mteb: models of mteb's registry give what MTEB itself embeds, and nothing runs that was not asked for."""

import shutil
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import babelrank
from babelrank.encoding.model_files import HubUnreachableError, find_model
from babelrank.encoding.protocol import EncoderOptions, Kind, Similarity
from babelrank.encoding.registry import find_adapter, load_encoder
from babelrank.encoding.vectors import take
from babelrank.errors import EncoderError
from babelrank_adapters import mteb_registry
from babelrank_adapters.mteb_registry import MtebEncoder

mteb = pytest.importorskip("mteb")
RANDOM = "mteb:mteb/baseline-random-encoder"

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("offline")]


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def load(model=RANDOM, **options):
    return load_encoder(model, EncoderOptions(**options))


@pytest.fixture
def register(monkeypatch):
    """Put a model of one's own into mteb's registry."""
    from mteb.models.model_implementations import MODEL_REGISTRY

    def register(name, loader, **changes):
        known = MODEL_REGISTRY["mteb/baseline-random-encoder"]
        meta = known.model_copy(
            update={"name": name, "loader": loader, "revision": "1", "modalities": ["text"], **changes}
        )
        monkeypatch.setitem(MODEL_REGISTRY, name, meta)
        return meta

    return register


def test_a_baseline_is_evaluated_without_a_network(tmp_path, capfd):
    assert find_adapter(RANDOM, EncoderOptions()).name == "mteb"
    encoder = load()
    assert (encoder.info.name, encoder.info.dimension, encoder.info.kind) == (RANDOM.partition(":")[2], 32, Kind.DENSE)
    assert encoder.info.fingerprint.endswith("mteb/baseline-random-encoder 2")
    collection = babelrank.load_collection("sample:en")
    vectors = babelrank.encode(encoder, collection, store=tmp_path)
    assert vectors.queries.shape == (len(collection.queries), 32)
    assert "batch" not in capfd.readouterr().err
    assert load("mteb:mteb/baseline-random-sparse-encoder").info.similarity is Similarity.DOT
    assert load(options={"embed_dim": "10"}).info.dimension == 10


@pytest.mark.filterwarnings("ignore:Model prompts specified")  # of mteb
@pytest.mark.parametrize("instructed", [False, True])
def test_vectors_are_those_that_mteb_itself_embeds(register, tiny_model, monkeypatch, instructed):
    from mteb.mocks.mock_tasks.retrieval import MockRetrievalTask
    from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

    def loader(model_name, revision, device=None, **_):
        if instructed:
            template = "Instruct: {instruction}\nQuery: "
            return InstructSentenceTransformerModel(
                str(tiny_model), None, instruction_template=template, apply_instruction_to_passages=False
            )
        return SentenceTransformerEncoderWrapper(
            str(tiny_model), None, model_prompts={"query": "ask: ", "document": "told: "}
        )

    register("acme/fake", loader)
    seen = {}

    def record(model):
        encode = model.encode

        def recording(inputs, *, prompt_type, **options):
            texts = [text for batch in inputs for text in batch["text"]]
            seen[prompt_type.value] = (texts, np.asarray(encode(inputs, prompt_type=prompt_type, **options)))
            return seen[prompt_type.value][1]

        model.encode = recording
        return model

    task = MockRetrievalTask()
    monkeypatch.setattr(mteb, "get_task", lambda name: task)
    monkeypatch.setattr(sys.modules["mteb.get_tasks"], "get_task", lambda task_name: task)
    mteb.evaluate(record(mteb.get_model("acme/fake")), task, cache=None)
    encoder = load("mteb:acme/fake", options={"task": "MockRetrievalTask"})
    assert isinstance(encoder, MtebEncoder)
    prompts = [encoder.info.notes[f"{role} prompt"] for role in ("query", "document")]
    assert prompts[1] == ("''" if instructed else "'told: '")
    assert prompts[0].startswith("'Instruct: " if instructed else "'ask: ")
    for role, encode in (("query", encoder.encode_query), ("document", encoder.encode_document)):
        texts, expected = seen[role]
        np.testing.assert_allclose(encode(texts), expected, atol=1e-6)


def test_a_model_that_lacks_weights_is_refused(register, plain_bert, tmp_path, monkeypatch):
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(plain_bert, tmp_path / "lacking")
    weights = load_file(folder / "model.safetensors")
    renamed = {f"module.{name}": value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    wrapped = partial(SentenceTransformerEncoderWrapper, str(folder), None)
    register("acme/lacking", lambda *_, **__: wrapped(), open_weights=True, framework=["PyTorch"])
    monkeypatch.setattr(mteb_registry, "find_model", lambda *_: find_model(str(folder), None))
    message = r"lacking: the checkpoint lacks weights: embeddings.*Instead it has module\.embed"
    with pytest.raises(EncoderError, match=message):
        load("mteb:acme/lacking")


def test_without_a_network_a_model_is_refused_before_mteb_tries_each_file(register, monkeypatch):
    def unreachable(*_):
        raise HubUnreachableError("acme/remote: the Hub cannot be reached.")

    register("acme/remote", lambda *_, **__: pytest.fail("loaded"), open_weights=True, framework=["PyTorch"])
    monkeypatch.setattr(mteb_registry, "find_model", unreachable)
    with pytest.raises(HubUnreachableError, match="acme/remote: the Hub cannot be reached"):
        load("mteb:acme/remote")


def test_late_interaction_scores_are_those_that_mteb_itself_returns():
    from datasets import Dataset

    texts = ["who ran?", "ann ran", "a rather longer text"]
    ids = ["0", "1", "2"]
    task = mteb.get_task("XQuADRetrieval").metadata
    where = {"task_metadata": task, "hf_split": "validation", "hf_subset": "de", "encode_kwargs": {"batch_size": 32}}
    model = mteb.get_model("mteb/baseline-random-colbert")
    model.index(Dataset.from_dict({"id": ids, "title": [""] * 3, "text": texts}), **where)
    found = model.search(Dataset.from_dict({"id": ids, "text": texts}), top_k=3, **where)

    encoder = load("mteb:mteb/baseline-random-colbert")
    assert (encoder.info.kind, encoder.info.similarity) == (Kind.MULTI_VECTOR, Similarity.DOT)
    queries, passages = encoder.encode_query(texts), encoder.encode_document(texts)
    for query in range(3):
        for passage in range(3):
            pairs = take(queries, np.array([query])).tokens @ take(passages, np.array([passage])).tokens.T
            assert pairs.max(axis=1).sum() == pytest.approx(found[ids[query]][ids[passage]], abs=1e-4)


def test_tokens_that_are_filled_up_are_multi_vectors(register):
    class Late:
        def encode(self, inputs, **_):
            texts = [text for batch in inputs for text in batch["text"]]
            padded = np.zeros((len(texts), max(map(len, texts)), 2), dtype=np.float32)
            for row, text in enumerate(texts):
                padded[row, : len(text)] = [[len(text), place] for place in range(len(text))]
            return padded

    register("acme/late", lambda *_, **__: Late(), similarity_fn_name=None)
    encoder = load("mteb:acme/late")
    assert (encoder.info.kind, encoder.info.similarity) == (Kind.MULTI_VECTOR, Similarity.DOT)
    assert np.diff(encoder.encode_query(["ab", "abcd"]).offsets).tolist() == [2, 4]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("mteb:acme/nothing", {}, "Model 'acme/nothing' not found in MTEB registry"),
        ("mteb:mteb/baseline-random-encodr", {}, "Did you mean: 'mteb/baseline-random-encoder'"),
        (RANDOM, {"revision": "7"}, "revision 7 not found"),
        (RANDOM, {"options": {"task": "Nothing"}}, "'Nothing' not found"),
        (RANDOM, {"query_prompt": "q"}, "does not support --query-prompt"),
        ("mteb:mteb/baseline-random-cross-encoder", {}, r"a cross-encoder, which does not encode.*`babelrank rerank`"),
        ("mteb:mteb/baseline-bm25s", {"similarity": "cosine"}, "mteb/baseline-bm25s.*does not support --similarity"),
        ("mteb:mteb/baseline-bb25", {}, "baseline-bb25: does not encode single texts; it searches a corpus by itself"),
        ("mteb:jinaai/jina-embeddings-v3", {}, "runs code of the model .* --trust-remote-code"),
    ],
)
def test_what_cannot_be(model, options, message):
    with pytest.raises(EncoderError, match=message):
        load(model, **options)


def test_what_a_loader_raises_is_an_error_of_the_encoder(register):
    def loader(*_, **__):
        raise ImportError("needs a key")

    register("acme/api", loader)
    with pytest.raises(EncoderError, match=r"mteb:acme/api: mteb cannot load it \(ImportError: needs a key\)"):
        load("mteb:acme/api")
    register("acme/search", lambda *_, **__: SimpleNamespace())
    with pytest.raises(EncoderError, match="acme/search: does not encode single texts; it searches a corpus by itself"):
        load("mteb:acme/search")
