"""The settings beside the packages: shown, compared, written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import (
    Notes,
    observe_notes,
    write_notes,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

WANTED = Notes(frozen=True, pinned=("six<2", "a=1"), variables={"B": "2", "A": "1", "C": None})


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    FakePrefix(tmp_path / "env")
    return tmp_path / "env"


def test_written_notes_are_observed_without_differences(prefix: Path) -> None:
    assert observe_notes(str(prefix), WANTED).unlike(WANTED) == [
        "the requested pins are not set: six<2, a=1",
        "the variable A does not have the requested value",
        "the variable B does not have the requested value",
        "the environment is not frozen, but must be",
    ]
    write_notes(str(prefix), WANTED)
    seen = observe_notes(str(prefix), WANTED)
    assert seen.unlike(WANTED) == []
    assert (
        seen.lines(WANTED)
        == WANTED.lines()
        == [
            "(frozen)",
            "(pinned: a=1)",
            "(pinned: six<2)",
            "(variable: A=********)",
            "(variable: B=********)",
        ]
    )
    before = snapshot(prefix)
    stamps = {path: os.stat(path).st_mtime_ns for path in (prefix / "conda-meta").iterdir()}
    write_notes(str(prefix), WANTED)
    assert snapshot(prefix) == before
    assert {path: os.stat(path).st_mtime_ns for path in stamps} == stamps


def test_settings_that_the_task_does_not_set_are_not_read(prefix: Path) -> None:
    write_notes(str(prefix), WANTED)
    (prefix / "conda-meta" / "state").write_text("{")
    assert observe_notes(str(prefix), Notes()) == Notes()
    assert observe_notes(str(prefix), Notes()).lines(Notes()) == []
    write_notes(str(prefix), Notes())
    assert (prefix / "conda-meta" / "state").read_text() == "{"


def test_settings_are_removed(prefix: Path) -> None:
    write_notes(str(prefix), WANTED)
    gone = Notes(frozen=False, pinned=(), variables={"A": None, "B": "3"})
    assert observe_notes(str(prefix), gone).unlike(gone) == [
        "the environment has pins, but must have none",
        "the variable A is set, but must not be",
        "the variable B does not have the requested value",
        "the environment is frozen, but must not be",
    ]
    assert observe_notes(str(prefix), gone).lines(gone)[-2:] == [
        "(variable: A=********, another value)",
        "(variable: B=********, another value)",
    ]
    write_notes(str(prefix), gone)
    assert observe_notes(str(prefix), gone).unlike(gone) == []
    assert sorted(path.name for path in (prefix / "conda-meta").iterdir()) == ["history", "state"]


def test_the_order_of_pins_does_not_matter(prefix: Path) -> None:
    write_notes(str(prefix), Notes(pinned=("six<2", "a=1")))
    other = Notes(pinned=("a=1", "six<2"))
    assert observe_notes(str(prefix), other).unlike(other) == []


def test_tokens_in_pins_are_masked() -> None:
    lines = Notes(pinned=("https://host/t/abcdef/lab::six=1",)).lines()
    assert "abcdef" not in lines[0]


def test_a_new_file_has_default_permissions_and_an_old_one_keeps_its_own(prefix: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_notes(str(prefix), Notes(pinned=("a=1",)))
    finally:
        os.umask(mask)
    path = prefix / "conda-meta" / "pinned"
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    write_notes(str(prefix), Notes(pinned=("a=2",)))
    assert path.stat().st_mode & 0o777 == 0o604


def test_a_file_that_cannot_be_written_is_reported_without_leftovers(prefix: Path) -> None:
    (prefix / "conda-meta" / "history").unlink()
    (prefix / "conda-meta").rmdir()
    with pytest.raises(CondaModuleError, match="conda-meta/pinned cannot be written"):
        write_notes(str(prefix), Notes(pinned=("a=1",)))
    assert list(prefix.iterdir()) == []
