"""The option exact of conda_pip, with pip and uv."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conda_pip.environment import installed, own_lines
from tests.integration.selection import only_full_but

Options = Callable[..., dict[str, Any]]
Thrice = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(params=only_full_but(["pip", "uv"], "pip"))
def exact(request: pytest.FixtureRequest, options: Options, uv: str) -> Options:
    chosen = {"installer": "uv", "uv_executable": uv} if request.param == "uv" else {}

    def make(*requirements: str) -> dict[str, Any]:
        return options(*requirements, exact=True, **chosen)

    return make


def test_what_no_requirement_needs_goes(
    prefix: Path, exact: Options, options: Options, run_module: Any, thrice: Thrice
) -> None:
    given = run_module("conda_pip", options("t-app==1.0", "t-lib==1.0", "t-more"))
    assert given["changed"], given
    before = installed(prefix)
    result = thrice(exact("t-app"))
    assert result["plan"]["remove"] == ["t-more"]
    # The dependency t-lib stays, and so does all that conda owns.
    assert installed(prefix) == {name: one for name, one in before.items() if name != "t-more"}
    result = thrice(exact())
    assert result["plan"]["remove"] == ["t-app", "t-lib"]
    assert own_lines(result) == ["six==1.16.0 (conda)"]


@pytest.mark.full
def test_installation_and_removal_in_one_run(
    prefix: Path, exact: Options, options: Options, run_module: Any, thrice: Thrice
) -> None:
    assert run_module("conda_pip", options("t-old", "t-lib==1.1"))["changed"]
    # t-lib was there for t-old; the new distribution needs it, in the version that is there.
    result = thrice(exact("t-app==1.0"))
    assert own_lines(result) == ["six==1.16.0 (conda)", "t-app==1.0 (pip)", "t-lib==1.1 (pip)"]
    # The extra needed t-lib; the distribution alone does not.
    result = thrice(exact("t-more"))
    assert own_lines(result) == ["six==1.16.0 (conda)", "t-more==1.0 (pip)"]


@pytest.mark.full
def test_a_dependency_of_a_replaced_version_goes(
    prefix: Path, exact: Options, options: Options, run_module: Any, thrice: Thrice, wheels: Path
) -> None:
    assert run_module("conda_pip", options("t-alone==2.0"))["changed"]
    assert "t-lib" in installed(prefix)
    result = thrice(exact("t-alone==1.0"))
    assert own_lines(result) == ["six==1.16.0 (conda)", "t-alone==1.0 (pip)"]


def test_state_absent_is_refused(options: Options, run_module: Any) -> None:
    result = run_module("conda_pip", options("t-app", exact=True, state="absent"))
    assert result["rc"] == 1
    assert "exact cannot be used with state: absent" in result["msg"]
