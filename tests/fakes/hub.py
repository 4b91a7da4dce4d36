"""As much of the Hugging Face hub, on this machine, as its own client needs to upload a model and to fetch it again."""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MODEL = r"/api/models/(\w[\w.-]*/[\w.-]+)"


class Hub(http.server.ThreadingHTTPServer):
    """Models by their names: each is its files by path. `asked` has every request."""

    models: dict[str, dict[str, bytes]]
    asked: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hub() -> Iterator[Hub]:
    """A hub that holds nothing yet."""
    with Hub(("127.0.0.1", 0), _Answers) as running:
        running.models, running.asked = {}, []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


class _Answers(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"POST {self.path}")
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'user'}/{asked['name']}"
            self.server.models.setdefault(name, {})
            self._json({"url": f"{self.server.address}/{name}", "name": name})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif re.fullmatch(_MODEL + "/preupload/main", self.path):
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for one in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif found := re.fullmatch(_MODEL + "/commit/main", self.path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.models[found[1]][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._json(
                {
                    "commitUrl": f"{self.server.address}/{found[1]}/commit/{'1' * 40}",
                    "commitOid": "1" * 40,
                    "success": True,
                }
            )
        else:
            self._json({"error": "unknown"}, 404)

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0]
        if found := re.fullmatch(_MODEL + r"(/revision/(\w+))?", path):
            files = self.server.models.get(found[1])
            if files is None or found[3] not in (None, "main", "1" * 40):
                code = "RepoNotFound" if files is None else "RevisionNotFound"
                self._json({"error": "not found"}, 404, {"X-Error-Code": code})
                return
            siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
            self._json({"id": found[1], "modelId": found[1], "sha": "1" * 40, "siblings": siblings, "private": False})
        elif found := re.fullmatch(_MODEL + r"/tree/\w+", path):
            files = self.server.models[found[1]]
            self._json(
                [{"type": "file", "path": name, "size": len(data), "oid": _name(data)} for name, data in files.items()]
            )
        elif found := re.fullmatch(r"/(\w[\w.-]*/[\w.-]+)/resolve/\w+/(.+)", path):
            data = self.server.models[found[1]][found[2]]
            self._send(data, {"ETag": f'"{_name(data)}"', "X-Repo-Commit": "1" * 40})
        else:
            self._json({"error": "unknown"}, 404)

    do_HEAD = do_GET

    def _json(self, found: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(found).encode(), {"Content-Type": "application/json", **(headers or {})}, code)

    def _send(self, data: bytes, headers: dict[str, str], code: int = 200) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
