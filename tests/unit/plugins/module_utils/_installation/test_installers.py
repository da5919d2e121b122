"""Choosing an installer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    Installer,
    InstallerVersion,
    choose_installer,
    parse_catalogue,
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import (
    published,
    rows_for,
)

DIGEST = "0123456789abcdef" * 4
LINUX = {"system": "Linux", "arch": "x86_64"}


def choose(**options: Any) -> Installer:
    """What a host chooses that was sent what the controller would send it."""
    task = {
        "distribution": options.get("distribution"),
        "version": options.get("version"),
        "installer_url": options.get("url"),
        "installer_path": options.get("path"),
    }
    asked = {"distribution": "miniconda", "version": None, **LINUX, **options}
    return choose_installer(**asked, catalogue=parse_catalogue(rows_for(task)))


@pytest.mark.parametrize(
    ("distribution", "version", "system", "arch", "file_name"),
    [
        (
            "miniconda",
            "py312_24.7.1-0",
            "Linux",
            "x86_64",
            "Miniconda3-py312_24.7.1-0-Linux-x86_64.sh",
        ),
        (
            "miniconda",
            "py312_24.7.1-0",
            "Linux",
            "aarch64",
            "Miniconda3-py312_24.7.1-0-Linux-aarch64.sh",
        ),
        (
            "miniconda",
            "py312_24.7.1-0",
            "MacOSX",
            "arm64",
            "Miniconda3-py312_24.7.1-0-MacOSX-arm64.sh",
        ),
        (
            "miniconda",
            "py312_24.7.1-0",
            "MacOSX",
            "x86_64",
            "Miniconda3-py312_24.7.1-0-MacOSX-x86_64.sh",
        ),
        ("anaconda", "2024.10-1", "Linux", "x86_64", "Anaconda3-2024.10-1-Linux-x86_64.sh"),
        ("anaconda", "2024.10-1", "MacOSX", "arm64", "Anaconda3-2024.10-1-MacOSX-arm64.sh"),
    ],
)
def test_chooses_by_version_and_platform(
    distribution: str, version: str, system: str, arch: str, file_name: str
) -> None:
    chosen = choose(distribution=distribution, version=version, system=system, arch=arch)
    assert chosen.file_name == file_name
    assert chosen.source.startswith("https://")
    assert chosen.source.endswith(f"/{file_name}")
    assert re.fullmatch("[0-9a-f]{64}", chosen.sha256)


def test_newest_miniforge_exists_for_all_platforms() -> None:
    newest = list(published("miniforge"))[-1].version
    hosts = [("Linux", "x86_64"), ("Linux", "aarch64"), ("MacOSX", "x86_64"), ("MacOSX", "arm64")]
    for system, arch in hosts:
        chosen = choose(distribution="miniforge", version=newest, system=system, arch=arch)
        assert f"/{newest}/" in chosen.source
        assert chosen.file_name == f"Miniforge3-{newest}-{system}-{arch}.sh"


@pytest.mark.parametrize(
    "mirror", ["http://mirror:8000/installers", "http://mirror:8000/installers/"]
)
def test_a_mirror_serves_the_same_bytes(mirror: str) -> None:
    published = choose(version="py312_24.7.1-0")
    mirrored = choose(version="py312_24.7.1-0", mirrors=[mirror])
    assert mirrored.source == f"http://mirror:8000/installers/{published.file_name}"
    assert mirrored.sha256 == published.sha256


def test_mirror_with_checksum_allows_uncatalogued_versions() -> None:
    mirror = "https://mirror.example.org/conda/"
    chosen = choose(version="py399_99.1.0-site1", mirrors=[mirror], checksum=DIGEST)
    assert chosen.file_name == "Miniconda3-py399_99.1.0-site1-Linux-x86_64.sh"
    assert chosen.source == f"https://mirror.example.org/conda/{chosen.file_name}"
    assert chosen.sha256 == DIGEST
    for version, options in {
        "py399_99.1.0-site1": {"mirrors": [mirror]},
        "latest": {"mirrors": [mirror], "checksum": DIGEST},
        "26.1.1-3/../x": {"mirrors": [mirror], "checksum": DIGEST},
    }.items():
        with pytest.raises(CondaModuleError, match="not in the catalogue"):
            choose(version=version, **options)


def test_several_mirrors_and_the_publisher_in_order() -> None:
    published = choose(version="py312_24.7.1-0")
    name = "Miniconda3-py312_24.7.1-0-Linux-x86_64.sh"
    chosen = choose(
        version="py312_24.7.1-0", mirrors=["https://a.invalid/x", "publisher", "https://b.invalid/"]
    )
    assert chosen.source == f"https://a.invalid/x/{name}"
    assert chosen.others == (published.source, f"https://b.invalid/{name}")
    assert chosen.sha256 == published.sha256
    assert choose(version="py312_24.7.1-0", mirrors=["publisher"]) == published


def test_empty_and_repeated_mirrors_do_not_count() -> None:
    version = "py312_24.7.1-0"
    mirrors = ["", "https://a.invalid/x/", " ", " https://a.invalid/x", "publisher", "publisher"]
    assert choose(version=version, mirrors=mirrors) == choose(
        version=version, mirrors=["https://a.invalid/x", "publisher"]
    )
    assert choose(version=version, mirrors=["", " "]) == choose(version=version)


def test_the_publisher_has_no_address_for_an_uncatalogued_version() -> None:
    options = {"version": "py399_99.1.0-site1", "checksum": DIGEST}
    chosen = choose(mirrors=["publisher", "https://a.invalid"], **options)
    assert chosen.source == f"https://a.invalid/{chosen.file_name}"
    assert chosen.others == ()
    with pytest.raises(CondaModuleError, match="not in the catalogue"):
        choose(mirrors=["publisher"], **options)


def test_checksum_option_overrides_the_catalogue() -> None:
    chosen = choose(version="py312_24.7.1-0", checksum=f"sha256:{DIGEST.upper()}")
    assert chosen.sha256 == DIGEST
    assert choose(version="py312_24.7.1-0", checksum=f" {DIGEST} ").sha256 == DIGEST


@pytest.mark.parametrize(
    ("options", "file_name", "is_url"),
    [
        ({"url": "https://h/Site-1.0-Linux-x86_64.sh"}, "Site-1.0-Linux-x86_64.sh", True),
        ({"url": "https://h/d/Site.sh?token=a/b.c"}, "Site.sh", True),
        ({"path": "/srv/Site.sh"}, "Site.sh", False),
        ({"url": "file:///srv/Site.sh"}, "Site.sh", True),
    ],
)
def test_installer_chosen_by_the_user(
    options: dict[str, str], file_name: str, is_url: bool
) -> None:
    chosen = choose(checksum=f"sha256:{DIGEST}", **options)
    assert (chosen.file_name, chosen.sha256, chosen.is_url) == (file_name, DIGEST, is_url)
    assert chosen.source == next(iter(options.values()))


def test_a_published_file_from_elsewhere_needs_no_checksum() -> None:
    published = choose(version="py312_24.7.1-0")
    for options in (
        {"url": f"http://mirror/{published.file_name}"},
        {"path": f"/srv/{published.file_name}"},
    ):
        assert choose(**options).sha256 == published.sha256


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "The option version is required"),
        ({"version": ""}, "The option version is required"),
        ({"version": "py312_99.1.0-0"}, "The option version is not in the catalogue of miniconda"),
        ({"version": "latest"}, "The option version is not in the catalogue"),
        ({"version": "26.1.1-3"}, "The option version is not in the catalogue of miniconda"),
        (
            {"version": "py312_24.7.1-0", "arch": "riscv64"},
            "not published for Linux riscv64, only for",
        ),
        ({"version": "py312_24.7.1-0", "system": "FreeBSD"}, "not published for FreeBSD x86_64"),
        ({"version": "py312_24.7.1-0", "checksum": "md5:" + "0" * 32}, "The option checksum"),
        ({"version": "py312_24.7.1-0", "checksum": "sha256:abc"}, "The option checksum"),
        ({"version": "py312_24.7.1-0", "checksum": "sha256:" + "g" * 64}, "The option checksum"),
        ({"version": "py312_24.7.1-0", "checksum": DIGEST + "0"}, "The option checksum"),
        ({"url": "https://h/Site.sh"}, "the option checksum is required"),
        ({"path": "/srv/Site.sh"}, "the option checksum is required"),
        ({"url": "https://h/Site.exe", "checksum": DIGEST}, "The option installer_url"),
        ({"url": "https://h/", "checksum": DIGEST}, "The option installer_url"),
        ({"path": "/srv/Site", "checksum": DIGEST}, "The option installer_path"),
        ({"distribution": "nosuch", "version": "1"}, "not in the catalogue of nosuch"),
    ],
)
def test_errors_name_the_option(options: dict[str, str], words: str) -> None:
    with pytest.raises(CondaModuleError) as error:
        choose(**options)
    assert words in str(error.value)
    assert "Nothing was changed" in str(error.value)


def test_unknown_version_lists_the_newest_ones() -> None:
    with pytest.raises(CondaModuleError) as error:
        choose(version="py312_99.1.0-0", system="MacOSX", arch="arm64")
    offered = re.findall(r"py\d+_[\d.]+-\d+", error.value.hint or "")
    assert len(offered) == 3
    for version in offered:
        assert choose(version=version, system="MacOSX", arch="arm64")


def test_version_of_another_platform_lists_its_platforms() -> None:
    with pytest.raises(CondaModuleError, match=r"only for .*Linux x86_64") as error:
        choose(version="py312_24.7.1-0", arch="ppc64")
    assert "MacOSX arm64" in str(error.value)


@pytest.mark.parametrize(
    ("distribution", "version", "python", "conda"),
    [
        ("miniconda", "py312_24.11.1-0", "3.12", "24.11.1"),
        ("miniconda", "py39_4.9.2", "3.9", "4.9.2"),
        ("miniconda", "py311_24.7.1-lab0", "3.11", "24.7.1"),
        ("miniconda", "4.7.12", None, "4.7.12"),
        ("miniforge", "26.1.1-3", None, "26.1.1"),
        ("anaconda", "2024.10-1", None, None),
        ("miniconda", "latest", None, None),
        ("miniconda", None, None, None),
        ("miniconda", "", None, None),
    ],
)
def test_parse_installer_version(
    distribution: str, version: str | None, python: str | None, conda: str | None
) -> None:
    assert parse_installer_version(distribution, version) == InstallerVersion(python, conda)
