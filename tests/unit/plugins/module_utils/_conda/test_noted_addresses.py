# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of addresses in a package cache, made of files alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.noted_addresses import (
    forget_addresses,
    shown_address,
)

URL = "https://ada:planted1@host/t/planted2/lab/noarch/x-1-0.conda"
LEFT = "https://host/t/<TOKEN>/lab/noarch/x-1-0.conda"


@pytest.mark.parametrize(
    ("address", "left"),
    [
        (URL, LEFT),
        (LEFT, LEFT),
        ("https://host/conda/t/planted1", "https://host/conda/t/<TOKEN>"),
        ("https://host/lab?token=planted1", "https://host/lab"),
        ("https://host/conda/lab/noarch", "https://host/conda/lab/noarch"),
        ("file:///srv/t/x/lab", "file:///srv/t/x/lab"),
        ("/srv/t/x/lab", "/srv/t/x/lab"),
        ("", ""),
    ],
)
def test_shown_address_equals_condas(address: str, left: str) -> None:
    assert shown_address(address) == left


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A package cache with one secret in each kind of file."""
    root = tmp_path / "pkgs"
    (root / "cache").mkdir(parents=True)
    (root / "x-1-0" / "info").mkdir(parents=True)
    (root / "urls.txt").write_text(f"{URL}\nhttps://host/y-1-0.conda\n")
    (root / "cache" / "a.info.json").write_text(json.dumps({"url": URL, "etag": "e", "size": 3}))
    (root / "cache" / "a.json").write_text(json.dumps({"packages": {}, "info": {}}))
    (root / "cache" / "b.state.json").write_text(json.dumps({"url": URL}))
    (root / "x-1-0" / "info" / "repodata_record.json").write_text(
        json.dumps({"url": URL, "channel": "https://host/lab/noarch", "name": "x"})
    )
    for path in root.rglob("*.*"):
        path.chmod(0o644)
    return root


def test_stored_urls_are_rewritten_and_other_files_made_private(cache: Path) -> None:
    forget_addresses([str(cache), str(cache / "none")])
    assert (cache / "urls.txt").read_text() == f"{LEFT}\nhttps://host/y-1-0.conda\n"
    state = json.loads((cache / "cache" / "a.info.json").read_text())
    assert state == {"url": LEFT, "etag": "e", "size": 3}
    record = json.loads((cache / "x-1-0" / "info" / "repodata_record.json").read_text())
    assert record == {"url": LEFT, "channel": "https://host/lab/noarch", "name": "x"}
    modes = {path.name: path.stat().st_mode & 0o777 for path in cache.rglob("*.*")}
    # Of a program that compares the address that it keeps.
    assert modes.pop("b.state.json") == 0o640
    assert set(modes.values()) == {0o644}


def test_files_without_secrets_are_not_changed(cache: Path) -> None:
    forget_addresses([str(cache)])
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}
    forget_addresses([str(cache)])
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")} == before


def test_unparsable_files_stay(cache: Path) -> None:
    for name in ("cache/a.info.json", "x-1-0/info/repodata_record.json"):
        (cache / name).write_text("{")
    (cache / "urls.txt").write_bytes(b"\xff\n")
    forget_addresses([str(cache)])
    assert (cache / "cache" / "a.info.json").read_text() == "{"
