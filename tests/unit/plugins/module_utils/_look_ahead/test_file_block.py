"""Whether a file has its block; tests/differential asks ansible.builtin.blockinfile itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.file_block import (
    block_is_kept,
)

MARKER = "# {mark} llmfleet"
BLOCK = "first=1\n\nsecond=2\n"
KEPT = "# BEGIN llmfleet\nfirst=1\n\nsecond=2\n# END llmfleet\n"

# The file's text, what the options have beside path, block and marker, and whether that is certainly kept.
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "alone": (KEPT, {}, True),
    "between other lines": (f"before\n{KEPT}after\n", {}, True),
    "block without an end of line": (KEPT, {"block": BLOCK.rstrip("\n")}, True),
    "with its mode": (KEPT, {"mode": "0644"}, True),
    "other lines have other ends": (f"before\r\n{KEPT}", {}, True),
    "another line": (KEPT.replace("first=1", "first=2"), {}, False),
    "a line more": (KEPT.replace("second=2", "second=2\nthird=3"), {}, False),
    "a line less": (KEPT.replace("second=2\n", ""), {}, False),
    "no end": (KEPT.replace("# END llmfleet\n", ""), {}, False),
    "no beginning": (KEPT.replace("# BEGIN llmfleet\n", ""), {}, False),
    "twice": (KEPT * 2, {}, False),
    "the wrong way round": ("# END llmfleet\nfirst=1\n\nsecond=2\n# BEGIN llmfleet\n", {}, False),
    "no end of the last line": (KEPT.rstrip("\n"), {}, False),
    "other ends of lines": (KEPT.replace("\n", "\r\n"), {}, False),
    "empty file": ("", {}, False),
    "another mode": (KEPT, {"mode": "0600"}, False),
    "a mode in letters": (KEPT, {"mode": "u=rw,g=r,o=r"}, False),
    "another marker": (KEPT, {"marker": "# {mark} other"}, False),
    "an option that is not known here": (KEPT, {"backup": True}, False),
    "to be absent": (KEPT, {"state": "absent"}, False),
    "no block": (KEPT, {"block": ""}, False),
}


def options_of(case: str, directory: Path) -> dict[str, Any]:
    """The case's file, written, and the options that ask for its block."""
    text, more, _kept = CASES[case]
    path = directory / "profile.sh"
    path.write_bytes(text.encode())
    path.chmod(0o644)
    return {"path": str(path), "block": BLOCK, "marker": MARKER, "create": True, **more}


@pytest.mark.parametrize("case", CASES)
def test_block_is_kept_only_if_identical(case: str, tmp_path: Path) -> None:
    assert block_is_kept(options_of(case, tmp_path)) is CASES[case][2]


@pytest.mark.parametrize("what", ["nothing", "directory", "link", "link to nothing"])
def test_other_file_types_are_a_reason(what: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.sh"
    if what == "directory":
        path.mkdir()
    elif what != "nothing":
        path.symlink_to(tmp_path / "other")
        if what == "link":
            (tmp_path / "other").write_text(KEPT)
    assert not block_is_kept({"path": str(path), "block": BLOCK, "marker": MARKER})


def test_a_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".profile").write_text(KEPT)
    assert block_is_kept({"path": "~/.profile", "block": BLOCK, "marker": MARKER})
