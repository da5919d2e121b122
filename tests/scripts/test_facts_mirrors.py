"""The presets of install_miniconda as they are written from the table of mirrors."""

from __future__ import annotations

import pytest
import yaml

from scripts.generate.facts.writers.mirrors import UnknownService, render

BASE = "https://m.example.org"


def test_a_mirror_with_everything() -> None:
    rows = [
        {"mirror": "m", "serves": "defaults", "base": f"{BASE}/pkgs", "names": ["main", "r"]},
        {"mirror": "n", "serves": "channels", "base": f"{BASE}/n", "names": ["bioconda"]},
        {"mirror": "m", "serves": "channels", "base": f"{BASE}/cloud", "names": ["conda-forge"]},
        {"mirror": "m", "serves": "miniconda", "base": f"{BASE}/miniconda", "redirects": True},
        {"mirror": "m", "serves": "miniforge", "base": f"{BASE}/newest", "newest_only": True},
    ]
    assert yaml.safe_load(render({"mirrors": rows})) == {
        "install_miniconda__mirrors": {
            "m": {
                "installers": {"miniconda": f"{BASE}/miniconda", "miniforge": f"{BASE}/newest"},
                "newest_only": ["miniforge"],
                "custom_channels": {"conda-forge": f"{BASE}/cloud"},
                "default_channels": [f"{BASE}/pkgs/main", f"{BASE}/pkgs/r"],
                "redirects": True,
            },
            "n": {"custom_channels": {"bioconda": f"{BASE}/n"}},
        }
    }


def test_an_unknown_service_is_refused() -> None:
    row = {"mirror": "m", "serves": "minconda", "base": BASE}
    with pytest.raises(UnknownService, match="m: serves is minconda"):
        render({"mirrors": [row]})
