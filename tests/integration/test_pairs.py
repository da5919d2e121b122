"""Pairs of tasks over one environment come to rest by their second round, or one is refused with a reason."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab import paths
from tests.integration.conda_pip.environment import pip
from tests.integration.pairs import BASE, PAIRS, Task, play
from tests.integration.selection import only_full_but

QUICK = ("conda takes over the same version",)


@pytest.fixture(scope="module")
def pristine(conda_installation: Path, run_module: Any) -> Iterator[Path]:
    """An environment with Python and pip, and beside it a copy of what it is at first."""
    prefix = conda_installation / "envs" / "pairs"
    options = {"installation": str(conda_installation), "prefix": str(prefix)}
    assert run_module("conda_env", {**options, "packages": list(BASE)})["changed"]
    copy = prefix.parent / "pairs.pristine"
    _copy(prefix, copy)
    yield prefix
    shutil.rmtree(prefix)
    shutil.rmtree(copy)


def _copy(source: Path, target: Path) -> None:
    """Hard links for all but conda-meta, in which files are changed in place."""

    def link(one: str, other: str) -> None:
        if "/conda-meta/" in one or os.path.islink(one):
            shutil.copy2(one, other, follow_symlinks=False)
        else:
            os.link(one, other)

    shutil.copytree(source, target, symlinks=True, copy_function=link)


@pytest.fixture
def prefix(pristine: Path) -> Path:
    """The environment as it is at first."""
    shutil.rmtree(pristine)
    _copy(pristine.parent / "pairs.pristine", pristine)
    return pristine


def metadata(prefix: Path) -> Counter[str]:
    """How many distributions of each name the environment's own Python would find, by plain files."""
    python = os.readlink(prefix / "bin" / "python")
    found = re.search(r"3\.\d+", python)
    assert found, python
    site = prefix / "lib" / f"python{found[0]}" / "site-packages"
    return Counter(
        path.name.split("-")[0].lower().replace("_", "-")
        for path in site.glob("*.*-info")
        if (path / "METADATA").exists()
    )


def test_the_table_is_large_and_seldom_refuses() -> None:
    assert len(PAIRS) == 40
    assert sum(pair.refused is not None for pair in PAIRS.values()) <= 10


@pytest.mark.parametrize("name", only_full_but(PAIRS, *QUICK))
def test_a_pair_comes_to_rest(
    name: str, prefix: Path, conda_installation: Path, run_module: Any, tmp_path: Path
) -> None:
    make_wheel(tmp_path, "t-extra", "1.0", requires=["six>=1.10; extra == 'six'"], extras=["six"])
    links = [str(paths.wheels_dir()), str(tmp_path)]

    def run(task: Task, check: bool) -> dict[str, Any]:
        options: dict[str, Any] = {"prefix": str(prefix), **task.options}
        if task.module == "conda_pip":
            options.update(requirements=list(task.asked), no_index=True, find_links=links)
        else:
            options.update(packages=list(task.asked), installation=str(conda_installation))
        result: dict[str, Any] = run_module(task.module, options, check=check)
        return result

    said = play(PAIRS[name], run)
    refused = PAIRS[name].refused
    assert (said is None) is (refused is None), said
    if refused is not None:
        assert refused in str(said)
    twice = {one: count for one, count in metadata(prefix).items() if count > 1}
    assert twice == {}
    # pip's own opinion of what is there; "told" lets people break that.
    if PAIRS[name].second.options.get("check") is not False:
        pip(prefix, "check")
