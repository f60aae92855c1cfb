"""The sentence-transformers adapter on real models in folders: the model's own configuration, and what overrides it."""

import json
import re
import shutil

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions, Similarity
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError

ADAPTER = "sentence-transformers"
TEXTS = ["who ran?", "ann ran", "a rather longer text than the others are"]
CUSTOM_MODULE = """
from pathlib import Path

from sentence_transformers.sentence_transformer.modules import Normalize

Path(MARKER).write_text("the model's own code ran")


class Custom(Normalize):
    pass
"""


def load(model, **options):
    return load_encoder(str(model), EncoderOptions(**options), adapter=ADAPTER)


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.fixture
def copy(tiny_model, tmp_path):
    """A copy of the tiny model, to be changed."""
    return shutil.copytree(tiny_model, tmp_path / "tiny")


@pytest.fixture(scope="module")
def tiny(tiny_model):
    return load(tiny_model)


@pytest.fixture(scope="module")
def direct(tiny_model):
    """The tiny model without babelrank."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(tiny_model))


def test_vectors_are_those_of_sentence_transformers_with_the_models_prompts(tiny, direct):
    queries, passages = tiny.encode_query(TEXTS), tiny.encode_document(TEXTS)
    assert queries.shape == passages.shape == (3, 16)
    np.testing.assert_allclose(queries, direct.encode(TEXTS, prompt="query: "), atol=1e-6)
    np.testing.assert_allclose(passages, direct.encode(TEXTS, prompt="passage: "), atol=1e-6)
    assert np.abs(queries - passages).max() > 1e-3


def test_the_batch_size_changes_no_vector(tiny_model, tiny):
    one_by_one = load(tiny_model, batch_size=1)
    np.testing.assert_allclose(one_by_one.encode_query(TEXTS), tiny.encode_query(TEXTS), atol=1e-6)
    assert one_by_one.info.settings == tiny.info.settings
    assert one_by_one.info.fingerprint == tiny.info.fingerprint


def test_what_changes_the_vectors_is_told(tiny, tiny_model):
    info = tiny.info
    assert (info.name, info.adapter, info.dimension) == (tiny_model.name, ADAPTER, 16)
    assert info.similarity is Similarity.COSINE
    assert info.parameters == 4544  # of its BERT, pooler included
    expected = {"query_prompt": "query: ", "document_prompt": "passage: ", "max_length": 64, "dtype": "float32"}
    assert expected.items() <= dict(info.settings).items()
    json.dumps(dict(info.settings), allow_nan=False)


@pytest.mark.parametrize("prompt", ["", "ask: "])
def test_given_prompts_take_the_place_of_the_models(tiny_model, tiny, direct, prompt):
    prompted = load(tiny_model, query_prompt=prompt, document_prompt=prompt)
    expected = direct.encode([prompt + text for text in TEXTS], prompt="")
    np.testing.assert_allclose(prompted.encode_query(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(prompted.encode_document(TEXTS), expected, atol=1e-6)
    assert np.abs(prompted.encode_query(TEXTS) - tiny.encode_query(TEXTS)).max() > 1e-3
    assert prompted.info.settings["query_prompt"] == prompted.info.settings["document_prompt"] == prompt


def test_the_prompt_of_one_role_may_be_given_alone(tiny_model, tiny):
    prompted = load(tiny_model, query_prompt="ask: ")
    np.testing.assert_allclose(prompted.encode_document(TEXTS), tiny.encode_document(TEXTS), atol=1e-6)
    assert prompted.info.settings["document_prompt"] == "passage: "


def test_a_maximum_length_cuts_and_is_recorded(tiny_model, tiny):
    short = load(tiny_model, max_length=10)
    assert short.info.settings["max_length"] == 10
    start = "a b"
    np.testing.assert_allclose(
        short.encode_query([f"{start} x y z"]), short.encode_query([f"{start} p q r"]), atol=1e-6
    )
    assert np.abs(tiny.encode_query([f"{start} x y z"]) - tiny.encode_query([f"{start} p q r"])).max() > 1e-3


@pytest.mark.parametrize(
    ("max_length", "message"),
    [(1, r"--max-length 1 leaves no room"), (2, r"--max-length 2 leaves no room"), (65, r"--max-length 65 .*\b64\b")],
)
def test_a_maximum_length_at_which_the_model_would_fail_or_not_cut_is_refused(tiny_model, max_length, message):
    with pytest.raises(EncoderError, match=message):
        load(tiny_model, max_length=max_length)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_dtype_is_that_of_the_weights_and_is_recorded(tiny_model, tiny, dtype):
    reduced = load(tiny_model, dtype=dtype)
    assert reduced.info.settings["dtype"] == dtype
    difference = np.abs(reduced.encode_query(TEXTS).astype(np.float32) - tiny.encode_query(TEXTS)).max()
    assert 1e-6 < difference < 0.05


def test_a_model_without_its_tokenizers_files_is_refused(copy):
    for path in copy.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(EncoderError, match=r"has no vocabulary.*such as tokenizer\.json"):
        load(copy)


def test_an_unknown_dtype_is_refused(tiny_model):
    with pytest.raises(EncoderError, match=r"unknown dtype 'float23'\. Did you mean 'float32'\?"):
        load(tiny_model, dtype="float23")


def test_the_similarity_is_the_models_unless_given(copy):
    edit_json(copy / "config_sentence_transformers.json", similarity_fn_name="dot")
    assert load(copy).info.similarity is Similarity.DOT
    assert load(copy, similarity=Similarity.EUCLIDEAN).info.similarity is Similarity.EUCLIDEAN


@pytest.mark.parametrize("name", ["manhattan", "cosin", "", 7, ["dot"]])
def test_a_similarity_that_is_not_supported_is_refused_unless_another_is_given(copy, name):
    edit_json(copy / "config_sentence_transformers.json", similarity_fn_name=name)
    expected = f"similarity_fn_name is {name!r}. Valid: cosine, dot, euclidean. Choose one with --similarity."
    with pytest.raises(EncoderError, match=re.escape(expected)):
        load(copy)
    assert load(copy, similarity=Similarity.DOT).info.similarity is Similarity.DOT


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "modules.json", "1_Pooling/config.json"])
def test_the_fingerprint_follows_everything_that_makes_the_vectors(copy, tiny, file):
    assert load(copy).info.fingerprint == tiny.info.fingerprint
    content = (copy / file).read_bytes()
    # A weight's last byte, or white space behind the JSON: still loadable.
    (copy / file).write_bytes(content[:-1] + b"\0" if file.endswith(".safetensors") else content + b"\n")
    assert (copy / file).read_bytes() != content
    assert load(copy).info.fingerprint != tiny.info.fingerprint


def test_the_fingerprint_follows_a_file_that_is_added(copy, tiny):
    (copy / "2_Normalize" / "added.json").write_text("{}", encoding="utf-8")
    assert load(copy).info.fingerprint != tiny.info.fingerprint


def test_the_fingerprint_does_not_follow_the_readme_hidden_files_or_the_place(copy, tiny):
    (copy / "README.md").write_text("another description", encoding="utf-8")
    (copy / ".git").mkdir()
    (copy / ".git" / "HEAD").write_text("ref", encoding="utf-8")
    moved = copy.rename(copy.with_name("moved"))
    assert load(moved).info.fingerprint == tiny.info.fingerprint
    assert load(moved).info.name == "moved"


def test_a_plain_transformers_folder_is_read_without_prompts(plain_bert, tiny):
    plain = load(plain_bert)
    assert (plain.info.settings["query_prompt"], plain.info.settings["document_prompt"]) == ("", "")
    vectors = plain.encode_query(["query: who ran?"])
    np.testing.assert_allclose(
        vectors / np.linalg.norm(vectors), tiny.encode_query(["who ran?"]), atol=1e-6
    )  # mean pooling, as the tiny model has; that one also normalises


def test_a_model_that_never_cuts_texts_has_no_maximum_length(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)])
    model.save_pretrained(str(tmp_path / "static"))
    static = load(tmp_path / "static")
    assert static.info.settings["max_length"] is None
    assert static.encode_query(["a", "b"]).shape == (2, 8)
    with pytest.raises(EncoderError, match="--max-length 16"):
        load(tmp_path / "static", max_length=16)
    with pytest.raises(EncoderError, match="--dtype float16"):
        load(tmp_path / "static", dtype="float16")


def test_a_folder_may_be_given_relative_to_the_working_directory_or_the_home(copy, tiny, monkeypatch):
    monkeypatch.chdir(copy.parent)
    monkeypatch.setenv("HOME", str(copy.parent))
    for model in ("tiny", "./tiny", "tiny/", "~/tiny", "../" + copy.parent.name + "/tiny"):
        encoder = load(model)
        assert (encoder.info.name, encoder.info.fingerprint) == ("tiny", tiny.info.fingerprint)


def test_a_folder_that_holds_no_model_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    with pytest.raises(
        EncoderError, match=rf"{tmp_path}: not a model folder; it has none of modules\.json, config\.json, ad"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("modules.json", "{not json"),
        ("config.json", "{}"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "{}"),
    ],
)
def test_a_damaged_model_folder_is_named_with_the_reason(copy, file, content):
    (copy / file).write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError, match=rf"{copy}: cannot be loaded \(\w+"):
        load(copy)


def test_a_revision_is_not_for_folders(tiny_model):
    with pytest.raises(EncoderError, match=r"--revision is for models on the Hub, not for a folder"):
        load(tiny_model, revision="main")


@pytest.mark.parametrize(
    "model",
    [
        "/no/such/folder",
        "./no-such-folder",
        "../no-such-folder",
        "three/part/name",
        "org/../name",
        "org/name\n",
        "a\0b",
        "<b>bold</b>",
        "org/na me",
        "-org/name",
        "x" * 5000 + "/" * 2,
    ],
    ids=lambda model: repr(model[:20]),
)
def test_what_is_neither_a_folder_nor_a_name_on_the_hub_is_refused_without_asking_it(model):
    with pytest.raises(EncoderError, match=r"no such folder, and not a name on the Hub \(ORGANISATION/MODEL\)"):
        load(model)


def test_a_device_that_is_not_there_is_refused(tiny_model):
    with pytest.raises(EncoderError, match="nonsense"):
        load(tiny_model, device="nonsense")


@pytest.fixture
def custom(copy, tmp_path, monkeypatch):
    """The tiny model with a module of its own, which leaves a mark when it runs; returns folder and mark."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "hf-modules"))
    mark = tmp_path / "mark"
    (copy / "own_code.py").write_text(CUSTOM_MODULE.replace("MARKER", repr(str(mark))), encoding="utf-8")
    modules = json.loads((copy / "modules.json").read_text(encoding="utf-8"))
    modules[2]["type"] = "own_code.Custom"
    (copy / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return copy, mark


def test_code_that_comes_with_a_model_does_not_run_unless_asked_for(custom):
    folder, mark = custom
    with pytest.raises(EncoderError, match=r"(?s)own_code\.Custom.*allow it with --trust-remote-code"):
        load(folder)
    assert not mark.exists()


def test_code_that_comes_with_a_model_runs_when_it_is_trusted(custom, tiny):
    folder, mark = custom
    np.testing.assert_allclose(
        load(folder, trust_remote_code=True).encode_query(TEXTS), tiny.encode_query(TEXTS), atol=1e-6
    )
    assert mark.exists()


def test_an_architecture_that_comes_with_a_model_does_not_run_unless_asked_for(plain_bert, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "hf-modules"))
    folder, mark = shutil.copytree(plain_bert, tmp_path / "own-architecture"), tmp_path / "mark"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Config: pass\n", encoding="utf-8")
    edit_json(
        folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Config"}
    )
    with pytest.raises(EncoderError, match=r"allow it with --trust-remote-code"):
        load(folder)
    assert not mark.exists()


def test_multilingual_e5_small_is_read_with_its_own_prompts_and_retrieves_across_languages(me5_small):
    from sentence_transformers import SentenceTransformer

    e5 = load(me5_small)
    assert (e5.info.name, e5.info.dimension, e5.info.similarity) == ("me5-small", 384, Similarity.COSINE)
    expected = {"query_prompt": "query: ", "document_prompt": "passage: ", "max_length": 512, "dtype": "float32"}
    assert expected.items() <= dict(e5.info.settings).items()
    queries = e5.encode_query(["Who wrote the play?", "Wer schrieb das Stück?"])
    passages = e5.encode_document(["The play was written by a teacher.", "The river is long.", "Das Haus ist alt."])
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    assert (queries @ passages.T).argmax(axis=1).tolist() == [0, 0]
    direct = SentenceTransformer(str(me5_small))
    np.testing.assert_allclose(queries[0], direct.encode("query: Who wrote the play?"), atol=1e-5)
    np.testing.assert_allclose(passages[1], direct.encode("passage: The river is long."), atol=1e-5)
