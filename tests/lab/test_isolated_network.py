"""The network without a way out, by Docker's own words on it."""

from __future__ import annotations

import subprocess

import pytest

from lab import docker_engine, hosts
from lab.errors import LabError
from lab.isolated_network import isolated_network, seal
from lab.mirror import Mirror

NAME = "llmfleet-lab-isolated-test"
pytestmark = pytest.mark.docker

ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).status)"


def docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def engine():
    docker_engine.start(print)
    docker("network", "rm", NAME)
    yield
    docker("rm", "--force", NAME)
    docker("network", "rm", NAME)


def test_a_host_in_it_reaches_this_machine_s_end_of_it_and_nothing_else(tmp_path):
    (image,) = hosts.load(["12"])
    (tmp_path / "here").write_text("here")
    with (
        isolated_network(NAME) as address,
        Mirror(tmp_path, host=address) as inside,
        Mirror(tmp_path, host=docker_engine.gateway()) as outside,
    ):
        host = [
            "--init",
            "--cap-add",
            "NET_ADMIN",
            "--network",
            NAME,
            "--name",
            NAME,
            image,
            "sleep",
            "300",
        ]
        assert docker("run", "--detach", "--rm", *host).returncode == 0
        seal(NAME)
        seal(NAME)  # nothing is left to take
        command = ["exec", NAME, "python3", "-c", ASK]
        reached = docker(*command, f"{inside.url}/here")
        assert (reached.returncode, reached.stdout) == (0, "200\n"), reached.stderr
        (entry,) = inside.log()
        assert entry["client"].rpartition(".")[0] == address.rpartition(".")[0]
        lost = docker(*command, f"{outside.url}/here")
        assert "Network is unreachable" in lost.stderr
        assert outside.log() == []
        docker("rm", "--force", NAME)
        assert (
            docker("run", "--rm", image, "python3", "-c", ASK, f"{outside.url}/here").returncode
            == 0
        )
    assert docker("network", "inspect", NAME).returncode != 0


def test_what_is_no_container_cannot_be_sealed():
    with pytest.raises(LabError, match="cannot be taken"):
        seal("llmfleet-no-such-container")


def test_a_network_that_leads_out_is_refused():
    assert docker("network", "create", NAME).returncode == 0
    with pytest.raises(LabError, match="not an internal one"), isolated_network(NAME):
        pass
