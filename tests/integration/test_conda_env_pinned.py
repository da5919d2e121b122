"""Pins of an environment, with the real conda and its own reading of conda-meta/pinned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps
from tests.integration.selection import only_full_but
from tests.integration.snapshot import changes, snapshot

Versions = Callable[[Path], dict[str, str]]
MakeEnv = Callable[..., Path]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def pins(prefix: Path) -> Path:
    return prefix / "conda-meta" / "pinned"


@pytest.mark.full
def test_created_with_pins(
    tmp_path: Path, four_steps: Steps, options: Any, versions: Versions, conda: Any
) -> None:
    prefix = tmp_path / "env"
    wanted = options(prefix, "lab-upgrade", "lab-rebuilt", pinned=["lab-upgrade=1.1"])
    result = four_steps("conda_env", wanted)
    assert versions(prefix) == {"lab-upgrade": "1.1", "lab-rebuilt": "1.0"}
    assert result["diff"]["after"].startswith("environment present\n(pinned: lab-upgrade=1.1)\n")
    assert pins(prefix).read_text() == "lab-upgrade=1.1\n"
    # The pin is nobody's wish for a package.
    exported = conda("env", "export", "--from-history", "--prefix", str(prefix))
    assert sorted(exported["dependencies"]) == ["lab-rebuilt", "lab-upgrade"]
    # conda itself keeps to it.
    solved = conda("update", "--dry-run", "--prefix", str(prefix), "lab-upgrade")
    assert "actions" not in solved, solved


@pytest.mark.full
def test_a_package_that_a_new_pin_forbids_is_changed(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions, conda: Any
) -> None:
    prefix = make_env("lab-upgrade", "lab-needs-glibc")
    result = four_steps("conda_env", options(prefix, pinned=["lab-upgrade<2"]))
    assert versions(prefix) == {"lab-upgrade": "1.1", "lab-needs-glibc": "1.0"}
    assert result["plan"]["reasons"] == [
        "lab-upgrade<2 is pinned, but lab-upgrade 2.0 lab_0 lab is installed",
        "the requested pins are not set: lab-upgrade<2",
    ]
    exported = conda("env", "export", "--from-history", "--prefix", str(prefix))
    assert sorted(exported["dependencies"]) == ["lab-needs-glibc", "lab-upgrade"]


def test_pins_that_nothing_breaks_start_no_conda(
    make_env: MakeEnv, four_steps: Steps, options: Any, conda_installation: Path
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    python = conda_installation / "bin" / "python"
    aside = python.with_name("python.aside")
    python.rename(aside)
    try:
        four_steps("conda_env", options(prefix, pinned=["lab-upgrade<2", "lab-rebuilt=1.0"]))
    finally:
        aside.rename(python)
    assert pins(prefix).read_text() == "lab-upgrade<2\nlab-rebuilt=1.0\n"


@pytest.mark.full
def test_latest_stays_within_the_pins(
    make_env: MakeEnv, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    wanted = options(prefix, "lab-upgrade", pinned=["lab-upgrade<2"], state="latest")
    four_steps("conda_env", wanted, asks_conda=True)
    assert versions(prefix) == {"lab-upgrade": "1.1"}


@pytest.mark.full
def test_comments_and_order_count_for_nothing_and_an_empty_list_removes_the_file(
    make_env: MakeEnv, run_module: Any, four_steps: Steps, options: Any
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    text = "# ours\n\n  lab-rebuilt=1.0\nlab-upgrade 1.*\n"
    pins(prefix).write_text(text)
    same = options(prefix, pinned=["lab-upgrade 1.*", "lab-rebuilt=1.0"])
    assert not run_module("conda_env", same)["changed"]
    assert not run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    assert pins(prefix).read_text() == text
    four_steps("conda_env", options(prefix, pinned=[]))
    assert not pins(prefix).exists()


def test_the_file_keeps_its_mode(make_env: MakeEnv, run_module: Any, options: Any) -> None:
    prefix = make_env("lab-upgrade=1.0")
    pins(prefix).write_text("lab-upgrade=1.0\n")
    pins(prefix).chmod(0o664)
    assert run_module("conda_env", options(prefix, pinned=["lab-upgrade<2"]))["changed"]
    assert pins(prefix).stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(
    ("module", "managed"),
    only_full_but(
        [("conda_env", True), ("conda_env", False), ("conda_package", False)], ("conda_env", True)
    ),
)
@pytest.mark.parametrize(
    "spec",
    only_full_but(["lab-upgrade=2.0", "lab-conflict-a", "lab-upgrade=1.0"], "lab-upgrade=2.0"),
)
def test_what_the_pins_forbid_is_refused_and_nothing_changes(
    module: str, managed: bool, spec: str, make_env: MakeEnv, run_module: Any, options: Any
) -> None:
    """The version itself, what needs it, and a spec that the classic solver drops for the pin."""
    prefix = make_env("lab-upgrade=1.1")
    pin = "lab-upgrade>=1.1,<2"
    if not managed:
        pins(prefix).write_text(f"{pin}\n")
    before = snapshot(prefix)
    wanted = options(prefix, spec, pinned=[pin] if managed else None)
    for check in (True, False):
        result = run_module(module, wanted, check=check)
        assert result["rc"] == 1, result
        assert pin in result["msg"]
        assert ("option pinned or" if managed else str(pins(prefix))) in result["hint"]
    # The journal came and went.
    assert changes(before, snapshot(prefix)) in ([], [str(prefix / "conda-meta")])


def test_an_environment_that_the_pins_forbid_is_not_made(
    tmp_path: Path, run_module: Any, options: Any
) -> None:
    wanted = options(tmp_path / "env", "lab-upgrade=2.0", pinned=["lab-upgrade<2"])
    for check in (True, False):
        result = run_module("conda_env", wanted, check=check)
        assert result["rc"] == 1
        assert "lab-upgrade<2" in result["msg"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_made_anew_with_pins_or_not_at_all(
    make_env: MakeEnv, run_module: Any, four_steps: Steps, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0")
    (prefix / "mine.txt").write_text("")
    forbidden = options(prefix, "lab-upgrade=2", pinned=["lab-upgrade<2"], recreate=True)
    assert run_module("conda_env", forbidden)["rc"] == 1
    assert (prefix / "mine.txt").exists()
    wanted = options(prefix, "lab-upgrade>1.0", pinned=["lab-upgrade<2"], recreate=True)
    four_steps("conda_env", wanted)
    assert versions(prefix) == {"lab-upgrade": "1.1"}
    assert (prefix / "mine.txt").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["six>=1,"], "six>=1,"),
        (["six"], "six allows every version"),
        (["six=1", "six<2"], "six=1 and six<2 pin the same package"),
        (["# six"], "'# six' is not a single line"),
    ],
)
def test_pins_that_are_none_are_refused(
    given: list[str], said: str, tmp_path: Path, run_module: Any, options: Any
) -> None:
    result = run_module("conda_env", options(tmp_path / "env", pinned=given))
    assert result["rc"] == 1
    assert "The option pinned cannot be used" in result["msg"]
    assert said in result["msg"]
    assert list(tmp_path.iterdir()) == []
