"""A local server that accepts uploads like the Hub: it creates repositories, and writes commits to folders."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "d" * 40


@contextmanager
def uploading(folder: Path, refuses: str = "") -> Iterator[str]:
    """Yield the server's address; files of a data set are in folder/datasets/ORG/NAME.

    `refuses` is a message; if it is not empty, the server answers every commit with 403 and this message.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[1:2] == ["whoami-v2"]:
                return self._answer(200, {"type": "user", "name": "someone", "auth": {}})
            root = folder / "/".join(parts[1:4])
            files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
            if "tree" in parts:
                return self._answer(200, [{"type": "file", "path": name, "size": 1, "oid": COMMIT} for name in files])
            return self._answer(
                200, {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = self.path.partition("?")[0].strip("/").split("/")
            if self.headers.get("Authorization") != "Bearer hf_valid":
                return self._answer(401, {"error": "Invalid username or password."})
            if parts[-1] == "validate-yaml":
                return self._answer(200, {"errors": [], "warnings": []})
            if parts[-1] == "create":
                asked = json.loads(body)
                root = folder / f"{asked.get('type', 'model')}s" / asked["organization"] / asked["name"]
                root.mkdir(parents=True, exist_ok=True)
                return self._answer(
                    200, {"url": f"{self._address}/{asked['type']}s/{asked['organization']}/{asked['name']}"}
                )
            if "preupload" in parts:
                paths = [each["path"] for each in json.loads(body)["files"]]
                files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
                return self._answer(200, {"files": files})
            if refuses:
                return self._answer(403, {"error": refuses})
            root = folder / "/".join(parts[1:4])
            for line in body.splitlines():
                change = json.loads(line)
                if change["key"] == "file":
                    path = root / change["value"]["path"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(base64.b64decode(change["value"]["content"]))
                elif change["key"] == "deletedFile":
                    (root / change["value"]["path"]).unlink()
            return self._answer(
                200,
                {
                    "success": True,
                    "commitOid": COMMIT,
                    "commitUrl": f"{self._address}/{'/'.join(parts[1:4])}/commit/{COMMIT}",
                    "hookOutput": "",
                },
            )

        def _answer(self, status: int, document: object) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @property
        def _address(self) -> str:
            return f"http://127.0.0.1:{self.server.server_port}"

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
