"""The installations as the real conda, login shells and plain files show them. No module of ours is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

testinfra_hosts = ["docker://install-debian12", "docker://install-debian13"]

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks of a host, in the words of this file."""

    prefix: str
    owner: str
    # Paths outside of the prefix that may differ from the bare host.
    changed: dict[str, str]


WANTED = {
    "install-debian12": Wanted(
        "/opt/miniconda3",
        "root",
        {
            "/etc/profile.d/llmfleet-conda.sh": "came",
            "/etc/zsh/zprofile": "changed",
            "/etc/fish/conf.d/llmfleet-conda.fish": "came",
        },
    ),
    "install-debian13": Wanted(
        "/srv/conda",
        "condaowner",
        {
            "/etc/profile": "changed",
            "/etc/zsh/zshenv": "changed",
            "/etc/fish/conf.d/site.fish": "came",
            "/etc/bash.bashrc": "changed",
        },
    ),
}


@pytest.fixture
def name(host: Any) -> str:
    """The host's name in the inventory."""
    return str(host.check_output("hostname"))


@pytest.fixture
def wanted(name: str) -> Wanted:
    """What is asked of this host."""
    return WANTED[name]


def answer(person: Any, command: str) -> Any:
    """What conda says in JSON."""
    return json.loads(person.types(f"conda {command} --json"))


def test_check_mode_on_the_bare_host_wrote_nothing(
    changes: Callable[[int, int], dict[str, str]],
) -> None:
    assert changes(1, 2) == {}


def test_nothing_else_on_the_host_changed(
    changes: Callable[[int, int], dict[str, str]], wanted: Wanted
) -> None:
    found = changes(1, 3)
    inside = [path for path in found if path.startswith(f"{wanted.prefix}/")]
    assert {found[path] for path in inside} == {"came"}
    assert len(inside) > 5000
    outside = {path: found[path] for path in found.keys() - inside}
    # conda's own list of installations and environments, of the user who ran the installer.
    home = "/root"
    listed = {f"{home}/.conda": "came", f"{home}/.conda/environments.txt": "came"}
    assert outside == {wanted.prefix: "came", **listed, **wanted.changed}


@pytest.mark.parametrize("shell", SHELLS)
def test_conda_is_on_the_path_of_a_login_shell(ada: Any, shell: str) -> None:
    assert ada.types_in(shell, "conda --version") == "conda 24.7.1"


@pytest.mark.parametrize("shell", SHELLS)
def test_activation_reaches_the_login_shell(ada: Any, wanted: Wanted, shell: str) -> None:
    said = ada.types_in(
        shell,
        "conda activate base && echo $CONDA_PREFIX && command -v python"
        " && conda deactivate && command -v python3",
    )
    assert said.splitlines() == [wanted.prefix, f"{wanted.prefix}/bin/python", "/usr/bin/python3"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_failed_activation_is_said(ada: Any, shell: str) -> None:
    assert "EnvironmentNameNotFound" in ada.is_refused(f"{shell} -l -c 'conda activate nothing'")


def test_the_login_shells_are_quiet(ada: Any) -> None:
    for shell in SHELLS:
        result = ada.host.run(f"su - ada -c '{shell} -l -c true'")
        assert (result.rc, result.stdout, result.stderr) == (0, "", "")


def test_conda_says_where_it_is_and_whose_channels_it_uses(ada: Any, wanted: Wanted) -> None:
    info = answer(ada, "info")
    assert info["root_prefix"] == wanted.prefix
    assert info["conda_version"] == "24.7.1"
    assert info["python_version"].startswith("3.11.")
    assert info["channels"]
    assert all("/conda/lab/" in channel for channel in info["channels"])


def test_the_base_is_whole(ada: Any, wanted: Wanted) -> None:
    listed = {item["name"]: item for item in answer(ada, "list -n base")}
    assert listed["conda"]["version"] == "24.7.1"
    assert {"python", "pip", "setuptools", "wheel"} <= listed.keys()
    assert {item["channel"] for item in listed.values()} == {"lab"}
    assert "No broken requirements" in ada.types(f"{wanted.prefix}/bin/python -m pip check")


def test_conda_is_configured_as_the_inventory_says(ada: Any, name: str, wanted: Wanted) -> None:
    shown = answer(ada, "config --show")
    assert shown["channels"] == ["lab"]
    assert shown["solver"] == "classic"
    if name == "install-debian12":
        assert shown["channel_alias"]["location"].endswith("/conda")
        assert shown["envs_dirs"][0] == f"{wanted.prefix}/envs"
        assert shown["pkgs_dirs"] == [f"{wanted.prefix}/pkgs"]
        assert shown["proxy_servers"] == {"https": "http://proxy.example.com:3128"}
        assert shown["ssl_verify"] == "/etc/ssl/certs/ca-certificates.crt"
        assert shown["auto_activate_base"] is False
        assert shown["channel_priority"] == "strict"
        assert shown["create_default_packages"] == ["pip"]
        assert shown["remote_connect_timeout_secs"] == 20.0
    else:
        assert shown["channel_alias"]["location"] == "conda.anaconda.org"
        assert shown["custom_channels"]["lab"]["location"].endswith("/conda")


def test_conda_reads_one_condarc_of_the_roles(ada: Any, wanted: Wanted) -> None:
    sources = answer(ada, "config --show-sources")
    # Beside it the lab's own, which comes with conda, and the option --json of this question.
    own = {f"{wanted.prefix}/condarc.d/lab.yml", "cmd_line"}
    assert set(sources) - own == {f"{wanted.prefix}/.condarc"}


def test_the_installation_belongs_to_whom_the_inventory_says(host: Any, wanted: Wanted) -> None:
    others = host.run(
        f"find {wanted.prefix} ! '(' -user {wanted.owner} -group research ')' -print -quit"
    )
    assert (others.rc, others.stdout) == (0, "")


def test_nobody_may_change_the_base(ada: Any, wanted: Wanted) -> None:
    for place in ("bin", "conda-meta", "lib", "condabin"):
        assert "Permission denied" in ada.is_refused(f"touch {wanted.prefix}/{place}/by-ada")
    writable = ada.types(
        f"find {wanted.prefix} -writable ! -type l ! -path {wanted.prefix}/envs"
        f" ! -path '{wanted.prefix}/envs/*' ! -path '{wanted.prefix}/pkgs*' -print"
    )
    assert writable == ""


def test_others_are_kept_out_where_the_inventory_says(ben: Any, name: str, wanted: Wanted) -> None:
    if name == "install-debian12":
        assert "Permission denied" in ben.is_refused(f"ls {wanted.prefix}")
        # The files of login shells must not trouble those who may not use what they name.
        for shell in SHELLS:
            result = ben.host.run(f"su - ben -c '{shell} -l -c true'")
            assert (result.rc, result.stdout, result.stderr) == (0, "", "")
    else:
        assert ben.types("conda --version") == "conda 24.7.1"


def test_a_member_fills_the_shared_cache_and_makes_an_environment(
    host: Any, ada: Any, name: str, wanted: Wanted
) -> None:
    if name == "install-debian12":
        ada.types("conda create -q -y -n of-ada six=1.16.0 python=3.11")
        assert ada.python("import six, sys; print(six.__version__, sys.prefix)", "of-ada") == (
            f"1.16.0 {wanted.prefix}/envs/of-ada"
        )
        made = host.file(f"{wanted.prefix}/envs/of-ada")
        assert (made.user, made.group) == ("ada", "research")
    else:
        for place in ("envs", "pkgs"):
            assert "Permission denied" in ada.is_refused(f"touch {wanted.prefix}/{place}/by-ada")
