"""Requirements and constraints files: of the controller in a real play, and of the managed host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conda_pip.environment import hashed, installed
from tests.integration.four_steps import Steps
from tests.integration.target import TARGET_PYTHON

ROOT = Path(__file__).resolve().parents[3]
RunModule = Callable[..., dict[str, Any]]

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - llmfleet.conda.conda_pip: OPTIONS
      check_mode: "{{ item }}"
      diff: true
      loop: [true, false, true, false]
      register: steps
      # What a case expects to fail is asserted from the recorded results.
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{ steps.results | to_json }}"
        dest: "{{ results }}"
        mode: "0600"
"""


@pytest.fixture
def play(tmp_path: Path, home: Path) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """Take the four steps in a play of real Ansible, with `files` beside the playbook; the results."""
    (tmp_path / "project" / "files").mkdir(parents=True)

    def run(options: dict[str, Any]) -> list[dict[str, Any]]:
        # JSON is YAML, and a template for all options at once would be warned of.
        text = PLAY.replace("OPTIONS", json.dumps(options))
        (tmp_path / "project" / "play.yml").write_text(text)
        results = tmp_path / "results.json"
        common = {"ansible_connection": "local", "ansible_python_interpreter": TARGET_PYTHON}
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"here": common}}}))
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *(str(tmp_path / "project" / "play.yml"), "-i", str(inventory)),
                *("-e", json.dumps({"results": str(results)})),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "WARNING" not in done.stderr, done.stderr
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(results.read_text())
        return found

    return run


@pytest.mark.full
def test_files_of_the_controller(
    prefix: Path, wheels: Path, options: Any, play: Any, tmp_path: Path
) -> None:
    files = tmp_path / "project" / "files"
    (files / "sub").mkdir()
    (files / "llm.txt").write_text(
        "# what we run\nt-app \\\n  ==1.0\n-r sub/more.txt\n-c sub/limits.txt\n"
    )
    (files / "sub" / "more.txt").write_text("t-more[lib]  # with its extra\n")
    (files / "sub" / "limits.txt").write_text("t-lib<2\n")
    (files / "all.txt").write_text("t-app<2\n")
    wanted = options(requirements_files=["llm.txt"], constraints_files=["all.txt"])
    del wanted["requirements"]
    results = play(wanted)
    assert [one["changed"] for one in results] == [True, True, False, False], results
    assert results[0]["diff"] == results[1]["diff"]
    assert not any(one.get("warnings") for one in results)
    assert results[1]["plan"]["install"] == ["t-app   ==1.0", "t-more[lib]"]
    listed = installed(prefix)
    assert {name: listed.get(name) for name in ("t-app", "t-lib", "t-more")} == {
        "t-app": "1.0",
        "t-lib": "1.1",
        "t-more": "1.0",
    }


@pytest.mark.full
def test_what_cannot_be_used_is_named(options: Any, play: Any, tmp_path: Path) -> None:
    (tmp_path / "project" / "files" / "bad.txt").write_text(
        "t-app\n--extra-index-url https://h/s\n"
    )
    results = play(options(requirements_files=["bad.txt"]))
    assert all(one["failed"] for one in results)
    assert "bad.txt, line 2" in results[0]["msg"]
    assert "use the option extra_index_urls" in results[0]["msg"]
    results = play(options(requirements_files=["nowhere.txt"]))
    assert "option requirements_files names nowhere.txt" in results[0]["msg"]


@pytest.mark.full
def test_files_of_the_host(
    prefix: Path, four_steps: Steps, wheels: Path, options: Any, tmp_path: Path
) -> None:
    place = tmp_path / "on the host"
    (place / "sub").mkdir(parents=True)
    (place / "requirements.txt").write_text(
        f"{hashed(wheels, 't-app', '2.0')}\n-r sub/lib.txt\n-c sub/limits.txt\n"
    )
    line, digest = hashed(wheels, "t-lib", "2.0").split(" ")
    (place / "sub" / "lib.txt").write_text(f"{line} \\\n    {digest}\n")
    (place / "sub" / "limits.txt").write_text("t-lib>1\n")
    wanted = options(requirements_files=[str(place / "requirements.txt")], remote_src=True)
    four_steps("conda_pip", {**wanted, "requirements": None})
    listed = installed(prefix)
    assert (listed["t-app"], listed["t-lib"]) == ("2.0", "2.0")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "one of the following is required: requirements, requirements_files"),
    "relative": ({"requirements_files": ["r.txt"]}, "requirements_files requires absolute paths"),
    "missing": ({"constraints_files": ["/no/such.txt"]}, "/no/such.txt cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_of_the_host(case: str, run_module: RunModule, options: Any) -> None:
    more, text = BAD[case]
    base = options("t-app", remote_src=True)
    if "constraints_files" not in more:
        base["requirements"] = None
    result = run_module("conda_pip", {**base, **more})
    assert result["rc"] == 1
    assert text in result["msg"]
