"""Models by their name on the Hub, against a server on this machine that speaks the Hub's protocol for files."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from babelrank.encoding.protocol import EncoderOptions
from babelrank.encoding.registry import load_encoder
from paths import TESTS

WORKER = TESTS / "hub_worker.py"
COMMITS = {"main": "a" * 40, "v1": "b" * 40}
PATIENCE = 300  # seconds for a process that imports PyTorch on a busy machine
PROMPTLY = 10  # seconds for an error, without imports


class Hub:
    """Answers as huggingface.co does, for models in folders; every branch holds the same files."""

    def __init__(self, models):
        self.models = models

    def __call__(self, path):
        parts = path.strip("/").split("/")
        return self._api(parts[2:]) if parts[0] == "api" else self._resolve(parts)

    def _api(self, parts):
        """/api/models/ORG/NAME[/revision/REV], /api/models/ORG/NAME/tree/REV"""
        model, rest = "/".join(parts[:2]), parts[2:]
        if model not in self.models:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        revision = rest[1] if rest else "main"
        if self._commit(revision) is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        names = [file.relative_to(self.models[model]).as_posix() for file in self._files(model)]
        if rest[:1] == ["tree"]:
            listing = [{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in names]
            return 200, {"Content-Type": "application/json"}, json.dumps(listing if len(rest) == 2 else []).encode()
        told = {"id": model, "sha": self._commit(revision), "siblings": [{"rfilename": name} for name in names]}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()

    def _resolve(self, parts):
        """/ORG/NAME/resolve/REV/FILE"""
        model, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        if model not in self.models:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        commit = self._commit(revision)
        if commit is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        file = self.models[model] / name
        if not file.is_file():
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        content = file.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return 200, {"ETag": etag, "X-Repo-Commit": commit}, content

    def _files(self, model):
        return sorted(file for file in self.models[model].rglob("*") if file.is_file())

    @staticmethod
    def _commit(revision):
        return revision if revision in COMMITS.values() else COMMITS.get(revision)


@pytest.fixture(scope="module")
def run_worker(tmp_path_factory):
    """Load models in a process whose Hub is at a URL; the cache is one for the module."""
    home = tmp_path_factory.mktemp("hf-home")

    def run(url, *models, **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment = kept | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"} | variables
        command = [sys.executable, str(WORKER), *models]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="module")
def loaded(run_worker, serve, tiny_model, plain_bert):
    """What was told while the Hub could be reached, and its address, at which nobody answers any more."""
    with serve(Hub({"acme/tiny": tiny_model, "acme/plain": plain_bert})) as site:
        told = run_worker(
            site.url, "acme/tiny", "acme/plain", "acme/tiny@v1", "acme/nothing", "acme/tiny@v9", "y" * 120
        )
        return told, site


@pytest.fixture(scope="module")
def expected(tiny_model, plain_bert):
    models = {"acme/tiny": tiny_model, "acme/plain": plain_bert}
    return {
        name: load_encoder(str(folder), EncoderOptions(), adapter="sentence-transformers").encode_query(["who ran?"])[0]
        for name, folder in models.items()
    }


def test_a_model_on_the_hub_is_loaded_by_its_name_at_its_commit(loaded, expected):
    tiny = loaded[0][0]
    assert (tiny["name"], tiny["fingerprint"], tiny["prompt"]) == ("acme/tiny", COMMITS["main"], "query: ")
    np.testing.assert_allclose(tiny["vector"], expected["acme/tiny"], atol=1e-6)


def test_a_plain_transformers_model_is_loaded_from_the_hub_too(loaded, expected):
    plain = loaded[0][1]
    assert (plain["fingerprint"], plain["prompt"]) == (COMMITS["main"], "")
    np.testing.assert_allclose(plain["vector"], expected["acme/plain"], atol=1e-6)


def test_a_revision_is_another_identity(loaded):
    assert loaded[0][2]["fingerprint"] == COMMITS["v1"]


def test_only_files_of_the_resolved_commit_are_downloaded(loaded):
    _, site = loaded
    weights = {path for method, path in site.requests if path.endswith("model.safetensors")}
    assert weights == {
        f"/acme/{name}/resolve/{COMMITS[revision]}/model.safetensors"
        for name, revision in (("tiny", "main"), ("plain", "main"), ("tiny", "v1"))
    }


def test_what_the_hub_does_not_have_is_told_with_its_own_words(loaded):
    unknown, revision, too_long = loaded[0][3:]
    assert unknown["error"].startswith("acme/nothing: no such folder here, and the Hub says: ")
    assert "Repository Not Found" in unknown["error"]
    assert revision["error"].startswith("acme/tiny@v9: no such folder here, and the Hub says: ")
    assert "Revision Not Found" in revision["error"]
    assert "the Hub says: " in too_long["error"]
    assert max(unknown["seconds"], revision["seconds"], too_long["seconds"]) < PROMPTLY


def test_without_a_network_a_cached_model_is_loaded_and_another_refused_promptly(loaded, run_worker):
    online, site = loaded
    other, *cached = run_worker(site.url, "acme/never-seen", "acme/tiny", "acme/plain", "acme/tiny@v1")
    assert other["error"].startswith(
        "acme/never-seen: no such folder here, not in the local cache, and the Hub cannot be reached ("
    )
    assert other["seconds"] < PROMPTLY
    for told, before in zip(cached, online[:3], strict=True):
        assert (told["name"], told["fingerprint"]) == (before["name"], before["fingerprint"])
        np.testing.assert_allclose(told["vector"], before["vector"], atol=1e-6)
        assert told["seconds"] < PATIENCE / 2


def test_offline_by_choice_the_hub_is_not_asked(run_worker, serve, tiny_model):
    with serve(Hub({"acme/never-seen": tiny_model})) as site:
        (other,) = run_worker(site.url, "acme/never-seen", HF_HUB_OFFLINE="1")
        assert "not in the local cache, and the Hub cannot be reached" in other["error"]
        assert other["seconds"] < PROMPTLY
        assert site.requests == []
