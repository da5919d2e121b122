"""The build of torch for each host, against a table written by hand from what NVIDIA's drivers can run.

Drivers before 525 run no wheel. The wheels for CUDA 13 need driver 580 and compute capability 7.5; those for
CUDA 12.6 end at torch 2.14 and have no kernels for Blackwell; those for CUDA 12.8 end at torch 2.11 and need
driver 570.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

INDEX = "https://torch.example.org/whl"


@dataclass(frozen=True)
class Fits:
    """The index (pypi: pip's own), and the releases of torch just inside and outside of its bound."""

    backend: str
    inside: str
    outside: str = ""


CUDA_13 = Fits("pypi", "2.15.0")
CUDA_12_6 = Fits("cu126", "2.14.0", "2.15.0")
CUDA_12_8 = Fits("cu128", "2.11.0", "2.12.0")
CPU = Fits("cpu", "2.15.0")

FITS = {
    "gpu-volta-580": CUDA_12_6,
    "gpu-t4-580": CUDA_13,
    "gpu-a100-535": CUDA_12_6,
    "gpu-h100-580": CUDA_13,
    "gpu-rtx5090-575": CUDA_12_8,
    "gpu-b200-580": CUDA_13,
    "gpu-none": CPU,
}
REFUSED = {
    "gpu-t4-515": ["driver 515.105.01 is too old", "Install NVIDIA driver 525 or newer"],
    "gpu-b200-560": ["compute capability 10.0", "Install NVIDIA driver 570 or newer"],
    "gpu-a100-hand": [
        "cu130",
        "driver 580 or newer",
        "This host has an NVIDIA GPU and driver 535.183.01",
    ],
    "gpu-mixed": ["kernels for compute capability 7.0 to 10.0"],
    "gpu-reboot": ["reboot the host first"],
    "gpu-lost": ["compute capability of the GPUs is unknown", "Unable to determine the device"],
    "gpu-hangs": ["nvidia-smi failed: it did not answer within 3 seconds"],
    "gpu-no-driver": ["no NVIDIA driver is loaded", "Install NVIDIA driver 580 or newer"],
}
# A driver is named only where another one would help.
NO_DRIVER_HELPS = ["gpu-mixed", "gpu-reboot", "gpu-lost", "gpu-hangs"]
DRIVERS = {
    "515": "515.105.01",
    "535": "535.183.01",
    "560": "560.35.03",
    "575": "575.57.08",
    "580": "580.95.05",
}

testinfra_hosts = [f"docker://{name}" for name in [*FITS, *REFUSED]]


@pytest.fixture(scope="module")
def decisions() -> dict[str, Any]:
    """What the role decided, by host."""
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "decisions.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_every_host_is_in_the_table(decisions: dict[str, Any]) -> None:
    assert set(decisions) == {*FITS, *REFUSED}


@pytest.mark.parametrize(("name", "fits"), FITS.items())
def test_a_host_gets_the_build_that_its_driver_and_cards_run(
    decisions: dict[str, Any], name: str, fits: Fits
) -> None:
    decision = decisions[name]
    assert decision.get("backend") == fits.backend, decision
    own = [] if fits.backend == "pypi" else [f"{INDEX}/{fits.backend}"]
    assert decision["indexes"] == own
    (torch,) = (line for line in map(Requirement, decision["constraints"]) if line.name == "torch")
    assert torch.specifier.contains(fits.inside)
    assert not fits.outside or not torch.specifier.contains(fits.outside)


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_a_host_that_runs_no_build_is_refused_with_the_reason(
    decisions: dict[str, Any], name: str, words: list[str]
) -> None:
    said = " ".join(decisions[name].get("refused", "").split())
    assert [word for word in words if word not in said] == [], decisions[name]


@pytest.mark.parametrize("name", NO_DRIVER_HELPS)
def test_no_driver_is_named_where_none_would_help(decisions: dict[str, Any], name: str) -> None:
    assert "Install NVIDIA driver" not in decisions[name]["refused"]


def test_the_host_is_what_its_name_says_and_was_only_looked_at(host: Any) -> None:
    """The table goes by names of hosts: a host that is another one would prove nothing."""
    name = host.backend.name
    # One command, since each on each of the hosts takes its time.
    driver, _, changed = host.check_output(
        "cat /sys/module/nvidia/version 2>/dev/null || echo none;"
        " find / -xdev -newer /var/lib/gpu-prepared -not -type d"
        " -not -path '/tmp/*' -not -path '*/.ansible/*'"
    ).partition("\n")
    number = name.rpartition("-")[2]
    assert driver == DRIVERS.get(number, driver)
    assert (driver == "none") == (name in {"gpu-none", "gpu-no-driver"})
    assert changed == ""
