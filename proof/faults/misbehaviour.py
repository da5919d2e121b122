"""The ways in which a mirror goes wrong, as rules for ``Mirror.fault``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Misbehaviour:
    """One way to go wrong.

    name: as a person would say it.
    kind, options: of ``lab.mirror_faults.KINDS``.
    waits: it does not fail but takes long; only the module's own time limit ends it.
    harmless: whoever is patient gets what was asked for all the same.
    """

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    waits: bool = False
    harmless: bool = False


ONCE = (
    Misbehaviour("a 503", "status", {"code": 503}),
    Misbehaviour("a 500", "status", {"code": 500}),
    Misbehaviour("a 429 with Retry-After", "status", {"code": 429, "retry_after": 1}),
    Misbehaviour("latency", "latency", {"seconds": 0.7}, harmless=True),
    Misbehaviour("a body cut off", "truncate", {"fraction": 0.5}),
    Misbehaviour("a body cut off that claims to be whole", "truncate", {"fraction": 0.5, "honest": True}),
    Misbehaviour("a byte altered in the middle", "tamper", {"at": 0.5}),
    Misbehaviour("a byte altered near the start", "tamper", {"at": 0.02}),
    Misbehaviour("a reset before the first byte", "reset"),
    Misbehaviour("a reset after some bytes", "reset", {"after_bytes": 300}),
    Misbehaviour("a Content-Length too large", "wrong_length", {"difference": 10}),
    Misbehaviour("a Content-Length too small", "wrong_length", {"difference": -10}),
    Misbehaviour("another file in its place", "replace", {"content": "<html>Please log in</html>\n"}),
)  # fmt: skip
"""What may happen for a while."""

FOR_EVER = (
    *(one for one in ONCE if one.kind in ("status", "truncate", "tamper", "reset", "replace")),
    Misbehaviour("a slow drip", "drip", {"bytes_per_second": 20}, waits=True),
    Misbehaviour("silence", "latency", {"seconds": 60}, waits=True),
)
"""What may go on until a person mends the mirror."""
