"""The site playbook where each user has an installation, environments and the stack of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.mirror import Mirror
from tests.integration.roles.conftest import FleetHost, Run

# Only in make test-full.
pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

SITE = "llmfleet.conda.site"
USERS = ("ada", "ben")
# What Ansible calls instead of sudo: each user is a home directory of this machine's own user.
SUDO = """#!/bin/sh
while [ "$1" != -u ]; do shift; done
HOME="{homes}/$2"; export HOME
shift 2
exec "$@"
"""


@pytest.fixture(scope="module")
def host(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> FleetHost:
    work = tmp_path_factory.mktemp("users")
    for name in ("host", "home", "tmp", *(f"homes/{user}" for user in USERS)):
        (work / name).mkdir(parents=True)
    sudo = work / "sudo"
    sudo.write_text(SUDO.format(homes=work / "homes"))
    sudo.chmod(0o755)
    return FleetHost(
        root=work / "host",
        mirror_url=mirror.url,
        extra={
            "ansible_become_exe": str(sudo),
            # These users do not exist, so no file can be given to them.
            "ansible_pipelining": True,
            "ansible_remote_tmp": str(work / "tmp"),
            "install_miniconda_users": [*USERS],
            "install_miniconda_prefix": "~/miniconda3",
            "install_miniconda_platform": "debian",
            "create_conda_env_environments": [
                {"name": "tools", "packages": ["lab-upgrade=1.0"]},
                {"prefix": "~/more", "packages": ["lab-upgrade=1.1"]},
            ],
            "install_llm_stack_profiles": ["data"],
            "install_llm_stack_profile_overrides": {
                "data": {"conda": [], "pip": ["networkx>=3"], "constraints": []}
            },
        },
    )


def homes(host: FleetHost) -> list[Path]:
    return [host.root.parent / "homes" / user for user in USERS]


@pytest.fixture(scope="module")
def done(host: FleetHost) -> Run:
    """Refused with the checks, foretold, then done."""
    refused = host.play(SITE, "--check")
    assert refused.code == 2
    assert "each of install_miniconda_users (ada, ben) has one at ~/miniconda3" in (
        " ".join(refused.text.split())
    )
    assert refused.modules == ()
    foretold = host.play(SITE, "--check", "--skip-tags", "verify")
    assert foretold.code == 0, foretold.text
    assert [list(home.iterdir()) for home in homes(host)] == [[], []]
    done = host.play(SITE, "--skip-tags", "verify")
    assert done.code == 0, done.text
    # For each user: conda, its .condarc, the login file, two environments, the stack's and its wheels.
    assert foretold.changed == done.changed
    return done


def names(prefix: Path) -> set[str]:
    found = [json.loads(path.read_text()) for path in (prefix / "conda-meta").glob("*.json")]
    return {f"{record['name']}={record['version']}" for record in found}


def test_each_user_has_all_of_it(done: Run, host: FleetHost) -> None:
    for home in homes(host):
        assert names(home / "miniconda3/envs/tools") == {"lab-upgrade=1.0"}
        assert names(home / "more") == {"lab-upgrade=1.1"}
        stack = home / "miniconda3/envs/llm"
        assert {name.partition("=")[0] for name in names(stack)} >= {"pip", "python"}
        assert list(stack.glob("lib/python3.11/site-packages/networkx-*.dist-info"))


def test_a_second_run_changes_nothing(done: Run, host: FleetHost) -> None:
    again = host.play(SITE, "--skip-tags", "verify")
    assert (again.code, again.changed, again.conda_starts) == (0, 0, 0), again.text


def test_one_user_is_verified_as_the_refusal_says(done: Run, host: FleetHost) -> None:
    words = {
        "install_miniconda_users": [],
        "ansible_become": True,
        "ansible_become_user": "ada",
        "verify_report": str(host.report_path),
        "verify_imports": {"networkx": ""},
        "verify_model": "",
        "verify_checks": ["installation", "environment", "imports"],
    }
    verified = host.play("llmfleet.conda.verify", "-e", json.dumps(words))
    assert verified.code == 0, verified.text
    assert host.report["status"] == "pass"
