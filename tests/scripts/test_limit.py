"""Hosts that `make test` leaves out of a scenario are hosts of that scenario, and others take part."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.layout import ROOT
from scripts.testing import limit
from scripts.testing.molecule_step import TEST_LIMITS, TEST_SCENARIOS


def names(found: object) -> set[str]:
    """The hosts of an inventory, in groups of groups."""
    if not isinstance(found, dict):
        return set()
    own = set(found.get("hosts") or {})
    return own.union(*(names(group) for group in (found.get("children") or {}).values()))


def hosts_of(scenario: str) -> set[str]:
    """The hosts in a scenario's inventory."""
    own = ROOT / "molecule" / scenario / "inventory" / "hosts.yml"
    path = own if own.exists() else ROOT / "inventories" / "lab" / "hosts.yml"
    return names(yaml.safe_load(Path(path).read_text())["all"])


@pytest.mark.parametrize("scenario", TEST_LIMITS)
def test_a_limit_names_some_of_the_hosts_of_a_scenario(scenario: str) -> None:
    assert scenario in TEST_SCENARIOS
    assert set(TEST_LIMITS[scenario]) < hosts_of(scenario)


def test_all_hosts_take_part_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(limit.VARIABLE, raising=False)
    assert limit.taking_part(["b", "a"]) == ["b", "a"]


def test_whole_names_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limit.VARIABLE, "debian13,other")
    assert limit.taking_part(["debian13-b", "other", "debian13", "debian1"]) == [
        "other",
        "debian13",
    ]
