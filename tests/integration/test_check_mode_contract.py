"""The contract of check mode: it says what the real run then does, and writes nothing at all.

Each case is a list of calls in order; every call is made in check mode first. The lab's counter of conda
starts is the one file that a check run may write to: it is the lab's own device, no part of the host.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.snapshot import changes, snapshot

Call = tuple[str, dict[str, Any]]

ENV = {"installation": "{base}", "prefix": "{place}/env"}
RC = {"path": "{place}/condarc"}


def env(*packages: str, **more: Any) -> Call:
    return "conda_env", {**ENV, "packages": list(packages), **more}


def package(*packages: str, **more: Any) -> Call:
    return "conda_package", {**ENV, "packages": list(packages), **more}


def config(settings: dict[str, Any], **more: Any) -> Call:
    return "conda_config", {**RC, "settings": settings, **more}


CASES: dict[str, list[Call]] = {
    "an environment and its packages": [
        env("lab-upgrade=1.0", "lab-needs-glibc"),
        package("lab-upgrade>=1.1", "lab-conflict-b"),
        package("lab-needs-glibc", state="absent"),
        package("lab-conflict-b", "lab-upgrade", state="latest"),
        env("lab-upgrade", prune=True),
        env("lab-upgrade", "lab-rebuilt", state="latest"),
        env("lab-upgrade", state="latest", prune=True),
        env("lab-versions>=1.1.1a", "lab-upgrade<2"),
        env(state="absent"),
        env(state="absent"),
    ],
    "pins, variables, the marker and what is linked anew": [
        env("lab-upgrade", pinned=["lab-upgrade<2"], variables={"LAB_A": "1"}),
        env("lab-upgrade", state="latest"),
        env(pinned=["lab-upgrade=1.0"], variables={"LAB_A": "2", "LAB_B": "x"}),
        package("lab-upgrade>=1.1"),
        env("lab-upgrade=2.0", "lab-rebuilt", pinned=[], channel_priority="strict"),
        package("lab-rebuilt", force_reinstall=True),
        env(variables={"LAB_A": None, "LAB_C": None}, frozen=True),
        package("lab-needs-glibc"),
        env(
            "lab-needs-glibc",
            "lab-upgrade<2",
            recreate=True,
            frozen=True,
            pinned=["lab-rebuilt=1.0"],
        ),
        env(
            environment={"dependencies": ["lab-rebuilt"], "variables": {"LAB_A": "3"}}, frozen=False
        ),
        env(state="absent"),
    ],
    "an empty environment": [env(), env(prune=True), package("lab-upgrade", state="absent")],
    "calls that fail": [
        package("lab-upgrade"),
        env("lab-conflict-a", "lab-conflict-b"),
        env("lab-upgrade=7"),
        env("lab-upgrade=1.0"),
        package("lab-conflict-a", "lab-upgrade=1.0"),
        env("lab-upgrade=1.0", state="absent", prefix="{base}"),
        env("lab-upgrade=1.0"),
    ],
    "a condarc": [
        config({"channels": ["lab"]}),
        config({"channels": ["conda-forge"], "ssl_verify": False}, merge=True),
        config({"channels": ["conda-forge", "lab"]}),
        config({"ssl_verify": None}, mode="0600"),
        config({"ssl_verify": None, "channels": None}, state="absent"),
        config({"ssl_verify": None, "channels": None}, state="absent"),
    ],
}


def filled(value: Any, **words: str) -> Any:
    """``value`` with {base} and {place} replaced."""
    if isinstance(value, dict):
        return {key: filled(item, **words) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, **words) for item in value]
    return value.format(**words) if isinstance(value, str) else value


@pytest.mark.parametrize("case", CASES)
def test_check_mode_says_what_the_run_does(
    case: str, conda_installation: Path, run_module: Callable[..., Any], home: Path, tmp_path: Path
) -> None:
    for number, (name, template) in enumerate(CASES[case]):
        options = filled(template, base=str(conda_installation), place=str(tmp_path))
        before = snapshot(tmp_path, conda_installation, home)
        predicted = run_module(name, options, check=True)
        written = changes(before, snapshot(tmp_path, conda_installation, home))
        done = run_module(name, options)
        shown = f"call {number} of {name}: {options}\npredicted {predicted}\ndone {done}"
        assert written == [], shown
        assert predicted["rc"] == done["rc"], shown
        assert predicted.get("changed") == done.get("changed"), shown
        if done["rc"] == 0:
            assert predicted["diff"] == done["diff"], shown
            assert done["changed"] == (done["diff"]["before"] != done["diff"]["after"]), shown
        else:
            assert predicted["hint"] == done["hint"], shown


def test_check_mode_of_a_bare_host_follows_the_play(
    run_module: Any, installer_options: Any, tmp_path: Path, home: Path
) -> None:
    """Later tasks of a play in check mode meet a host where the earlier ones have not happened."""
    base = tmp_path / "base"
    before = snapshot(tmp_path, home)
    environment = {"installation": str(base), "name": "llm"}
    calls: list[Call] = [
        ("conda_installation", installer_options(base)),
        ("conda_env", {**environment, "packages": ["python=3.11"]}),
    ]
    for name, options in calls:
        result = run_module(name, options, check=True)
        assert result["changed"], result
        assert result["diff"]["before"] == ""
    assert changes(before, snapshot(tmp_path, home)) == []
