"""The host's pip configuration, read as pip reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers import (
    pip_conf as pip_configuration,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_conf import (
    PipConfiguration,
    configuration_files,
    read_configuration,
)


@pytest.fixture(autouse=True)
def _only_files_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/etc/pip.conf of the machine that tests does not mix in."""

    def of_the_test(*arguments: Any) -> list[str]:
        return [path for path in configuration_files(*arguments) if path.startswith(str(tmp_path))]

    monkeypatch.setattr(pip_configuration, "configuration_files", of_the_test)


def _environment(root: Path) -> dict[str, str]:
    return {"HOME": str(root / "home"), "XDG_CONFIG_DIRS": str(root / "xdg")}


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_which_files_in_which_order() -> None:
    files = configuration_files("/env", {"HOME": "/home/me"}, "linux")
    assert files == [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        "/home/me/.pip/pip.conf",
        "/home/me/.config/pip/pip.conf",
        "/env/pip.conf",
    ]
    files = configuration_files("/env", {"HOME": "/home/me", "XDG_CONFIG_HOME": "/cfg"}, "linux")
    assert "/cfg/pip/pip.conf" in files
    files = configuration_files("/env", {"HOME": "/nobody"}, "darwin")
    assert files[0] == "/Library/Application Support/pip/pip.conf"
    assert files[-2] == "/nobody/.config/pip/pip.conf"


def test_everything_that_is_passed_on(tmp_path: Path) -> None:
    text = """\
[global]
index-url = https://me:p%w@host/simple
extra_index_url =
    https://one/simple
    https://two/simple
find-links = /wh /other
trusted-host = one two:80
no-index = no
pre = true
cert = /etc/ca.pem
proxy = http://proxy:3128
timeout = 60
[freeze]
index-url = https://wrong/simple
"""
    _put(tmp_path / "env" / "pip.conf", text)
    assert read_configuration(str(tmp_path / "env"), _environment(tmp_path)) == PipConfiguration(
        index_url="https://me:p%w@host/simple",
        extra_index_urls=("https://one/simple", "https://two/simple"),
        find_links=("/wh", "/other"),
        trusted_hosts=("one", "two:80"),
        pre=True,
        cert="/etc/ca.pem",
        proxy="http://proxy:3128",
    )


def test_later_files_and_the_section_of_the_command_win(tmp_path: Path) -> None:
    _put(tmp_path / "xdg" / "pip" / "pip.conf", "[install]\nindex-url = https://command/s\n")
    _put(
        tmp_path / "home" / ".pip" / "pip.conf", "[global]\nproxy = http://old:1\nno-index = yes\n"
    )
    _put(
        tmp_path / "home" / ".config" / "pip" / "pip.conf",
        "[global]\nproxy = http://user:1\nno-index = off\n",
    )
    _put(tmp_path / "env" / "pip.conf", "[global]\nindex-url = https://site/s\n")
    found = read_configuration(str(tmp_path / "env"), _environment(tmp_path))
    assert found.index_url == "https://command/s"
    assert found.proxy == "http://user:1"
    assert not found.no_index


@pytest.mark.parametrize(
    ("line", "compiles"),
    [
        ("no-compile = no", False),
        ("no-compile = yes", True),
        ("compile = no", False),
        ("no-index = yes", True),
    ],
)
def test_the_setting_for_compilation_is_read_as_by_pip(
    line: str, compiles: bool, tmp_path: Path
) -> None:
    _put(tmp_path / "env" / "pip.conf", f"[install]\n{line}\n")
    found = read_configuration(str(tmp_path / "env"), _environment(tmp_path))
    assert found.compiles is compiles


def test_without_files(tmp_path: Path) -> None:
    assert read_configuration(str(tmp_path / "env"), _environment(tmp_path)) == PipConfiguration()


@pytest.mark.parametrize("content", [b"index-url = x\n", b"[global\n", b"[global]\nproxy = \xff\n"])
def test_a_configuration_file_that_pip_cannot_parse_is_reported(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "env" / "pip.conf"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(CondaModuleError, match="cannot be parsed") as raised:
        read_configuration(str(tmp_path / "env"), _environment(tmp_path))
    assert str(path) in raised.value.message
