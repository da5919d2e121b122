"""A host that release 0.1.0 set up is left as it is by today's collection.

Whoever upgrades the collection must not find the fleet changed by the next run. Where such a host has to
change all the same, the changelog names the change, and so does CHANGED here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import build, earlier_release
from lab.mirror import Mirror
from tests.integration.roles.conftest import ROOT, FleetHost, Run
from tests.integration.tree_content import TreeContent, differences, tree_content

SITE = "llmfleet.conda.site"
TODAY = ROOT / "build" / "collections"
CHANGED: list[str] = []
"""Paths that today's site changes on such a host on purpose; the changelog names each change."""

MODULES = ("conda_installation", "conda_config", "conda_env", "conda_pip")
ROLES = ("install_miniconda", "create_conda_env", "install_llm_stack")

# ansible-playbook -vvv prints which file each task and each module comes from.
_TASK = re.compile(r"^task path: (\S+?):\d+$", re.MULTILINE)
_MODULE = re.compile(r"Using module file (\S+)$", re.MULTILINE)
_CORE = re.compile(r"^  ansible python module location = (\S+)$", re.MULTILINE)

_ENVIRONMENT_FILE = """\
dependencies:
  - python=3.11
  - pip
  - pip:
      - defusedxml
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path of its own, into which ansible-galaxy has installed release 0.1.0."""
    build.build([earlier_release.NAME], print)
    folder = tmp_path_factory.mktemp("release")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    subprocess.run(
        [
            *(sys.executable, "-m", "ansible.cli.galaxy", "collection", "install", "--offline"),
            *("--collections-path", folder / "collections", earlier_release.path()),
        ],
        cwd=folder,
        env={**kept, "ANSIBLE_HOME": str(folder / "ansible")},
        check=True,
        capture_output=True,
    )
    return folder / "collections"


def collection_of(collections: Path) -> Path:
    return collections / "ansible_collections" / "llmfleet" / "conda"


@pytest.fixture(scope="module")
def host(release: Path, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> FleetHost:
    """A bare host, with the release's own example of an inventory."""
    work = tmp_path_factory.mktemp("fleet")
    for name in ("host", "home"):
        (work / name).mkdir()
    (work / "environment.yml").write_text(_ENVIRONMENT_FILE)
    environments: list[dict[str, Any]] = [
        {
            "name": "tools",
            "packages": ["lab-upgrade", "lab-post-link"],
            "pinned": ["lab-upgrade<2"],
            "variables": {"OMP_NUM_THREADS": "8"},
        },
        {"prefix": str(work / "host" / "own"), "packages": ["lab-versions"], "frozen": True},
        {"name": "piped", "environment_file": str(work / "environment.yml")},
    ]
    return FleetHost(
        root=work / "host",
        mirror_url=mirror.url,
        group_vars=collection_of(release) / "inventories" / "lab" / "group_vars",
        extra={
            "create_conda_env_environments": environments,
            "create_conda_env_no_index": True,
            "create_conda_env_find_links": [f"{mirror.url}/wheels/"],
            "install_llm_stack_profile_overrides": {
                "data": {"conda": ["numpy"]},
                "inference": {"pip": ["networkx>=3"], "constraints": []},
            },
            "install_llm_stack_variables": {"TOKENIZERS_PARALLELISM": "false"},
            "verify_imports": {"numpy": "", "networkx": ">=3"},
            "verify_model": "",
        },
    )


def content_of(host: FleetHost) -> TreeContent:
    """The host's files and the home directory of the user whom the tasks run as.

    The notes of verify do not count: they say when the checks had passed, and site does not keep them.
    """
    found = tree_content(host.root, host.root.parent / "home")
    return {path: one for path, one in found.items() if not path.endswith("/.llmfleet-verified")}


def assert_from(run: Run, collections: Path) -> None:
    """A run with -vvv took each task and module from this collections path, or from ansible-core."""
    assert f"  ansible collection location = {collections}\n" in run.text
    (core,) = _CORE.findall(run.text)
    named = {*_TASK.findall(run.text), *_MODULE.findall(run.text)}
    files = {Path(name) for name in named if not Path(name).is_relative_to(core)}
    own = collection_of(collections)
    assert [path for path in files if not path.is_relative_to(own)] == []
    shown = {path.relative_to(own).as_posix() for path in files}
    assert {f"plugins/modules/{name}.py" for name in MODULES} <= shown
    assert {f"roles/{name}/tasks/preflight.yml" for name in ROLES} <= shown


@pytest.fixture(scope="module")
def set_up(host: FleetHost, release: Path) -> TreeContent:
    """What the host is made of after a run of release 0.1.0, and of nothing else."""
    manifest = json.loads((collection_of(release) / "MANIFEST.json").read_text())
    assert manifest["collection_info"]["version"] == earlier_release.VERSION
    run = host.play(SITE, "-vvv", "--skip-tags", "verify", collections=release)
    assert run.code == 0, run.text
    assert run.changed > 0
    assert_from(run, release)
    return content_of(host)


def test_the_release_set_up_all_that_is_compared(set_up: TreeContent) -> None:
    installation = "host/opt/miniconda3"
    for name in (
        f"{installation}/.condarc",
        f"{installation}/conda-meta/history",
        f"{installation}/envs/tools/conda-meta/pinned",
        f"{installation}/envs/tools/conda-meta/state",
        f"{installation}/envs/piped/lib/python3.11/site-packages/defusedxml/__init__.py",
        f"{installation}/envs/llm/lib/python3.11/site-packages/numpy/__init__.py",
        f"{installation}/envs/llm/lib/python3.11/site-packages/networkx/__init__.py",
        "host/own/conda-meta/frozen",
        "host/etc/profile.d/llmfleet-conda.sh",
    ):
        assert name in set_up


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--check", "--skip-tags", "verify"], id="check", marks=pytest.mark.full),
        pytest.param([], id="run"),
    ],
)
def test_todays_site_changes_nothing(
    words: list[str], set_up: TreeContent, host: FleetHost
) -> None:
    run = host.play(SITE, "-vvv", *words)
    assert run.code == 0, run.text
    assert_from(run, TODAY)
    assert (run.changed, run.conda_starts) == (0, 0), run.text
    assert differences(set_up, content_of(host)) == CHANGED


@pytest.mark.full
def test_todays_site_finds_that_nothing_is_to_be_done(set_up: TreeContent, host: FleetHost) -> None:
    """Without a file on the controller one module looks for all roles, see look_ahead."""
    entries = host.extra["create_conda_env_environments"]
    known = [entry for entry in entries if "environment_file" not in entry]
    words = json.dumps({"create_conda_env_environments": known})
    run = host.play(SITE, "--skip-tags", "verify", "-e", words)
    assert run.code == 0, run.text
    assert run.modules == ("llmfleet.conda.look_ahead",)
    assert (run.changed, run.conda_starts) == (0, 0), run.text
    assert differences(set_up, content_of(host)) == CHANGED


@pytest.mark.full
def test_todays_verify_passes(set_up: TreeContent, host: FleetHost) -> None:
    run = host.play("llmfleet.conda.verify")
    assert (run.code, run.changed, run.conda_starts) == (0, 0, 0), run.text
    assert host.report["status"] == "pass"
    assert differences(set_up, content_of(host)) == CHANGED
