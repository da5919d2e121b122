"""direct_url.json after an installation: the hash that uv leaves out, and what lies beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.direct_url import same_source
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.forget_secrets import (
    note_hashes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.scratch import (
    remove_abandoned,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_lines,
)

URL = "https://host/One_Two-1.0-py3-none-any.whl"
OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def info(tmp_path: Path) -> Path:
    path = tmp_path / "One_Two-1.0.dist-info"
    path.mkdir()
    (path / "METADATA").write_text("Name: One_Two\nVersion: 1.0\n")
    # What uv 0.13.9 writes for a URL with #sha256=.
    (path / "direct_url.json").write_text(json.dumps({"url": URL, "archive_info": {}}))
    (path / "RECORD").write_text("One_Two-1.0.dist-info/direct_url.json,sha256=x,9\nother.py,,\n")
    return path


def test_a_new_hash_of_the_same_url_is_seen_after_uv_as_after_pip(info: Path) -> None:
    note_hashes(str(info.parent), parse_lines([f"one-two @ {URL}#sha256={OLD}"], "requirements"))
    document = json.loads((info / "direct_url.json").read_text())
    assert document == {"url": URL, "archive_info": {"hashes": {"sha256": OLD}}}
    assert same_source(f"{URL}#sha256={OLD}", document)
    assert not same_source(f"{URL}#sha256={NEW}", document)
    content = (info / "direct_url.json").read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    assert (info / "RECORD").read_text() == (
        f"One_Two-1.0.dist-info/direct_url.json,sha256={digest},{len(content)}\nother.py,,\n"
    )


@pytest.mark.parametrize(
    ("line", "document"),
    [
        (f"one-two @ {URL}", {"url": URL, "archive_info": {}}),
        (f"other @ {URL}#sha256={NEW}", {"url": URL, "archive_info": {}}),
        # pip has written it.
        (
            f"one-two @ {URL}#sha256={NEW}",
            {"url": URL, "archive_info": {"hashes": {"sha256": OLD}}},
        ),
        (f"one-two @ {URL}#sha256={NEW}", {"url": URL, "archive_info": {"hash": f"sha256={OLD}"}}),
        # A checkout has no hash.
        (f"one-two @ {URL}#sha256={NEW}", {"url": URL, "vcs_info": {"vcs": "git"}}),
    ],
)
def test_nothing_else_is_noted(info: Path, line: str, document: dict[str, object]) -> None:
    (info / "direct_url.json").write_text(json.dumps(document))
    note_hashes(str(info.parent), parse_lines([line], "requirements"))
    assert json.loads((info / "direct_url.json").read_text()) == document


@pytest.mark.parametrize("name", [".DS_Store", "._METADATA"])
def test_foreign_files_do_not_keep_an_old_distribution(info: Path, name: str) -> None:
    (info / name).write_text("x")
    remove_abandoned([str(info)])
    assert (info / "METADATA").exists()
    for own in ("METADATA", "RECORD", "direct_url.json"):
        (info / own).unlink()
    remove_abandoned([str(info), str(info.parent / "gone.dist-info")])
    assert not info.exists()


def test_other_directories_stay(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    remove_abandoned([str(tmp_path / "data")])
    assert (tmp_path / "data").exists()
