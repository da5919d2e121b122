"""Where Debian comes from is read from apt, with its proxies, CA file and passwords."""

from __future__ import annotations

import stat
import subprocess

import pytest

from lab import debian_archive
from lab.errors import LabError

TARGETS = """\
http://archive.invalid/security/|Debian|Debian-Security|main
http://archive.invalid/other/|Somebody|Debian|main
http://archive.invalid/debian/|Debian|Debian|contrib
http://archive.invalid/debian/|Debian|Debian|main
http://second.invalid/debian/|Debian|Debian|main
"""


@pytest.fixture
def apt(monkeypatch):
    """A fake apt: set its answers by program name; the commands it got are in `.asked`."""

    class Apt:
        def __init__(self):
            self.answers = {}
            self.asked = []

        def run(self, command, **_):
            self.asked.append(command)
            return subprocess.CompletedProcess(command, 0, self.answers.get(command[1], ""), "")

    fake = Apt()
    monkeypatch.delenv(debian_archive.ARCHIVE, raising=False)
    monkeypatch.setattr(debian_archive.subprocess, "run", fake.run)
    monkeypatch.setattr(debian_archive.shutil, "which", lambda name: f"/usr/bin/{name}")
    return fake


def test_the_main_archive_is_chosen():
    assert debian_archive.debian_repository(TARGETS) == "http://archive.invalid/debian"
    assert debian_archive.debian_repository("http://x.invalid/|||main\n") is None
    assert debian_archive.debian_repository("") is None


def test_the_environment_wins(apt, monkeypatch):
    monkeypatch.setenv(debian_archive.ARCHIVE, "http://mine.invalid/debian/")
    assert debian_archive.archive_url() == "http://mine.invalid/debian"
    assert apt.asked == []


def test_root_fetches_missing_lists(apt, monkeypatch):
    monkeypatch.setattr(debian_archive.os, "geteuid", lambda: 0)
    with pytest.raises(LabError, match="apt-get update"):
        debian_archive.archive_url()
    assert [command[1] for command in apt.asked] == ["indextargets", "update", "indextargets"]


def test_others_are_told_to(apt, monkeypatch):
    monkeypatch.setattr(debian_archive.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="LLMFLEET_DEBIAN_ARCHIVE"):
        debian_archive.archive_url()
    assert [command[1] for command in apt.asked] == ["indextargets"]


def test_no_apt_is_said(monkeypatch):
    monkeypatch.delenv(debian_archive.ARCHIVE, raising=False)
    monkeypatch.setattr(debian_archive.shutil, "which", lambda name: None)
    with pytest.raises(LabError, match="no apt-get"):
        debian_archive.archive_url()


def test_nothing_configured_needs_no_file(apt, tmp_path):
    assert debian_archive.wget_environment("http://archive.invalid/debian", tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_proxy_ca_and_password_reach_wget(apt, tmp_path):
    (tmp_path / "etc" / "auth.conf.d").mkdir(parents=True)
    (tmp_path / "etc" / "auth.conf.d" / "a.conf").write_text(
        "# ours\nmachine archive.invalid login me password se#cret\n"
    )
    apt.answers["dump"] = (
        f'Dir::Etc "{tmp_path}/etc";\n'
        'Acquire::HTTPS::Proxy "http://proxy.invalid:3128";\n'
        'Acquire::https::CAInfo "/etc/ssl/mine.pem";\n'
    )
    given = debian_archive.wget_environment("https://archive.invalid/debian", tmp_path)
    wgetrc = tmp_path / "wgetrc"
    assert given == {"https_proxy": "http://proxy.invalid:3128", "WGETRC": str(wgetrc)}
    assert stat.S_IMODE(wgetrc.stat().st_mode) == 0o600
    assert wgetrc.read_text().splitlines() == [
        "ca_certificate = /etc/ssl/mine.pem",
        "user = me",
        "password = se#cret",
    ]


def test_direct_means_no_proxy(apt, tmp_path):
    apt.answers["dump"] = 'Acquire::http::Proxy "DIRECT";\n'
    given = debian_archive.wget_environment("http://archive.invalid/debian", tmp_path)
    assert given == {"http_proxy": ""}


@pytest.mark.parametrize(
    ("text", "url", "found"),
    [
        ("machine a.invalid login u password p", "https://a.invalid/debian", ("u", "p")),
        ("machine a.invalid\nlogin u\npassword p\n", "https://a.invalid/debian", ("u", "p")),
        ("machine a.invalid login u password p", "http://a.invalid/debian", None),
        ("machine http://a.invalid login u password p", "http://a.invalid/debian", ("u", "p")),
        ("machine https://a.invalid login u password p", "http://a.invalid/debian", None),
        ("machine a.invalid/debian login u password p", "https://a.invalid/debian", ("u", "p")),
        ("machine a.invalid/other login u password p", "https://a.invalid/debian", None),
        ("machine a.invalid:99 login u password p", "https://a.invalid:99/debian", ("u", "p")),
        ("machine b.invalid login u password p", "https://a.invalid/debian", None),
        ("machine b.invalid login x password y machine a.invalid login u password p",
         "https://a.invalid/debian", ("u", "p")),
        ("", "https://a.invalid/debian", None),
    ],
)  # fmt: skip
def test_auth_conf(text, url, found):
    assert debian_archive.login_for(url, text) == found
