"""Packages lost in an interrupted change: the journal lists them, and a plan restores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.lost_packages import (
    held,
    lost_packages,
    still_wanted,
    with_lost,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan,
    plan_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import parse_specs
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix


def record(name: str, version: str = "1.0", *depends: str, requested: str = "") -> PackageRecord:
    return PackageRecord(name, version, "0", depends=depends, requested=requested)


def records(*items: PackageRecord) -> dict[str, PackageRecord]:
    return {item.name: item for item in items}


BEFORE = records(
    record("python", "3.11.9", "zlib", requested="python=3.11"),
    record("zlib"),
    record("pip", "24.0", "python"),
    record("tqdm", "4.66.5", "python", "colors", requested="None"),
    record("colors"),
    record("progress", "1.0", "tqdm"),
    record("wheel", "0.48.0", "python", "packaging"),
    record("packaging", "26.3", "python"),
)


def names(listed: list[list[str]]) -> list[str]:
    return [item[0] for item in listed]


def test_a_change_that_removes_nothing_holds_all_packages() -> None:
    assert held(BEFORE, ()) == [[name, BEFORE[name].version, "0"] for name in sorted(BEFORE)]


@pytest.mark.parametrize(
    ("removed", "gone"),
    [
        (["tqdm"], {"tqdm", "progress", "colors"}),
        (["packaging"], {"packaging", "wheel"}),
        (["unknown"], set()),
    ],
)
def test_dependents_and_orphans_of_a_removed_package_are_not_held(
    removed: list[str], gone: set[str]
) -> None:
    """conda also removes the dependents, and dependencies that no other package needs."""
    assert set(names(held(BEFORE, removed))) == set(BEFORE) - gone


def test_a_requested_dependency_is_held() -> None:
    wished = {**BEFORE, "colors": record("colors", requested="colors")}
    assert "colors" in names(held(wished, ["tqdm"]))


def test_packages_lost_earlier_are_held_in_the_next_journal() -> None:
    listed = held(records(record("six")), (), [record("wheel", "0.48.0"), record("six", "0.9")])
    assert listed == [["six", "1.0", "0"], ["wheel", "0.48.0", "0"]]


class TestLost:
    def lost(self, state: PrefixState, **journal: Any) -> list[tuple[str, str, str]]:
        found = lost_packages({"operation": "change", **journal}, state)
        return [(item.name, item.version, item.requested) for item in found]

    def test_held_packages_that_are_missing_are_lost(self, tmp_path: Path) -> None:
        prefix = FakePrefix(tmp_path / "env")
        prefix.link("six", "2.0")
        (prefix.meta / "broken-1.0-0.json").write_text("{")
        with open(prefix.meta / "history", "a", encoding="utf-8") as stream:
            stream.write("# update specs: ['wheel']\n")
        listed = [[name, "1.0", "0"] for name in ("broken", "packaging", "six", "wheel")]
        found = self.lost(observe_prefix(str(prefix.path)), held=listed)
        assert found == [("packaging", "1.0", ""), ("wheel", "1.0", "wheel")]

    @pytest.mark.parametrize(
        "listed",
        [
            None,
            "six",
            [["six"]],
            [["six", 1, "0"]],
            [{"six": "1.0"}],
            [["--name", "1.0", "0"]],
            [["six", "1.0 --all", "0"]],
        ],
    )
    def test_a_damaged_journal_names_nothing(self, listed: object, tmp_path: Path) -> None:
        state = observe_prefix(str(FakePrefix(tmp_path / "env").path))
        assert self.lost(state, held=listed) == []

    def test_only_a_change_loses_packages(self, tmp_path: Path) -> None:
        state = observe_prefix(str(FakePrefix(tmp_path / "env").path))
        assert self.lost(state, held=[["six", "1.0", "0"]], operation="create") == []


LOST = [record("tqdm", "4.66.5"), record("wheel", requested="wheel"), record("packaging", "26.3")]


def ways(wanted: list[str], *lost: PackageRecord, state: str = "present", **there: Any) -> Plan:
    parsed = parse_specs(wanted)
    found = PrefixState(path="/env", exists=True, is_environment=True, records=there, empty=False)
    result = plan_packages(parsed, found, latest=state == "latest")
    return with_lost(result, lost or LOST, parsed, state)


def test_three_alternatives_from_strictest_to_loosest() -> None:
    plan = ways(["python=3.12"])
    assert plan.restore == (
        ("tqdm==4.66.5", "wheel==1.0", "packaging==26.3"),
        ("tqdm", "wheel==1.0", "packaging"),
        ("tqdm", "wheel", "packaging"),
    )
    assert plan.specs == ("python=3.12", "tqdm==4.66.5", "wheel==1.0", "packaging==26.3")
    assert plan.requested == ("python=3.12",)
    assert plan.as_result()["install"] == list(plan.specs)


@pytest.mark.parametrize("text", ["tqdm", "tqdm=4.66.5", "tqdm>=4,<5"])
def test_a_lost_package_that_the_task_names_is_restored_in_its_old_version(text: str) -> None:
    plan = ways(["python=3.12", text])
    assert plan.specs == ("python=3.12", "tqdm==4.66.5", "wheel==1.0", "packaging==26.3")
    assert plan.requested == ("python=3.12",)
    # Where its version cannot be had, the task's own spec stands.
    assert plan.restore[-1] == ("wheel", "packaging")


@pytest.mark.parametrize("text", ["tqdm=4.70", "tqdm=4.66.5=0", "lab::tqdm"])
def test_a_lost_package_with_another_requested_version_uses_the_tasks_spec(text: str) -> None:
    plan = ways([text])
    assert plan.specs == (text, "wheel==1.0", "packaging==26.3")
    assert plan.requested == (text,)


def test_state_latest_does_not_restore_old_versions() -> None:
    plan = ways(["tqdm"], state="latest")
    assert plan.specs == ("tqdm", "wheel==1.0", "packaging==26.3")


def test_a_lost_dependency_is_restored_in_its_old_version() -> None:
    wheel = record("wheel", "0.48.0", "packaging >=24")
    plan = ways([], record("packaging", "26.3"), wheel=wheel)
    assert plan.restore == (("packaging==26.3",),)
    assert plan.specs == ("packaging==26.3",)
    assert plan.requested == ()


def test_without_lost_packages_the_plan_is_unchanged() -> None:
    assert with_lost(Plan(), [], [], "present") == Plan()


@pytest.mark.parametrize(
    ("wanted", "state", "prune", "left"),
    [
        ([], "present", False, ["tqdm", "wheel", "packaging"]),
        (["tqdm"], "present", True, ["tqdm"]),
        (["tqdm", "wheel=2.0"], "absent", False, ["wheel", "packaging"]),
        (["lab::tqdm"], "absent", False, ["wheel", "packaging"]),
    ],
)
def test_packages_that_the_task_removes_are_not_restored(
    wanted: list[str], state: str, prune: bool, left: list[str]
) -> None:
    found = still_wanted(LOST, parse_specs(wanted), state, prune)
    assert [item.name for item in found] == left
