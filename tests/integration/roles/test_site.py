"""The main job by its playbooks, on one host: predicted, done, done once, broken, mended, removed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.roles.conftest import FleetHost, Run

# In make test-full. In make test, the other releases of ansible-core run a part of it, Molecule the rest.
pytestmark = pytest.mark.full

SITE = "llmfleet.conda.site"
CHANGING = (
    "Install Miniconda",
    "Configure channels",
    "Activate conda in login shells",
    "Create or remove environments",
    "Create the stack's environment",
    "Install Python packages",
)


def entries(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture(scope="module")
def predicted(fleet_host: FleetHost) -> Run:
    """Check mode on the bare host."""
    run = fleet_host.play(SITE, "--check")
    assert entries(fleet_host.root) == []
    return run


@pytest.fixture(scope="module")
def converged(fleet_host: FleetHost, predicted: Run) -> Run:
    """The first run."""
    return fleet_host.play(SITE)


def test_check_mode_on_a_bare_host_passes_and_writes_nothing(
    predicted: Run, fleet_host: FleetHost
) -> None:
    assert predicted.code == 0, predicted.text
    assert predicted.conda_starts == 0
    assert not fleet_host.report_path.exists()


def test_a_bare_host_is_not_asked_what_is_missing(predicted: Run, converged: Run) -> None:
    for run in (predicted, converged):
        assert run.modules[0].endswith("conda_installation")


def test_check_mode_predicts_the_changes(predicted: Run, converged: Run) -> None:
    assert converged.code == 0, converged.text
    assert converged.changed == len(CHANGING)
    assert predicted.changed == converged.changed


def test_the_report_says_that_the_host_passed(converged: Run, fleet_host: FleetHost) -> None:
    report = fleet_host.report
    assert report["status"] == "pass"
    names = [check["name"] for check in report["checks"]]
    assert {"imports.numpy", "imports.networkx", "workload.regression_numpy"} <= set(names)
    keys = {"detail", "name", "seconds", "status"}
    assert all(set(check) - {"environment"} == keys for check in report["checks"])
    # Checks of the host and of base name no environment.
    assert {check.get("environment") for check in report["checks"]} == {None, "llm"}


def test_a_login_shell_can_activate_the_environment(converged: Run, fleet_host: FleetHost) -> None:
    code = "import numpy, sys; print(sys.prefix)"
    command = f". {fleet_host.profile} && conda activate llm && python -c '{code}'"
    environment = {"PATH": os.defpath, "HOME": str(fleet_host.root.parent / "home")}
    said = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(fleet_host.environment)


def test_a_second_run_changes_nothing_and_starts_no_conda(
    converged: Run, fleet_host: FleetHost
) -> None:
    again = fleet_host.play(SITE)
    assert again.code == 0, again.text
    assert again.changed == 0
    assert again.conda_starts == 0


def test_verify_names_what_is_broken_and_site_mends_it(
    converged: Run, fleet_host: FleetHost
) -> None:
    package = fleet_host.environment / "lib/python3.11/site-packages/numpy"
    (package / "__init__.py").unlink()

    looked = fleet_host.play("llmfleet.conda.verify")
    assert looked.code == 2
    assert looked.changed == 0
    assert fleet_host.report["status"] == "fail"
    failed = [check for check in fleet_host.report["checks"] if check["status"] == "fail"]
    assert any("numpy" in check["detail"] for check in failed)
    assert f"failed: {failed[0]['name']}: " in looked.text

    # Check mode sees the damage, predicts the repair and does not hold the damage against the host.
    foretold = fleet_host.play(SITE, "--check")
    assert foretold.code == 0, foretold.text
    assert foretold.changed > 0
    assert foretold.conda_starts == 0
    assert not (package / "__init__.py").exists()

    mended = fleet_host.play(SITE)
    assert mended.code == 0, mended.text
    # The two tasks that look at this environment both foretell the repair, which the first then makes.
    assert mended.changed == 1
    assert fleet_host.report["status"] == "pass"
    assert (package / "__init__.py").is_file()


def test_what_was_declared_and_not_rolled_out_is_drift(
    converged: Run, fleet_host: FleetHost
) -> None:
    more = json.dumps({"install_llm_stack_packages": ["lab-upgrade=1.0"]})
    looked = fleet_host.play("llmfleet.conda.verify", "-e", more)
    assert (looked.code, looked.changed, looked.conda_starts) == (2, 0, 0)
    assert len(looked.modules) == 1
    assert fleet_host.report["status"] == "drift"
    drifted = [check for check in fleet_host.report["checks"] if check["status"] == "drift"]
    assert [check["name"] for check in drifted] == ["drift.packages"]
    assert "lab-upgrade=1.0" in drifted[0]["detail"]
    # Drift is where a run would change something.
    assert fleet_host.play(SITE, "--check", "--tags", "stack", "-e", more).changed == 1
    assert fleet_host.play("llmfleet.conda.verify").code == 0


def test_what_was_taken_away_by_hand_is_drift_until_site_runs(
    converged: Run, fleet_host: FleetHost
) -> None:
    python = fleet_host.environment / "bin" / "python"
    words = [python, "-m", "pip", "uninstall", "--yes", "--quiet", "networkx"]
    subprocess.run(words, check=True, capture_output=True)
    # Nothing imports it here: what is there is sound.
    numpy = {"verify_imports": {"numpy": ""}}
    assert fleet_host.play("llmfleet.conda.verify", "-e", json.dumps(numpy)).code == 2
    assert fleet_host.report["status"] == "drift"
    drifted = [check for check in fleet_host.report["checks"] if check["status"] == "drift"]
    assert [check["name"] for check in drifted] == ["drift.requirements"]
    assert "networkx is not installed" in drifted[0]["detail"]
    borne = json.dumps({**numpy, "verify_drift_fails": False})
    assert fleet_host.play("llmfleet.conda.verify", "-e", borne).code == 0
    mended = fleet_host.play(SITE)
    assert (mended.code, mended.changed) == (0, 1), mended.text
    assert fleet_host.report["status"] == "pass"


def test_environments_come_and_go_by_the_list_alone(converged: Run, fleet_host: FleetHost) -> None:
    own = fleet_host.root / "own"
    wanted: list[dict[str, object]] = [
        {"name": "tutorial", "packages": ["python=3.8", "numpy"]},
        {"prefix": str(own), "packages": ["lab-upgrade=1.0"]},
    ]

    def keep(environments: list[dict[str, object]]) -> Run:
        words = json.dumps({"create_conda_env_environments": environments})
        run = fleet_host.play(SITE, "--tags", "environments", "-e", words)
        assert run.code == 0, run.text
        return run

    keep(wanted)
    python = fleet_host.prefix / "envs" / "tutorial" / "bin" / "python"
    said = subprocess.run(
        [python, "-c", "import numpy, sys; print(sys.version)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.startswith("3.8.")
    assert list((own / "conda-meta").glob("lab-upgrade-1.0-*.json")) != []
    assert keep(wanted).changed == 0
    assert keep([]).changed == 0
    assert python.exists()
    keep([{**entry, "state": "absent"} for entry in wanted])
    assert not python.exists()
    assert not (own / "conda-meta").exists()
    assert fleet_host.environment.is_dir()


def test_update_of_a_host_that_has_the_newest_changes_nothing(
    converged: Run, fleet_host: FleetHost
) -> None:
    updated = fleet_host.play("llmfleet.conda.update")
    assert updated.code == 0, updated.text
    assert updated.changed == 0
    assert fleet_host.report["status"] == "pass"


def test_remove_leaves_nothing_behind(converged: Run, fleet_host: FleetHost) -> None:
    foretold = fleet_host.play("llmfleet.conda.remove", "--check")
    assert foretold.code == 0, foretold.text
    assert fleet_host.environment.is_dir()

    removed = fleet_host.play("llmfleet.conda.remove")
    assert removed.code == 0, removed.text
    # As for the repair: two tasks foretell the removal of one environment.
    assert (foretold.changed, removed.changed) == (4, 3)
    left = [name for name in entries(fleet_host.root) if (fleet_host.root / name).is_file()]
    assert left == []

    again = fleet_host.play("llmfleet.conda.remove")
    assert again.code == 0, again.text
    assert again.changed == 0
