"""state.json, and which path belongs to which generations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.state import write_state
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import switch
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    Managed,
    Place,
    State,
    Verified,
    managed_at,
    read_state,
    refuse_managed,
)

STATE = State(
    current=2,
    previous=1,
    known={1: Verified(1, packages=("six 1.16 0 lab",), retired=5.5), 2: Verified(2, asked="ab")},
    removing=(7,),
    found=True,
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two generations, the second one is current."""
    found = Place(str(tmp_path / "envs" / "llm"))
    for number in (1, 2, 3):
        os.makedirs(found.path(number))
    write_state(found, STATE)
    switch(found, 2)
    return found


def test_what_is_written_is_read(place: Place) -> None:
    assert read_state(place) == STATE
    assert sorted(os.listdir(place.store)) == ["1", "2", "3", "state.json"]


def test_without_the_file_nothing_is_known(tmp_path: Path) -> None:
    assert read_state(Place(str(tmp_path / "llm"))) == State()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1, "generations": {"x": {}}}', "[" * 100000],
)
def test_another_file_is_refused_and_named(place: Place, text: str) -> None:
    Path(place.state).write_text(text)
    with pytest.raises(CondaModuleError, match=r"state\.json is not what this collection writes"):
        read_state(place)


def test_paths_of_generations_are_known(place: Place, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(tmp_path / "envs")
    assert managed_at(place.link) == Managed(place, 2)
    assert managed_at(place.path(1)) == Managed(place, 1)
    assert managed_at(str(alias / "llm")) == Managed(place, 2)
    # One that is being built, and other environments.
    assert managed_at(place.path(3)) is None
    assert managed_at(str(tmp_path / "envs" / "other")) is None
    # Also when somebody removed the link, or put a directory in its place.
    os.unlink(place.link)
    assert managed_at(place.link) == Managed(place, None)
    os.mkdir(place.link)
    assert managed_at(place.link) == Managed(place, None)
    with pytest.raises(CondaModuleError, match="kept in generations") as caught:
        refuse_managed(place.link, "six is not installed")
    assert "six is not installed" in caught.value.message


def test_no_number_is_used_twice(place: Place) -> None:
    assert place.following(read_state(place)) == 4
    os.makedirs(place.path(9))
    assert place.following(read_state(place)) == 10
