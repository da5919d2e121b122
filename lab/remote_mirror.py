"""Control of a mirror that another process runs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from lab.mirror_faults import FaultError
from lab.mirror_server import CONTROL


class RemoteMirror:
    """A mirror of another process, controlled over HTTP: the same words as ``Mirror``'s.

    Every method raises OSError when the mirror does not answer.
    """

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        # the machine's proxy is no way to a server of this machine's own
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _ask(self, method: str, what: str, content: dict[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.url + CONTROL + what, data=data, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            if error.code == HTTPStatus.BAD_REQUEST:
                raise FaultError(json.loads(said)["error"]) from None
            raise

    def counts(self) -> dict[str, dict[str, int]]:
        """As ``Mirror.counts``."""
        answer: dict[str, dict[str, int]] = self._ask("GET", "counts")
        return answer

    def log(self) -> list[dict[str, Any]]:
        """As ``Mirror.log``."""
        answer: list[dict[str, Any]] = self._ask("GET", "log")
        return answer

    def reset(self) -> None:
        """As ``Mirror.reset``."""
        self._ask("DELETE", "counts")

    def fault(self, pattern: str, kind: str, times: int | None = None, **options: Any) -> None:
        """As ``Mirror.fault``."""
        rule = {"pattern": pattern, "kind": kind, "times": times, "options": options}
        self._ask("POST", "faults", rule)

    def faults(self) -> list[dict[str, Any]]:
        """As ``Mirror.faults``."""
        answer: list[dict[str, Any]] = self._ask("GET", "faults")
        return answer

    def clear_faults(self) -> None:
        """As ``Mirror.clear_faults``."""
        self._ask("DELETE", "faults")
