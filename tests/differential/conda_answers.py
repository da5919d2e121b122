"""Answers questions about versions and specs with conda's own code; runs inside conda's Python.

Reads one JSON list from each line of stdin, ``[question, argument, ...]``, and writes one JSON
value: ``{"ok": ANSWER}``, or ``{"error": TEXT}`` where conda refuses the text.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from conda.base.context import context
from conda.exceptions import CondaError
from conda.models.match_spec import MatchSpec
from conda.models.records import PackageRecord
from conda.models.version import VersionOrder, VersionSpec


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 for an older, an equal and a newer ``left``."""
    first, second = VersionOrder(left), VersionOrder(right)
    answers = {-1: first < second, 0: first == second, 1: first > second}
    (answer,) = [number for number, holds in answers.items() if holds]
    return answer


def version_matches(spec: str, versions: list[str]) -> list[bool]:
    """Which of ``versions`` fulfil the version spec."""
    parsed = VersionSpec(spec)
    return [bool(parsed.match(version)) for version in versions]


def record_matches(spec: str, records: list[dict[str, Any]]) -> list[bool]:
    """Which of ``records`` fulfil the match spec."""
    parsed = MatchSpec(spec)
    return [bool(parsed.match(PackageRecord(**record))) for record in records]


QUESTIONS = {"compare": compare, "version": version_matches, "record": record_matches}


def main() -> None:
    """Answer until stdin ends."""
    context.__init__(search_path=())
    for line in sys.stdin:
        question, *arguments = json.loads(line)
        try:
            answer = {"ok": QUESTIONS[question](*arguments)}
        except (CondaError, ValueError, AssertionError, TypeError, IndexError, AttributeError) as e:
            # conda's parsers give up on some garbage with other exceptions than their own.
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
