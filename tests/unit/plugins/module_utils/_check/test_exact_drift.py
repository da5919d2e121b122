"""Drift of environments that are declared with exact: what a run of conda_env and conda_pip would change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check.last_pass import NOTE
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Declared,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker, Outcome
from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.ask import reason_to_run

if TYPE_CHECKING:
    from .conftest import Prefix

PACKAGES = ["python", "six=1.17"]
REQUIREMENTS = ["app"]
SETTINGS: dict[str, Any] = {"pinned": ["six<2"], "variables": {"OMP_NUM_THREADS": "4"}}
EASY = Thresholds(min_glibc="2.0", min_free_disk_mb=0, min_free_inodes=0, min_memory_mb=1)
DECLARED = Declared(packages=PACKAGES, requirements=REQUIREMENTS, exact=True, options=SETTINGS)


def requested(prefix: Prefix, *specs: str) -> None:
    (prefix.meta / "history").write_text(
        f"==> 2026-01-01 00:00:00 <==\n# update specs: {list(specs)}\n"
    )


@pytest.fixture
def exact(prefix: Prefix) -> Prefix:
    """An environment that is what DECLARED says, with dependencies of conda's and of pip's."""
    info = prefix.site_packages / "six-1.17.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n")
    (info / "INSTALLER").write_text("conda\n")
    files = [prefix.code("six", "__version__ = '1.17.0'\n")]
    files += [str(file.relative_to(prefix.path)) for file in info.iterdir()]
    prefix.record("six", "1.17.0", files=tuple(files), depends=["python", "libsix"])
    prefix.record("libsix", "3.0")
    prefix.pip_package("app", requires=("lib",))
    prefix.pip_package("lib")
    prefix.pip_package("pip", "25.0")
    requested(prefix, *PACKAGES)
    (prefix.meta / "pinned").write_text("six<2\n")
    variables(prefix, OMP_NUM_THREADS="4")
    return prefix


def variables(prefix: Prefix, **values: str) -> None:
    (prefix.meta / "state").write_text(json.dumps({"env_vars": values}))


def nothing(_prefix: Prefix) -> None:
    """What is declared, its dependencies and pip."""


def conda_package(prefix: Prefix) -> None:
    prefix.record("htop", "3.1")


def package_that_needs_a_declared_one(prefix: Prefix) -> None:
    prefix.record("plugin", "1.0", depends=["six"])


def pip_distribution(prefix: Prefix) -> None:
    prefix.pip_package("old", requires=("lib",))


def distributions_that_need_each_other(prefix: Prefix) -> None:
    prefix.pip_package("ping", requires=("pong",))
    prefix.pip_package("pong", requires=("ping",))


def distribution_that_conda_needs(prefix: Prefix) -> None:
    info = prefix.site_packages / "six-1.17.0.dist-info" / "METADATA"
    info.write_text(f"{info.read_text()}Requires-Dist: deep\n")
    prefix.pip_package("deep")


def requirement_gone(prefix: Prefix) -> None:
    for file in (prefix.site_packages / "lib-1.0.dist-info").iterdir():
        file.unlink()
    (prefix.site_packages / "lib-1.0.dist-info").rmdir()


def another_pin(prefix: Prefix) -> None:
    (prefix.meta / "pinned").write_text("six<2\npython<4\n")


def no_pin(prefix: Prefix) -> None:
    (prefix.meta / "pinned").unlink()


def another_variable(prefix: Prefix) -> None:
    variables(prefix, OMP_NUM_THREADS="4", HF_TOKEN="hunter2222")


def other_value(prefix: Prefix) -> None:
    variables(prefix, OMP_NUM_THREADS="8")


def another_request(prefix: Prefix) -> None:
    requested(prefix, *PACKAGES, "libsix")


def other_request(prefix: Prefix) -> None:
    requested(prefix, "python", "six=1.17.0")


def no_request(prefix: Prefix) -> None:
    requested(prefix, "python")


def request_in_another_form(prefix: Prefix) -> None:
    requested(prefix, "python", "six 1.17.*")


def package_gone(prefix: Prefix) -> None:
    (prefix.meta / "libsix-3.0-0.json").unlink()


def other_version(prefix: Prefix) -> None:
    old = prefix.meta / "six-1.17.0-0.json"
    text = old.read_text().replace('"version": "1.17.0"', '"version": "1.16.0"')
    old.unlink()
    (prefix.meta / "six-1.16.0-0.json").write_text(text)


def lost_file(prefix: Prefix) -> None:
    (prefix.site_packages / "six" / "__init__.py").unlink()


def lost_file_of_pip(prefix: Prefix) -> None:
    (prefix.site_packages / "lib" / "__init__.py").unlink()


def frozen(prefix: Prefix) -> None:
    (prefix.meta / "frozen").write_text("{}")


def frozen_with_another_package(prefix: Prefix) -> None:
    frozen(prefix)
    conda_package(prefix)


def frozen_with_another_variable(prefix: Prefix) -> None:
    frozen(prefix)
    another_variable(prefix)


def frozen_with_another_distribution(prefix: Prefix) -> None:
    frozen(prefix)
    pip_distribution(prefix)


# What is done by hand, and what the module says about it; "" if nothing is to be found.
BY_HAND: dict[Callable[[Prefix], None], str] = {
    nothing: "",
    conda_package: "htop 3.1 0 lab is installed, but nothing declared needs it",
    package_that_needs_a_declared_one: "plugin 1.0 0 lab is installed, but nothing declared",
    pip_distribution: "old 1.0 (pip) is installed, but nothing declared needs it",
    distributions_that_need_each_other: "ping 1.0 (pip) is installed",
    distribution_that_conda_needs: "",
    requirement_gone: "lib is not installed",
    another_pin: "the requested pins are not set: six<2",
    no_pin: "the requested pins are not set: six<2",
    another_variable: "the variable HF_TOKEN is set, but must not be",
    other_value: "the variable OMP_NUM_THREADS does not have the requested value",
    another_request: "the history differs: requested: libsix",
    other_request: "the history differs: requested: six=1.17.0",
    no_request: "the history differs: not requested: six=1.17",
    request_in_another_form: "",
    package_gone: "the dependency libsix is missing",
    other_version: "six=1.17 is declared, but six 1.16.0 0 lab is installed",
    lost_file: "six/__init__.py",
    lost_file_of_pip: "lib/__init__.py",
    frozen: "",
    frozen_with_another_package: "htop is no longer needed",
    frozen_with_another_variable: "HF_TOKEN is set, but must not be",
    frozen_with_another_distribution: "old 1.0 (pip) is installed",
}
# The quick checks do not look at the files of packages.
UNSEEN_BY_QUICK = (lost_file, lost_file_of_pip)


def outcome_of(prefix: Prefix, **options: Any) -> Outcome:
    request = Request(
        **{"prefix": str(prefix.path), "declared": DECLARED, "thresholds": EASY, **options}
    )
    return Checker(request).run()


def told(outcome: Outcome) -> dict[str, str]:
    return {one.name: one.detail for one in outcome.results if one.status in ("fail", "drift")}


def answers(prefix: Prefix) -> set[str]:
    """What conda_env and conda_pip say in check mode; empty if neither would change anything."""
    # Without an installation beside it, the environment is nobody's base.
    where = {"prefix": str(prefix.path)}
    conda = {
        **where,
        "installation": "/nowhere/conda",
        "packages": PACKAGES,
        "exact": True,
        **SETTINGS,
    }
    pip = {**where, "requirements": REQUIREMENTS, "exact": True}
    asked = (("conda_env", conda), ("conda_pip", pip))
    return {reason_to_run(f"llmfleet.conda.{name}", options) for name, options in asked} - {""}


@pytest.mark.parametrize("by_hand", BY_HAND, ids=lambda one: one.__name__)
def test_drift_is_found_if_and_only_if_a_run_would_change_something(
    exact: Prefix, by_hand: Callable[[Prefix], None]
) -> None:
    by_hand(exact)
    expected = answers(exact)
    assert expected <= {"the module would change something", "the module would fail"}
    before = exact.tree()
    for options in (
        {"checks": ["drift"]},
        {"checks": ["environment", "drift"]},
        {"checks": ["quick"], "skip_checks": ["host", "imports"]},
    ):
        if options["checks"] == ["quick"] and by_hand in UNSEEN_BY_QUICK:
            continue
        outcome = outcome_of(exact, **options)
        found = told(outcome)
        assert bool(found) == bool(expected), (options, found)
        if options["checks"] == ["drift"]:
            refused = "the module would fail" in expected
            assert outcome.status == ("fail" if refused else "drift" if expected else "pass")
        assert BY_HAND[by_hand] in " ".join(found.values())
        assert "hunter" not in str(outcome)
    assert exact.tree() == before


def test_without_exact_what_is_undeclared_is_no_drift(exact: Prefix) -> None:
    for by_hand in (conda_package, pip_distribution, another_variable, another_request):
        by_hand(exact)
    declared = Declared(packages=PACKAGES, requirements=REQUIREMENTS, options=SETTINGS)
    assert told(outcome_of(exact, declared=declared, checks=["drift"])) == {}


def test_all_that_is_undeclared_is_named(exact: Prefix) -> None:
    for by_hand in (
        conda_package,
        pip_distribution,
        another_pin,
        another_variable,
        requirement_gone,
    ):
        by_hand(exact)
    found = told(outcome_of(exact, checks=["drift"]))
    assert set(found) == {"drift.packages", "drift.requirements", "drift.settings"}
    assert found["drift.settings"].startswith("2 differences")
    # What is missing may need it, so conda_pip installs first.
    assert (
        "old 1.0 (pip) is installed, but nothing declared needs it yet"
        in found["drift.requirements"]
    )


def test_nothing_of_pip_is_declared(exact: Prefix) -> None:
    declared = Declared(packages=PACKAGES, exact=True, options=SETTINGS)
    found = told(outcome_of(exact, declared=declared, checks=["drift"]))
    assert found == {
        "drift.requirements": "2 differences from the declaration: app 1.0 (pip) is installed, but nothing"
        " declared needs it; lib 1.0 (pip) is installed, but nothing declared needs it."
    }


def test_the_pip_section_of_a_file_declares_distributions(exact: Prefix) -> None:
    file = {"dependencies": [*PACKAGES, {"pip": REQUIREMENTS}]}
    declared = Declared(exact=True, options={**SETTINGS, "environment": file})
    assert told(outcome_of(exact, declared=declared, checks=["drift"])) == {}


@pytest.mark.parametrize("prune", [False, True])
def test_a_package_is_named_once(exact: Prefix, prune: bool) -> None:
    conda_package(exact)
    declared = Declared(
        packages=PACKAGES, requirements=REQUIREMENTS, exact=True, prune=prune, options=SETTINGS
    )
    assert [*told(outcome_of(exact, declared=declared, checks=["drift"]))] == ["drift.packages"]


def test_conda_env_refuses_exact_without_packages_and_in_base(exact: Prefix) -> None:
    found = told(outcome_of(exact, declared=Declared(exact=True), checks=["drift"]))
    assert "the task names no packages" in found["drift.packages"]
    base = told(outcome_of(exact, installation=str(exact.path), checks=["drift"]))
    assert "is a base environment" in base["drift.packages"]


def test_an_environment_without_python_has_no_distributions(exact: Prefix) -> None:
    for name in ("python", "six"):
        next(exact.meta.glob(f"{name}-*.json")).unlink()
    requested(exact, "libsix")
    declared = Declared(packages=["libsix"], exact=True, options=SETTINGS)
    assert told(outcome_of(exact, declared=declared, checks=["drift"])) == {}


def test_damage_does_not_hide_drift(exact: Prefix) -> None:
    for by_hand in (
        lost_file,
        lost_file_of_pip,
        no_pin,
        another_variable,
        conda_package,
        pip_distribution,
    ):
        by_hand(exact)
    outcome = outcome_of(exact, imports={"six": ""}, max_age=24, python_version=">=99")
    found = told(outcome)
    assert set(found) == {
        "environment.python",
        "environment.files",
        "environment.distributions",
        "drift.packages",
        "drift.requirements",
        "drift.settings",
    }
    # The damage is reported once.
    assert found["drift.packages"].startswith("1 difference from the declaration: htop 3.1")
    assert found["drift.requirements"].startswith("1 difference from the declaration: old 1.0")
    assert (outcome.status, outcome.failed_layer) == ("fail", "environment")
    skipped = {one.name: one.detail for one in outcome.results if one.status == "skip"}
    assert "layer environment failed" in skipped["imports.six"]
    assert not (exact.meta / NOTE).exists()


def test_drift_is_unknown_where_records_cannot_be_read(exact: Prefix) -> None:
    no_pin(exact)
    (exact.meta / "libsix-3.0-0.json").write_text("{")
    outcome = outcome_of(exact, checks=["environment", "drift"])
    assert "environment.records" in told(outcome)
    drift = [one for one in outcome.results if one.layer == "drift"]
    assert {one.status for one in drift} == {"skip"}
    assert all("layer environment failed" in one.detail for one in drift)


def test_packages_for_another_platform_do_not_hide_drift(exact: Prefix) -> None:
    no_pin(exact)
    exact.record("libsix", "3.0", subdir="win-64")
    found = told(outcome_of(exact, checks=["environment", "drift"]))
    assert set(found) == {"environment.records", "drift.settings"}
