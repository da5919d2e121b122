"""Task titles are what a person sees of a run: each begins with a verb, and no two of a file are alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")])
VERBS = {
    *("Activate", "Add", "Announce", "Check", "Clean", "Configure", "Create", "Detect", "Fail"),
    *("Install", "Keep", "Switch"),
    *(
        "Load",
        "Name",
        "Read",
        "Remove",
        "Run",
        "Say",
        "Stop",
        "Update",
        "Verify",
        "Write",
    ),
}


def titles(tasks: list[dict[str, Any]]) -> Iterator[str]:
    for task in tasks:
        yield task.get("name", "(none)")
        for part in ("block", "rescue", "always", "pre_tasks", "tasks", "post_tasks"):
            yield from titles(task.get(part, []))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_titles_begin_with_a_verb_and_differ(path: Path) -> None:
    found = list(titles(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert found
    assert [title for title in found if title.split()[0] not in VERBS] == []
    assert sorted(found) == sorted(set(found))
