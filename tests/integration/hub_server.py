"""A model hub on loopback: as much of the hub's HTTP interface as huggingface_hub needs to download."""

from __future__ import annotations

import hashlib
import http.server
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.integration.loopback import LoopbackServer

MODEL = "example/tiny-sentiment"


def commit_of(files: dict[str, bytes]) -> str:
    """A commit for these files: forty digits that depend on what is in them."""
    digest = hashlib.sha1(usedforsecurity=False)
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def blob_id(content: bytes) -> str:
    """git's name for a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Hub(LoopbackServer):
    """One model, :data:`MODEL`, with a branch that can move; used as a context.

    Attributes:
        log: method and path of each request.
        shown: what requests had as Authorization.
        token: that each request needs, empty for a public model.
        altered: what a file is sent as, the next times that its content is asked for.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branches: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []
        self.shown: set[str] = set()
        self.token = ""
        self.altered: dict[str, list[bytes]] = {}
        self.push(files)
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """Its address, for HF_ENDPOINT."""
        return f"http://{self.host}"

    def push(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Let a branch have these files; returns the commit."""
        commit = commit_of(files)
        self.commits[commit] = dict(files)
        self.branches[branch] = commit
        return commit

    def fetched(self) -> list[str]:
        """Names of the files whose content was asked for."""
        return sorted(
            path.rpartition("/")[2]
            for method, path in self.log
            if method == "GET" and "/resolve/" in path
        )

    def answer(self, request: http.server.BaseHTTPRequestHandler, *, body: bool) -> None:
        """Answer one request."""
        path = unquote(urlsplit(request.path).path)
        self.log.append((request.command, path))
        self.shown |= (
            {request.headers["Authorization"]} if "Authorization" in request.headers else set()
        )
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _send(request, 401, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        api = f"/api/models/{MODEL}"
        if path.startswith(f"{api}/revision/") or path == api:
            return self._revision(request, path.removeprefix(api).removeprefix("/revision/"), body)
        if path.startswith(f"{api}/tree/"):
            files = self._files(path.removeprefix(f"{api}/tree/"))
            listed = [
                {"type": "file", "path": name, "size": len(content), "oid": blob_id(content)}
                for name, content in sorted(files.items())
            ]
            return _send(request, 200, json.dumps(listed).encode(), {}, body)
        if path.startswith(f"/{MODEL}/resolve/"):
            commit, _slash, name = path.removeprefix(f"/{MODEL}/resolve/").partition("/")
            content = self._files(commit)[name]
            headers = {"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": commit}
            if body and self.altered.get(name):
                content = self.altered[name].pop(0)
            return _send(request, 200, content, headers, body)
        return _send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

    def _files(self, commit: str) -> dict[str, bytes]:
        return self.commits[self.branches.get(commit, commit)]

    def _revision(
        self, request: http.server.BaseHTTPRequestHandler, revision: str, body: bool
    ) -> None:
        commit = self.branches.get(revision or "main", revision)
        if commit not in self.commits:
            return _send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        siblings = [{"rfilename": name} for name in sorted(self.commits[commit])]
        said = {"id": MODEL, "modelId": MODEL, "sha": commit, "siblings": siblings, "tags": []}
        return _send(request, 200, json.dumps(said).encode(), {}, body)


def _send(
    request: http.server.BaseHTTPRequestHandler,
    status: int,
    content: bytes,
    headers: dict[str, str],
    body: bool,
) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    if body:
        request.wfile.write(content)


def tiny(directory: Path) -> dict[str, bytes]:
    """The files of a directory, for :class:`Hub`."""
    names = (path for path in sorted(directory.iterdir()) if not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in names}
