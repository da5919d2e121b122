"""The mirror's HTTP side: a threaded server and what it answers.

HTTP/1.1 with keep-alive, conditional requests (ETag, Last-Modified) and single byte ranges, as
RFC 9110 describes them; a request for several ranges gets the whole file, which the RFC allows.
Folders are listed as links, which is what ``pip --find-links URL`` reads.

Another process controls it under ``/_lab/``: GET or DELETE ``/_lab/counts``, GET ``/_lab/log``,
GET, POST or DELETE ``/_lab/faults``. Such requests are neither counted nor faulted.
"""

from __future__ import annotations

import contextlib
import email.utils
import fnmatch
import html
import json
import re
import socket
import struct
import sys
import threading
import time
import traceback
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.ledger import Ledger, Request
from lab.mirror_faults import Fault, FaultBook, FaultError, make_fault

CONTROL = "/_lab/"
"""Path below which the server is controlled instead of read."""

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".zst": "application/zstd",
    ".sh": "application/x-sh",
}
_CHUNK = 1 << 16


@dataclass(frozen=True)
class _Body:
    """What a plain answer sends: ``length`` bytes of ``file`` (or ``data``) from ``start``."""

    length: int
    start: int = 0
    file: Path | None = None
    data: bytes = b""

    def chunks(self, limit: int, size: int = _CHUNK) -> Iterator[bytes]:
        left = min(limit, self.length)
        if self.file is None:
            yield from (self.data[i : min(i + size, left)] for i in range(0, left, size))
            return
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            while left > 0:
                chunk = stream.read(min(size, left))
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk


class MirrorServer(ThreadingHTTPServer):
    daemon_threads = True
    # a client that keeps its connection open must not keep the mirror from stopping
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], root: Path) -> None:
        self.root = root
        self.ledger = Ledger()
        self.faults = FaultBook()
        self.errors: list[str] = []
        self.headers: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # http.server looks the host name up in the DNS here, which can take seconds
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        host, port = self.socket.getsockname()[:2]
        self.server_address = (host, port)
        self.server_name, self.server_port = host, port

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def headers_of(self, path: str) -> dict[str, str]:
        """What ``Mirror.headers`` asked for answers to requests for this path."""
        found: dict[str, str] = {}
        for pattern, headers in self.headers:
            if fnmatch.fnmatchcase(path, pattern):
                found |= headers
        return found

    def hang_up(self) -> None:
        """Cut every open connection, so that their threads end."""
        self.stopping.set()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            self.errors.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "llmfleet-lab"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 60
    server: MirrorServer

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the ledger is the log."""

    # -- methods ---------------------------------------------------------------------------------

    def do_GET(self) -> None:
        self._dispatch()

    def do_HEAD(self) -> None:
        self._dispatch()

    def do_POST(self) -> None:
        self._dispatch()

    def do_DELETE(self) -> None:
        self._dispatch()

    def _dispatch(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self._request = Request(
            client=self.client_address[0],
            method=self.command,
            path=path,
            range=self.headers.get("Range"),
            agent=self.headers.get("User-Agent", ""),
        )
        if path.startswith(CONTROL):
            self._control(path[len(CONTROL) :])
            return
        self.server.ledger.begin(self._request)
        try:
            self._serve(path, self.server.faults.take(path))
        finally:
            self.server.ledger.end()

    # -- the plain answer, then what the faults make of it ---------------------------------------

    def _serve(self, path: str, faults: list[Fault]) -> None:
        fault: Fault | None = None
        for candidate in faults:
            if candidate.kind == "latency":
                self.server.stopping.wait(candidate.options["seconds"])
            else:
                fault = candidate
        if fault is not None and fault.kind == "status":
            self._fault_status(fault)
            return
        if fault is not None and fault.kind == "replace":
            # Another file for a moment: without validators, since the real one's are not its own.
            status, body = HTTPStatus.OK, _text(fault.options["content"].encode())
            headers: dict[str, str] = {}
        else:
            status, headers, body = self._plain(path)
            headers |= self.server.headers_of(path)
        if fault is not None and fault.kind == "reset" and fault.options["after_bytes"] == 0:
            self._reset_connection()
            return
        announced = body.length
        limit = body.length
        if fault is not None and fault.kind == "truncate":
            limit = int(body.length * fault.options["fraction"])
            if fault.options["honest"]:
                announced = limit
        elif fault is not None and fault.kind == "wrong_length":
            announced = max(0, body.length + fault.options["difference"])
        headers["Content-Length"] = str(announced)
        if status == HTTPStatus.NOT_MODIFIED:
            del headers["Content-Length"]
        if announced != limit:
            # whatever was announced, nothing more can be read from this connection
            self.close_connection = True
            headers["Connection"] = "close"
        self._head(status, headers)
        if self.command == "HEAD" or status == HTTPStatus.NOT_MODIFIED:
            return
        self._send_body(body, limit, fault)

    def _plain(self, path: str) -> tuple[HTTPStatus, dict[str, str], _Body]:
        """Status, headers without Content-Length, and body of the answer without faults."""
        if self.command not in ("GET", "HEAD"):
            # the request's body was not read, so the next request could not be found
            self.close_connection = True
            return self._message(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        target = self._locate(path)
        if target is None:
            return self._message(HTTPStatus.NOT_FOUND)
        if target.is_dir():
            if not path.endswith("/"):
                location = urllib.parse.quote(path.rsplit("/", 1)[-1]) + "/"
                return self._message(HTTPStatus.MOVED_PERMANENTLY, {"Location": location})
            index = target / "index.html"
            if not index.is_file():
                page = _listing(path, target)
                headers = {"Content-Type": CONTENT_TYPES[".html"]}
                return HTTPStatus.OK, headers, _Body(len(page), data=page)
            target = index
        return self._file(target)

    def _file(self, target: Path) -> tuple[HTTPStatus, dict[str, str], _Body]:
        try:
            found = target.stat()
        except OSError:
            return self._message(HTTPStatus.NOT_FOUND)
        size = found.st_size
        etag = f'"{found.st_mtime_ns:x}-{size:x}"'
        headers = {
            "Content-Type": CONTENT_TYPES.get(target.suffix, "application/octet-stream"),
            "ETag": etag,
            "Last-Modified": email.utils.formatdate(found.st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        if self._unchanged(etag, found.st_mtime):
            return HTTPStatus.NOT_MODIFIED, headers, _Body(0)
        wanted = self._wanted_range(size, etag, headers["Last-Modified"])
        if wanted is None:
            return HTTPStatus.OK, headers, _Body(size, file=target)
        first, last = wanted
        if first > last:
            return self._message(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"}
            )
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return (
            HTTPStatus.PARTIAL_CONTENT,
            headers,
            _Body(last - first + 1, start=first, file=target),
        )

    def _locate(self, path: str) -> Path | None:
        """The file or folder for a path, None where there is none or the path leaves the root."""
        parts = [part for part in path.split("/") if part]
        if ".." in parts or "\0" in path or not path.startswith("/"):
            return None
        target = self.server.root.joinpath(*parts)
        if path.endswith("/") and not target.is_dir():
            return None
        return target if target.exists() else None

    def _unchanged(self, etag: str, modified: float) -> bool:
        match = self.headers.get("If-None-Match")
        if match is not None:
            tags = [tag.strip().removeprefix("W/") for tag in match.split(",")]
            return "*" in tags or etag in tags
        since = self.headers.get("If-Modified-Since")
        if since is None:
            return False
        try:
            return int(modified) <= email.utils.parsedate_to_datetime(since).timestamp()
        except ValueError:
            return False

    def _wanted_range(self, size: int, etag: str, modified: str) -> tuple[int, int] | None:
        """First and last byte asked for; None for the whole; first > last: not satisfiable."""
        text = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if text is None or (condition is not None and condition not in (etag, modified)):
            return None
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
        if match is None or match.group(1) == match.group(2) == "":
            return None
        if match.group(1) == "":
            return max(0, size - int(match.group(2))), size - 1
        first, last = int(match.group(1)), int(match.group(2) or size)
        if last < first < size:
            return None
        return first, min(last, size - 1)

    def _message(
        self, status: HTTPStatus, headers: dict[str, str] | None = None
    ) -> tuple[HTTPStatus, dict[str, str], _Body]:
        text = f"{status.value} {status.phrase}\n".encode()
        return status, {"Content-Type": CONTENT_TYPES[".txt"], **(headers or {})}, _text(text)

    # -- onto the wire ---------------------------------------------------------------------------

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self._request.status = int(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, body: _Body, limit: int, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        options = fault.options if fault is not None else {}
        if kind == "drip":
            self._send_slowly(body, options["bytes_per_second"])
        elif kind == "tamper" and body.length:
            at = min(int(body.length * options["at"]), body.length - 1)
            for chunk in body.chunks(limit):
                inside = at - self._request.bytes
                if 0 <= inside < len(chunk):
                    chunk = chunk[:inside] + bytes([chunk[inside] ^ 0xFF]) + chunk[inside + 1 :]
                self._write(chunk)
        elif kind == "reset":
            for chunk in body.chunks(options["after_bytes"]):
                self._write(chunk)
            self._reset_connection()
        elif body.file is not None and limit:
            with body.file.open("rb") as stream:
                try:
                    self.connection.sendfile(stream, body.start, limit)
                finally:
                    self._request.bytes = max(0, stream.tell() - body.start)
        else:
            for chunk in body.chunks(limit):
                self._write(chunk)

    def _send_slowly(self, body: _Body, rate: float) -> None:
        # ten steps a second at most, so that a client sees a steady trickle
        size = max(1, int(rate / 10))
        begin = time.monotonic()
        for chunk in body.chunks(body.length, size):
            self._write(chunk)
            ahead = self._request.bytes / rate - (time.monotonic() - begin)
            if ahead > 0 and self.server.stopping.wait(ahead):
                self.close_connection = True
                return

    def _write(self, chunk: bytes) -> None:
        self.wfile.write(chunk)
        self._request.bytes += len(chunk)

    def _reset_connection(self) -> None:
        # linger of zero seconds: closing sends RST, and the client sees "connection reset by peer"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        if self._request.bytes:
            # RST also drops what the client's kernel has not handed over yet; let it read first
            time.sleep(0.1)
        self.connection.close()

    def _fault_status(self, fault: Fault) -> None:
        code = fault.options["code"]
        text = (fault.options["body"] or f"{code} by request of the lab\n").encode()
        headers = {"Content-Type": CONTENT_TYPES[".txt"], "Content-Length": str(len(text))}
        if fault.options["retry_after"] >= 0:
            headers["Retry-After"] = str(fault.options["retry_after"])
        self._head(code, headers)
        if self.command != "HEAD":
            self._write(text)

    # -- control ---------------------------------------------------------------------------------

    def _control(self, what: str) -> None:
        try:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = self._control_answer(what, content)
        except (FaultError, ValueError, TypeError) as error:
            self._json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        if answer is None:
            self._json(HTTPStatus.NOT_FOUND, {"error": f"no {self.command} of {CONTROL}{what}"})
        else:
            self._json(HTTPStatus.OK, answer)

    def _control_answer(self, what: str, content: bytes) -> Any:
        server = self.server
        asked = (self.command, what)
        if asked == ("GET", "counts"):
            return server.ledger.counts()
        if asked == ("GET", "log"):
            return server.ledger.log()
        if asked == ("DELETE", "counts"):
            server.ledger.reset()
            return {}
        if asked == ("DELETE", "faults"):
            server.faults.clear()
            return []
        if asked == ("POST", "faults"):
            rule = json.loads(content)
            if not isinstance(rule, dict) or not isinstance(rule.get("options", {}), dict):
                raise FaultError("a fault is an object with pattern, kind, options and times")
            unknown = sorted(set(rule) - {"pattern", "kind", "options", "times"})
            if unknown:
                raise FaultError(f"unknown key {unknown[0]!r}")
            options = rule.get("options", {})
            pattern, kind = rule.get("pattern", ""), rule.get("kind", "")
            server.faults.add(make_fault(pattern, kind, rule.get("times"), **options))
        elif asked != ("GET", "faults"):
            return None
        return server.faults.rules()

    def _json(self, status: HTTPStatus, answer: Any) -> None:
        data = json.dumps(answer).encode()
        headers = {"Content-Type": CONTENT_TYPES[".json"], "Content-Length": str(len(data))}
        self._head(status, headers)
        self.wfile.write(data)


def _text(data: bytes) -> _Body:
    return _Body(len(data), data=data)


def _listing(path: str, folder: Path) -> bytes:
    names = sorted(
        entry.name + ("/" if entry.is_dir() else "")
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
    )
    links = "\n".join(
        f'<a href="{urllib.parse.quote(name)}">{html.escape(name)}</a><br>' for name in names
    )
    title = html.escape(path)
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
    return f"{head}<body>\n{links}\n</body></html>\n".encode()
