"""The stack on a host whose environment is there already, made of files alone: nothing to do but to judge."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import metadata_text
from tests.roles.conftest import Played

PLAYBOOK = """
- hosts: all
  gather_facts: false
  environment:
    PATH: "{{ stand_in }}:/usr/bin:/bin"
  roles:
    - role: llmfleet.conda.install_llm_stack
"""
SMI = "#!/bin/sh\necho 'A100, GPU-0, 535.104.05, 81559, 8.0'\n"


ROCMINFO = """#!/bin/sh
cat <<END
*******
Agent 1
*******
  Name:                    gfx942
  Device Type:             GPU
END
"""


class Host:
    """An installation with one environment, and a stand-in of the vendor's tool."""

    def __init__(
        self,
        root: Path,
        torch: str,
        variables: Mapping[str, str],
        also: Sequence[str] = (),
        amd: bool = False,
    ) -> None:
        self.base, self.env = root / "conda", root / "conda" / "envs" / "llm"
        for prefix in (self.base, self.env):
            (prefix / "conda-meta").mkdir(parents=True)
            (prefix / "conda-meta" / "history").write_text("==> 2026-01-01 00:00:00 <==\n")
        self.record(self.base, "conda", "26.5.0")
        self.record(self.env, "python", "3.12.9")
        self.site = self.env / "lib" / "python3.12" / "site-packages"
        self.put("torch", torch)
        for each in also:
            self.put(*each.split("=="))
        self.put("numpy", "1.99.0", conda=True)
        (self.env / "conda-meta" / "state").write_text(json.dumps({"env_vars": dict(variables)}))
        (root / "bin").mkdir()
        tool = root / "bin" / ("rocminfo" if amd else "nvidia-smi")
        tool.write_text(ROCMINFO if amd else SMI)
        tool.chmod(0o755)
        self.stand_in = root / "bin"

    @staticmethod
    def record(prefix: Path, name: str, version: str, *files: str) -> None:
        """Write what conda records of a package."""
        record = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "channel": "https://conda.example.com/lab/linux-64",
            "subdir": "linux-64",
            "fn": f"{name}-{version}-0.conda",
            "depends": [],
            "files": list(files),
        }
        path = prefix / "conda-meta" / f"{name}-{version}-0.json"
        path.write_text(json.dumps(record))

    def put(self, name: str, version: str, conda: bool = False) -> None:
        """Put the metadata of a distribution there."""
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(metadata_text(name, version))
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n")
        if conda:
            self.record(self.env, name, version, str((info / "METADATA").relative_to(self.env)))


HUB = {"install_llm_stack_model_hub": "https://hub.example.com"}
AMD = {"install_llm_stack_backend": "rocm7.2", "amd": True}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpu-build": ("2.14.0+cu126", HUB),
    "cpu-build": ("2.14.0+cpu", {}),
    "cpu-build-auto": ("2.14.0+cpu", {"install_llm_stack_backend": "auto"}),
    "rocm-build": ("2.13.0+rocm7.2", AMD),
    "cuda-for-amd": ("2.13.0", AMD),
    "cuda-for-amd-auto": ("2.13.0", {**AMD, "install_llm_stack_backend": "auto"}),
    "cuda-without-index": ("2.13.0", {**AMD, "install_llm_stack_torch_index": ""}),
    "other-cuda": ("2.14.0+cu130", {}),
    "plain-for-cuda": ("2.14.0", {}),
    # Wheels of one's own index or directory have no local version to compare.
    "own-build": ("2.14.0", {"install_llm_stack_torch_index": ""}),
    "rocm-without-index": ("2.14.0+rocm7.14", {"install_llm_stack_torch_index": ""}),
    "cpu-wanted": ("2.15.0+cpu", {"install_llm_stack_backend": "cpu"}),
    "room": (
        "2.14.0+cu126",
        {
            "install_llm_stack_volumes": [
                {"path": "{{ place }}/new", "free_mb": 1, "free_inodes": 1}
            ]
        },
    ),
    "full": (
        "2.14.0+cu126",
        {**HUB, "install_llm_stack_volumes": [{"path": "{{ place }}/new", "free_mb": 1 << 40}]},
    ),
    **{name: ("2.14.0+cu126", {}) for name in ("both-stacks", "left-behind", "one-stack")},
    "official-hub": (
        "2.14.0+cu126",
        {"install_llm_stack_model_hub": "https://HuggingFace.co/"},
    ),
    "own-choice-of-xet": (
        "2.14.0+cu126",
        {**HUB, "install_llm_stack_variables": {"HF_HUB_DISABLE_XET": "0"}},
    ),
    "models": (
        "2.14.0+cu126",
        {
            "install_llm_stack_model_cache": "{{ place }}/models",
            "install_llm_stack_models": [
                # Of the controller, beside the playbook; and of the host.
                {"name": "example/sent", "path": "sent", "exclude": ["*.h5"]},
                {"name": "there", "path": "{{ playbook_dir }}/sent", "remote_src": True},
            ],
            "install_llm_stack_model_token": "hf_notforanybodyelse",
        },
    ),
    "shared-models": (
        "2.14.0+cu126",
        {
            "install_llm_stack_model_cache": "{{ place }}/models",
            "install_llm_stack_model_cache_group": "{{ group }}",
            "install_llm_stack_variables": {"OMP_NUM_THREADS": "8", "OLD": None},
        },
    ),
}
# The hosts of `make test`; `make test-full` plays all.
QUICK = (
    "gpu-build",
    "cpu-build",
    "rocm-build",
    "cuda-for-amd",
    "other-cuda",
    "cpu-wanted",
    "full",
    "models",
    "shared-models",
)
# Distributions that are there besides torch and numpy.
INSTALLED = {
    "both-stacks": [
        "tensorflow==2.21.0",
        "nvidia-cudnn-cu12==9.28.0.42",
        "nvidia_cudnn_cu13==9.26.0.51",
    ],
    # An upgrade of torch leaves the libraries of the older one behind; nothing uses them.
    "left-behind": ["nvidia-cudnn-cu12==9.28.0.42", "nvidia-cudnn-cu13==9.26.0.51"],
    "one-stack": ["tensorflow==2.21.0", "nvidia-cudnn-cu12==9.28.0.42", "nvidia-nccl-cu12==2.27.7"],
}
BEFORE = {"OLD": "1", "KEPT": "1"}
# Pins for numpy, which conda owns, and torch; the backend's own release of torch counts.
PROFILE = {"pip": ["torch>=2.11", "numpy>=1"], "constraints": ["numpy==2.5.5", "torch==2.13.0"]}


def quick(*rows: Any) -> list[Any]:
    """The rows for ``parametrize``, by the host that each begins with; others than the quick are ``full``."""
    found = [row if isinstance(row, tuple) else (row,) for row in rows]
    return [pytest.param(*row, marks=[] if row[0] in QUICK else pytest.mark.full) for row in found]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, everything: bool) -> dict[str, Host]:
    root = tmp_path_factory.mktemp("hosts")
    return {
        name: Host(root / name, torch, BEFORE, INSTALLED.get(name, ()), variables.get("amd", False))
        for name, (torch, variables) in CASES.items()
        if everything or name in QUICK
    }


@pytest.fixture(scope="module")
def played(
    play: Callable[..., Played],
    hosts: dict[str, Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Played:
    """One run of the role over all of them."""
    playbook = tmp_path_factory.mktemp("play") / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    (playbook.parent / "sent").mkdir()
    (playbook.parent / "sent" / "config.json").write_text("{}")
    (playbook.parent / "sent" / "tf_model.h5").write_text("weights")
    inventory = {
        name: {
            "place": str(hosts[name].base.parent),
            "stand_in": str(hosts[name].stand_in),
            "group": str(os.getgid()),
            "install_llm_stack_installation": str(hosts[name].base),
            "install_llm_stack_backend": "cu126",
            "install_llm_stack_profiles": ["ours"],
            "install_llm_stack_profile_overrides": {"ours": PROFILE},
            **variables,
        }
        for name, (_, variables) in CASES.items()
        if name in hosts
    }
    return play(str(playbook), inventory)


def changed(run: Played, name: str) -> int:
    """The number of the host's changed tasks; it has to have passed."""
    found = re.search(
        rf"^{name} +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0 ", run.text, re.M
    )
    assert found is not None, run.text
    return int(found[1])


def variables(host: Host) -> dict[str, Any]:
    return json.loads((host.env / "conda-meta" / "state").read_text())["env_vars"]


@pytest.mark.parametrize("name", quick("cpu-build", "cpu-build-auto"))
def test_a_cpu_build_where_a_gpu_is_to_compute_fails_the_host(name: str, played: Played) -> None:
    said = played.failure(name)
    assert (
        "has torch 2.14.0+cpu, a CPU build, but install_llm_stack_backend cu126 requires a build for it,"
        " such as 2.14.0+cu126" in said
    )
    assert "Remove torch from the environment" in said


@pytest.mark.parametrize("name", quick("cuda-for-amd", "cuda-for-amd-auto"))
def test_a_build_for_another_vendor_fails_the_host(name: str, played: Played) -> None:
    """The default index's plain version is a CUDA build: on an AMD host it computes on the CPU only."""
    said = played.failure(name)
    assert "has torch 2.13.0, but install_llm_stack_backend rocm7.2 requires" in said
    assert "such as 2.13.0+rocm7.2" in said


@pytest.mark.parametrize(
    ("name", "there", "wanted"),
    quick(
        ("other-cuda", "2.14.0+cu130", "cu126 requires a build for it, such as 2.14.0+cu126"),
        ("plain-for-cuda", "2.14.0", "cu126 requires a build for it, such as 2.14.0+cu126"),
        ("rocm-without-index", "2.14.0+rocm7.14", "cu126 requires a build for it"),
        ("cuda-without-index", "2.13.0", "rocm7.2 requires a build for it"),
    ),
)
def test_a_build_of_another_index_fails_the_host(
    name: str, there: str, wanted: str, played: Played
) -> None:
    said = played.failure(name)
    assert f"has torch {there}, but install_llm_stack_backend {wanted}" in said


@pytest.mark.parametrize("name", quick("rocm-build", "own-build"))
def test_a_build_for_the_vendor_is_accepted(name: str, played: Played) -> None:
    assert changed(played, name) == 0


def test_a_cpu_build_is_what_the_backend_cpu_wants(played: Played) -> None:
    assert changed(played, "cpu-wanted") == 0


def test_constraints_for_what_conda_owns_are_left_out(played: Played) -> None:
    # numpy 1.99.0 would break the constraint, and pip could not even run here.
    assert changed(played, "gpu-build") == 1


def test_the_hub_s_mirror_is_set_at_activation(played: Played, hosts: dict[str, Host]) -> None:
    assert changed(played, "gpu-build") == 1
    found = variables(hosts["gpu-build"])
    mirror = {"HF_ENDPOINT": "https://hub.example.com", "HF_HUB_DISABLE_XET": "1"}
    assert found == {**BEFORE, **mirror}


@pytest.mark.full
def test_the_official_hub_keeps_xet(played: Played, hosts: dict[str, Host]) -> None:
    assert changed(played, "official-hub") == 1
    found = variables(hosts["official-hub"])
    assert found == {**BEFORE, "HF_ENDPOINT": "https://HuggingFace.co/"}


@pytest.mark.full
def test_a_site_can_keep_xet_with_its_mirror(played: Played, hosts: dict[str, Host]) -> None:
    assert changed(played, "own-choice-of-xet") == 1
    assert variables(hosts["own-choice-of-xet"])["HF_HUB_DISABLE_XET"] == "0"


@pytest.mark.full
def test_an_environment_with_the_libraries_of_two_versions_of_cuda_fails(played: Played) -> None:
    said = played.failure("both-stacks")
    assert (
        "NVIDIA libraries for CUDA 12 and CUDA 13, and both torch and tensorflow use them" in said
    )
    assert changed(played, "left-behind") == 0
    assert changed(played, "one-stack") == 0


def test_shared_models_have_a_setgid_directory_and_a_variable(
    played: Played, hosts: dict[str, Host]
) -> None:
    assert changed(played, "shared-models") == 2
    host = hosts["shared-models"]
    models = host.base.parent / "models"
    assert stat.S_IMODE(models.stat().st_mode) == 0o2775
    assert models.stat().st_gid == os.getgid()
    found = variables(host)
    assert found["HF_HUB_CACHE"] == str(models)
    assert (found["OMP_NUM_THREADS"], found["KEPT"]) == ("8", "1")
    assert found["OLD"] != "1"
    assert "HF_HOME" not in found


def test_models_are_put_into_the_cache_by_name(played: Played, hosts: dict[str, Host]) -> None:
    # The variable of the environment, and the loop over two models.
    assert changed(played, "models") == 2
    models = hosts["models"].base.parent / "models"
    found = {}
    for name in ("models--example--sent", "models--there"):
        commit = (models / name / "refs/main").read_text()
        snapshot = models / name / "snapshots" / commit
        assert (snapshot / "config.json").read_text() == "{}"
        found[name] = sorted(path.name for path in snapshot.iterdir())
    assert found == {
        "models--example--sent": ["config.json"],
        "models--there": ["config.json", "tf_model.h5"],
    }
    assert "hf_notforanybodyelse" not in played.text


@pytest.mark.full
def test_a_volume_with_room_is_only_looked_at(played: Played, hosts: dict[str, Host]) -> None:
    assert changed(played, "room") == 0
    assert not (hosts["room"].base.parent / "new").exists()


def test_a_volume_without_room_is_refused_first(played: Played, hosts: dict[str, Host]) -> None:
    assert re.search(r"MiB are free for this user at \S+ \(at least 1099511627776\)", played.flat)
    assert re.search(r"^full +: ok=\d+ +changed=0 +unreachable=0 +failed=1 ", played.text, re.M)
    assert variables(hosts["full"]) == BEFORE


@pytest.mark.full
def test_check_mode_finds_an_installed_stack_for_another_cuda(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    """TensorFlow is there with CUDA 12, and torch for CUDA 13 is asked for: pip has installed nothing yet."""
    there = Host(tmp_path / "host", "2.14.0+cu126", {}, INSTALLED["one-stack"])
    (there.stand_in / "nvidia-smi").write_text(SMI.replace("535.104.05", "580.65.06"))
    (tmp_path / "playbook.yml").write_text(PLAYBOOK)
    variables = {
        "stand_in": str(there.stand_in),
        "install_llm_stack_installation": str(there.base),
        "install_llm_stack_backend": "cu130",
        "install_llm_stack_profiles": ["ours"],
        "install_llm_stack_profile_overrides": {"ours": {"pip": ["torch>=2.11"]}},
    }
    run = play(str(tmp_path / "playbook.yml"), {"host": variables}, "--check")
    assert "CUDA 12 and CUDA 13, and both torch and tensorflow use them" in run.failure("host")
