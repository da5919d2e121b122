"""The catalogue of installers against its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    DISTRIBUTIONS,
    choose_installer,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import published
from scripts.generate.make_catalogue import TARGET, render

ROOT = Path(__file__).resolve().parents[2]
SOURCE: dict[str, Any] = json.loads((ROOT / "data" / "installers.json").read_text(encoding="utf-8"))


def test_the_generated_file_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(SOURCE)


def test_it_holds_every_published_installer_and_nothing_else() -> None:
    ours = {
        (
            name,
            entry.file_name,
            entry.base_url + entry.file_name,
            entry.sha256,
            entry.os,
            entry.arch,
        )
        for name in DISTRIBUTIONS
        for entry in published(name)
    }
    theirs = {
        (
            item["distribution"],
            item["filename"],
            item["url"],
            item["sha256"],
            item["os"],
            item["arch"],
        )
        for item in SOURCE["installers"]
    }
    assert ours == theirs
    assert len(theirs) == len(SOURCE["installers"]) > 900


def test_every_one_of_them_can_be_chosen() -> None:
    by_file = {item["filename"]: item for item in SOURCE["installers"]}
    assert len(by_file) == len(SOURCE["installers"])
    for name in DISTRIBUTIONS:
        for entry in published(name):
            item = by_file[entry.file_name]
            chosen = choose_installer(
                distribution=name,
                version=entry.version,
                system=item["os"],
                arch=item["arch"],
                catalogue=list(published(name)),
            )
            assert (chosen.file_name, chosen.source, chosen.sha256) == (
                item["filename"],
                item["url"],
                item["sha256"],
            )
            assert chosen.is_url


def test_versions_are_unique_for_a_platform() -> None:
    for name in DISTRIBUTIONS:
        keys = [(entry.version, entry.os, entry.arch) for entry in published(name)]
        assert len(keys) == len(set(keys)) > 50


def test_a_file_name_that_does_not_follow_its_version_is_refused() -> None:
    item = dict(SOURCE["installers"][0])
    item["filename"] = "Other.sh"
    with pytest.raises(SystemExit, match="does not follow its version"):
        render({"source": "x", "seen": "2026-12-01", "installers": [item]})
