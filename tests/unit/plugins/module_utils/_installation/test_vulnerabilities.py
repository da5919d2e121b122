"""Known vulnerabilities of the base: a warning with the way on, and never a failure or a change.

CVE-2026-111497 is in Miniconda's release notes: 26.9.4-1 fixes it, and ships brotlicffi 1.2.1.0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._installation import (
    host_floor,
    subject,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.ask import reason_to_run
from ansible_collections.llmfleet.conda.plugins.modules import conda_installation, look_ahead
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

MODULE = "llmfleet.conda.conda_installation"
SUM = "1c" * 32
Run = Callable[..., dict[str, Any]]


def row(version: str) -> str:
    """What the action plugin adds for a catalogued installer of this machine."""
    name = f"Miniconda3-{version}-Linux-{os.uname().machine}.sh"
    return f"{version} Linux {os.uname().machine} {SUM} {name} https://files.example.org/"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module, conda_installation by default, and return its result. It must change nothing."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(host_floor, "host_glibc", lambda: "2.40")

    def start(module: Any = conda_installation, check: bool = True, **options: Any) -> Any:
        arguments = {
            **options,
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": str(tmp_path / "scratch"),
        }
        before = snapshot(tmp_path)
        # Ansible's own list of warnings lives as long as the process.
        warnings: list[str] = []
        monkeypatch.setattr(CondaModule, "warn", lambda _self, warning: warnings.append(warning))
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        assert snapshot(tmp_path) == before
        result = json.loads(capsys.readouterr().out)
        assert not result.get("failed"), result
        return {**result, "warnings": warnings}

    return start


@pytest.fixture
def base(tmp_path: Path) -> FakePrefix:
    prefix = FakePrefix(tmp_path / "base")
    prefix.link("python", "3.12.7", "h0_0")
    prefix.link("conda", "26.5.3", "py312_0")
    return prefix


def sentence(base: FakePrefix, version: str) -> str:
    return (
        f"brotlicffi {version} in the base environment of {base.path} may have the vulnerability"
        " CVE-2026-111497, which miniconda 26.9.4 fixed with brotlicffi 1.2.1.0. Update it with"
        f" llmfleet.conda.conda_package (installation: {base.path}, name: base, packages:"
        " ['brotlicffi>=1.2.1.0'])."
    )


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("distribution", ["miniconda", "anaconda", "miniforge"])
def test_an_affected_package_is_named_without_a_change(
    base: FakePrefix, distribution: str, check: bool, run: Run
) -> None:
    base.link("brotlicffi", "1.0.9.2")
    result = run(check=check, prefix=str(base.path), distribution=distribution)
    assert result["changed"] is False
    assert result["warnings"] == result["vulnerabilities"] == [sentence(base, "1.0.9.2")]


@pytest.mark.parametrize("version", ["1.2.1.0", "1.2.1.1", "1.10.0.0", "2.0"])
def test_a_fixed_package_is_not_named(base: FakePrefix, version: str, run: Run) -> None:
    base.link("brotlicffi", version)
    result = run(prefix=str(base.path), version="py312_26.5.3-1")
    assert (result["vulnerabilities"], result["warnings"]) == ([], [])


def test_a_base_without_the_package_is_not_named(base: FakePrefix, run: Run) -> None:
    result = run(prefix=str(base.path), version="py312_26.5.3-1")
    assert (result["vulnerabilities"], result["warnings"]) == ([], [])


def test_a_newer_conda_alone_does_not_end_the_warning(base: FakePrefix, run: Run) -> None:
    (base.meta / "conda-26.5.3-py312_0.json").unlink()
    base.link("conda", "26.9.4", "py312_0")
    base.link("brotlicffi", "1.2.0.0")
    result = run(prefix=str(base.path), version="py312_26.9.4-1", catalogue=[row("py312_26.9.4-1")])
    assert result["vulnerabilities"] == [sentence(base, "1.2.0.0")]


def test_a_removal_names_none(base: FakePrefix, tmp_path: Path, run: Run) -> None:
    base.link("brotlicffi", "1.0.9.2")
    assert run(prefix=str(base.path), state="absent")["vulnerabilities"] == []


@pytest.mark.parametrize(
    ("version", "named"),
    [("py312_26.5.3-1", True), ("py312_26.7.1-1", True), ("py312_26.9.4-1", False)],
)
def test_check_mode_names_an_affected_installer(
    version: str, named: bool, tmp_path: Path, run: Run
) -> None:
    result = run(prefix=str(tmp_path / "new"), version=version, catalogue=[row(version)])
    expected = (
        f"miniconda {version} may have the vulnerability CVE-2026-111497 in brotlicffi, which miniconda"
        " 26.9.4 fixed. Install 26.9.4 or newer (options version, checksum and mirror), or update brotlicffi"
        " in the base environment afterwards."
    )
    assert result["changed"] is True
    assert result["vulnerabilities"] == ([expected] if named else [])


@pytest.mark.parametrize(
    "own",
    [
        {"installer_url": "https://files.example.org/Own.sh"},
        {"mirror": "https://files.example.org/installers"},
    ],
)
def test_an_installer_with_a_checksum_of_the_users_own_is_not_judged_by_its_version(
    own: dict[str, str], tmp_path: Path, run: Run
) -> None:
    result = run(
        prefix=str(tmp_path / "new"),
        version="py312_26.5.3-1",
        checksum=f"sha256:{SUM}",
        **own,
    )
    assert (result["changed"], result["vulnerabilities"]) == (True, [])


def test_look_ahead_reports_it_and_stays_in_sync(base: FakePrefix, run: Run) -> None:
    base.link("brotlicffi", "1.0.9.2")
    step = {"module": MODULE, "options": {"prefix": str(base.path)}}
    result = run(look_ahead, check=False, steps=[step])
    assert result["as_asked"] is True
    assert result["warnings"] == [sentence(base, "1.0.9.2")]
    # If a task has to run, it reports the vulnerability itself.
    failing = {"module": MODULE, "options": {"prefix": "not absolute"}}
    result = run(look_ahead, check=False, steps=[step, failing])
    assert (result["as_asked"], result["warnings"]) == (False, [])


def test_any_other_warning_is_still_a_reason_to_run(
    base: FakePrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.link("brotlicffi", "1.0.9.2")
    found: list[str] = []
    options = {"prefix": str(base.path)}
    assert reason_to_run(MODULE, options, found) == ""
    assert found == [sentence(base, "1.0.9.2")]
    monkeypatch.setattr(
        subject.InstallationSubject, "warnings", lambda self, observed: ["something else"]
    )
    assert reason_to_run(MODULE, options, found) == "the module reported a warning"
