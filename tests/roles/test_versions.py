"""The versions that defaults and inventories name are in the catalogue: nobody has to find a checksum."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = {
    "defaults": {"Linux-x86_64", "Linux-aarch64", "MacOSX-arm64"},
    "macos": {"MacOSX-arm64", "MacOSX-x86_64"},
}


def variables(where: str) -> dict[str, str]:
    defaults = yaml.safe_load((ROOT / "roles/install_miniconda/defaults/main.yml").read_text())
    if where == "defaults":
        return defaults
    return defaults | yaml.safe_load(
        (ROOT / "inventories" / where / "group_vars/all.yml").read_text()
    )


@pytest.mark.parametrize("where", PLATFORMS)
def test_the_version_is_in_the_catalogue_for_each_platform(where: str) -> None:
    chosen = variables(where)
    catalogue = json.loads((ROOT / "data/installers.json").read_text())["installers"]
    names = {entry["filename"] for entry in catalogue}
    stem = f"{chosen['install_miniconda_distribution'].capitalize()}3-{chosen['install_miniconda_version']}"
    assert {f"{stem}-{platform}.sh" for platform in PLATFORMS[where]} <= names
