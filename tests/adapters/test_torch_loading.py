"""A model is its checkpoint's: nothing random, nothing in the place of its own code, nothing that is not followed."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from babelrank.encoding.protocol import EncoderOptions, Role
from babelrank.encoding.registry import load_encoder
from babelrank.errors import EncoderError

TEXTS = ["who ran?", "ann ran", "a rather longer text than the others"]
LONG = "ran " * 60


def load(model, adapter=None, **options):
    return load_encoder(str(model), EncoderOptions(**options), adapter=adapter)


def change_weights(folder, change):
    """Rewrite the weights in a folder; `change` maps a name to another, or to None to leave it out."""
    weights = load_file(folder / "model.safetensors")
    kept = {change(name): value for name, value in weights.items() if change(name)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path, **content):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | content), "utf-8")


@pytest.fixture
def copy(plain_bert, tmp_path):
    """A copy of the raw BERT, to be broken."""
    return shutil.copytree(plain_bert, tmp_path / "broken")


@pytest.fixture
def save_bert(plain_bert, tmp_path):
    """Save a BERT of some class with the tokenizer of `plain_bert`."""

    def save(cls, name="model", seed=0, **changes):
        torch.manual_seed(seed)
        config = BertConfig.from_pretrained(plain_bert, **changes)
        cls(config).save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(plain_bert).save_pretrained(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def save_modules(tmp_path):
    def save(*modules, name="modules", **options):
        SentenceTransformer(modules=list(modules), device="cpu", **options).save(str(tmp_path / name))
        return tmp_path / name

    return save


class TestMissingWeights:
    @pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "encoder_q.", "model.model."])
    def test_a_prefix_that_training_left_is_named(self, copy, prefix):
        change_weights(copy, lambda name: prefix + name)
        with pytest.raises(
            EncoderError,
            match=rf"broken: the checkpoint lacks weights: embeddings.*Instead it has {prefix}embeddings",
        ):
            load(copy)

    def test_a_layer_that_is_lost_is_named(self, copy):
        change_weights(copy, lambda name: None if "layer.0.intermediate" in name else name)
        with pytest.raises(EncoderError, match=r"lacks weights: encoder\.layer\.0\.intermediate\.dense\.bias, enc"):
            load(copy)

    def test_a_sparse_model_without_its_head(self, sparse_model, tmp_path):
        folder = shutil.copytree(sparse_model.with_name("masked-bert"), tmp_path / "headless")
        change_weights(folder, lambda name: None if name.startswith("cls") else name)
        with pytest.raises(EncoderError, match=r"headless: the checkpoint lacks weights: cls\.predictions"):
            load(folder, "sparse")

    def test_weights_of_another_shape(self, copy):
        change_json(copy / "config.json", intermediate_size=48)
        with pytest.raises(EncoderError, match="broken: weights do not fit the architecture"):
            load(copy)

    @pytest.mark.parametrize("kind", [torch.int8, torch.float8_e4m3fn])
    def test_quantised_without_a_word_on_how(self, copy, kind):
        name = "encoder.layer.0.output.dense.weight"
        weights = load_file(copy / "model.safetensors")
        save_file({**weights, name: (weights[name] * 100).to(kind)}, copy / "model.safetensors", {"format": "pt"})
        with pytest.raises(EncoderError, match=rf"model.safetensors holds {name} as [IF]8.*no quantization_config"):
            load(copy)

    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
    def test_of_which_git_lfs_left_a_pointer(self, copy, name):
        (copy / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "utf-8")
        with pytest.raises(EncoderError, match=f"{name} is only a Git LFS pointer; `git lfs pull` downloads"):
            load(copy)

    def test_in_a_part_of_a_model(self, plain_bert, save_modules):
        folder = save_modules(Transformer(str(plain_bert)), Pooling(16), Dense(16, 8))
        change_weights(folder / "2_Dense", lambda name: None if "bias" in name else name)
        with pytest.raises(EncoderError, match="modules: cannot be loaded"):
            load(folder)

    def test_heads_and_poolers_that_are_not_used_may_be_there_or_not(self, save_bert, plain_bert, caplog):
        masked = load(save_bert(BertForMaskedLM, "masked"))
        assert not caplog.records
        change = save_bert(BertModel, "pooled")
        change_weights(change, lambda name: None if "pooler" in name else name)
        assert load(change).info.parameters == masked.info.parameters

    def test_more_layers_than_the_configuration_says_are_told(self, save_bert, caplog):
        folder = save_bert(BertModel, num_hidden_layers=2)
        change_json(folder / "config.json", num_hidden_layers=1)
        load(folder)
        assert "weights of the checkpoint are not used: encoder.layer.1.attention" in caplog.text


class TestCodeOfTheModelsOwn:
    def test_weights_for_it_are_not_put_into_the_librarys_architecture(self, copy):
        change_json(copy / "config.json", auto_map={"AutoModel": "own.Model"})
        change_weights(copy, lambda name: name.replace("intermediate.dense", "mlp.up"))
        with pytest.raises(
            EncoderError, match=r"Instead it has .* The model comes with its own code.*--trust-remote-code"
        ):
            load(copy)

    def test_weights_beyond_the_librarys_architecture_need_it(self, copy):
        change_json(copy / "config.json", auto_map={"AutoModel": "own.Model"})
        weights = load_file(copy / "model.safetensors")
        weights["encoder.layer.0.gate.weight"] = torch.ones(2)
        save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(EncoderError, match=r"cannot use weights.*layer\.0\.gate.*--trust-remote-code"):
            load(copy)

    def test_that_it_is_not_used_is_said(self, copy, caplog):
        change_json(copy / "config.json", auto_map={"AutoModel": "own.Model"})
        load(copy)
        assert "comes with its own code; the library's is used instead. If you trust it" in caplog.text

    def test_a_tokenizer_of_its_own_is_refused(self, copy):
        change_json(copy / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]})
        with pytest.raises(EncoderError, match=r"the tokenizer is code of the model .*--trust-remote-code"):
            load(copy)

    def test_an_activation_is_not_replaced(self, plain_bert, save_modules):
        folder = save_modules(Transformer(str(plain_bert)), Pooling(16), Dense(16, 8))
        change_json(folder / "2_Dense" / "config.json", activation_function="own.Cube")
        with pytest.raises(
            EncoderError,
            match=r"Dense/config\.json needs own\.Cube, an activation function in its own code\..*--trust-remote-code",
        ):
            load(folder)


class TestWhatIsNoEncoder:
    @pytest.mark.parametrize(
        "cls", [BertForSequenceClassification, BertForQuestionAnswering, BertForTokenClassification]
    )
    def test_heads_that_score_or_label_are_refused_unless_asked_for(self, save_bert, cls):
        folder = save_bert(cls, num_labels=2)
        for adapter in (None, "sentence-transformers", "sparse"):
            with pytest.raises(EncoderError, match=rf"a {cls.__name__}, which scores or labels.*`babelrank rerank`"):
                load(folder, adapter)
        assert load(folder, "transformers").encode_query(TEXTS).shape == (3, 16)


QWEN = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


class TestDecoders:
    @pytest.fixture
    def decoder(self, plain_bert, tmp_path):
        def save(cls, config, **special):
            torch.manual_seed(0)
            tokenizer = AutoTokenizer.from_pretrained(plain_bert)
            model = cls(config(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, pad_token_id=0, **special))
            folder = tmp_path / "decoder"
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            return folder

        return save

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_the_last_token_counts_as_in_sentence_transformers(self, decoder, side):
        folder = decoder(Qwen3ForCausalLM, Qwen3Config, **QWEN)
        change_json(folder / "tokenizer_config.json", padding_side=side)
        encoder = load(folder)
        assert encoder.info.settings["pooling"] == "last"
        direct = SentenceTransformer(str(folder), device="cpu")
        np.testing.assert_allclose(encoder.encode_query(TEXTS), direct.encode_query(TEXTS), atol=1e-6)
        alone = np.concatenate([encoder.encode_query([text]) for text in TEXTS])
        np.testing.assert_allclose(encoder.encode_query(TEXTS), alone, atol=1e-5)
        assert load(folder, options={"pooling": "mean"}).info.settings["pooling"] == "mean"

    def test_a_decoder_that_was_made_bidirectional_is_pooled_by_the_mean(self, decoder):
        folder = decoder(Qwen3ForCausalLM, Qwen3Config, **QWEN)
        change_json(folder / "config.json", is_causal=False)
        assert load(folder).info.settings["pooling"] == "mean"

    def test_without_tokens_for_padding_and_end(self, decoder):
        folder = decoder(Qwen3ForCausalLM, Qwen3Config, **QWEN)
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        bare = {key: value for key, value in config.items() if not key.endswith("_token")}
        (folder / "tokenizer_config.json").write_text(json.dumps(bare), "utf-8")
        modules = [Transformer(str(folder)), Pooling(16, "lasttoken")]
        saved = folder.with_name("saved")
        SentenceTransformer(modules=modules, device="cpu").save(str(saved))
        for encoder in (load(folder), load(saved)):
            alone = np.concatenate([encoder.encode_query([text]) for text in TEXTS])
            np.testing.assert_allclose(encoder.encode_query(TEXTS), alone, atol=1e-5)

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_positions_that_are_absolute(self, decoder, side):
        folder = decoder(GPT2LMHeadModel, GPT2Config, n_embd=16, n_layer=1, n_head=2, n_positions=64)
        change_json(folder / "tokenizer_config.json", padding_side=side)
        encoder = load(folder, options={"pooling": "last"})
        alone = np.concatenate([encoder.encode_query([text]) for text in TEXTS])
        np.testing.assert_allclose(encoder.encode_query(TEXTS), alone, atol=1e-5)

    def test_an_encoder_with_a_language_models_head_is_no_decoder(self, save_bert):
        assert load(save_bert(BertLMHeadModel, is_decoder=True)).info.settings["pooling"] == "mean"


class TestRouters:
    def parts(self, plain_bert):
        return {
            side: [Transformer(str(plain_bert), max_seq_length=length), Pooling(16)]
            for side, length in (("query", 16), ("document", 40))
        }

    @pytest.mark.parametrize("allow_empty_key", [True, False])
    def test_limits_are_those_of_the_route_that_is_mapped(self, plain_bert, save_modules, allow_empty_key):
        parts = self.parts(plain_bert)
        router = Router(
            {"query_text": parts["query"], "doc_text": parts["document"]},
            route_mappings={("query", "text"): "query_text", ("document", "text"): "doc_text"},
            allow_empty_key=allow_empty_key,
        )
        folder = save_modules(router)
        encoder = load(folder)
        assert encoder.info.settings["max_length"] == {"query": 16, "document": 40}
        text = "ann ran a mile " * 2  # 24 tokens and two special ones
        assert encoder.count_truncated([text], Role.QUERY) == 1
        assert encoder.count_truncated([text], Role.DOCUMENT) == 0
        cut = load(folder, max_length=8)
        assert cut.info.settings["max_length"] == 8
        start = "ann ran"  # six tokens
        np.testing.assert_allclose(cut.encode_document([text]), cut.encode_document([start]), atol=1e-6)

    @pytest.mark.parametrize("name", ["doc", "passage", "corpus"])
    def test_a_route_of_another_name_for_documents_is_taken(self, plain_bert, save_modules, name):
        parts = self.parts(plain_bert)
        encoder = load(save_modules(Router({"query": parts["query"], name: parts["document"]})))
        assert encoder.info.settings["max_length"] == {"query": 16, "document": 40}
        assert encoder.encode_document(TEXTS).shape == (3, 16)

    def test_a_missing_route_is_refused_before_anything_is_encoded(self, plain_bert, save_modules):
        parts = self.parts(plain_bert)
        folder = save_modules(Router({"query": parts["query"], "answer": parts["document"]}))
        with pytest.raises(EncoderError, match="no route for a document; its routes are query, answer"):
            load(folder)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # of peft
class TestLora:
    @pytest.fixture
    def adapter(self, save_bert, tmp_path):
        """A folder of PEFT's, and its base."""
        from peft import LoraConfig, get_peft_model

        base = save_bert(BertModel, "base", seed=5)
        config = LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
        get_peft_model(BertModel.from_pretrained(base), config).save_pretrained(tmp_path / "adapter")
        AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter", base

    def test_its_folder_loads_as_in_sentence_transformers(self, adapter):
        folder, _ = adapter
        encoder, direct = load(folder), SentenceTransformer(str(folder), device="cpu")
        assert (encoder.info.name, encoder.info.adapter) == ("adapter", "transformers")
        np.testing.assert_allclose(encoder.encode_query(TEXTS), direct.encode_query(TEXTS), atol=1e-6)

    @pytest.mark.parametrize("saved", [False, True])
    def test_the_fingerprint_covers_the_base(self, adapter, save_bert, tmp_path, saved):
        folder, _ = adapter
        if saved:
            SentenceTransformer(str(folder), device="cpu").save(str(tmp_path / "saved"))
            folder = tmp_path / "saved"
        before = load(folder)
        save_bert(BertModel, "base", seed=99)
        after = load(folder)
        assert before.info.fingerprint != after.info.fingerprint
        assert np.abs(before.encode_query(TEXTS) - after.encode_query(TEXTS)).max() > 0.01

    def test_a_base_that_is_not_there_or_broken_is_named(self, adapter):
        folder, base = adapter
        change_weights(base, lambda name: None if "layer.0.output" in name else name)
        with pytest.raises(EncoderError, match=r"lacks weights: encoder\.layer\.0\.output"):
            load(folder)
        shutil.rmtree(base)
        with pytest.raises(EncoderError, match="base"):
            load(folder)


class TestLinks:
    def test_a_linked_part_is_fingerprinted_and_checked(self, plain_bert, save_modules, tmp_path):
        folder, shared = save_modules(Transformer(str(plain_bert)), Pooling(16), Dense(16, 8)), tmp_path / "shared"
        shutil.move(folder / "2_Dense", shared)
        (folder / "2_Dense").symlink_to(shared, target_is_directory=True)
        before = load(folder)
        change = load_file(shared / "model.safetensors")
        save_file({name: value + 1 for name, value in change.items()}, shared / "model.safetensors")
        after = load(folder)
        assert before.info.fingerprint != after.info.fingerprint
        assert np.abs(before.encode_query(TEXTS) - after.encode_query(TEXTS)).max() > 0.01
        torch.save(change, shared / "pytorch_model.bin")
        (shared / "model.safetensors").unlink()
        with pytest.raises(EncoderError, match=r"2_Dense/pytorch_model\.bin is a pickle"):
            load(folder)

    def test_links_that_lead_in_a_circle_end(self, copy):
        plain = load(copy).info.fingerprint
        (copy / "loop").symlink_to(copy, target_is_directory=True)
        (copy / "one").mkdir()
        (copy / "two").mkdir()
        (copy / "one" / "there").symlink_to(copy / "two", target_is_directory=True)
        (copy / "two" / "back").symlink_to(copy / "one", target_is_directory=True)
        (copy / "broken").symlink_to(copy / "nowhere")
        assert load(copy).info.fingerprint == plain

    def test_a_link_to_everything_is_refused(self, copy, tmp_path, monkeypatch):
        monkeypatch.setattr("babelrank.encoding.model_files._MOST_FILES", 20)
        (tmp_path / "all").mkdir()
        for number in range(30):
            (tmp_path / "all" / str(number)).touch()
        (copy / "all").symlink_to(tmp_path / "all", target_is_directory=True)
        with pytest.raises(EncoderError, match="not a model folder; it has more than 20 files"):
            load(copy)

    def test_a_link_or_the_hubs_cache_keeps_the_familys_prompts(self, plain_bert, tmp_path):
        (tmp_path / "multilingual-e5-small").symlink_to(plain_bert, target_is_directory=True)
        encoder = load(tmp_path / "multilingual-e5-small")
        assert (encoder.info.name, encoder.info.settings["query_prompt"]) == ("multilingual-e5-small", "query: ")
        cached = tmp_path / "models--intfloat--multilingual-e5-small" / "snapshots" / ("a" * 40)
        shutil.copytree(plain_bert, cached)
        encoder = load(cached)
        assert (encoder.info.name, encoder.info.settings["query_prompt"]) == (
            "intfloat/multilingual-e5-small",
            "query: ",
        )


def test_warnings_of_the_libraries_are_shown(plain_bert, save_modules, caplog):
    logging.Logger.warning_once.cache_clear()  # added by transformers
    folder = save_modules(Transformer(str(plain_bert)), Pooling(16))
    change_json(
        folder / "config_sentence_transformers.json", __version__={"sentence_transformers": "99.0", "transformers": "9"}
    )
    load(folder)
    assert "created with Sentence Transformers version 99.0" in caplog.text
