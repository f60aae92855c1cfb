"""Models that try to run code as they are loaded: each way, by each way of loading, also from within their folder."""

import json
import os
import shutil
import sys
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file

import babelrank
from babelrank.encoding.protocol import EncoderOptions
from babelrank.errors import BabelrankError
from babelrank.ranking.reranking import load_cross_encoder

MODULE = "hostile_code"
CODE = """
import os
from pathlib import Path
Path(os.environ["BABELRANK_TEST_MARK"]).touch()
from sentence_transformers.sentence_transformer.modules import Normalize as Own
from transformers import BertModel as Model, BertConfig as Config, PreTrainedTokenizerFast as Tokenizer
def run(*_, **__): return torch.nn.Identity()
"""
AUTO_MAP = {
    "AutoConfig": f"{MODULE}.Config",
    "AutoModel": f"{MODULE}.Model",
    "AutoModelForSequenceClassification": f"{MODULE}.Model",
    "AutoTokenizer": [f"{MODULE}.Tokenizer", f"{MODULE}.Tokenizer"],
}
TRUST = {"trust_remote_code": True}


class Command:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {os.environ['BABELRANK_TEST_MARK']}",)


def change(name, **values):
    """Return what sets fields of a JSON file."""

    def apply(folder):
        path = folder / name
        document = json.loads(path.read_text()) if path.is_file() else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**document, **values}))

    return apply


def module_type(kind):
    def apply(folder):
        modules = json.loads((folder / "modules.json").read_text())
        modules[-1]["type"] = kind
        (folder / "modules.json").write_text(json.dumps(modules))

    return apply


def more_module(kind, files):
    """Return what adds a module with a configuration."""

    def apply(folder):
        modules = json.loads((folder / "modules.json").read_text())
        modules.append({"idx": len(modules), "name": str(len(modules)), "path": "9_More", "type": kind})
        (folder / "modules.json").write_text(json.dumps(modules))
        for name, values in files.items():
            change(f"9_More/{name}", **values)(folder)

    return apply


def pickle_weights(name, *, inside=""):
    """Return what puts a pickle in the place of weights."""

    def apply(folder):
        source = folder / "model.safetensors"
        target = folder / inside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save({**load_file(source), "command": Command()}, target)
        if not inside:
            source.unlink()

    return apply


def indexed(folder):
    """Name a pickle in the list of parts."""
    pickle_weights("part.bin")(folder)
    change("model.safetensors.index.json", metadata={}, weight_map={"embeddings.word_embeddings.weight": "part.bin"})(
        folder
    )


def linked(folder):
    """Keep everything behind a link."""
    pickle_weights("pytorch_model.bin")(folder)
    inside = folder.with_name("elsewhere")
    folder.rename(inside)
    folder.symlink_to(inside)


def both(*changes):
    def apply(folder):
        for each in changes:
            each(folder)

    return apply


def adapter(folder):
    """Be a LoRA adapter of a base model with code."""
    base = shutil.copytree(folder, folder.with_name("base"))
    change("config.json", auto_map=AUTO_MAP, model_type="own")(base)
    for name in ("modules.json", "config.json", "model.safetensors"):
        (folder / name).unlink()
    change("adapter_config.json", base_model_name_or_path=str(base), peft_type="LORA", auto_mapping=TRUST, **TRUST)(
        folder
    )
    torch.save({"command": Command()}, folder / "adapter_model.bin")


WAYS = {
    "module": module_type(f"{MODULE}.Own"),
    "module of another library": module_type("antigravity.fly"),
    "module that is a function": module_type("os.system"),
    "trust in modules": both(module_type(f"{MODULE}.Own"), change("config_sentence_transformers.json", **TRUST)),
    "model class": change("config.json", auto_map=AUTO_MAP, **TRUST),
    "model class of a new type": change("config.json", auto_map=AUTO_MAP, model_type="own", **TRUST),
    "tokenizer": change("tokenizer_config.json", auto_map=AUTO_MAP, tokenizer_class="Tokenizer", **TRUST),
    "tokenizer by path": change("tokenizer_config.json", tokenizer_class=f"{MODULE}.Tokenizer"),
    "trust for the transformer": both(
        change("config.json", auto_map=AUTO_MAP, model_type="own"),
        change(
            "sentence_bert_config.json",
            **dict.fromkeys(("model_args", "tokenizer_args", "config_args", "model_kwargs", "config_kwargs"), TRUST),
        ),
    ),
    "activation": more_module(
        "sentence_transformers.sentence_transformer.modules.Dense",
        {"config.json": {"in_features": 16, "out_features": 16, "activation_function": f"{MODULE}.run"}},
    ),
    "activation of a cross-encoder": change(
        "config.json", sentence_transformers={"activation_fn": f"{MODULE}.run"}, activation_fn=f"{MODULE}.run"
    ),
    "route": more_module(
        "sentence_transformers.sentence_transformer.modules.Router",
        {"router_config.json": {"types": {"a": f"{MODULE}.Own"}, "structure": {"query": ["a"], "document": ["a"]}}},
    ),
    "kernel": change("config.json", attn_implementation="own/kernel", _attn_implementation="own/kernel"),
    "metadata": change("babelrank_training.json", config={"model": {"base_model": ".", **TRUST}}, **TRUST),
    **{
        f"pickle {name}": pickle_weights(name)
        for name in ("pytorch_model.bin", "model.bin", "pytorch_model-00001-of-00001.bin", "model.pt", "model.pkl")
    },
    "pickle in a part": both(
        more_module("sentence_transformers.sentence_transformer.modules.Dense", {"config.json": {"in_features": 16}}),
        pickle_weights("pytorch_model.bin", inside="9_More"),
    ),
    "pickle that is called safetensors": lambda folder: both(pickle_weights("x.bin"), rename("x.bin"))(folder),
    "pickle in a list of parts": indexed,
    "pickle behind a link": linked,
    "adapter": adapter,
}


def rename(name):
    return lambda folder: (folder / name).rename(folder / "model.safetensors")


LOADERS = {
    **{
        name: lambda folder, name=name: use(babelrank.load_encoder(str(folder), EncoderOptions(), adapter=name))
        for name in (None, "sentence-transformers", "transformers", "sparse", "multi-vector", "static")
    },
    "check": lambda folder: babelrank.check_model(str(folder)),
    "cross-encoder": lambda folder: load_cross_encoder(str(folder))([("a", "b")]),
}


def use(encoder):
    encoder.encode_query(["a"])
    encoder.encode_document(["b"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS)
def test_no_code_runs(way, tiny_model, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    monkeypatch.setenv("BABELRANK_TEST_MARK", str(mark))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / f"{MODULE}.py").write_text(CODE)
    WAYS[way](folder)
    assert not which_run_code({None: LOADERS[None]}, folder, mark)
    monkeypatch.chdir(folder)  # as `python -m babelrank` in the model's folder
    monkeypatch.syspath_prepend(str(folder))
    assert not which_run_code(LOADERS, ".", mark)


def which_run_code(loaders, model, mark):
    """Return the first loader that runs code of the model, in a list; an empty one if none does."""
    for name, load in loaders.items():
        with suppress(BabelrankError):
            load(model)
        if mark.exists() or {MODULE, "antigravity"} & set(sys.modules):
            return [name]
    return []
