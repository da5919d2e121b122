"""The entries of create_conda_env as the role verify gives them to llm_check."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llmfleet.conda.plugins.filter.environments_to_verify import (
    environments_to_verify,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.options import (
    ENVIRONMENT_OPTIONS,
)

ENTRY = {
    "name": "tools",
    "packages": ["tqdm"],
    "pinned": ["tqdm<5"],
    "channels": ["conda-forge"],
    "in_use": "warn",
    "prune": None,
    "exact": True,
}


def test_what_an_environment_contains_is_kept() -> None:
    assert environments_to_verify([ENTRY]) == [
        {
            "name": "tools",
            "packages": ["tqdm"],
            "pinned": ["tqdm<5"],
            "exact": True,
            "imports": {},
            "state": "present",
        }
    ]


def test_imports_are_those_of_the_name_or_prefix() -> None:
    entries = [{"name": "a"}, {"prefix": "/srv/b", "imports": {"yaml": ""}}, {"name": "c"}]
    found = environments_to_verify(entries, {"a": {"six": ""}, "/srv/b": {"tqdm": ">=4"}})
    assert [one["imports"] for one in found] == [
        {"six": ""},
        {"yaml": "", "tqdm": ">=4"},
        {},
    ]


@pytest.mark.parametrize(
    ("entry", "state", "expected"),
    [
        ({}, "present", "present"),
        ({}, "latest", "present"),
        ({"state": "latest"}, "present", "present"),
        ({"state": "absent"}, "present", "absent"),
        # The role removes all environments then, whatever their entries say.
        ({"state": "present"}, "absent", "absent"),
    ],
)
def test_the_state(entry: dict[str, Any], state: str, expected: str) -> None:
    (found,) = environments_to_verify([{"name": "a", **entry}], state=state)
    assert found["state"] == expected


def test_environments_of_another_installation_have_a_prefix() -> None:
    found = environments_to_verify([{"name": "a"}, {"prefix": "/srv/b"}], installation="/opt/two/")
    assert [one["prefix"] for one in found] == ["/opt/two/envs/a", "/srv/b"]
    assert not any("name" in one for one in found)


def test_every_key_is_an_option_of_the_module() -> None:
    entry = {
        **dict.fromkeys(ENVIRONMENT_OPTIONS, "x"),
        "imports": {},
        "prefix": None,
        "channels": [],
    }
    (found,) = environments_to_verify([entry])
    assert set(found) == set(ENVIRONMENT_OPTIONS) - {"prefix"}


@pytest.mark.parametrize("entries", ["tools", {"name": "tools"}, ["tools"], 7])
def test_other_types_are_refused(entries: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="environments_to_verify requires"):
        environments_to_verify(entries)
