"""Constraints files from real resolutions by uv, over a few wheels made here and no index."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from scripts.generate import make_pins
from scripts.generate.make_pins import Environment, environments, resolve, shared_indexes, write
from scripts.generate.resolver import ResolveError, Resolver, uv_variables


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A tool whose newest release needs Python 3.10 and brings another library."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    make_wheel(directory, "tool", "1.0", requires=["library"])
    make_wheel(directory, "tool", "2.0", requires=["library>=2"], requires_python=">=3.10")
    for version in ("1.0", "2.0"):
        make_wheel(directory, "library", version)
    return directory


@pytest.fixture
def resolver(wheels: Path) -> Resolver:
    # Without a cache: it may hold answers of real indexes.
    here = {"UV_OFFLINE": "1", "UV_NO_CACHE": "1", "UV_FIND_LINKS": str(wheels)}
    return Resolver({**uv_variables({}), **here})


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(make_pins, "CONSTRAINTS", tmp_path / "constraints")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("tool\n")
    return Environment("some", "a test", (requirements,), python="3.9", newest="3.11")


def test_the_file_pins_all_dependencies_for_every_python(
    resolver: Resolver, environment: Environment
) -> None:
    assert write(resolver, [environment]) == {}
    head, pins = environment.path.read_text().splitlines()[:2], environment.path.read_text()
    assert head == [
        "# Constraints of a test,",
        "# for Python 3.9 to 3.11. Written by `make pins`.",
    ]
    assert [line for line in pins.splitlines() if not line.startswith("#")] == [
        "library==2.0",
        "tool==1.0 ; python_full_version < '3.10'",
        "tool==2.0 ; python_full_version >= '3.10'",
    ]


def test_other_constraints_files_apply(
    resolver: Resolver, environment: Environment, tmp_path: Path
) -> None:
    own = tmp_path / "own.txt"
    own.write_text("library<2\n")
    held = Environment(
        "held", "a test", environment.requirements, python="3.9", newest="3.9", constraints=(own,)
    )
    assert resolve(resolver, held).splitlines()[0] == "library==1.0"


def test_the_file_stays_when_there_is_no_solution(
    resolver: Resolver, environment: Environment
) -> None:
    write(resolver, [environment])
    before = environment.path.read_text()
    environment.requirements[0].write_text("tool>=3\n")
    problems = write(resolver, [environment])
    assert "tool>=3" in problems["some"]
    assert environment.path.read_text() == before


def test_a_pin_without_a_wheel_for_one_of_the_pythons_is_refused(
    resolver: Resolver, environment: Environment, wheels: Path
) -> None:
    (wheel,) = wheels.glob("library-2.0-*.whl")
    wheel.rename(wheel.with_name("library-2.0-cp39-cp39-any.whl"))
    environment.requirements[0].write_text("library==2.0\n")
    with pytest.raises(ResolveError, match="no wheels"):
        resolve(resolver, environment)


def test_local_indexes_are_left_out() -> None:
    settings = {
        "index-url": "https://host/simple",
        "extra-index-url": "file:///a https://other\nfile:///b",
    }
    assert shared_indexes(settings) == {**settings, "extra-index-url": "https://other"}


def test_every_environment_is_listed() -> None:
    found = {one.name: one for one in environments()}
    assert {"venv", "controller-2.20", "units"} <= found.keys()
    assert found["units"].pythons == ["3.9", "3.10", "3.11", "3.12", "3.13"]
    assert all(path.is_file() for one in found.values() for path in one.requirements)


def test_an_unknown_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_pins.main(["other"])
    assert "no environment is called other" in capsys.readouterr().err
