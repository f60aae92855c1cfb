"""Which adapter a model's files call for, on disk and on the Hub, and which weights are safe to read."""

import json
import logging
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from babelrank.encoding import model_files
from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import adapter_names, find_adapter, load_adapter, load_encoder
from babelrank.errors import EncoderError

KINDS = {
    "tiny_model": "sentence-transformers",
    "plain_bert": "transformers",
    "sparse_model": "sparse",
    "multi_vector_model": "multi-vector",
    "static_model": "static",
}
TEXTS = ["who ran?", "ann ran"]
COMMIT = "c" * 40


def load(model, adapter=None, **options):
    return load_encoder(str(model), EncoderOptions(**options), adapter=adapter)


def recognisers(model, revision=None):
    options = EncoderOptions(revision=revision)
    return [name for name in adapter_names() if load_adapter(name).recognises(str(model), options)]


@pytest.fixture(scope="module")
def folders(request):
    """Folder by the name of its fixture."""
    return {name: request.getfixturevalue(name) for name in KINDS}


@pytest.fixture
def copy(tiny_model, tmp_path):
    """A copy of the tiny model, to be changed."""
    return shutil.copytree(tiny_model, tmp_path / "tiny")


@pytest.fixture
def hub(monkeypatch, folders):
    """A Hub that holds ``acme/NAME`` for every folder; returns the list of what was asked of it."""
    asked = []

    def folder(model):
        return folders[model.removeprefix("acme/")]

    def model_info(_, model, **options):
        asked.append((model, options["revision"]))
        if model.removeprefix("acme/") not in folders:
            raise ConnectionError("nobody is there")
        files = [path.relative_to(folder(model)).as_posix() for path in folder(model).rglob("*") if path.is_file()]
        return SimpleNamespace(sha=COMMIT, siblings=[SimpleNamespace(rfilename=name) for name in files])

    def download(model, name, *, revision):
        from huggingface_hub.errors import EntryNotFoundError

        if not (folder(model) / name).is_file():
            raise EntryNotFoundError(name)
        return str(folder(model) / name)

    def snapshot(model, *, revision, allow_patterns):
        assert revision == COMMIT
        return str(folder(model))

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    model_files._ask_hub.cache_clear()
    yield asked
    model_files._ask_hub.cache_clear()


@pytest.mark.parametrize(("fixture", "adapter"), KINDS.items())
def test_a_folder_is_picked_by_its_own_adapter_alone(folders, fixture, adapter):
    # Dense sentence-transformers models are what is left when nobody recognises a model.
    assert recognisers(folders[fixture]) == ([] if adapter == "sentence-transformers" else [adapter])
    assert find_adapter(str(folders[fixture]), EncoderOptions()).name == adapter


@pytest.mark.parametrize(("fixture", "adapter"), KINDS.items())
def test_a_model_on_the_hub_is_picked_like_a_folder_by_one_request(hub, fixture, adapter):
    assert find_adapter(f"acme/{fixture}", EncoderOptions(revision="v1")).name == adapter
    assert recognisers(f"acme/{fixture}", revision="v1") in ([], [adapter])
    assert hub == [(f"acme/{fixture}", "v1")]


def test_a_name_that_cannot_be_looked_up_is_left_to_the_fallback(hub):
    assert find_adapter("acme/never-seen", EncoderOptions()).name == "sentence-transformers"
    with pytest.raises(EncoderError, match=r"acme/never-seen: no such folder here.*cannot be reached \(nobody is"):
        load("acme/never-seen")
    assert len(hub) == 1


def test_a_static_model_on_the_hub_is_downloaded_at_its_commit(hub, folders):
    encoder = load("acme/static_model")
    assert (encoder.info.name, encoder.info.fingerprint) == ("acme/static_model", COMMIT)
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), load(folders["static_model"]).encode_query(TEXTS))


@pytest.mark.parametrize(
    ("files", "adapter"),
    [
        ({"config.json": {"architectures": ["HF_ColBERT"]}}, "multi-vector"),
        ({"config.json": {"architectures": ["ColPaliForRetrieval"]}}, "multi-vector"),
        ({"config.json": {"architectures": ["BertForMaskedLM"]}}, "transformers"),
        ({"config.json": {"architectures": None}}, "transformers"),
        ({"config.json": {"model_type": "model2vec"}}, "static"),
        ({"modules.json": [], "config_sentence_transformers.json": {"model_type": "ColBERT"}}, "multi-vector"),
        ({"modules.json": [], "config_sentence_transformers.json": {"model_type": None}}, "sentence-transformers"),
        ({"modules.json": [], "config_sentence_transformers.json": []}, "sentence-transformers"),
        ({"modules.json": [{"type": "sentence_transformers.models.StaticEmbedding"}]}, "sentence-transformers"),
        (
            {"modules.json": [{"type": "sentence_transformers.models.StaticEmbedding"}], "config.json": {"dtype": ""}},
            "static",
        ),
        ({"modules.json": {"not": "a list"}}, "sentence-transformers"),
        ({"notes.json": {}}, "sentence-transformers"),
    ],
)
def test_what_older_and_other_libraries_wrote_is_told_apart(tmp_path, json_file, files, adapter):
    for name, content in files.items():
        json_file(tmp_path / name, content)
    assert find_adapter(str(tmp_path), EncoderOptions()).name == adapter


@pytest.mark.parametrize(
    ("fixture", "asked", "right"),
    [
        ("tiny_model", "sparse", "sentence-transformers"),
        ("tiny_model", "multi-vector", "sentence-transformers"),
        ("tiny_model", "static", "sentence-transformers"),
        ("sparse_model", "sentence-transformers", "sparse"),
        ("sparse_model", "transformers", "sparse"),
        ("multi_vector_model", "sentence-transformers", "multi-vector"),
        ("plain_bert", "multi-vector", "transformers"),
    ],
)
def test_an_adapter_that_would_add_untrained_parts_names_the_right_one(folders, fixture, asked, right):
    with pytest.raises(EncoderError, match=rf"not a model for adapter '{asked}'; use --adapter {right}\."):
        load(folders[fixture], asked)


def test_a_cross_encoder_is_refused(copy, json_file):
    json_file(copy / "config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    with pytest.raises(EncoderError, match="tiny: a CrossEncoder, which does not encode single texts"):
        load(copy)


def test_a_masked_language_model_is_a_sparse_encoder_when_asked_for_and_another_is_not(sparse_model, plain_bert):
    masked = plain_bert.with_name("masked-bert")
    vectors = load(masked, "sparse").encode_query(TEXTS)
    assert np.abs((vectors - load(sparse_model).encode_query(TEXTS)).toarray()).max() < 1e-6
    with pytest.raises(
        EncoderError, match=r"plain-bert: not a sparse encoder; its architecture is not one ForMaskedLM"
    ):
        load(plain_bert, "sparse")


def to_pickle(folder):
    """Turn the weights in a folder from safetensors into a pickle."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(("fixture", "adapter"), [item for item in KINDS.items() if item[1] != "static"])
def test_pickled_weights_are_read_only_if_asked_for(folders, tmp_path, fixture, adapter):
    folder = shutil.copytree(folders[fixture], tmp_path / "pickled")
    to_pickle(folder)
    with pytest.raises(EncoderError, match=r"pickled: pytorch_model\.bin is a pickle.*--option allow_pickle=true"):
        load(folder, adapter)
    with pytest.raises(EncoderError, match="is a pickle"):
        load(folder, adapter, options={"allow_pickle": "false"})
    allowed, safe = load(folder, adapter, options={"allow_pickle": "true"}), load(folders[fixture], adapter)
    assert allowed.info.settings == safe.info.settings
    for encode, expected in zip(
        (allowed.encode_query, allowed.encode_document), (safe.encode_query, safe.encode_document), strict=True
    ):
        one, other = encode(TEXTS), expected(TEXTS)
        same = np.array_equal(one.tokens, other.tokens) if hasattr(one, "tokens") else abs(one - other).max() == 0
        assert same


def test_a_pickle_in_a_part_of_the_model_is_found_and_one_beside_safetensors_is_not_read(copy):
    (copy / "pytorch_model.bin").write_bytes(b"never read")
    assert load(copy).encode_query(TEXTS).shape == (2, 16)
    (copy / "3_Dense").mkdir()
    (copy / "3_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(EncoderError, match=r"3_Dense/pytorch_model\.bin is a pickle"):
        load(copy)


@pytest.mark.parametrize(
    ("pickled", "beside", "refused"),
    [
        ("pytorch_model.bin", "model.safetensors", False),
        ("pytorch_model-00001-of-00002.bin", "model.safetensors.index.json", False),
        ("adapter_model.bin", "adapter_model.safetensors", False),
        ("pytorch_model.bin", "unrelated.safetensors", True),
        ("pytorch_model.bin", "model.fp16.safetensors", True),
        ("pytorch_model.bin", "adapter_model.safetensors", True),
        ("adapter_model.bin", "model.safetensors", True),
    ],
)
def test_only_the_same_weights_in_safetensors_format_stand_in_for_a_pickle(pickled, beside, refused):
    files = model_files.ModelFiles("tiny", "folder", frozenset({pickled, beside}))
    with pytest.raises(EncoderError, match=f"{pickled} is a pickle") if refused else nullcontext():
        model_files.require_safe_weights(files)


def test_a_list_of_parts_that_are_not_there_opens_no_way_to_a_pickle(copy, json_file):
    to_pickle(copy)
    json_file(copy / "model.safetensors.index.json", {"metadata": {}, "weight_map": {}})
    with pytest.raises(EncoderError, match="tiny: cannot be loaded"):
        load(copy)


def test_only_what_a_model_is_loaded_from_is_looked_at(copy, monkeypatch):
    monkeypatch.setattr(model_files, "folder_digest", lambda _: pytest.fail("weights were read"))
    assert find_adapter(str(copy), EncoderOptions()).name == "sentence-transformers"


def test_loading_and_encoding_print_nothing(folders, capfd, caplog):
    import transformers

    # As a fresh process has them; other tests have loaded models before.
    transformers.logging.enable_progress_bar()
    transformers.logging.set_verbosity_warning()
    logging.getLogger("sentence_transformers").setLevel(logging.NOTSET)
    logging.Logger.warning_once.cache_clear()  # added by transformers
    capfd.readouterr()
    for folder in folders.values():
        encoder = load(folder)
        encoder.encode_query(["a " * 100])
        encoder.encode_document(["b " * 100])
    assert capfd.readouterr() == ("", "")
    assert not caplog.records  # which, but for pytest, go to stderr


@pytest.mark.parametrize(
    ("file", "setting", "value", "message"),
    [
        ("sentence_bert_config.json", "max_seq_length", -1, "max_seq_length is -1 in the model's configuration"),
        (
            "sentence_bert_config.json",
            "max_seq_length",
            2,
            "max_seq_length is 2 in .*; expected a whole number above 2",
        ),
        ("sentence_bert_config.json", "max_seq_length", "64", "max_seq_length is '64'"),
        ("sentence_bert_config.json", "max_seq_length", 64.5, "max_seq_length is 64.5"),
        ("tokenizer_config.json", "model_max_length", 0, "max_seq_length is 0 .*model_max_length"),
        ("config_sentence_transformers.json", "truncate_dim", -1, "truncate_dim is -1 .*; expected a number above 0"),
        ("config_sentence_transformers.json", "truncate_dim", "8", "truncate_dim is '8'"),
        ("1_Pooling/config.json", "embedding_dimension", -1, "returned dimension 16, expected -1"),
        ("1_Pooling/config.json", "embedding_dimension", "16", "returned dimension 16, expected '16'"),
    ],
)
def test_settings_that_no_model_can_have_are_refused_when_it_is_loaded(
    tiny_model, tmp_path, file, setting, value, message
):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text("utf-8")), setting: value}), "utf-8")
    with pytest.raises(EncoderError, match=message):
        load_encoder(str(folder))
