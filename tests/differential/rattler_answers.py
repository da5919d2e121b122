"""Answers questions about versions and specs with rattler; a process of its own, as it may crash at exit.

The protocol is that of ``conda_answers.py``. rattler writes versions and specs in forms of its own, so
where texts are to be compared it is given ours as well and answers with its form of both.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import rattler

_RECORDS: list[rattler.PackageRecord] = []


def _record(data: dict[str, Any]) -> rattler.PackageRecord:
    return rattler.PackageRecord(
        data["name"],
        data["version"],
        rattler.BuildString(data["build"]),
        data["build_number"],
        data["subdir"],
        md5=bytes.fromhex(data["md5"]),
        sha256=bytes.fromhex(data["sha256"]),
    )


def remember(records: list[dict[str, Any]]) -> int:
    """Keep just these records for later questions, which name them by their place; say how many there are."""
    _RECORDS[:] = (_record(record) for record in records)
    return len(_RECORDS)


def order(left: str, right: str) -> int:
    """-1, 0 or 1 for an older, an equal and a newer ``left``."""
    first, second = rattler.Version(left), rattler.Version(right)
    answers = {-1: first < second, 0: first == second, 1: first > second}
    (answer,) = [number for number, holds in answers.items() if holds]
    return answer


def version(spec: str, versions: list[str]) -> dict[str, Any]:
    """How rattler writes the version spec, and which of ``versions`` fulfil it."""
    parsed = rattler.VersionSpec(spec)
    matches = [parsed.matches(rattler.Version(item)) for item in versions]
    return {"text": str(parsed), "matches": matches}


def spec(text: str, records: list[int]) -> dict[str, Any]:
    """Fields and canonical text of the match spec, and which of the records fulfil it."""
    parsed = rattler.MatchSpec(text)
    fields = {
        "name": str(parsed.name.normalized),
        "version": parsed.version,
        "build": parsed.build,
        "build_number": parsed.build_number,
        "channel": parsed.channel.name if parsed.channel else None,
        "subdir": parsed.subdir,
        "md5": parsed.md5.hex() if parsed.md5 else None,
        "sha256": parsed.sha256.hex() if parsed.sha256 else None,
    }
    return {
        "fields": {key: value for key, value in fields.items() if value is not None},
        "canonical": parsed.to_canonical_string(),
        "matches": [parsed.matches(_RECORDS[index]) for index in records],
    }


def form(text: str) -> str:
    """rattler's own way to write a match spec."""
    return rattler.MatchSpec(text).to_canonical_string()


QUESTIONS = {
    "remember": remember,
    "order": order,
    "version": version,
    "spec": spec,
    "form": form,
}


def answer(question: list[Any]) -> dict[str, Any]:
    """What rattler says to one question."""
    kind, *arguments = question
    try:
        return {"ok": QUESTIONS[kind](*arguments)}
    except Exception as error:  # every kind of error of rattler's is a refusal
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer until stdin ends."""
    for line in sys.stdin:
        print(json.dumps([answer(question) for question in json.loads(line)]), flush=True)


if __name__ == "__main__":
    main()
