"""Servers on loopback addresses, each with the channel conda-forge or with what a closed mirror has."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

REPODATA = "/cloud/conda-forge/noarch/repodata.json"


@dataclass
class Site:
    """A server with one channel, conda-forge, and the file ``also``.

    ``faults`` are answers that come before the true ones. As a proxy it answers for ``elsewhere``.
    ``redirect`` is where it redirects every file.
    """

    url: str = ""
    seen: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    elsewhere: str = ""
    body: bytes = b'{"info": {"subdir": "noarch"}, "packages": {}}'
    redirect: str = ""
    also: str = ""

    def answer(self, method: str, path: str) -> int:
        self.seen.append(f"{method} {path}")
        if self.faults:
            return self.faults.pop(0)
        if method == "HEAD" or path == "/":
            # A mirror that is closed still answers for its pages.
            return 200
        if self.redirect:
            return 302
        return 200 if path in (f"{self.elsewhere}{REPODATA}", self.also) else 404

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "channels": ["conda-forge"],
            "custom_channels": {"conda-forge": f"{self.url}/cloud"},
        }


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Site]:
    """A site that answers at an IP address of this machine during the block."""
    found = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._send("HEAD")

        def do_GET(self) -> None:
            self._send("GET")

        def _send(self, method: str) -> None:
            found.ranges.append(self.headers.get("Range", ""))
            status = found.answer(method, self.path)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", found.redirect)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            if method == "GET":
                self.wfile.write(found.body)

        def log_message(self, format: str, *arguments: Any) -> None:
            del format, arguments

    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    found.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
