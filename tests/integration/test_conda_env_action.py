"""Files of the controller for conda_env, in real plays over a local connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import paths
from lab.mirror import Mirror
from tests.integration.selection import only_full_but

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = (
    "channels: [lab]\ndependencies:\n  - lab-upgrade=1.1\nvariables:\n  LAB: from the file\n"
)


@dataclass(frozen=True)
class Controller:
    """A directory on the controller with a play of one task, and the prefix that the task is about."""

    directory: Path
    prefix: Path
    installation: Path
    home: Path

    def play(self, options: dict[str, Any], *words: str) -> tuple[int, dict[str, Any]]:
        """Run the task; returns the exit status of ansible-playbook and the task's result."""
        where = {"installation": str(self.installation), "prefix": str(self.prefix)}
        return self.run({"tasks": [{"llmfleet.conda.conda_env": {**where, **options}}]}, *words)

    def run(self, play: dict[str, Any], *words: str) -> tuple[int, dict[str, Any]]:
        """Run a play; the exit status of ansible-playbook and the last result that was not skipped."""
        play = {"hosts": "localhost", "gather_facts": False, **play}
        playbook = self.directory / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "PYTHON", "CONDA_"))
        }
        environment |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.json",
            "HOME": str(self.home),
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
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "[WARNING]" not in done.stdout + done.stderr, done.stdout + done.stderr
        assert "plays" in done.stdout, done.stdout + done.stderr
        (played,) = json.loads(done.stdout)["plays"]
        results = [task["hosts"]["localhost"] for task in played["tasks"]]
        return done.returncode, [result for result in results if "skipped" not in result][-1]


@pytest.fixture
def controller(tmp_path: Path, conda_installation: Path, home: Path) -> Controller:
    directory = tmp_path / "controller"
    directory.mkdir()
    return Controller(directory, tmp_path / "env", conda_installation, home)


Versions = Callable[[Path], dict[str, str]]


@pytest.mark.full
@pytest.mark.parametrize("place", [".", "files"])
def test_a_file_beside_the_play(
    place: str, controller: Controller, versions: Versions, conda: Any
) -> None:
    (controller.directory / place).mkdir(exist_ok=True)
    (controller.directory / place / "environment.yml").write_text(ENVIRONMENT)
    options = {"environment_file": "environment.yml"}
    steps = [controller.play(options, *words) for words in (["--check"], [], ["--check"], [])]
    assert [code for code, _result in steps] == [0, 0, 0, 0]
    assert [result["changed"] for _code, result in steps] == [True, True, False, False]
    assert steps[0][1]["diff"] == steps[1][1]["diff"]
    assert versions(controller.prefix) == {"lab-upgrade": "1.1"}
    prefix = str(controller.prefix)
    listed = conda("env", "config", "vars", "list", "--prefix", prefix)
    assert listed == {"LAB": "from the file"}
    # Nothing of the file is left where it was not before, and it need not be there for what is to go.
    (controller.directory / place / "environment.yml").unlink()
    code, result = controller.play({**options, "state": "absent"})
    assert (code, result["changed"]) == (0, True)
    assert not controller.prefix.exists()


def test_a_lock_by_its_absolute_path(
    controller: Controller, mirror: Mirror, versions: Versions
) -> None:
    path = controller.directory.parent / "host.lock"
    (package,) = (paths.channel_dir() / "noarch").glob("lab-upgrade-1.0-*.conda")
    path.write_text(f"@EXPLICIT\n{mirror.url}/conda/lab/noarch/{package.name}\n")
    code, result = controller.play({"lock_file": str(path)})
    assert (code, result["changed"]) == (0, True)
    assert versions(controller.prefix) == {"lab-upgrade": "1.0"}


@pytest.mark.full
def test_an_encrypted_file(controller: Controller, versions: Versions) -> None:
    path, word = controller.directory / "environment.yml", controller.directory / "word"
    path.write_text(ENVIRONMENT)
    word.write_text("open\n")
    program = Path(sys.executable).with_name("ansible-vault")
    subprocess.run(
        [str(program), "encrypt", "--vault-password-file", str(word), str(path)],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(controller.home)},
    )
    assert path.read_text().startswith("$ANSIBLE_VAULT")
    options = {"environment_file": "environment.yml"}
    code, result = controller.play(options)
    assert code == 2
    assert (
        "The option environment_file names environment.yml, but the controller cannot read it"
        in result["msg"]
    )
    code, result = controller.play(options, "--vault-password-file", str(word))
    assert (code, result["changed"]) == (0, True)
    assert versions(controller.prefix) == {"lab-upgrade": "1.1"}


@pytest.mark.full
def test_with_remote_src_the_file_is_the_host_s(
    controller: Controller, versions: Versions, tmp_path: Path
) -> None:
    host = tmp_path / "host.yml"
    host.write_text("dependencies: [lab-upgrade=1.0]\n")
    (controller.directory / "host.yml").write_text(ENVIRONMENT)
    code, result = controller.play({"environment_file": str(host), "remote_src": True})
    assert (code, result["changed"]) == (0, True)
    assert versions(controller.prefix) == {"lab-upgrade": "1.0"}
    code, result = controller.play({"environment_file": "/nowhere/env.yml", "remote_src": True})
    assert code == 2
    assert "/nowhere/env.yml cannot be read: No such file" in result["msg"]


@pytest.mark.full
def test_through_the_role(controller: Controller, versions: Versions, conda: Any) -> None:
    (controller.directory / "files").mkdir()
    (controller.directory / "files" / "environment.yml").write_text(ENVIRONMENT)
    prefix = str(controller.prefix)
    entry = {
        "prefix": prefix,
        "environment_file": "environment.yml",
        "packages": ["lab-rebuilt"],
        "pinned": ["lab-upgrade<2"],
        "variables": {"LAB": "from the entry"},
        "channel_priority": "strict",
        "frozen": True,
    }
    role: dict[str, Any] = {
        "role": "llmfleet.conda.create_conda_env",
        "vars": {
            "create_conda_env_installation": str(controller.installation),
            "create_conda_env_environments": [entry],
        },
    }
    steps = [controller.run({"roles": [role]}, *words) for words in (["--check"], [], [])]
    assert [code for code, _result in steps] == [0, 0, 0], steps
    assert [result["changed"] for _code, result in steps] == [True, True, False]
    assert versions(controller.prefix) == {"lab-upgrade": "1.1", "lab-rebuilt": "1.0"}
    listed = conda("env", "config", "vars", "list", "--prefix", prefix)
    assert listed == {"LAB": "from the entry"}
    meta = controller.prefix / "conda-meta"
    assert (meta / "pinned").read_text() == "lab-upgrade<2\n"
    assert (meta / "frozen").exists()
    # As the playbook remove.yml has it.
    role["vars"] = {**role["vars"], "create_conda_env_state": "absent"}
    code, result = controller.run({"roles": [role]})
    assert (code, result["changed"]) == (0, True)
    assert not controller.prefix.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    only_full_but(
        [
            (
                {"lock_file": "missing"},
                "The option lock_file names missing, but the controller cannot read it",
            ),
            (
                {"environment_file": "bad"},
                "The option environment_file (bad) cannot be used: line 1",
            ),
            ({"environment_file": "bad", "environment": {}}, "mutually exclusive"),
            ({"environment_file": "bad", "lock_file": "bad"}, "mutually exclusive"),
            ({"environment_file": "bad", "remote_src": "maybe"}, "The option remote_src"),
        ],
        ({"environment_file": "bad"}, "The option environment_file (bad) cannot be used: line 1"),
    ),
)
def test_refused_by_its_own_name(
    options: dict[str, Any], said: str, controller: Controller
) -> None:
    (controller.directory / "bad").write_text("no environment\n")
    for words in (["--check"], []):
        code, result = controller.play(options, *words)
        assert code == 2
        assert said in result["msg"]
    assert not controller.prefix.exists()
