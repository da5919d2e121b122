"""install_miniconda_tos=refuse holds with every conda: which versions need a list of allowed channels.

conda 24.9.0 introduced denylist_channels; 24.11.1 and 25.1.0 fixed it ("was not being recognized in certain
cases", conda issue 14405). The expectation is written by hand, from conda's changelog.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.layout import ROOT
from tests.roles.conftest import Played

# The installers whose conda knows the key and does not always obey it.
LEAKING = {
    ("miniconda", "py39_24.9.2-0"),
    ("miniforge", "24.9.0-0"),
    ("miniforge", "24.9.2-0"),
    ("miniforge", "24.11.0-0"),
    ("miniforge", "24.11.0-1"),
    ("anaconda", "2024.10-1"),
}
# The catalogued installers whose conda obeys it, by the part of the version before the build number.
RELIABLE = {
    *(
        "24.11.1",
        "24.11.2",
        "24.11.3",
        "25.1.1",
        "25.3.0",
        "25.3.1",
        "25.5.1",
        "25.7.0",
        "25.9.1",
        "25.11.0",
    ),
    *("25.11.1", "26.1.0", "26.1.1", "26.3.2", "26.5.3"),
}
RELIABLE_ANACONDA = {"2025.06", "2025.12"}
# (installer's version, conda_version): whether an older conda may stay or come.
PINNED = [
    ("py312_24.9.2-0", ">=25.3,<26", False),
    ("py312_24.9.2-0", "24.11.1", False),
    ("py312_26.5.3-1", "24.11.0", True),
    ("py312_26.5.3-1", "==24.9.2", True),
    ("py312_26.5.3-1", "24.11", True),
    ("py312_26.5.3-1", "24.*", True),
    ("py312_26.5.3-1", "<26", True),
    ("py312_26.5.3-1", ">=25|24.9.*", True),
    ("py312_26.5.3-1", ">=25", False),
    ("py312_26.5.3-1", ">=25,<26.1,!=25.3.0", False),
    ("py312_26.5.3-1", "*", True),
    ("py312_26.5.3-1", " >= 24.9 ", True),
    ("py312_26.5.3-1", "~=24.9", True),
    ("py312_26.5.3-1", "~=24.11.1", False),
    ("py312_26.5.3-1", "=25", False),
    ("py312_26.5.3-1", "24.11.1=py312h06a4308_0", False),
    ("py312_26.5.3-1", "24.11.0 py312_0", True),
    ("latest", "", False),
]
# (URL or path of an installer, the default version stays): whether its conda may be older.
OWN = [
    ("https://files.example.org/1.2/Miniconda3-py38_4.12.0-Linux-x86_64.sh?v=26.1", True),
    ("https://files.example.org/4.8/Miniconda3-py312_26.5.3-1-Linux-x86_64.sh#4.8", False),
    ("/srv/installers/Miniforge3-24.9.2-0-Linux-x86_64.sh", True),
    # Nothing is known of it.
    ("/srv/installers/site.sh", False),
]


def published() -> list[tuple[str, str]]:
    """(distribution, version) of the catalogue, of Minicondas that differ in Python only the last."""
    found: dict[tuple[str, str], str] = {}
    for item in json.loads((ROOT / "data/installers.json").read_text())["installers"]:
        name = re.fullmatch(r"[a-z]+3-(.+)-(Linux|MacOSX)-\w+\.sh", item["filename"], re.IGNORECASE)
        assert name is not None
        found[item["distribution"], name[1].split("_")[-1]] = name[1]
    return [(distribution, version) for (distribution, _plain), version in found.items()]


@pytest.fixture(scope="module")
def allowed(
    play: Callable[..., Played], tmp_path_factory: pytest.TempPathFactory, everything: bool
) -> Any:
    """The allowed channels of each installer and pin, in order."""
    result = tmp_path_factory.mktemp("terms") / "allowed.json"
    asked = [
        {"distribution": name, "version": version}
        for name, version in (published() if everything else [])
    ]
    asked += [{"version": version, "conda_version": pin} for version, pin, _old in PINNED]
    asked += [
        {"version": "py312_26.5.3-1", "url" if "://" in name else "path": name}
        for name, _old in OWN
    ]
    run = play("tests/roles/terms.yml", {"host": {}}, results=str(result), asked=asked)
    assert run.code == 0, run.text
    found: list[list[str]] = json.loads(Path(result).read_text())
    assert len(found) == len(asked)
    return found


@pytest.mark.full
def test_every_installer_without_a_reliable_denylist_gets_an_allowlist(
    allowed: list[list[str]],
) -> None:
    catalogue = published()
    assert set(catalogue) >= LEAKING
    assert len(catalogue) > 150
    for (distribution, version), channels in zip(catalogue, allowed, strict=False):
        plain = version.split("_")[-1].split("-")[0]
        reliable = RELIABLE_ANACONDA if distribution == "anaconda" else RELIABLE
        expected = [] if plain in reliable else ["conda-forge"]
        assert channels == expected, (distribution, version)
        if (distribution, version) in LEAKING:
            assert channels == ["conda-forge"], (distribution, version)


def test_a_pin_counts_instead_of_the_installer(allowed: list[list[str]]) -> None:
    found = allowed[-len(PINNED) - len(OWN) : -len(OWN)]
    for (version, pin, old), channels in zip(PINNED, found, strict=True):
        assert channels == (["conda-forge"] if old else []), (version, pin)


def test_the_name_of_an_own_installer_counts_instead_of_the_version(
    allowed: list[list[str]],
) -> None:
    for (name, old), channels in zip(OWN, allowed[-len(OWN) :], strict=True):
        assert channels == (["conda-forge"] if old else []), name
