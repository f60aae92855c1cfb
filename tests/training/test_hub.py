"""A finished checkpoint on the Hub, against a server on this machine that takes uploads as huggingface.co does."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants as hub
import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from babelrank.cli import app
from babelrank.errors import TrainingError
from training_runs import run

COMMIT = "b" * 40
PUSH = '[hub]\npush = "acme/mine"\nprivate = true\n'


class Upload(BaseHTTPRequestHandler):
    """Answers what an upload asks, and keeps the files; the token is `secret`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Authorization") != "Bearer secret":
            self.answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/whoami-v2":
            self.answer(200, {"name": "me", "type": "user", "auth": {"accessToken": {"role": "write"}}})
        else:
            self.answer(200, {"id": "acme/mine", "sha": "a" * 40, "siblings": []})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            self.answer(
                self.server.status, {"url": f"http://127.0.0.1:{self.server.server_port}/acme/mine", "id": "acme/mine"}
            )
        elif "/preupload/" in self.path:
            files = [each["path"] for each in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]
            self.answer(200, {"files": modes})
        elif "/commit/" in self.path:
            lines = [json.loads(line)["value"] for line in body.splitlines()]
            self.server.files |= {line["path"]: base64.b64decode(line["content"]) for line in lines if "path" in line}
            self.answer(
                200,
                {
                    "commitUrl": f"http://127.0.0.1:{self.server.server_port}/acme/mine/commit/{COMMIT}",
                    "commitOid": COMMIT,
                },
            )
        else:
            self.answer(200, {})

    def answer(self, status, document):
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """The server, at which somebody is logged in."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Upload)
    made.created, made.files, made.status = [], {}, 200
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{made.server_port}")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "secret")
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_finished_checkpoint_is_uploaded_with_its_card(write_config, server):
    folder, observer = run(write_config(steps=1, more=PUSH))
    assert server.created[0]["name"] == "mine"
    assert server.files.keys() >= {"README.md", "model.safetensors", "modules.json", "babelrank_training.json"}
    assert server.files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert "loss:InfoNCE" in ModelCard(server.files["README.md"].decode()).data.tags
    assert any(message.startswith("uploaded to ") for message in observer.messages)


def test_what_the_hub_refuses_is_kept_and_uploaded_by_the_same_command(write_config, server):
    path, server.status = write_config(steps=1, more=PUSH), 400
    with pytest.raises(TrainingError, match=r"hub.push: acme/mine: Bad request.*checkpoint is complete, and the same"):
        run(path)
    assert not server.files
    server.status = 200
    _, observer = run(path)
    assert "exists already" in observer.messages[0]
    assert "model.safetensors" in server.files


def test_nobody_logged_in_ends_the_run_before_it_begins(write_config, server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "other")
    with pytest.raises(TrainingError, match=r"hub.push: acme/mine: .*; log in with `hf auth login`"):
        run(write_config(more=PUSH))
    shown = CliRunner().invoke(app, ["train", str(write_config(more=PUSH)), "--dry-run"])
    assert "hf auth login" in shown.stderr
    assert not (tmp_path / "checkpoint.training").exists()


def test_a_repository_has_an_owner_and_a_name(write_config):
    with pytest.raises(TrainingError, match=r"hub.push: must be a repository such as 'ORG/NAME', got 'mine'"):
        run(write_config(more=PUSH.replace("acme/", "")))
