"""The choice of PyTorch's build, every row of the table and every refusal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._info._torch_rows import DATE
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_build import (
    AcceleratorFacts,
    Gpu,
    choose_backend,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_table import ROWS

LINUX = AcceleratorFacts("Linux", "x86_64", glibc="2.36")
ARM = replace(LINUX, machine="aarch64")
MAC = AcceleratorFacts("Darwin", "arm64", vendor="apple", gpus=(Gpu(0, "Apple M2"),))


def nvidia(driver: str, *capabilities: str, host: AcceleratorFacts = LINUX) -> AcceleratorFacts:
    gpus = tuple(Gpu(index, compute_capability=one) for index, one in enumerate(capabilities))
    return replace(host, vendor="nvidia", driver_version=driver, gpus=gpus)


def amd(*architectures: str, host: AcceleratorFacts = LINUX) -> AcceleratorFacts:
    gpus = tuple(Gpu(index, architecture=one) for index, one in enumerate(architectures))
    return replace(host, vendor="amd", gpus=gpus)


@pytest.mark.parametrize(
    ("facts", "name", "torch_min", "torch_max"),
    [
        (nvidia("580.65.06", "9.0"), "pypi", "", ""),
        (nvidia("595.10", "7.5"), "pypi", "", ""),
        (nvidia("580.65.06", "12.0"), "pypi", "", ""),
        (nvidia("580.65.06", "8.0", "10.0"), "pypi", "", ""),
        (nvidia("535.183.01", "8.0"), "cu126", "", "2.14"),
        (nvidia("525.60.13", "7.5"), "cu126", "", "2.14"),
        (nvidia("579.99", "9.0"), "cu126", "", "2.14"),
        (nvidia("570.86.15", "10.0"), "cu128", "", "2.11"),
        (nvidia("570.86.15", "8.0", "12.0"), "cu128", "", "2.11"),
        (nvidia("580.65.06", "7.0"), "cu126", "", "2.14"),
        (nvidia("535.183.01", "6.0"), "cu126", "", "2.14"),
        (nvidia("580.65.06", "9.0", "7.0"), "cu126", "", "2.14"),
        (nvidia("580.65.06", "9.0", host=ARM), "pypi", "2.11", ""),
        (amd("gfx942", "gfx942"), "rocm7.2", "", "2.13"),
        (LINUX, "cpu", "", ""),
        (ARM, "cpu", "", ""),
        (replace(MAC, system_version="14.5"), "pypi", "", ""),
        (replace(MAC, system_version="26.1"), "pypi", "", ""),
        (replace(MAC, system_version="13.6.7"), "pypi", "", "2.11"),
        (AcceleratorFacts("Darwin", "x86_64", system_version="13.6"), "pypi", "", "2.2.2"),
    ],
)
def test_build_for_each_accelerator(
    facts: AcceleratorFacts, name: str, torch_min: str, torch_max: str
) -> None:
    chosen = choose_backend(facts)
    assert chosen.supported, chosen.reason
    assert (chosen.name, chosen.torch_min, chosen.torch_max) == (name, torch_min, torch_max)
    expected = "" if name == "pypi" else f"https://download.pytorch.org/whl/{name}"
    assert chosen.index_url == expected
    assert chosen.reason
    assert chosen.driver_needed == ""


@pytest.mark.parametrize(
    ("facts", "driver_needed", "reason"),
    [
        (nvidia("470.256.02", "8.0"), "525", "too old"),
        (nvidia("470.256.02"), "525", "too old"),
        (nvidia("550.54", "12.0"), "570", "compute capability 12.0"),
        (nvidia("510.54", "9.0", host=ARM), "525", "too old"),
        (nvidia(""), "580", "no NVIDIA driver is loaded"),
        (nvidia("", ""), "580", "no NVIDIA driver is loaded"),
        (nvidia("", "9.0"), "", "the version of the NVIDIA driver is unknown"),
        (nvidia("580.1", "7.0", "10.0"), "", "7.0 to 10.0"),
        (nvidia("580.1"), "", "is unknown"),
        (nvidia("580.1", "9.0", ""), "", "is unknown"),
        (amd("gfx906"), "", "gfx906"),
        (amd("gfx803", "gfx1036"), "", "gfx1036, gfx803"),
        (amd(), "", "unknown"),
        (amd("gfx942", host=ARM), "", "ROCm on linux-aarch64"),
        (replace(LINUX, glibc="2.17"), "", "glibc 2.28; this host has 2.17"),
        (replace(LINUX, glibc=None), "", "GNU C library"),
        (replace(LINUX, machine="s390x"), "", "s390x"),
        (replace(MAC, system_version="10.15"), "", "macOS 11; this host has 10.15"),
        (replace(MAC, system_version=""), "", "the version of macOS is unknown"),
    ],
)
def test_refusals_without_a_build(facts: AcceleratorFacts, driver_needed: str, reason: str) -> None:
    chosen = choose_backend(facts)
    assert not chosen.supported
    assert (chosen.name, chosen.index_url) == ("", "")
    assert chosen.driver_needed == driver_needed
    assert reason in chosen.reason


def test_glibc_is_compared_by_number() -> None:
    assert choose_backend(replace(LINUX, glibc="2.28")).supported
    assert not choose_backend(replace(LINUX, glibc="2.5")).supported


def test_driver_mismatch_asks_for_a_reboot_first() -> None:
    chosen = choose_backend(replace(nvidia("470.1"), driver_library_mismatch=True))
    assert "reboot" in chosen.reason
    assert not chosen.supported


def test_macos_on_intel_needs_an_old_numpy() -> None:
    chosen = choose_backend(AcceleratorFacts("Darwin", "x86_64", system_version="13.6"))
    assert chosen.as_result()["constraints"] == ["numpy<2"]


def test_the_table_has_a_date_and_known_vendors() -> None:
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", DATE)
    assert {row.vendor for row in ROWS} == {"nvidia", "amd", "apple", "none"}
    assert choose_backend(LINUX).table_date == DATE
