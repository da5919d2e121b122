"""Answers questions about versions and specs with conda's own code; runs inside conda's Python.

Reads one JSON list of questions from each line of stdin, each question ``[kind, argument, ...]``, and
writes one JSON list of answers: ``{"ok": ANSWER}``, or ``{"error": TEXT}`` where conda refuses the text.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from conda.base.context import context
from conda.models.match_spec import MatchSpec
from conda.models.records import PackageRecord
from conda.models.version import VersionOrder, VersionSpec

_RECORDS: list[PackageRecord] = []


def remember(records: list[dict[str, Any]]) -> int:
    """Keep just these records for later questions, which name them by their place; say how many there are."""
    _RECORDS[:] = (PackageRecord(**record) for record in records)
    return len(_RECORDS)


def order(left: str, right: str) -> int:
    """-1, 0 or 1 for an older, an equal and a newer ``left``."""
    first, second = VersionOrder(left), VersionOrder(right)
    answers = {-1: first < second, 0: first == second, 1: first > second}
    (answer,) = [number for number, holds in answers.items() if holds]
    return answer


def version(spec: str, versions: list[str]) -> dict[str, Any]:
    """How conda writes the version spec, and which of ``versions`` fulfil it."""
    parsed = VersionSpec(spec)
    return {"text": str(parsed), "matches": [bool(parsed.match(item)) for item in versions]}


def spec(text: str, records: list[int]) -> dict[str, Any]:
    """Fields and canonical text of the match spec, and which of the records fulfil it."""
    parsed = MatchSpec(text)
    return {
        "fields": {key: str(value) for key, value in parsed._match_components.items()},
        "canonical": str(parsed),
        "matches": [bool(parsed.match(_RECORDS[index])) for index in records],
    }


QUESTIONS = {"remember": remember, "order": order, "version": version, "spec": spec}


def answer(question: list[Any]) -> dict[str, Any]:
    """What conda says to one question."""
    kind, *arguments = question
    try:
        return {"ok": QUESTIONS[kind](*arguments)}
    except Exception as error:  # conda gives up on some texts with other exceptions than its own
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer until stdin ends."""
    context.__init__(search_path=())
    for line in sys.stdin:
        print(json.dumps([answer(question) for question in json.loads(line)]), flush=True)


if __name__ == "__main__":
    main()
