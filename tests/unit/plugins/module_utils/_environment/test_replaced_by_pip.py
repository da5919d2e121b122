"""Specs for a package that a task of conda_pip let pip replace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.apply import (
    copies_given_back,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.plan import plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Request,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import note_replaced
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import parse_specs
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def env(tmp_path: Path) -> FakePrefix:
    """conda has a record of six 1.16, pip has replaced it by 1.17."""
    made = FakePrefix(tmp_path / "env")
    made.link("python", "3.12.1")
    info = f"{SITE}/six-1.16.0.dist-info"
    made.link("six", "1.16.0", files={f"{info}/METADATA": b"", f"{SITE}/six.py": b"conda's, long"})
    (made.path / info / "METADATA").unlink()
    (made.path / info).rmdir()
    pips = made.path / SITE / "six-1.17.0.dist-info"
    pips.mkdir()
    (pips / "METADATA").write_text("Name: six\nVersion: 1.17.0\n\n")
    (pips / "INSTALLER").write_text("pip\n")
    (made.path / SITE / "six.py").write_text("pip's")
    return made


def told(env: FakePrefix) -> None:
    note_replaced(observe_prefix(str(env.path), thorough=True), ["six"])


def planned(env: FakePrefix, *specs: str, **options: Any) -> Plan:
    request = Request("/opt/conda", str(env.path), parse_specs(["python", *specs]), True, **options)
    return plan(request, observe(request))


@pytest.mark.parametrize("spec", ["six", "six>=1.17", "six=1.17", "six>1.16,<2"])
@pytest.mark.parametrize("options", [{}, {"repair": False}, {"prune": True}])
def test_a_spec_that_allows_pips_version_is_satisfied(
    spec: str, options: dict[str, Any], env: FakePrefix
) -> None:
    told(env)
    assert not planned(env, spec, **options)


@pytest.mark.parametrize("spec", ["six=1.16", "six<1.17", "six>=2"])
@pytest.mark.parametrize("state", ["present", "latest"])
def test_another_spec_is_refused_with_both_versions(spec: str, state: str, env: FakePrefix) -> None:
    told(env)
    with pytest.raises(CondaModuleError, match=r"has replaced conda's six by 1\.17\.0") as caught:
        planned(env, spec, state=state)
    assert f"{spec} is requested" in caught.value.message
    assert caught.value.facts["replaced_by_pip"] == ["six"]


def test_nothing_newer_is_looked_for(env: FakePrefix) -> None:
    told(env)
    assert planned(env, "six", state="latest").update == ("python",)


def test_without_a_task_that_said_so_it_is_damage(env: FakePrefix) -> None:
    found = planned(env, "six")
    assert found.reinstall == ("six",)
    request = Request("/opt/conda", str(env.path), parse_specs(["six"]), True)
    (back,) = copies_given_back(found, observe(request))
    assert (back.package, back.copy.label, back.told) == ("six", "six 1.17.0 (pip)", False)


def test_force_reinstall_gives_it_back(env: FakePrefix) -> None:
    told(env)
    found = planned(env, "six", force_reinstall=True)
    assert "six" in found.reinstall
    request = Request("/opt/conda", str(env.path), parse_specs(["six"]), True, force_reinstall=True)
    (back,) = copies_given_back(found, observe(request))
    assert (back.package, back.told) == ("six", True)


def test_prune_removes_the_package_and_leaves_pips(env: FakePrefix) -> None:
    told(env)
    found = planned(env, prune=True)
    assert found.remove == ("six",)
    request = Request("/opt/conda", str(env.path), parse_specs(["python"]), True, prune=True)
    assert copies_given_back(found, observe(request)) == []
