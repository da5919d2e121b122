"""After every operation, the last revision of conda's history lists the packages; conda itself reads both."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_READ = """
import json, sys
from conda.base.context import reset_context
from conda.core.prefix_data import PrefixData
from conda.history import History
reset_context()
prefix = sys.argv[1]
history = History(prefix)
print(json.dumps({
    "revision": sorted(history.construct_states()[-1][1]),
    "linked": sorted(record.dist_str() for record in PrefixData(prefix).iter_records()),
    "requested": {name: str(spec) for name, spec in history.get_requested_specs_map().items()},
}))
"""
Read = Callable[[Path], dict[str, Any]]


@pytest.fixture
def read(conda_installation: Path, home: Path) -> Read:
    """What conda's own code reads: the last revision, the linked packages, and the requests."""

    def run(prefix: Path) -> dict[str, Any]:
        python = conda_installation / "bin" / "python"
        done = subprocess.run(
            [str(python), "-I", "-c", _READ, str(prefix)],
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def damage(prefix: Path) -> None:
    (prefix / "share" / "lab-upgrade.txt").unlink()


def spoil_record(prefix: Path) -> None:
    (path,) = (prefix / "conda-meta").glob("lab-upgrade-*.json")
    path.write_text("{")


def lose_record(prefix: Path) -> None:
    """As after a conda that was killed between unlinking and linking."""
    (path,) = (prefix / "conda-meta").glob("lab-upgrade-*.json")
    path.unlink()
    (prefix / "share" / "lab-upgrade.txt").unlink()


BOTH = ("lab-conflict-b", "lab-upgrade")
UPGRADE, NAMES = "lab-upgrade", ("lab-post-link", "lab-rebuilt", "lab-upgrade")
PINNED = {"pinned": ["lab-upgrade>=1.1,<2"]}
# What happens to the environment first, the module and its options, the requests afterwards.
OPERATIONS: list[tuple[Any, str, dict[str, Any], set[str]]] = [
    (None, "conda_env", {"packages": [f"{UPGRADE}<1.2", "lab-post-link"]}, {UPGRADE, NAMES[0]}),
    (None, "conda_env", {"packages": [], "pinned": ["lab-upgrade=1.0"]}, {UPGRADE, NAMES[0]}),
    (None, "conda_env", {"packages": [], **PINNED}, {UPGRADE, NAMES[0]}),
    (None, "conda_package", {"packages": ["lab-rebuilt"]}, {*NAMES}),
    (damage, "conda_env", {"packages": [f"{UPGRADE}<1.2"]}, {*NAMES}),
    (None, "conda_package", {"packages": [UPGRADE], "force_reinstall": True}, {*NAMES}),
    (spoil_record, "conda_env", {"packages": [f"{UPGRADE}<1.2"]}, {*NAMES}),
    (spoil_record, "conda_env", {"packages": ["lab-rebuilt"]}, {*NAMES}),
    (lose_record, "conda_env", {"packages": [f"{UPGRADE}<1.2"]}, {*NAMES}),
    (None, "conda_package", {"packages": ["lab-rebuilt"], "state": "absent"}, {UPGRADE, NAMES[0]}),
    (None, "conda_env", {"packages": ["lab-conflict-b"]}, {"lab-conflict-b", UPGRADE, NAMES[0]}),
    # lab-upgrade stays as a dependency: only the request for it goes.
    (None, "conda_env", {"packages": ["lab-conflict-b"], "exact": True}, {"lab-conflict-b"}),
    (None, "conda_env", {"packages": [*BOTH], "exact": True}, {*BOTH}),
    (None, "conda_env", {"packages": [UPGRADE], "prune": True}, {UPGRADE}),
]  # fmt: skip


@pytest.mark.full
def test_the_last_revision_is_true_after_every_operation(
    conda_installation: Path, tmp_path: Path, run_module: Any, read: Read
) -> None:
    prefix = tmp_path / "env"
    place = {"installation": str(conda_installation), "prefix": str(prefix)}
    for before, module, options, requested in OPERATIONS:
        if before:
            before(prefix)
        result = run_module(module, {**place, **options})
        assert result["rc"] == 0, result
        assert result["changed"], (module, options)
        found = read(prefix)
        assert found["linked"], (module, options)
        assert found["revision"] == found["linked"], (
            module,
            options,
            (prefix / "conda-meta" / "history").read_text(),
        )
        assert set(found["requested"]) == requested, (module, options)


@pytest.mark.full
def test_the_last_revision_is_true_after_locks(
    conda_installation: Path, tmp_path: Path, run_module: Any, read: Read, conda: Any
) -> None:
    prefix, other = tmp_path / "env", tmp_path / "other"
    place = {"installation": str(conda_installation)}
    locks = []
    for packages in (["lab-upgrade=1.0", "lab-rebuilt"], ["lab-upgrade=1.1", "lab-post-link"]):
        made = {**place, "prefix": str(other), "packages": packages, "recreate": True}
        assert run_module("conda_env", made)["changed"]
        found = read(other)
        assert found["revision"] == found["linked"]
        records = [
            json.loads(path.read_text()) for path in (other / "conda-meta").glob("lab-*.json")
        ]
        locks.append([f"{record['url']}#{record['md5']}" for record in records])
    for lock in (locks[0], locks[1]):
        assert run_module("conda_env", {**place, "prefix": str(prefix), "lock": lock})["changed"]
        found = read(prefix)
        assert found["revision"] == found["linked"]
    damage(prefix)
    assert run_module("conda_env", {**place, "prefix": str(prefix), "lock": locks[1]})["changed"]
    found = read(prefix)
    assert found["revision"] == found["linked"]
