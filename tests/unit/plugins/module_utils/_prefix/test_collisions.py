"""Files of people's in the place of files that packages bring, as conda tells of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.collisions import (
    collisions,
    out_of_the_way,
    settle,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import journalled
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.killed import each_kill

# Of conda 24.7.1.
SAID = """The package 'lab/noarch::six-1.0-0' cannot be installed due to a
path collision for '{}'.
This path already exists in the target prefix, and it won't be removed
by an uninstall action in this transaction. The path is one that conda
doesn't recognize. It may have been created by another package manager.
If you'd like to proceed anyway, re-run the command with the `--clobber` flag.
"""
KNOWN = """The package 'lab/noarch::six-1.0-0' cannot be installed due to a
path collision for 'lib/tqdm.py'.
This path already exists in the target prefix, and it won't be removed by
an uninstall action in this transaction. The path appears to be coming from
the package 'lab/noarch::tqdm-1.0-0', which is already installed in the prefix.
"""
PIPS = "lib/python3.12/site-packages/tqdm.py"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    prefix = FakePrefix(tmp_path / "env").path
    record = prefix / "lib/python3.12/site-packages/tqdm-1.0.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("tqdm.py,,\n")
    for name in ("lib/six.py", "share/it's mine", PIPS):
        (prefix / name).parent.mkdir(exist_ok=True)
        (prefix / name).write_text("work")
    return prefix


def test_reads_collisions_from_condas_output() -> None:
    said = SAID.format("lib/six.py") + KNOWN + SAID.format("share/it's mine")
    assert collisions(said) == ["lib/six.py", "share/it's mine"]


def test_users_files_are_kept_beside_package_files(env: Path) -> None:
    warnings: list[str] = []
    with out_of_the_way(str(env), ["lib/six.py", "share/it's mine", PIPS], warnings):
        assert not (env / "lib/six.py").exists()
        # What pip has put there is conda's to replace, as ever.
        assert (env / PIPS).exists()
        (env / "lib/six.py").write_text("of the package")
    assert (env / "lib/six.py.before-conda").read_text() == "work"
    assert (env / "share/it's mine").read_text() == "work"
    assert warnings == [
        f"{env} contained files that no package owns at paths where a package installs its own."
        " They were kept under other names: lib/six.py.before-conda."
    ]


def test_file_identical_to_the_packages_is_removed(env: Path) -> None:
    """Its record was lost, or a conda that linked it was killed."""
    warnings: list[str] = []
    with out_of_the_way(str(env), ["lib/six.py"], warnings):
        (env / "lib/six.py").write_text("work")
    assert warnings == []
    assert sorted(os.listdir(env / "lib")) == ["python3.12", "six.py"]


@pytest.mark.parametrize(
    ("path", "kept_as"),
    [
        ("share/six.txt", "share/six.txt"),
        ("lib/python3.12/site-packages/six.py", "site-packages/six.py"),
        ("bin/six", "python-scripts/six"),
    ],
)
def test_file_identical_to_a_cached_packages_is_removed(
    env: Path, tmp_path: Path, path: str, kept_as: str
) -> None:
    """The record of another version was lost, so conda does not know its file."""
    cached = tmp_path / "pkgs" / "six-0.9-0" / kept_as
    cached.parent.mkdir(parents=True)
    cached.write_text("of the version before")
    old = env / path
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_text("of the version before")
    warnings: list[str] = []
    with out_of_the_way(str(env), [path], warnings, [str(tmp_path / "pkgs")]):
        old.write_text("of this version")
    assert warnings == []
    assert [file.name for file in old.parent.iterdir() if "before-conda" in file.name] == []


def test_failure_restores_renamed_files(env: Path) -> None:
    before = snapshot(env)
    with pytest.raises(CondaModuleError), out_of_the_way(str(env), ["lib/six.py"], []):
        raise CondaModuleError("no room")
    assert snapshot(env) == before


def test_next_run_restores_files_renamed_by_a_killed_run(tmp_path: Path) -> None:
    places: list[Path] = []

    def start(number: int) -> Callable[[], None]:
        places.append(FakePrefix(tmp_path / str(number) / "env").path)
        (places[-1] / "mine").write_text("work")

        def work() -> None:
            with journalled(str(places[-1]), operation="change"):  # noqa: SIM117
                with out_of_the_way(str(places[-1]), ["mine"], []):
                    pass

        return work

    for _number in each_kill(start):
        settle(str(places[-1]))
        assert (places[-1] / "mine").read_text() == "work"
        assert not (places[-1] / "mine.before-conda").exists()


def test_journal_paths_outside_the_prefix_are_ignored(env: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("work")
    said = {"operation": "change", "out_of_the_way": [["../gone", "../outside"], ["x"], 3]}
    (env / "conda-meta/.llmfleet-journal").write_text(json.dumps(said))
    assert settle(str(env)) == []
    assert (tmp_path / "outside").read_text() == "work"
