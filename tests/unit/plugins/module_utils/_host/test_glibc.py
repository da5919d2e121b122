"""The C library that installers need, and the refusal of hosts that have an older one."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._host.glibc import (
    host_glibc,
    needed_by_installer,
    refuse_old_glibc,
)


def test_host_glibc_equals_getconf() -> None:
    said = subprocess.run(
        ["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True, check=False
    )
    expected = said.stdout.split()[1] if said.returncode == 0 else None
    assert host_glibc() == expected


@pytest.mark.parametrize(
    ("distribution", "conda", "arch", "needed"),
    [
        ("miniconda", "4.7.12", "x86_64", None),
        ("miniconda", "4.10.3", "x86_64", "2.17"),
        ("miniconda", "25.7.0", "x86_64", "2.17"),
        ("miniconda", "25.9.1", "x86_64", "2.28"),
        ("miniconda", "26.5.3", "x86_64", "2.28"),
        ("miniconda", "24.7.1", "aarch64", "2.26"),
        ("miniconda", None, "x86_64", None),
        ("miniforge", "26.1.1", "x86_64", None),
    ],
)
def test_glibc_needed_by_published_installers(
    distribution: str, conda: str | None, arch: str, needed: str | None
) -> None:
    assert needed_by_installer(distribution, conda, "Linux", arch) == needed
    assert needed_by_installer(distribution, conda, "MacOSX", arch) is None


@pytest.mark.parametrize("glibc", ["2.28", "2.31", "2.100", "3.0"])
def test_new_enough(glibc: str) -> None:
    refuse_old_glibc(glibc, "2.28", prefix="/p", option=False)
    refuse_old_glibc(None, None, prefix="/p", option=False)


@pytest.mark.parametrize(
    ("glibc", "has"), [("2.17", "glibc 2.17"), (None, "a C library that is not glibc")]
)
def test_too_old(glibc: str | None, has: str) -> None:
    with pytest.raises(CondaModuleError) as error:
        refuse_old_glibc(glibc, "2.28", prefix="/p", option=False)
    assert f"this host has {has}." in str(error.value)
    assert "Nothing was changed" in str(error.value)


def test_refuses_invalid_version() -> None:
    with pytest.raises(CondaModuleError, match="option minimum_glibc is not a valid version"):
        refuse_old_glibc("2.31", "new enough?", prefix="/p", option=True)
