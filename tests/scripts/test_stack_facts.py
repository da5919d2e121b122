"""The facts about stacks: the role's file is generated from the tables, and real pip confirms the reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from scripts.generate.facts.writers.stack_facts import WRITER, render
from scripts.layout import ROOT, tool_environment

PATH = "nvidia/cudnn/lib/libcudnn.so.9"


def tables() -> dict[str, list[dict[str, Any]]]:
    return {
        name: yaml.safe_load((ROOT / f"data/facts/{name}.yml").read_text())["rows"]
        for name in WRITER.tables
    }


def variables() -> Any:
    return yaml.safe_load((ROOT / WRITER.target).read_text())


def test_the_role_has_the_facts_of_the_tables() -> None:
    assert (ROOT / WRITER.target).read_text(encoding="utf-8") == render(tables())


def claims(cuda: str, line: str) -> bool:
    """Whether the role takes the line as one for this version of CUDA."""
    patterns = variables()["install_llm_stack__cuda_patterns"][cuda]
    return re.match(rf"\s*(?:{'|'.join(patterns)})", line, re.IGNORECASE) is not None


@pytest.mark.parametrize(
    ("line", "cuda"),
    [
        ("tensorflow[and-cuda]>=2.20", "12"),
        ("  TensorFlow [extra, And_Cuda] ; python_version > '3'", "12"),
        ("nvidia-cudnn-cu12", "12"),
        ("nvidia_nccl.cu12==2.27.7", "12"),
        ("nvidia-cusparselt-cu12", "12"),
        ("nvidia-nvshmem-cu13", "13"),
        ("jax[cuda12]", "12"),
        ("jax[k8s,cuda13]", "13"),
        ("TENSORFLOW[And.Cuda]@https://h.invalid/tensorflow-2.21.0-cp312.whl", "12"),
        ("jax-cuda12-plugin[with_cuda]", "12"),
        ("jax_cuda13_plugin [with-cuda]==0.12.0.1", "13"),
        ("tf-nightly[and-cuda]", "12"),
        ("jax-cuda12-plugin", ""),
        ("tensorflow>=2.20", ""),
        ("tensorflow-cpu[and-cuda]", ""),
        # The release decides: 3.3 has NCCL for CUDA 12, 3.4 for CUDA 13.
        ("xgboost", ""),
        ("tensorflow-text[and-cuda]", ""),
        ("tensorflow[and-cuda-nightly]", ""),
        ("jax[cuda12-local]", ""),
        # Their files are in other directories for CUDA 12 than for CUDA 13.
        ("nvidia-cublas-cu12", ""),
        ("nvidia-cutlass-dsl-libs-cu12", ""),
        ("nvidia-cudnn-cu12-extras", ""),
    ],
)
def test_the_lines_that_bring_cuda_are_known(line: str, cuda: str) -> None:
    assert [one for one in ("12", "13") if claims(one, line)] == ([cuda] if cuda else [])


@pytest.mark.parametrize(
    ("line", "torch"),
    [
        ("torch", True),
        ("Torch[opt_einsum]>=2.11", True),
        ("transformers[sentencepiece,torch]>=5", True),
        ("diffusers[torch]", True),
        ("pytorch_lightning", True),
        ("transformers>=5", False),
        ("transformers[torch-vision]", False),
        ("diffusers", False),
        ("torch-geometric", False),
        ("torchdata", False),
    ],
)
def test_the_lines_that_bring_torch_are_known(line: str, torch: bool) -> None:
    patterns = variables()["install_llm_stack__torch_patterns"]
    assert bool(re.match(rf"\s*(?:{'|'.join(patterns)})", line, re.IGNORECASE)) == torch


def test_the_profile_with_cuda_is_known() -> None:
    path = ROOT / "roles/install_llm_stack/vars/main/profiles/tensorflow.yml"
    (profile,) = yaml.safe_load(path.read_text()).values()
    assert [claims("12", line) for line in profile["cuda"]] == [True]


def test_two_libraries_have_one_path() -> None:
    found = {row["path"]: row["packages"] for row in tables()["cuda_shared_files"]}
    assert found[PATH] == {"12": "nvidia-cudnn-cu12", "13": "nvidia-cudnn-cu13"}
    assert found["nvidia/nccl/lib/libnccl.so.2"] == {
        "12": "nvidia-nccl-cu12",
        "13": "nvidia-nccl-cu13",
    }


@pytest.fixture
def pip(tmp_path: Path) -> Callable[..., str]:
    """Runs the tools' own pip on a new environment, with no other source than a directory of wheels."""
    venv.create(tmp_path / "env", with_pip=False)

    def run(*words: str) -> str:
        python = tmp_path / "env" / "bin" / "python"
        argv = [sys.executable, "-m", "pip", "--python", str(python), "--isolated", *words]
        env = tool_environment()
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    return run


def test_pip_lets_two_packages_own_one_file_and_a_removal_breaks_the_other(
    tmp_path: Path, pip: Callable[..., str]
) -> None:
    """This is why the role refuses the two stacks: pip overwrites, says nothing, and deletes."""
    wheels = tmp_path / "wheels"
    for cuda in ("12", "13"):
        make_wheel(wheels, f"nvidia-cudnn-cu{cuda}", "9.28.0", files={PATH: f"for CUDA {cuda}"})
    source = ("--no-index", "--find-links", str(wheels))
    pip("install", *source, "nvidia-cudnn-cu12")
    pip("install", *source, "nvidia-cudnn-cu13")
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    # The package that was unpacked last has its file there. The other one claims it all the same.
    assert (site / PATH).read_text() == "for CUDA 13"
    for cuda in ("12", "13"):
        record = site / f"nvidia_cudnn_cu{cuda}-9.28.0.dist-info" / "RECORD"
        assert PATH in [line.split(",")[0] for line in record.read_text().splitlines()]
    assert "No broken requirements" in pip("check")
    pip("uninstall", "--yes", "nvidia-cudnn-cu12")
    left = [one["name"] for one in json.loads(pip("list", "--format", "json"))]
    assert left == ["nvidia-cudnn-cu13"]
    assert not (site / PATH).exists()
    assert "No broken requirements" in pip("check")
