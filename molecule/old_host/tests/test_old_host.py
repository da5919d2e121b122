"""Debian 11: what modules that only read say there, and how conda is refused."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from scripts.layout import BUILD

HOST = "old-host-debian11"
testinfra_hosts = [f"docker://{HOST}"]


@pytest.fixture(scope="module", params=["", "-check"], ids=["run", "check mode"])
def said(request: pytest.FixtureRequest) -> Any:
    """What the modules returned in the converge, and in the run in check mode before it."""
    return json.loads((BUILD / "molecule" / f"{HOST}{request.param}.json").read_text())


@pytest.fixture
def glibc(host: Any) -> str:
    """The version that the C library's own tool prints."""
    return str(host.check_output("getconf GNU_LIBC_VERSION").split()[1])


def test_the_host_is_an_old_one(host: Any, glibc: str) -> None:
    assert host.check_output("python3 --version").startswith("Python 3.9.")
    assert glibc == "2.31"


def test_conda_info_reads_records(said: Any) -> None:
    assert {item["name"]: item["version"] for item in said["conda"]["packages"]} == {
        "python": "3.11.7",
        "six": "1.17.0",
    }


def test_accelerator_info_reads_the_host(host: Any, said: Any, glibc: str) -> None:
    assert said["accelerator"]["platform"] == "linux-64"
    assert said["accelerator"]["vendor"] in ("none", "nvidia", "amd")
    # New enough for the wheels of torch, whatever conda's interpreters need.
    assert tuple(map(int, glibc.split("."))) >= (2, 28)
    assert said["accelerator"]["supported"] is True


def test_llm_check_runs_each_check_of_its_layers(said: Any, glibc: str) -> None:
    found = {check["name"]: check for check in said["checks"]["checks"]}
    assert {found[name]["status"] for name in found if name.startswith("host.")} == {"pass"}
    assert f"glibc is {glibc}" in found["host.glibc"]["detail"]
    assert found["environment.exists"]["status"] == "pass"


def test_llm_check_holds_the_c_library_against_a_bound(said: Any, glibc: str) -> None:
    found = {check["name"]: check for check in said["bound"]["checks"]}
    failed = [name for name in found if found[name]["status"] == "fail"]
    assert failed == ["host.glibc"]
    assert glibc in found["host.glibc"]["detail"]
    assert said["needed"] in found["host.glibc"]["detail"]


def test_modules_that_read_change_nothing(said: Any) -> None:
    for name in ("conda", "accelerator", "checks", "bound"):
        assert said[name]["changed"] is False


def test_the_role_refuses_the_host_with_the_reason(said: Any, glibc: str) -> None:
    assert f"glibc {glibc}" in said["refusal"]
    assert f"needs glibc {said['needed']} or newer" in said["refusal"]
    assert "Nothing was changed" in said["refusal"]


def test_nothing_of_conda_is_on_the_host(host: Any) -> None:
    assert not host.file("/opt/miniconda3").exists
    newer = host.check_output(
        "find /etc /home /opt /usr /var -xdev -newer /srv/env/conda-meta/history -not -type d"
    )
    assert newer == ""


def test_the_refusal_is_right(host: Any) -> None:
    """The installer itself, tried by hand: its Python asks for symbols that this C library lacks."""
    url = f"{os.environ['LAB_MIRROR_URL']}/installers/{os.environ['LAB_INSTALLER_FILE']}"
    file = f"/tmp/{os.environ['LAB_INSTALLER_FILE']}"
    fetch = "import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])"
    host.check_output("python3 -c %s %s %s", fetch, url, file)
    tried = host.run("bash %s -b -p /tmp/tried 2>&1; /tmp/tried/bin/python --version 2>&1", file)
    assert tried.rc != 0
    assert "libc.so.6: version `GLIBC_2." in tried.stdout
