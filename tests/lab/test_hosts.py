"""The images of the lab's hosts, as Ansible and a person who logs in find them."""

from __future__ import annotations

import os
import subprocess
import uuid

import pytest

from lab import docker_engine, hosts
from lab.errors import LabError
from lab.mirror import Mirror

PYTHONS = {"12": "Python 3.11.", "13": "Python 3.13."}


@pytest.fixture(scope="module")
def images():
    """The default images, in a running engine."""
    return dict(zip(hosts.DEFAULT, hosts.load(), strict=True))


def in_host(image, *command, user="root", options=()):
    """Run a command in a container of its own and return its output."""
    name = f"llmfleet-lab-test-{uuid.uuid4().hex[:12]}"
    answer = subprocess.run(
        ["docker", "run", "--rm", "--name", name, "--user", user, *options, image, *command],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_an_unknown_host_is_named():
    with pytest.raises(LabError, match="'9'"):
        hosts.host("9")


def test_the_key_stands_for_the_release():
    assert len({one.key for one in hosts.HOSTS.values()}) == len(hosts.HOSTS)


def test_only_root_makes_images(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="only root"):
        hosts.build(print)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_or_failed_debootstrap_leaves_nothing(monkeypatch, tmp_path):
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("LLMFLEET_DEBIAN_ARCHIVE", f"file://{tmp_path}/no-archive")
    with pytest.raises(LabError, match="debootstrap bookworm failed"):
        hosts.build_hosts([hosts.host("12")], print)
    assert not hosts.host("12").folder.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_load_says_when_no_engine_answers(monkeypatch):
    monkeypatch.setattr(docker_engine, "is_running", lambda: False)
    with pytest.raises(LabError, match=r"python -m lab\.docker_engine start"):
        hosts.load()


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.parametrize("release", hosts.DEFAULT)
class TestImages:
    def test_python_for_ansible(self, images, release):
        assert in_host(images[release], "python3", "--version").startswith(PYTHONS[release])

    def test_it_is_the_release_that_it_says(self, images, release):
        text = in_host(images[release], "cat", "/etc/os-release")
        assert f'VERSION_ID="{release}"' in text

    @pytest.mark.parametrize(("user", "number"), hosts.USERS)
    def test_a_login_shell_of_an_ordinary_user(self, images, release, user, number):
        script = (
            'echo "$(id -u) $HOME $SHELL $0 $(pwd)"; touch "$HOME/mine"; sudo -n true || echo no'
        )
        said = in_host(images[release], "su", "-", user, "-c", script)
        assert said.splitlines() == [f"{number} /home/{user} /bin/bash -bash /home/{user}", "no"]

    def test_tools_that_a_host_has(self, images, release):
        said = in_host(images[release], "bash", "-c", "command -v bash sudo ps tar sha256sum su")
        assert len(said.splitlines()) == 6

    def test_certificates_are_there(self, images, release):
        size = in_host(images[release], "stat", "-c", "%s", "/etc/ssl/certs/ca-certificates.crt")
        assert int(size) > 100_000

    def test_nothing_of_this_machine_is_in_it(self, images, release):
        script = "cat /etc/hostname; ls /var/cache/apt/archives/*.deb /var/lib/apt/lists/*_* | cat"
        hostname, *rest = in_host(
            images[release], "sh", "-c", script + " 2>/dev/null", options=("--hostname", "neutral")
        ).splitlines()
        assert hostname == "neutral"
        assert rest == []

    def test_it_reaches_a_mirror_on_this_machine(self, images, release, tmp_path):
        (tmp_path / "hello").write_text("from the mirror")
        code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())"
        with Mirror(tmp_path, host="0.0.0.0") as mirror:
            url = mirror.url_for(docker_engine.gateway()) + "/hello"
            assert in_host(images[release], "python3", "-c", code, url) == "from the mirror"
            assert mirror.counts()["/hello"]["requests"] == 1

    def test_loading_again_imports_nothing(self, images, release):
        said = []
        assert hosts.load([release], said.append) == [images[release]]
        assert said == []
