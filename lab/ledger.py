"""What the mirror was asked for and what it sent."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

#: seconds that a reader waits for requests still being answered: a client has its last byte a
#: moment before the server knows that it sent it
_PATIENCE = 1.0


@dataclass
class Request:
    """One request; ``client`` is an address, ``bytes`` are those of the body handed to the socket so far."""

    client: str
    method: str
    path: str
    range: str | None
    agent: str
    status: int = 0
    bytes: int = 0


class Ledger:
    """Counts of what was asked and sent. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._active = 0

    def begin(self, request: Request) -> None:
        """Note a request that is about to be answered; the caller goes on to fill it in."""
        with self._changed:
            self._requests.append(request)
            self._active += 1

    def end(self) -> None:
        """Note that a request was answered, or that answering it failed."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def reset(self) -> None:
        """Forget everything."""
        with self._changed:
            self._settle()
            self._requests.clear()

    def log(self) -> list[dict[str, Any]]:
        """Every request since the last reset, in the order in which they came."""
        with self._changed:
            self._settle()
            return [asdict(request) for request in self._requests]

    def counts(self) -> dict[str, dict[str, int]]:
        """Per decoded path: how many requests of any method or status, and how many body bytes."""
        result: dict[str, dict[str, int]] = {}
        for request in self.log():
            entry = result.setdefault(request["path"], {"requests": 0, "bytes": 0})
            entry["requests"] += 1
            entry["bytes"] += request["bytes"]
        return result

    def _settle(self) -> None:
        self._changed.wait_for(lambda: self._active == 0, timeout=_PATIENCE)
