"""The C library and the macOS that installers need, and the refusal of older hosts.

The expected floors are written by hand from the sources that data/facts/installer_floors.yml names.
"""

from __future__ import annotations

import platform
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation import host_floor
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.host_floor import (
    host_macos,
    needed_by_installer,
    refuse_old_host,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationRequest,
)

LINUX, LINUX_ARM = ("Linux", "x86_64"), ("Linux", "aarch64")
MAC, INTEL_MAC = ("MacOSX", "arm64"), ("MacOSX", "x86_64")


@pytest.mark.parametrize(
    ("distribution", "version", "host", "needed"),
    [
        ("miniconda", "4.7.12", LINUX, None),
        ("miniconda", "4.10.3", LINUX, "2.17"),
        ("miniconda", "25.7.0-2", LINUX, "2.17"),
        ("miniconda", "25.9.1-1", LINUX, "2.28"),
        ("miniconda", "26.5.3-1", LINUX, "2.28"),
        ("miniconda", "24.7.1-0", LINUX_ARM, "2.26"),
        ("miniconda", "25.7.0-2", LINUX_ARM, "2.26"),
        ("miniconda", "25.9.1-1", LINUX_ARM, "2.28"),
        ("miniconda", "26.9.4-1", LINUX_ARM, "2.28"),
        ("miniconda", None, LINUX, None),
        ("miniconda", "latest", LINUX, None),
        ("anaconda", "2025.06-1", LINUX, None),
        ("anaconda", "2025.12-2", LINUX, "2.28"),
        ("anaconda", "2025.06-1", LINUX_ARM, None),
        ("anaconda", "2025.12-1", LINUX_ARM, "2.28"),
        ("anaconda", "5.3.1", LINUX, None),
        ("miniforge", "24.3.0-0", LINUX, None),
        ("miniforge", "26.5.3-0", LINUX, "2.17"),
        ("miniforge", "26.5.3-0", LINUX_ARM, "2.17"),
        ("miniconda", "26.3.2-2", MAC, None),
        ("miniconda", "26.5.3-1", MAC, "12.1"),
        ("miniconda", "25.7.0-2", INTEL_MAC, None),
        ("anaconda", "2025.06-1", MAC, None),
        ("anaconda", "2025.12-2", MAC, "12.1"),
        ("miniforge", "24.3.0-0", INTEL_MAC, None),
        ("miniforge", "26.1.1-3", INTEL_MAC, "10.13"),
        ("miniforge", "26.3.2-3", INTEL_MAC, "11.0"),
        ("miniforge", "26.5.3-0", MAC, "11.0"),
    ],
)
def test_floor_of_published_installers(
    distribution: str, version: str | None, host: tuple[str, str], needed: str | None
) -> None:
    assert needed_by_installer(distribution, version, *host) == needed


def request(**options: Any) -> InstallationRequest:
    return InstallationRequest("/p", **{"version": "py312_26.5.3-1", **options})


def refusal(request: InstallationRequest, host: tuple[str, str]) -> str:
    with pytest.raises(CondaModuleError) as error:
        refuse_old_host(request, *host)
    assert "Nothing was changed" in str(error.value)
    return f"{error.value} {error.value.as_result()}"


@pytest.fixture
def glibc(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda version: monkeypatch.setattr(host_floor, "host_glibc", lambda: version)


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What platform.mac_ver() returns: the version, and the processor."""
    return lambda version: monkeypatch.setattr(
        platform, "mac_ver", lambda: (version, ("", "", ""), "arm64")
    )


@pytest.mark.parametrize("version", ["2.28", "2.31", "2.100", "3.0"])
@pytest.mark.parametrize("host", [LINUX, LINUX_ARM])
def test_a_newer_glibc_fits(version: str, host: tuple[str, str], glibc: Any) -> None:
    glibc(version)
    refuse_old_host(request(), *host)


@pytest.mark.parametrize(
    ("version", "has"), [("2.17", "glibc 2.17"), (None, "a C library that is not glibc")]
)
def test_an_older_glibc_is_refused(version: str | None, has: str, glibc: Any) -> None:
    glibc(version)
    text = refusal(request(), LINUX)
    assert (
        f"needs glibc 2.28 or newer (the requirement of its publisher); this host has {has}."
        in text
    )


def test_amazon_linux_2_on_graviton_is_refused(glibc: Any) -> None:
    """Its glibc is 2.26."""
    glibc("2.26")
    assert "needs glibc 2.28 or newer" in refusal(request(), LINUX_ARM)
    refuse_old_host(request(version="py312_25.7.0-2"), *LINUX_ARM)


def test_the_option_replaces_the_known_floor(glibc: Any) -> None:
    glibc("2.17")
    refuse_old_host(request(minimum_glibc="2.17"), *LINUX)
    assert "(the option minimum_glibc)" in refusal(request(minimum_glibc="2.18"), LINUX)
    text = refusal(request(minimum_glibc="new enough?"), LINUX)
    assert "option minimum_glibc is not a valid version" in text


def test_an_unknown_installer_is_not_refused(glibc: Any) -> None:
    glibc("2.5")
    refuse_old_host(request(version="latest"), *LINUX)


@pytest.mark.parametrize(
    ("version", "known"),
    [("12.7.6", "12.7.6"), ("26.1", "26.1"), ("", None), ("10.16", None), ("10.13.6", "10.13.6")],
)
def test_the_version_of_macos(version: str, known: str | None, macos: Any) -> None:
    macos(version)
    assert host_macos() == known


@pytest.mark.parametrize("version", ["12.1", "12.7.6", "13.0", "26.1", "", "10.16"])
def test_a_newer_or_unknown_macos_fits(version: str, macos: Any) -> None:
    macos(version)
    refuse_old_host(request(), *MAC)


def test_an_older_macos_is_refused_with_a_way_on(macos: Any) -> None:
    macos("11.7.10")
    text = refusal(request(), MAC)
    assert "miniconda py312_26.5.3-1 needs macOS 12.1 or newer" in text
    assert "this host has macOS 11.7.10." in text
    assert (
        "update macOS, or use an older version of the distribution, or the distribution miniforge."
        in text
    )
    forge = request(distribution="miniforge", version="26.5.3-0")
    refuse_old_host(forge, *MAC)
    macos("10.15.7")
    text = refusal(forge, INTEL_MAC)
    assert "miniforge 26.5.3-0 needs macOS 11.0 or newer" in text
    assert "an older version of the distribution." in text


def test_an_installer_of_the_users_own_decides_itself_on_macos(macos: Any) -> None:
    macos("11.7.10")
    refuse_old_host(request(installer_url="https://files.example.org/Own.sh"), *MAC)
