# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of an environment whose packages have removal scripts, with a conda that is killed or fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.removal import (
    examine_environment,
    remove_environment,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix

WRITTEN = "written-by-the-script.txt"


class Ending(Conda):
    """A conda that ends as it is told; a whole one runs the removal script and removes the record."""

    def __init__(self, env: FakePrefix, endings: Sequence[str]) -> None:
        super().__init__(str(env.path.parent / "base"))
        self.env, self.endings, self.asked = env, list(endings), 0

    def remove_alone(self, prefix: str, names: Sequence[str]) -> None:
        assert list(names) == ["menu"]
        self.asked += 1
        ending = self.endings.pop(0)
        if ending != "whole":
            raise CondaModuleError("conda ended.", cut_off=ending == "killed")
        (self.env.path / WRITTEN).unlink()
        for path in ("bin/.menu-pre-unlink.sh", "conda-meta/menu-1.0-0.json"):
            (self.env.path / path).unlink()


@pytest.mark.parametrize(
    ("endings", "asked", "warnings", "remains"),
    [
        (["whole"], 1, 0, False),
        (["killed", "whole"], 2, 0, False),
        (["killed", "killed"], 2, 2, True),
        (["failed"], 1, 2, True),
        (["killed", "failed"], 2, 2, True),
    ],
)
def test_a_killed_conda_gets_a_second_chance(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endings: list[str],
    asked: int,
    warnings: int,
    remains: bool,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    env = FakePrefix(tmp_path / "env")
    env.link("menu", files={"bin/.menu-pre-unlink.sh": b"rm"})
    (env.path / WRITTEN).write_text("text")
    conda = Ending(env, endings)
    request = SimpleNamespace(prefix=str(env.path), remove_foreign=False)
    remove_environment(request, examine_environment(request, conda), conda)  # type: ignore[arg-type]
    assert conda.asked == asked
    # One about the scripts and one about the file that remains.
    assert len(conda.warnings) == warnings
    assert (env.path / WRITTEN).exists() is remains
    assert env.path.exists() is remains
