"""A real ansible-playbook is followed task by task."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.layout import tool_environment
from scripts.play.playbook import PlaybookRun, explain, run_playbook

PLAY = """\
- name: Play
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Write a file
      ansible.builtin.copy:
        content: hello
        dest: "{{ target }}"
        mode: "0644"
    - name: Only sometimes
      ansible.builtin.debug:
        msg: never
      when: false
    - name: Be of one mind
      ansible.builtin.assert:
        that: not broken | default(false)
        fail_msg: the variable broken is set
"""


@pytest.fixture
def play(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(PLAY)
    return path


def start(play: Path, *words: str, quiet: bool = False) -> PlaybookRun:
    return run_playbook(
        [play, "-e", f"target={play.parent / 'file'}", *words],
        log=play.parent / "play.log",
        env=tool_environment(),
        quiet=quiet,
    )


def test_tasks_recap_and_log(play: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = start(play)
    assert done.code == 0
    assert [task.name for task in done.tasks if task.ran] == ["Write a file", "Be of one mind"]
    assert done.changed_tasks == ["Write a file"]
    assert (done.count("ok"), done.count("changed"), done.count("skipped")) == (2, 1, 1)
    lines = capsys.readouterr().out.splitlines()
    # What changed nothing and took no time is not worth a line.
    assert [line.split("  ")[1] for line in lines] == ["Write a file"]
    assert "changed" in lines[0]
    assert "PLAY RECAP" in done.log.read_text()

    again = start(play, quiet=True)
    assert again.count("changed") == 0
    assert capsys.readouterr().out == ""


def test_failure_names_task_host_and_message(play: Path) -> None:
    done = start(play, "-e", '{"broken": true}')
    assert done.code != 0
    text = "\n".join(explain(done))
    assert "Be of one mind (localhost):\n  the variable broken is set" in text
    assert str(done.log) in text


def test_failure_before_any_task_shows_the_log(play: Path) -> None:
    play.write_text("- hosts: [\n")
    done = start(play)
    assert done.code != 0
    assert done.recap == {}
    assert "YAML" in "\n".join(explain(done))
