"""conda_clean against the real conda: what is left works, also without a network."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.mirror import Mirror


@pytest.mark.full
def test_after_a_clean_everything_that_is_used_works(
    installer_options: Callable[..., dict[str, Any]],
    run_module: Callable[..., dict[str, Any]],
    mirror: Mirror,
    home: Path,
    tmp_path: Path,
) -> None:
    base = tmp_path / "conda"
    assert run_module("conda_installation", installer_options(base))["changed"]
    settings = {"channel_alias": f"{mirror.url}/conda", "channels": ["lab"], "solver": "classic"}
    place = {"scope": "prefix", "installation": str(base)}
    assert run_module("conda_config", {**place, "settings": settings})["changed"]
    env = {"installation": str(base), "name": "llm"}
    # conda keeps lists of environments in home directories, and a package that any of them has stays: so this
    # is about builds that no other test installs.
    for packages in (
        ["python=3.11", "lab-rebuilt=1.0=lab_0"],
        ["python=3.11", "lab-rebuilt=1.0=lab_1"],
    ):
        assert run_module("conda_env", {**env, "packages": packages})["changed"]
    # Older than the environment has, and left behind in the cache.
    old, new = (base / "pkgs" / f"lab-rebuilt-1.0-lab_{number}" for number in (0, 1))
    assert [old.is_dir(), new.is_dir()] == [True, True]

    clean = {"installation": str(base), "caches": ["packages", "archives", "index"], "min_age": 0}
    foretold = run_module("conda_clean", clean, check=True)
    done = run_module("conda_clean", clean)
    assert foretold["changed"] is done["changed"] is True
    assert foretold["removed"] == done["removed"]
    removed = {item["path"] for item in done["removed"]}
    assert str(old) in removed
    assert str(new) not in removed
    assert not old.exists()
    assert run_module("conda_clean", clean)["changed"] is False

    def conda(*words: str) -> str:
        command = [str(base / "bin" / "conda"), *words]
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=300
        ).stdout

    assert "lab-rebuilt" in conda("list", "--name", "llm")
    python = base / "envs" / "llm" / "bin" / "python"
    assert subprocess.run([python, "-c", "import json, ssl"], check=False).returncode == 0
    # The package that stays can be linked again without a channel.
    mirror.fault("/conda/*", "status", code=503)
    conda("create", "--yes", "--offline", "--name", "again", "lab-rebuilt=1.0=lab_1")
    assert "lab-rebuilt" in conda("list", "--name", "again")
    assert run_module("conda_env", {**env, "packages": packages})["changed"] is False
