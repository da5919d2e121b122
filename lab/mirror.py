"""One HTTP server for all that the lab offers, which counts what it sends and fails on request."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from lab import paths
from lab.mirror_faults import make_fault
from lab.mirror_server import MirrorServer
from lab.remote_mirror import RemoteMirror

__all__ = ["Mirror", "RemoteMirror", "serve"]


class Mirror:
    """A mirror of ``root`` on a thread of its own; use it as a context manager.

    root: folder to serve. Symbolic links in it are followed.
    host, port: where to listen; port 0 takes a free one. With host "0.0.0.0" hosts in containers
        reach it (see ``lab.docker_engine.gateway``), and so does everybody on this network.

    Raises NotADirectoryError when root is no folder, OSError when the address is taken.
    """

    def __init__(self, root: str | os.PathLike[str], host: str = "127.0.0.1", port: int = 0):
        self.root = Path(root)
        if not self.root.is_dir():
            raise NotADirectoryError(f"the mirror has nothing to serve: no folder {self.root}")
        self._server = MirrorServer((host, port), self.root)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end, for clients on this machine."""
        host = str(self._server.server_name)
        return self.url_for("127.0.0.1" if host == "0.0.0.0" else host)

    def url_for(self, host: str) -> str:
        """Base URL for clients that know this machine as ``host``."""
        return f"http://{host}:{self.port}"

    @property
    def errors(self) -> list[str]:
        """Tracebacks of handlers that failed for another reason than a lost connection."""
        return list(self._server.errors)

    def start(self) -> None:
        """Begin to serve; returns at once."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, cut open connections and free the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Mirror:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def counts(self) -> dict[str, dict[str, int]]:
        """{path: {"requests": n, "bytes": n}} since the start or the last ``reset``."""
        return self._server.ledger.counts()

    def log(self) -> list[dict[str, Any]]:
        """Every request since the last ``reset``: client, method, path, status, bytes,
        range, agent."""
        return self._server.ledger.log()

    def reset(self) -> None:
        """Set every count to nothing; faults stay."""
        self._server.ledger.reset()

    def fault(self, pattern: str, kind: str, times: int | None = None, **options: Any) -> None:
        """Make requests that match the shell pattern fail; kinds and options: ``lab.mirror_faults.KINDS``.

        times: how many requests meet it; every one by default. Raises ``lab.mirror_faults.FaultError``.
        """
        self._server.faults.add(make_fault(pattern, kind, times, **options))

    def headers(self, pattern: str, **headers: str) -> None:
        """Send these headers, ``_`` for ``-`` in their names, with what matches the shell pattern.

        They win over the mirror's own (ETag, Content-Type), and stay until the mirror ends.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._server.headers.append((pattern, named))

    def faults(self) -> list[dict[str, Any]]:
        """The faults still in force."""
        return self._server.faults.rules()

    def clear_faults(self) -> None:
        """Behave well again."""
        self._server.faults.clear()


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    ready_file: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; print the base URL first.

    ready_file: written with the base URL once requests are answered, for those who wait for it.
    root: what to serve; the lab's own site by default.
    """
    if root is None:
        root = paths.site_dir()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with Mirror(root, host, port) as mirror:
        print(f"mirror: {mirror.url} serves {root}", flush=True)
        if ready_file is not None:
            ready = Path(ready_file)
            partial = ready.with_name(ready.name + ".part")
            partial.write_text(mirror.url + "\n", encoding="utf-8")
            partial.replace(ready)
        done.wait()
