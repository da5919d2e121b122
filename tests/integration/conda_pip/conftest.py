"""Fixtures for conda_pip: an environment with conda's pip and six, a wheelhouse, an index, and uv."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab.mirror import Mirror
from tests.integration.conda_pip.environment import installed, pip, site_packages

RunModule = Callable[..., dict[str, Any]]
Thrice = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def environment(conda_installation: Path, run_module: RunModule) -> Iterator[Path]:
    """An environment with Python, pip and conda's six 1.16, shared by the tests of this file."""
    prefix = conda_installation / "envs" / "pip"
    options = {
        "installation": str(conda_installation),
        "prefix": str(prefix),
        "packages": ["python=3.11", "pip", "six=1.16"],
    }
    assert run_module("conda_env", options)["changed"]
    yield prefix
    run_module("conda_env", {**options, "packages": [], "state": "absent", "remove_foreign": True})


@pytest.fixture
def prefix(environment: Path) -> Iterator[Path]:
    """The shared environment; afterwards everything that pip installed is removed again."""
    owned = set(installed(environment))
    yield environment
    site = site_packages(environment)
    for leftover in [*site.glob("t_*"), *site.glob("~*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    more = [name for name in installed(environment) if name not in owned]
    if more:
        pip(environment, "uninstall", "--yes", *more)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheelhouse with a few small distributions that need each other."""
    house = tmp_path / "wheels"
    for version in ("1.0", "1.1", "2.0"):
        make_wheel(house, "t-lib", version)
    make_wheel(house, "t-app", "1.0", requires=["t-lib>=1.0"], scripts={"t-app": "t_app:main"})
    make_wheel(house, "t-app", "2.0", requires=["t-lib>=2"])
    # Only the newer version needs something.
    make_wheel(house, "t-alone", "1.0")
    make_wheel(house, "t-alone", "2.0", requires=["t-lib"])
    make_wheel(house, "t-old", "1.0", requires=["t-lib<2"])
    make_wheel(
        house,
        "t-more",
        "1.0",
        requires=["t-lib>=1.1; extra == 'lib'", "t-old; python_version < '3.0'"],
        extras=["lib"],
    )
    make_wheel(house, "t-six", "1.0", requires=["six>=1.17"])
    make_wheel(house, "t-six-old", "1.0", requires=["six>=1.10"])
    make_wheel(house, "six", "1.17.0")
    return house


@pytest.fixture
def options(prefix: Path, wheels: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_pip that install from the wheelhouse alone."""

    def make(*requirements: str, **more: Any) -> dict[str, Any]:
        base = {"prefix": str(prefix), "no_index": True, "find_links": [str(wheels)]}
        return {**base, "requirements": list(requirements), **more}

    return make


@pytest.fixture
def thrice(run_module: RunModule) -> Thrice:
    """Check, run, run again, without the file by file comparison of `four_steps`."""

    def run(options: dict[str, Any]) -> dict[str, Any]:
        foreseen = run_module("conda_pip", options, check=True)
        done = run_module("conda_pip", options)
        again = run_module("conda_pip", options)
        assert [one["rc"] for one in (foreseen, done, again)] == [0, 0, 0], (foreseen, done)
        assert [one["changed"] for one in (foreseen, done, again)] == [True, True, False]
        assert foreseen["diff"] == done["diff"]
        assert again["diff"]["after"] == done["diff"]["after"]
        return done

    return run


@pytest.fixture
def index(mirror: Mirror, wheels: Path) -> Iterator[str]:
    """The address of a package index, served by a mirror of its own, with the wheelhouse's wheels."""
    root = wheels.parent / "index"
    for wheel in sorted(wheels.iterdir()):
        project = root / "simple" / wheel.name.split("-")[0].replace("_", "-")
        project.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, project)
        links = [f'<a href="{path.name}">{path.name}</a>' for path in sorted(project.glob("*.whl"))]
        (project / "index.html").write_text("\n".join(links))
    with Mirror(root) as running:
        yield running.url


@pytest.fixture(scope="session")
def uv() -> str:
    """uv of the test environment; it is pinned in requirements/test.txt."""
    path = Path(sys.executable).parent / "uv"
    assert path.is_file(), "install requirements/test.txt"
    return str(path)
