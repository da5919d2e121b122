"""Faults that the mirror injects on request: what they are, and which of them meets a request.

Nothing here knows HTTP: ``lab.mirror_server`` turns a chosen fault into bytes or their absence.
"""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass, field
from typing import Any, cast

#: kind -> option -> (accepted types, default, smallest, largest). A default of None means the
#: option must be given; bounds of None mean unbounded. Numbers are seconds, bytes or fractions,
#: as the option's name says.
KINDS: dict[str, dict[str, tuple[tuple[type, ...], Any, float | None, float | None]]] = {
    "status": {
        "code": ((int,), None, 300, 599),
        "retry_after": ((int,), -1, -1, None),
        "body": ((str,), "", None, None),
    },
    "latency": {"seconds": ((int, float), None, 0, None)},
    "truncate": {
        "fraction": ((int, float), None, 0, 1),
        "honest": ((bool,), False, None, None),
    },
    "tamper": {"at": ((int, float), 0.5, 0, 1)},
    "reset": {"after_bytes": ((int,), 0, 0, None)},
    "drip": {"bytes_per_second": ((int, float), None, 1, None)},
    "wrong_length": {"difference": ((int,), 1, None, None)},
    "replace": {"content": ((str,), None, None, None)},
}


class FaultError(ValueError):
    """A fault that cannot be: an unknown kind, a missing, unknown or unusable option."""


@dataclass
class Fault:
    """One rule: requests whose path matches ``pattern`` meet a fault of ``kind``.

    pattern: shell pattern over the decoded path, which starts with ``/`` (``*`` matches ``/`` too).
    options: as in ``KINDS``, complete.
    times: how many requests still meet it; None means every one.
    """

    pattern: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    times: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The rule as JSON types, as the control endpoint shows it."""
        return {
            "pattern": self.pattern,
            "kind": self.kind,
            "options": dict(self.options),
            "times": self.times,
        }


def make_fault(pattern: str, kind: str, times: int | None = None, **options: Any) -> Fault:
    """Check a rule and fill in its defaults.

    Raises FaultError, whose text names the kind or option at fault.
    """
    if not isinstance(pattern, str) or not pattern.startswith(("/", "*")):
        raise FaultError(f"pattern must start with '/' or '*', got {pattern!r}")
    if kind not in KINDS:
        raise FaultError(f"unknown kind {kind!r}; known: {', '.join(sorted(KINDS))}")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise FaultError(f"times must be a whole number of at least 1, got {times!r}")
    known = KINDS[kind]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise FaultError(f"{kind}: unknown option {unknown[0]!r}; known: {', '.join(known)}")
    complete = {name: _option(kind, name, options.get(name)) for name in known}
    return Fault(pattern, kind, complete, times)


def _option(kind: str, name: str, value: Any) -> Any:
    types, default, smallest, largest = KINDS[kind][name]
    if value is None:
        value = default
    if value is None:
        raise FaultError(f"{kind}: option {name!r} is needed")
    # bool is an int to Python, but 'seconds: true' is a mistake of the caller's
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise FaultError(f"{kind}: option {name!r} has the wrong type: {value!r}")
    too_small = smallest is not None and cast(float, value) < smallest
    too_large = largest is not None and cast(float, value) > largest
    if too_small or too_large:
        raise FaultError(f"{kind}: option {name!r} is out of range: {value!r}")
    return value


class FaultBook:
    """The rules in force. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a rule in force; of several that match, the one added last wins."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Drop every rule."""
        with self._lock:
            self._faults.clear()

    def rules(self) -> list[dict[str, Any]]:
        """The rules still in force, oldest first, as JSON types."""
        with self._lock:
            return [fault.as_dict() for fault in self._faults]

    def take(self, path: str) -> list[Fault]:
        """What a request for ``path`` meets: every latency, and the newest of the other kinds.

        Uses up one of ``times`` of each rule returned; a rule used up is dropped.
        """
        with self._lock:
            matching = [f for f in self._faults if fnmatch.fnmatchcase(path, f.pattern)]
            chosen = [f for f in matching if f.kind == "latency"]
            others = [f for f in matching if f.kind != "latency"]
            chosen += others[-1:]
            for fault in chosen:
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._faults.remove(fault)
            return chosen
