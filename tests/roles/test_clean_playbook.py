"""The playbook clean tells sizes in check mode, then removes the same, and keeps what an inventory names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.roles.conftest import Played

KEPT, NAMED, LEFT = "a" * 40, "b" * 40, "c" * 40


@pytest.mark.full
def test_what_check_mode_tells_goes(play: Callable[..., Played], tmp_path: Path) -> None:
    model = tmp_path / "models" / "models--org--name"
    for path in (
        *(model / "snapshots" / commit / "config.json" for commit in (KEPT, NAMED, LEFT)),
        tmp_path / "conda" / "conda-meta" / "history",
        tmp_path / "conda" / "pkgs" / "six-1.16.0-0" / "info" / "index.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(KEPT)
    host = {
        "install_miniconda_prefix": str(tmp_path / "conda"),
        "install_llm_stack_model_cache": str(tmp_path / "models"),
        "install_llm_stack_models": [{"name": "org/name", "revision": NAMED}],
        "llmfleet_clean": ["packages", "hub"],
        "llmfleet_clean_min_age": 0,
    }
    gone = [tmp_path / "conda" / "pkgs" / "six-1.16.0-0", model / "snapshots" / LEFT]
    foretold = play("llmfleet.conda.clean", {"a": host}, "--check", "--tags", "clean")
    assert "Would free " in foretold.flat
    # One file of two bytes each: a block of the disk.
    assert re.search(
        r"Would free [\d.]+ KB: hub [\d.]+ KB \(\d+ bytes\), packages [\d.]+ KB ", foretold.flat
    )
    assert all(path.is_dir() for path in gone)
    done = play("llmfleet.conda.clean", {"a": host})
    assert done.code == 0, done.text
    assert "Freed " in done.flat
    assert not any(path.exists() for path in gone)
    assert all((model / "snapshots" / commit).is_dir() for commit in (KEPT, NAMED))
    again = play("llmfleet.conda.clean", {"a": host})
    assert "Freed" not in again.flat
