"""The demo's inventory and shell, without running the demo."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from scripts.layout import ROOT, VENV_BIN, tool_environment
from scripts.play import demo, demo_site

INSTALLER = {
    "filename": "Miniconda3-py311_24.7.1-lab0-Linux-x86_64.sh",
    "version": "py311_24.7.1-lab0",
    "sha256": "ab" * 32,
}


@pytest.fixture
def site(tmp_path: Path) -> demo_site.Site:
    models = tmp_path / "cache"
    (models / demo_site.MODEL).mkdir(parents=True)
    (models / demo_site.MODEL / "config.json").write_text("{}")
    made = demo_site.Site(tmp_path / "demo")
    made.prepare()
    made.write(INSTALLER, "http://127.0.0.1:1234", models)
    return made


def test_inventory_holds_the_demo_host_and_the_labs_variables(site: demo_site.Site) -> None:
    done = subprocess.run(
        [VENV_BIN / "ansible-inventory", "-i", site.inventory, "--host", demo_site.HOST],
        env=tool_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    variables = json.loads(done.stdout)
    assert variables["ansible_connection"] == "local"
    assert variables["install_miniconda_prefix"] == str(site.prefix)
    assert variables["lab_installer_checksum"] == "sha256:" + "ab" * 32
    assert variables["lab_mirror_url"] == "http://127.0.0.1:1234"
    assert "install_llm_stack_environment" in variables
    assert (site.models / demo_site.MODEL / "config.json").exists()


def test_inventory_can_be_written_again(site: demo_site.Site) -> None:
    before = (site.inventory / "hosts.yml").read_text()
    site.write(INSTALLER, "http://127.0.0.1:1234", site.models.parent.parent / "cache")
    assert (site.inventory / "hosts.yml").read_text() == before


def test_environment_keeps_everything_inside(
    site: demo_site.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/else")
    monkeypatch.setenv("CONDA_PREFIX", "/somewhere/else")
    monkeypatch.setenv("CI", "true")
    environment = site.environ()
    assert environment["HOME"] == str(site.home)
    assert environment["TMPDIR"].startswith(str(site.root))
    assert {"XDG_CACHE_HOME", "CONDA_PREFIX", "CI", "PYTHONDONTWRITEBYTECODE"} & set(
        environment
    ) == set()


def test_shell_runs_a_command_in_the_activated_environment(site: demo_site.Site) -> None:
    # A profile that stands for conda's, to see what the shell does with it.
    (site.profile / "conda.sh").write_text('conda() { active="$*"; }\n')
    done = subprocess.run(
        [site.shell, "eval", 'echo "$active|$HOME|${CONDA_PREFIX-none}"; exit 3'],
        env={**os.environ, "CONDA_PREFIX": "/somewhere/else"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"activate llm|{site.home}|none"
    assert done.returncode == 3


def test_too_long_a_path_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("d" * 40, "e" * 60)
    with pytest.raises(demo.DemoFailed, match="characters shorter"):
        demo.check_machine(demo_site.Site(deep))
    assert not deep.exists()


def test_path_with_a_space_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "ROOT", Path("/home/ada/my projects/conda"))
    with pytest.raises(demo.DemoFailed, match="holds a space"):
        demo.check_machine(demo_site.Site(tmp_path))


def test_other_platforms_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.platform, "system", lambda: "Darwin")
    with pytest.raises(demo.DemoFailed, match="Darwin"):
        demo.check_machine(demo_site.Site(tmp_path))
