"""Requirement lines that apply on a host, from variables and from files with the files that they include."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible import constants
from ansible.parsing.dataloader import DataLoader

from ansible_collections.llmfleet.conda.plugins.lookup import requirement_lines

NAME = "llmfleet.conda.requirement_lines"


def lines(*names: str, **options: object) -> list[str]:
    # As Ansible's loader does: the options with their defaults and types are those of the documentation.
    known = yaml.safe_load(requirement_lines.DOCUMENTATION)["options"]
    constants.config.initialize_plugin_configuration_definitions("lookup", NAME, known)
    plugin = requirement_lines.LookupModule(loader=DataLoader())
    plugin._load_name = NAME
    chosen = {"platforms": ["linux-64"], "python": "3.12", "lines": [], **options}
    return plugin.run(list(names), {}, **chosen)


@pytest.mark.parametrize(
    ("line", "listed"),
    [
        ("tensorflow[and-cuda]>=2.20", "tensorflow[and-cuda]>=2.20"),
        ("tensorflow  # [and-cuda] is for later", "tensorflow"),
        ("# tensorflow[and-cuda]", ""),
        ("tensorflow[and-cuda] \\\n  >=2.20", "tensorflow[and-cuda]   >=2.20"),
        ("six --hash=sha256:" + "0a" * 32, "six --hash=sha256:" + "0a" * 32),
        ('nvidia-cudnn-cu12 ; sys_platform == "win32"', ""),
        ('nvidia-cudnn-cu12 ; sys_platform != "darwin"', 'nvidia-cudnn-cu12 ; sys_platform != "darwin"'),
        ("jax[cuda12] ; platform_machine == 'aarch64'", ""),
        ("jax[cuda12] ; python_version < '3.10'", ""),
        ("jax[cuda12] ; extra == 'gpu'", ""),
        ("tensorflow[and-cuda] @ https://h.invalid/tensorflow-2.21.0.whl ; os_name == 'nt'", ""),
        ("--pre", ""),
        ("tensorflow[and-cuda", ""),
    ],
)  # fmt: skip
def test_a_line(line: str, listed: str) -> None:
    assert lines(lines=[line]) == ([listed] if listed else [])


def test_a_line_applies_on_all_platforms() -> None:
    both = ["linux-64", "osx-arm64"]
    one = 'tensorflow[and-cuda] ; sys_platform == "linux"'
    assert lines(lines=[one, "torch"], platforms=both) == ["torch"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_files_with_the_files_that_they_include(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "stack.txt").write_text("torch\r\n-r more/gpu.txt\r\n", encoding=encoding)
    (tmp_path / "more/gpu.txt").write_text("-c pins.txt\nTensorFlow [And_CUDA]\n-r cpu.txt\n")
    (tmp_path / "more/cpu.txt").write_text("pandas\n")
    (tmp_path / "more/pins.txt").write_text("jax==0.12\n")
    found = lines(str(tmp_path / "stack.txt"), lines=["six"])
    assert found == ["six", "torch", "TensorFlow [And_CUDA]", "pandas"]


def test_files_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").write_text("torch\n-r loop.txt\n")
    (tmp_path / "bytes.txt").write_bytes(b"torch\n\xff\xfe\n")
    (tmp_path / "good.txt").write_text("six\n")
    names = [str(tmp_path / f"{name}.txt") for name in ("loop", "bytes", "lost", "good")]
    assert lines(*names) == ["six"]
