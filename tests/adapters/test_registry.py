"""Adapters are found by entry point, and a model by its adapter."""

import subprocess
import sys

import pytest

from babelrank.encoding.protocol import Adapter, EncoderOptions, Similarity, parse_similarity
from babelrank.encoding.registry import adapter_names, find_adapter, load_adapter, load_encoder
from babelrank.errors import EncoderError

PLUGIN = """
from babelrank.encoding.protocol import Adapter

def load(model, options):
    return (model, options.batch_size)

ADAPTER = Adapter(
    name="parrot", models="parrot:NAME", load=load, recognises=lambda model, options: model.startswith("parrot:")
)
DEAF = Adapter(name="deaf", models="?", load=load, recognises=lambda model, options: 1 / 0)
NOT_AN_ADAPTER = {"name": "parrot"}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package with the modules PLUGIN and `broken`, and the entry points given as lines."""

    def install(*entry_points, broken=""):
        (tmp_path / "parrot_plugin.py").write_text(PLUGIN, encoding="utf-8")
        (tmp_path / "broken_plugin.py").write_text(broken, encoding="utf-8")
        folder = tmp_path / "parrot_plugin-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot-plugin\nVersion: 1.0\n", encoding="utf-8")
        lines = ["[babelrank.adapters]", *entry_points]
        (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "parrot_plugin", raising=False)

    return install


def test_the_adapters_of_the_project_are_installed():
    assert {"sentence-transformers", "use"} <= set(adapter_names())
    for name in ("sentence-transformers", "use"):
        adapter = load_adapter(name)
        assert isinstance(adapter, Adapter)
        assert adapter.name == name
        assert adapter.models


def test_an_adapter_of_another_package_is_found_by_its_entry_point(install):
    assert "parrot" not in adapter_names()
    install("parrot = parrot_plugin:ADAPTER")
    assert "parrot" in adapter_names()
    assert find_adapter("parrot:polly", EncoderOptions()).name == "parrot"
    assert load_encoder("parrot:polly") == ("parrot:polly", 32)
    assert load_encoder("anything", EncoderOptions(batch_size=7), adapter="parrot") == ("anything", 7)


def test_a_model_is_loaded_by_the_adapter_that_recognises_it_and_else_by_sentence_transformers(tmp_path):
    assert find_adapter("use-multilingual-v3", EncoderOptions()).name == "use"
    assert find_adapter(str(tmp_path), EncoderOptions()).name == "sentence-transformers"


def test_an_unknown_adapter_is_refused_with_what_there_is():
    with pytest.raises(EncoderError, match=r"unknown adapter 'sentence-transformer'\. Did you mean 'sentence-transf"):
        load_adapter("sentence-transformer")
    with pytest.raises(EncoderError, match=r"unknown adapter 'zzzzzz'\. Known: .*sentence-transformers.*use"):
        load_encoder("use-multilingual-v3", adapter="zzzzzz")


def test_no_model_is_said():
    with pytest.raises(EncoderError, match="no model given"):
        load_encoder(" ")


def test_an_adapter_that_cannot_be_imported_is_named_with_the_reason(install):
    install("parrot = parrot_plugin_that_is_not_there:ADAPTER")
    with pytest.raises(EncoderError, match=r"adapter 'parrot' \(parrot_plugin_that_is_not_there:ADAPTER\) cannot be"):
        load_adapter("parrot")


def test_an_adapter_that_cannot_be_imported_stands_in_the_way_of_no_other(install):
    install("broken = parrot_plugin_that_is_not_there:ADAPTER", "parrot = parrot_plugin:ADAPTER")
    assert find_adapter("parrot:polly", EncoderOptions()).name == "parrot"
    assert find_adapter("use-multilingual-v3", EncoderOptions()).name == "use"


@pytest.mark.parametrize("broken", ["raise RuntimeError('no GPU')", "import sys; sys.exit('no GPU')", "def f(:"])
def test_an_adapter_that_raises_anything_stands_in_the_way_of_no_other(install, babelrank, broken):
    install(
        "broken = broken_plugin:ADAPTER", "deaf = parrot_plugin:DEAF", "parrot = parrot_plugin:ADAPTER", broken=broken
    )
    assert find_adapter("parrot:polly", EncoderOptions()).name == "parrot"
    with pytest.raises(EncoderError, match=r"adapter 'broken' \(broken_plugin:ADAPTER\) cannot be imported"):
        load_adapter("broken")
    outcome = babelrank("adapters")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert any(line.startswith("broken: adapter 'broken' (broken_plugin:ADAPTER) cannot be imported") for line in lines)
    assert "parrot: parrot:NAME" in lines


def test_an_entry_point_that_is_no_adapter_is_refused(install):
    install("parrot = parrot_plugin:NOT_AN_ADAPTER")
    with pytest.raises(
        EncoderError, match=r"adapter 'parrot': parrot_plugin:NOT_AN_ADAPTER is a dict, not a babelrank"
    ):
        load_adapter("parrot")


def test_what_an_adapter_cannot_honour_is_refused_rather_than_ignored():
    EncoderOptions(max_length=7).reject_unsupported("x", "dtype", "device")
    with pytest.raises(EncoderError, match=r"adapter 'x' does not support --max-length\."):
        EncoderOptions(max_length=7).reject_unsupported("x", "dtype", "max_length")
    with pytest.raises(EncoderError, match=r"adapter 'x' does not support --query-prompt\."):
        EncoderOptions(query_prompt="").reject_unsupported("x", "query_prompt")


def test_the_overrides_are_what_was_given_that_changes_the_figures():
    assert EncoderOptions(batch_size=7, device="cpu", trust_remote_code=True).overrides == {}
    given = EncoderOptions(query_prompt="", max_length=128, dtype="bfloat16", revision="v2", similarity=Similarity.DOT)
    assert given.overrides == {
        "query_prompt": "",
        "max_length": 128,
        "dtype": "bfloat16",
        "revision": "v2",
        "similarity": "dot",
    }


def test_a_similarity_is_read_by_name():
    assert parse_similarity("dot") is Similarity.DOT
    assert parse_similarity(None) is None
    with pytest.raises(EncoderError, match=r"unknown similarity 'cosin'\. Did you mean 'cosine'\? Known: cosine, dot"):
        parse_similarity("cosin")


def test_importing_babelrank_loads_no_heavy_library():
    program = "import sys, babelrank; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "babelrank" in loaded
    heavy = {"torch", "transformers", "sentence_transformers", "faiss", "matplotlib", "datasets", "numba", "pandas"}
    assert not heavy & set(loaded)
