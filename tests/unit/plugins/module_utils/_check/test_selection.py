"""The selection of checks, and invalid requests."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    CHECKS,
    LAYERS,
    Declared,
    Model,
    Request,
    Thresholds,
    select_checks,
    validate,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

FULL = {"numpy": "", "torch": "", "transformers": "", "matplotlib": ""}


def names(**options: Any) -> list[str]:
    request = Request(prefix="/opt/env", **options)
    validate(request)
    return [check.name for check in select_checks(request)]


def test_all_checks_apply_when_everything_is_named() -> None:
    declared = Declared(
        packages=["python"], requirements=["torch"], prune=True, options={"pinned": ["numpy<3"]}
    )
    selected = names(
        installation="/opt/conda",
        imports=FULL,
        model="/srv/model",
        models=[Model("example/tiny", "/srv/models")],
        declared=declared,
    )
    # An environment that must not exist has no other check.
    known = [check.name for check in CHECKS if check.name != "drift.absent"]
    assert [name for name in selected if name in known] == known
    assert [name for name in selected if name not in known] == [f"imports.{name}" for name in FULL]
    order = [LAYERS.index(name.split(".")[0]) for name in selected]
    assert order == sorted(order)


def test_without_imports_only_files_and_the_interpreter_are_checked() -> None:
    assert {name.split(".")[0] for name in names()} == {
        "host",
        "installation",
        "environment",
        "imports",
    }
    assert "imports.interpreter" in names()
    assert "imports.user_environment" not in names()


@pytest.mark.parametrize(
    ("package", "check"),
    [
        ("torch", "framework.torch"),
        ("torch", "kernel.torch"),
        ("torch", "workload.regression_torch"),
        ("numpy", "kernel.numpy"),
        ("numpy", "workload.regression_numpy"),
        ("matplotlib", "workload.plot"),
        ("NumPy", "kernel.numpy"),
    ],
)
def test_a_check_comes_with_its_package(package: str, check: str) -> None:
    assert check in names(imports={package: ""})
    assert check not in names(imports={"requests": ""})


def test_the_sentiment_is_a_skip_with_a_reason_without_a_model() -> None:
    request = Request(prefix="/opt/env", imports=FULL)
    sentiment = select_checks(request)[-1]
    assert sentiment.name == "workload.sentiment"
    assert "The option model is not set" in sentiment.skip
    assert not select_checks(Request(prefix="/e", imports=FULL, model="/m"))[-1].skip


def test_the_installation_is_a_skip_with_a_reason_when_it_is_not_named() -> None:
    skips = [check for check in select_checks(Request(prefix="/opt/env")) if check.skip]
    assert [check.name for check in skips] == ["installation.exists"]


def test_a_check_that_is_named_runs_without_its_package_being_imported() -> None:
    assert names(checks=["workload.plot"]) == [
        "environment.exists",
        "imports.interpreter",
        "workload.plot",
    ]


def test_a_layer_stands_for_its_checks() -> None:
    assert names(checks=["environment"]) == [
        check.name for check in CHECKS if check.name.startswith("environment.")
    ]
    assert names(imports={"numpy": ""}, checks=["kernel"]) == [
        "environment.exists",
        "imports.interpreter",
        "kernel.numpy",
    ]


def test_an_import_may_be_named_outright() -> None:
    assert names(imports={"numpy": ""}, checks=["imports.yaml", "imports.numpy"]) == [
        "environment.exists",
        "imports.interpreter",
        "imports.numpy",
        "imports.yaml",
    ]


def test_order_and_repetition_of_names_do_not_matter() -> None:
    asked = ["host.memory", "host.glibc", "host", "host.memory"]
    assert names(checks=asked) == names(checks=["host"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"checks": ["kernel.nonsense"]},
            ["checks", "kernel.nonsense", "kernel.numpy", "workload"],
        ),
        ({"checks": ["imports."]}, ["checks", "imports."]),
        ({"checks": ["workload.sentiment"], "imports": FULL}, ["workload.sentiment", "model"]),
        ({"checks": ["installation.files"]}, ["installation.files", "installation"]),
        ({"checks": ["imports.user_environment"]}, ["imports.user_environment", "imports"]),
        ({"imports": {"numpy": "two"}}, ["imports", "numpy", "two"]),
        ({"imports": {"numpy": "=2.0"}}, ["imports", "numpy", "=2.0"]),
        ({"imports": {"import os; os": ""}}, ["imports", "import os; os"]),
        ({"python_version": "three"}, ["python_version", "three"]),
        ({"python_version": " "}, ["python_version"]),
        ({"model": "./model"}, ["model", "./model", "absolute"]),
        ({"model": "a/b/c"}, ["model", "a/b/c"]),
        ({"checks": []}, ["checks", "empty"]),
        ({"checks": ["kernel"]}, ["checks", "kernel", "imports"]),
        (
            {"checks": ["installation"]},
            ["checks", "installation", "The option installation is not set"],
        ),
        ({"imports": {"interpreter": ""}}, ["imports", "interpreter"]),
        ({"thresholds": Thresholds(min_memory_mb=-1)}, ["thresholds", "min_memory_mb", "-1"]),
        ({"thresholds": Thresholds(matmul_tolerance=float("nan"))}, ["matmul_tolerance", "nan"]),
        ({"thresholds": Thresholds(matmul_size=1)}, ["matmul_size", "2 to 4096"]),
        ({"thresholds": Thresholds(min_glibc="new")}, ["min_glibc", "new"]),
        ({"timeout": 0}, ["timeout", "0"]),
        ({"check_timeout": -1}, ["check_timeout", "-1"]),
        ({"expected_gpus": -1, "imports": FULL}, ["expected_gpus", "-1"]),
        ({"expected_gpus": 1}, ["expected_gpus", "torch"]),
        ({"expected_gpus": 1, "imports": FULL, "checks": ["host"]}, ["expected_gpus"]),
        ({"installation": "opt/conda"}, ["installation", "opt/conda"]),
    ],
)
def test_invalid_requests_are_refused(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(CondaModuleError) as caught:
        names(**options)
    for word in words:
        assert word in str(caught.value)


def test_a_relative_prefix_is_refused() -> None:
    with pytest.raises(CondaModuleError, match=r"prefix.*envs/llm"):
        validate(Request(prefix="envs/llm"))


@pytest.mark.parametrize("model", ["/srv/m", "bert-base-uncased", "owner/name-1.0"])
def test_models_may_be_paths_and_ids(model: str) -> None:
    assert names(imports=FULL, model=model)


def test_a_request_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Request(prefix="/a").prefix = "/b"


@pytest.mark.parametrize(
    ("declared", "checks"),
    [
        (None, []),
        (Declared(), []),
        (Declared(packages=["numpy"]), ["drift.packages"]),
        (Declared(requirements=["torch"]), ["drift.requirements"]),
        (Declared(constraints=["torch<3"], prune=True), []),
        (Declared(packages=["numpy"], prune=True), ["drift.packages", "drift.unneeded"]),
    ],
)
def test_drift_checks_run_if_something_is_declared(
    declared: Declared | None, checks: list[str]
) -> None:
    assert [name for name in names(declared=declared) if name.startswith("drift.")] == checks


def test_drift_checks_require_an_environment() -> None:
    declared = Declared(packages=["numpy"])
    assert names(checks=["drift"], declared=declared) == ["environment.exists", "drift.packages"]


@pytest.mark.parametrize("name", ["drift", "drift.packages", "drift.unneeded"])
def test_drift_checks_without_a_declaration_are_refused(name: str) -> None:
    with pytest.raises(CondaModuleError, match=f"checks names .*{name}") as caught:
        names(checks=[name])
    assert "set declared" in str(caught.value.as_result()["msg"])


def test_skipped_layers_and_checks_except_those_that_others_depend_on() -> None:
    left = names(imports=FULL, skip_checks=["host", "environment", "workload", "kernel.torch"])
    assert left == [
        "installation.exists",
        "environment.exists",
        "imports.interpreter",
        *(f"imports.{name}" for name in FULL),
        "imports.user_environment",
        "framework.torch",
        "kernel.numpy",
    ]


def test_skip_checks_takes_precedence_over_checks() -> None:
    left = names(checks=["environment"], skip_checks=["environment.channels", "imports.torch"])
    assert "environment.files" in left
    assert "environment.channels" not in left


def test_the_count_of_gpus_may_be_left_out_by_name() -> None:
    asked = {"imports": {"torch": ""}, "expected_gpus": 8}
    assert "framework.torch" in names(**asked)
    assert "framework.torch" not in names(**asked, skip_checks=["framework"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"skip_checks": ["kernels"]}, "skip_checks: 'kernels'"),
        ({"skip_checks": ["imports."]}, "skip_checks: 'imports.'"),
        ({"skip_checks": list(LAYERS)}, "skip_checks leaves nothing"),
        ({"checks": ["host"], "skip_checks": ["host"]}, "skip_checks leaves nothing"),
    ],
)
def test_skipping_unknown_checks_or_all_checks_is_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(CondaModuleError) as caught:
        names(**options)
    assert words in caught.value.message


def test_the_quick_checks_read_no_files_of_packages_and_import_nothing() -> None:
    declared = Declared(packages=["python"], requirements=["torch"], prune=True)
    selected = names(
        installation="/opt/conda", imports=FULL, model="/srv/m", declared=declared, checks=["quick"]
    )
    assert selected == [
        "host.architecture",
        "host.glibc",
        "host.disk",
        "host.inodes",
        "host.memory",
        "installation.exists",
        "installation.records",
        "environment.exists",
        "environment.records",
        "environment.python",
        "environment.owners",
        "drift.packages",
        "drift.requirements",
        "imports.interpreter",
    ]


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ({"checks": ["drift"]}, ["environment.exists", "drift.packages"]),
        # What the first environment has need not be in the others.
        ({"checks": ["imports.torch", "kernel", "installation"]}, []),
        ({"checks": ["imports.six"]}, ["environment.exists", "imports.interpreter", "imports.six"]),
        (
            {"checks": ["environment", "drift"], "skip_checks": ["environment.files", "drift"]},
            [
                "environment.exists",
                "environment.records",
                "environment.python",
                "environment.distributions",
                "environment.owners",
                "environment.requirements",
                "environment.channels",
                "environment.other_pythons",
            ],
        ),
    ],
)
def test_a_further_environment_takes_what_applies_to_it(
    options: dict[str, Any], selected: list[str]
) -> None:
    declared = Declared(packages=["six"])
    assert names(is_further=True, imports={"six": ""}, declared=declared, **options) == selected


def test_an_environment_that_must_be_absent_is_only_looked_for() -> None:
    declared = Declared(packages=["six"], absent=True)
    assert names(is_further=True, declared=declared, checks=["kernel"]) == ["drift.absent"]
