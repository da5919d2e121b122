"""The option exact of conda_pip, from metadata alone."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.exact import unneeded
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import plan_changes
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    Distribution,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_lines,
)

LINUX = environment_of("3.11.7", "linux-64")


def dist(name: str, *requires: str, **facts: Any) -> Distribution:
    return Distribution(name, "1.0", f"/site/{name}-1.0.dist-info", requires=requires, **facts)


def installed(*found: Distribution, **facts: Any) -> Packages:
    return Packages({one.name: one for one in found}, **facts)


@pytest.mark.parametrize(
    ("lines", "packages", "names"),
    [
        (["app"], installed(dist("app", "lib"), dist("lib"), dist("old", "lib")), ["old"]),
        ([], installed(dist("app", "lib"), dist("lib"), dist("pip")), ["app", "lib"]),
        # Extras and markers decide what is needed.
        (
            ["app[one]"],
            installed(
                dist("app", "a; extra == 'one'", "b; extra == 'two'", extras={"one", "two"}),
                dist("a"),
                dist("b"),
            ),
            ["b"],
        ),
        (["app; python_version < '3'"], installed(dist("app")), ["app"]),
        # Distributions that need each other and nothing else.
        ([], installed(dist("a", "b"), dist("b", "a")), ["a", "b"]),
        # conda's distributions stay, and so does what they need.
        ([], installed(dist("numpy", owner="conda"), dist("torch", "numpy")), ["torch"]),
        ([], installed(dist("conda-app", "lib", owner="conda"), dist("lib", "deep"), dist("deep")), []),
        # pip has replaced conda's distribution: conda still has a record of it.
        ([], installed(dist("setuptools"), of_conda=frozenset({("setuptools", "0.9")})), []),
        ([], installed(dist("setuptools"), dist("wheel")), ["setuptools", "wheel"]),
    ],
)  # fmt: skip
def test_unneeded(lines: list[str], packages: Packages, names: list[str]) -> None:
    assert unneeded(parse_lines(lines, "requirements"), packages, LINUX) == names


def desired(*lines: str, **more: Any) -> Desired:
    return Desired(tuple(parse_lines(lines, "requirements")), **more)


def test_plan_removes_only_with_exact() -> None:
    packages = installed(dist("app"), dist("old"))
    plan = plan_changes(desired("app", exact=True), packages, LINUX, {}, "/env")
    assert plan.remove == ("old",)
    assert plan.reasons == ("old 1.0 is not needed",)
    assert not plan_changes(desired("app"), packages, LINUX, {}, "/env")


def test_plan_leaves_the_removal_to_the_time_after_an_installation() -> None:
    packages = installed(dist("lib"))
    plan = plan_changes(desired("app", exact=True), packages, LINUX, {}, "/env")
    assert plan.install == ("app",)
    assert plan.remove == ()


def test_remains_that_pip_cannot_uninstall_are_swept() -> None:
    packages = installed(
        dist("half", metadata=False), dist("twice"), doubles={"twice": ("/site/twice-0.dist-info",)}
    )
    plan = plan_changes(desired(exact=True), packages, LINUX, {}, "/env")
    assert plan.remove == ("half", "twice")
    assert plan.sweep == ("/site/half-1.0.dist-info", "/site/twice-0.dist-info")
