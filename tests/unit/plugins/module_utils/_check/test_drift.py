"""Drift from the declaration: reported exactly when conda_env and conda_pip would change packages."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check.drift import DRIFT_CHECKS
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import observe
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Declared,
    Finding,
    Model,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker, Outcome
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    plan_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import parse_specs

if TYPE_CHECKING:
    from .conftest import Prefix

EASY = Thresholds(min_glibc="2.0", min_free_disk_mb=0, min_free_inodes=0, min_memory_mb=1)


@pytest.fixture
def stack(prefix: Prefix) -> Prefix:
    """conda's python, numpy and its BLAS, pip's torch that needs conda's numpy and pip's filelock."""
    prefix.record("libblas", "3.9")
    code = prefix.code("numpy", "answer = 42\n")
    info = prefix.site_packages / "numpy-2.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.1.0\n")
    (info / "INSTALLER").write_text("conda\n")
    files = tuple(str(file.relative_to(prefix.path)) for file in info.iterdir())
    depends = ["python", "libblas"]
    prefix.record("numpy", "2.1.0", files=(code, *files), depends=depends)
    prefix.pip_package("torch", "2.13.0", requires=("filelock>=3",))
    prefix.pip_package("filelock", "3.20")
    return prefix


def look(
    prefix: Prefix, check: str, checks: Sequence[str] | None = None, **declared: Any
) -> Finding:
    request = Request(prefix=str(prefix.path), declared=Declared(**declared), checks=checks)
    return DRIFT_CHECKS[f"drift.{check}"](observe(str(prefix.path)), request)


@pytest.mark.parametrize(
    ("spec", "drifted"),
    [
        ("numpy", False),
        ("numpy>=2", False),
        ("numpy=2.1", False),
        ("numpy=2.1.0=0", False),
        ("numpy<2", True),
        ("numpy=2.1.0=other", True),
        ("pandas", True),
        ("conda-forge::numpy", True),
        ("lab::numpy", False),
    ],
)
def test_conda_packages(stack: Prefix, spec: str, drifted: bool) -> None:
    finding = look(stack, "packages", packages=["python", spec])
    assert finding.status == ("drift" if drifted else "pass"), finding.detail
    assert finding.detail.endswith(".")
    state = observe(str(stack.path)).state
    # The check must agree with the plan of conda_env.
    planned = plan_packages(parse_specs(["python", spec]), state)
    assert bool(planned.install) is drifted
    if drifted:
        assert spec in finding.detail
        assert len(finding.measured["differences"]) == 1


def test_drift_names_the_installed_version(stack: Prefix) -> None:
    finding = look(stack, "packages", packages=["numpy<2", "pandas"])
    assert finding.detail == (
        "2 differences from the declaration: numpy<2 is declared, but numpy 2.1.0 0 lab is installed;"
        " pandas is declared, but not installed."
    )


def test_specs_that_only_conda_understands_are_reported(stack: Prefix) -> None:
    address = "https://mirror.example/lab::numpy"
    beside = look(stack, "packages", packages=["python", address])
    assert beside.status == "pass"
    assert beside.detail == (
        f"The 1 declared conda packages are installed. Only conda can interpret {address}."
    )
    alone = look(stack, "packages", packages=[address])
    assert (alone.status, alone.detail) == ("skip", f"Only conda can interpret {address}.")


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"requirements": ["torch"]}, ""),
        ({"requirements": ["torch", "numpy>=2"], "constraints": ["torch==2.13.0"]}, ""),
        ({"requirements": ["torch"], "constraints": ["pandas==1"]}, ""),
        ({"requirements": ["torch; python_version < '3'", "numpy"]}, ""),
        ({"requirements": ["torch>=3"]}, "torch 2.13.0 does not satisfy torch>=3"),
        ({"requirements": ["pandas"]}, "pandas is not installed"),
        (
            {"requirements": ["torch"], "constraints": ["torch==2.12.0"]},
            "torch 2.13.0 does not satisfy the constraint torch==2.12.0",
        ),
        (
            {"requirements": ["torch"], "constraints": ["filelock<3"]},
            "filelock 3.20 does not satisfy the constraint filelock<3",
        ),
        # numpy is conda's, filelock is pip's.
        ({"requirements": ["torch", "numpy"], "constraints_for_pip": ["numpy==1.26"]}, ""),
        (
            {"requirements": ["torch"], "constraints_for_pip": ["filelock==3.19"]},
            "filelock 3.20 does not satisfy the constraint filelock==3.19",
        ),
    ],
)
def test_requirements(stack: Prefix, declared: dict[str, Any], words: str) -> None:
    finding = look(stack, "requirements", **declared)
    assert finding.status == ("drift" if words else "pass"), finding.detail
    assert words in finding.detail


def test_requirements_without_a_python_to_hold_them(stack: Prefix) -> None:
    next(stack.meta.glob("python-*.json")).unlink()
    finding = look(stack, "requirements", requirements=["torch"])
    assert finding.status == "drift"
    assert "no Python" in finding.detail


def test_no_package_is_unneeded_if_all_are_declared(stack: Prefix) -> None:
    finding = look(stack, "unneeded", packages=["python", "numpy"], requirements=["torch"])
    assert finding.status == "pass", finding.detail


def test_a_conda_package_that_a_requirement_needs_is_needed(stack: Prefix) -> None:
    stack.pip_package("pandas", "2.2", requires=("numpy",))
    finding = look(stack, "unneeded", packages=["python"], requirements=["torch", "pandas"])
    assert finding.status == "pass", finding.detail


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"packages": ["python", "numpy"]}, ["torch 2.13.0 (pip)", "filelock 3.20 (pip)"]),
        ({"packages": ["python"], "requirements": ["torch"]}, ["libblas 3.9", "numpy 2.1.0"]),
    ],
)
def test_unneeded_packages_are_named(
    stack: Prefix, declared: dict[str, Any], words: list[str]
) -> None:
    finding = look(stack, "unneeded", **declared)
    assert finding.status == "drift"
    assert len(finding.measured["differences"]) == len(words)
    for word in words:
        assert word in finding.detail


def test_many_differences_are_counted_and_all_are_returned(stack: Prefix) -> None:
    finding = look(stack, "packages", packages=[f"missing{number}" for number in range(9)])
    assert finding.detail.endswith("; and 4 more.")
    assert len(finding.measured["differences"]) == 9


def run(prefix: Prefix, **options: Any) -> Outcome:
    return Checker(Request(prefix=str(prefix.path), thresholds=EASY, **options)).run()


def test_drift_is_a_status_of_its_own_and_the_next_layers_run(stack: Prefix) -> None:
    before = stack.tree()
    outcome = run(stack, imports={"torch": ""}, checks=["drift", "imports"], declared=NUMPY_1)
    assert outcome.status == "drift"
    assert outcome.failed_layer is None
    assert {one.name: one.status for one in outcome.results} == {
        "environment.exists": "pass",
        "drift.packages": "drift",
        "imports.interpreter": "pass",
        "imports.torch": "pass",
        "imports.user_environment": "pass",
    }
    assert stack.tree() == before


def test_a_failure_takes_precedence_over_drift(stack: Prefix) -> None:
    outcome = run(stack, imports={"absent": ""}, checks=["drift", "imports"], declared=NUMPY_1)
    assert outcome.status == "fail"
    assert outcome.failed_layer == "imports"


def test_a_missing_environment_has_no_drift(stack: Prefix) -> None:
    (stack.meta / "history").unlink()
    outcome = run(stack, checks=["drift"], declared=NUMPY_1)
    assert [one.status for one in outcome.results] == ["fail", "skip"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"packages": ["numpy=="]}, "packages"),
        ({"requirements": ["--editable ."]}, "requirements"),
        ({"constraints": ["torch[cpu]==2"]}, "constraints"),
    ],
)
def test_invalid_declarations_are_refused(
    stack: Prefix, declared: dict[str, Any], words: str
) -> None:
    with pytest.raises(CondaModuleError, match=words):
        run(stack, declared=Declared(**declared))


def settings(stack: Prefix, **options: Any) -> Finding:
    return look(stack, "settings", options=options)


def test_declared_settings_that_are_in_place(stack: Prefix) -> None:
    (stack.meta / "pinned").write_text("numpy<3\n")
    (stack.meta / "state").write_text('{"env_vars": {"OMP_NUM_THREADS": "4"}}')
    finding = settings(
        stack, pinned=["numpy<3"], variables={"OMP_NUM_THREADS": 4, "GONE": None}, frozen=False
    )
    assert finding.status == "pass", finding.detail


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pinned": ["numpy<3"]}, "the requested pins are not set: numpy<3"),
        (
            {"variables": {"HF_TOKEN": "hunter2222"}},
            "the variable HF_TOKEN does not have the requested value",
        ),
        ({"frozen": True}, "the environment is not frozen, but must be"),
        ({"owner": str(os.getuid() + 1)}, "the owner is "),
        (
            {"environment": {"dependencies": ["python"], "variables": {"A": "1"}}},
            "the variable A does not have the requested value",
        ),
    ],
)
def test_other_settings_are_drift(stack: Prefix, options: dict[str, Any], words: str) -> None:
    finding = settings(stack, **options)
    assert finding.status == "drift", finding.detail
    assert words in finding.detail
    assert "hunter" not in finding.detail


def test_a_variables_file_that_cannot_be_read_fails(stack: Prefix) -> None:
    (stack.meta / "state").write_text("{")
    finding = settings(stack, variables={"A": "1"})
    assert finding.status == "fail"
    assert "state cannot be read" in finding.detail


def test_a_violated_pin_is_drift_of_the_package(stack: Prefix) -> None:
    finding = look(stack, "packages", packages=["python"], options={"pinned": ["numpy<2"]})
    assert finding.status == "drift"
    assert "numpy<2 is pinned, but numpy 2.1.0 0 lab is installed" in finding.detail


def test_an_environment_file_is_compared_whole(stack: Prefix) -> None:
    file = {"dependencies": ["python", "pandas", {"pip": ["torch", "absent"]}]}
    packages = look(stack, "packages", options={"environment": file})
    assert packages.detail == (
        "1 difference from the declaration: pandas is declared, but not installed."
    )
    assert (
        "absent is not installed"
        in look(stack, "requirements", options={"environment": file}).detail
    )


def test_a_lock_is_compared_exactly(stack: Prefix) -> None:
    lines = [
        "https://mirror.example/conda/lab/noarch/numpy-2.0.0-0.conda",
        "https://mirror.example/conda/lab/noarch/libblas-3.9-0.conda",
    ]
    finding = look(stack, "packages", options={"lock": lines})
    assert finding.status == "drift"
    assert "numpy 2.0.0 0" in finding.detail
    assert "but numpy 2.1.0 0 lab is installed" in finding.detail
    assert "python is not in the lock" in finding.detail
    assert "libblas" not in finding.detail


def test_a_declaration_that_the_module_refuses_is_a_failure(stack: Prefix) -> None:
    (stack.meta / "frozen").write_text("{}")
    finding = look(stack, "packages", packages=["pandas"])
    assert finding.status == "fail"
    assert "conda_env refuses the declaration: The environment" in finding.detail
    assert "is frozen" in finding.detail
    unknown = settings(stack, owner="nobody-of-this-name")
    assert unknown.status == "fail"
    assert "nobody-of-this-name" in unknown.detail
    owned = look(stack, "requirements", requirements=["numpy<2"])
    assert owned.status == "fail"
    assert "conda_pip refuses the declaration: pip would have to replace packages" in owned.detail


def test_damage_is_drift_where_only_drift_is_checked(stack: Prefix) -> None:
    (stack.site_packages / "numpy" / "__init__.py").unlink()
    (stack.site_packages / "filelock" / "__init__.py").unlink()
    assert "numpy is damaged" in look(stack, "packages", ["drift"], packages=["python"]).detail
    finding = look(stack, "requirements", ["drift"], requirements=["torch"])
    assert "filelock 3.20 has 1 damaged file" in finding.detail
    # The layer environment reports the files, and one fault is not reported twice.
    assert look(stack, "packages", packages=["python"]).status == "pass"
    assert look(stack, "requirements", requirements=["torch"]).status == "pass"


def test_a_second_owner_is_drift_where_only_drift_is_checked(stack: Prefix) -> None:
    stack.pip_package("numpy", "2.2.0", "answer = 42\n")
    assert "numpy is damaged" in look(stack, "packages", ["drift"], packages=["python"]).detail
    assert look(stack, "packages", packages=["python"]).status == "pass"


def test_the_lines_for_pip_of_a_lock_are_declared(stack: Prefix) -> None:
    lock = [
        "https://mirror.example/conda/lab/noarch/libblas-3.9-0.conda",
        "# pip torch @ https://mirror.example/torch-2.13.0-py3-none-any.whl",
    ]
    finding = look(stack, "requirements", options={"lock": lock})
    assert "torch 2.13.0 was not installed from the URL" in finding.detail


def test_a_frozen_environment_keeps_its_distributions(stack: Prefix) -> None:
    (stack.meta / "frozen").write_text("{}")
    finding = look(stack, "requirements", requirements=["absent"])
    assert finding.status == "fail"
    assert "conda_pip refuses to change a frozen environment: absent is not" in finding.detail
    lifted = look(stack, "requirements", requirements=["absent"], options={"frozen": False})
    assert lifted.status == "drift"
    other = look(stack, "settings", options={"pinned": ["numpy<3"]})
    assert other.status == "fail"
    assert "is frozen" in other.detail


COMMIT = "8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567"


def cached_model(cache: Path, size: int = 2) -> None:
    """A model as huggingface_hub 2 keeps it, with one file of two bytes."""
    model = cache / "models--example--tiny"
    for name, text in (("refs/main", COMMIT), (f"snapshots/{COMMIT}/config.json", "{}")):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(text)
    (model / "trees").mkdir()
    tree = {"format_version": 1, "files": {"config.json": {"size": size, "blob_id": "x"}}}
    (model / "trees" / f"{COMMIT}.json").write_text(json.dumps(tree))


def models(stack: Prefix, *wanted: Model) -> Finding:
    request = Request(prefix=str(stack.path), models=wanted)
    return DRIFT_CHECKS["drift.models"](observe(str(stack.path)), request)


def test_models_are_looked_for_in_the_declared_cache(stack: Prefix, tmp_path: Path) -> None:
    cached_model(tmp_path / "cache")
    there = Model("example/tiny", str(tmp_path / "cache"))
    assert models(stack, there).status == "pass"
    assert models(stack, replace(there, commit=COMMIT)).status == "pass"
    elsewhere = models(stack, there, replace(there, cache_dir="/nowhere"))
    assert elsewhere.status == "drift"
    assert "example/tiny in /nowhere: the model is not in the cache" in elsewhere.detail
    other = models(stack, replace(there, commit="0" * 40))
    assert f"the cached revision is at commit {COMMIT}" in other.detail


def test_an_incomplete_model_is_drift(stack: Prefix, tmp_path: Path) -> None:
    cached_model(tmp_path / "cache", size=3)
    finding = models(stack, Model("example/tiny", str(tmp_path / "cache")))
    assert finding.status == "drift"
    assert "missing or incomplete files: config.json" in finding.detail


NUMPY_1 = Declared(packages=["numpy<2"])
