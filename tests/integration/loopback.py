"""A server on loopback for the time of a test."""

from __future__ import annotations

import http.server
import threading
from typing import TypeVar

Self = TypeVar("Self", bound="LoopbackServer")


class LoopbackServer:
    """Serves with one handler, from entering the block to leaving it."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        # A short poll: its end is waited for.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"
