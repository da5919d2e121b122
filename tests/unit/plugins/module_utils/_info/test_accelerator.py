"""Looking for GPUs on hosts made of a few files and scripted tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import HostReadings
from ansible_collections.llmfleet.conda.plugins.module_utils._info.accelerator import (
    Files,
    gfx_name,
    observe_accelerator,
    run_tool,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_build import (
    AcceleratorFacts,
    Gpu,
    choose_backend,
)

LINUX = HostReadings("Linux", "x86_64", "2.36", "/", 1, 1, 1)
MAC = HostReadings("Darwin", "arm64", None, "/", 1, 1, 1)
PROC = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
H100 = "NVIDIA H100 80GB HBM3, GPU-1, 580.65.06, 81559, 9.0\n"
MISMATCH = (
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.65\n"
)
ROCMINFO = """\
*******
Agent 1
*******
  Name:                    AMD EPYC 9534 64-Core Processor
  Uuid:                    CPU-XX
  Device Type:             CPU
*******
Agent 2
*******
  Name:                    gfx90a
  Uuid:                    GPU-0a1b2c3d4e5f6071
  Marketing Name:          AMD Instinct MI210
  Device Type:             GPU
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-
"""


class Tools:
    """Answers by the last part of the command; what is not here is not on the host."""

    def __init__(self, **answers: str | Completed) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Completed | None:
        self.asked.append(" ".join(argv))
        for key, answer in self.answers.items():
            if key.replace("_", "-") in argv[0] or key.replace("__", ".") == argv[-1]:
                return answer if isinstance(answer, Completed) else Completed(0, answer, "")
        return None


def look(root: Path, tools: Tools, host: HostReadings = LINUX) -> AcceleratorFacts:
    return observe_accelerator(host, Files(str(root)), tools)


def put(root: Path, **files: str) -> None:
    for path, text in files.items():
        target = root / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def test_no_accelerator(tmp_path: Path) -> None:
    facts = look(tmp_path, Tools())
    assert (facts.vendor, facts.gpus, facts.glibc) == ("none", (), "2.36")
    assert choose_backend(facts).name == "cpu"


def test_nvidia(tmp_path: Path) -> None:
    put(tmp_path, sys__module__nvidia__version="580.65.06\n")
    facts = look(tmp_path, Tools(nvidia_smi=H100 + "A, odd name, GPU-2, 580.65.06, [N/A], 9.0\n"))
    assert facts.vendor == "nvidia"
    assert facts.driver_version == "580.65.06"
    assert facts.gpus == (
        Gpu(0, "NVIDIA H100 80GB HBM3", 81559, "9.0", "GPU-1"),
        Gpu(1, "A, odd name", None, "9.0", "GPU-2"),
    )
    assert choose_backend(facts).name == "pypi"


def test_facts_from_the_driver_without_nvidia_smi(tmp_path: Path) -> None:
    put(tmp_path, proc__driver__nvidia__version=PROC)
    gpu = tmp_path / "proc" / "driver" / "nvidia" / "gpus" / "0000:01:00.0" / "information"
    gpu.parent.mkdir(parents=True)
    gpu.write_text("Model: \t NVIDIA A100\nIRQ:   40\nGPU UUID: \t GPU-7\n")
    facts = look(tmp_path, Tools())
    assert facts.driver_version == "535.183.01"
    assert facts.gpus == (Gpu(0, "NVIDIA A100", uuid="GPU-7"),)
    assert facts.problem == "nvidia-smi is not installed"
    assert facts.problem in choose_backend(facts).reason


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_driver_and_library_differ(tmp_path: Path, stream: str) -> None:
    put(tmp_path, sys__module__nvidia__version="570.86.15\n")
    said = (MISMATCH, "") if stream == "stdout" else ("", MISMATCH)
    facts = look(tmp_path, Tools(nvidia_smi=Completed(18, *said)))
    assert facts.driver_library_mismatch
    assert facts.driver_version == "570.86.15"
    assert "mismatch" in facts.problem
    assert "reboot" in choose_backend(facts).reason


def test_other_failure_is_not_a_mismatch(tmp_path: Path) -> None:
    put(tmp_path, sys__module__nvidia__version="570.86.15\n")
    facts = look(tmp_path, Tools(nvidia_smi=Completed(9, "", "Unable to talk\n")))
    assert not facts.driver_library_mismatch
    assert facts.problem == "nvidia-smi failed: Unable to talk"


def test_an_old_driver_does_not_know_compute_cap(tmp_path: Path) -> None:
    class Old(Tools):
        def __call__(self, argv: Sequence[str]) -> Completed | None:
            if "compute_cap" in argv[1]:
                return Completed(2, 'Field "compute_cap" is not a valid field to query.\n', "")
            return Completed(0, "Tesla V100, GPU-3, 470.256.02, 16160\n", "")

    facts = look(tmp_path, Old())
    assert facts.gpus == (Gpu(0, "Tesla V100", 16160, "", "GPU-3"),)
    assert choose_backend(facts).driver_needed == "525"


def test_a_card_without_a_driver(tmp_path: Path) -> None:
    for name, vendor, kind in (("0", "0x10de", "0x030200"), ("1", "0x8086", "0x030000")):
        device = tmp_path / "sys" / "bus" / "pci" / "devices" / name
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")
    facts = look(tmp_path, Tools())
    assert (facts.vendor, facts.driver_version) == ("nvidia", "")
    assert choose_backend(facts).driver_needed == "580"
    (tmp_path / "sys" / "bus" / "pci" / "devices" / "0" / "class").write_text("0x040300\n")
    assert look(tmp_path, Tools()).vendor == "none"


@pytest.mark.parametrize(
    ("version", "name"),
    [(90010, "gfx90a"), (90402, "gfx942"), (100300, "gfx1030"), (110001, "gfx1101")],
)
def test_names_of_architectures(version: int, name: str) -> None:
    assert gfx_name(version) == name


def test_rocm_from_the_kernel(tmp_path: Path) -> None:
    nodes = "sys__class__kfd__kfd__topology__nodes"
    put(
        tmp_path,
        sys__module__amdgpu__version="6.12.12\n",
        **{
            f"{nodes}__0__properties": "cpu_cores_count 64\ngfx_target_version 0\n",
            f"{nodes}__2__properties": "gfx_target_version 90402\nunique_id 255\n",
            f"{nodes}__10__properties": "gfx_target_version 110000\n",
            f"{nodes}__2__mem_banks__0__properties": "heap_type 1\nsize_in_bytes 206141652992\n",
            f"{nodes}__2__mem_banks__1__properties": "heap_type 0\nsize_in_bytes 5\n",
        },
    )
    tools = Tools()
    facts = look(tmp_path, tools)
    assert (facts.vendor, facts.driver_version) == ("amd", "6.12.12")
    assert facts.gpus == (
        Gpu(0, "gfx942", 196592, "", "GPU-00000000000000ff", "gfx942"),
        Gpu(1, "gfx1100", None, "", "", "gfx1100"),
    )
    assert not any("rocminfo" in line for line in tools.asked)
    assert choose_backend(facts).name == "rocm7.2"


def test_rocm_from_its_tool(tmp_path: Path) -> None:
    facts = look(tmp_path, Tools(rocminfo=ROCMINFO))
    uuid = "GPU-0a1b2c3d4e5f6071"
    assert facts.gpus == (Gpu(0, "AMD Instinct MI210", None, "", uuid, "gfx90a"),)


def test_apple(tmp_path: Path) -> None:
    tools = Tools(
        sw_vers="",
        hw__optional__arm64="1\n",
        hw__memsize=f"{16 << 30}\n",
        machdep__cpu__brand_string="Apple M2\n",
    )
    tools.answers["-productVersion"] = "14.5\n"
    del tools.answers["sw_vers"]
    for host in (MAC, HostReadings("Darwin", "x86_64", None, "/", 1, 1, 1)):
        facts = look(tmp_path, tools, host)
        assert facts.vendor == "apple"
        assert facts.machine == "arm64"
        assert facts.system_version == "14.5"
        assert facts.gpus == (Gpu(0, "Apple M2", 16384),)
        assert choose_backend(facts).name == "pypi"


def test_an_intel_mac(tmp_path: Path) -> None:
    facts = look(tmp_path, Tools(), HostReadings("Darwin", "x86_64", None, "/", 1, 1, 1))
    assert facts.vendor == "none"
    assert choose_backend(facts).torch_max == "2.2.2"


def test_missing_tools(tmp_path: Path) -> None:
    assert run_tool([str(tmp_path / "nothing")]) is None
    done = run_tool(["/bin/sh", "-c", "echo here"])
    assert done is not None
    assert done.stdout == "here\n"


def test_hanging_tool_is_ended_and_reported(tmp_path: Path) -> None:
    put(tmp_path, sys__module__nvidia__version="580.95.05\n")
    done = run_tool(["/bin/sh", "-c", "exec sleep 60"], timeout=0.2)
    assert done is not None
    assert done.timed_out
    facts = observe_accelerator(LINUX, Files(str(tmp_path)), Tools(nvidia_smi=done), timeout=7)
    assert facts.problem == "nvidia-smi failed: it did not answer within 7 seconds"
    refused = choose_backend(facts)
    assert not refused.supported
    assert "did not answer within 7 seconds" in refused.reason
