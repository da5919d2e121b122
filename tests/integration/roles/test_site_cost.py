"""What a converged host costs the site playbook: one module run, unless something is to be done."""

from __future__ import annotations

import getpass
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.roles.conftest import FleetHost, Run

# Only in make test-full: Molecule's table shows the module runs of a converged host in make test.
pytestmark = pytest.mark.full

SITE = "llmfleet.conda.site"


def names_of(run: Run) -> list[str]:
    """The modules that ran on the host."""
    return [name.rpartition(".")[2] for name in run.modules]


@pytest.fixture(scope="module")
def converged(fleet_host: FleetHost) -> Run:
    """The first run."""
    run = fleet_host.play(SITE, "--skip-tags", "verify")
    assert run.code == 0, run.text
    return run


@pytest.mark.parametrize(
    "words",
    [
        ["--tags", "install,environments,stack"],
        ["--skip-tags", "verify"],
        ["--skip-tags", "verify", "--check"],
    ],
    ids=" ".join,
)
def test_a_converged_host_costs_one_module_run(
    words: list[str], converged: Run, fleet_host: FleetHost
) -> None:
    roles = fleet_host.play(SITE, *words)
    assert (roles.code, roles.changed, roles.conda_starts) == (0, 0, 0)
    assert names_of(roles) == ["look_ahead"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tags", "install"], ["conda_installation", "conda_config", "blockinfile"]),
        (["--tags", "environments"], ["conda_env"]),
        (["--skip-tags", "install,environments,verify"], ["conda_env", "conda_pip"]),
    ],
    ids=lambda given: " ".join(given),
)
def test_a_part_costs_few_module_runs(
    words: list[str], expected: list[str], converged: Run, fleet_host: FleetHost
) -> None:
    part = fleet_host.play(SITE, *words)
    assert part.changed == 0
    assert names_of(part) == expected


def spoil_condarc(host: FleetHost) -> None:
    (host.prefix / ".condarc").write_text("channels: [elsewhere]\n")


def spoil_login(host: FleetHost) -> None:
    host.profile.write_text(host.profile.read_text().replace("conda", "cobra"))


def spoil_mode(host: FleetHost) -> None:
    host.profile.chmod(0o600)


def spoil_pip(host: FleetHost) -> None:
    (found,) = host.environment.glob("lib/python3.11/site-packages/networkx-*.dist-info")
    shutil.rmtree(found)


def spoil_base(host: FleetHost) -> None:
    (found,) = (host.prefix / "conda-meta").glob("requests-*.json")
    found.unlink()


@pytest.mark.parametrize("spoil", [spoil_condarc, spoil_login, spoil_mode, spoil_pip, spoil_base])
def test_whatever_is_not_as_asked_is_mended_by_its_role(
    spoil: Callable[[FleetHost], None], converged: Run, fleet_host: FleetHost
) -> None:
    spoil(fleet_host)
    foretold = fleet_host.play(SITE, "--check", "--skip-tags", "verify")
    assert foretold.code == 0, foretold.text
    assert foretold.changed == 1
    mended = fleet_host.play(SITE, "--skip-tags", "verify")
    assert mended.code == 0, mended.text
    assert mended.changed == 1
    assert names_of(mended)[0] == "look_ahead"
    assert len(mended.modules) > 1
    again = fleet_host.play(SITE, "--skip-tags", "verify")
    assert again.changed == 0
    assert names_of(again) == ["look_ahead"]


def test_what_cannot_be_said_beforehand_costs_nothing(
    converged: Run, fleet_host: FleetHost
) -> None:
    words = json.dumps({"create_conda_env_state": "latest"})
    roles = fleet_host.play(SITE, "--skip-tags", "verify", "-e", words)
    assert roles.changed == 0
    assert names_of(roles) == [
        "conda_installation",
        "conda_config",
        "blockinfile",
        "conda_env",
        "conda_env",
        "conda_pip",
    ]


def test_exact_environments_cost_no_further_module_run(
    converged: Run, fleet_host: FleetHost, tmp_path: Path
) -> None:
    # What Ansible calls instead of sudo: this machine's own user owns the environment.
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nwhile [ "$1" != -u ]; do shift; done\nshift 2\nexec "$@"\n')
    sudo.chmod(0o755)
    exact = {"packages": ["python=3.11", "pip", "six"], "exact": True}
    entries = [
        {"name": "kept", **exact},
        {"prefix": str(fleet_host.root / "more"), **exact, "owner": getpass.getuser()},
    ]
    words = json.dumps(
        {
            "create_conda_env_environments": entries,
            "install_llm_stack_exact": True,
            "ansible_become_exe": str(sudo),
        }
    )
    first = fleet_host.play(SITE, "--skip-tags", "verify", "-e", words)
    assert first.code == 0, first.text
    assert names_of(first).count("conda_pip") == 3
    again = fleet_host.play(SITE, "--skip-tags", "verify", "-e", words)
    assert (again.changed, names_of(again)) == (0, ["look_ahead"]), again.text
    # A distribution that the inventory does not name is found without running the roles' modules twice.
    place = fleet_host.root / "more/lib/python3.11/site-packages/extra-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (place / "INSTALLER").write_text("pip\n")
    (place / "RECORD").write_text(
        "".join(f"extra-1.0.dist-info/{name},,\n" for name in ("METADATA", "INSTALLER", "RECORD"))
    )
    mended = fleet_host.play(SITE, "--skip-tags", "verify", "-e", words)
    assert mended.changed == 1, mended.text
    assert not place.exists()


def test_verify_costs_one_module_run(converged: Run, fleet_host: FleetHost) -> None:
    verify = fleet_host.play("llmfleet.conda.verify")
    assert names_of(verify) == ["llm_check"]


def test_a_backend_that_depends_on_the_host_costs_one_module_run(
    converged: Run, fleet_host: FleetHost
) -> None:
    words = json.dumps({"install_llm_stack_backend": "auto", "create_conda_env_environments": []})
    roles = fleet_host.play(SITE, "--tags", "install,environments,stack", "-e", words)
    assert roles.changed == 0
    assert names_of(roles) == [
        "conda_installation",
        "conda_config",
        "blockinfile",
        "accelerator_info",
        "conda_env",
        "conda_pip",
    ]
