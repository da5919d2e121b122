"""The lists of the heaviest profiles agree with the wheelhouse and the channel that they go beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from lab import build, cache, full_wheelhouse, paths, wheelhouse, wheels
from lab.errors import LabError
from lab.wheel_downloads import Pin, pin_of, read_pins

PYTHONS = sorted(full_wheelhouse.LISTS)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lists_of_a_python_name_each_project_once(python: str) -> None:
    names = [name for name, _ in full_wheelhouse.pins(python)]
    assert len(names) == len(set(names)) > 10


def test_the_lists_are_those_that_the_role_ships() -> None:
    pins = dict(full_wheelhouse.pins("3.12"))
    assert {"tensorflow", "keras", "flask", "fastapi", "uvicorn", "gradio", "django"} <= set(pins)


def test_nothing_is_there_twice_for_the_python_of_the_wheelhouse() -> None:
    own = {name for name, _ in full_wheelhouse.pins(wheelhouse.PYTHON)}
    stack = {name for name, _ in read_pins(wheelhouse.constraints_file())} | {
        canonicalize_name(name) for name in wheels.pins(wheels.pin_list(wheelhouse.PYTHON))
    }
    assert own & stack == set()


def test_it_is_built_only_when_named() -> None:
    assert full_wheelhouse.NAME in build.PARTS
    assert full_wheelhouse.NAME not in build.default_parts()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    return tmp_path


def stand_in(wanted: list[Pin], target: Path, *, python: str) -> None:
    """Writes an empty wheel for each pin, as pip names it."""
    assert python in PYTHONS
    for name, version in wanted:
        (target / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").write_bytes(b"")


def test_building_downloads_each_list_once(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_wheelhouse, "pip_download", stand_in)
    assert not full_wheelhouse.is_current()
    assert build.build(["full-wheelhouse"], print) == ["full-wheelhouse"]
    assert build.build(["full-wheelhouse"], print) == []
    found = {pin_of(path) for path in paths.full_wheels_dir().glob("*.whl")}
    assert found == {pin for python in PYTHONS for pin in full_wheelhouse.pins(python)}


def test_a_wheel_too_few_is_refused_and_nothing_is_published(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_short(wanted: list[Pin], target: Path, *, python: str) -> None:
        stand_in([pin for pin in wanted if pin[0] != "keras"], target, python=python)

    monkeypatch.setattr(full_wheelhouse, "pip_download", one_short)
    with pytest.raises(LabError, match=r"something else than was asked for.*keras"):
        build.build(["full-wheelhouse"], print)
    assert cache.published_key(paths.full_wheels_dir()) is None
