# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names tasks have set, under releases of ansible-core that keep them in different ways."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.llmfleet.conda.plugins.action.check_variables import ActionModule
from ansible_collections.llmfleet.conda.plugins.plugin_utils._inventory_names import set_by_tasks


class CachePlugin:
    """As ansible-core 2.20 keeps facts: ``get`` raises KeyError, and there is no ``[]``."""

    def __init__(self, facts: dict[str, dict[str, Any]]) -> None:
        self._facts = facts

    def get(self, host: str) -> dict[str, Any]:
        return self._facts[host]


class BrokenCache:
    """As a cache whose server is away."""

    def get(self, host: str) -> dict[str, Any]:
        raise ConnectionError(host)


def kept(facts: Any) -> SimpleNamespace:
    manager = SimpleNamespace(
        _nonpersistent_fact_cache=defaultdict(dict, {"h": {"set": 1}}),
        _vars_cache=defaultdict(dict, {"h": {"registered": 1}}),
        _fact_cache=facts,
    )
    return SimpleNamespace(_variable_manager=manager)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"h": {"fact": 1}}, {"set", "registered", "fact"}),
        ({}, {"set", "registered"}),
        (CachePlugin({"h": {"fact": 1}}), {"set", "registered", "fact"}),
        (CachePlugin({}), {"set", "registered"}),
        (BrokenCache(), {"set", "registered"}),
    ],
    ids=["2.16", "2.16 without facts", "2.20", "2.20 without facts", "cache away"],
)
def test_each_way_to_keep_them_is_read(facts: Any, found: set[str]) -> None:
    hostvars = kept(facts)
    assert set_by_tasks(hostvars, "h") == found
    assert set_by_tasks(hostvars, "other") == set()
    # Asking creates no entries.
    assert list(hostvars._variable_manager._vars_cache) == ["h"]


def test_the_installed_ansible_core_is_read() -> None:
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=["h,"])
    manager = VariableManager(loader=loader, inventory=inventory)
    hostvars = HostVars(inventory=inventory, variable_manager=manager, loader=loader)
    manager.set_nonpersistent_facts("h", {"set": 1})
    manager.set_host_variable("h", "registered", 1)
    manager.set_host_facts("h", {"fact": 1})
    assert set_by_tasks(hostvars, "h") == {"set", "registered", "fact"}


@pytest.mark.parametrize(
    "hostvars",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(_variable_manager=None),
        SimpleNamespace(_variable_manager=SimpleNamespace(_vars_cache={}, _fact_cache={})),
    ],
    ids=["nothing", "no manager", "no manager yet", "one cache elsewhere"],
)
def test_a_release_that_keeps_them_elsewhere_is_told_apart(hostvars: Any) -> None:
    assert set_by_tasks(hostvars, "h") is None


@pytest.mark.parametrize("strict", [False, True])
def test_names_of_an_unknown_origin_never_stop_a_run(strict: bool) -> None:
    """A result that a task registered may resemble a variable: that is at most a warning."""
    action = ActionModule.__new__(ActionModule)
    action._templar = SimpleNamespace(template=lambda value: value)
    options = {"verify_report": {}}

    def judged(name: str, hostvars: Any) -> tuple[str, str]:
        known = {"llmfleet_strict": strict, "inventory_hostname": "h", "hostvars": hostvars}
        return action._unknown("verify", options, {**known, name: 1})

    refused, told = judged("verify_reports", None)
    assert refused == ""
    assert "Did you mean verify_report instead of verify_reports?" in told
    assert judged("verify_contact", None) == ("", "")
    # Where Ansible tells what tasks have set, the same name is refused.
    refused, told = judged("verify_reports", kept({}))
    assert ("Did you mean verify_report" in refused, told) == (True, "")
