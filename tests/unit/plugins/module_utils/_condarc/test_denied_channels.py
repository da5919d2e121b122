# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels that a condarc denies, in all the ways to name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channel_terms import (
    channel_of_spec,
    has_terms,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.denied_channels import (
    refuse_denied,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

MAIN = "https://repo.anaconda.com/pkgs/main"
WITH_TERMS = [
    "defaults",
    "defaults/linux-64",
    "main",
    "r",
    "anaconda",
    "anaconda/label/dev",
    "pkgs/main",
    "pkgs/main/noarch",
    "pkgs/msys2",
    MAIN,
    f"{MAIN}/",
    f"{MAIN}/linux-64",
    "http://repo.anaconda.com/pkgs/main",
    "HTTPS://Repo.Anaconda.COM/pkgs/main",
    "https://repo.anaconda.com:443/pkgs/main",
    "https://ada:word@repo.anaconda.com/t/token/pkgs/main",
    "https://conda.anaconda.org/anaconda",
    "https://conda.anaconda.org/t/token/main/linux-64",
    "https://mirror.example.com/pkgs%2Fmain",
]
WITHOUT = ["conda-forge", "my/main", "https://mirror.example.com/conda/main", "file:///srv/main"]
SPECS = {
    "defaults::numpy": "defaults",
    "pkgs/main/linux-64::numpy >=2": "pkgs/main/linux-64",
    "defaults:space:numpy": "defaults",
    "http://host:8080/a::numpy": "http://host:8080/a",
    "numpy[channel=defaults]": "defaults",
    f"numpy[version='>=1', channel=\"{MAIN}\"]": MAIN,
    f"numpy[url={MAIN}/linux-64/numpy-1-0.conda]": f"{MAIN}/linux-64/numpy-1-0.conda",
    f"{MAIN}/linux-64/numpy-1-0.conda#00ff": f"{MAIN}/linux-64/numpy-1-0.conda",
    "numpy": "",
    "numpy[build=x]": "",
    "numpy >=1,<2": "",
}


@pytest.mark.parametrize("channel", WITH_TERMS)
def test_recognises_channels_with_terms_in_every_notation(channel: str) -> None:
    assert has_terms(channel)


@pytest.mark.parametrize("channel", WITHOUT)
def test_unrelated_channels_have_no_terms(channel: str) -> None:
    assert not has_terms(channel)


@pytest.mark.parametrize("spec", SPECS)
def test_the_channel_of_a_spec(spec: str) -> None:
    assert channel_of_spec(spec) == SPECS[spec]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose condarc denies channels, as the role install_miniconda writes it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "base"
    path.mkdir()
    (path / ".condarc").write_text(
        f"channels: [conda-forge]\ndenylist_channels: ['{MAIN}', 'https://mirror.example.com/own']\n"
    )
    return path


@pytest.mark.parametrize("channel", [*WITH_TERMS, "http://mirror.example.com/t/x/own/noarch"])
def test_denied_channel_is_refused_in_options_specs_and_locks(channel: str, base: Path) -> None:
    for channels, specs in (([channel], []), (["conda-forge"], [f"numpy[channel='{channel}']"])):
        with pytest.raises(CondaModuleError, match=r"denies .*Nothing was changed"):
            refuse_denied(str(base), channels, specs)
    if "://" in channel:
        platform = "" if channel.endswith(("noarch", "linux-64")) else "/noarch"
        url = f"{channel.rstrip('/')}{platform}/numpy-1-0.conda"
        with pytest.raises(CondaModuleError, match="denies"):
            refuse_denied(str(base), [], [], [url])


def test_denied_configured_channel_is_refused(base: Path) -> None:
    refuse_denied(str(base), [], ["numpy"])
    (base / "condarc.d").mkdir()
    (base / "condarc.d" / "x.yml").write_text("channels: ['http://repo.anaconda.com/pkgs/r']\n")
    with pytest.raises(CondaModuleError, match="denies"):
        refuse_denied(str(base), [], ["numpy"])
    refuse_denied(str(base), ["conda-forge"], ["numpy"])


@pytest.mark.parametrize("channel", [*WITHOUT, "https://mirror.example.com/other"])
def test_other_channels_are_allowed(channel: str, base: Path) -> None:
    refuse_denied(str(base), [channel], [f"{channel}::numpy", "numpy"])


def test_denying_one_part_allows_the_others(base: Path) -> None:
    (base / ".condarc").write_text("denylist_channels: ['https://repo.anaconda.com/pkgs/r']\n")
    refuse_denied(str(base), ["pkgs/main"], [])
    with pytest.raises(CondaModuleError):
        refuse_denied(str(base), ["pkgs/r"], [])
    # Where nothing is denied, nothing is read into it.
    (base / ".condarc").write_text("channels: [defaults]\n")
    refuse_denied(str(base), ["defaults"], ["defaults::numpy"], [f"{MAIN}/noarch/x-1-0.conda"])
