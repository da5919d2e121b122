"""The report as a play makes it: every host is in it, the failed, the waiting and the unreached ones too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLAYBOOK = """
- hosts: all
  gather_facts: false
  serial: "{{ batch | default('100%') }}"
  tasks:
    - ansible.builtin.fail:
        msg: not today
      when: outcome == 'early'
    - ansible.builtin.set_fact:
        checked:
          status: "{{ outcome }}"
          failed_layer: imports
          checks:
            - {name: numpy, layer: imports, status: "{{ outcome }}", detail: "seen: é", seconds: 0.25}
    - llmfleet.conda.verify_report:
        path: "{{ path }}"
        variable: checked
        hosts: "{{ ansible_play_hosts_all }}"
        running: "{{ ansible_play_hosts }}"
      run_once: true
      register: report
    - ansible.builtin.assert:
        that: report is not changed
"""

HOSTS = {"good": {"outcome": "pass"}, "bad": {"outcome": "fail"}, "lost": {"outcome": "early"}}


@pytest.fixture
def playbook(tmp_path: Path) -> str:
    path = tmp_path / "play.yml"
    path.write_text(PLAYBOOK)
    return str(path)


def test_every_host_is_in_the_report(
    play: Callable[..., Any], playbook: str, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "report.json"
    played = play(playbook, HOSTS, path=str(path))
    assert played.code == 2
    report = json.loads(path.read_text())
    assert list(report) == ["hosts"]
    assert {name: entry["status"] for name, entry in report["hosts"].items()} == {
        "good": "pass",
        "bad": "fail",
        "lost": "fail",
    }
    (check,) = report["hosts"]["bad"]["checks"]
    assert check == {"name": "numpy", "status": "fail", "detail": "seen: é", "seconds": 0.25}
    assert "bad fail 0 of 1" in played.flat
    assert "failed: numpy: seen: é" in played.flat


def test_each_host_has_a_file_with_all_that_was_returned(
    play: Callable[..., Any], playbook: str, tmp_path: Path
) -> None:
    play(playbook, HOSTS, path=str(tmp_path / "report.json"))
    own = json.loads((tmp_path / "report.d" / "bad.json").read_text())
    assert own["host"] == "bad"
    assert own["failed_layer"] == "imports"
    assert own["checks"][0]["layer"] == "imports"
    assert (tmp_path / "report.d" / "lost.json").is_file()


def test_a_rolling_run_ends_with_all_hosts_in_the_report(
    play: Callable[..., Any], playbook: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    hosts = {"one": {"outcome": "pass"}, "two": {"outcome": "pass"}}
    played = play(playbook, hosts, path=str(path), batch=1)
    assert played.code == 0
    assert "two skip 0 of 0" in played.flat
    report = json.loads(path.read_text())["hosts"]
    assert {name: entry["status"] for name, entry in report.items()} == {
        "one": "pass",
        "two": "pass",
    }


def test_check_mode_shows_and_writes_nothing(
    play: Callable[..., Any], playbook: str, tmp_path: Path
) -> None:
    played = play(playbook, {"good": HOSTS["good"]}, "--check", path=str(tmp_path / "report.json"))
    assert played.code == 0
    assert "not written in check mode" in played.flat
    assert not (tmp_path / "report.json").exists()


def test_a_report_that_cannot_be_written_fails_and_names_its_path(
    play: Callable[..., Any], playbook: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "report.json"
    played = play(playbook, {"good": HOSTS["good"]}, path=str(path))
    assert played.code == 2
    assert f"Cannot write the report {path} on the controller" in played.flat
