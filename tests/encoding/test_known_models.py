"""Models whose vectors are stored: they are described from memory, and loaded only to encode."""

import json
import shutil
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from babelrank.encoding.known_models import KnownEncoder, _sources, load_known
from babelrank.encoding.protocol import Adapter, EncoderOptions, Role, TokenCounts
from babelrank.encoding.registry import load_adapter, load_encoder
from babelrank.errors import EncoderError
from babelrank.pipelines.modes import Streaming
from babelrank.pipelines.submission import submit
from crash.children import figures
from made_collections import write_local
from observers import RecordingObserver

PASSAGES = ["the river bank is here", "nine bats fly in the deep night", "ab " * 80]


class Models:
    """A copy of the tiny model and a store, with the number of times that a model was loaded."""

    def __init__(self, model: Path, store: Path) -> None:
        self.model, self.store, self.loads = model, store, 0

    def load(self, options=None, *, model=None, adapter=None):
        return load_known(
            str(model or self.model), options or EncoderOptions(), self.store, adapter=adapter, on_load=self._count
        )

    def _count(self):
        self.loads += 1

    @property
    def memories(self):
        return sorted(self.store.glob("models/*"))


@pytest.fixture
def models(tiny_model, tmp_path):
    return Models(Path(shutil.copytree(tiny_model, tmp_path / "tiny")), tmp_path / "store")


def test_a_known_model_says_what_it_said_when_it_was_loaded(models):
    first = models.load()
    said = first.count_truncated(PASSAGES, Role.DOCUMENT), first.count_tokens(PASSAGES)
    again = models.load()
    assert again.info == first.info == load_encoder(str(models.model)).info
    assert said == (again.count_truncated(PASSAGES, Role.DOCUMENT), again.count_tokens(PASSAGES))
    assert said[0] == 1
    assert models.loads == 1
    assert again.seconds == 0


def test_it_is_loaded_to_encode_and_to_count_in_other_texts(models):
    models.load().count_tokens(PASSAGES)
    known = models.load()
    assert known.count_tokens(PASSAGES[:2]).tokens == known.count_tokens(PASSAGES).tokens[:2]
    assert models.loads == 2
    assert known.seconds > 0
    own = load_encoder(str(models.model))
    assert known.encode_query(PASSAGES).tolist() == own.encode_query(PASSAGES).tolist()
    assert known.encode_document(PASSAGES).tolist() == own.encode_document(PASSAGES).tolist()
    assert known.count_truncated(PASSAGES, Role.QUERY) == own.count_truncated(PASSAGES, Role.QUERY)
    assert models.loads == 2


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors", "modules.json"])
def test_a_changed_file_makes_another_model(models, file):
    models.load()
    path = models.model / file
    path.write_bytes(path.read_bytes() + b" " if file.endswith("json") else path.read_bytes()[:-1] + b"\0")
    models.load()
    assert models.loads == 2


@pytest.mark.parametrize(
    "changes", [{"max_length": 8}, {"query_prompt": "?"}, {"similarity": "dot"}, {"options": {"truncate_dim": "8"}}]
)
def test_options_make_another_model(models, changes):
    models.load()
    changed = models.load(EncoderOptions(**changes))
    assert models.loads == 2
    assert changed.info == load_encoder(str(models.model), EncoderOptions(**changes)).info
    assert models.load(EncoderOptions(**changes)).info == changed.info
    assert models.loads == 2


def test_a_copy_with_another_name_is_described_by_its_own(models):
    models.load()
    copied = shutil.copytree(models.model, models.model.with_name("other"))
    assert models.load(model=copied).info.name == "other"


def test_a_new_package_or_new_code_asks_the_model_again(models, monkeypatch):
    models.load()
    monkeypatch.setattr("babelrank.encoding.known_models._digest_code", lambda _: "another version")
    models.load()
    assert models.loads == 2


@pytest.mark.parametrize("damage", [lambda text: text[:-5], lambda text: text.replace("16", "17"), lambda _: ""])
def test_a_damaged_memory_is_none(models, damage):
    info = models.load().info
    (path,) = models.memories
    path.write_text(damage(path.read_text()))
    assert models.load().info == info
    assert models.loads == 2
    models.load()
    assert models.loads == 2  # it was written again


def test_a_store_that_cannot_be_written_is_no_error(models):
    models.store.write_text("a file")
    assert models.load().count_tokens(PASSAGES) == models.load().count_tokens(PASSAGES)
    assert models.loads == 2


def test_code_of_a_model_and_other_adapters_are_asked_each_time(models):
    options = EncoderOptions(trust_remote_code=True)
    assert not isinstance(models.load(options), KnownEncoder)
    assert not isinstance(models.load(model="use-multilingual-v3"), KnownEncoder)
    assert not models.memories


def test_a_model_that_changes_while_it_is_evaluated_is_refused(models):
    models.load()
    known = models.load()
    path = models.model / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"similarity_fn_name": "dot"}))
    with pytest.raises(EncoderError, match="the files of the model were changed during the evaluation"):
        known.encode_query(["a"])


def test_a_file_that_cannot_be_read_is_one_sentence(models, monkeypatch):
    def unreadable(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("babelrank.encoding.model_files.folder_digest", unreadable)
    with pytest.raises(EncoderError, match=r"cannot load it .*Permission denied"):
        models.load()


def test_counts_of_other_numbers_are_remembered(models, monkeypatch):
    def counted(*_):
        return TokenCounts(np.array([3, 5]), np.array([0, 1]))

    monkeypatch.setattr("babelrank_adapters.torch_encoder.TorchEncoder.count_tokens", counted)
    assert models.load().count_tokens(PASSAGES) == models.load().count_tokens(PASSAGES) == TokenCounts([3, 5], [0, 1])
    assert models.loads == 1


def test_code_of_an_adapter_is_its_package_or_its_module(tmp_path):
    package, module = load_adapter("sparse").load, spec_from_file_location("alone", tmp_path / "alone.py")
    (tmp_path / "alone.py").write_text("def load(model, options): ...")
    (tmp_path / "other.py").touch()
    module.loader.exec_module(alone := module_from_spec(module))
    assert {"sparse_encoder.py", "torch_encoder.py"} < {path.name for path in _sources(Adapter("a", "b", package))}
    assert _sources(Adapter("a", "b", alone.load)) == (tmp_path / "alone.py",)
    assert _sources(Adapter("a", "b", partial(alone.load, "m"))) == ()


def test_memory_is_estimated_with_the_model_in_it(models):
    own = write_local(models.store / "own", passages=120)
    for _ in range(2):
        told = RecordingObserver()
        streaming = Streaming(memory=16 * 10**9)
        submit(str(models.model), [f"local:{own}"], None, told, store=models.store, streaming=streaming)
        assert told.messages[0] == "loading tiny"


def test_a_batch_size_makes_no_other_model(models):
    models.load()
    models.load(EncoderOptions(batch_size=2))
    assert models.loads == 1


def test_a_submission_with_all_vectors_stored_loads_no_model_and_reports_the_same(models):
    def evaluate(*collections):
        told = RecordingObserver()
        submit(str(models.model), collections, models.store / "reports", told, store=models.store)
        return [message for message in told.messages if message.startswith("loading")]

    assert evaluate("sample:de,en") == ["loading tiny"]
    (report,) = figures(models.store).values()
    assert evaluate("sample:de,en") == []
    assert list(figures(models.store).values()) == [report]
    fertility = report["collections"]["sample:de,en"]["fertility"]
    assert fertility["relative_to_english"][1] == 1
    assert evaluate("sample:de,en,th") == ["loading tiny"]
    results = json.loads(next(models.store.glob("reports/*/results.json")).read_text())
    assert (
        results["collections"]["sample:de,en,th"]["seconds"]["load"]
        > results["collections"]["sample:de,en"]["seconds"]["load"]
    )
