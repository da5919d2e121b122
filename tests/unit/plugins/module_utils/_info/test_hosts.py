"""The build of torch for each host of hosts.txt, from the host's files to the choice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import HostReadings
from ansible_collections.llmfleet.conda.plugins.module_utils._info.accelerator import (
    Files,
    observe_accelerator,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_build import (
    Backend,
    choose_backend,
)

SYSTEMS = {
    "x86": ("Linux", "x86_64"),
    "arm": ("Linux", "aarch64"),
    "power": ("Linux", "ppc64le"),
    "riscv": ("Linux", "riscv64"),
    "mac": ("Darwin", "arm64"),
    "intel-mac": ("Darwin", "x86_64"),
    "rosetta": ("Darwin", "x86_64"),
}


@dataclass(frozen=True)
class Row:
    """A host and what it must get; the columns of hosts.txt."""

    name: str
    platform: str
    version: str
    gpus: str
    driver: str
    more: tuple[str, ...]
    backend: str
    torch: str
    words: str


def read_rows() -> list[Row]:
    text = (Path(__file__).parent / "hosts.txt").read_text(encoding="utf-8")
    rows = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            cells = [cell.strip() for cell in line.split("|")]
            rows.append(Row(*cells[:5], tuple(cells[5].split()), *cells[6:]))
    return rows


ROWS = read_rows()


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lay_pci(root: Path, devices: Sequence[str], more: Sequence[str]) -> None:
    for number, device in enumerate(devices):
        vendor, kind = device.split(":")
        place = f"sys/bus/pci/devices/0000:{vendor[2:4]}:{number:02}.0"
        put(root, f"{place}/vendor", f"{vendor}\n")
        put(root, f"{place}/class", f"{kind}\n")
        driver = "vfio-pci" if "vfio" in more else "nouveau"
        put(root, f"{place}/uevent", f"DRIVER={driver}\nPCI_CLASS={kind[2:]}\n")


def lay_kfd(root: Path, architectures: Sequence[str], driver: str) -> None:
    """A node of the processor, and one for each GPU; gfx90a is 90010 there."""
    nodes = "sys/class/kfd/kfd/topology/nodes"
    put(root, f"{nodes}/0/properties", "cpu_cores_count 8\ngfx_target_version 0\n")
    for number, name in enumerate(architectures, 1):
        major, minor, stepping = re.fullmatch(r"gfx(\d+)([\da-f])([\da-f])", name).groups()
        version = int(major) * 10000 + int(minor, 16) * 100 + int(stepping, 16)
        put(root, f"{nodes}/{number}/properties", f"gfx_target_version {version}\n")
    if driver:
        put(root, "sys/module/amdgpu/version", f"{driver}\n")


def lay_nvidia(root: Path, row: Row) -> None:
    if "told" in row.more:
        return  # WSL2 and Jetson: neither on the bus nor a module of that name
    lay_pci(root, ["0x10de:0x030200"], row.more)
    if "proc" in row.more:
        said = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {row.driver}  Release Build  (b@h)"
        put(root, "proc/driver/nvidia/version", f"{said}\nGCC version:  gcc version 12.2.0\n")
    elif row.driver:
        put(root, "sys/module/nvidia/version", f"{row.driver}\n")


def lay_container(root: Path, more: Sequence[str]) -> None:
    overlay = "612 549 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/var/lib\n"
    traces = {
        "docker": {".dockerenv": "", "proc/1/comm": "sh\n"},
        "podman": {"run/.containerenv": "engine=podman\n"},
        "lxc": {"proc/1/environ": "PATH=/bin\0container=lxc\0", "proc/1/comm": "systemd\n"},
        "pod": {"proc/self/mountinfo": overlay, "proc/1/comm": "python3\n"},
        "diskless": {"proc/self/mountinfo": overlay, "proc/1/comm": "systemd\n"},
    }
    for name in more:
        for path, text in traces.get(name, {}).items():
            put(root, path, text)


# What nvidia-smi says when it fails, with its exit status.
FAILURES = {
    "mismatch": (18, "Failed to initialize NVML: Driver/library version mismatch\n"),
    "smi-fails": (
        9,
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the"
        " latest NVIDIA driver is installed and running.\n",
    ),
    "lost": (
        15,
        "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost. Reboot the system to"
        " recover this GPU\n",
    ),
    "none": (6, "No devices were found\n"),
}


class Tools:
    """The vendors' tools of a host."""

    def __init__(self, row: Row) -> None:
        self.row = row
        kinds = [kind.split() for kind in row.gpus.split("+") if kind.strip()]
        self.kinds = {kind: words for kind, *words in kinds}

    def __call__(self, argv: Sequence[str]) -> Completed | None:
        if "nvidia-smi" in argv[0]:
            return self.nvidia_smi(argv[1])
        if argv[0] == "rocminfo" and "rocminfo" in self.row.more:
            agents = [
                f"Agent {number}\n  Name: {name}\n  Device Type: GPU\n"
                for number, name in enumerate(self.kinds["amd"], 1)
            ]
            return Completed(0, "".join(agents), "")
        answers = {"-productVersion": self.row.version, "hw.optional.arm64": "1"}
        if SYSTEMS[self.row.platform][0] == "Darwin" and argv[-1] in answers:
            arm = self.row.platform in ("mac", "rosetta")
            return Completed(0, answers[argv[-1]] if arm or argv[-1][0] == "-" else "", "")
        return None

    def nvidia_smi(self, query: str) -> Completed | None:
        row = self.row
        for name, (code, said) in FAILURES.items():
            if name in row.more:
                return Completed(code, said, "")
        if "nv" not in self.kinds or "no-smi" in row.more or "card" in row.more:
            return None
        unknown = {"old-smi": "compute_cap", "new-smi": "driver_version"}
        for name, field in unknown.items():
            if name in row.more and field in query:
                return Completed(2, f'Field "{field}" is not a valid field to query.\n', "")
        fields = query.partition("=")[2].split(",")
        lines = []
        for number, capability in enumerate(self.kinds["nv"]):
            values = {
                "name": "Card, of many",
                "uuid": f"GPU-{number}",
                "driver_version": row.driver,
                "memory.total": "[Insufficient Permissions]" if "mig" in row.more else "81559",
                "compute_cap": capability,
            }
            lines.append(", ".join(values[field] for field in fields) + "\n")
        return Completed(0, "".join(lines), "")


def decide(row: Row, root: Path) -> Backend:
    tools = Tools(row)
    if "nv" in tools.kinds:
        lay_nvidia(root, row)
    if "amd" in tools.kinds and "rocminfo" not in row.more:
        lay_kfd(root, tools.kinds["amd"], "" if "nv" in tools.kinds else row.driver)
    lay_pci(root, tools.kinds.get("pci", ()), row.more)
    if "tegra" in row.more:
        put(root, "etc/nv_tegra_release", "# R35 (release), REVISION: 4.1, GCID: 33958178\n")
    if "kfd" in row.more:
        put(root, "dev/kfd", "")
    if "device" in row.more:
        put(root, "dev/nvidia0", "")
    lay_container(root, row.more)
    system, machine = SYSTEMS[row.platform]
    glibc = row.version if system == "Linux" and row.version != "none" else None
    host = HostReadings(system, machine, glibc, "/", 1, 1, 1)
    return choose_backend(observe_accelerator(host, Files(str(root)), tools))


def bounds(torch: str) -> tuple[str, str]:
    return torch[2:] if torch.startswith(">=") else "", torch[2:] if torch.startswith("<=") else ""


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_host_gets_the_build_of_the_table(row: Row, tmp_path: Path) -> None:
    chosen = decide(row, tmp_path)
    said = f"{chosen.reason}; {chosen.notice}"
    assert row.words in said
    if row.backend == "-":
        assert not chosen.supported, chosen
        assert (chosen.name, chosen.driver_needed) == ("", row.torch)
        return
    assert chosen.supported, chosen.reason
    assert (chosen.name, (chosen.torch_min, chosen.torch_max)) == (row.backend, bounds(row.torch))
    index = "" if row.backend == "pypi" else f"https://download.pytorch.org/whl/{row.backend}"
    assert chosen.index_url == index


def test_the_table_is_large_and_has_no_host_twice() -> None:
    assert len(ROWS) >= 170
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("name", "noticed"),
    [
        ("H100 R580", False),
        ("server", False),
        ("M1, macOS 14", False),
        ("MI300X", False),
        ("M1, macOS 13", True),
        ("RX 9070 on Ryzen", True),
        ("Ryzen 7000 alone", True),
        ("Arc A770", True),
        ("Docker without GPU", True),
        ("Orin JetPack 7", True),
    ],
)
def test_only_what_users_must_know_is_a_notice(name: str, noticed: bool, tmp_path: Path) -> None:
    (row,) = (one for one in ROWS if one.name == name)
    assert bool(decide(row, tmp_path).notice) == noticed
