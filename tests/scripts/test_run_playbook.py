"""The command itself: real runs of ansible-playbook on this machine, and what they leave behind."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.play import run_playbook
from scripts.play.run_playbook import default_output, exit_code, main

PLAY = """\
- name: Play
  hosts: all
  gather_facts: false
  tasks:
    - name: Write a file
      ansible.builtin.copy:
        content: hello
        dest: "{{ target }}/{{ inventory_hostname }}"
        mode: "0644"
    - name: Use a reserved name
      ansible.builtin.set_fact:
        name: x
      when: warn | default(false)
    - name: Be of one mind
      ansible.builtin.assert:
        that: inventory_hostname != broken | default('')
        fail_msg: the variable broken is set
"""


class Command:
    """The command on hosts `a` and `b`, which are this machine below a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "output"
        self.playbook = root / "play.yml"
        self.playbook.write_text(PLAY)
        (root / "target").mkdir()
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "target": str(root / "target"),
        }
        hosts = {"all": {"hosts": {"a": {}, "b": {}}, "vars": common}}
        self.inventory = root / "hosts.json"
        self.inventory.write_text(json.dumps(hosts))

    def __call__(self, *words: str) -> int:
        return main(
            [str(self.playbook), "-i", str(self.inventory), "--output", str(self.output), *words]
        )

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.output / "summary.json").read_text())

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = (self.output / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def test_a_good_run(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command() == 0
    summary = command.summary
    assert (summary["rc"], summary["status"]) == (0, "successful")
    assert (summary["failures"], summary["warnings"]) == ([], [])
    for host in ("a", "b"):
        assert (command.root / "target" / host).read_text() == "hello"
        assert summary["hosts"][host]["state"] == "changed"
        assert summary["hosts"][host]["ok"] == 2
        assert summary["hosts"][host]["seconds"] > 0
    ended = [event for event in command.events if event.get("outcome") == "changed"]
    assert sorted(event["host"] for event in ended) == ["a", "b"]
    assert command.events[-1]["event"] == "playbook_on_stats"
    assert "PLAY RECAP" in (command.output / "log.txt").read_text()
    # Results can hold what is nobody else's business.
    assert command.output.stat().st_mode & 0o077 == 0
    said = capsys.readouterr().out
    assert "a: changed: Write a file" in said
    assert "hosts 2, failed 0, warnings 0" in said


def test_an_interrupt_after_a_run_is_one_again(command: Command) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert command() == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_check_mode_goes_to_ansible_and_writes_nothing(command: Command) -> None:
    assert command("--check", "--limit", "a") == 0
    assert list(command.summary["hosts"]) == ["a"]
    assert list((command.root / "target").iterdir()) == []


def test_a_failed_host_ends_the_command_with_its_reason(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("-e", "broken=b") == 2
    assert command.summary["failures"] == [
        {"host": "b", "task": "Be of one mind", "message": "the variable broken is set"}
    ]
    assert command.summary["hosts"]["a"]["state"] == "changed"
    said = capsys.readouterr().out
    assert "b: FAILED: Be of one mind" in said
    assert "hosts 2, failed 1" in said


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--fail-on-warning"], 3)])
def test_a_warning_is_reported_and_can_end_the_command(
    words: list[str], code: int, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("-e", '{"warn": true}', *words) == code
    (warning,) = command.summary["warnings"]
    assert "reserved name 'name'" in warning
    assert warning in capsys.readouterr().out


def test_a_run_that_touches_no_host_is_no_success(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--limit", "nobody") == 1
    assert command.summary["hosts"] == {}
    assert "No host was touched" in capsys.readouterr().out


def test_a_playbook_that_is_not_there_is_told(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    command.playbook.unlink()
    assert command() == 1
    assert "could not be found" in capsys.readouterr().out


def test_a_second_run_does_not_take_the_first_one_s_place(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    before = (command.output / "summary.json").read_text()
    assert command() == 64
    assert (command.output / "summary.json").read_text() == before
    assert "holds another run" in capsys.readouterr().out


def test_without_a_directory_each_run_gets_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run_playbook, "RUNS", tmp_path)
    first = default_output("llmfleet.conda.site", 0.0)
    assert first == tmp_path / "19700101T000000-llmfleet.conda.site"
    first.mkdir()
    assert default_output("llmfleet.conda.site", 0.0).name == f"{first.name}-2"
    assert default_output("plays/my play.yml", 0.0).name == "19700101T000000-my_play"


GOOD = {"failed": 0, "unreachable": 0}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"rc": 2}, 2),
        ({"rc": 4}, 4),
        ({"rc": 250}, 250),
        ({"hosts": {"a": {"failed": 1, "unreachable": 0}}}, 2),
        ({"hosts": {}}, 1),
        ({"status": "canceled", "rc": 254}, 130),
        ({"warnings": ["[WARNING]: x"]}, 3),
        ({"warnings": ["[WARNING]: x"], "rc": 2}, 2),
    ],
)
def test_exit_codes(changes: dict[str, Any], code: int) -> None:
    summary = {"rc": 0, "status": "successful", "hosts": {"a": GOOD}, "warnings": [], **changes}
    assert exit_code(summary, fail_on_warning=True) == code
