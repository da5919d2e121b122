"""Finding, starting and ending a Docker engine: the decisions here, a real one in the last test."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import docker_engine
from lab.errors import LabError


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine as root without an engine; the commands it is given are noted."""

    class Machine:
        def __init__(self):
            self.programs = {"docker", "dockerd", "apt-get"}
            self.commands = []
            self.running = False
            self.results = {}

        def run(self, command, **_):
            self.commands.append([str(word) for word in command])
            code, out, err = self.results.get(command[1], (0, "", ""))
            return subprocess.CompletedProcess(command, code, out, err)

    fake = Machine()
    monkeypatch.setattr(docker_engine, "state_dir", lambda: tmp_path)
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(docker_engine.subprocess, "run", fake.run)
    monkeypatch.setattr(docker_engine, "is_running", lambda: fake.running)
    monkeypatch.setattr(docker_engine, "_start_service", lambda progress: False)
    monkeypatch.setattr(
        docker_engine.shutil, "which", lambda name: name if name in fake.programs else None
    )
    return fake


def test_a_running_engine_is_used(machine, monkeypatch):
    machine.running = True
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 1000)
    assert docker_engine.start(print) is False
    assert machine.commands == []


def test_two_at_once_start_one_engine(machine, monkeypatch):
    started = []

    def begin(flags, progress):
        started.append(flags)
        # long enough for the other one to find that no engine answers yet
        time.sleep(0.3)
        machine.running = True

    monkeypatch.setattr(docker_engine, "_start_daemon", begin)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(docker_engine.start, [lambda line: None] * 2))
    assert sorted(outcomes) == [False, True]
    assert started == [()]


def test_only_root_starts_one(machine, monkeypatch):
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="only root"):
        docker_engine.start(print)
    assert machine.commands == []


def test_docker_is_installed_saying_so(machine, monkeypatch):
    machine.programs -= {"docker", "dockerd"}
    monkeypatch.setattr(docker_engine, "_start_daemon", lambda flags, progress: None)
    said = []
    assert docker_engine.start(said.append) is True
    assert "apt-get install docker.io" in said[0]
    assert machine.commands == [
        ["apt-get", "install", "--yes", "--no-install-recommends", "docker.io"]
    ]


def test_a_failing_apt_is_tried_again_after_update(machine):
    machine.results["install"] = (100, "", "Reading\nE: Unable to locate package docker.io\n")
    with pytest.raises(LabError, match="Unable to locate package"):
        docker_engine.install(print)
    assert [command[1] for command in machine.commands] == ["install", "update", "install"]


def test_elsewhere_the_package_is_named(machine):
    machine.programs.clear()
    with pytest.raises(LabError, match=r"docker\.io"):
        docker_engine.start(print)


def test_fewer_features_are_tried_and_all_failures_told(machine, monkeypatch):
    tried = []

    def refuse(flags, progress):
        tried.append(flags)
        return f"failure {len(tried)}"

    monkeypatch.setattr(docker_engine, "_start_daemon", refuse)
    with pytest.raises(LabError) as failure:
        docker_engine.start(lambda line: None)
    assert tried == list(docker_engine.FLAGS)
    for number in range(1, len(tried) + 1):
        assert f"failure {number}" in str(failure.value)
    assert str(docker_engine.log_file()) in str(failure.value)


def test_a_daemon_that_ends_tells_its_last_line(machine, monkeypatch, tmp_path):
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\necho starting\necho 'no such kernel module' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    failure = docker_engine._start_daemon((), lambda line: None)
    assert failure == "no such kernel module"


def test_stop_leaves_others_alone(machine):
    assert docker_engine.stop(print) is False
    # a process id that another program has by now
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        docker_engine.pid_file().write_text(str(other.pid))
        assert docker_engine.own_pid() is None
        assert docker_engine.stop(print) is False
        assert other.poll() is None
        other.communicate(b"\n")


def test_stop_ends_its_own(machine, tmp_path):
    code = "import sys, time; print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, f"--pidfile={docker_engine.pid_file()}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as own:
        own.stdout.readline()
        docker_engine.pid_file().write_text(str(own.pid))
        assert docker_engine.own_pid() == own.pid
        assert docker_engine.stop(lambda line: None) is True
        assert own.wait(10) != 0
    assert not docker_engine.pid_file().exists()


@pytest.mark.parametrize("content", ["", "word", "999999999"])
def test_a_spoiled_pid_file_is_nobody(machine, content):
    docker_engine.pid_file().write_text(content)
    assert docker_engine.own_pid() is None


def test_state_is_kept_below_build():
    root = Path(docker_engine.__file__).resolve().parents[1]
    assert docker_engine.state_dir() == root / "build" / "docker"


def test_no_engine_no_gateway(machine):
    machine.results["network"] = (1, "", "Cannot connect")
    with pytest.raises(LabError, match="Cannot connect"):
        docker_engine.gateway()


def test_a_bridge_elsewhere_is_said(machine):
    network = '[{"Options": {"com.docker.network.bridge.name": "nobridge0"}}]'
    machine.results["network"] = (0, network, "")
    with pytest.raises(LabError, match="nobridge0"):
        docker_engine.gateway()


def test_the_address_of_an_interface():
    assert docker_engine._interface_address("lo") == "127.0.0.1"
    assert docker_engine._interface_address("nosuch0") is None


@pytest.mark.docker
@pytest.mark.docker
def test_the_running_engine():
    docker_engine.start(print)
    facts = docker_engine.info()
    assert facts is not None
    assert facts["ServerVersion"] in docker_engine.status()
    assert docker_engine.gateway().count(".") == 3
    command = [sys.executable, "-m", "lab.docker_engine", "status"]
    root = Path(docker_engine.__file__).resolve().parents[1]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert answer.returncode == 0
    assert "Docker engine" in answer.stdout
