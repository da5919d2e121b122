"""The build of torch, chosen or refused by what a stand-in nvidia-smi says of the host."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.roles.conftest import Played

ROLE = Path(__file__).resolve().parents[2] / "roles/install_llm_stack"

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or Path("/proc/driver/nvidia").exists(),
    reason="needs Linux on x86_64 without an NVIDIA driver of its own",
)

PLAYBOOK = """
- hosts: all
  gather_facts: false
  environment:
    PATH: "{{ stand_in }}:/usr/bin:/bin"
  vars:
    # The copy below is outside the role.
    install_llm_stack__role_path: "{{ role }}"
  tasks:
    - ansible.builtin.import_role:
        name: llmfleet.conda.install_llm_stack
        tasks_from: preflight
    - ansible.builtin.import_role:
        name: llmfleet.conda.install_llm_stack
        tasks_from: backend
    - ansible.builtin.copy:
        dest: "{{ seen }}"
        mode: "0644"
        content: "{{ facts | to_json }}"
      vars:
        facts:
          backend: "{{ install_llm_stack__backend }}"
          indexes: "{{ install_llm_stack__torch_indexes }}"
          requirements: "{{ install_llm_stack__pip_requirements }}"
          constraints: "{{ install_llm_stack__constraints }}"
          profile_constraints: "{{ install_llm_stack__profile_constraints }}"
          variables: "{{ install_llm_stack__variables }}"
          asked: "{{ install_llm_stack__accelerator is not skipped }}"
          large: "{{ install_llm_stack__is_large }}"
          before: "{{ install_llm_stack__parts_before }}"
"""


@dataclass(frozen=True)
class Case:
    """A host: what nvidia-smi prints there (none: there is no such program), and its variables.

    ``amd``: architectures of AMD GPUs, which a stand-in rocminfo lists.
    """

    card: str = ""
    driver: str = ""
    capability: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    broken: str = ""
    amd: tuple[str, ...] = ()


def backend(name: str, **more: Any) -> dict[str, Any]:
    return {"install_llm_stack_backend": name, **more}


HOPPER = ("H100", "580.65.06", "9.0")
AMPERE = ("A100", "535.104.05", "8.0")
HOSTS = {
    "no-gpu": Case(variables=backend("auto")),
    "default": Case(*HOPPER),
    "hopper": Case(*HOPPER, backend("auto", install_llm_stack_profiles=["train"])),
    "older": Case(*AMPERE, backend("auto", install_llm_stack_profiles=["train", "tensorflow"])),
    # One stack with CUDA, or torch without it, has nothing to share.
    "tensorflow-alone": Case(
        *HOPPER, backend("auto", install_llm_stack_profiles=["tensorflow", "app"])
    ),
    "tensorflow-on-cpu": Case(
        *HOPPER,
        backend(
            "cpu",
            install_llm_stack_profiles=["inference"],
            install_llm_stack_requirements=["tensorflow[and-cuda]>=2.20"],
        ),
    ),
    "tensorflow-without-cuda": Case(
        *HOPPER,
        backend(
            "auto",
            install_llm_stack_profiles=["inference", "tensorflow"],
            install_llm_stack_profile_overrides={"tensorflow": {"cuda": []}},
        ),
    ),
    # Its files are in directories of their own.
    "other-library": Case(
        *HOPPER, backend("auto", install_llm_stack_requirements=["nvidia-cutlass-dsl-libs-cu12"])
    ),
    # The wheels of torch 2.10 on the default index were for CUDA 12.
    "older-torch": Case(
        *HOPPER,
        backend(
            "auto",
            install_llm_stack_profiles=["ours"],
            install_llm_stack_profile_overrides={
                "ours": {"pip": ["torch", "tensorflow[and-cuda]"]}
            },
            install_llm_stack_torch="2.10.0",
        ),
    ),
    # Lines that bring no libraries for another CUDA to this host.
    "harmless-lines": Case(
        *HOPPER,
        backend(
            "auto",
            install_llm_stack_requirements=[
                'nvidia-cudnn-cu12 ; sys_platform == "win32"',
                "jax[cuda12] ; platform_machine == 'aarch64'",
                "nvidia-nccl-cu12 ; python_version < '3.10'",
                "tensorflow  # [and-cuda] where there is a GPU",
                "tensorflow-cpu",
            ],
        ),
    ),
    "torch-by-address": Case(
        *HOPPER,
        backend(
            "auto",
            install_llm_stack_profiles=[],
            install_llm_stack_requirements=[
                "torch @ https://h.invalid/torch-2.9.0%2Bcu126-cp312-cp312-manylinux_2_28_x86_64.whl",
                "tensorflow[and-cuda]",
            ],
        ),
    ),
    "new-python": Case(variables=backend("cpu", install_llm_stack_python="3.13")),
    "blackwell": Case("B200", "570.86.15", "10.0", backend("auto")),
    "volta": Case("V100", "580.65.06", "7.0", backend("auto")),
    "data-only": Case(*HOPPER, backend("auto", install_llm_stack_profiles=["data"])),
    "by-hand": Case(*HOPPER, backend("cu130", install_llm_stack_profiles=["serve"])),
    "unchecked": Case(variables=backend("cu130", install_llm_stack_driver_check=False)),
    # CUDA 12.8 needs driver 570 for Blackwell only.
    "older-cu128": Case("A100", "535.104.05", "8.0", backend("cu128")),
    "instinct": Case(variables=backend("auto"), amd=("gfx942", "gfx942")),
    "card-and-ryzen": Case(variables=backend("auto"), amd=("gfx1201", "gfx1036")),
    "ryzen": Case(variables=backend("auto"), amd=("gfx1036",)),
    "new-rocm": Case(variables=backend("rocm7.14"), amd=("gfx1103",)),
    "new-rocm-image": Case(variables=backend("rocm7.14", install_llm_stack_driver_check=False)),
    "old-python": Case(
        variables=backend(
            "cpu",
            install_llm_stack_python="3.10",
            install_llm_stack_pinned=False,
            install_llm_stack_torch="2.14.0",
        )
    ),
    "old-python-data": Case(
        variables=backend(
            "cpu",
            install_llm_stack_python="3.9",
            install_llm_stack_pinned=False,
            install_llm_stack_profiles=["data"],
        )
    ),
    "ours": Case(
        *HOPPER,
        backend(
            "auto",
            install_llm_stack_torch="2.12.1",
            install_llm_stack_constraints=["Typing_Extensions<5", "numpy<3"],
        ),
    ),
}
LIBRARIES = "would get NVIDIA libraries for CUDA 12 and CUDA 13: "
REFUSED = {
    "two-stacks": (
        Case(*HOPPER, backend("auto", install_llm_stack_profiles=["train", "tensorflow"])),
        LIBRARIES
        + "tensorflow[and-cuda]>=2.20 for CUDA 12, torch of the backend pypi for CUDA 13.",
    ),
    "two-stacks-by-name": (
        Case(*HOPPER, backend("cu130", install_llm_stack_profiles=["inference", "tensorflow"])),
        "or set install_llm_stack_backend to cu126 or cu128, if the driver and the GPUs of the host",
    ),
    "own-tensorflow": (
        Case(
            *HOPPER,
            backend(
                "cu132",
                install_llm_stack_profiles=["inference"],
                install_llm_stack_requirements=["TensorFlow [ And_CUDA ] >= 2.20"],
            ),
        ),
        LIBRARIES
        + "TensorFlow [ And_CUDA ] >= 2.20 for CUDA 12, torch of the backend cu132 for CUDA 13.",
    ),
    "own-library": (
        Case(
            *HOPPER,
            backend("auto", install_llm_stack_requirements=["nvidia_cudnn.cu12==9.28.0.42"]),
        ),
        LIBRARIES
        + "nvidia_cudnn.cu12==9.28.0.42 for CUDA 12, torch of the backend pypi for CUDA 13.",
    ),
    "library-of-the-other": (
        Case(*AMPERE, backend("auto", install_llm_stack_requirements=["nvidia-nccl-cu13"])),
        LIBRARIES + "nvidia-nccl-cu13 for CUDA 13, torch of the backend cu126 for CUDA 12.",
    ),
    "no-torch": (
        Case(
            *HOPPER,
            backend(
                "auto",
                install_llm_stack_profiles=["tensorflow"],
                install_llm_stack_requirements=["jax[cuda13,k8s]"],
            ),
        ),
        "jax[cuda13,k8s] for CUDA 13, and no torch. Both install the same files, such as"
        " nvidia/cudnn/lib/libcudnn.so.9",
    ),
    "in-a-file": (
        Case(
            variables=backend(
                "pypi",
                install_llm_stack_profiles=["inference"],
                install_llm_stack_requirements_files=["{{ playbook_dir }}/stack.txt"],
            )
        ),
        LIBRARIES + "tensorflow[and-cuda] for CUDA 12, torch of the backend pypi for CUDA 13.",
    ),
    "in-an-included-file": (
        Case(
            *HOPPER,
            backend(
                "auto",
                install_llm_stack_profiles=[],
                install_llm_stack_requirements_files=["{{ playbook_dir }}/all.txt"],
            ),
        ),
        LIBRARIES + "tensorflow[and-cuda] for CUDA 12, torch of the backend pypi for CUDA 13.",
    ),
    "for-linux": (
        Case(
            *HOPPER,
            backend(
                "cu130",
                install_llm_stack_requirements=['jax[k8s, cuda12] ; sys_platform == "linux"'],
            ),
        ),
        LIBRARIES
        + 'jax[k8s, cuda12] ; sys_platform == "linux" for CUDA 12, torch of the backend cu130 for CUDA 13.',
    ),
    "ancient": (
        Case("P100", "470.57.02", "6.0", backend("auto")),
        "driver 470.57.02 is too old for the wheels that this collection knows; 525 is the oldest."
        " Install NVIDIA driver 525 or newer.",
    ),
    "old-blackwell": (
        Case("B200", "560.28.03", "10.0", backend("auto")),
        "Install NVIDIA driver 570 or newer. To use the CPU, set install_llm_stack_backend to cpu.",
    ),
    "reboot": (
        Case(
            broken="Failed to initialize NVML: Driver/library version mismatch",
            variables=backend("auto"),
        ),
        "reboot the host first",
    ),
    "old-driver": (
        Case("A100", "535.104.05", "8.0", backend("cu130")),
        "require an NVIDIA GPU and driver 580 or newer. This host has an NVIDIA GPU and driver 535.104.05",
    ),
    "no-card": (
        Case(variables=backend("cu126")),
        "require an NVIDIA GPU and driver 525 or newer. This host has no such GPU and no loaded driver",
    ),
    "no-amd": (
        Case(*HOPPER, backend("rocm7.2")),
        "require an AMD GPU. This host has an NVIDIA GPU",
    ),
    "old-card": (
        Case("V100", "580.65.06", "7.0", backend("cu130")),
        "compute capabilities from 7.5 to below 999.0. The GPUs of this host have 7.0. Set"
        " install_llm_stack_backend to auto to install the build cu126, or set",
    ),
    "new-card": (
        Case("B200", "580.65.06", "10.0", backend("cu126")),
        "compute capabilities from 5.0 to below 10.0. The GPUs of this host have 10.0",
    ),
    "kepler": (
        Case("Tesla K80", "525.60.13", "3.7", backend("cu126")),
        # Not "set it to auto", which refuses it as well.
        "compute capabilities from 5.0 to below 10.0. The GPUs of this host have 3.7. auto would refuse this"
        " host, too: no wheel has kernels for compute capability 3.7 on linux-64. Set"
        " install_llm_stack_backend to cpu to use the CPU, or set install_llm_stack_driver_check to false",
    ),
    "old-blackwell-cu128": (
        Case("B200", "560.28.03", "10.0", backend("cu128")),
        "require an NVIDIA GPU and driver 570 or newer. This host has an NVIDIA GPU and driver 560.28.03",
    ),
    "ancient-cu128": (
        Case("A100", "515.105.01", "8.0", backend("cu128")),
        "require an NVIDIA GPU and driver 525 or newer. This host has an NVIDIA GPU and driver 515.105.01",
    ),
    "old-amd": (
        Case(variables=backend("rocm7.2"), amd=("gfx906",)),
        "gfx1200, gfx1201. The GPUs of this host have the architecture gfx906. auto would refuse this host,"
        " too: the wheels for ROCm have no kernels for the architecture gfx906. Set",
    ),
    "ryzen-cu126": (
        Case(variables=backend("cu126"), amd=("gfx1036",)),
        "no loaded driver. With auto, torch uses the CPU, because the host has no GPU that it can use:"
        " the wheels for ROCm have no kernels for the architecture gfx1036",
    ),
    "python-3.10": (
        Case(
            variables=backend(
                "cpu", install_llm_stack_python="3.10", install_llm_stack_pinned=False
            )
        ),
        "torch 2.15.0 has wheels for Python 3.11 and newer, but install_llm_stack_python is 3.10",
    ),
    "python-3.9-auto": (
        Case(
            *HOPPER[:1],
            "535.104.05",
            "9.0",
            backend("auto", install_llm_stack_python="3.9", install_llm_stack_pinned=False),
        ),
        "torch 2.14.0 has wheels for Python 3.10 and newer, but install_llm_stack_python is 3.9",
    ),
    "serve-on-cpu": (
        Case(variables=backend("auto", install_llm_stack_profiles=["serve"])),
        "The profile serve has no wheels for the backend cpu. Set install_llm_stack_backend to cu130 or pypi",
    ),
}


# The hosts of `make test`; `make test-full` plays all.
QUICK = {
    *(
        "no-gpu",
        "default",
        "hopper",
        "older",
        "blackwell",
        "new-python",
        "by-hand",
        "instinct",
        "ryzen",
        "ours",
    ),
    *(
        "two-stacks",
        "in-an-included-file",
        "ancient",
        "reboot",
        "old-driver",
        "old-card",
        "python-3.10",
    ),
}


def quick(rows: Iterable[Any]) -> list[Any]:
    """The rows for ``parametrize``, by the host that each begins with; others than the quick are ``full``."""
    found = [row if isinstance(row, tuple) else (row,) for row in rows]
    return [pytest.param(*row, marks=[] if row[0] in QUICK else pytest.mark.full) for row in found]


def stand_in(directory: Path, case: Case) -> None:
    """Write the host's nvidia-smi; it answers the module's query and nothing else."""
    directory.mkdir()
    if case.amd:
        agents = [
            f"Agent {number}\nName: {name}\nDevice Type: GPU\n"
            for number, name in enumerate(case.amd)
        ]
        program = directory / "rocminfo"
        program.write_text("#!/bin/sh\ncat <<END\n" + "".join(agents) + "END\n")
        program.chmod(0o755)
    if not case.driver and not case.broken:
        return
    answer = f"{case.card}, GPU-0, {case.driver}, 81559, {case.capability}"
    script = f'echo "{case.broken or answer}"; exit {9 if case.broken else 0}\n'
    program = directory / "nvidia-smi"
    program.write_text(f'#!/bin/sh\ncase "$1" in --query-gpu=*) {script.strip()} ;; esac\nexit 2\n')
    program.chmod(0o755)


@pytest.fixture(scope="module")
def played(
    play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory, everything: bool
) -> tuple[Played, Path]:
    """One run over the hosts, which the role's own module looks at."""
    root = tmp_path_factory.mktemp("gpus")
    (root / "playbook.yml").write_text(PLAYBOOK)
    (root / "stack.txt").write_text("# Both stacks.\ntensorflow[and-cuda]\n")
    (root / "all.txt").write_text("\ufefftransformers[torch]\r\n-r stack.txt\r\n")
    cases = {**HOSTS, **{name: case for name, (case, _) in REFUSED.items()}}
    hosts = {}
    for name, case in cases.items():
        if name not in QUICK and not everything:
            continue
        stand_in(root / name, case)
        paths = {"stand_in": str(root / name), "seen": str(root / f"{name}.json")}
        hosts[name] = {**paths, **case.variables}
    return play(str(root / "playbook.yml"), hosts, role=str(ROLE)), root


@pytest.fixture
def seen(played: tuple[Played, Path]) -> Callable[[str], dict[str, Any]]:
    """What the role decided for a host."""
    run, root = played

    def read(name: str) -> dict[str, Any]:
        path = root / f"{name}.json"
        assert path.exists(), run.text
        return json.loads(path.read_text())

    return read


def torch(facts: dict[str, Any]) -> str:
    """The specifier of the constraint on torch."""
    (found,) = [
        str(pin.specifier) for pin in map(Requirement, facts["constraints"]) if pin.name == "torch"
    ]
    return found


@pytest.mark.parametrize(
    ("host", "chosen", "release"),
    quick(
        [
            ("no-gpu", "cpu", "==2.15.0"),
            ("default", "cpu", "==2.15.0"),
            ("hopper", "pypi", "==2.15.0"),
            ("older", "cu126", "==2.14.0"),
            ("blackwell", "cu128", "==2.11.0"),
            ("volta", "cu126", "==2.14.0"),
            ("tensorflow-alone", "pypi", "==2.15.0"),
            ("tensorflow-on-cpu", "cpu", "==2.15.0"),
            ("tensorflow-without-cuda", "pypi", "==2.15.0"),
            ("harmless-lines", "pypi", "==2.15.0"),
            ("torch-by-address", "pypi", "==2.15.0"),
            ("other-library", "pypi", "==2.15.0"),
            ("older-torch", "pypi", "==2.10.0"),
            ("new-python", "cpu", "==2.15.0"),
            ("by-hand", "cu130", "==2.14.0"),
            ("unchecked", "cu130", "==2.15.0"),
            ("older-cu128", "cu128", "==2.11.0"),
            # Without a pin pip would take a newer release for CUDA from the default index.
            ("instinct", "rocm7.2", "==2.13.0"),
            ("card-and-ryzen", "rocm7.2", "==2.13.0"),
            ("ryzen", "cpu", "==2.15.0"),
            ("new-rocm", "rocm7.14", "==2.14.0"),
            ("old-python", "cpu", "==2.14.0"),
            ("ours", "pypi", "==2.12.1"),
        ]
    ),
)
def test_the_backend_fits_the_host(
    host: str, chosen: str, release: str, seen: Callable[[str], dict[str, Any]]
) -> None:
    facts = seen(host)
    assert (facts["backend"], torch(facts)) == (chosen, release)
    ends = [] if chosen == "pypi" else [chosen]
    assert [url.rpartition("/")[2] for url in facts["indexes"]] == ends


@pytest.mark.full
def test_the_host_is_asked_only_where_its_answer_counts(
    seen: Callable[[str], dict[str, Any]],
) -> None:
    asked = {name: seen(name)["asked"] for name in HOSTS}
    assert [name for name, was in asked.items() if not was] == [
        "default",
        "tensorflow-on-cpu",
        "new-python",
        "data-only",
        "unchecked",
        "new-rocm-image",
        "old-python",
        "old-python-data",
    ]


@pytest.mark.full
def test_a_large_download_is_announced_before_the_environment_is_created(
    seen: Callable[[str], dict[str, Any]],
) -> None:
    large = [name for name in HOSTS if seen(name)["large"]]
    assert large == ["new-rocm", "new-rocm-image"]
    assert seen("new-rocm-image")["before"] == ["large_download"]
    assert seen("new-rocm")["before"] == ["large_download", "backend"]


@pytest.mark.full
def test_a_gpu_that_torch_does_not_use_is_named(played: tuple[Played, Path]) -> None:
    run, _root = played
    assert run.flat.count("set HIP_VISIBLE_DEVICES=0 for programs that use torch") == 1
    assert run.flat.count("Backend cpu: torch uses the CPU, because the host has no GPU") == 1
    assert "gfx1036, which is a part of the processor" in run.flat


def test_the_libraries_for_cuda_come_with_an_nvidia_gpu_only(
    seen: Callable[[str], dict[str, Any]],
) -> None:
    assert "tensorflow[and-cuda]>=2.20" in seen("older")["requirements"]
    assert all("and-cuda" not in line for line in seen("no-gpu")["requirements"])


def test_the_constraints_are_those_of_the_chosen_profiles(
    seen: Callable[[str], dict[str, Any]],
) -> None:
    def names(host: str) -> set[str]:
        return {Requirement(line).name for line in seen(host)["profile_constraints"]}

    assert {"numpy", "transformers", "tokenizers", "jupyterlab"} <= names("default")
    assert "trl" not in names("default")
    assert {"trl", "peft", "h5py"} <= names("older")
    assert "jupyterlab" not in names("hopper")
    assert "vllm" in names("by-hand")


def test_a_constraint_of_the_inventory_takes_the_place_of_the_profile_s(
    seen: Callable[[str], dict[str, Any]],
) -> None:
    facts = seen("ours")
    assert sorted(facts["constraints"]) == ["Typing_Extensions<5", "numpy<3", "torch==2.12.1"]
    names = {Requirement(line).name for line in facts["profile_constraints"]}
    assert "tokenizers" in names
    assert names.isdisjoint({"typing-extensions", "numpy", "torch"})


@pytest.mark.parametrize("host", quick(REFUSED))
def test_a_host_that_cannot_run_the_wheels_is_refused(
    host: str, played: tuple[Played, Path]
) -> None:
    run, root = played
    assert REFUSED[host][1] in run.failure(host)
    assert not (root / f"{host}.json").exists()


def test_a_further_python_has_constraints_of_its_own(seen: Callable[[str], dict[str, Any]]) -> None:
    found = seen("new-python")["profile_constraints"]
    text = "".join(
        (ROLE / f"files/constraints/{name}-py313.txt").read_text() for name in ("data", "inference")
    )
    named = {line for line in text.splitlines() if line and not line.startswith("#")}
    assert set(found) == named
    assert "Python 3.13" in text


CHECK_MODE = """
- hosts: all
  gather_facts: false
  environment:
    PATH: "{{ stand_in }}:/usr/bin:/bin"
  roles:
    - role: llmfleet.conda.install_llm_stack
"""


@pytest.mark.full
def test_check_mode_refuses_two_stacks_too(
    play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("check")
    (root / "playbook.yml").write_text(CHECK_MODE)
    case = REFUSED["two-stacks"][0]
    stand_in(root / "bin", case)
    run = play(
        str(root / "playbook.yml"),
        {"two-stacks": {"stand_in": str(root / "bin"), **case.variables}},
        "--check",
    )
    assert LIBRARIES in run.failure("two-stacks")
