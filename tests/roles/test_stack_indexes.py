"""Two stand-in indexes for an AMD host: which build of torch the role installs with pip and with uv.

The default index has torch for CUDA up to 2.15.0, and PyTorch's index for ROCm 7.2 ends at 2.13.0, as the
real ones did on 2026-11-30. The version 2.15.0 satisfies every requirement of the profiles, so only the pin
of the role and its look at the result keep the CUDA build away.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab.simple_index import write_index
from tests.roles.conftest import Played
from tests.roles.test_stack_on_a_host import ROCMINFO

# Each host gets its stack by pip and by uv; the choice of the backend itself is in test_stack_backend.py.
pytestmark = pytest.mark.full

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PLAYBOOK = """
- hosts: all
  gather_facts: false
  environment:
    PATH: "{{ stand_in }}:/usr/bin:/bin"
    PIP_CONFIG_FILE: /dev/null
  roles:
    - role: llmfleet.conda.install_llm_stack
"""
UV = str(Path(sys.executable).parent / "uv")
INSTALLERS = {
    "pip": {"install_llm_stack_installer": "pip"},
    "uv": {"install_llm_stack_installer": "uv", "install_llm_stack_uv_executable": UV},
}
AUTO = {"install_llm_stack_backend": "auto"}
NAMED = {"install_llm_stack_backend": "rocm7.2"}
# Name of the case: the PyTorch index, and the variables.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "auto": ("whole", AUTO),
    "named": ("whole", NAMED),
    # The mirror of PyTorch's index lost the release that the default index has, too.
    "slipped-in": ("lost", NAMED),
    # The inventory asks for a release that is only in the default index.
    "too-new": ("whole", {**NAMED, "install_llm_stack_torch": "2.14.1"}),
}


# Case and the version that came in.
SLIPPED = [
    ("slipped-in", "2.13.0"),
    ("too-new", "2.14.1"),
]


def index(root: Path, *versions: str) -> None:
    """An index with tiny wheels named torch."""
    house = root.parent / f"{root.name}-wheels"
    house.mkdir(parents=True)
    root.mkdir(parents=True)
    for version in versions:
        make_wheel(house, "torch", version)
    write_index(house.iterdir(), root, f"../../{house.name}/")


def prefix(root: Path, made: Path) -> Path:
    """An installation with one environment: a copy of a virtual environment with a record of Python."""
    base, env = root / "conda", root / "conda" / "envs" / "llm"
    shutil.copytree(made, env, symlinks=True)
    for directory in (base, env):
        (directory / "conda-meta").mkdir(parents=True)
        (directory / "conda-meta" / "history").write_text("==> 2026-01-01 00:00:00 <==\n")
    for directory, name, version in ((base, "conda", "26.5.0"), (env, "python", f"{PYTHON}.9")):
        record = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "channel": "https://conda.example.com/lab/linux-64",
            "subdir": "linux-64",
            "fn": f"{name}-{version}-0.conda",
            "depends": [],
            "files": [],
        }
        (directory / "conda-meta" / f"{name}-{version}-0.json").write_text(json.dumps(record))
    (root / "bin").mkdir()
    (root / "bin" / "rocminfo").write_text(ROCMINFO)
    (root / "bin" / "rocminfo").chmod(0o755)
    return base


def torch_in(base: Path) -> list[str]:
    """The versions of torch in the environment, by the names of their directories."""
    site = base / "envs" / "llm" / "lib" / f"python{PYTHON}" / "site-packages"
    return [path.name[6:-10] for path in site.glob("torch-*.dist-info")]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("stacks")
    subprocess.run([sys.executable, "-m", "venv", root / "made"], check=True)
    return {
        f"{case}-{name}": prefix(root / f"{case}-{name}", root / "made")
        for case in CASES
        for name in INSTALLERS
    }


@pytest.fixture(scope="module")
def runs(
    bases: Mapping[str, Path],
    play: Callable[..., Played],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Played, dict[str, list[str]], Played]:
    """Check mode, what was installed after it, and the run itself."""
    root = tmp_path_factory.mktemp("indexes")
    index(root / "default", "2.11.0", "2.12.1", "2.13.0", "2.14.1", "2.15.0")
    index(root / "whole" / "rocm7.2", "2.12.1+rocm7.2", "2.13.0+rocm7.2")
    index(root / "lost" / "rocm7.2", "2.12.1+rocm7.2")
    (root / "playbook.yml").write_text(PLAYBOOK)
    hosts = {
        f"{case}-{name}": {
            "stand_in": str(bases[f"{case}-{name}"].parent / "bin"),
            "install_llm_stack_installation": str(bases[f"{case}-{name}"]),
            "install_llm_stack_python": PYTHON,
            "install_llm_stack_profiles": ["ours"],
            "install_llm_stack_profile_overrides": {"ours": {"pip": ["torch>=2.11"]}},
            "install_llm_stack_index_url": (root / "default").as_uri(),
            "install_llm_stack_torch_index": (root / directory).as_uri(),
            **installer,
            **variables,
        }
        for case, (directory, variables) in CASES.items()
        for name, installer in INSTALLERS.items()
    }
    checked = play(str(root / "playbook.yml"), hosts, "--check")
    after = {name: torch_in(base) for name, base in bases.items()}
    return checked, after, play(str(root / "playbook.yml"), hosts)


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("case", ["auto", "named"])
def test_an_amd_host_gets_the_build_for_rocm(
    case: str, installer: str, runs: tuple[Played, Any, Played], bases: dict[str, Path]
) -> None:
    checked, _after, done = runs
    name = f"{case}-{installer}"
    for run in (checked, done):
        assert run.summary["hosts"][name]["failed"] == 0, run.text
    assert torch_in(bases[name]) == ["2.13.0+rocm7.2"]


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize(("case", "there"), SLIPPED)
def test_a_build_for_cuda_fails_an_amd_host_with_both_names(
    case: str, there: str, installer: str, runs: tuple[Played, Any, Played]
) -> None:
    said = runs[2].failure(f"{case}-{installer}")
    assert f"has torch {there}, but install_llm_stack_backend rocm7.2 requires" in said
    assert f"such as {there}+rocm7.2" in said


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize(("case", "there"), SLIPPED)
def test_check_mode_says_so_before_anything_is_fetched(
    case: str, there: str, installer: str, runs: tuple[Played, dict[str, list[str]], Played]
) -> None:
    checked, after, _done = runs
    said = checked.failure(f"{case}-{installer}")
    assert f"would have torch {there}, but install_llm_stack_backend rocm7.2 requires" in said
    assert after == {name: [] for name in after}
