"""What install_miniconda chooses by facts and variables: mirrors, start files of shells, installers."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
    host_platform,
    plan_installation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import rows_for
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix
from scripts.layout import ROOT
from tests.roles.conftest import Played

ROLE = ROOT / "roles/install_miniconda"
ALL = ["bash", "zsh", "fish"]
DEBIAN = {"os_family": "Debian", "architecture": "x86_64"}
DEBIAN_ARM = {"os_family": "Debian", "architecture": "aarch64"}
ENTERPRISE = {"os_family": "RedHat", "architecture": "aarch64"}
APPLE = {"os_family": "Darwin", "architecture": "arm64"}
INTEL_MAC = {"os_family": "Darwin", "architecture": "x86_64"}
PROFILE_D = "/etc/profile.d/llmfleet-conda.sh"
LINUX_FISH = "/etc/fish/conf.d/llmfleet-conda.fish"
USER_FISH = "~/.config/fish/conf.d/llmfleet-conda.fish"
HOME = {"install_miniconda_prefix": "~/miniconda3"}
SHELLS = {"install_miniconda_login_shells": ALL}
SITE = {
    "site": {
        "installers": {"miniforge": "https://files.example.org/miniforge/{version}"},
        "channel_alias": "https://files.example.org/conda",
    }
}

# by name of a host: its variables and the start files that it gets
LOGIN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "defaults": ({}, [PROFILE_D]),
    "defaults-debian": ({"seen": DEBIAN}, [PROFILE_D]),
    "defaults-mac": ({"seen": APPLE}, ["/etc/profile"]),
    "debian": ({"seen": DEBIAN, **SHELLS}, [PROFILE_D, "/etc/zsh/zprofile", LINUX_FISH]),
    "debian-arm": ({"seen": DEBIAN_ARM, **SHELLS}, [PROFILE_D, "/etc/zsh/zprofile", LINUX_FISH]),
    "enterprise": ({"seen": ENTERPRISE, **SHELLS}, [PROFILE_D, LINUX_FISH]),
    "apple": (
        {"seen": APPLE, **SHELLS},
        [
            "/etc/profile",
            "/etc/zprofile",
            "/opt/homebrew/etc/fish/conf.d/llmfleet-conda.fish",
        ],
    ),
    "intel-mac": (
        {"seen": INTEL_MAC, **SHELLS},
        ["/etc/profile", "/etc/zprofile", "/usr/local/etc/fish/conf.d/llmfleet-conda.fish"],
    ),
    "told": (
        {"install_miniconda_platform": "debian", **SHELLS},
        [PROFILE_D, "/etc/zsh/zprofile", LINUX_FISH],
    ),
    "told-otherwise": (
        {"seen": DEBIAN, "install_miniconda_platform": "redhat", **SHELLS},
        [PROFILE_D, LINUX_FISH],
    ),
    "home-debian": ({"seen": DEBIAN, **HOME, **SHELLS}, ["~/.profile", "~/.zprofile", USER_FISH]),
    "home-enterprise": (
        {"seen": ENTERPRISE, **HOME, **SHELLS},
        ["~/.bash_profile", "~/.zprofile", USER_FISH],
    ),
    "home-mac": ({"seen": APPLE, **HOME, **SHELLS}, ["~/.bash_profile", "~/.zprofile", USER_FISH]),
    "no-profile": ({"install_miniconda_profile_dir": ""}, []),
    "no-profile-mac": (
        {
            "seen": APPLE,
            "install_miniconda_profile_dir": "",
            "install_miniconda_login_files": ["/Users/ops/.zprofile"],
        },
        ["/Users/ops/.zprofile"],
    ),
    "paths": (
        {
            **SHELLS,
            "install_miniconda_login_paths": {"zsh": "/etc/zshenv", "fish": "/srv/fish/conda.fish"},
        },
        [PROFILE_D, "/etc/zshenv", "/srv/fish/conda.fish"],
    ),
}

TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda"
CERNET = "https://mirrors.cernet.edu.cn/anaconda"
MIRRORS: dict[str, dict[str, Any]] = {
    "preset": {"install_miniconda_mirror_preset": "tuna"},
    "preset-pinned": {
        "install_miniconda_mirror_preset": "tuna",
        "install_miniconda_conda_version": ">=25",
    },
    "preset-terms": {
        "install_miniconda_mirror_preset": "tuna",
        "install_miniconda_tos": "accept",
        "install_miniconda_channels": ["defaults"],
    },
    "preset-overridden": {
        "install_miniconda_mirror_preset": "tuna",
        "install_miniconda_mirror": "https://files.example.org/installers",
        "install_miniconda_custom_channels": {"conda-forge": "https://files.example.org/conda"},
        "install_miniconda_probe_channels": False,
    },
    "preset-site": {
        "install_miniconda_mirror_preset": "site",
        "install_miniconda_mirror_presets": SITE,
        "install_miniconda_distribution": "miniforge",
        "install_miniconda_version": "26.3.2-3",
    },
    "refuse": {"install_miniconda_tos": "refuse"},
    "refuse-old": {
        "install_miniconda_tos": "refuse",
        "install_miniconda_version": "py311_24.7.1-0",
        "install_miniconda_upgrade_channels": ["https://files.example.org/own"],
    },
    "refuse-old-pinned-newer": {
        "install_miniconda_tos": "refuse",
        "install_miniconda_version": "py311_24.7.1-0",
        "install_miniconda_conda_version": ">=25.3,<26",
    },
    "refuse-anaconda": {
        "install_miniconda_tos": "refuse",
        "install_miniconda_distribution": "anaconda",
        "install_miniconda_version": "2024.06-1",
    },
    "refuse-preset": {
        "install_miniconda_tos": "refuse",
        "install_miniconda_mirror_preset": "tuna",
        "install_miniconda_reject_tos": ["https://files.example.org/pkgs/own"],
    },
    "preset-without-installer": {
        "install_miniconda_mirror_preset": "bfsu",
        "install_miniconda_distribution": "miniforge",
        "install_miniconda_version": "26.3.2-3",
    },
    "several": {
        "install_miniconda_mirror_preset": ["ustc", "tuna", "cernet"],
        "install_miniconda_tos": "accept",
    },
    "several-words": {"install_miniconda_mirror_preset": "ustc, site,, ustc ,"}
    | {
        "install_miniconda_mirror_presets": SITE,
        "install_miniconda_distribution": "miniforge",
        "install_miniconda_version": "26.3.2-3",
        "install_miniconda_custom_channels": {"own": "https://files.example.org/own"},
    },
    "several-overridden": {
        "install_miniconda_mirror_preset": ["tuna", "site"],
        "install_miniconda_mirror_presets": SITE,
        "install_miniconda_channel_alias": "https://files.example.org/alias",
        "install_miniconda_condarc": {"custom_channels": {"x": "https://files.example.org/x"}},
    },
    "several-refuse": {
        "install_miniconda_mirror_preset": ["ustc", "bfsu", "tuna"],
        "install_miniconda_tos": "refuse",
    },
}


@pytest.fixture(scope="module")
def choices(
    play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What each host gets, from one run over all of them."""
    results = tmp_path_factory.mktemp("choices")
    hosts = {**{name: variables for name, (variables, _) in LOGIN.items()}, **MIRRORS}
    run = play("tests/roles/choices.yml", hosts, results=str(results))
    assert run.code == 0, run.text
    assert "[WARNING]" not in run.text
    return {name: json.loads((results / f"{name}.json").read_text()) for name in hosts}


def shipped(name: str) -> dict[str, Any]:
    """A file of data of the role."""
    return yaml.safe_load((ROLE / "vars/main" / name).read_text(encoding="utf-8"))


# -- login shells -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", LOGIN)
def test_each_shell_gets_the_file_that_it_reads(
    host: str, choices: dict[str, dict[str, Any]]
) -> None:
    assert choices[host]["login_files"] == LOGIN[host][1]


def test_only_files_of_the_role_s_own_are_removed_whole(choices: dict[str, dict[str, Any]]) -> None:
    assert choices["debian"]["own_login_files"] == [PROFILE_D, LINUX_FISH]
    assert choices["paths"]["own_login_files"] == [PROFILE_D]
    assert choices["home-mac"]["own_login_files"] == [USER_FISH]


def test_the_platforms_are_the_choices() -> None:
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"]["options"]
    data = shipped("login_shells.yml")
    tables = data["install_miniconda__login_shells"]
    platforms = {entry["platform"] for entry in data["install_miniconda__platforms"]}
    named = [name for name in tables if name != "unknown"]
    assert options["install_miniconda_platform"]["choices"] == ["", *named]
    assert platforms == set(named)
    for name in named:
        for scope in ("host", "user"):
            assert list(tables[name][scope]) == options["install_miniconda_login_shells"]["choices"]


@pytest.mark.parametrize("host", ["debian", "home-debian"])
def test_a_shell_that_reads_the_file_has_conda(
    host: str, choices: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """With the shells of this machine, and a stand-in for what conda brings."""
    home = tmp_path / "a home"
    prefix = home / "miniconda3"
    text = choices[host]["sh"]
    if host == "debian":
        prefix = tmp_path / "conda"
        text = text.replace("/opt/miniconda3", str(prefix))
    home.mkdir()
    start = tmp_path / "start"
    start.write_text(text)

    def shell(name: str) -> str:
        command = f". '{start}' && conda activate llm"
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        argv = [name, "-euc", command]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.stderr == "" or "conda" in done.stderr
        return done.stdout

    # As long as there is no installation, nothing happens and nothing is said.
    assert (shell("bash"), shell("sh")) == ("", "")
    script = prefix / "etc/profile.d/conda.sh"
    script.parent.mkdir(parents=True)
    script.write_text('conda() { echo "$@"; }\n')
    assert (shell("bash"), shell("sh")) == ("activate llm\n", "activate llm\n")


def test_fish_reads_what_conda_brings_for_it(choices: dict[str, dict[str, Any]]) -> None:
    shared = choices["debian"]["fish"]
    assert shared.count("'/opt/miniconda3'/etc/fish/conf.d/conda.fish") == 2
    own = choices["home-debian"]["fish"]
    assert own.count('"$HOME/miniconda3"/etc/fish/conf.d/conda.fish') == 2
    for text in (shared, own):
        # The language of fish: no fi, no brackets, one end.
        lines = [line.split()[0] for line in text.splitlines() if not line.startswith("#")]
        assert lines == ["if", "source", "end"]


# -- mirrors ----------------------------------------------------------------------------------------


def test_each_preset_is_one_mirror() -> None:
    presets = shipped("mirrors.yml")["install_miniconda__mirrors"]
    assert sorted(presets) == ["aliyun", "bfsu", "cernet", "sjtug", "tuna", "ustc"]
    for preset in presets.values():
        assert {"conda-forge", "bioconda"} <= set(preset["custom_channels"])
        values = [preset.get("installers", {}), preset["custom_channels"]]
        urls = [
            *preset.get("default_channels", []),
            *(url for each in values for url in each.values()),
        ]
        assert {urlsplit(url).scheme for url in urls} == {"https"}
        # One mirror each, without a slash at the end that conda and the installer would double.
        assert len({urlsplit(url).hostname for url in urls}) == 1
        assert [url for url in urls if url.endswith("/")] == []


USTC = "https://mirrors.ustc.edu.cn"


def test_ustc_has_nothing_that_needs_a_licence() -> None:
    """Since 2025-09 it redirects Anaconda's installers and defaults to TUNA (ustclug/mirrorhelp)."""
    assert shipped("mirrors.yml")["install_miniconda__mirrors"]["ustc"] == {
        "installers": {
            "miniconda": f"{USTC}/anaconda/miniconda",
            "miniforge": f"{USTC}/github-release/conda-forge/miniforge/LatestRelease",
        },
        "newest_only": ["miniforge"],
        "custom_channels": {
            "conda-forge": f"{USTC}/anaconda/cloud",
            "bioconda": f"{USTC}/anaconda/cloud",
        },
    }


def test_mirrors_that_only_redirect_say_so() -> None:
    presets = shipped("mirrors.yml")["install_miniconda__mirrors"]
    assert [name for name in presets if presets[name].get("redirects")] == ["sjtug", "cernet"]
    assert presets["cernet"]["custom_channels"]["conda-forge"] == f"{CERNET}/cloud"
    assert presets["sjtug"]["custom_channels"]["conda-forge"] == (
        "https://mirror.sjtu.edu.cn/anaconda/cloud"
    )


def test_a_preset_is_the_mirror_of_installers_and_channels(
    choices: dict[str, dict[str, Any]],
) -> None:
    found = choices["preset"]
    assert found["installer_mirrors"] == [f"{TUNA}/miniconda"]
    assert found["condarc"]["channels"] == ["conda-forge"]
    assert found["condarc"]["custom_channels"]["conda-forge"] == f"{TUNA}/cloud"
    assert "default_channels" not in found["condarc"]
    assert found["probe"] is True


def test_without_a_preset_nothing_of_it_is_there(choices: dict[str, dict[str, Any]]) -> None:
    found = choices["defaults"]
    assert found["condarc"] == {"channels": ["conda-forge"]}
    assert (found["installer_mirrors"], found["own_channels"], found["probe"]) == ([], [], False)
    assert found["mirror_settings"] == []


def test_a_pinned_conda_comes_from_the_mirror_before_there_is_a_condarc(
    choices: dict[str, dict[str, Any]],
) -> None:
    assert choices["preset-pinned"]["own_channels"] == [f"{TUNA}/cloud/conda-forge"]


def test_a_mirror_of_defaults_is_written_only_with_their_terms(
    choices: dict[str, dict[str, Any]],
) -> None:
    condarc = choices["preset-terms"]["condarc"]
    assert condarc["default_channels"] == [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"]


ANACONDA = [f"https://repo.anaconda.com/pkgs/{name}" for name in ("main", "r", "msys2")]


def test_refused_channels_are_turned_away_by_conda_itself(
    choices: dict[str, dict[str, Any]],
) -> None:
    assert choices["refuse"]["condarc"] == {
        "channels": ["conda-forge"],
        "denylist_channels": ANACONDA,
    }
    assert choices["refuse-preset"]["condarc"]["denylist_channels"] == [
        *ANACONDA,
        f"{TUNA}/pkgs/main",
        f"{TUNA}/pkgs/r",
        "https://files.example.org/pkgs/own",
    ]


def test_a_conda_that_knows_no_denied_channels_allows_only_its_own(
    choices: dict[str, dict[str, Any]],
) -> None:
    found = choices["refuse-old"]["condarc"]["allowlist_channels"]
    assert found == ["conda-forge", "https://files.example.org/own"]
    assert choices["refuse-anaconda"]["condarc"]["allowlist_channels"] == ["conda-forge"]
    for newer in ("refuse", "refuse-old-pinned-newer", "refuse-preset"):
        assert "allowlist_channels" not in choices[newer]["condarc"]


def test_accepting_takes_an_earlier_refusal_out_of_the_condarc_and_avoiding_does_not(
    choices: dict[str, dict[str, Any]],
) -> None:
    accepted = choices["preset-terms"]["condarc"]
    keys = ("denylist_channels", "allowlist_channels")
    assert [accepted[key] for key in keys] == [None, None]
    assert [key for key in keys if key in choices["defaults"]["condarc"]] == []


def test_what_the_site_says_itself_wins(choices: dict[str, dict[str, Any]]) -> None:
    found = choices["preset-overridden"]
    assert found["installer_mirrors"] == ["https://files.example.org/installers"]
    assert found["condarc"]["custom_channels"] == {
        "bioconda": f"{TUNA}/cloud",
        "conda-forge": "https://files.example.org/conda",
        "pytorch": f"{TUNA}/cloud",
    }
    assert found["probe"] is False


def test_a_preset_of_the_site_s_own(choices: dict[str, dict[str, Any]]) -> None:
    found = choices["preset-site"]
    assert found["installer_mirrors"] == ["https://files.example.org/miniforge/26.3.2-3"]
    assert found["condarc"] == {
        "channels": ["conda-forge"],
        "channel_alias": "https://files.example.org/conda",
    }
    assert found["probe"] is True


def test_an_installer_that_the_mirror_lacks_comes_from_its_publisher(
    choices: dict[str, dict[str, Any]],
) -> None:
    assert choices["preset-without-installer"]["installer_mirrors"] == []


def test_several_mirrors_in_order(choices: dict[str, dict[str, Any]]) -> None:
    found = choices["several"]
    assert found["installer_mirrors"] == [
        f"{USTC}/anaconda/miniconda",
        f"{TUNA}/miniconda",
        f"{CERNET}/miniconda",
    ]
    settings = found["mirror_settings"]
    assert [one["custom_channels"]["conda-forge"] for one in settings] == [
        f"{USTC}/anaconda/cloud",
        f"{TUNA}/cloud",
        f"{CERNET}/cloud",
    ]
    assert [one.get("default_channels") for one in settings] == [
        None,
        [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"],
        [f"{CERNET}/pkgs/main", f"{CERNET}/pkgs/r"],
    ]
    assert [one.get("redirects", False) for one in settings] == [False, False, True]
    assert found["probe"] is True


def test_a_mirror_of_newest_releases_is_followed_by_the_publisher(
    choices: dict[str, dict[str, Any]],
) -> None:
    """A pinned version of Miniforge leaves such a mirror when the next one is released."""
    found = choices["several-words"]
    assert found["installer_mirrors"] == [
        f"{USTC}/github-release/conda-forge/miniforge/LatestRelease",
        "https://files.example.org/miniforge/26.3.2-3",
        "publisher",
    ]
    assert [one["custom_channels"]["own"] for one in found["mirror_settings"]] == [
        "https://files.example.org/own",
        "https://files.example.org/own",
    ]
    assert found["mirror_settings"][1]["channel_alias"] == "https://files.example.org/conda"
    # Without accepted terms there is no mirror of defaults.
    assert [one["default_channels"] for one in found["mirror_settings"]] == [[], []]


def test_what_the_site_says_itself_wins_for_each_mirror(
    choices: dict[str, dict[str, Any]],
) -> None:
    found = choices["several-overridden"]
    assert [
        (one.get("channel_alias", ""), one["custom_channels"]) for one in found["mirror_settings"]
    ] == [("", {}), ("", {})]
    assert found["condarc"] == {
        "channels": ["conda-forge"],
        "channel_alias": "https://files.example.org/alias",
        "custom_channels": {"x": "https://files.example.org/x"},
    }


def test_refused_channels_are_those_of_all_mirrors(choices: dict[str, dict[str, Any]]) -> None:
    assert choices["several-refuse"]["condarc"]["denylist_channels"] == [
        *ANACONDA,
        "https://mirrors.bfsu.edu.cn/anaconda/pkgs/main",
        "https://mirrors.bfsu.edu.cn/anaconda/pkgs/r",
        f"{TUNA}/pkgs/main",
        f"{TUNA}/pkgs/r",
    ]


def behind(place: Path, *names: str) -> dict[str, Any]:
    """The variables of a host with these mirrors, which are directories."""
    return {
        "install_miniconda_prefix": str(place / "conda"),
        "install_miniconda_distribution": "miniforge",
        "install_miniconda_version": "26.3.2-3",
        "install_miniconda_profile_dir": "",
        "install_miniconda_channels": ["lab"],
        "install_miniconda_mirror_preset": list(names),
        "install_miniconda_mirror_presets": {
            name: {"custom_channels": {"lab": f"file://{place}/{name}"}} for name in names
        },
    }


@pytest.fixture
def full(tmp_path: Path) -> None:
    """One mirror has the channel."""
    repodata = tmp_path / "full" / "lab" / "noarch" / "repodata.json"
    repodata.parent.mkdir(parents=True)
    repodata.write_text("{}")


@pytest.mark.full
@pytest.mark.usefixtures("full")
def test_the_host_asks_a_mirror_before_it_is_written(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    """Two hosts, one behind a mirror that has the channel."""
    hosts = {name: behind(tmp_path, name) for name in ("full", "empty")}
    run = play(role_alone(tmp_path), hosts, "--check")
    assert run.code == 2
    failure = run.failure("empty")
    assert f"The channel lab does not answer: file://{tmp_path}/empty/lab/noarch" in failure
    assert re.search(r"full +: ok=\d+ +changed=2 +unreachable=0 +failed=0 ", run.text), run.text


@pytest.mark.full
@pytest.mark.usefixtures("full")
def test_the_host_takes_the_next_of_several_mirrors(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    passed = f"A mirror was passed over, because it does not answer: file://{tmp_path}/empty/lab/"
    hosts = {"several": behind(tmp_path, "empty", "full", "other")}
    run = play(role_alone(tmp_path), hosts, "--check", "--diff", expected=[passed])
    assert run.code == 0, run.text
    assert passed in run.flat
    assert f"+  lab: file://{tmp_path}/full" in run.text


# -- the installer, by the host's own facts ---------------------------------------------------------


HOSTS = [("Linux", "x86_64"), ("Linux", "aarch64"), ("MacOSX", "arm64"), ("MacOSX", "x86_64")]
DEFAULT_VERSION: str = yaml.safe_load((ROLE / "defaults/main.yml").read_text())[
    "install_miniconda_version"
]
DISTRIBUTIONS = [
    ("miniconda", DEFAULT_VERSION, "Miniconda3"),
    ("miniforge", "26.3.2-3", "Miniforge3"),
    ("anaconda", "2025.12-2", "Anaconda3"),
]
# Anaconda makes no installers for Macs with processors of Intel's any more; conda-forge does.
LAST_FOR_INTEL_MACS = {"miniconda": "py312_25.7.0-2", "anaconda": "2025.06-1"}


def planned(
    place: Path, distribution: str, version: str, host: tuple[str, str], mirror: str = ""
) -> InstallationPlan:
    """What the role's first task would do on a bare host of this kind."""
    prefix = str(place / "conda")
    request = InstallationRequest(
        prefix,
        distribution=distribution,
        version=version,
        mirror=[mirror] if mirror else [],
        catalogue=rows_for({"distribution": distribution, "version": version}),
    )
    observed = ObservedInstallation(observe_prefix(prefix, thorough=True))
    return plan_installation(request, observed, *host)


@pytest.mark.parametrize("host", HOSTS, ids="-".join)
@pytest.mark.parametrize(("distribution", "version", "name"), DISTRIBUTIONS)
@pytest.mark.parametrize("mirror", ["", f"{TUNA}/of"])
def test_each_kind_of_host_gets_its_own_installer(
    distribution: str, version: str, name: str, host: tuple[str, str], mirror: str, tmp_path: Path
) -> None:
    if host == ("MacOSX", "x86_64"):
        version = LAST_FOR_INTEL_MACS.get(distribution, version)
    installer = planned(tmp_path, distribution, version, host, mirror).installer
    assert installer is not None
    assert installer.file_name == f"{name}-{version}-{host[0]}-{host[1]}.sh"
    assert installer.source.startswith(mirror or "https://")
    assert installer.source.endswith(f"/{installer.file_name}")
    assert re.fullmatch("[0-9a-f]{64}", installer.sha256)


def test_a_host_that_the_default_is_not_published_for_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CondaModuleError) as error:
        planned(tmp_path, "miniconda", DEFAULT_VERSION, ("MacOSX", "x86_64"))
    assert f"miniconda {DEFAULT_VERSION} was not published for MacOSX x86_64" in str(error.value)
    assert "another version or distribution" in str(error.value)


@pytest.mark.parametrize(
    ("told", "host"),
    [(("Darwin", "arm64"), HOSTS[2]), (("Darwin", "x86_64"), HOSTS[3])]
    + [(("Linux", arch), ("Linux", arch)) for arch in ("x86_64", "aarch64")],
)
def test_the_host_says_itself_what_it_is(
    told: tuple[str, str], host: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uname = os.uname_result((told[0], "here", "1", "1", told[1]))
    monkeypatch.setattr(os, "uname", lambda: uname)
    assert host_platform() == host


# -- users ------------------------------------------------------------------------------------------


def role_alone(place: Path) -> str:
    """A playbook with nothing but the role."""
    playbook = place / "role.yml"
    roles = [{"role": "llmfleet.conda.install_miniconda"}]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": roles}]))
    return str(playbook)


@pytest.mark.full
def test_an_installation_for_each_user_is_foretold_and_nothing_written(
    play: Callable[..., Played], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    variables = {
        "install_miniconda_users": [getpass.getuser()],
        "install_miniconda_platform": "debian",
        "install_miniconda_distribution": "miniforge",
        "install_miniconda_version": "26.3.2-3",
        **HOME,
        **SHELLS,
    }
    run = play(role_alone(tmp_path), {"here": variables}, "--check", "--diff")
    assert run.code == 0, run.text
    assert re.search(r"here +: ok=\d+ +changed=3 ", run.text), run.text
    for path in (f"{tmp_path}/miniconda3", f"{tmp_path}/miniconda3/.condarc"):
        assert f"+++ after: {path}" in run.text
    for name in ("~/.profile", "~/.zprofile", USER_FISH):
        assert f"(item={name})" in run.text
    assert not (tmp_path / "miniconda3").exists()
    assert [path.name for path in tmp_path.iterdir() if "profile" in path.name] == []


# -- updates of macOS -------------------------------------------------------------------------------


# /etc/zprofile of macOS: path_helper moves the directories of the system to the front of PATH.
APPLES_ZPROFILE = """\
# System-wide profile for interactive zsh(1) shells.

# Setup user specific overrides for this in ~/.zprofile. See zshbuiltins(1)
# and zshoptions(1) for more details.

if [ -x /usr/libexec/path_helper ]; then
\teval `/usr/libexec/path_helper -s`
fi
"""


@pytest.mark.full
def test_the_next_run_puts_back_what_an_update_of_macos_overwrote(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    """On a Mac by its facts; the file stands in for /etc/zprofile, and the installation is made of files."""
    base = FakePrefix(tmp_path / "conda")
    base.link("python", "3.12.7")
    base.link("conda", "26.5.3")
    zprofile = tmp_path / "zprofile"
    playbook = tmp_path / "mac.yml"
    facts = {**APPLE, "cacheable": True}
    role = {"role": "llmfleet.conda.install_miniconda"}
    first = {"name": "Take the facts of a Mac", "ansible.builtin.set_fact": facts}
    plays = [{"hosts": "all", "gather_facts": False, "pre_tasks": [first], "roles": [role]}]
    playbook.write_text(json.dumps(plays))
    variables = {
        "install_miniconda_prefix": str(base.path),
        "install_miniconda_repair": False,
        "install_miniconda_login_shells": ["zsh"],
        "install_miniconda_login_paths": {"zsh": str(zprofile)},
    }

    def changes() -> int:
        zprofile.write_text(APPLES_ZPROFILE)
        run = play(str(playbook), {"mac": variables})
        assert run.code == 0, run.text
        found = re.search(r"mac +: ok=\d+ +changed=(\d+) ", run.text)
        assert found is not None
        return int(found[1])

    # The .condarc and the block.
    assert changes() == 2
    text = zprofile.read_text()
    assert text.startswith(APPLES_ZPROFILE)
    assert f"'{base.path}'/etc/profile.d/conda.sh" in text[len(APPLES_ZPROFILE) :]
    # After the update only the block is missing.
    assert changes() == 1
    assert zprofile.read_text() == text


# -- known vulnerabilities --------------------------------------------------------------------------


@pytest.mark.full
def test_an_affected_installer_is_named_once_for_all_hosts(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    """The newest Miniconda of the catalogue is older than 26.9.4, whose release notes fix CVE-2026-111497."""
    variables = {
        "install_miniconda_prefix": str(tmp_path / "conda"),
        "install_miniconda_version": "py312_26.5.3-1",
        "install_miniconda_profile_dir": "",
    }
    hosts = dict.fromkeys(("first", "second"), variables)
    run = play(role_alone(tmp_path), hosts, "--check", expected=["CVE-2026-111497 in brotlicffi"])
    assert run.code == 0, run.text
    assert run.text.count("[WARNING]") == 1
    assert "Install 26.9.4 or newer (options version, checksum and mirror)" in run.flat
    for host in hosts:
        assert re.search(rf"{host} +: ok=\d+ +changed=2 +unreachable=0 +failed=0 ", run.text), (
            run.text
        )
