"""The link to the current generation."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._generations import switch as _switch
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import (
    exchange,
    exchanged,
    forget_unfinished,
    switch,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two generations and no link yet."""
    found = Place(str(tmp_path / "envs" / "llm"))
    for number in (1, 2):
        path = Path(found.path(number))
        path.mkdir(parents=True)
        (path / "number").write_text(str(number))
    return found


def test_the_link_is_relative_and_names_the_generation(place: Place) -> None:
    switch(place, 1)
    assert os.readlink(place.link) == ".llm/1"
    assert place.current() == 1
    switch(place, 2)
    assert place.current() == 2
    assert sorted(os.listdir(place.store)) == ["1", "2"]


def test_the_link_always_leads_somewhere(place: Place) -> None:
    switch(place, 1)
    done = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not done.is_set():
            seen.add((Path(place.link) / "number").read_text())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for count in range(300):
        switch(place, 1 + count % 2)
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= {"1", "2"}


def test_an_empty_directory_makes_room_and_a_full_one_does_not(place: Place) -> None:
    os.mkdir(place.link)
    switch(place, 1)
    assert place.current() == 1
    os.unlink(place.link)
    os.mkdir(place.link)
    (Path(place.link) / "notes.txt").write_text("mine")
    with pytest.raises(CondaModuleError, match="cannot be switched"):
        switch(place, 1)
    assert (Path(place.link) / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_directory_is_set_aside(
    place: Place, monkeypatch: pytest.MonkeyPatch, can_swap: bool
) -> None:
    if not can_swap:
        monkeypatch.setattr(_switch, "_swap", lambda _one, _other: False)
    os.mkdir(place.link)
    (Path(place.link) / "notes.txt").write_text("mine")
    exchange(place, 2, place.path(0))
    assert place.current() == 2
    assert (Path(place.path(0)) / "notes.txt").read_text() == "mine"
    assert exchanged(place) == ""


def test_what_a_killed_switch_left_goes_and_a_directory_stays(place: Place) -> None:
    unfinished = Path(place.store) / "next"
    unfinished.symlink_to(".llm/1")
    forget_unfinished(place)
    assert not os.path.lexists(unfinished)
    unfinished.mkdir()
    forget_unfinished(place)
    assert exchanged(place) == str(unfinished)


@pytest.mark.parametrize("target", ["/elsewhere", ".llm/x", ".other/1", ".llm/01", ".llm/1/bin"])
def test_another_link_leads_to_no_generation(place: Place, target: str) -> None:
    os.symlink(target, place.link)
    assert place.current() is None
