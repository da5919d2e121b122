"""Another Python in an environment where pip has installed distributions; real conda and real pip decide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel

ROOT = Path(__file__).resolve().parents[2]
OLD = ("python=3.11", "pip")
NEW = ("python=3.12", "pip")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheelhouse: py-app with a script, which needs py-lib, and py-other."""
    house = tmp_path / "wheels"
    house.mkdir()
    make_wheel(house, "py-lib", "1.0")
    make_wheel(house, "py-app", "1.0", requires=["py-lib"], scripts={"py-app": "py_app:main"})
    make_wheel(house, "py-other", "2.0")
    return house


@pytest.fixture
def by_pip(run_module: Any, wheels: Path) -> Callable[..., dict[str, Any]]:
    """Install requirements with conda_pip."""

    def install(prefix: Path, *requirements: str) -> dict[str, Any]:
        options = {
            "prefix": str(prefix),
            "requirements": list(requirements),
            "no_index": True,
            "find_links": [str(wheels)],
        }
        done: dict[str, Any] = run_module("conda_pip", options)
        assert done["rc"] == 0, done
        return done

    return install


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_env and conda_package."""

    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def told_by_pip(prefix: Path) -> set[str]:
    """Name and version of every distribution, as pip itself lists them."""
    argv = [str(prefix / "bin/python"), "-I", "-m", "pip", "list", "--format=json"]
    argv.append("--disable-pip-version-check")
    done = subprocess.run(argv, env={}, capture_output=True, text=True, check=True)
    return {f"{item['name']}=={item['version']}" for item in json.loads(done.stdout)}


def refused(run_module: Any, module: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Check mode and the real run, which both must refuse."""
    results = [run_module(module, options, check=check) for check in (True, False)]
    for result in results:
        assert result["rc"] != 0, result
        assert result["error_kind"] == "python_change", result
    assert results[0]["msg"] == results[1]["msg"]
    return results


def converges(run_module: Any, module: str, options: dict[str, Any]) -> dict[str, Any]:
    """Check mode foretells the run with the same warnings, after which nothing is to do."""
    check = run_module(module, options, check=True, warns=True)
    done = run_module(module, options, warns=True)
    again = run_module(module, options)
    assert (check["rc"], done["rc"], again["rc"]) == (0, 0, 0), (check, done, again)
    assert (check["changed"], done["changed"], again["changed"]) == (True, True, False)
    assert check["diff"] == done["diff"]
    assert check["plan"] == done["plan"]
    assert check["warnings"] == done["warnings"]
    assert again["plan"]["pip_removed"] == []
    return dict(done)


def test_a_change_of_python_that_would_lose_distributions_is_refused(
    make_env: Any, run_module: Any, options: Any, by_pip: Any
) -> None:
    prefix = make_env(*OLD)
    by_pip(prefix, "py-app", "py-other")
    before = told_by_pip(prefix)
    for module in ("conda_env", "conda_package"):
        result = refused(run_module, module, options(prefix, *NEW))[0]
        for name in ("py-app==1.0", "py-lib==1.0", "py-other==2.0"):
            assert name in result["msg"]
        assert "Python 3.11" in result["msg"]
    # The requirement lines of a later task: only py-other is lost.
    lines = options(prefix, *NEW, pip_requirements=["py-app>=1"])
    assert refused(run_module, "conda_env", lines)[0]["pip_distributions"] == ["py-other==2.0"]
    assert told_by_pip(prefix) == before


@pytest.mark.full
def test_a_change_of_python_whose_distributions_a_later_task_installs(
    make_env: Any, run_module: Any, options: Any, by_pip: Any, versions: Any
) -> None:
    prefix = make_env(*OLD)
    by_pip(prefix, "py-app", "py-other")
    own = prefix / "lib/python3.11/site-packages/mine.py"
    own.write_text("MINE = 1\n")
    lines = options(prefix, *NEW, pip_requirements=["py-app>=1", "py-other"])
    done = converges(run_module, "conda_env", lines)
    assert versions(prefix)["python"].startswith("3.12.")
    gone = {"py-app==1.0 (pip, Python 3.11)", "py-lib==1.0 (pip, Python 3.11)"}
    assert gone <= set(done["removed"])
    assert gone <= set(done["diff"]["before"].splitlines())
    assert set(done["plan"]["pip_removed"]) >= gone
    warned = " ".join(done["warnings"])
    assert "py-other==2.0" in warned
    assert "lib/python3.11/site-packages/mine.py" in warned
    left = [path for path in (prefix / "lib/python3.11").rglob("*") if path.is_file()]
    assert left == [own]
    assert not (prefix / "bin/py-app").exists()
    assert by_pip(prefix, "py-app", "py-other")["changed"]
    assert {"py-app==1.0", "py-lib==1.0", "py-other==2.0"} <= told_by_pip(prefix)


@pytest.mark.full
def test_down_again_with_remove_by_conda_package(
    make_env: Any, run_module: Any, options: Any, by_pip: Any
) -> None:
    prefix = make_env(*NEW)
    by_pip(prefix, "py-app")
    wanted = options(prefix, "python=3.11", pip_on_python_change="remove")
    done = converges(run_module, "conda_package", wanted)
    assert done["python_version"] == "3.11"
    assert not (prefix / "lib/python3.12").exists()
    assert not (prefix / "bin/py-app").exists()
    assert "py-lib==1.0" in " ".join(done["warnings"])


@pytest.mark.full
def test_latest_and_a_removal_of_python_are_refused(
    make_env: Any, run_module: Any, options: Any, by_pip: Any
) -> None:
    prefix = make_env(*OLD)
    by_pip(prefix, "py-lib")
    refused(run_module, "conda_env", options(prefix, "python", "pip", state="latest"))
    refused(run_module, "conda_package", options(prefix, "python", state="absent"))
    refused(run_module, "conda_env", options(prefix, "lab-upgrade", exact=True))
    # Other changes, and a newer Python of the same minor version, are not.
    allowed = run_module("conda_env", options(prefix, "python=3.11", "pip", "lab-upgrade"))
    assert allowed["changed"], allowed
    assert "py-lib==1.0" in told_by_pip(prefix)


def play_role(
    directory: Path, home: Path, variables: dict[str, Any], *words: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run the role create_conda_env; exit status, and the results of its module runs."""
    role = {"role": "llmfleet.conda.create_conda_env"}
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "roles": [role]}
    playbook = directory / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "PYTHON", "CONDA_"))
    }
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            str(playbook),
            *("-i", "localhost,", "-c", "local", "--diff"),
            *("-e", f"ansible_python_interpreter={sys.executable}"),
            *words,
        ],
        cwd=ROOT,
        env={
            **kept,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(directory / "ansible"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.json",
            "HOME": str(home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"plays"' in done.stdout, done.stdout + done.stderr
    (played,) = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"]
    results = [task["hosts"]["localhost"] for task in played["tasks"]]
    return done.returncode, [one for result in results for one in result.get("results", [])]


@pytest.mark.full
def test_the_role_changes_python_and_installs_again_in_one_run(
    make_env: Any, wheels: Path, by_pip: Any, tmp_path: Path, home: Path, conda_installation: Path
) -> None:
    prefix = make_env(*OLD)
    declared = tmp_path / "environment.yml"
    variables: dict[str, Any] = {
        "create_conda_env_installation": str(conda_installation),
        "create_conda_env_find_links": [str(wheels)],
        "create_conda_env_no_index": True,
        "create_conda_env_environments": [
            {"prefix": str(prefix), "environment_file": str(declared)}
        ],
    }

    def declare(python: str) -> None:
        dependencies = [f"python={python}", "pip", {"pip": ["py-app"]}]
        declared.write_text(yaml.safe_dump({"channels": ["lab"], "dependencies": dependencies}))

    declare("3.11")
    assert play_role(tmp_path, home, variables)[0] == 0
    by_pip(prefix, "py-other")
    declare("3.12")
    code, results = play_role(tmp_path, home, variables)
    assert code != 0
    assert "py-other==2.0" in results[-1]["msg"]
    assert "py-app==1.0" not in results[-1]["msg"]
    variables["create_conda_env_environments"][0]["pip_on_python_change"] = "remove"
    code, results = play_role(tmp_path, home, variables)
    assert code == 0, results
    assert {"py-app==1.0", "py-lib==1.0"} <= told_by_pip(prefix)
    assert not (prefix / "lib/python3.11").exists()
    assert (prefix / "bin/py-app").exists()
    code, results = play_role(tmp_path, home, variables)
    assert code == 0
    assert not [result for result in results if result.get("changed")]
