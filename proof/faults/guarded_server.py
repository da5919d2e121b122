"""A mirror that gives nothing to whoever does not show the right secret, and notes which ones it was shown.

Below .../t/TOKEN/ it wants a token, below /basic/ a user with a password, for a hub's paths
a bearer token, and as a proxy a password of its own; everything else is open. What it serves is a folder.
"""

from __future__ import annotations

import base64
import binascii
import threading
import urllib.parse
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from proof.faults.mirror_site import COMMIT, MODEL, blob_id


class GuardedServer:
    """The server, on a thread of its own; use it as a context manager.

    right: the secrets that open doors. used: those of all kinds, right and wrong, that were shown.
    slow: seconds to wait before each answer.
    """

    def __init__(self, root: Path, host: str, right: Iterable[str]) -> None:
        self.root = root
        self.right = frozenset(right)
        self.used: set[str] = set()
        self.slow = 0.0
        guard = self

        class Handler(_Handler):
            server_of = guard

        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def __enter__(self) -> GuardedServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self) -> None:
        """As long as ``slow`` says."""
        self._stopping.wait(self.slow)

    def admits(self, secret: str) -> bool:
        """Note that a secret was shown, and say whether it is a right one."""
        self.used.add(secret)
        return secret in self.right


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: GuardedServer

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        guard = self.server_of
        guard.wait()
        parts = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(parts.path)
        if parts.scheme and not guard.admits(_password(self.headers.get("Proxy-Authorization"))):
            self._send(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, b"", body)
            return
        asked = self.headers.get("Authorization", "")
        before, found, rest = path.partition("/t/")
        if found:
            # conda puts the token of a channel behind the location that it knows for it (24.7,
            # ``models.channel``), so not only at the beginning of a path.
            token, _slash, path = rest.partition("/")
            path = f"{before}/{path}"
            admitted = guard.admits(token)
        elif path.startswith("/basic/"):
            path = path.removeprefix("/basic/")
            admitted = guard.admits(_password(asked))
        elif path.startswith((f"/{MODEL}/", "/api/")):
            admitted = guard.admits(asked.removeprefix("Bearer "))
        else:
            admitted = True
        if not admitted:
            self._send(HTTPStatus.UNAUTHORIZED, b"", body)
            return
        target = guard.root.joinpath(*(part for part in path.split("/") if part not in ("", "..")))
        if target.is_dir() and (target / "index.html").is_file():
            target /= "index.html"
        if target.is_file():
            self._send(HTTPStatus.OK, target.read_bytes(), body, target)
        elif target.is_dir():
            names = (urllib.parse.quote(one.name) for one in sorted(target.iterdir()))
            page = "".join(f'<a href="{name}">{name}</a>\n' for name in names)
            self._send(HTTPStatus.OK, page.encode(), body, Path("page.html"))
        else:
            self._send(HTTPStatus.NOT_FOUND, b"", body)

    def _send(self, status: HTTPStatus, data: bytes, body: bool, file: Path | None = None) -> None:
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="lab"')
        if status is HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            self.send_header("Proxy-Authenticate", 'Basic realm="lab"')
        if file is not None and file.suffix in (".html", ".json"):
            kind = "text/html" if file.suffix == ".html" else "application/json"
            self.send_header("Content-Type", kind)
        if file is not None and f"/{MODEL}/resolve/" in str(file):
            self.send_header("ETag", f'"{blob_id(file)}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


def _password(header: str | None) -> str:
    """The password of a Basic header, empty without one."""
    try:
        pair = base64.b64decode((header or "").removeprefix("Basic "), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2]
