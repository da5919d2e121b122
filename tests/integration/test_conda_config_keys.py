"""The keys that sites need, channel mirrors and proxies above all: the real conda says what it read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda

START = """\
# The site's own; see the wiki.

channels:
  - lab

# Where packages come from.
custom_channels:
  # the oldest one
  site: https://old.example.org/conda  # until May
custom_multichannels:
  all:
    - https://conda.example.org/lab
proxy_servers:
  http: http://proxy.example.org:3128  # the old one
default_channels:
  - https://mirror.example.org/main  # a copy
ssl_verify: true  # for now
"""

CERTIFICATES = "/etc/ssl"
"""conda wants a bundle that exists, or a directory of certificates."""

Shown = Callable[..., Any]


@pytest.fixture
def user_home(tmp_path: Path) -> Path:
    """A home directory with a condarc."""
    path = tmp_path / "home"
    path.mkdir()
    (path / ".condarc").write_text(START)
    return path


@pytest.fixture
def steps(run_module: Any, user_home: Path, conda_installation: Path) -> Steps:
    """The four steps with the home directory under watch."""
    return Steps(run_module, (user_home,), conda_installation)


@pytest.fixture
def shown(conda_installation: Path, user_home: Path) -> Shown:
    """What the real conda shows of one setting."""

    def show(key: str) -> Any:
        return run_conda(conda_installation, user_home, "config", "--show", key, "--json")[key]

    return show


def addresses(channels: Any) -> Any:
    """conda shows channels as parts of an address."""
    if isinstance(channels, dict) and "location" not in channels:
        return {name: addresses(channel) for name, channel in channels.items()}
    if isinstance(channels, list):
        return [addresses(channel) for channel in channels]
    if isinstance(channels, str):
        return channels
    return f"{channels['scheme']}://{channels['location']}/{channels['name']}"


def comments(path: Path) -> set[str]:
    """The comments of a file."""
    lines = path.read_text().splitlines()
    return {line.partition("#")[2].strip() for line in lines if "#" in line}


CASES: dict[str, tuple[bool, dict[str, Any], dict[str, Any], set[str]]] = {
    "custom_channels, merged": (
        True,
        {"custom_channels": {"team": "https://mirror.example.org/team"}},
        {
            "custom_channels": {
                "site": "https://old.example.org/conda/site",
                "team": "https://mirror.example.org/team/team",
            }
        },
        set(),
    ),
    "custom_channels, replaced": (
        False,
        {"custom_channels": {"site": "https://mirror.example.org/conda"}},
        {"custom_channels": {"site": "https://mirror.example.org/conda/site"}},
        {"until May"},
    ),
    "custom_multichannels, merged": (
        True,
        {"custom_multichannels": {"more": ["https://mirror.example.org/a", "https://b.org/c"]}},
        {
            "custom_multichannels": {
                "all": ["https://conda.example.org/lab"],
                "more": ["https://mirror.example.org/a", "https://b.org/c"],
            }
        },
        set(),
    ),
    "custom_multichannels, replaced": (
        False,
        {"custom_multichannels": {"all": ["https://mirror.example.org/a"]}},
        {"custom_multichannels": {"all": ["https://mirror.example.org/a"]}},
        set(),
    ),
    "proxy_servers, merged": (
        True,
        {"proxy_servers": {"https": "http://proxy.example.org:3129"}},
        {
            "proxy_servers": {
                "http": "http://proxy.example.org:3128",
                "https": "http://proxy.example.org:3129",
            }
        },
        set(),
    ),
    "proxy_servers, replaced": (
        False,
        {"proxy_servers": {"https": "http://proxy.example.org:3129"}},
        {"proxy_servers": {"https": "http://proxy.example.org:3129"}},
        {"the old one"},
    ),
    "default_channels, merged": (
        True,
        {"default_channels": ["https://mirror.example.org/r"]},
        {"default_channels": ["https://mirror.example.org/main", "https://mirror.example.org/r"]},
        set(),
    ),
    "default_channels, replaced": (
        False,
        {"default_channels": ["https://mirror.example.org/r"]},
        {"default_channels": ["https://mirror.example.org/r"]},
        {"a copy"},
    ),
    "ssl_verify, a bundle": (
        False,
        {"ssl_verify": CERTIFICATES},
        {"ssl_verify": CERTIFICATES},
        {"for now"},
    ),
    "ssl_verify, none": (True, {"ssl_verify": False}, {"ssl_verify": False}, {"for now"}),
    "channel_alias": (
        False,
        {"channel_alias": "https://mirror.example.org/conda"},
        {"channel_alias": "https://mirror.example.org/conda/"},
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_conda_reads_what_was_meant_and_comments_stay(
    case: str, steps: Steps, user_home: Path, shown: Shown
) -> None:
    merge, settings, expected, lost = CASES[case]
    condarc = user_home / ".condarc"
    before = comments(condarc)
    options = {"scope": "user", "settings": settings, "merge": merge}
    steps("conda_config", options, environment={"HOME": str(user_home)})
    assert before - comments(condarc) == lost
    for key, value in expected.items():
        found = addresses(shown(key)) if key not in ("proxy_servers", "ssl_verify") else shown(key)
        if key == "custom_channels":
            # conda adds those behind names that stand for several.
            found = {name: found[name] for name in found if name in ("site", "team")}
        elif key == "custom_multichannels":
            found = {name: found[name] for name in found if name not in ("defaults", "local")}
        assert found == value


def test_credentials_reach_conda_and_nobody_else(
    steps: Steps, user_home: Path, conda_installation: Path, run_module: Any
) -> None:
    secret = "hunter2-of-the-site"
    settings = {
        "proxy_servers": {"https": f"http://me:{secret}@proxy.example.org:3128"},
        "custom_channels": {"team": f"https://me:{secret}@mirror.example.org/conda"},
        "custom_multichannels": {"m": [f"https://mirror.example.org/t/tk-{secret}/x"]},
        "default_channels": [f"https://mirror.example.org/main?token={secret}"],
    }
    options = {"scope": "user", "settings": settings, "merge": True}
    how: dict[str, Any] = {"environment": {"HOME": str(user_home)}}
    for check in (True, False, True):
        result = run_module("conda_config", options, check=check, **how)
        assert result["rc"] == 0
        assert secret not in str(result)
    removed = run_module("conda_config", {**options, "state": "absent"}, check=True, **how)
    assert secret not in str(removed)
    code = "from conda.base.context import reset_context, context; reset_context();"
    code += "print(context.proxy_servers['https'])"
    assert secret in _python(conda_installation, user_home, code)


def _python(installation: Path, home: Path, code: str) -> str:
    return subprocess.run(
        [str(installation / "bin" / "python"), "-I", "-B", "-c", code],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
