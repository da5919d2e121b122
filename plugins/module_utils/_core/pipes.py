# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the output of a child process in bounded memory and bounded time."""

from __future__ import annotations

import functools
import os
import selectors
import subprocess
import threading
import time
from typing import IO

# Bytes kept of each stream: several times conda's longest JSON document, which it prints last.
LIMIT = 32 * 1024 * 1024
# Seconds to wait for the output to close after the process ended; its children may still hold it.
LINGER = 2.0

_CHUNK = 65536
# Polling, because nothing wakes the reader when a process ends while its children hold its output.
_POLL_SECONDS = 0.25


class _Tail:
    """The last bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        self._bytes += chunk
        # Not for every chunk: each cut moves the kept bytes.
        if len(self._bytes) > 2 * self._limit:
            del self._bytes[: -self._limit]

    def value(self) -> bytes:
        return bytes(self._bytes[-self._limit :])


class Pipes:
    """The output pipes of a process, and its input.

    Args:
        process: started with pipes for stdout and stderr, and for stdin when ``stdin`` is given.
        stdin: bytes to write to its standard input.
        limit: bytes kept of the end of each stream.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes | None, limit: int = LIMIT
    ) -> None:
        self._process = process
        self._tails = {"stdout": _Tail(limit), "stderr": _Tail(limit)}
        self._unfed = memoryview(stdin or b"")
        self._selector = selectors.DefaultSelector()
        # Each pipe is registered with the function to call when it is ready.
        for name, tail in self._tails.items():
            output = getattr(process, name)
            take = functools.partial(self._take, output, tail)
            self._selector.register(output, selectors.EVENT_READ, take)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            feed = functools.partial(self._feed, process.stdin)
            self._selector.register(process.stdin, selectors.EVENT_WRITE, feed)

    @property
    def open(self) -> bool:
        """Whether a process still holds one of the pipes."""
        return bool(self._selector.get_map())

    @property
    def stdout(self) -> bytes:
        """What was read of stdout so far, at most its last ``limit`` bytes."""
        return self._tails["stdout"].value()

    @property
    def stderr(self) -> bytes:
        """What was read of stderr so far, at most its last ``limit`` bytes."""
        return self._tails["stderr"].value()

    def read(self, timeout: float | None, given_up: threading.Event | None = None) -> bool:
        """Read until the process has ended and its output is closed, or open for another ``LINGER`` seconds.

        Returns:
            False when the process still runs after ``timeout`` seconds, or when another thread has set
                ``given_up``, which is noticed within a quarter of a second.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        ended = None
        while True:
            now = time.monotonic()
            if ended is None and self._process.poll() is not None:
                ended = now
            if ended is not None and (not self.open or now > ended + LINGER):
                return True
            if deadline is not None and now >= deadline:
                return ended is not None
            if given_up is not None and given_up.is_set():
                return ended is not None
            pause = _POLL_SECONDS if deadline is None else min(_POLL_SECONDS, deadline - now)
            if self.open:
                for key, _events in self._selector.select(pause):
                    key.data()
            else:
                # The process closed its output and still runs, or is about to end.
                try:
                    self._process.wait(pause)
                except subprocess.TimeoutExpired:
                    continue

    def _take(self, stream: IO[bytes], tail: _Tail) -> None:
        chunk = os.read(stream.fileno(), _CHUNK)
        if chunk:
            tail.add(chunk)
        else:
            self._selector.unregister(stream)

    def _feed(self, stream: IO[bytes]) -> None:
        try:
            written = os.write(stream.fileno(), self._unfed[:_CHUNK])
        except BrokenPipeError:
            # The process does not read the rest; its exit status tells whether that is an error.
            written = len(self._unfed)
        self._unfed = self._unfed[written:]
        if not self._unfed:
            self._selector.unregister(stream)
            stream.close()

    def close(self) -> None:
        """Close the pipes; a process that still writes into them gets EPIPE."""
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
