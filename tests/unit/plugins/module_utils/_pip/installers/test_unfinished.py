"""Removing partial installations of a failed pip; existing and complete distributions stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.unfinished import (
    nothing_half_installed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix
from ansible_collections.llmfleet.conda.tests.unit.plugins.snapshot import snapshot


@pytest.fixture
def state(tmp_path: Path) -> PrefixState:
    """An environment with files of conda and a namespace package of a user."""
    env = FakePrefix(tmp_path / "env")
    env.link("python", "3.11.7", files={"bin/python3.11": b"x", "bin/2to3": b"x"})
    (env.path / "bin" / "2to3").unlink()
    put(env.path, "shared/mine.py")
    return observe_prefix(str(env.path))


def site(prefix: str | Path) -> Path:
    return Path(prefix, "lib", "python3.11", "site-packages")


def put(prefix: str | Path, *names: str) -> None:
    for name in names:
        path = site(prefix) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def put_metadata(prefix: str | Path, name: str, *listed: str) -> None:
    put(prefix, f"{name}/METADATA")
    rows = [*listed, f"{name}/METADATA", f"{name}/RECORD"]
    (site(prefix) / name / "RECORD").write_text("".join(f"{row},,\n" for row in rows))


@contextmanager
def failing(state: PrefixState, *, cut_off: bool = False) -> Iterator[None]:
    """A block at whose end the installer fails."""
    try:
        with nothing_half_installed(state):
            yield
            raise CondaModuleError("the disk is full", prefix=state.path, cut_off=cut_off)
    except CondaModuleError:
        return
    pytest.fail("the failure was not passed on")


def test_files_without_metadata_are_removed(state: PrefixState, tmp_path: Path) -> None:
    before = snapshot(Path(state.path))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs.py").touch()
    with failing(state):
        put(state.path, "regex/__init__.py", "regex/deep/x.so", "single.py", "regex.libs/a.so")
        (site(state.path) / "regex" / "link").symlink_to(outside)
        Path(state.path, "bin", "regex").touch()
    assert set(snapshot(Path(state.path))) == set(before)
    assert (outside / "theirs.py").exists()


def test_a_distribution_without_the_installers_record_is_removed(state: PrefixState) -> None:
    """The wheel's own list is among its files; the scripts come after them."""
    before = snapshot(Path(state.path))
    with failing(state):
        put(state.path, "tool/__init__.py")
        put_metadata(state.path, "tool-1.0.dist-info", "tool/__init__.py")
    assert set(snapshot(Path(state.path))) == set(before)


def test_complete_distributions_are_kept(state: PrefixState) -> None:
    with failing(state):
        put(state.path, "space/whole.py", "space/half.py", "whole-1.0.dist-info/INSTALLER")
        script = Path(state.path, "bin", "whole")
        script.touch()
        listed = ["space/whole.py", "../../../bin/whole", "whole-1.0.dist-info/INSTALLER"]
        put_metadata(state.path, "whole-1.0.dist-info", *listed)
    assert script.exists()
    assert [path.name for path in (site(state.path) / "space").iterdir()] == ["whole.py"]
    assert len(list((site(state.path) / "whole-1.0.dist-info").iterdir())) == 3


def test_after_an_interrupted_run_nothing_is_removed(state: PrefixState) -> None:
    """Its journal lets the next run repair the environment."""
    with failing(state, cut_off=True):
        put(state.path, "regex/__init__.py")
    assert (site(state.path) / "regex" / "__init__.py").exists()


def test_after_success_nothing_is_removed(state: PrefixState) -> None:
    with nothing_half_installed(state):
        put(state.path, "regex/__init__.py")
    assert (site(state.path) / "regex" / "__init__.py").exists()


def test_with_legacy_installs_nothing_is_removed(state: PrefixState) -> None:
    with failing(state):
        put(state.path, "old/__init__.py", "old-1.0.egg-info/PKG-INFO")
    assert (site(state.path) / "old" / "__init__.py").exists()


def test_existing_files_and_files_of_conda_are_kept(state: PrefixState) -> None:
    with failing(state):
        put(state.path, "shared/begun.py")
        Path(state.path, "bin", "2to3").touch()
    assert {path.name for path in (site(state.path) / "shared").iterdir()} == {
        "begun.py",
        "mine.py",
    }
    assert Path(state.path, "bin", "2to3").exists()
