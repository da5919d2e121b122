"""What an installation needs, by the wheels on the host and by an injected volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import room as core_room
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import Volume
from ansible_collections.llmfleet.conda.plugins.module_utils._pip import room
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired, Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_lines,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel

MIB = 1 << 20


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the volume has free."""

    def set_to(size: int, inodes: int | None = None) -> None:
        volume = Volume(1, "/srv", size, inodes)
        monkeypatch.setattr(room, "volume_of", lambda _path: volume)
        monkeypatch.setattr(core_room, "volume_of", lambda _path: volume)

    return set_to


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse with wheels of 10 and of 20 MB that compress to little."""
    place = tmp_path / "wheels"
    make_wheel(place, "t-big", "1.0", files={"t_big/data.txt": "0123456789" * MIB})
    make_wheel(place, "t-big", "2.0", files={"t_big/data.txt": "0123456789" * (2 * MIB)})
    return place


def judge(plan: Plan, reported: list[Reported] | None = None, **sources: Any) -> None:
    desired = Desired(tuple(parse_lines(plan.install, "requirements")))
    request = Request("/srv/env", desired, Sources(**sources))
    room.refuse_installation_without_room(request, plan, reported or [])


def test_nothing_to_install_needs_no_room(free: Any) -> None:
    free(0, 0)
    judge(Plan())
    judge(Plan(remove=("six",)))


@pytest.mark.parametrize("line", ["t-big==2.0", "T_Big==2.0", "t-big"])
def test_a_wheel_of_find_links_counts_with_its_content(free: Any, house: Path, line: str) -> None:
    plan = Plan(install=(line,))
    known = {"find_links": (str(house),), "no_index": True}
    needed = 20 if "==" in line else 10
    free((needed + 1) * MIB)
    judge(plan, **known)
    free((needed - 1) * MIB)
    with pytest.raises(CondaModuleError, match="for the content of 1 wheel") as caught:
        judge(plan, **known)
    assert caught.value.facts["kind"] == "disk_full"
    assert "Nothing was changed" in caught.value.message


def test_a_constraint_names_the_version(free: Any, house: Path) -> None:
    plan = Plan(install=("t-big",), pins=("t-big==2.0",))
    free(15 * MIB)
    with pytest.raises(CondaModuleError, match="for the content of 1 wheel"):
        judge(plan, find_links=(house.as_uri(),))


def test_the_report_of_a_dry_run_names_wheels(free: Any, house: Path) -> None:
    reported = [
        Reported("t-big", "1.0", url=next(house.glob("*1.0*")).as_uri()),
        Reported("six", "1.17", url="https://index.example/six-1.17-py3-none-any.whl"),
    ]
    free(9 * MIB)
    with pytest.raises(CondaModuleError, match="for the content of 1 wheel"):
        judge(Plan(install=("t-app",)), reported)
    free(12 * MIB)
    judge(Plan(install=("t-app",)), reported)


def test_a_wheel_that_is_named_twice_counts_once(free: Any, house: Path) -> None:
    wheel = next(house.glob("*1.0*"))
    free(12 * MIB)
    judge(
        Plan(install=(f"t-big @ {wheel.as_uri()}",)), [Reported("t-big", "1.0", url=wheel.as_uri())]
    )


def test_the_floor_of_unknown_sizes(free: Any) -> None:
    plan = Plan(install=("six",))
    free(room.FLOOR, room.FLOOR_INODES)
    judge(plan)
    free(room.FLOOR - 1, room.FLOOR_INODES)
    with pytest.raises(CondaModuleError, match="at least 8192 kB"):
        judge(plan)
    free(room.FLOOR, room.FLOOR_INODES - 1)
    with pytest.raises(CondaModuleError, match="inodes"):
        judge(plan)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no wheel"])
def test_a_broken_wheel_is_left_to_pip(free: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t_big-1.0-py3-none-any.whl").write_bytes(content)
    free(room.FLOOR)
    judge(
        Plan(install=("t-big==1.0",)), find_links=(str(tmp_path), "https://x.example/", "relative")
    )
