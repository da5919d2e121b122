"""Each Python distribution has one owner, with the real conda and the environment's own pip."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab import channel, packages, paths
from lab.mirror import Mirror
from scripts.layout import ROOT
from tests.integration.conda_pip.environment import installed, pip, site_packages
from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda

MakeEnv = Callable[..., Path]


def by_hand(prefix: Path, *lines: str) -> None:
    """The environment's own pip installs, as people do it."""
    links = ["--no-index", "--find-links", str(paths.wheels_dir())]
    pip(prefix, "install", "--quiet", "--disable-pip-version-check", *links, *lines)


def metadata(prefix: Path, name: str) -> list[str]:
    return sorted(path.name for path in site_packages(prefix).glob(f"{name}-*.dist-info"))


def of_owners(answer: dict[str, Any]) -> dict[str, Any]:
    """The result of the check of owners."""
    return next(one for one in answer["checks"] if one["name"] == "environment.owners")


def test_conda_takes_over(
    conda_installation: Path, make_env: MakeEnv, four_steps: Steps, run_module: Any
) -> None:
    prefix = make_env("python=3.11", "pip")
    by_hand(prefix, "tqdm==4.67.3")
    stale = site_packages(prefix) / "tqdm" / "of_pip_alone.py"
    record = site_packages(prefix) / "tqdm-4.67.3.dist-info" / "RECORD"
    stale.write_text("")
    record.write_text(f"{record.read_text()}tqdm/of_pip_alone.py,,\n")
    options = {"installation": str(conda_installation), "prefix": str(prefix)}
    result = four_steps("conda_package", {**options, "packages": ["tqdm=4.66.5"]})
    assert result["removed"] == ["tqdm 4.67.3 (pip)"]
    assert result["added"] == ["tqdm 4.66.5 pylab_0 lab"]
    assert metadata(prefix, "tqdm") == ["tqdm-4.66.5.dist-info"]
    assert not stale.exists()
    assert installed(prefix)["tqdm"] == "4.66.5"
    # pip has nothing to say against it, and nothing to do.
    wheels = {"no_index": True, "find_links": [str(paths.wheels_dir())]}
    lines = {"prefix": str(prefix), "requirements": ["tqdm"], **wheels}
    assert run_module("conda_pip", lines)["changed"] is False


@pytest.mark.full
def test_pip_s_files_return_when_conda_fails(
    conda_installation: Path, make_env: MakeEnv, run_module: Any
) -> None:
    prefix = make_env("python=3.11", "pip")
    by_hand(prefix, "tqdm==4.67.3")
    options = {"installation": str(conda_installation), "prefix": str(prefix)}
    wrong = {**options, "packages": ["tqdm=4.66.5", "lab-needs-missing"]}
    assert run_module("conda_package", wrong)["rc"] == 1
    assert installed(prefix)["tqdm"] == "4.67.3"
    pip(prefix, "check")
    assert not list((prefix / "conda-meta").glob(".llmfleet*"))


@pytest.fixture
def other_name(tmp_path: Path) -> Iterator[str]:
    """The URL of a channel in which the distribution t-lib is in a package of another name."""
    wheel_house = tmp_path / "house"
    make_wheel(wheel_house, "t-lib", "1.0")
    stage = tmp_path / "stage"
    site = stage / "site-packages"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", str(next(wheel_house.iterdir())), str(site)],
        check=True,
    )
    (site / "t_lib-1.0.dist-info" / "INSTALLER").write_text("conda\n")
    root = tmp_path / "site" / "conda" / "own"
    for subdir in ("noarch", "linux-64"):
        (root / subdir).mkdir(parents=True)
    description = packages.Description(
        name="lab-other-name",
        version="1.0",
        build="pyown_0",
        depends=("python >=3.8",),
        noarch="python",
    )
    made = packages.pack(stage, description, root / "noarch")
    record = channel.repodata_record(made)
    for subdir, found in (("noarch", {made.name: record}), ("linux-64", {})):
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": found}
        (root / subdir / "repodata.json").write_text(json.dumps(index))
    with Mirror(tmp_path / "site") as running:
        yield f"{running.url}/conda/own"


@pytest.mark.full
def test_under_another_name(
    conda_installation: Path, make_env: MakeEnv, four_steps: Steps, other_name: str, tmp_path: Path
) -> None:
    prefix, second = make_env("python=3.11", "pip"), make_env("python=3.11", "pip")
    make_wheel(tmp_path, "t-lib", "2.0")
    options = {
        "installation": str(conda_installation),
        "channels": [other_name, "lab"],
        "packages": ["lab-other-name"],
    }
    # The package cache has it after the first environment; check mode knows its files then.
    four_steps("conda_package", {**options, "prefix": str(second)})
    pip(prefix, "install", "--no-index", "--find-links", str(tmp_path), "t-lib==2.0")
    result = four_steps("conda_package", {**options, "prefix": str(prefix)})
    assert result["removed"] == ["t-lib 2.0 (pip)"]
    assert metadata(prefix, "t_lib") == ["t_lib-1.0.dist-info"]


@pytest.mark.full
@pytest.mark.parametrize("how", ["pip over conda", "conda over pip"])
def test_a_mixture_is_mended_by_the_command_of_the_check(
    how: str,
    conda_installation: Path,
    make_env: MakeEnv,
    run_module: Any,
    home: Path,
    tmp_path: Path,
) -> None:
    prefix = make_env("python=3.11", "pip", *(["six=1.16"] if how == "pip over conda" else []))
    by_hand(prefix, "six==1.17.0")
    if how == "conda over pip":
        arguments = ("install", "--yes", "--prefix", str(prefix), "six=1.16", "--json")
        run_conda(conda_installation, home, *arguments)
    check = {"prefix": str(prefix), "checks": ["environment.owners"]}
    found = of_owners(run_module("llm_check", check))
    assert found["status"] == "fail", found
    command = re.search(r"ansible HOST .*", found["detail"])
    assert command, found["detail"]
    words = shlex.split(command[0].replace("HOST", "localhost"))
    inventory = tmp_path / "hosts"
    inventory.write_text(
        f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    )
    done = subprocess.run(
        [str(Path(sys.executable).with_name(words[0])), *words[1:], "-i", str(inventory)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert metadata(prefix, "six") == ["six-1.16.0.dist-info"]
    assert installed(prefix)["six"] == "1.16.0"
    pip(prefix, "check")
    found = of_owners(run_module("llm_check", check))
    assert found["status"] == "pass", found
