"""What goes wrong on the host in the middle of the site playbook: said clearly, and nothing is left behind.

The whole of a good run is in roles/test_site.py; mistakes that are found before any host is touched, in
tests/roles/test_bad_variables.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.mirror import Mirror
from tests.integration.roles.conftest import FleetHost
from tests.integration.snapshot import changes, snapshot

# Only in make test-full: tests/roles has the refusals of variables, Molecule the site playbook.
pytestmark = pytest.mark.full

SITE = "llmfleet.conda.site"


@pytest.fixture
def host(mirror: Mirror, tmp_path: Path) -> Callable[..., FleetHost]:
    """A bare host with further variables."""

    def make(**variables: Any) -> FleetHost:
        for name in ("host", "home"):
            (tmp_path / name).mkdir()
        return FleetHost(root=tmp_path / "host", mirror_url=mirror.url, extra=variables)

    return make


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"install_miniconda_checksum": "sha256:" + "0" * 64}, "option checksum"),
        (
            {
                "install_miniconda_installer_url": "",
                "install_miniconda_checksum": "",
                "install_miniconda_version": "py312_99.1.0-0",
            },
            "The option version is not in the catalogue of miniconda",
        ),
        (
            {"install_miniconda_installer_url": "{{ lab_mirror_url }}/none/Miniconda3.sh"},
            "the server answered 404",
        ),
    ],
    ids=["wrong checksum", "unknown version", "404"],
)
def test_installation_that_cannot_be(
    variables: dict[str, Any], expected: str, host: Callable[..., FleetHost]
) -> None:
    fleet_host = host(**variables)
    run = fleet_host.play(SITE)
    assert run.code == 2
    assert expected in " ".join(run.text.split())
    assert "What to do:" in run.text
    assert run.changed == 0
    assert list(fleet_host.root.iterdir()) == []


def test_prefix_that_holds_somebody_else_s_files(host: Callable[..., FleetHost]) -> None:
    fleet_host = host()
    fleet_host.prefix.mkdir(parents=True)
    (fleet_host.prefix / "important.txt").write_text("mine\n")
    before = snapshot(fleet_host.root)
    for words in (["--check"], []):
        run = fleet_host.play(SITE, *words)
        assert run.code == 2
        assert f"{fleet_host.prefix} exists and is not a conda installation" in run.text
        assert run.changed == 0
    assert changes(before, snapshot(fleet_host.root)) == []


def test_half_an_installer_now_and_the_whole_one_later(
    host: Callable[..., FleetHost], mirror: Mirror
) -> None:
    fleet_host = host(create_conda_env_environments=[])
    mirror.fault("/installers/*", "truncate", fraction=0.5)
    run = fleet_host.play(SITE, "--tags", "install")
    assert run.code == 2
    assert "installer_url" in run.text
    assert list(fleet_host.root.iterdir()) == []
    mirror.clear_faults()
    run = fleet_host.play(SITE, "--tags", "install")
    assert run.code == 0, run.text
    assert (fleet_host.prefix / "bin" / "conda").is_file()


def test_environment_with_a_python_that_the_channel_lacks(host: Callable[..., FleetHost]) -> None:
    environments = [{"name": "old", "packages": ["python=2.6"]}]
    fleet_host = host(create_conda_env_environments=environments)
    run = fleet_host.play(SITE, "--tags", "install,environments")
    assert run.code == 2
    assert "python=2.6" in run.text
    assert "correct the name or version in the option packages" in " ".join(run.text.split())
    assert not (fleet_host.prefix / "envs" / "old").exists()
