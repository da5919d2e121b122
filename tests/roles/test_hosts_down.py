"""A host that is down is reported as unreachable, whichever module or playbook meets it first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

# Nothing listens on this port of this machine.
DOWN = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
NAMESPACE = "llmfleet.conda"
NAMED = {"installation": "/opt/mc", "name": "llm"}
MODULES: dict[str, tuple[str, dict[str, Any]]] = {
    "installation": ("conda_installation", {"prefix": "/opt/mc"}),
    "absent": ("conda_installation", {"prefix": "/opt/mc", "state": "absent"}),
    "remote": (
        "conda_installation",
        {"prefix": "/opt/mc", "installer_path": "/x.sh", "remote_src": True},
    ),
    "installer": ("conda_installation", {"prefix": "/opt/mc", "installer_path": "installer.sh"}),
    "model": ("hub_model", {**NAMED, "model": "a/b"}),
    "files": ("hub_model", {"model": "a/b", "path": "files"}),
    "config": ("conda_config", {"path": "/etc/condarc", "settings": {}}),
    "env": ("conda_env", {**NAMED, "packages": ["python"]}),
    "file": ("conda_env", {**NAMED, "environment_file": "environment.yml"}),
    "package": ("conda_package", {**NAMED, "packages": ["python"]}),
    "pip": ("conda_pip", {**NAMED, "requirements": ["x"]}),
    "lines": ("conda_pip", {**NAMED, "requirements_files": ["requirements.txt"]}),
    "info": ("conda_info", {}),
    "gpu": ("accelerator_info", {}),
    "check": ("llm_check", {**NAMED}),
    "ahead": ("look_ahead", {"steps": [{"module": f"{NAMESPACE}.conda_env", "options": {}}]}),
    # Asks the host's shell first.
    "bare": (
        "look_ahead",
        {
            "steps": [
                {"module": f"{NAMESPACE}.conda_installation", "options": {"prefix": "/opt/mc"}}
            ]
        },
    ),
}


@pytest.fixture(scope="module")
def played(play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One run in which each host meets another module first."""
    place = tmp_path_factory.mktemp("down")
    (place / "files").mkdir()
    (place / "files" / "config.json").write_text("{}")
    for name in ("installer.sh", "environment.yml", "requirements.txt"):
        (place / name).write_text("")
    # A file for each host, as a condition would start a process for each task and host.
    for host, (module, options) in MODULES.items():
        task = {"name": f"Run {module}", f"{NAMESPACE}.{module}": options}
        (place / f"{host}.yml").write_text(json.dumps([task]))
    tasks = [
        {"name": "Run a module", "ansible.builtin.include_tasks": "{{ inventory_hostname }}.yml"}
    ]
    (place / "playbook.yml").write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}])
    )
    return play(str(place / "playbook.yml"), dict.fromkeys(MODULES, DOWN))


@pytest.mark.parametrize("host", MODULES)
def test_every_module_reports_an_unreachable_host(host: str, played: Played) -> None:
    counts = played.summary["hosts"][host]
    assert (counts["unreachable"], counts["failed"]) == (1, 0), played.text


@pytest.mark.full
@pytest.mark.parametrize("playbook", ["site", "update", "verify", "remove"])
def test_every_playbook_reports_an_unreachable_host(
    playbook: str, play: Callable[..., Played], tmp_path: Path
) -> None:
    run = play(
        f"{NAMESPACE}.{playbook}",
        {"down": DOWN},
        verify_report=str(tmp_path / "report.json"),
    )
    counts = run.summary["hosts"]["down"]
    assert (run.code, counts["unreachable"], counts["failed"]) == (4, 1, 0), run.text
